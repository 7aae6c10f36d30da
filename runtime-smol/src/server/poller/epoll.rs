//! Readiness by an epoll queue of the shard's own: sockets are registered once and for all,
//! edge-triggered, and the queue is what the executor's reactor watches. So a connection costs no
//! task, no waker, and no registration each time it waits.

use core::mem::MaybeUninit;
use std::{
    io::{self, IoSlice, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::fd::OwnedFd,
};

use rustix::event::{Timespec, epoll};
use smol::Async;

use super::Ready;

/// How many sockets are told to be ready with one system call: three kilobytes of stack.
const EVENTS: usize = 256;

/// A readiness queue.
#[derive(Debug)]
pub(in super::super) struct Poller {
    queue: Async<OwnedFd>,
}

impl Poller {
    pub(in super::super) fn new() -> io::Result<Self> {
        let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            queue: Async::new(queue)?,
        })
    }

    /// Takes in a socket, which does not block, to be named by `key` until it is dropped.
    pub(in super::super) fn add(&self, socket: TcpStream, key: u32) -> io::Result<Socket> {
        use epoll::EventFlags;
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = epoll::EventData::new_u64(key.into());
        epoll::add(self.queue.get_ref(), &socket, data, interest)?;
        Ok(Socket(socket))
    }

    /// Names the sockets that have become ready, without waiting for any; many at the most.
    pub(in super::super) fn poll(&self, mut name: impl FnMut(Ready)) -> io::Result<()> {
        use epoll::EventFlags;
        let mut room = [MaybeUninit::uninit(); EVENTS];
        let at_once = Timespec::default();
        let events = match epoll::wait(self.queue.get_ref(), &mut room, Some(&at_once)) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let flags = event.flags;
            let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
            name(Ready {
                key: u32::try_from(event.data.u64()).unwrap_or(u32::MAX),
                readable: failed || flags.intersects(EventFlags::IN | EventFlags::RDHUP),
                writable: failed || flags.contains(EventFlags::OUT),
                ended: failed || flags.contains(EventFlags::RDHUP),
            });
        }
        Ok(())
    }

    /// Waits until a socket becomes ready.
    pub(in super::super) async fn ready(&self) -> io::Result<()> {
        self.queue.readable().await
    }
}

/// A socket in a readiness queue.
#[derive(Debug)]
pub(in super::super) struct Socket(TcpStream);

impl Socket {
    /// Reads without waiting.
    pub(in super::super) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(room)
    }

    /// Writes without waiting.
    pub(in super::super) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [one] => (&self.0).write(one),
            several => (&self.0).write_vectored(several),
        }
    }

    pub(in super::super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}
