//! Values under small numbers that stay the same while a value stays.

use alloc::vec::Vec;
use core::mem;

use super::room;

/// A list of places, each with a value or vacant; the vacant ones are a doubly linked list, so that
/// those at the end can be given back.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    /// The first vacant place, or [`NONE`]. Of two that were vacated one after the other the lower
    /// one is before the other, so that what is pulled in is moved far rather than often.
    vacant: u32,
    used: usize,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// With its neighbours in the list of vacant places, or [`NONE`].
    Vacant {
        before: u32,
        after: u32,
    },
}

const NONE: u32 = u32::MAX;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            vacant: NONE,
            used: 0,
        }
    }
}

impl<T> Slab<T> {
    /// How many values there are.
    pub(super) const fn len(&self) -> usize {
        self.used
    }

    /// Above every number that is in use.
    #[cfg(test)]
    pub(super) const fn bound(&self) -> usize {
        self.places.len()
    }

    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.places.capacity()
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        match self.places.get(at as usize)? {
            Place::Taken(value) => Some(value),
            Place::Vacant { .. } => None,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        match self.places.get_mut(at as usize)? {
            Place::Taken(value) => Some(value),
            Place::Vacant { .. } => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0_u32..)
            .zip(&self.places)
            .filter_map(|(at, place)| match place {
                Place::Taken(value) => Some((at, value)),
                Place::Vacant { .. } => None,
            })
    }

    /// Nothing if there is no number left, of which there are 2^32 - 1.
    pub(super) fn insert(&mut self, value: T) -> Option<u32> {
        let at = if self.vacant == NONE {
            let at = u32::try_from(self.places.len())
                .ok()
                .filter(|&at| at != NONE)?;
            room::push(&mut self.places, Place::Taken(value));
            at
        } else {
            let at = self.vacant;
            self.unlink(at);
            *self.places.get_mut(at as usize)? = Place::Taken(value);
            at
        };
        self.used = self.used.saturating_add(1);
        Some(at)
    }

    pub(super) fn remove(&mut self, at: u32) -> Option<T> {
        let place = self.places.get_mut(at as usize)?;
        let vacated = Place::Vacant {
            before: NONE,
            after: NONE,
        };
        let value = match mem::replace(place, vacated) {
            Place::Taken(value) => value,
            vacant @ Place::Vacant { .. } => {
                *place = vacant;
                return None;
            }
        };
        self.link(at);
        self.used = self.used.saturating_sub(1);
        self.trim();
        Some(value)
    }

    /// The last value, if more than half of the places before it are vacant, not counting some to
    /// `spare`. Who can tell all others of its new number should [`pull_in`](Self::pull_in).
    pub(super) fn straggler(&self, spare: usize) -> Option<&T> {
        let is_sparse = self.places.len() > self.used.saturating_mul(2).saturating_add(spare);
        match self.places.last()? {
            Place::Taken(value) if is_sparse => Some(value),
            Place::Taken(_) | Place::Vacant { .. } => None,
        }
    }

    /// Moves the last value to a vacant place: its old number and the new one.
    pub(super) fn pull_in(&mut self) -> Option<(u32, u32)> {
        self.pull_in_to(self.vacant)
    }

    /// Moves the last value to the lowest vacant place, which takes a look at all below it.
    pub(super) fn pull_in_lowest(&mut self) -> Option<(u32, u32)> {
        let mut places = (0..).zip(&self.places);
        let (lowest, _) = places.find(|(_, place)| matches!(place, Place::Vacant { .. }))?;
        self.pull_in_to(lowest)
    }

    fn pull_in_to(&mut self, to: u32) -> Option<(u32, u32)> {
        let from = u32::try_from(self.places.len().checked_sub(1)?).ok()?;
        if to == NONE {
            return None;
        }
        let last = self.places.pop()?;
        self.unlink(to);
        *self.places.get_mut(to as usize)? = last;
        self.trim();
        Some((from, to))
    }

    /// Drops the vacant places at the end.
    fn trim(&mut self) {
        while let Some(Place::Vacant { .. }) = self.places.last()
            && let Ok(last) = u32::try_from(self.places.len().saturating_sub(1))
        {
            self.unlink(last);
            self.places.pop();
        }
        room::give_back(&mut self.places);
    }

    /// Puts a vacant place into the list of these: to the front, or behind a lower one there.
    fn link(&mut self, at: u32) {
        let first = self.vacant;
        let (previous, next) = match self.places.get_mut(first as usize) {
            Some(Place::Vacant { after, .. }) if first < at => (first, mem::replace(after, at)),
            _ => {
                self.vacant = at;
                (NONE, first)
            }
        };
        if let Some(Place::Vacant { before, .. }) = self.places.get_mut(next as usize) {
            *before = at;
        }
        if let Some(Place::Vacant { before, after }) = self.places.get_mut(at as usize) {
            (*before, *after) = (previous, next);
        }
    }

    /// Takes a vacant place out of the list of these.
    fn unlink(&mut self, at: u32) {
        let Some(&Place::Vacant { before, after }) = self.places.get(at as usize) else {
            return;
        };
        match self.places.get_mut(before as usize) {
            Some(Place::Vacant { after: next, .. }) => *next = after,
            _ => self.vacant = after,
        }
        if let Some(Place::Vacant {
            before: previous, ..
        }) = self.places.get_mut(after as usize)
        {
            *previous = before;
        }
    }
}
