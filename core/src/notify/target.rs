//! What subscriptions and notifications have in common: a package, a page, and the `values` of a
//! filter.

use super::{
    filter::EffectiveMembers,
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
    /// Checks `value` against sections 2 to 4 of the protocol.
    pub(super) fn parse(value: Value<'a>, place: Place, limits: &Limits) -> Result<Self, Refusal> {
        if value.kind() != Kind::Object {
            return Err(place.refuse(place.path(), Problem::WrongType("an object")));
        }
        let members = Members::find(value);
        let package = place.text("package", members.package)?;
        let page = place.text("page", members.page)?;
        let values = place.values(members.filters)?;
        if let Some(values) = values {
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
            values: place.values(members.filters).ok()?,
        })
    }
}

/// Where in the message a [`Target`] stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the list of subscriptions, at this index.
    Subscription(usize),
    Notification,
}

impl Place {
    fn path(self) -> Path {
        match self {
            Self::Subscription(index) => Path::new().member("subscriptions").element(index),
            Self::Notification => Path::new().member("notification"),
        }
    }

    fn values_path(self) -> Path {
        self.path().member("filters").member("values")
    }

    fn refuse(self, path: Path, problem: Problem) -> Refusal {
        let code = match self {
            Self::Subscription(_) => ErrorCode::InvalidSubscription,
            Self::Notification => ErrorCode::InvalidNotification,
        };
        Refusal::at(code, path, problem)
    }

    fn text<'a>(self, name: &'static str, value: Option<Value<'a>>) -> Result<Text<'a>, Refusal> {
        let problem = match value {
            None => Problem::Missing("a string"),
            Some(value) => match value.string().map(Text::new) {
                None => Problem::WrongType("a string"),
                Some(None) => Problem::NotUnicode,
                Some(Some(text)) => return Ok(text),
            },
        };
        Err(self.refuse(self.path().member(name), problem))
    }

    /// The `values` of `filters`, unless they stand for none.
    fn values(self, filters: Option<Value<'_>>) -> Result<Option<Value<'_>>, Refusal> {
        let Some(filters) = filters else {
            return Ok(None);
        };
        match filters.kind() {
            Kind::Object => {}
            Kind::Null => return Ok(None),
            Kind::Array if is_empty(filters) => return Ok(None),
            Kind::Array | Kind::String | Kind::Number | Kind::True | Kind::False => {
                return Err(self.refuse(
                    self.path().member("filters"),
                    Problem::WrongType("an object"),
                ));
            }
        }
        let values = filters
            .members()
            .filter(|(name, _)| name.is("values"))
            .last();
        Ok(values
            .map(|(_, value)| value)
            .filter(|value| match value.kind() {
                Kind::Null => false,
                Kind::Object | Kind::Array => !is_empty(*value),
                // In a subscription `true` accepts everything; in a notification it is a scalar
                // like others.
                Kind::True => matches!(self, Self::Notification),
                Kind::String | Kind::Number | Kind::False => true,
            }))
    }

    fn check_values(self, values: Value<'_>, limits: &Limits) -> Result<(), Refusal> {
        let mut budget = Budget {
            left: limits.values,
            limit: limits.values,
        };
        if values.kind() != Kind::Object {
            return self.check_scalars(values, || self.values_path(), &mut budget);
        }
        let max_keys = match self {
            Self::Subscription(_) => limits.constraints,
            Self::Notification => limits.keys,
        };
        // Both are asked of overridden members too: the number, because finding the overridden ones
        // is what takes time; Unicode, because two lone surrogates must not be mistaken for the
        // same name.
        for (index, (name, _)) in values.members().enumerate() {
            if index >= max_keys {
                let problem = Problem::TooMany {
                    what: "keys",
                    limit: max_keys,
                };
                return Err(self.refuse(self.values_path(), problem));
            }
            if !name.is_unicode() {
                return Err(self.refuse(self.values_path(), Problem::KeyNotUnicode));
            }
        }
        EffectiveMembers::new(values).try_for_each(|(key, value)| {
            self.check_scalars(value, || self.values_path().key(key), &mut budget)
        })
    }

    /// Checks a scalar or an array of scalars, which `path` names.
    fn check_scalars(
        self,
        value: Value<'_>,
        path: impl Fn() -> Path,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        if value.kind() != Kind::Array {
            return self.check_scalar(value, path, budget);
        }
        value
            .elements()
            .enumerate()
            .try_for_each(|(index, element)| {
                self.check_scalar(element, || path().element(index), budget)
            })
    }

    fn check_scalar(
        self,
        value: Value<'_>,
        path: impl Fn() -> Path,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        let problem = match Scalar::try_from(value) {
            Ok(_) => {
                return budget
                    .spend()
                    .map_err(|problem| self.refuse(self.values_path(), problem));
            }
            Err(NotComparable::Container) => {
                Problem::WrongType("a string, number, boolean or null")
            }
            Err(NotComparable::LoneSurrogate) => Problem::NotUnicode,
            Err(NotComparable::NumberTooLong) => Problem::NumberTooLong,
        };
        Err(self.refuse(path(), problem))
    }
}

/// How many more scalars a filter may have.
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
#[derive(Default)]
struct Members<'a> {
    package: Option<Value<'a>>,
    page: Option<Value<'a>>,
    filters: Option<Value<'a>>,
}

impl<'a> Members<'a> {
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
        found
    }
}

fn is_empty(container: Value<'_>) -> bool {
    container.members().next().is_none() && container.elements().next().is_none()
}
