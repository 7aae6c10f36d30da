//! The `values` of filters: constraints on one side, values on the other.

use core::iter::FusedIterator;
#[cfg(feature = "alloc")]
use core::ops::Range;

use super::{
    raw::{Elements, Kind, Members, Value},
    scalar::Scalar,
    text::Text,
};

/// One condition of a subscription (the protocol, section 4).
#[derive(Clone, Copy, Debug)]
pub struct Constraint<'a> {
    /// The key whose value is constrained; nothing if any value may meet the constraint.
    pub key: Option<Text<'a>>,
    /// The values that meet it.
    pub accepts: Accepts<'a>,
}

/// Which values meet a [`Constraint`].
#[derive(Clone, Copy, Debug)]
pub enum Accepts<'a> {
    /// Every scalar.
    Any,
    /// Every scalar that equals one of these; none if these are empty.
    OneOf(Scalars<'a>),
}

impl<'a> Accepts<'a> {
    /// `value` is that of a key in a subscription, and has been checked.
    fn trusted(value: Value<'a>) -> Self {
        match value.kind() {
            Kind::True => Self::Any,
            Kind::Object | Kind::Array | Kind::String | Kind::Number | Kind::False | Kind::Null => {
                Self::OneOf(Scalars::trusted(value))
            }
        }
    }

    /// Whether no scalar meets the constraint.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Any => false,
            Self::OneOf(accepted) => accepted.iter().next().is_none(),
        }
    }

    /// Whether `value` meets the constraint.
    pub(super) fn accepts(&self, value: Scalar<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(accepted) => accepted.iter().any(|scalar| scalar == value),
        }
    }

    /// Whether some scalar of `values` meets the constraint.
    pub(super) fn any_of(&self, values: Scalars<'_>) -> bool {
        // As `first_of`, but by way of that long lists take half as long again.
        match self {
            Self::Any => values.iter().next().is_some(),
            Self::OneOf(accepted) => values
                .iter()
                .any(|value| accepted.iter().any(|scalar| scalar == value)),
        }
    }

    /// The first scalar of `values` that meets the constraint.
    pub(super) fn first_of<'v>(&self, values: Scalars<'v>) -> Option<Scalar<'v>> {
        values.iter().find(|value| self.accepts(*value))
    }
}

/// Iterator over the constraints of a subscription, each key once, in the order of the text.
#[derive(Clone, Debug)]
pub struct Constraints<'a>(ConstraintsInner<'a>);

#[derive(Clone, Debug)]
enum ConstraintsInner<'a> {
    Keyed(EffectiveMembers<'a>),
    Unkeyed(Option<Scalars<'a>>),
}

impl<'a> Constraints<'a> {
    /// `values` are those of a subscription, and have been checked.
    pub(super) fn trusted(values: Option<Value<'a>>) -> Self {
        Self(match values {
            Some(values) if values.kind() == Kind::Object => {
                ConstraintsInner::Keyed(EffectiveMembers::new(values))
            }
            values => ConstraintsInner::Unkeyed(values.map(Scalars::trusted)),
        })
    }

    /// What the constraint of `key` accepts, if it is still to come. Takes time linear in the
    /// length of the JSON text.
    pub(super) fn of_key(&self, key: Text<'_>) -> Option<Accepts<'a>> {
        match &self.0 {
            ConstraintsInner::Keyed(EffectiveMembers(members)) => {
                last_named(members.clone(), key).map(Accepts::trusted)
            }
            ConstraintsInner::Unkeyed(_) => None,
        }
    }

    /// Whether one of the constraints that are still to come `does`. Takes time linear in the
    /// length of the JSON text, but for each overridden one that does, too.
    pub(super) fn any_accepts(&self, does: impl Fn(&Accepts<'a>) -> bool) -> bool {
        match &self.0 {
            ConstraintsInner::Keyed(EffectiveMembers(members)) => {
                any_effective(members.clone(), |value| does(&Accepts::trusted(value)))
            }
            ConstraintsInner::Unkeyed(scalars) => {
                scalars.is_some_and(|scalars| does(&Accepts::OneOf(scalars)))
            }
        }
    }
}

impl<'a> Iterator for Constraints<'a> {
    type Item = Constraint<'a>;

    fn next(&mut self) -> Option<Constraint<'a>> {
        match &mut self.0 {
            ConstraintsInner::Keyed(members) => {
                let (key, value) = members.next()?;
                Some(Constraint {
                    key: Some(key),
                    accepts: Accepts::trusted(value),
                })
            }
            ConstraintsInner::Unkeyed(scalars) => Some(Constraint {
                key: None,
                accepts: Accepts::OneOf(scalars.take()?),
            }),
        }
    }
}

impl FusedIterator for Constraints<'_> {}

/// What a notification offers to constraints (the protocol, section 4).
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Nothing; only subscriptions without constraints match.
    None,
    /// Values without a key, at least one.
    Unkeyed(Scalars<'a>),
    /// Values by key, at least one.
    Keyed(Keyed<'a>),
}

impl<'a> Values<'a> {
    /// `values` are those of a notification, and have been checked.
    pub(super) fn trusted(values: Option<Value<'a>>) -> Self {
        match values {
            None => Self::None,
            Some(values) if values.kind() == Kind::Object => Self::Keyed(Keyed { object: values }),
            Some(values) => Self::Unkeyed(Scalars::trusted(values)),
        }
    }
}

/// The values of a notification by their keys.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'a> {
    object: Value<'a>,
}

impl<'a> Keyed<'a> {
    /// The values of `key`: nothing when the key is missing, empty when its value is an empty
    /// array. Takes time linear in the length of the JSON text.
    #[must_use]
    pub fn get(&self, key: Text<'_>) -> Option<Scalars<'a>> {
        last_named(self.object.members(), key).map(Scalars::trusted)
    }

    /// Each key with its values, in the order of the text. Takes time quadratic in the number of
    /// keys.
    #[must_use]
    pub fn iter(&self) -> Entries<'a> {
        Entries(EffectiveMembers::new(self.object))
    }

    /// Each name as it was written and where its value is, for [`values_at`](Self::values_at). A
    /// name may come again: the last one counts, and of the others not even the values are checked.
    #[cfg(feature = "alloc")]
    pub(crate) fn written(&self) -> impl Iterator<Item = (Text<'a>, Range<usize>)> + use<'a> {
        let len = self.object.as_bytes().len();
        let mut members = self.object.members();
        core::iter::from_fn(move || {
            let (name, value) = members.next()?;
            let end = len.saturating_sub(members.left());
            let start = end.saturating_sub(value.as_bytes().len());
            Some((Text::trusted(name), start..end))
        })
    }

    /// What a constraint at such a place accepts, if this is of a subscription.
    #[cfg(feature = "alloc")]
    pub(crate) fn accepts_at(&self, place: Range<usize>) -> Accepts<'a> {
        let raw = self.object.as_bytes().get(place);
        Accepts::trusted(Value::trusted(raw.unwrap_or(b"[]")))
    }

    /// The values at a place that [`written`](Self::written) told of a name that counts.
    #[cfg(feature = "alloc")]
    pub(crate) fn values_at(&self, place: Range<usize>) -> Scalars<'a> {
        let raw = self.object.as_bytes().get(place);
        Scalars::trusted(Value::trusted(raw.unwrap_or(b"[]")))
    }

    /// Whether `accepts` is met by the values of any key.
    pub(super) fn any_meets(&self, accepts: &Accepts<'_>) -> bool {
        any_effective(self.object.members(), |value| {
            accepts.any_of(Scalars::trusted(value))
        })
    }
}

impl<'a> IntoIterator for &Keyed<'a> {
    type Item = (Text<'a>, Scalars<'a>);
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// Iterator over the keys of a notification and their values, each key once.
#[derive(Clone, Debug)]
pub struct Entries<'a>(EffectiveMembers<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Text<'a>, Scalars<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .next()
            .map(|(key, value)| (key, Scalars::trusted(value)))
    }
}

impl FusedIterator for Entries<'_> {}

/// Scalars as they stand in a filter: one alone, or those of an array, duplicates included.
#[derive(Clone, Copy, Debug)]
pub struct Scalars<'a> {
    value: Value<'a>,
}

impl<'a> Scalars<'a> {
    /// `value` is a scalar or an array of scalars, and has been checked.
    pub(super) const fn trusted(value: Value<'a>) -> Self {
        Self { value }
    }

    /// The scalars in the order of the text.
    #[must_use]
    pub fn iter(&self) -> ScalarsIter<'a> {
        ScalarsIter(match self.value.kind() {
            Kind::Array => ScalarsInner::Array(self.value.elements()),
            Kind::Object | Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                ScalarsInner::One(Scalar::trusted(self.value))
            }
        })
    }
}

impl<'a> IntoIterator for &Scalars<'a> {
    type Item = Scalar<'a>;
    type IntoIter = ScalarsIter<'a>;

    fn into_iter(self) -> ScalarsIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Scalars`].
#[derive(Clone, Debug)]
pub struct ScalarsIter<'a>(ScalarsInner<'a>);

#[derive(Clone, Debug)]
enum ScalarsInner<'a> {
    One(Option<Scalar<'a>>),
    Array(Elements<'a>),
}

impl<'a> Iterator for ScalarsIter<'a> {
    type Item = Scalar<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scalar<'a>> {
        match &mut self.0 {
            ScalarsInner::One(scalar) => scalar.take(),
            ScalarsInner::Array(elements) => elements.next().and_then(Scalar::trusted),
        }
    }
}

impl FusedIterator for ScalarsIter<'_> {}

/// The members of an object that no later member of the same name overrides. Their names have been
/// checked.
#[derive(Clone, Debug)]
pub(super) struct EffectiveMembers<'a>(Members<'a>);

impl<'a> EffectiveMembers<'a> {
    pub(super) fn new(object: Value<'a>) -> Self {
        Self(object.members())
    }
}

impl<'a> Iterator for EffectiveMembers<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, value) = self.0.next()?;
            let name = Text::trusted(name);
            if !is_overridden(name, &self.0) {
                return Some((name, value));
            }
        }
    }
}

/// The value that counts of the members called `name`.
fn last_named<'a>(members: Members<'a>, name: Text<'_>) -> Option<Value<'a>> {
    let named = |(other, value)| (Text::trusted(other) == name).then_some(value);
    members.filter_map(named).last()
}

/// Whether `does` holds for the value of a member that no later one of the same name overrides.
fn any_effective<'a>(mut members: Members<'a>, does: impl Fn(Value<'a>) -> bool) -> bool {
    while let Some((name, value)) = members.next() {
        // A later member is looked for last because nearly nothing gets as far as that.
        if does(value) && !is_overridden(Text::trusted(name), &members) {
            return true;
        }
    }
    false
}

/// Whether one of the `later` members is called `name` too.
fn is_overridden(name: Text<'_>, later: &Members<'_>) -> bool {
    later.clone().any(|(other, _)| Text::trusted(other) == name)
}
