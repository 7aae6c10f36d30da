//! What subscribers may take of an index, and what they have taken.

/// Upper limits on what subscriptions may make an index do. Beyond them nothing is refused: it is
/// found by fewer of its values, or of none, and then verified where these do not say all of it.
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
}

impl IndexLimits {
    /// An application has a handful, one for each kind of screen; and this is more than the 232 ways
    /// to constrain up to three of six keys, to one value or to any. Each one that a notification's
    /// keys contain costs it a look-up, say 30 ns: less than one delivery, all of them together.
    pub const SHAPES: usize = 256;
    /// Two lists of eight. A tuple takes some 20 bytes, and up to 100 where nobody shares it; a list
    /// alone does not multiply, and is expanded as far as [`TUPLES`](Self::TUPLES) goes.
    pub const EXPANSION: usize = 64;
    /// Half a megabyte where values are short, beside the quarter of one that may wait in an outbox. One
    /// long value beside short lists is repeated in each of their tuples: with messages of 64 KiB, that
    /// has taken 3.5 MB.
    pub const TUPLES: usize = 4096;
}

impl Default for IndexLimits {
    fn default() -> Self {
        Self {
            shapes: Self::SHAPES,
            expansion: Self::EXPANSION,
            tuples: Self::TUPLES,
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
