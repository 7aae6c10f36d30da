//! One member after the other.

use alloc::vec::Vec;

use super::{
    cohort::{Candidate, Hint, Member},
    partition::Kind,
    store::{Joined, Spot, Store},
    subscribers::Entry,
};

/// Enters tuples of one subscriber, and notes where.
pub(super) struct Joining<'i> {
    pub(super) store: &'i mut Store,
    pub(super) subscriber: u32,
    /// The partition of the subscription that is being entered.
    pub(super) partition: u32,
    /// What is told of a subscription where it is verified, and where its wish is to be.
    pub(super) hint: Hint,
    pub(super) wish: u32,
    /// What has been entered of the whole set.
    pub(super) entries: &'i mut Vec<Entry>,
    /// Tuples for which there was no number.
    pub(super) lost: u64,
}

impl<'i> Joining<'i> {
    /// Nothing has been entered.
    pub(super) const fn new(
        store: &'i mut Store,
        subscriber: u32,
        entries: &'i mut Vec<Entry>,
    ) -> Self {
        Self {
            store,
            subscriber,
            partition: 0,
            hint: Hint::NONE,
            wish: Candidate::SAID,
            entries,
            lost: 0,
        }
    }

    /// Enters a tuple into a table of the partition.
    pub(super) fn enter<'t>(
        &mut self,
        table: u32,
        hash: u64,
        parts: impl Iterator<Item = &'t [u8]> + Clone,
    ) {
        let spot = Spot {
            partition: self.partition,
            table,
            hash,
        };
        let entry = u32::try_from(self.entries.len()).ok();
        let joined = match entry.filter(|&entry| entry < u32::MAX) {
            Some(entry) => {
                let subscriber = self.subscriber;
                let added = Candidate {
                    member: Member { subscriber, entry },
                    wish: self.wish,
                    hint: self.hint,
                };
                self.store.join(spot, parts, added)
            }
            None => Joined::Full,
        };
        match joined {
            Joined::Entered(entry) => self.entries.push(entry),
            Joined::Already => {}
            Joined::Full => self.lose(),
        }
    }

    /// Enters a tuple into the table of a kind of which there is one at most.
    pub(super) fn enter_kind<'t>(
        &mut self,
        kind: Kind,
        hash: u64,
        parts: impl Iterator<Item = &'t [u8]> + Clone,
    ) {
        match self.store.table_or_new(self.partition, kind) {
            Some(table) => self.enter(table, hash, parts),
            None => self.lose(),
        }
    }

    /// Counts what there was no number for.
    pub(super) const fn lose(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }
}
