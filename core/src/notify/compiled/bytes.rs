//! Bytes, lengths and texts of a form, written front to back into a slice.

use crate::notify::{number::Run, scalar::Scalar, text::Text};

/// Stands for a run of zeros, whose length follows: `1e1023` is not to take a kilobyte. It never
/// occurs in UTF-8, and differs from what `true`, `false` and `null` are.
pub(in crate::notify) const ZEROS: u8 = 0xFC;

/// A shorter run of zeros is written as it is: it takes no more bytes so.
pub(in crate::notify) const SHORTEST_RUN: usize = 4;

/// How many bytes `length` takes.
pub(super) const fn length_size(length: usize) -> usize {
    let mut size: usize = 1;
    let mut rest = length >> 7;
    while rest != 0 {
        size = size.saturating_add(1);
        rest >>= 7;
    }
    size
}

/// How many bytes a text or a form of `length` bytes takes with its length in front.
pub(super) const fn with_length(length: usize) -> usize {
    length_size(length).saturating_add(length)
}

/// How many bytes the text takes.
pub(super) fn text_size(text: Text<'_>) -> usize {
    with_length(text_len(text))
}

/// How many bytes the scalar takes.
pub(super) fn scalar_size(scalar: &Scalar<'_>) -> usize {
    with_length(scalar_len(scalar))
}

fn text_len(text: Text<'_>) -> usize {
    text.as_unescaped()
        .map_or_else(|| text.bytes().count(), <[u8]>::len)
}

fn scalar_len(scalar: &Scalar<'_>) -> usize {
    let mut len: usize = 0;
    let _ = shorten(scalar, &mut |_| {
        len = len.saturating_add(1);
        Some(())
    });
    len
}

/// Gives the canonical bytes to `put`, with each longest run of at least [`SHORTEST_RUN`] zeros as
/// [`ZEROS`] and its length. They are UTF-8 or the byte of a literal, so none of them is [`ZEROS`].
/// Takes about as many steps as the scalar was written in.
pub(crate) fn shorten(scalar: &Scalar<'_>, put: &mut impl FnMut(u8) -> Option<()>) -> Option<()> {
    let mut zeros: usize = 0;
    for run in scalar.runs() {
        match run {
            Run::Byte(b'0') => zeros = zeros.saturating_add(1),
            Run::Zeros(count) => zeros = zeros.saturating_add(count),
            Run::Byte(byte) => {
                put_zeros(zeros, put)?;
                zeros = 0;
                put(byte)?;
            }
        }
    }
    put_zeros(zeros, put)
}

fn put_zeros(count: usize, put: &mut impl FnMut(u8) -> Option<()>) -> Option<()> {
    if count < SHORTEST_RUN {
        return (0..count).try_for_each(|_| put(b'0'));
    }
    put(ZEROS)?;
    put_length(count, put)
}

fn put_length(mut length: usize, put: &mut impl FnMut(u8) -> Option<()>) -> Option<()> {
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            return put(low & 0x7F);
        }
        put(low | 0x80)?;
    }
}

/// Appends to a slice. Whatever does not fit gives `None`.
pub(super) struct Writer<'m> {
    memory: &'m mut [u8],
    len: usize,
}

impl<'m> Writer<'m> {
    pub(super) const fn new(memory: &'m mut [u8]) -> Self {
        Self { memory, len: 0 }
    }

    /// How many bytes were written.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// What was written, and the rest.
    pub(super) fn into_parts(self) -> Option<(&'m [u8], &'m mut [u8])> {
        let (written, rest) = self.memory.split_at_mut_checked(self.len)?;
        Some((written, rest))
    }

    pub(super) fn byte(&mut self, byte: u8) -> Option<()> {
        *self.memory.get_mut(self.len)? = byte;
        self.len = self.len.saturating_add(1);
        Some(())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let room = self.memory.get_mut(self.len..)?.get_mut(..bytes.len())?;
        room.copy_from_slice(bytes);
        self.len = self.len.saturating_add(bytes.len());
        Some(())
    }

    pub(super) fn length(&mut self, length: usize) -> Option<()> {
        put_length(length, &mut |byte| self.byte(byte))
    }

    /// Bytes with their length in front.
    pub(super) fn counted(&mut self, bytes: &[u8]) -> Option<()> {
        self.length(bytes.len())?;
        self.bytes(bytes)
    }

    pub(super) fn text(&mut self, text: Text<'_>) -> Option<()> {
        if let Some(bytes) = text.as_unescaped() {
            return self.counted(bytes);
        }
        self.length(text_len(text))?;
        text.bytes().try_for_each(|byte| self.byte(byte))
    }

    pub(super) fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<()> {
        self.length(scalar_len(scalar))?;
        shorten(scalar, &mut |byte| self.byte(byte))
    }

    /// What `write` writes, at most `bound` bytes, with its length in front.
    pub(super) fn nested(
        &mut self,
        bound: usize,
        write: impl FnOnce(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let start = self.len;
        let inner = start.saturating_add(length_size(bound));
        self.len = inner;
        write(self)?;
        let end = self.len;
        let len = end.saturating_sub(inner);
        self.len = start;
        self.length(len)?;
        // A shorter length than that of the bound leaves a gap.
        let gap = inner.checked_sub(self.len)?;
        shift_down(self.memory.get_mut(self.len..end)?, gap);
        self.len = self.len.saturating_add(len);
        Some(())
    }
}

/// Moves all but the first `gap` items to the front. The compiler does not see of `copy_within` that
/// it cannot panic, where code is to be small.
pub(in crate::notify) fn shift_down<T: Copy>(items: &mut [T], gap: usize) {
    for from in gap..items.len() {
        if let Some(&item) = items.get(from)
            && let Some(place) = items.get_mut(from.saturating_sub(gap))
        {
            *place = item;
        }
    }
}
