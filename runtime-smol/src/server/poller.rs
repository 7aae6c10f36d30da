//! Which of a shard's sockets are ready.
//!
//! A shard has thousands of sockets and one task. They are in a readiness queue of its own (epoll),
//! registered once and for all and edge-triggered, and that queue is what the executor's reactor
//! watches. So a connection costs no task, no waker and no registration each time it waits.

use core::mem::MaybeUninit;
use std::{io, net::TcpStream, os::fd::OwnedFd};

use rustix::event::{Timespec, epoll};
use smol::Async;

/// How many sockets are told to be ready with one system call: three kilobytes of stack.
const EVENTS: usize = 256;

/// A readiness queue.
#[derive(Debug)]
pub(super) struct Poller {
    queue: Async<OwnedFd>,
}

/// What may be done with a socket without waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// What it was [added](Poller::add) as.
    pub(super) key: u32,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Its peer says no more, or it has failed: read on until that is told.
    pub(super) ended: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            queue: Async::new(queue)?,
        })
    }

    /// Adds a socket, which is in the queue until it is closed.
    pub(super) fn add(&self, socket: &TcpStream, key: u32) -> io::Result<()> {
        use epoll::EventFlags;
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = epoll::EventData::new_u64(key.into());
        Ok(epoll::add(self.queue.get_ref(), socket, data, interest)?)
    }

    /// Names the sockets that have become ready, without waiting for any; many at the most.
    pub(super) fn poll(&self, mut name: impl FnMut(Ready)) -> io::Result<()> {
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
    pub(super) async fn ready(&self) -> io::Result<()> {
        self.queue.readable().await
    }
}
