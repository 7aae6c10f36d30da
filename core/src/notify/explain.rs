//! Why a subscription and a notification match or do not, in words.

use core::fmt::{self, Display as _};

use super::{
    filter::{Accepts, Constraint, Constraints, Keyed, Scalars, Values},
    notification::Notification,
    scalar::Scalar,
    shown::{Accepted, Had, Member, Quoted, Shown},
    subscription::Subscription,
    text::Text,
};

/// Why `notification` is or is not to be delivered for `subscription`. It is said to match exactly
/// when [`matches()`](super::matches()) does.
///
/// Of several rules that fail the first is named: package, page, then the constraints in the order
/// of the subscription's text. Time is that of `matches`, but quadratic in the notification's keys
/// where the subscription has none.
///
/// ```
/// use campanile_core::notify::{Limits, Notification, Subscription, explain};
///
/// let limits = Limits::default();
/// let subscription = Subscription::parse(
///     br#"{"package":"plant","page":"alerts","filters":{"values":{"severity":["high","critical"]}}}"#,
///     &limits,
/// )?;
/// let notification = Notification::parse(
///     br#"{"package":"plant","page":"alerts","filters":{"values":{"severity":"low"}}}"#,
///     &limits,
/// )?;
/// let explanation = explain(&subscription, &notification);
/// assert!(!explanation.is_match());
/// assert_eq!(explanation.location().to_string(), "filters.values.severity");
/// assert_eq!(
///     explanation.to_string(),
///     "does not match: at filters.values.severity the notification has \"low\", \
///      and the subscription accepts \"high\" or \"critical\""
/// );
/// # Ok::<(), campanile_core::notify::Refusal>(())
/// ```
#[must_use]
pub fn explain<'a>(
    subscription: &Subscription<'a>,
    notification: &Notification<'a>,
) -> Explanation<'a> {
    let (wanted, found) = (subscription.package(), notification.package());
    if wanted != found {
        return Explanation::OtherPackage { wanted, found };
    }
    let (wanted, found) = (subscription.page(), notification.page());
    if wanted != found {
        return Explanation::OtherPage { wanted, found };
    }
    let constraints = subscription.constraints();
    let Some(first) = constraints.clone().next() else {
        return Explanation::Unconstrained;
    };
    match (notification.values(), first.key) {
        (Values::None, _) => Explanation::NoValues { constraints },
        (Values::Unkeyed(values), _) => bare(constraints, values),
        (Values::Keyed(values), Some(_)) => by_key(constraints, values),
        (Values::Keyed(values), None) => anywhere(first, values),
    }
}

/// A notification with values that have no key: any constraint may accept any of them.
fn bare<'a>(constraints: Constraints<'a>, values: Scalars<'a>) -> Explanation<'a> {
    for constraint in constraints.clone() {
        if let Some(value) = constraint.accepts.first_of(values) {
            return Explanation::Accepted {
                constraint,
                key: None,
                value,
            };
        }
    }
    Explanation::NotAcceptedByAny {
        constraints,
        values,
    }
}

/// Both have keys: each constraint must be met at its own.
fn by_key<'a>(constraints: Constraints<'a>, values: Keyed<'a>) -> Explanation<'a> {
    for Constraint { key, accepts } in constraints.clone() {
        let Some(key) = key else { continue };
        match values.get(key) {
            None => return Explanation::KeyMissing { key, accepts },
            Some(values) if !accepts.any_of(values) => {
                return Explanation::NotAccepted {
                    key,
                    accepts,
                    values,
                };
            }
            Some(_) => {}
        }
    }
    Explanation::AllAccepted {
        constraints,
        values,
    }
}

/// A constraint without a key may be met at any key.
fn anywhere<'a>(constraint: Constraint<'a>, values: Keyed<'a>) -> Explanation<'a> {
    for (key, values) in &values {
        if let Some(value) = constraint.accepts.first_of(values) {
            return Explanation::Accepted {
                constraint,
                key: Some(key),
                value,
            };
        }
    }
    Explanation::NotAcceptedAnywhere {
        accepts: constraint.accepts,
        values,
    }
}

/// Why a subscription and a notification match or do not (the protocol, section 4); see
/// [`explain`].
///
/// `Display` says it in one line of English. Long texts and lists are shortened there, and
/// characters that a terminal would obey or hide are escaped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Explanation<'a> {
    /// No match: the packages differ.
    OtherPackage {
        /// The subscription's.
        wanted: Text<'a>,
        /// The notification's.
        found: Text<'a>,
    },
    /// No match: the pages differ.
    OtherPage {
        /// The subscription's.
        wanted: Text<'a>,
        /// The notification's.
        found: Text<'a>,
    },
    /// No match: the notification has no values, and the subscription has constraints.
    NoValues {
        /// All of the subscription's, at least one.
        constraints: Constraints<'a>,
    },
    /// No match: the notification has values without a key, and no constraint accepts any of them.
    NotAcceptedByAny {
        /// All of the subscription's, at least one.
        constraints: Constraints<'a>,
        /// The notification's, at least one.
        values: Scalars<'a>,
    },
    /// No match: the notification has values by key, but none for this constraint.
    KeyMissing {
        /// The constraint's.
        key: Text<'a>,
        /// What the constraint accepts.
        accepts: Accepts<'a>,
    },
    /// No match: the constraint of this key accepts no value that the notification has there.
    NotAccepted {
        /// That of both.
        key: Text<'a>,
        /// What the constraint accepts.
        accepts: Accepts<'a>,
        /// What the notification has; nothing if its value is an empty array.
        values: Scalars<'a>,
    },
    /// No match: the subscription's constraint has no key and accepts no value of any.
    NotAcceptedAnywhere {
        /// What the constraint accepts.
        accepts: Accepts<'a>,
        /// The notification's.
        values: Keyed<'a>,
    },
    /// A match: the subscription has no constraints.
    Unconstrained,
    /// A match by this one value: it, the constraint, or both have no key.
    Accepted {
        /// The first that accepts a value.
        constraint: Constraint<'a>,
        /// Where the notification has the value; nothing if its values have no keys.
        key: Option<Text<'a>>,
        /// The first of the notification's values that the constraint accepts.
        value: Scalar<'a>,
    },
    /// A match by keys: each constraint accepts a value that the notification has for its key.
    AllAccepted {
        /// All of the subscription's, at least one.
        constraints: Constraints<'a>,
        /// The notification's.
        values: Keyed<'a>,
    },
}

impl<'a> Explanation<'a> {
    /// Whether the two match.
    #[must_use]
    pub const fn is_match(&self) -> bool {
        match self {
            Self::OtherPackage { .. }
            | Self::OtherPage { .. }
            | Self::NoValues { .. }
            | Self::NotAcceptedByAny { .. }
            | Self::KeyMissing { .. }
            | Self::NotAccepted { .. }
            | Self::NotAcceptedAnywhere { .. } => false,
            Self::Unconstrained | Self::Accepted { .. } | Self::AllAccepted { .. } => true,
        }
    }

    /// The member of the notification that decided; where several did, what they are in.
    #[must_use]
    pub const fn location(&self) -> Location<'a> {
        match self {
            Self::OtherPackage { .. } => Location::Package,
            Self::OtherPage { .. } => Location::Page,
            Self::KeyMissing { key, .. }
            | Self::NotAccepted { key, .. }
            | Self::Accepted { key: Some(key), .. } => Location::Value(*key),
            Self::NoValues { .. }
            | Self::NotAcceptedByAny { .. }
            | Self::NotAcceptedAnywhere { .. }
            | Self::Unconstrained
            | Self::Accepted { key: None, .. }
            | Self::AllAccepted { .. } => Location::Values,
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_match() {
            "matches: "
        } else {
            "does not match: "
        })?;
        let at = self.location();
        match self {
            Self::OtherPackage { wanted, found } | Self::OtherPage { wanted, found } => {
                write!(f, "at {at} the notification has {}", Quoted(*found))?;
                write!(f, ", and the subscription wants {}", Quoted(*wanted))
            }
            Self::NoValues { constraints } => {
                write!(f, "the notification has no {at}, {ACCEPTS} ")?;
                each(f, constraints.clone(), accepted_at)
            }
            Self::NotAcceptedByAny {
                constraints,
                values,
            } => {
                write!(f, "at {at} the notification has {}", Had(*values))?;
                write!(f, ", {ACCEPTS} ")?;
                each(f, constraints.clone(), accepted_at)
            }
            Self::KeyMissing { accepts, .. } => {
                write!(
                    f,
                    "the notification has no {at}, {ACCEPTS} {}",
                    Accepted(*accepts)
                )
            }
            Self::NotAccepted {
                accepts, values, ..
            } => {
                write!(f, "at {at} the notification has {}", Had(*values))?;
                write!(f, ", {ACCEPTS} {}", Accepted(*accepts))
            }
            Self::NotAcceptedAnywhere { accepts, values } => {
                f.write_str("the notification has ")?;
                each(f, values.iter(), |f, (key, values)| {
                    write!(f, "{} at {}", Had(values), Location::Value(key))
                })?;
                write!(f, ", {ACCEPTS} {} at any key", Accepted(*accepts))
            }
            Self::Unconstrained => f.write_str(
                "the subscription has no constraints, and so accepts all of its package and page",
            ),
            Self::Accepted {
                constraint,
                key,
                value,
            } => {
                write!(f, "at {at} the notification has {}", Shown(*value))?;
                write!(f, ", {ACCEPTS} ")?;
                accepted_at(f, *constraint)?;
                f.write_str(if key.is_some() { " at any key" } else { "" })
            }
            Self::AllAccepted {
                constraints,
                values,
            } => each(f, constraints.clone(), |f, one| {
                accepted_value(f, one, values)
            }),
        }
    }
}

/// Between the notification's side and the subscription's.
const ACCEPTS: &str = "and the subscription accepts";

/// Constraints or keys that are shown: more than most subscriptions have.
const MAX_EACH: usize = 4;

fn each<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T> + Clone,
    show: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.clone().take(MAX_EACH).enumerate() {
        f.write_str(if index == 0 { "" } else { "; " })?;
        show(f, item)?;
    }
    match items.count().saturating_sub(MAX_EACH) {
        0 => Ok(()),
        more => write!(f, "; and {more} more"),
    }
}

/// What a constraint accepts, and at which key if it has one.
fn accepted_at(f: &mut fmt::Formatter<'_>, constraint: Constraint<'_>) -> fmt::Result {
    Accepted(constraint.accepts).fmt(f)?;
    match constraint.key {
        Some(key) => write!(f, " at {}", Location::Value(key)),
        None => Ok(()),
    }
}

/// Which of `values` meets a constraint with a key.
fn accepted_value(
    f: &mut fmt::Formatter<'_>,
    constraint: Constraint<'_>,
    values: &Keyed<'_>,
) -> fmt::Result {
    let Constraint { key, accepts } = constraint;
    let Some((key, values)) = key.and_then(|key| Some((key, values.get(key)?))) else {
        return Ok(());
    };
    write!(f, "at {} the notification has ", Location::Value(key))?;
    match accepts.first_of(values) {
        Some(value) => Shown(value).fmt(f)?,
        None => Had(values).fmt(f)?,
    }
    write!(f, ", {ACCEPTS} {}", Accepted(accepts))
}

/// A member of a subscription or notification, as a person writes it: `package`,
/// `filters.values.channel`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Location<'a> {
    /// `package`
    Package,
    /// `page`
    Page,
    /// `filters.values`
    Values,
    /// The value of this key in `filters.values`.
    Value(Text<'a>),
}

impl fmt::Display for Location<'_> {
    /// A key that is no plain word is written as `filters.values["a key"]`, a long one shortened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package => f.write_str("package"),
            Self::Page => f.write_str("page"),
            Self::Values => f.write_str("filters.values"),
            Self::Value(key) => write!(f, "filters.values{}", Member(*key)),
        }
    }
}
