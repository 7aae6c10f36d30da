//! What a peer may ask of the matching.

/// Upper limits on what one message may ask of the matching.
///
/// They bound time: the keys of a filter are compared with each other, for a later duplicate
/// overrides an earlier one. That is why they are counted as they are written. To
/// [parse](super::parse()) compares little more than their hashes, and walks over a filter once for
/// some dozens of its keys; [`matches()`](super::matches()) searches all of the filter after each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Subscriptions in one set; [`Limits::SUBSCRIPTIONS`] by default.
    pub subscriptions: usize,
    /// Keys in the `values` of one subscription; [`Limits::CONSTRAINTS`] by default.
    pub constraints: usize,
    /// Keys in the `values` of one notification; [`Limits::KEYS`] by default.
    pub keys: usize,
    /// Scalars in the `values` of one subscription or notification; [`Limits::VALUES`] by default.
    pub values: usize,
}

impl Limits {
    /// A client subscribes to what its screens show; whoever follows more of one page needs one
    /// subscription with a list of values rather than many.
    pub const SUBSCRIPTIONS: usize = 128;
    /// Far more than the two or three keys that a person would constrain, and few enough to compare
    /// each with each other.
    pub const CONSTRAINTS: usize = 64;
    /// More than [`CONSTRAINTS`](Self::CONSTRAINTS), since a publisher may attach a whole row of
    /// which each subscriber constrains other columns.
    pub const KEYS: usize = 256;
    /// A list of identifiers of this length fills some ten kilobytes; a longer one is better given
    /// a key of its own, such as that of a group.
    pub const VALUES: usize = 1024;

    /// No limits, for messages of one's own and for those of a server that is trusted.
    pub const NONE: Self = Self {
        subscriptions: usize::MAX,
        constraints: usize::MAX,
        keys: usize::MAX,
        values: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: Self::SUBSCRIPTIONS,
            constraints: Self::CONSTRAINTS,
            keys: Self::KEYS,
            values: Self::VALUES,
        }
    }
}
