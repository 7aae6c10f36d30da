//! A filter as the index reads it: keys and values by their canonical bytes, and hashed, each once.
//!
//! Of a value that is longer than [`LONG`] the runs of zeros are shortened: `1e1000` is not to take a
//! kilobyte. That has a byte that no other value has, so that different values stay different.

use alloc::vec::Vec;
use core::ops::Range;

use super::hash::{Hasher, kept};
use crate::notify::{Accepts, Keyed, Scalar, Scalars, Text, shorten};

/// In bytes: identifiers as people write them are not looked at for zeros.
const LONG: usize = 40;

/// The keys and values of one filter. It is reused for the next one, so that reading allocates
/// nothing once it has been long enough.
#[derive(Debug, Default)]
pub(super) struct Terms {
    bytes: Vec<u8>,
    keys: Vec<Key>,
    values: Vec<Value>,
}

/// One key of a filter.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) hash: u64,
    name: Range<usize>,
    /// Where its value stands in the filter.
    written: Range<usize>,
    /// Its values, by hash.
    pub(super) values: Range<usize>,
    /// Whether a subscription accepts every value of it; then it has none.
    pub(super) accepts_any: bool,
}

/// One value of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) hash: u64,
    start: usize,
    end: usize,
}

impl Terms {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.keys.clear();
        self.values.clear();
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub(super) fn values(&self, range: &Range<usize>) -> &[Value] {
        self.values.get(range.clone()).unwrap_or_default()
    }

    /// The values of all keys that were read, or those without a key.
    pub(super) fn all_values(&self) -> &[Value] {
        &self.values
    }

    #[inline]
    pub(super) fn text(&self, value: &Value) -> &[u8] {
        self.slice(value.start..value.end)
    }

    pub(super) fn name(&self, key: &Key) -> &[u8] {
        self.slice(key.name.clone())
    }

    /// Whether one of `range` is the value `text`, of whose hash this is kept.
    pub(super) fn contains(&self, range: &Range<usize>, hash: u32, text: &[u8]) -> bool {
        let mut values = self.with_hash(range, hash);
        values.any(|value| self.text(value) == text)
    }

    /// More than the words that they take as a [wish](super::wish).
    pub(super) fn words(&self) -> usize {
        (self.bytes.len())
            .saturating_add(self.keys.len().saturating_mul(2))
            .saturating_add(self.values.len().saturating_mul(2))
            .saturating_add(4)
    }

    /// Whether one of `range` has a hash of which this is kept.
    pub(super) fn has_hash(&self, range: &Range<usize>, hash: u32) -> bool {
        self.with_hash(range, hash).next().is_some()
    }

    /// Those of `range` of whose hash this is kept.
    pub(super) fn with_hash(
        &self,
        range: &Range<usize>,
        hash: u32,
    ) -> impl Iterator<Item = &Value> {
        let values = self.values(range);
        let from = values.partition_point(|value| kept(value.hash) < hash);
        let from = values.get(from..).unwrap_or_default().iter();
        from.take_while(move |value| kept(value.hash) == hash)
    }

    /// A text in one piece, and its hash. It stays until the terms are cleared.
    pub(super) fn read_text(&mut self, text: Text<'_>, hasher: &Hasher) -> Value {
        let start = self.bytes.len();
        match text.as_unescaped() {
            Some(bytes) => self.bytes.extend_from_slice(bytes),
            None => self.bytes.extend(text.bytes()),
        }
        self.hashed(start, hasher)
    }

    /// The scalars of a filter without keys.
    pub(super) fn read_unkeyed(&mut self, scalars: Scalars<'_>, hasher: &Hasher) -> Range<usize> {
        let from = self.values.len();
        for scalar in &scalars {
            self.read_scalar(scalar, hasher);
        }
        self.sort_values(from);
        from..self.values.len()
    }

    /// The constraints of a subscription with keys.
    pub(super) fn read_constraints(&mut self, keyed: &Keyed<'_>, hasher: &Hasher) {
        self.read_names(keyed, hasher);
        for index in 0..self.keys.len() {
            let accepts = match self.keys.get(index) {
                Some(key) => keyed.accepts_at(key.written.clone()),
                None => return,
            };
            let values = match accepts {
                Accepts::Any => None,
                Accepts::OneOf(scalars) => Some(self.read_unkeyed(scalars, hasher)),
            };
            if let Some(key) = self.keys.get_mut(index) {
                key.accepts_any = values.is_none();
                key.values = values.unwrap_or(0..0);
            }
        }
    }

    /// The keys of a filter without their values, in time that is linear but for a sort.
    pub(super) fn read_names(&mut self, keyed: &Keyed<'_>, hasher: &Hasher) {
        for (name, written) in keyed.written() {
            let name = self.read_text(name, hasher);
            self.keys.push(Key {
                hash: name.hash,
                name: name.start..name.end,
                written,
                values: 0..0,
                accepts_any: false,
            });
        }
        let Self { bytes, keys, .. } = self;
        let name = |key: &Key| bytes.get(key.name.clone()).unwrap_or_default();
        // The protocol, section 9: of several members of the same name the last one counts.
        keys.sort_unstable_by(|a, b| {
            let by_name = || name(a).cmp(name(b));
            let last_first = || b.written.start.cmp(&a.written.start);
            (a.hash.cmp(&b.hash))
                .then_with(by_name)
                .then_with(last_first)
        });
        keys.dedup_by(|later, first| later.hash == first.hash && name(later) == name(first));
    }

    /// The values of the key at `index`, whose name was read from `keyed`. How many these are.
    pub(super) fn read_values(
        &mut self,
        index: usize,
        keyed: &Keyed<'_>,
        hasher: &Hasher,
    ) -> usize {
        let Some(key) = self.keys.get(index) else {
            return 0;
        };
        let values = self.read_unkeyed(keyed.values_at(key.written.clone()), hasher);
        let count = values.len();
        if let Some(key) = self.keys.get_mut(index) {
            key.values = values;
        }
        count
    }

    fn read_scalar(&mut self, scalar: Scalar<'_>, hasher: &Hasher) {
        let start = self.bytes.len();
        match scalar.as_canonical() {
            Some(bytes) if bytes.len() <= LONG => self.bytes.extend_from_slice(bytes),
            None if scalar.canonical().nth(LONG).is_none() => {
                self.bytes.extend(scalar.canonical());
            }
            _ => self.shortened(&scalar),
        }
        let value = self.hashed(start, hasher);
        self.values.push(value);
    }

    /// Writes a long value.
    fn shortened(&mut self, scalar: &Scalar<'_>) {
        // It always goes on.
        let _ = shorten(scalar, &mut |byte| {
            self.bytes.push(byte);
            Some(())
        });
    }

    /// What was written from `start` on.
    fn hashed(&self, start: usize, hasher: &Hasher) -> Value {
        let end = self.bytes.len();
        Value {
            hash: hasher.hash(self.slice(start..end)),
            start,
            end,
        }
    }

    /// Sorts the values from this one on by their hashes, and drops what is there twice.
    fn sort_values(&mut self, from: usize) {
        let Self { bytes, values, .. } = self;
        let text = |value: &Value| bytes.get(value.start..value.end).unwrap_or_default();
        let Some(added @ [_, _, ..]) = values.get_mut(from..) else {
            return;
        };
        added.sort_unstable_by(|a, b| (a.hash.cmp(&b.hash)).then_with(|| text(a).cmp(text(b))));
        let mut end = from;
        let mut last = None::<Value>;
        for at in from..values.len() {
            let Some(&value) = values.get(at) else {
                break;
            };
            if last.is_some_and(|last| last.hash == value.hash && text(&last) == text(&value)) {
                continue;
            }
            if let Some(place) = values.get_mut(end) {
                *place = value;
            }
            last = Some(value);
            end = end.saturating_add(1);
        }
        values.truncate(end);
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }
}
