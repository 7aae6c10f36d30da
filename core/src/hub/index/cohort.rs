//! Cohorts: those whom the same tuple of values concerns.

use alloc::{boxed::Box, vec, vec::Vec};
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
    /// Where each is verified.
    Checked(Box<Candidates>),
}

/// One word where it is kept, for there are few.
#[derive(Debug)]
pub(super) struct Candidates(Vec<Candidate>);

/// A member that is verified before it hears anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) member: Member,
    /// Where the subscriber's wish for it is, or [`Candidate::SAID`].
    pub(super) wish: u32,
    pub(super) hint: Hint,
}

/// One constraint of a subscription that accepts a single value, to tell most of those that are not
/// met without looking anything up. Where the candidate is [said](Candidate::SAID), one that accepts
/// any value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    /// The key's number, or [`Hint::NO_KEY`].
    pub(super) key: u32,
    /// What is [kept](super::hash::kept) of the value's hash.
    pub(super) hash: u32,
}

impl Candidate {
    /// In the place of a wish: the tuple and the hint say all of the subscription.
    pub(super) const SAID: u32 = u32::MAX;
}

impl Hint {
    /// Says nothing.
    pub(super) const NONE: Self = Self {
        key: Self::NO_KEY,
        hash: 0,
    };
    pub(super) const NO_KEY: u32 = u32::MAX;
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
    pub(super) fn new(first: Candidate, is_verified: bool) -> Self {
        if is_verified {
            Self::Checked(Box::new(Candidates(vec![first])))
        } else {
            Self::One(first.member)
        }
    }

    /// The members, unless they are verified.
    #[inline]
    pub(super) fn plain(&self) -> &[Member] {
        match self {
            Self::One(member) => slice::from_ref(member),
            Self::Many(members) => members,
            Self::Checked(_) => &[],
        }
    }

    /// The members if they are verified.
    #[inline]
    pub(super) fn checked(&self) -> &[Candidate] {
        match self {
            Self::One(_) | Self::Many(_) => &[],
            Self::Checked(members) => &members.0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Member> {
        let checked = self.checked().iter().map(|candidate| candidate.member);
        self.plain().iter().copied().chain(checked)
    }

    pub(super) fn len(&self) -> usize {
        self.plain().len().max(self.checked().len())
    }

    /// Adds a member; nothing if there are 2^32 already. Its position is the answer.
    pub(super) fn push(&mut self, added: Candidate) -> Option<u32> {
        let position = u32::try_from(self.len()).ok()?;
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, added.member]),
            Self::Many(members) => room::push(members, added.member),
            Self::Checked(members) => room::push(&mut members.0, added),
        }
        Some(position)
    }

    /// Removes the member at `position`, whose place the last one takes.
    pub(super) fn remove(&mut self, position: u32) -> Left {
        let moved = match self {
            Self::One(_) => return Left::Nobody,
            Self::Many(members) => swap_remove(members, position),
            Self::Checked(members) => {
                swap_remove(&mut members.0, position).map(|candidate| candidate.member)
            }
        };
        match self {
            Self::Many(members) => match members.as_slice() {
                &[alone] => *self = Self::One(alone),
                _ => room::give_back(members),
            },
            Self::Checked(members) => room::give_back(&mut members.0),
            Self::One(_) => {}
        }
        match moved {
            _ if self.len() == 0 => Left::Nobody,
            Some(moved) => Left::Moved(moved),
            None => Left::Others,
        }
    }
}

/// Removes what is at `position`, and gives what has taken the place.
fn swap_remove<T: Copy>(list: &mut Vec<T>, position: u32) -> Option<T> {
    let last = list.pop()?;
    // If there is no such place any more, it was the last one that was asked for.
    let place = list.get_mut(position as usize)?;
    *place = last;
    Some(last)
}
