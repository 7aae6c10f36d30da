//! Subscribers: where in the index each of them is.

use alloc::{boxed::Box, vec::Vec};

use super::{
    cohort::Member,
    room,
    wish::{Wish, Wishes, word},
};

/// The subscribers by their numbers.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    list: Vec<Subscriber>,
}

/// What one subscriber has in the index.
#[derive(Debug, Default)]
pub(super) struct Subscriber {
    /// Its entries, one for each member that stands for it, and then its [`Wishes`]: in one piece,
    /// since there are millions of both.
    words: Box<[u32]>,
    entries: u32,
    pub(super) counts: Counts,
}

/// Subscriptions, and how many of them were not entered whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) subscriptions: u32,
    pub(super) left_out: u32,
    pub(super) overflowed: u32,
}

/// Where a member is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) cohort: u32,
    pub(super) position: u32,
}

impl Subscriber {
    /// `wishes` are as [`wish`](super::wish) writes them.
    pub(super) fn new(entries: &[Entry], wishes: &[u32], counts: Counts) -> Self {
        let entered = entries.iter().flat_map(|entry| <[u32; 2]>::from(*entry));
        let len = entries.len().saturating_mul(2).saturating_add(wishes.len());
        let mut words = Vec::with_capacity(len);
        words.extend(entered);
        words.extend_from_slice(wishes);
        Self {
            words: words.into(),
            entries: word(entries.len()),
            counts,
        }
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.entries as usize
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let (pairs, _) = self.words.as_chunks::<2>();
        let pairs = pairs.get(..self.len()).unwrap_or_default();
        pairs.iter().map(|pair| Entry::from(*pair))
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let (pairs, _) = self.words.as_chunks::<2>();
        let pair = pairs.get(..self.len())?.get(at)?;
        Some(Entry::from(*pair))
    }

    fn entry_mut(&mut self, at: usize) -> Option<&mut [u32; 2]> {
        let len = self.len();
        let (pairs, _) = self.words.as_chunks_mut::<2>();
        pairs.get_mut(..len)?.get_mut(at)
    }

    /// The words of its [`Wishes`].
    pub(super) fn wishes(&self) -> &[u32] {
        let behind = self.words.get(self.len().saturating_mul(2)..);
        behind.unwrap_or_default()
    }
}

impl From<Entry> for [u32; 2] {
    fn from(Entry { cohort, position }: Entry) -> Self {
        [cohort, position]
    }
}

impl From<[u32; 2]> for Entry {
    fn from([cohort, position]: [u32; 2]) -> Self {
        Self { cohort, position }
    }
}

impl Subscribers {
    /// Takes in what a subscriber is to have, who has nothing.
    pub(super) fn put(&mut self, number: u32, subscriber: Subscriber) {
        let at = number as usize;
        if at >= self.list.len() {
            room::fill(&mut self.list, at);
            room::push(&mut self.list, subscriber);
        } else if let Some(place) = self.list.get_mut(at) {
            *place = subscriber;
        }
    }

    /// Takes out what a subscriber has.
    pub(super) fn take(&mut self, number: u32) -> Subscriber {
        let subscriber = self.list.get_mut(number as usize);
        let taken = subscriber.map(core::mem::take).unwrap_or_default();
        while (self.list.last()).is_some_and(|last| last.counts.subscriptions == 0) {
            self.list.pop();
        }
        room::give_back(&mut self.list);
        taken
    }

    /// Above every number of who has anything.
    pub(super) const fn bound(&self) -> usize {
        self.list.len()
    }

    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.list.capacity()
    }

    #[cfg(test)]
    pub(super) fn entries(&self, number: u32) -> impl Iterator<Item = Entry> {
        (0..).map_while(move |at| self.entry(number, at))
    }

    #[cfg(test)]
    pub(super) fn counts(&self, number: u32) -> Counts {
        self.list[number as usize].counts
    }

    /// How many words the wishes take.
    #[cfg(test)]
    pub(super) fn words(&self, number: u32) -> usize {
        self.list[number as usize].wishes().len()
    }

    pub(super) fn get(&self, number: u32) -> Option<&Subscriber> {
        self.list.get(number as usize)
    }

    pub(super) fn entry(&self, number: u32, at: usize) -> Option<Entry> {
        self.list.get(number as usize)?.entry(at)
    }

    /// Changes where a member is.
    pub(super) fn set_entry(&mut self, member: Member, entry: Entry) {
        let subscriber = self.list.get_mut(member.subscriber as usize);
        let place = subscriber.and_then(|subscriber| subscriber.entry_mut(member.entry as usize));
        if let Some(place) = place {
            *place = entry.into();
        }
    }

    /// The wish of a subscriber that is written there.
    #[inline]
    pub(super) fn wish(&self, number: u32, at: u32) -> Option<Wish<'_>> {
        let subscriber = self.list.get(number as usize)?;
        Wishes(subscriber.wishes().get(at as usize..)?).next()
    }

    pub(super) fn wishes(&self, number: u32) -> Wishes<'_> {
        let subscriber = self.list.get(number as usize);
        Wishes(subscriber.map_or(&[], Subscriber::wishes))
    }
}
