//! What subscriptions and notifications have in common: a package, a page, and the `values` of a
//! filter.

#[cfg(feature = "fast")]
use super::effective::try_each_effective;
#[cfg(not(feature = "fast"))]
use super::filter::EffectiveMembers;
use super::{
    json,
    limits::Limits,
    raw::{Kind, Value},
    refusal::{ErrorCode, Path, Problem, Refusal},
    scalar::{NotComparable, Scalar},
    text::Text,
};

/// The interpreted members of a subscription or notification. What `values` means depends on the
/// side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) package: Text<'a>,
    pub(super) page: Text<'a>,
    /// Nothing if they are missing, or stand for none.
    pub(super) values: Option<Value<'a>>,
}

impl<'a> Target<'a> {
    /// Validates `text` as the one object of a subscription or notification that stands alone, and
    /// checks it.
    pub(super) fn parse_alone(
        text: &'a [u8],
        place: Place,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        json::object(text, |_, _| {}).map_err(|fault| {
            Refusal::at(ErrorCode::InvalidJson, Path::new(), Problem::Json(fault))
        })?;
        Self::parse(Value::trusted(text.trim_ascii()), place, limits)
    }

    /// Checks `value` against sections 2 to 4 of the protocol.
    pub(super) fn parse(value: Value<'a>, place: Place, limits: &Limits) -> Result<Self, Refusal> {
        Self::check(value, place, limits).map_err(|misfit| place.refuse(&misfit))
    }

    /// Of members that have been found; nothing if they are to be refused.
    #[cfg(feature = "fast")]
    pub(super) fn from_members(
        members: &Members<'a>,
        place: Place,
        limits: &Limits,
    ) -> Option<Self> {
        Self::check_members(members, place, limits).ok()
    }

    fn check(value: Value<'a>, place: Place, limits: &Limits) -> Result<Self, Misfit<'a>> {
        if value.kind() != Kind::Object {
            return Err(Misfit::new(At::Whole, Problem::WrongType("an object")));
        }
        Self::check_members(&Members::find(value), place, limits)
    }

    fn check_members(
        members: &Members<'a>,
        place: Place,
        limits: &Limits,
    ) -> Result<Self, Misfit<'a>> {
        let package = text("package", members.package)?;
        let page = text("page", members.page)?;
        let values = place.values(members)?;
        if let Some(values) = values
            && !members.has_few_plain_values(place, limits)
        {
            place.check_values(values, limits)?;
        }
        Ok(Self {
            package,
            page,
            values,
        })
    }

    /// Reads a `value` that [`parse`](Self::parse) has accepted.
    pub(super) fn trusted(value: Value<'a>, place: Place) -> Option<Self> {
        let members = Members::find(value);
        Some(Self {
            package: Text::trusted(members.package?.string()?),
            page: Text::trusted(members.page?.string()?),
            values: place.values(&members).ok()?,
        })
    }
}

/// What is wrong with a [`Target`]. It is small, because it passes through many hands; a
/// [`Refusal`] holds its path.
#[derive(Clone, Copy, Debug)]
struct Misfit<'a> {
    at: At<'a>,
    problem: Problem,
}

/// What a [`Misfit`] is at.
#[derive(Clone, Copy, Debug)]
enum At<'a> {
    Whole,
    Member(&'static str),
    /// The filter's `values`, or what of them these name.
    Values(Option<Text<'a>>, Option<usize>),
}

impl<'a> Misfit<'a> {
    const fn new(at: At<'a>, problem: Problem) -> Self {
        Self { at, problem }
    }

    const fn of_values(problem: Problem) -> Self {
        Self::new(At::Values(None, None), problem)
    }
}

/// Where a [`Target`] stands, and what it is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A subscription or grant, at this index of its list.
    Element(List, usize),
    /// The notification of a message.
    Notification,
    /// A subscription that is not part of a message.
    LoneSubscription,
    /// A notification that is not part of a message.
    LoneNotification,
}

/// A list of subscriptions.
#[derive(Clone, Copy, Debug)]
pub(super) enum List {
    /// That of a client's message.
    Subscriptions,
    /// The grants of the claim of this name.
    Grants(&'static str),
}

impl List {
    pub(super) fn path(self) -> Path {
        Path::new().member(match self {
            Self::Subscriptions => "subscriptions",
            Self::Grants(claim) => claim,
        })
    }

    /// What a refusal for the sake of this list is called; `code` in a client's message.
    pub(super) const fn code(self, code: ErrorCode) -> ErrorCode {
        match self {
            Self::Subscriptions => code,
            // The protocol, section 5: a bad token is.
            Self::Grants(_) => ErrorCode::Unauthorized,
        }
    }
}

impl Place {
    #[cold]
    fn refuse(self, misfit: &Misfit<'_>) -> Refusal {
        let (code, mut path) = match self {
            Self::Element(list, index) => (
                list.code(ErrorCode::InvalidSubscription),
                list.path().element(index),
            ),
            Self::Notification => (
                ErrorCode::InvalidNotification,
                Path::new().member("notification"),
            ),
            Self::LoneSubscription => (ErrorCode::InvalidSubscription, Path::new()),
            Self::LoneNotification => (ErrorCode::InvalidNotification, Path::new()),
        };
        match misfit.at {
            At::Whole => {}
            At::Member(name) => path = path.member(name),
            At::Values(key, index) => {
                path = path.member("filters").member("values");
                if let Some(key) = key {
                    path = path.key(key);
                }
                if let Some(index) = index {
                    path = path.element(index);
                }
            }
        }
        Refusal::at(code, path, misfit.problem)
    }

    const fn is_notification(self) -> bool {
        matches!(self, Self::Notification | Self::LoneNotification)
    }

    /// The `values` of `filters`, unless they stand for none.
    fn values<'a>(self, members: &Members<'a>) -> Result<Option<Value<'a>>, Misfit<'a>> {
        let Some(filters) = members.filters else {
            return Ok(None);
        };
        match filters.kind() {
            Kind::Object => {}
            Kind::Null => return Ok(None),
            Kind::Array if filters.is_empty() => return Ok(None),
            Kind::Array | Kind::String | Kind::Number | Kind::True | Kind::False => {
                return Err(Misfit::new(
                    At::Member("filters"),
                    Problem::WrongType("an object"),
                ));
            }
        }
        Ok(members.values.filter(|value| match value.kind() {
            Kind::Null => false,
            Kind::Object | Kind::Array => !value.is_empty(),
            // In a subscription `true` accepts everything; in a notification it is a scalar like
            // others.
            Kind::True => self.is_notification(),
            Kind::String | Kind::Number | Kind::False => true,
        }))
    }

    const fn max_keys(self, limits: &Limits) -> usize {
        if self.is_notification() {
            limits.keys
        } else {
            limits.constraints
        }
    }

    fn check_values<'a>(self, values: Value<'a>, limits: &Limits) -> Result<(), Misfit<'a>> {
        let mut budget = Budget {
            left: limits.values,
            limit: limits.values,
        };
        if values.kind() != Kind::Object {
            return check_scalars(None, values, &mut budget);
        }
        let max_keys = self.max_keys(limits);
        // Both are asked of overridden members too: the number, because finding the overridden ones
        // is what takes time; Unicode, because two lone surrogates must not be mistaken for the
        // same name.
        let mut plain = budget;
        let mut are_plain = true;
        for (index, (name, value)) in values.members().enumerate() {
            if index >= max_keys {
                return Err(Misfit::of_values(Problem::TooMany {
                    what: "keys",
                    limit: max_keys,
                }));
            }
            if !name.is_unicode() {
                return Err(Misfit::of_values(Problem::KeyNotUnicode));
            }
            are_plain = are_plain && check_scalars(None, value, &mut plain).is_ok();
        }
        if are_plain {
            return Ok(());
        }
        // The naive twin is shorter, and a small machine is not asked for many keys.
        #[cfg(not(feature = "fast"))]
        return EffectiveMembers::new(values)
            .try_for_each(|(key, value)| check_scalars(Some(key), value, &mut budget));
        #[cfg(feature = "fast")]
        try_each_effective(values, |key, value| {
            check_scalars(Some(key), value, &mut budget)
        })
    }
}

fn text<'a>(name: &'static str, value: Option<Value<'a>>) -> Result<Text<'a>, Misfit<'a>> {
    let problem = match value {
        None => Problem::Missing("a string"),
        Some(value) => match value.string().map(Text::new) {
            None => Problem::WrongType("a string"),
            Some(None) => Problem::NotUnicode,
            Some(Some(text)) => return Ok(text),
        },
    };
    Err(Misfit::new(At::Member(name), problem))
}

/// Checks a scalar or an array of scalars, which `key` names.
fn check_scalars<'a>(
    key: Option<Text<'a>>,
    value: Value<'a>,
    budget: &mut Budget,
) -> Result<(), Misfit<'a>> {
    if value.kind() != Kind::Array {
        return check_scalar(value, At::Values(key, None), budget);
    }
    value
        .elements()
        .enumerate()
        .try_for_each(|(index, element)| {
            check_scalar(element, At::Values(key, Some(index)), budget)
        })
}

fn check_scalar<'a>(value: Value<'a>, at: At<'a>, budget: &mut Budget) -> Result<(), Misfit<'a>> {
    let problem = match Scalar::try_from(value) {
        Ok(_) => return budget.spend().map_err(Misfit::of_values),
        Err(NotComparable::Container) => Problem::WrongType("a string, number, boolean or null"),
        Err(NotComparable::LoneSurrogate) => Problem::NotUnicode,
        Err(NotComparable::NumberTooLong) => Problem::NumberTooLong,
    };
    Err(Misfit::new(at, problem))
}

/// How many more scalars a filter may have.
#[derive(Clone, Copy)]
struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    fn spend(&mut self) -> Result<(), Problem> {
        let limit = self.limit;
        self.left = self.left.checked_sub(1).ok_or(Problem::TooMany {
            what: "values",
            limit,
        })?;
        Ok(())
    }
}

/// The raw members that are interpreted, the last of each name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Members<'a> {
    pub(super) package: Option<Value<'a>>,
    pub(super) page: Option<Value<'a>>,
    pub(super) filters: Option<Value<'a>>,
    /// The member of `filters`.
    pub(super) values: Option<Value<'a>>,
    /// What is in these, if it has been counted.
    #[cfg(feature = "fast")]
    pub(super) plain: Option<PlainValues>,
}

/// What is in `values` of which every scalar may be compared, and every key has a scalar or an array
/// of scalars. Members that a later one overrides are counted too, other than
/// [`Place::check_values`] does it: so it is asked where they might be too many.
#[cfg(feature = "fast")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PlainValues {
    pub(super) keys: usize,
    pub(super) scalars: usize,
}

impl<'a> Members<'a> {
    /// Whether nothing is left to be checked of the values.
    #[cfg(feature = "fast")]
    fn has_few_plain_values(&self, place: Place, limits: &Limits) -> bool {
        self.plain.is_some_and(|plain| {
            plain.keys <= place.max_keys(limits) && plain.scalars <= limits.values
        })
    }

    #[cfg(not(feature = "fast"))]
    const fn has_few_plain_values(&self, _: Place, _: &Limits) -> bool {
        false
    }

    fn find(object: Value<'a>) -> Self {
        let mut found = Self::default();
        for (name, value) in object.members() {
            if name.is("package") {
                found.package = Some(value);
            } else if name.is("page") {
                found.page = Some(value);
            } else if name.is("filters") {
                found.filters = Some(value);
            }
        }
        if let Some(filters) = found.filters {
            for (name, value) in filters.members() {
                if name.is("values") {
                    found.values = Some(value);
                }
            }
        }
        found
    }
}
