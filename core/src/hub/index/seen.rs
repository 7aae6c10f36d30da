//! Which of a partition's keys a notification has.

use alloc::vec::Vec;

use super::{
    hash::Hasher,
    partition::mask,
    terms::{Key, Terms},
};

/// The keys of a notification that are known in its partition and have values.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Their numbers in the partition and in the [`Terms`].
    known: Vec<(u32, usize)>,
    /// The same by a hash of the number in the partition: where another one is, it is in the next place.
    /// What a crowd once constrained is not remembered here.
    places: Vec<Place>,
    /// One less than how many places are in use, a power of two.
    last: usize,
    /// Of which the hash depends: peers may choose numbers.
    factor: u64,
    pub(super) mask: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// A number, or [`NONE`].
    known: u32,
    key: u32,
}

/// In the place of a number, of which this is none.
const NONE: u32 = u32::MAX;

/// So many places there are at least for each key, so that most are found in their own.
const SPARE: usize = 4;

impl Seen {
    /// Forgets an earlier notification, and makes room for a number of keys.
    pub(super) fn start(&mut self, keys: usize, hasher: &Hasher) {
        let places = (keys.saturating_mul(SPARE).checked_next_power_of_two()).unwrap_or(SPARE);
        let vacant = Place {
            known: NONE,
            key: 0,
        };
        if self.places.len() < places {
            self.places.resize(places, vacant);
        }
        if let Some(places) = self.places.get_mut(..places) {
            places.fill(vacant);
        }
        self.last = places.saturating_sub(1);
        self.factor = hasher.factor();
        self.known.clear();
        self.mask = 0;
    }

    pub(super) fn add(&mut self, number: u32, key: usize) {
        let mut at = self.home(number);
        while let Some(place) = self.places.get_mut(at)
            && let Ok(index) = u32::try_from(key)
        {
            if place.known == NONE {
                *place = Place {
                    known: number,
                    key: index,
                };
                self.known.push((number, key));
                self.mask |= mask([number]);
                return;
            }
            at = self.after(at);
        }
    }

    /// Their numbers in the partition, and they.
    pub(super) fn keys<'t>(&'t self, terms: &'t Terms) -> impl Iterator<Item = (u32, &'t Key)> {
        let keys = terms.keys();
        (self.known.iter()).filter_map(|&(number, key)| Some((number, keys.get(key)?)))
    }

    /// The key with this number.
    #[inline]
    pub(super) fn key<'t>(&self, number: u32, terms: &'t Terms) -> Option<&'t Key> {
        let home = self.home(number);
        let key = match *self.places.get(home)? {
            Place { known, key } if known == number => key,
            Place { known: NONE, .. } => return None,
            Place { .. } => self.further(number, home)?,
        };
        terms.keys().get(key as usize)
    }

    /// Goes on behind the place where a number would be if no other one were there.
    #[cold]
    fn further(&self, number: u32, home: usize) -> Option<u32> {
        let mut at = self.after(home);
        loop {
            match *self.places.get(at)? {
                Place { known, key } if known == number => return Some(key),
                Place { known: NONE, .. } => return None,
                Place { .. } => at = self.after(at),
            }
        }
    }

    /// Where a number is if no other one is there.
    #[inline]
    const fn home(&self, number: u32) -> usize {
        // The upper half depends on all bits of the number.
        let hash = (number as u64).wrapping_mul(self.factor) >> 32;
        hash as usize & self.last
    }

    #[inline]
    const fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.last
    }
}
