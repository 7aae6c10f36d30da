//! Subscriptions that are verified one by one, since a tuple does not say all of them.
//!
//! ```text
//! wishes  = *wish                      of one subscriber, in words of 32 bits
//! wish    = size first *check          in so many words; the first entry of the subscription
//! check   = key ANY / key count values
//! values  = *(hash end) *text          sorted by hash; where in the texts each of them ends
//! ```
//!
//! So what is asked of a candidate is in one place. A text fills whole words: behind its end is
//! [`PAD`], which none ends with.

use alloc::{borrow::Cow, vec::Vec};

use super::{
    hash::kept,
    terms::{Key, Terms, Value},
};

/// In the place of a count: every value is accepted.
const ANY: u32 = u32::MAX;

/// The byte that fills words. UTF-8 never has it, and what else the [`Terms`] have does not end so.
const PAD: u8 = 0xFB;

/// The wishes of one subscriber.
#[derive(Clone, Debug)]
pub(super) struct Wishes<'a>(pub(super) &'a [u32]);

/// What is verified of one subscription, with each key of it, of which the wish is a use.
#[derive(Clone, Debug)]
pub(super) struct Wish<'a> {
    /// The first of the subscriber's entries that belong to this subscription.
    pub(super) first: u32,
    pub(super) checks: Checks<'a>,
}

/// Constraints.
#[derive(Clone, Debug)]
pub(super) struct Checks<'a>(&'a [u32]);

/// One constraint.
#[derive(Clone, Debug)]
pub(super) struct Check<'a> {
    /// The key's number in its partition, or [`Check::NO_KEY`].
    pub(super) key: u32,
    /// Nothing if every value is accepted.
    accepts: Option<ValueSet<'a>>,
}

/// Values, by what is kept of their hashes.
#[derive(Clone, Debug)]
struct ValueSet<'a> {
    /// The hash, and the end in `texts`.
    values: &'a [[u32; 2]],
    texts: &'a [u32],
}

/// Writes a wish to the end of a list of words.
pub(super) struct WishWriter<'w> {
    words: &'w mut Vec<u32>,
    start: usize,
}

impl<'w> WishWriter<'w> {
    pub(super) fn new(words: &'w mut Vec<u32>, first: u32) -> Self {
        let start = words.len();
        words.extend([0, first]);
        Self { words, start }
    }

    /// The presence of a key, or what a tuple says already.
    pub(super) fn any(&mut self, key: u32) {
        self.words.extend([key, ANY]);
    }

    /// A constraint to `values`, which are sorted by their hashes.
    pub(super) fn one_of(&mut self, key: u32, values: &[Value], terms: &Terms) {
        self.words.extend([key, word(values.len())]);
        let mut end: usize = 0;
        for value in values {
            end = end.saturating_add(terms.text(value).len().div_ceil(4));
            self.words.extend([kept(value.hash), word(end)]);
        }
        let texts = values.iter().map(|value| terms.text(value));
        self.words.extend(texts.flat_map(words_of));
    }

    pub(super) fn finish(self) {
        let size = word(self.words.len().saturating_sub(self.start));
        if let Some(place) = self.words.get_mut(self.start) {
            *place = size;
        }
    }
}

impl<'a> Iterator for Wishes<'a> {
    type Item = Wish<'a>;

    #[inline]
    fn next(&mut self) -> Option<Wish<'a>> {
        let [size, first, ..] = *self.0 else {
            return None;
        };
        let (wish, rest) = self.0.split_at_checked(size as usize)?;
        self.0 = rest;
        Some(Wish {
            first,
            checks: Checks(wish.get(2..)?),
        })
    }
}

#[cfg(test)]
impl Checks<'_> {
    pub(super) const fn words(&self) -> usize {
        self.0.len()
    }
}

impl<'a> Iterator for Checks<'a> {
    type Item = Check<'a>;

    #[inline]
    fn next(&mut self) -> Option<Check<'a>> {
        let (&[key, count], rest) = self.0.split_first_chunk()?;
        if count == ANY {
            self.0 = rest;
            return Some(Check { key, accepts: None });
        }
        let (values, rest) = rest.split_at_checked((count as usize).checked_mul(2)?)?;
        let (values, _) = values.as_chunks();
        let end = values.last().map_or(0, |&[_, end]| end);
        let (texts, rest) = rest.split_at_checked(end as usize)?;
        self.0 = rest;
        Some(Check {
            key,
            accepts: Some(ValueSet { values, texts }),
        })
    }
}

impl Check<'_> {
    /// Stands for a key where there is none.
    pub(super) const NO_KEY: u32 = u32::MAX;

    /// Whether no value at all is accepted.
    pub(super) fn is_never(&self) -> bool {
        self.accepts
            .as_ref()
            .is_some_and(|set| set.values.is_empty())
    }

    /// The values that are accepted; nothing if all are.
    pub(super) fn values<'o>(&self) -> Option<Vec<Cow<'o, [u8]>>> {
        let set = self.accepts.as_ref()?;
        let mut start: usize = 0;
        let values = set.values.iter().map(|&[_, end]| {
            let words = set.texts.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            let mut text: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            while text.last() == Some(&PAD) {
                text.pop();
            }
            Cow::Owned(text)
        });
        Some(values.collect())
    }

    /// Whether a value of the key, of whom there is at least one, is accepted.
    pub(super) fn accepts_of(&self, key: &Key, terms: &Terms) -> bool {
        match &self.accepts {
            None => true,
            // The longer list is searched for each of the shorter one.
            Some(set) if set.values.len() < key.values.len() => set.is_any_in(key, terms),
            Some(set) => set.has_any_of(terms.values(&key.values), terms),
        }
    }

    /// Whether one of these values, of which there is at least one, is accepted.
    pub(super) fn accepts_any_of(&self, values: &[Value], terms: &Terms) -> bool {
        match &self.accepts {
            None => true,
            Some(set) => set.has_any_of(values, terms),
        }
    }
}

impl ValueSet<'_> {
    fn is_any_in(&self, key: &Key, terms: &Terms) -> bool {
        (0..).zip(self.values).any(|(at, &[hash, _])| {
            let mut values = terms.with_hash(&key.values, hash);
            values.any(|value| self.is_text(at, terms.text(value)))
        })
    }

    fn has_any_of(&self, values: &[Value], terms: &Terms) -> bool {
        values
            .iter()
            .any(|value| self.contains(kept(value.hash), terms.text(value)))
    }

    fn contains(&self, hash: u32, text: &[u8]) -> bool {
        let from = self.values.partition_point(|&[other, _]| other < hash);
        let behind = self.values.get(from..).unwrap_or_default();
        let same = behind.iter().take_while(|&&[other, _]| other == hash);
        (from..).zip(same).any(|(at, _)| self.is_text(at, text))
    }

    /// Whether this is the text of the value at `at`.
    fn is_text(&self, at: usize, text: &[u8]) -> bool {
        let end = |at: usize| self.values.get(at).map(|&[_, end]| end as usize);
        let start = at.checked_sub(1).map_or(Some(0), end);
        let range = start.zip(end(at)).map(|(start, end)| start..end);
        let kept = range.and_then(|range| self.texts.get(range));
        kept.is_some_and(|kept| kept.iter().copied().eq(words_of(text)))
    }
}

/// A text in whole words.
fn words_of(text: &[u8]) -> impl Iterator<Item = u32> {
    text.chunks(4).map(|chunk| {
        let mut bytes = [PAD; 4];
        for (place, byte) in bytes.iter_mut().zip(chunk) {
            *place = *byte;
        }
        u32::from_le_bytes(bytes)
    })
}

/// A number that fits: nothing is entered that would take 2^32 words.
pub(super) fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
