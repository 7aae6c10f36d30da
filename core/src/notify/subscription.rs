//! Subscriptions: the set that a client asks for.

use core::iter::FusedIterator;

#[cfg(feature = "alloc")]
use super::filter::Values;
use super::{
    filter::Constraints,
    json,
    limits::Limits,
    raw::{Elements, Kind, Value},
    refusal::{ErrorCode, Problem, Refusal},
    target::{List, Place, Target},
    text::Text,
};

/// The whole set of a connection's subscriptions (the protocol, section 2); an empty one
/// unsubscribes from all.
#[derive(Clone, Copy, Debug)]
pub struct Subscriptions<'a> {
    list: Value<'a>,
    len: usize,
}

impl<'a> Subscriptions<'a> {
    /// Parses the array of subscriptions that stands alone, without a message around it. Strictness and
    /// time are those of [`parse`](super::parse()).
    ///
    /// # Errors
    /// A [`Refusal`] as of a message with this array in it, but that offsets are in `text`.
    pub fn parse_array(text: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        let list = List::Subscriptions;
        let value = json::array(text).map_err(|fault| {
            Refusal::at(ErrorCode::InvalidJson, list.path(), Problem::NoArray(fault))
        })?;
        Self::parse(value, list, limits)
    }

    /// Checks the elements of `value`, which is what stands in the place of `list`.
    pub(super) fn parse(value: Value<'a>, list: List, limits: &Limits) -> Result<Self, Refusal> {
        let refuse = |code, problem| Err(Refusal::at(list.code(code), list.path(), problem));
        if value.kind() != Kind::Array {
            return refuse(ErrorCode::InvalidMessage, Problem::WrongType("an array"));
        }
        let mut len: usize = 0;
        for element in value.elements() {
            if len >= limits.subscriptions {
                let problem = Problem::TooMany {
                    what: "elements",
                    limit: limits.subscriptions,
                };
                return refuse(ErrorCode::TooManySubscriptions, problem);
            }
            Target::parse(element, Place::Element(list, len), limits)?;
            len = len.saturating_add(1);
        }
        Ok(Self { list: value, len })
    }

    /// `list` must be the bytes of a set that was checked, and `len` its length.
    #[cfg(any(feature = "alloc", feature = "fast"))]
    pub(super) const fn trusted(list: &'a [u8], len: usize) -> Self {
        Self {
            list: Value::trusted(list),
            len,
        }
    }

    /// No subscriptions.
    pub(super) const fn none() -> Self {
        Self {
            list: Value::trusted(b"[]"),
            len: 0,
        }
    }

    /// How many subscriptions these are; equal ones count each.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether these are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The subscriptions in the order of the text.
    #[must_use]
    pub fn iter(&self) -> SubscriptionsIter<'a> {
        SubscriptionsIter {
            elements: self.list.elements(),
            left: self.len,
        }
    }

    /// The JSON array as it was written.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.list.as_bytes()
    }
}

impl<'a> IntoIterator for Subscriptions<'a> {
    type Item = Subscription<'a>;
    type IntoIter = SubscriptionsIter<'a>;

    fn into_iter(self) -> SubscriptionsIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Subscriptions<'a> {
    type Item = Subscription<'a>;
    type IntoIter = SubscriptionsIter<'a>;

    fn into_iter(self) -> SubscriptionsIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Subscriptions`].
#[derive(Clone, Debug)]
pub struct SubscriptionsIter<'a> {
    elements: Elements<'a>,
    left: usize,
}

impl<'a> Iterator for SubscriptionsIter<'a> {
    type Item = Subscription<'a>;

    fn next(&mut self) -> Option<Subscription<'a>> {
        self.left = self.left.checked_sub(1)?;
        let target = Target::trusted(self.elements.next()?, Place::LoneSubscription)?;
        Some(Subscription { target })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for SubscriptionsIter<'_> {}
impl FusedIterator for SubscriptionsIter<'_> {}

/// One wish of a client: notifications of a package and page that meet all constraints (the
/// protocol, sections 2 and 4).
#[derive(Clone, Copy, Debug)]
pub struct Subscription<'a> {
    target: Target<'a>,
}

impl<'a> Subscription<'a> {
    /// Parses a subscription that stands alone, without a message around it, such as one from a
    /// configuration. Strictness and time are those of [`parse`](super::parse()).
    ///
    /// # Errors
    /// A [`Refusal`] with the code [`InvalidJson`](ErrorCode::InvalidJson) or
    /// [`InvalidSubscription`](ErrorCode::InvalidSubscription).
    pub fn parse(text: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        Target::parse_alone(text, Place::LoneSubscription, limits).map(|target| Self { target })
    }

    /// The package that a notification must name.
    #[must_use]
    pub const fn package(&self) -> Text<'a> {
        self.target.package
    }

    /// The page that a notification must name.
    #[must_use]
    pub const fn page(&self) -> Text<'a> {
        self.target.page
    }

    pub(super) const fn target(&self) -> &Target<'a> {
        &self.target
    }

    /// The same as [`constraints`](Self::constraints) gives, all at once.
    #[cfg(feature = "alloc")]
    pub(crate) fn values(&self) -> Values<'a> {
        Values::trusted(self.target.values)
    }

    /// What a notification's values must meet, all of it; nothing if every notification of the
    /// package and page matches. Takes time quadratic in the number of keys.
    #[must_use]
    pub fn constraints(&self) -> Constraints<'a> {
        Constraints::trusted(self.target.values)
    }
}
