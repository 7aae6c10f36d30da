//! Lists of subscriptions by one thing they have in common.

use super::words::{at, number};

/// A subscription on a list.
#[derive(Clone, Copy)]
pub(super) struct Posting {
    pub(super) subscriber: u32,
    /// Its number, doubled, and one more if nothing but being on the list is asked of it.
    filter: u32,
}

impl Posting {
    /// `is_settled` if nothing but being on the list is asked of the subscription.
    pub(super) const fn new(filter: u32, subscriber: u32, is_settled: bool) -> Self {
        Self {
            subscriber,
            filter: filter << 1 | is_settled as u32,
        }
    }

    pub(super) const fn filter(self) -> u32 {
        self.filter >> 1
    }

    pub(super) const fn is_settled(self) -> bool {
        self.filter & 1 == 1
    }
}

/// What the subscriptions on a list have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// A partition, and no constraints.
    All(u32),
    /// A key of which every value is accepted.
    Any(u32),
    /// A value of a key.
    Value(u32),
}

/// Where a subscription is on one of the lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) listed: Listed,
    position: u32,
}

/// The lists.
#[derive(Default)]
pub(super) struct Postings {
    all: Vec<Vec<Posting>>,
    any: Vec<Vec<Posting>>,
    values: Vec<Vec<Posting>>,
}

impl Postings {
    /// Those on a list.
    pub(super) fn get(&self, listed: Listed) -> &[Posting] {
        let (lists, number) = match listed {
            Listed::All(number) => (&self.all, number),
            Listed::Any(number) => (&self.any, number),
            Listed::Value(number) => (&self.values, number),
        };
        lists.get(number as usize).map_or(&[], Vec::as_slice)
    }

    /// Puts a subscription on a list.
    pub(super) fn add(&mut self, listed: Listed, posting: Posting) -> Place {
        let list = self.list(listed);
        if list.is_empty() {
            // Many lists have one.
            list.reserve_exact(1);
        }
        let position = number(list.len());
        list.push(posting);
        Place { listed, position }
    }

    /// Takes a subscription off a list. `places` answers where another one is, which may have to
    /// take its place.
    pub(super) fn remove<'p>(&mut self, place: Place, places: impl FnOnce(u32) -> &'p mut [Place]) {
        let list = self.list(place.listed);
        list.swap_remove(place.position as usize);
        if list.len() <= list.capacity() / 4 {
            list.shrink_to(list.len() * 2);
        }
        if let Some(moved) = list.get(place.position as usize) {
            let mut of_moved = places(moved.filter()).iter_mut();
            if let Some(found) = of_moved.find(|other| other.listed == place.listed) {
                found.position = place.position;
            }
        }
    }

    fn list(&mut self, listed: Listed) -> &mut Vec<Posting> {
        match listed {
            Listed::All(number) => at(&mut self.all, number),
            Listed::Any(number) => at(&mut self.any, number),
            Listed::Value(number) => at(&mut self.values, number),
        }
    }
}
