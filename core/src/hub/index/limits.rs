//! What subscribers may take of an index, and what they have taken.

use core::{error::Error, fmt};

use crate::notify::{Refusal, Subscriptions};

/// Upper limits on what subscriptions may make an index do. Beyond the first three nothing is
/// refused: it is found by fewer of its values, or of none, and then verified where these do not say
/// all of it; what that may cost a notification is the fourth.
///
/// A match takes at most one look-up for each shape of its partition, and a subscription at most so
/// many tuples, whatever peers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexLimits {
    /// Sets of constrained keys in one partition (a package and page) that have a table of their
    /// own; [`IndexLimits::SHAPES`] by default.
    pub shapes: usize,
    /// Tuples to which the lists of one subscription may multiply, and 64 times as many bytes;
    /// [`IndexLimits::EXPANSION`] by default.
    pub expansion: usize,
    /// Tuples of one subscriber; [`IndexLimits::TUPLES`] by default. Each subscription has one or
    /// two in any case.
    pub tuples: usize,
    /// Steps that it may take to verify the subscriptions of one subscriber, for a notification that
    /// is found to concern all of these; [`IndexLimits::VERIFIED`] by default. A set that may take more
    /// is refused as a whole.
    ///
    /// A subscription that is verified takes four, one more for each of its constraints, and one more
    /// for each 16 values of those constraints that its tuples do not say. Where there is no room for
    /// the tuples that notifications without keys would be found by, a constraint takes twelve.
    pub verified: usize,
}

/// How many steps it takes to verify a subscription.
pub(super) const fn steps(constraints: usize, values: usize, is_asked_for_any: bool) -> usize {
    let constraints = if is_asked_for_any {
        constraints.saturating_mul(ASKED_FOR_ANY)
    } else {
        constraints
    };
    VERIFIED_AT_ALL
        .saturating_add(constraints)
        .saturating_add(values / VALUES)
}

/// To look up what is verified of a subscription.
const VERIFIED_AT_ALL: usize = 4;

/// A constraint of a subscription of which any is to be met: where none is, all of them are looked at.
const ASKED_FOR_ANY: usize = 12;

/// As many values take a step more, for the search through them.
const VALUES: usize = 16;

impl IndexLimits {
    /// An application has a handful, one for each kind of screen; and this is more than the 232 ways
    /// to constrain up to three of six keys, to one value or to any. Each one that a notification's
    /// keys contain costs it a look-up, say 30 ns: less than one delivery, all of them together.
    pub const SHAPES: usize = 256;
    /// Two lists of eight. A tuple takes some 20 bytes, and up to 100 where nobody shares it; a list
    /// alone does not multiply, and is expanded as far as [`TUPLES`](Self::TUPLES) goes.
    pub const EXPANSION: usize = 64;
    /// Half a megabyte where values are short, beside the quarter of one that may wait in an outbox. A
    /// longer value beside short lists is repeated in each of their tuples, as far as
    /// [`expansion`](Self::expansion) allows: of a message of 64 KiB, the worst that was found took 0.9 MB.
    pub const TUPLES: usize = 4096;
    /// A dozen subscriptions of one connection to keys that nobody else combines, or with lists that
    /// multiply too much: more than an application has. A step takes some 5 ns, so that a thousand
    /// connections that ask for as much as they may cost a notification half a millisecond, about ten
    /// times what a hundred thousand friendly subscriptions do.
    pub const VERIFIED: usize = 96;

    /// Whether `set` may be [too much](Self::verified) to verify: a quick look, that may be wrong only
    /// if the answer is yes.
    pub(super) fn may_be_too_much(&self, set: &Subscriptions<'_>) -> bool {
        // A byte counts as far as this, and sixteen are counted at once.
        let chunks = || set.as_bytes().chunks(usize::from(u8::MAX));
        let count_in = |chunk: &[u8], wanted: u8| {
            let is_it = chunk.iter().map(|&byte| u8::from(byte == wanted));
            usize::from(is_it.fold(0, u8::wrapping_add))
        };
        let count = |wanted: u8| chunks().map(|chunk| count_in(chunk, wanted)).sum::<usize>();
        let (colons, commas) = (count(b':'), count(b','));
        // Each scalar is behind one of them, or the first of an array; package and page are none.
        let constraints = colons.saturating_sub(set.len().saturating_mul(2));
        let values = colons.saturating_add(commas).saturating_add(set.len());
        let tuples = (set.len())
            .saturating_mul(self.expansion)
            .saturating_add(values.saturating_mul(2));
        let most = steps(constraints, values, tuples > self.tuples);
        most.saturating_add(set.len().saturating_mul(VERIFIED_AT_ALL)) > self.verified
    }
}

/// A set of subscriptions was refused, for it might have taken more [steps](IndexLimits::verified) to
/// verify than one subscriber may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuchToVerify {
    /// How many steps it may take.
    pub limit: usize,
}

impl From<TooMuchToVerify> for Refusal {
    fn from(TooMuchToVerify { limit }: TooMuchToVerify) -> Self {
        Self::too_much_to_verify(limit)
    }
}

impl fmt::Display for TooMuchToVerify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Refusal::from(*self).fmt(f)
    }
}

impl Error for TooMuchToVerify {}

impl Default for IndexLimits {
    fn default() -> Self {
        Self {
            shapes: Self::SHAPES,
            expansion: Self::EXPANSION,
            tuples: Self::TUPLES,
            verified: Self::VERIFIED,
        }
    }
}

/// What is in an index at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Subscriptions; equal ones count each.
    pub subscriptions: usize,
    /// Packages and pages that somebody subscribes to.
    pub partitions: usize,
    /// Sets of constrained keys that have a table of their own, in all partitions.
    pub shapes: usize,
    /// Different tuples.
    pub cohorts: usize,
    /// Tuples of all subscribers.
    pub tuples: usize,
    /// Subscriptions of which some constraint is in no tuple, for it would have taken too many.
    pub left_out: usize,
    /// Subscriptions for which there was no shape left.
    pub overflowed: usize,
    /// Tuples, since the index was made, that were not entered since 2^32 numbers were used up,
    /// which takes some 200 gigabytes. Such a subscription does not match as it should.
    pub lost: u64,
}
