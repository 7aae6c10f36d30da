//! Cohorts: those whom the same tuple of values concerns.

use alloc::{vec, vec::Vec};
use core::slice;

use super::{room, tuple::Tuple};

/// One subscription, or one of the tuples it was expanded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) subscriber: u32,
    /// Which of the subscriber's entries says where this member is.
    pub(super) entry: u32,
}

/// The members of one tuple in one table of a partition.
#[derive(Debug)]
pub(super) struct Cohort {
    pub(super) tuple: Tuple,
    pub(super) members: Members,
    /// What is [kept](super::hash::kept) of the tuple's hash.
    pub(super) hash: u32,
    pub(super) partition: u32,
    /// Within the partition.
    pub(super) table: u32,
}

/// At least one member. One alone, of whom there may be millions, owns no memory.
#[derive(Debug)]
pub(super) enum Members {
    One(Member),
    Many(Vec<Member>),
}

/// What the removal of a member has left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nobody: the cohort is to be dropped.
    Nobody,
    /// The others, where they were.
    Others,
    /// The others, of whom this one has taken the place of the removed one.
    Moved(Member),
}

impl Members {
    #[inline]
    pub(super) fn as_slice(&self) -> &[Member] {
        match self {
            Self::One(member) => slice::from_ref(member),
            Self::Many(members) => members,
        }
    }

    /// Adds a member; nothing if there are 2^32 already. Its position is the answer.
    pub(super) fn push(&mut self, member: Member) -> Option<u32> {
        let position = u32::try_from(self.as_slice().len()).ok()?;
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, member]),
            Self::Many(members) => room::push(members, member),
        }
        Some(position)
    }

    /// Removes the member at `position`, whose place the last one takes.
    pub(super) fn remove(&mut self, position: u32) -> Left {
        let Self::Many(members) = self else {
            return Left::Nobody;
        };
        let Some(last) = members.pop() else {
            return Left::Nobody;
        };
        // The last one was asked for if there is no such place any more.
        let left = match members.get_mut(position as usize) {
            Some(place) => {
                *place = last;
                Left::Moved(last)
            }
            None => Left::Others,
        };
        match members.as_slice() {
            [] => return Left::Nobody,
            &[alone] => *self = Self::One(alone),
            _ => room::give_back(members),
        }
        left
    }
}
