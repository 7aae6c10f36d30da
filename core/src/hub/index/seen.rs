//! Which of a partition's keys a notification has.

use alloc::vec::Vec;

use super::{
    partition::mask,
    room,
    terms::{Key, Terms},
};

/// The keys of a notification that are known in its partition and have values.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Their numbers in the partition and in the [`Terms`].
    known: Vec<(u32, usize)>,
    /// By number in the partition: the place in `known`, if it is there.
    places: Vec<u32>,
    pub(super) mask: u64,
}

impl Seen {
    /// Makes room for numbers below `bound`.
    pub(super) fn fit(&mut self, bound: usize) {
        while self.places.len() < bound {
            room::push(&mut self.places, 0);
        }
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.mask = 0;
    }

    pub(super) fn add(&mut self, number: u32, key: usize) {
        if let Some(place) = self.places.get_mut(number as usize)
            && let Ok(at) = u32::try_from(self.known.len())
        {
            *place = at;
            self.known.push((number, key));
            self.mask |= mask([number]);
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
        // What is at a place may be of an earlier notification.
        let place = *self.places.get(number as usize)?;
        match self.known.get(place as usize) {
            Some(&(known, key)) if known == number => terms.keys().get(key),
            _ => None,
        }
    }
}
