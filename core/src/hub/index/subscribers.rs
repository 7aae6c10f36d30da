//! Subscribers: where in the index each of them is.

use alloc::{boxed::Box, vec::Vec};

use super::{cohort::Member, room, wish::Wish};

/// The subscribers by their numbers.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    list: Vec<Subscriber>,
}

/// What one subscriber has in the index.
#[derive(Debug, Default)]
pub(super) struct Subscriber {
    /// One for each member that stands for it.
    pub(super) entries: Box<[Entry]>,
    pub(super) wishes: Option<Box<Wishes>>,
    pub(super) subscriptions: usize,
}

/// Where a member is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) cohort: u32,
    pub(super) position: u32,
}

/// The wishes of one subscriber, in the order of their entries. Few subscribers have any.
#[derive(Debug)]
pub(super) struct Wishes(pub(super) Vec<Wish>);

impl Subscribers {
    /// Takes in what a subscriber is to have, who has nothing.
    pub(super) fn put(&mut self, number: u32, subscriber: Subscriber) {
        let at = number as usize;
        if at >= self.list.len() {
            let missing = at.saturating_sub(self.list.len());
            for _ in 0..missing {
                room::push(&mut self.list, Subscriber::default());
            }
            room::push(&mut self.list, subscriber);
        } else if let Some(place) = self.list.get_mut(at) {
            *place = subscriber;
        }
    }

    /// Takes out what a subscriber has.
    pub(super) fn take(&mut self, number: u32) -> Subscriber {
        let subscriber = self.list.get_mut(number as usize);
        let taken = subscriber.map(core::mem::take).unwrap_or_default();
        while (self.list.last()).is_some_and(|last| last.subscriptions == 0) {
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

    pub(super) fn entries(&self, number: u32) -> &[Entry] {
        let subscriber = self.list.get(number as usize);
        subscriber.map_or(&[], |subscriber| &subscriber.entries)
    }

    pub(super) fn entry_mut(&mut self, member: Member) -> Option<&mut Entry> {
        let subscriber = self.list.get_mut(member.subscriber as usize)?;
        subscriber.entries.get_mut(member.entry as usize)
    }

    /// The subscription that a member stands for, where it is verified.
    pub(super) fn wish(&self, member: Member) -> Option<&Wish> {
        let wishes = self.wishes(member.subscriber);
        let behind = wishes.partition_point(|wish| wish.first <= member.entry as usize);
        wishes.get(behind.checked_sub(1)?)
    }

    pub(super) fn wishes(&self, number: u32) -> &[Wish] {
        let subscriber = self.list.get(number as usize);
        subscriber.map_or(&[], Subscriber::wishes)
    }
}

impl Subscriber {
    pub(super) fn wishes(&self) -> &[Wish] {
        self.wishes.as_ref().map_or(&[], |wishes| &wishes.0)
    }
}
