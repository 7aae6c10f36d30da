//! Keyed hashing.
//!
//! Peers choose what is hashed. Who knew the hashes could send what collides, and make each look-up
//! a walk; so they depend on a secret key. A hash only says where to look: equality is verified on
//! every hit.

use core::fmt;

use siphasher::sip::SipHasher13;

/// A secret key for the hashes of an [`Index`](super::Index), of which peers must not learn: 128
/// random bits, new for each process. The core has no source of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(pub [u64; 2]);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

/// SipHash-1-3, as in the standard library's tables.
#[derive(Clone)]
pub(super) struct Hasher {
    sip: SipHasher13,
    /// Odd, and as secret as the key.
    factor: u64,
    /// The bits that are left of a hash; fewer where a test wants collisions.
    #[cfg(test)]
    pub(super) bits: u64,
}

impl Hasher {
    pub(super) fn new(HashKey([low, high]): HashKey) -> Self {
        let sip = SipHasher13::new_with_keys(low, high);
        Self {
            sip,
            factor: sip.hash(b"factor") | 1,
            #[cfg(test)]
            bits: u64::MAX,
        }
    }

    #[inline]
    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        self.cut(self.sip.hash(bytes))
    }

    /// The hash of a sequence, from that of all but its last part, or zero, and that of the last.
    ///
    /// Both are beyond the peers' knowledge, and then so is whether two such sums are equal.
    #[inline]
    pub(super) fn join(&self, before: u64, last: u64) -> u64 {
        self.cut(before.wrapping_mul(self.factor).wrapping_add(last))
    }

    /// An odd number beyond the peers' knowledge.
    pub(super) const fn factor(&self) -> u64 {
        self.factor
    }

    #[cfg(not(test))]
    #[inline]
    const fn cut(&self, hash: u64) -> u64 {
        hash
    }

    #[cfg(test)]
    const fn cut(&self, hash: u64) -> u64 {
        hash & self.bits
    }
}

/// An entry of a table is looked at, whether it is the one that a hash promises.
#[cfg(not(test))]
#[inline]
pub(super) const fn look() {}

#[cfg(test)]
std::thread_local! {
    static LOOKS: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

#[cfg(test)]
pub(super) fn look() {
    LOOKS.set(LOOKS.get() + 1);
}

/// How many entries this thread has looked at so far.
#[cfg(test)]
pub(super) fn looks() -> usize {
    LOOKS.get()
}

/// What is kept of a hash: half of it, in the order of the whole.
#[inline]
pub(super) const fn kept(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A hash for a table, which looks at the lowest and the highest bits, from what is kept of one.
#[inline]
pub(super) const fn spread(kept: u32) -> u64 {
    // 2^64 over the golden ratio: odd, so that different low halves stay different.
    (kept as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
