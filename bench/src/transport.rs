//! Bytes in memory as a transport: blocking, tokio's way and futures' way.

use core::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{
    hint::black_box,
    io::{self, IoSlice, Read, Write},
};

use futures_lite::io::{AsyncRead as FuturesRead, AsyncWrite as FuturesWrite};
use tokio::io::{AsyncRead as TokioRead, AsyncWrite as TokioWrite, ReadBuf};

/// As a length of [`Pieces`]: as much as is asked for.
pub const WHOLE: usize = usize::MAX;

/// Bytes in memory that arrive in pieces and never keep anyone waiting; what is written is counted,
/// and kept if somebody will look at it.
#[derive(Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    /// What comes when those are taken, and how many times.
    again: &'a [u8],
    times: usize,
    piece: usize,
    written: usize,
    kept: Option<Vec<u8>>,
}

impl<'a> Pieces<'a> {
    /// Gives at most `piece` bytes at a time, and in the end none.
    #[must_use]
    pub const fn new(bytes: &'a [u8], piece: usize) -> Self {
        Self {
            bytes,
            again: bytes,
            times: 0,
            piece,
            written: 0,
            kept: None,
        }
    }

    /// The same, and the bytes come as many times.
    #[must_use]
    pub const fn repeating(bytes: &'a [u8], times: usize, piece: usize) -> Self {
        let mut pieces = Self::new(bytes, piece);
        pieces.times = times.saturating_sub(1);
        pieces
    }

    /// Those that come once, and what is written is kept.
    #[must_use]
    pub fn keeping(bytes: &'a [u8], piece: usize) -> Self {
        Self {
            kept: Some(Vec::new()),
            ..Self::new(bytes, piece)
        }
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written
    }

    /// What was written, if it was to be kept.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        self.kept.as_deref().unwrap_or_default()
    }

    fn record(&mut self, bytes: &[u8]) -> usize {
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        self.written += black_box(bytes).len();
        bytes.len()
    }

    fn record_all(&mut self, parts: &[IoSlice<'_>]) -> usize {
        parts.iter().map(|part| self.record(part)).sum()
    }

    /// The next piece, of at most `room` bytes.
    pub(crate) fn next(&mut self, room: usize) -> &'a [u8] {
        if self.bytes.is_empty() && self.times > 0 {
            self.times -= 1;
            self.bytes = self.again;
        }
        let count = self.piece.min(room).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(count);
        self.bytes = later;
        now
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let piece = self.next(room.len());
        room[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.record(bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.record_all(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl campanile_std::Transport for &mut Pieces<'_> {
    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TokioRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let piece = self.next(room.remaining());
        room.put_slice(piece);
        Poll::Ready(Ok(()))
    }
}

impl TokioWrite for Pieces<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.record(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.record_all(parts)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl FuturesRead for Pieces<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().read(room))
    }
}

impl FuturesWrite for Pieces<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.record(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.record_all(parts)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
