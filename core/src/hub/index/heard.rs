//! Who is to hear a notification: each once.

use alloc::vec::Vec;

use super::{cohort::Member, room};

/// The recipients of the notification that is being matched.
#[derive(Debug, Default)]
pub(super) struct Heard {
    list: Vec<u32>,
    /// By subscriber: the last notification that it was put on the list for.
    marks: Vec<u32>,
    /// The notification. Counted from 1.
    pub(super) now: u32,
}

/// A cohort that nobody else has been heard before, put off: if it stays the only one, no marks are
/// needed, since nobody is in it twice.
#[derive(Debug, Default)]
pub(super) struct First<'i>(&'i [Member]);

impl Heard {
    /// Makes room for this many subscribers, so that matching need not.
    pub(super) fn fit(&mut self, subscribers: usize) {
        room::fill(&mut self.marks, subscribers);
        self.marks.truncate(subscribers);
        room::give_back(&mut self.marks);
        self.list.clear();
        if self.list.capacity() < subscribers {
            self.list.reserve_exact(self.marks.capacity());
        } else if room::is_sparse(subscribers, self.list.capacity()) {
            self.list.shrink_to(self.marks.capacity());
        }
    }

    pub(super) fn start(&mut self) {
        self.list.clear();
        self.now = self.now.checked_add(1).unwrap_or_else(|| {
            self.marks.fill(0);
            1
        });
    }

    /// Puts a whole cohort on the list, in which nobody is twice.
    #[inline]
    pub(super) fn cohort<'i>(&mut self, members: &'i [Member], first: &mut First<'i>) {
        if self.list.is_empty() && first.0.is_empty() {
            first.0 = members;
        } else {
            self.settle(first);
            for &member in members {
                self.one(member, || true);
            }
        }
    }

    /// Puts the first cohort on the list, now that it is not the only one.
    pub(super) fn settle(&mut self, first: &mut First<'_>) {
        let First(members) = core::mem::take(first);
        for &member in members {
            self.one(member, || true);
        }
    }

    /// Puts a member on the list who is not there yet and `is_met`. The first cohort must have been
    /// [settled](Self::settle).
    #[inline]
    pub(super) fn one(&mut self, member: Member, is_met: impl FnOnce() -> bool) {
        if let Some(mark) = self.marks.get_mut(member.subscriber as usize)
            && *mark != self.now
            && is_met()
        {
            *mark = self.now;
            self.list.push(member.subscriber);
        }
    }

    /// The list.
    pub(super) fn finish(&mut self, first: First<'_>) -> &[u32] {
        let First(members) = first;
        self.list
            .extend(members.iter().map(|member| member.subscriber));
        &self.list
    }
}
