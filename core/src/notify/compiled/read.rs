//! Walking over forms, and matching them.
//!
//! Nothing is checked: the forms were made here. On other bytes these functions would yield nonsense,
//! but neither panic nor loop.

use core::cmp::Ordering;

/// Filter without keys follow.
pub(super) const UNKEYED: u8 = 0;
/// Keys with their values follow.
pub(super) const KEYED: u8 = 1;
/// In the place of a list's length: any scalar. A length is one more than it is.
pub(super) const ANY: u8 = 0;

/// A subscription or a notification.
#[derive(Clone, Copy)]
pub(in crate::notify) struct Form<'m> {
    pub(in crate::notify) package: &'m [u8],
    pub(in crate::notify) page: &'m [u8],
    values: &'m [u8],
}

impl<'m> Form<'m> {
    pub(super) fn trusted(bytes: &'m [u8]) -> Self {
        let (package, rest) = split_text(bytes).unwrap_or_default();
        let (page, values) = split_text(rest).unwrap_or_default();
        Self {
            package,
            page,
            values,
        }
    }

    pub(in crate::notify) fn filter(&self) -> Filter<'m> {
        match self.values.split_first() {
            None => Filter::None,
            Some((&UNKEYED, rest)) => {
                split_set(rest).map_or(Filter::None, |(set, _)| Filter::Unkeyed(set))
            }
            Some((_, rest)) => Filter::Keyed(Rows { rest }),
        }
    }

    /// Whether `notification` meets the constraints of this subscription (the protocol, section 4).
    pub(super) fn meets(&self, notification: &Self) -> bool {
        self.package == notification.package
            && self.page == notification.page
            && match (self.filter(), notification.filter()) {
                (Filter::None, _) => true,
                (_, Filter::None) => false,
                (Filter::Unkeyed(accepts), Filter::Unkeyed(values)) => accepts.any_of(values),
                (Filter::Unkeyed(accepts), Filter::Keyed(mut entries)) => {
                    entries.any(|(_, values)| accepts.any_of(values))
                }
                (Filter::Keyed(mut constraints), Filter::Unkeyed(values)) => {
                    constraints.any(|(_, accepts)| accepts.any_of(values))
                }
                (Filter::Keyed(mut constraints), Filter::Keyed(mut entries)) => {
                    constraints.all(|(key, accepts)| {
                        // Both are sorted: what was passed is in no later constraint either.
                        entries
                            .find(|(name, _)| *name >= key)
                            .is_some_and(|(name, values)| name == key && accepts.any_of(values))
                    })
                }
            }
    }
}

/// The constraints of a subscription, or the values of a notification.
#[derive(Clone)]
pub(in crate::notify) enum Filter<'m> {
    None,
    Unkeyed(Set<'m>),
    Keyed(Rows<'m>),
}

/// Iterator over keys and what belongs to them, in the order of the keys' bytes.
#[derive(Clone)]
pub(in crate::notify) struct Rows<'m> {
    rest: &'m [u8],
}

impl<'m> Iterator for Rows<'m> {
    type Item = (&'m [u8], Set<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = split_text(self.rest)?;
        let (accepts, rest) = split_set(rest)?;
        self.rest = rest;
        Some((key, accepts))
    }
}

/// Scalars: those that a constraint accepts, or those that a notification has.
#[derive(Clone, Copy)]
pub(in crate::notify) enum Set<'m> {
    /// Every scalar; only in a subscription.
    Any,
    OneOf(Texts<'m>),
}

impl Set<'_> {
    /// Whether one of a notification's `values` is accepted.
    fn any_of(self, values: Set<'_>) -> bool {
        match (self, values) {
            (Self::OneOf(accepted), Set::OneOf(values)) => accepted.meets(values),
            (Self::Any, Set::OneOf(values)) => !values.rest.is_empty(),
            (_, Set::Any) => false, // no notification has it
        }
    }
}

/// Iterator over scalars in the order of their bytes.
#[derive(Clone, Copy)]
pub(in crate::notify) struct Texts<'m> {
    rest: &'m [u8],
}

impl Texts<'_> {
    /// Whether the two have a scalar in common.
    fn meets(mut self, mut others: Texts<'_>) -> bool {
        let (mut one, mut other) = (self.next(), others.next());
        while let (Some(ours), Some(theirs)) = (one, other) {
            match ours.cmp(theirs) {
                Ordering::Less => one = self.next(),
                Ordering::Greater => other = others.next(),
                Ordering::Equal => return true,
            }
        }
        false
    }
}

impl<'m> Iterator for Texts<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let (text, rest) = split_text(self.rest)?;
        self.rest = rest;
        Some(text)
    }
}

/// The text that `bytes` begin with, and the rest.
#[inline]
pub(super) fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = split_length(bytes)?;
    rest.split_at_checked(length)
}

fn split_set(bytes: &[u8]) -> Option<(Set<'_>, &[u8])> {
    let (length, rest) = split_length(bytes)?;
    let Some(length) = length.checked_sub(1) else {
        return Some((Set::Any, rest));
    };
    let (texts, rest) = rest.split_at_checked(length)?;
    Some((Set::OneOf(Texts { rest: texts }), rest))
}

#[inline]
pub(in crate::notify) fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut length, mut shift) = (0_usize, 0_u32);
    let mut rest = bytes;
    loop {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        length |= usize::from(byte & 0x7F).checked_shl(shift)?;
        if byte < 0x80 {
            return Some((length, rest));
        }
        shift = shift.saturating_add(7);
    }
}
