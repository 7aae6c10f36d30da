//! Bytes in memory as a transport, for whoever reads them: blocking, tokio's way or futures' way.

use core::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::io::{self, Read, Write};

use futures_lite::io::{AsyncRead as FuturesRead, AsyncWrite as FuturesWrite};
use tokio::io::{AsyncRead as TokioRead, AsyncWrite as TokioWrite, ReadBuf};

/// As a length of [`Pieces`]: as much as is asked for.
pub const WHOLE: usize = usize::MAX;

/// Bytes in memory that arrive in pieces and never keep anyone waiting; what is written is
/// forgotten.
#[derive(Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl<'a> Pieces<'a> {
    /// Gives at most `piece` bytes at a time, and in the end none.
    #[must_use]
    pub const fn new(bytes: &'a [u8], piece: usize) -> Self {
        Self { bytes, piece }
    }

    /// The next piece, of at most `room` bytes.
    pub(crate) fn next(&mut self, room: usize) -> &'a [u8] {
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
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl campanile_std::Transport for Pieces<'_> {
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
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
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
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
