//! Masking keys without a random source.

use core::{fmt, hash::BuildHasher};

use super::MaskSource;

/// Masking keys for programs that have no random source of their own: a counter, hashed with a
/// keyed hash, such as `std::hash::RandomState` of the standard library's maps.
///
/// What it is: unpredictable in practice, as far as the hash is. `RandomState` takes its keys from
/// the system's random source on all common platforms, and its hash is SipHash-1-3 at present,
/// which was designed so that outputs tell nothing about other outputs.
///
/// What it is not: a cryptographic random generator. The standard library promises neither the hash
/// nor where the keys come from (on a few targets without a system they are fixed), and the keys of
/// one thread's `RandomState`s are related. RFC 6455 section 5.3 demands a strong source of
/// entropy for every key, so this falls short of its letter; section 10.3 says what for: untrusted
/// parties who choose what is sent, and an intermediary that may misread it. Where that can be, give
/// the client a cryptographic source, for which a closure will do.
pub struct HashedMasks<S> {
    state: S,
    drawn: u64,
    /// The second half of the hash that every other key begins.
    half: u32,
}

impl<S: Default> HashedMasks<S> {
    /// A source with keys of its own, as far as each default of `S` has them.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<S> HashedMasks<S> {
    /// A source whose keys are those of this hasher. One that is not keyed at random makes keys
    /// that everybody knows.
    pub const fn with_hasher(state: S) -> Self {
        Self {
            state,
            drawn: 0,
            half: 0,
        }
    }
}

impl<S: Default> Default for HashedMasks<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for HashedMasks<S> {
    /// Leaves out the state: who knows it knows all keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashedMasks").finish_non_exhaustive()
    }
}

impl<S: BuildHasher> MaskSource for HashedMasks<S> {
    fn next_mask(&mut self) -> [u8; 4] {
        let drawn = self.drawn;
        self.drawn = drawn.wrapping_add(1);
        // A hash is two keys: deriving one is most of the work for a short message.
        if drawn % 2 == 1 {
            return self.half.to_le_bytes();
        }
        let hash = self.state.hash_one(drawn);
        let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
        self.half = u32::from_le_bytes([e, f, g, h]);
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, hash::RandomState};

    #[test]
    fn keys_are_spread_evenly_and_differ_between_sources() {
        let mut one = HashedMasks::<RandomState>::new();
        let mut other = HashedMasks::<RandomState>::new();
        let drawn = 4096_u32;
        let mut distinct = HashSet::new();
        let mut ones = [0_u32; 32];
        let mut equal = 0;
        for _ in 0..drawn {
            let key = one.next_mask();
            equal += u32::from(key == other.next_mask());
            distinct.insert(key);
            let bits = u32::from_le_bytes(key);
            for (i, count) in ones.iter_mut().enumerate() {
                *count += (bits >> i) & 1;
            }
        }
        // Two equal keys among 4096 of 2^32 come once in 500 runs, four almost never; a fair bit's
        // count deviates by 32, and by eight times that almost never.
        assert!(distinct.len() >= 4094, "{}", distinct.len());
        assert!(ones.iter().all(|n| n.abs_diff(drawn / 2) < 256), "{ones:?}");
        assert!(equal <= 1, "{equal}");
    }
}
