//! One connected peer: its socket, its state machine, its outbox.

use core::cell::{Cell, RefCell};
use std::{
    io::{self, IoSlice, Write as _},
    net::{Shutdown, TcpStream},
    rc::Rc,
};

use campanile_core::{
    Instant,
    conn::{CloseCause, Connection, Event, Input, Server, State, Transmit, Violation},
    hub::{Ending, Frame, Outbox, OutboxLimits, SessionId},
    wire::{CloseCode, MAX_CONTROL},
};
use smol::{Async, LocalExecutor};

/// How many frames are handed to the kernel at once; more is no cheaper.
const VECTOR: usize = 64;

#[derive(Debug)]
pub(super) struct Peer {
    /// For the logs.
    pub(super) number: u64,
    pub(super) session: SessionId,
    pub(super) socket: Async<TcpStream>,
    line: RefCell<Line>,
    /// Whether it is on the shard's list of peers to be written to.
    dirty: Cell<bool>,
}

/// What changes together whenever bytes come or go.
#[derive(Debug)]
struct Line {
    conn: Connection<Server>,
    outbox: Outbox,
    /// A task waits until the socket takes more.
    stuck: bool,
    /// When the outbox is empty: no more will be written.
    shut_down: bool,
    /// When the outbox was offered to the kernel once more: it is over.
    disconnect: bool,
    over: bool,
}

impl Peer {
    pub(super) fn new(
        number: u64,
        session: SessionId,
        socket: Async<TcpStream>,
        conn: Connection<Server>,
    ) -> Self {
        Self {
            number,
            session,
            socket,
            line: RefCell::new(Line {
                conn,
                outbox: Outbox::default(),
                stuck: false,
                shut_down: false,
                disconnect: false,
                over: false,
            }),
            dirty: Cell::new(false),
        }
    }

    /// The next event in the bytes that arrived; what it makes due is queued.
    pub(super) fn receive<'b>(
        &self,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        self.line.borrow_mut().conn.receive(input, now)
    }

    pub(super) fn receive_eof(&self, now: Instant) {
        self.line.borrow_mut().conn.receive_eof(now);
    }

    /// Lets deadlines expire; whether one did.
    pub(super) fn handle_timeout(&self, now: Instant) -> bool {
        let conn = &mut self.line.borrow_mut().conn;
        let due = conn.poll_timeout().is_some_and(|at| at <= now);
        if due {
            conn.handle_timeout(now);
        }
        due
    }

    /// Queues what the connection owes of its own; whether that was anything.
    pub(super) fn transmit(&self, input: &mut Input<'_>) -> bool {
        let line = &mut *self.line.borrow_mut();
        let mut out = [0; MAX_CONTROL];
        let mut any = false;
        while let Some(transmit) = line.conn.poll_transmit(input, &mut out) {
            any = true;
            match transmit {
                Transmit::Bytes(bytes) => line.outbox.push_last(Frame::encoded(bytes)),
                Transmit::ShutdownWrite => line.shut_down = true,
                Transmit::Disconnect => line.disconnect = true,
            }
        }
        any
    }

    /// Queues a frame.
    pub(super) fn send(&self, frame: Frame, limits: &OutboxLimits) -> Result<(), Unsent> {
        let line = &mut *self.line.borrow_mut();
        line.conn.check_ready().map_err(|_| Unsent::Closing)?;
        line.outbox.push(frame, limits).map_err(|_| Unsent::Full)
    }

    /// Starts the closing handshake. Whether it was not under way before.
    pub(super) fn close(&self, ending: Ending, now: Instant) -> bool {
        let line = &mut *self.line.borrow_mut();
        let mut out = [0; MAX_CONTROL];
        match line.conn.close(ending.code, ending.reason, &mut out, now) {
            Ok(frame) => {
                line.outbox.push_last(Frame::encoded(frame));
                true
            }
            Err(_) => false,
        }
    }

    /// Drops what waits, in order to close a peer that does not take it.
    pub(super) fn give_up(&self, last_word: Frame, now: Instant) {
        {
            let line = &mut *self.line.borrow_mut();
            line.outbox.drop_unsent();
            line.outbox.push_last(last_word);
        }
        let ending = Ending {
            code: CloseCode::TRY_AGAIN_LATER,
            reason: "slow consumer",
        };
        self.close(ending, now);
    }

    /// Writes what waits, as far as the kernel takes it. The rest waits for the socket.
    pub(super) fn flush(self: &Rc<Self>, executor: &LocalExecutor<'static>) {
        self.dirty.set(false);
        let stuck = self.line.borrow().stuck;
        if stuck && !self.line.borrow().disconnect {
            return;
        }
        if self.write() && !stuck {
            self.line.borrow_mut().stuck = true;
            executor.spawn(Rc::clone(self).unstick()).detach();
        }
    }

    /// Marks the peer as having something to be written; whether it was unmarked.
    pub(super) fn mark_dirty(&self) -> bool {
        !self.dirty.replace(true)
    }

    /// Whether there is nothing more to be done for it.
    pub(super) fn is_over(&self) -> bool {
        self.line.borrow().over
    }

    /// Whether neither side has closed it.
    pub(super) fn is_open(&self) -> bool {
        self.line.borrow().conn.state() == State::Open
    }

    pub(super) fn closed_by(&self) -> Option<CloseCause> {
        self.line.borrow().conn.closed_by()
    }

    /// Offers the outbox to the kernel; whether some of it has to wait.
    fn write(&self) -> bool {
        let line = &mut *self.line.borrow_mut();
        let mut blocked = false;
        while !line.outbox.is_empty() && !blocked && !line.over {
            let mut slices = [IoSlice::new(&[]); VECTOR];
            let mut used = 0;
            for (slice, chunk) in slices.iter_mut().zip(line.outbox.chunks()) {
                *slice = IoSlice::new(chunk);
                used += 1;
            }
            let written = self
                .socket
                .get_ref()
                .write_vectored(slices.get(..used).unwrap_or_default());
            match written {
                Ok(count) => line.outbox.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The peer takes no more. What it said before is still to be read, and the end of
                // that ends the connection.
                Err(_) => line.outbox = Outbox::default(),
            }
        }
        if line.disconnect && !line.over {
            line.over = true;
            // Wakes the task that reads.
            let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        } else if line.shut_down && line.outbox.is_empty() {
            line.shut_down = false;
            let _ = self.socket.get_ref().shutdown(Shutdown::Write);
        }
        blocked && !line.over
    }

    /// Writes on whenever the socket takes more, until nothing waits.
    async fn unstick(self: Rc<Self>) {
        loop {
            if self.socket.writable().await.is_err() || !self.write() {
                self.line.borrow_mut().stuck = false;
                return;
            }
        }
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The connection is closing.
    Closing,
    /// The peer does not take what waits already.
    Full,
}
