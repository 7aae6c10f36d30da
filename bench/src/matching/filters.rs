//! Subscriptions by small numbers, and which of them are whose.

use super::words::{at, place};

/// No subscription, or no subscriber.
const NONE: u32 = u32::MAX;

/// Subscriptions by small numbers.
pub(super) struct Filters<T> {
    list: Vec<Filter<T>>,
    free: Vec<u32>,
    /// By subscriber: one above its first subscription, or zero.
    first: Vec<u32>,
}

struct Filter<T> {
    /// Or [`NONE`], if the place is vacant.
    subscriber: u32,
    next: u32,
    data: T,
}

impl<T> Default for Filters<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            free: Vec::new(),
            first: Vec::new(),
        }
    }
}

impl<T: Default> Filters<T> {
    /// Adds a subscription. Its number is the answer.
    pub(super) fn add(&mut self, subscriber: u32, data: T) -> u32 {
        let first = at(&mut self.first, subscriber);
        let filter = Filter {
            subscriber,
            next: first.wrapping_sub(1),
            data,
        };
        let number = place(&mut self.list, &mut self.free, filter);
        *first = number + 1;
        number
    }

    /// Takes out the last subscription of a subscriber that is left.
    pub(super) fn take(&mut self, subscriber: u32) -> Option<(u32, T)> {
        let first = self.first.get_mut(subscriber as usize)?;
        let number = first.wrapping_sub(1);
        let filter = self.list.get_mut(number as usize)?;
        *first = filter.next.wrapping_add(1);
        filter.subscriber = NONE;
        self.free.push(number);
        Some((number, core::mem::take(&mut filter.data)))
    }

    pub(super) fn data(&self, number: u32) -> &T {
        &self.list[number as usize].data
    }

    pub(super) fn data_mut(&mut self, number: u32) -> &mut T {
        &mut self.list[number as usize].data
    }

    /// Each with its subscriber.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let taken = self.list.iter().filter(|filter| filter.subscriber != NONE);
        taken.map(|filter| (filter.subscriber, &filter.data))
    }
}

/// Who hears a notification: each once.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) list: Vec<u32>,
    /// By subscriber: the last notification that it heard, counted from 1.
    marks: Vec<u32>,
    now: u32,
}

impl Heard {
    /// Another notification. The benchmark ends before numbers do.
    pub(super) fn start(&mut self) {
        self.list.clear();
        self.now += 1;
    }

    pub(super) fn has(&self, subscriber: u32) -> bool {
        self.marks.get(subscriber as usize) == Some(&self.now)
    }

    pub(super) fn add(&mut self, subscriber: u32) {
        let mark = at(&mut self.marks, subscriber);
        if *mark != self.now {
            *mark = self.now;
            self.list.push(subscriber);
        }
    }
}
