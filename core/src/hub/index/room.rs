//! Lists that keep little room to spare, since there may be millions of elements in them, or
//! millions of them.

use alloc::vec::Vec;

/// Appends `item`. A short list doubles; a long one grows by a quarter, which moves each element
/// some five times in all and leaves at most a fifth of the memory unused.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    let len = list.len();
    if len == list.capacity() {
        let more = if len < SHORT { len } else { len / 4 };
        list.reserve_exact(more.max(LEAST));
    }
    list.push(item);
}

/// Makes the list at least `len` long, with room to spare as if by [`push`] where that is more, and
/// moves it once.
pub(super) fn fill<T: Default>(list: &mut Vec<T>, len: usize) {
    let missing = len.saturating_sub(list.len());
    if len > list.capacity() {
        list.reserve_exact(missing.max(list.len() / 4));
    }
    list.extend((0..missing).map(|_| T::default()));
}

/// Gives memory back when three quarters of it are unused; half of what is kept stays in reserve,
/// so that a list that grows and shrinks by turns is not moved each time.
pub(super) fn give_back<T>(list: &mut Vec<T>) {
    if is_sparse(list.len(), list.capacity()) {
        list.shrink_to(list.len().saturating_mul(2));
    }
}

/// Whether a quarter or less of some capacity is used.
pub(super) const fn is_sparse(len: usize, capacity: usize) -> bool {
    len <= capacity / 4 && capacity > LEAST
}

const LEAST: usize = 4;
const SHORT: usize = 64;
