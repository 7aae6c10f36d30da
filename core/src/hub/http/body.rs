//! The body of a request, collected within bounds.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    BATCH_BYTES, BODY_RATE, BODY_TIME,
    chunked::{Chunked, Malformed},
    fault::Fault,
};
use crate::Instant;

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// Behind so many bytes.
    Length(u64),
    Chunked(Chunked),
}

/// A body, as far as it is there.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Vec<u8>,
    /// What is still to come.
    framing: Framing,
    /// Whether it is a list, which is known with the first byte that is no white space.
    is_batch: Option<bool>,
    /// Most bytes of one message.
    message: usize,
    start: Instant,
}

impl Body {
    /// A body of which nothing is there at `now`. One message may have so many bytes.
    pub(super) const fn new(framing: Framing, message: usize, now: Instant) -> Self {
        Self {
            bytes: Vec::new(),
            framing,
            is_batch: None,
            message,
            start: now,
        }
    }

    /// The most bytes that any body may have.
    pub(super) const fn most(message: usize) -> usize {
        if message > BATCH_BYTES {
            message
        } else {
            BATCH_BYTES
        }
    }

    /// Takes what is of the body from the front of `input`; how many bytes that are.
    ///
    /// # Errors
    /// Why the body is refused, at the first byte that tells, however the bytes are cut.
    pub(super) fn receive(&mut self, input: &[u8]) -> Result<usize, Fault> {
        let mut rest = input;
        while let Some((content, left)) = self.next(&mut rest)? {
            self.take(content, left)?;
        }
        Ok(input.len().saturating_sub(rest.len()))
    }

    /// Whether all of it is there.
    pub(super) fn is_complete(&self) -> bool {
        match self.framing {
            Framing::Length(left) => left == 0,
            Framing::Chunked(chunked) => chunked.is_over(),
        }
    }

    /// When so much should have come that it is not worth to wait any longer.
    pub(super) fn deadline(&self) -> Instant {
        let seconds = self.bytes.len().checked_div(BODY_RATE).unwrap_or_default();
        self.start
            .after(BODY_TIME)
            .after(Duration::from_secs(seconds as u64))
    }

    pub(super) const fn is_batch(&self) -> bool {
        matches!(self.is_batch, Some(true))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The next content, and how much more is announced; `None` when `input` has no more of it.
    fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<(&'b [u8], u64)>, Fault> {
        match &mut self.framing {
            Framing::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let (content, rest) = input.split_at_checked(most).unwrap_or((*input, &[]));
                *input = rest;
                *left = left.saturating_sub(content.len() as u64);
                Ok((!content.is_empty()).then_some((content, *left)))
            }
            Framing::Chunked(chunked) => match chunked.next(input) {
                Ok(content) => {
                    let left = chunked.left();
                    // A chunk that is too large for any body is refused before any of it has come.
                    let now = content.map_or(0, <[u8]>::len);
                    self.check(now, left, Self::most(self.message))?;
                    Ok(content.map(|content| (content, left)))
                }
                Err(Malformed) => Err(Fault::Chunk),
            },
        }
    }

    /// Takes content behind which `left` more bytes are announced.
    fn take(&mut self, content: &[u8], left: u64) -> Result<(), Fault> {
        if self.is_batch.is_none()
            && let Some(at) = content.iter().position(|byte| !is_space(*byte))
        {
            let before = self.bytes.len().saturating_add(at);
            let begins_late = before >= self.message;
            self.is_batch = Some(content.get(at) == Some(&b'[') && !begins_late);
        }
        let have = self.bytes.len().saturating_add(content.len());
        let most = match self.is_batch {
            Some(true) => Self::most(self.message),
            // White space alone may be as long as a message.
            None if have <= self.message => Self::most(self.message),
            None | Some(false) => self.message,
        };
        self.check(content.len(), left, most)?;
        self.bytes.extend_from_slice(content);
        Ok(())
    }

    /// Whether there may be so many bytes more, now and announced.
    fn check(&self, now: usize, left: u64, limit: usize) -> Result<(), Fault> {
        let have = self.bytes.len().saturating_add(now) as u64;
        if have.saturating_add(left) > limit as u64 {
            return Err(Fault::TooLarge { limit });
        }
        Ok(())
    }
}

/// White space between the tokens of JSON (RFC 8259, section 2).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
