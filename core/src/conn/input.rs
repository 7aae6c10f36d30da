//! Bytes on their way in.

use core::{fmt, mem};

/// The bytes received so far and not yet understood, in a buffer of the caller's.
///
/// [`Connection::receive`](super::Connection::receive) takes bytes off its front and hands them
/// out, unmasked in place; what it leaves over is what the caller keeps for next time.
#[derive(Default)]
pub struct Input<'b> {
    rest: &'b mut [u8],
    consumed: usize,
    /// The payload of a Ping that is to be answered: it stays where it arrived.
    pub(super) ping: Option<&'b [u8]>,
}

impl fmt::Debug for Input<'_> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("consumed", &self.consumed)
            .field("left", &self.rest.len())
            .finish_non_exhaustive()
    }
}

impl<'b> Input<'b> {
    /// Bytes that were received, in order, starting with what an earlier input left over.
    pub const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            rest: bytes,
            consumed: 0,
            ping: None,
        }
    }

    /// How many bytes were taken off the front.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// The bytes that are left.
    #[must_use]
    pub const fn rest(&self) -> &[u8] {
        self.rest
    }

    /// The bytes that are left, for as long as the buffer lives.
    #[must_use]
    pub const fn into_rest(self) -> &'b mut [u8] {
        self.rest
    }

    /// At most `len` bytes at the front.
    pub(super) fn front(&mut self, len: usize) -> &mut [u8] {
        let len = len.min(self.rest.len());
        self.rest.get_mut(..len).unwrap_or_default()
    }

    /// Takes at most `len` bytes off the front.
    pub(super) fn take(&mut self, len: usize) -> &'b mut [u8] {
        let bytes = mem::take(&mut self.rest);
        let (front, rest) = bytes.split_at_mut(len.min(bytes.len()));
        self.rest = rest;
        self.consumed = self.consumed.saturating_add(front.len());
        front
    }
}
