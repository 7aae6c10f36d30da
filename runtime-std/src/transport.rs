//! What a stream needs of what it runs over, beside reading and writing.

use core::time::Duration;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

/// A blocking byte stream in both directions.
///
/// Waiting must be bounded: it is how keep-alive and the closing handshake keep their times while
/// a thread is blocked. A read or write that gives up answers [`ErrorKind::WouldBlock`] or
/// [`ErrorKind::TimedOut`], and no byte is lost or sent twice by it. A write must not keep bytes
/// back: nothing here calls [`Write::flush`].
pub trait Transport: Read + Write {
    /// Bounds how long each read waits from now on; `limit` is never zero, `None` means for ever.
    ///
    /// # Errors
    /// What the system reports.
    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()>;

    /// Bounds how long each write waits from now on; `limit` is never zero, `None` means for ever.
    ///
    /// # Errors
    /// What the system reports.
    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()>;

    /// Tells the peer that nothing more will be written, behind what was; reading goes on.
    ///
    /// # Errors
    /// What the system reports.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// The socket must be in blocking mode, which is how it comes from the standard library.
impl Transport for TcpStream {
    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, limit)
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Reads once, for at most `limit`. `None`: nothing happened in that time, or not yet; look at the
/// clock.
pub(crate) fn read<T: Transport + ?Sized>(
    transport: &mut T,
    room: &mut [u8],
    limit: Option<Duration>,
) -> io::Result<Option<usize>> {
    if limit == Some(Duration::ZERO) {
        return Ok(None);
    }
    transport.set_read_timeout(limit)?;
    in_time(transport.read(room))
}

/// Writes once, for at most `limit`; `None` as for [`read`].
pub(crate) fn write<T: Transport + ?Sized>(
    transport: &mut T,
    bytes: &[u8],
    limit: Option<Duration>,
) -> io::Result<Option<usize>> {
    if limit == Some(Duration::ZERO) {
        return Ok(None);
    }
    transport.set_write_timeout(limit)?;
    match in_time(transport.write(bytes))? {
        Some(0) => Err(ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

/// `None`: nothing happened in the time that there was, or not yet.
pub(crate) fn in_time(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        // Which of the first two a timeout is depends on the system.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
