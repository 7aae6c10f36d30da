//! Sorting in the caller's memory.

use core::mem;

use super::{bytes::Writer, read::split_text};

/// How many bytes of scratch memory each text takes beside itself.
pub(super) const ENTRY: usize = size_of::<usize>();

/// Texts that are to be sorted, and behind each one whatever belongs to it.
pub(super) struct Sorter<'m> {
    /// Where the texts begin.
    table: &'m mut [[u8; ENTRY]],
    len: usize,
    texts: Writer<'m>,
}

impl<'m> Sorter<'m> {
    /// For at most `capacity` texts.
    pub(super) fn new(scratch: &'m mut [u8], capacity: usize) -> Option<Self> {
        let (table, texts) = scratch.split_at_mut_checked(capacity.checked_mul(ENTRY)?)?;
        let (table, _) = table.as_chunks_mut();
        Some(Self {
            table,
            len: 0,
            texts: Writer::new(texts),
        })
    }

    /// Adds what `write` writes.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Writer<'m>) -> Option<()>) -> Option<()> {
        *self.table.get_mut(self.len)? = self.texts.len().to_ne_bytes();
        self.len = self.len.saturating_add(1);
        write(&mut self.texts)
    }

    /// The texts in their order, and the scratch memory that is left.
    pub(super) fn sort(self) -> Option<(Sorted<'m>, &'m mut [u8])> {
        let (texts, rest) = self.texts.into_parts()?;
        let table = self.table.get_mut(..self.len)?;
        // Of equal texts, the one that was added first comes first.
        sort(table, |one, other| {
            let key = |entry: [u8; ENTRY]| {
                let start = usize::from_ne_bytes(entry);
                (text_at(texts, start).map(|(text, _)| text), start)
            };
            key(one).cmp(&key(other)).is_lt()
        });
        Some((Sorted { table, texts }, rest))
    }
}

/// Sorted texts.
#[derive(Clone, Copy)]
pub(super) struct Sorted<'m> {
    table: &'m [[u8; ENTRY]],
    texts: &'m [u8],
}

impl<'m> Sorted<'m> {
    /// Each text once, the one that was added last, with whatever is behind it.
    pub(super) fn distinct(self) -> impl Iterator<Item = (&'m [u8], &'m [u8])> {
        let at = move |index: usize| {
            let start = usize::from_ne_bytes(*self.table.get(index)?);
            text_at(self.texts, start)
        };
        (0..self.table.len()).filter_map(move |index| {
            let (text, behind) = at(index)?;
            let next = at(index.saturating_add(1));
            let is_last = next.is_none_or(|(next, _)| next != text);
            is_last.then_some((text, behind))
        })
    }
}

fn text_at(texts: &[u8], start: usize) -> Option<(&[u8], &[u8])> {
    split_text(texts.get(start..)?)
}

/// Heapsort: in place, without recursion, and never slower than the number of items times its
/// logarithm. The standard library's is faster, and takes kilobytes of a microcontroller's flash.
pub(in crate::notify) fn sort<T: Copy>(items: &mut [T], is_less: impl Fn(T, T) -> bool) {
    for root in (0..items.len() / 2).rev() {
        sift_down(items, root, &is_less);
    }
    let mut heap = items;
    while let Some((last, rest)) = mem::take(&mut heap).split_last_mut() {
        if let Some(largest) = rest.first_mut() {
            mem::swap(largest, last);
        }
        sift_down(rest, 0, &is_less);
        heap = rest;
    }
}

/// Makes a heap of what is one below `root`: no item is less than those at twice its position plus
/// one and plus two.
fn sift_down<T: Copy>(items: &mut [T], mut root: usize, is_less: &impl Fn(T, T) -> bool) {
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        let right = left.saturating_add(1);
        let (Some(&item), Some(&first)) = (items.get(root), items.get(left)) else {
            return;
        };
        let (at, child) = match items.get(right) {
            Some(&second) if is_less(first, second) => (right, second),
            _ => (left, first),
        };
        if !is_less(item, child) {
            return;
        }
        if let Some(place) = items.get_mut(root) {
            *place = child;
        }
        if let Some(place) = items.get_mut(at) {
            *place = item;
        }
        root = at;
    }
}
