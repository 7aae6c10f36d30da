//! Readiness by the executor's reactor alone, for systems without epoll: each socket is registered
//! with it each time it waits, and has two wakers that put its name on the shard's list.

use core::task::{Context, Poll, Waker};
use std::{
    future::poll_fn,
    io::{self, IoSlice, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Wake,
};

use smol::Async;

use super::Ready;

/// A list of sockets that have become ready.
#[derive(Debug, Default)]
pub(in super::super) struct Poller {
    list: Arc<List>,
}

#[derive(Debug, Default)]
struct List(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ready: Vec<Ready>,
    /// Who waits for there to be something.
    waiting: Option<Waker>,
}

impl List {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ready: Ready) {
        let mut inner = self.lock();
        inner.ready.push(ready);
        if let Some(waker) = inner.waiting.take() {
            waker.wake();
        }
    }
}

impl Poller {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere this can fail")]
    pub(in super::super) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Takes in a socket, which does not block, to be named by `key` until it is dropped.
    pub(in super::super) fn add(&self, socket: TcpStream, key: u32) -> io::Result<Socket> {
        let bell = |writes| {
            let list = Arc::clone(&self.list);
            Waker::from(Arc::new(Bell { list, key, writes }))
        };
        Ok(Socket {
            socket: Async::new_nonblocking(socket)?,
            readable: bell(false),
            writable: bell(true),
        })
    }

    /// Names the sockets that have become ready, without waiting for any.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere this can fail")]
    pub(in super::super) fn poll(&self, name: impl FnMut(Ready)) -> io::Result<()> {
        let ready = core::mem::take(&mut self.list.lock().ready);
        ready.into_iter().for_each(name);
        Ok(())
    }

    /// Waits until a socket becomes ready.
    pub(in super::super) async fn ready(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut inner = self.list.lock();
            if inner.ready.is_empty() {
                inner.waiting = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// Where connections come from.
#[derive(Debug)]
pub(in super::super) struct Listener(Async<TcpListener>);

impl Listener {
    pub(in super::super) fn new(listener: TcpListener) -> io::Result<Self> {
        Async::new(listener).map(Self)
    }

    /// Accepts a connection, whose socket does not block, without waiting for one.
    pub(in super::super) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.0.get_ref().accept()?;
        socket.set_nonblocking(true)?;
        // Notifications are small and wanted at once. A socket that refuses is served all the same.
        let _ = socket.set_nodelay(true);
        Ok((socket, peer))
    }

    /// Waits until there may be a connection.
    pub(in super::super) async fn ready(&self) -> io::Result<()> {
        self.0.readable().await
    }
}

/// Puts a socket on the list.
#[derive(Debug)]
struct Bell {
    list: Arc<List>,
    key: u32,
    writes: bool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.list.push(Ready {
            key: self.key,
            readable: !self.writes,
            writable: self.writes,
            ended: false,
        });
    }
}

/// A socket of a shard.
#[derive(Debug)]
pub(in super::super) struct Socket {
    socket: Async<TcpStream>,
    readable: Waker,
    writable: Waker,
}

impl Socket {
    /// Reads without waiting. Who gets less than there is room for is told when there is more.
    pub(in super::super) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.get_ref().read(room);
        let has_more = matches!(&read, Ok(count) if *count == room.len() || *count == 0);
        if !has_more && self.poll_readable().is_ready() {
            self.readable.wake_by_ref();
        }
        read
    }

    /// Writes without waiting. Who cannot is told when it can.
    pub(in super::super) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.socket.get_ref().write_vectored(pieces);
        let is_full = matches!(&written, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        let mut context = Context::from_waker(&self.writable);
        if is_full && self.socket.poll_writable(&mut context).is_ready() {
            self.writable.wake_by_ref();
        }
        written
    }

    pub(in super::super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.get_ref().shutdown(how)
    }

    fn poll_readable(&self) -> Poll<io::Result<()>> {
        self.socket
            .poll_readable(&mut Context::from_waker(&self.readable))
    }
}
