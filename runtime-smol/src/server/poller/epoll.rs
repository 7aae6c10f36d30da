//! Readiness by an epoll queue of the shard's own: sockets are registered once and for all,
//! edge-triggered, and the queue is what the executor's reactor watches. So a connection costs no
//! task, no waker, and no registration each time it waits.

use core::mem::MaybeUninit;
use std::{
    io::{self, ErrorKind, IoSlice},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
};

use rustix::{
    event::{Timespec, epoll},
    net::{self, RecvFlags, SendFlags, SocketFlags, sockopt},
};
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

/// Where connections come from.
#[derive(Debug)]
pub(in super::super) struct Listener(Async<TcpListener>);

impl Listener {
    /// Sockets that are accepted inherit what the listener is told here: one system call less for
    /// each (tcp(7)).
    pub(in super::super) fn new(listener: TcpListener) -> io::Result<Self> {
        // Notifications are small and wanted at once. A listener that refuses is served all the same.
        let _ = sockopt::set_tcp_nodelay(&listener, true);
        Async::new(listener).map(Self)
    }

    /// Accepts a connection, whose socket does not block, without waiting for one.
    pub(in super::super) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (socket, peer) = net::acceptfrom_with(self.0.get_ref(), flags)?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        // Nobody's fault, and not seen: only sockets of other families have other addresses.
        let peer = peer.ok_or(ErrorKind::ConnectionAborted)?;
        Ok((socket.into(), peer))
    }

    /// Waits until there may be a connection.
    pub(in super::super) async fn ready(&self) -> io::Result<()> {
        self.0.readable().await
    }
}

/// A socket in a readiness queue. What is called most goes to the system directly: the C library's
/// functions for it are points of cancellation, which costs each call in a process of several threads.
#[derive(Debug)]
pub(in super::super) struct Socket(TcpStream);

impl Socket {
    /// Reads without waiting.
    pub(in super::super) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let (count, _) = net::recv(&self.0, room, RecvFlags::empty())?;
        Ok(count)
    }

    /// Writes without waiting.
    pub(in super::super) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match pieces {
            [one] => net::send(&self.0, one, SendFlags::NOSIGNAL)?,
            several => net::sendmsg(
                &self.0,
                several,
                &mut net::SendAncillaryBuffer::default(),
                SendFlags::NOSIGNAL,
            )?,
        })
    }

    pub(in super::super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}
