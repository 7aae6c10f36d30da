//! Subscriptions that are verified one by one, since a tuple does not say all of them.

use alloc::{boxed::Box, vec::Vec};

use super::{
    hash::kept,
    terms::{Key, Terms, Value},
};

/// All constraints of one subscription. It holds one use of each key in its partition.
#[derive(Debug)]
pub(super) struct Wish {
    /// The first of the subscriber's entries that belong to this subscription.
    pub(super) first: usize,
    pub(super) has_keys: bool,
    /// Whether some of its constraints are in no tuple.
    pub(super) is_left_out: bool,
    /// Whether there was no shape left for it.
    pub(super) is_overflowed: bool,
    pub(super) checks: Box<[Check]>,
}

/// One constraint.
#[derive(Debug)]
pub(super) struct Check {
    /// The key's number in its partition; without a meaning if the wish has no keys.
    pub(super) key: u32,
    accepts: Accepted,
}

#[derive(Debug)]
enum Accepted {
    Any,
    OneOf(ValueSet),
}

impl Check {
    /// The constraint of the `key` that has this `number`.
    pub(super) fn keyed(number: u32, key: &Key, terms: &Terms) -> Self {
        Self {
            key: number,
            accepts: if key.accepts_any {
                Accepted::Any
            } else {
                Accepted::OneOf(ValueSet::new(terms.values(&key.values), terms))
            },
        }
    }

    /// The constraint without a key.
    pub(super) fn unkeyed(values: &[Value], terms: &Terms) -> Self {
        Self {
            key: u32::MAX,
            accepts: Accepted::OneOf(ValueSet::new(values, terms)),
        }
    }

    /// Whether a value of the key, of whom there is at least one, is accepted.
    pub(super) fn accepts_of(&self, key: &Key, terms: &Terms) -> bool {
        match &self.accepts {
            Accepted::Any => true,
            // The longer list is searched for each of the shorter one.
            Accepted::OneOf(set) if set.values.len() < key.values.len() => (set.values.iter())
                .any(|value| terms.contains(&key.values, value.hash, set.text(value))),
            Accepted::OneOf(set) => set.has_any_of(terms.values(&key.values), terms),
        }
    }

    /// Whether one of these values, of which there is at least one, is accepted.
    pub(super) fn accepts_any_of(&self, values: &[Value], terms: &Terms) -> bool {
        match &self.accepts {
            Accepted::Any => true,
            Accepted::OneOf(set) => set.has_any_of(values, terms),
        }
    }
}

/// Values, by what is kept of their hashes.
#[derive(Debug)]
struct ValueSet {
    values: Box<[Place]>,
    bytes: Box<[u8]>,
}

#[derive(Debug)]
struct Place {
    hash: u32,
    start: usize,
    end: usize,
}

impl ValueSet {
    /// `values` are sorted by their hashes.
    fn new(values: &[Value], terms: &Terms) -> Self {
        let len = values.iter().map(|value| terms.text(value).len()).sum();
        let mut bytes = Vec::with_capacity(len);
        let place = |value: &Value| {
            let start = bytes.len();
            bytes.extend_from_slice(terms.text(value));
            Place {
                hash: kept(value.hash),
                start,
                end: bytes.len(),
            }
        };
        Self {
            values: values.iter().map(place).collect(),
            bytes: bytes.into(),
        }
    }

    fn has_any_of(&self, values: &[Value], terms: &Terms) -> bool {
        values
            .iter()
            .any(|value| self.contains(kept(value.hash), terms.text(value)))
    }

    fn contains(&self, hash: u32, text: &[u8]) -> bool {
        let from = self.values.partition_point(|value| value.hash < hash);
        let from = self.values.get(from..).unwrap_or_default().iter();
        let mut found = from.take_while(|value| value.hash == hash);
        found.any(|value| self.text(value) == text)
    }

    fn text(&self, value: &Place) -> &[u8] {
        self.bytes.get(value.start..value.end).unwrap_or_default()
    }
}
