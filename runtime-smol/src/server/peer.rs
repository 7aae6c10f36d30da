//! One connected peer: its socket and its line.

use core::cell::{Cell, RefCell};
use std::{
    io::{self, IoSlice, Write as _},
    net::{Shutdown, TcpStream},
    rc::Rc,
    sync::Arc,
};

use campanile_core::hub::{Line, SessionId};
use smol::{Async, LocalExecutor};

/// How many frames are handed to the kernel at once: enough that a burst costs few system calls,
/// few enough that the list of them is a kilobyte of stack.
const VECTOR: usize = 64;

#[derive(Debug)]
pub(super) struct Peer {
    /// For the logs.
    pub(super) number: u64,
    pub(super) session: SessionId,
    pub(super) socket: Arc<Async<TcpStream>>,
    pub(super) line: RefCell<Line>,
    /// Whether it is on the shard's list of peers to be written to.
    dirty: Cell<bool>,
    /// Whether a task waits until the socket takes more.
    stuck: Cell<bool>,
    over: Cell<bool>,
}

impl Peer {
    pub(super) const fn new(
        number: u64,
        session: SessionId,
        socket: Arc<Async<TcpStream>>,
        line: Line,
    ) -> Self {
        Self {
            number,
            session,
            socket,
            line: RefCell::new(line),
            dirty: Cell::new(false),
            stuck: Cell::new(false),
            over: Cell::new(false),
        }
    }

    /// Marks the peer as having something to be written; whether it was unmarked.
    pub(super) fn mark_dirty(&self) -> bool {
        !self.dirty.replace(true)
    }

    /// Whether there is nothing more to be done for it.
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Writes what waits, as far as the kernel takes it. The rest waits for the socket.
    pub(super) fn flush(self: &Rc<Self>, executor: &LocalExecutor<'static>) {
        self.dirty.set(false);
        if self.stuck.get() && !self.line.borrow().is_over() {
            return;
        }
        if self.write() && !self.stuck.replace(true) {
            executor.spawn(Rc::clone(self).unstick()).detach();
        }
    }

    /// Writes on whenever the socket takes more, until nothing waits.
    async fn unstick(self: Rc<Self>) {
        loop {
            if self.socket.writable().await.is_err() {
                break;
            }
            self.line.borrow_mut().resumed();
            if !self.write() {
                break;
            }
        }
        self.stuck.set(false);
    }

    /// Offers what waits to the kernel; whether some of it has to go on waiting.
    fn write(&self) -> bool {
        let line = &mut *self.line.borrow_mut();
        let mut blocked = false;
        while !line.is_flushed() && !blocked && !self.over.get() {
            match write_vectored(self.socket.get_ref(), line) {
                Ok(count) => line.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The peer takes no more. What it said before is still to be read, and the end of
                // that ends the connection.
                Err(_) => line.discard(),
            }
        }
        // Neither can fail in a way that matters: the socket is done with.
        if line.is_over() && !self.over.replace(true) {
            // Wakes the task that reads.
            let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        } else if line.take_shutdown() {
            let _ = self.socket.get_ref().shutdown(Shutdown::Write);
        }
        blocked && !self.over.get()
    }
}

fn write_vectored(mut socket: &TcpStream, line: &Line) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); VECTOR];
    let mut used = 0;
    for (slice, chunk) in slices.iter_mut().zip(line.chunks()) {
        *slice = IoSlice::new(chunk);
        used += 1;
    }
    socket.write_vectored(slices.get(..used).unwrap_or_default())
}
