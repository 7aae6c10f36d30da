//! One WebSocket connection over an async transport.

use core::ops::Range;
use std::io;

use campanile_core::{
    conn::{
        CloseCause, Config, Connection, Event, Input, Role, SendError, Server, Transmit, Violation,
    },
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};
use smol::{
    Timer,
    future::{self, FutureExt as _},
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};

use crate::{Refused, accept, clock::Clock};

/// How much a stream reads at once: enough that a system call is cheap against its bytes.
const BUFFER: usize = 64 * 1024;

/// A WebSocket connection over a transport.
///
/// Three verbs: [`fill`](Self::fill) waits for bytes, [`events`](Self::events) says what they mean,
/// [`flush`](Self::flush) sends what was written meanwhile. `fill` and `flush` are the only ones that wait, and
/// either may be dropped in the middle and called again: no byte is lost.
#[derive(Debug)]
pub struct Stream<T, R: Role> {
    transport: T,
    conn: Connection<R>,
    clock: Clock,
    buffer: Vec<u8>,
    /// The part of the buffer that was received and is not understood yet.
    unread: Range<usize>,
    outgoing: Outgoing,
    over: bool,
}

/// What is to be written.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    shut_down: bool,
    disconnect: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream<T, Server> {
    /// Does a server's opening handshake on `transport`.
    ///
    /// # Errors
    /// Why there is no connection; the client has been told.
    pub async fn accept(mut transport: T, config: &Config) -> Result<Self, Refused> {
        let behind = accept(&mut transport).await?;
        Ok(Self::new(transport, Server, config, &behind))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, R: Role> Stream<T, R> {
    /// A stream on a transport whose opening handshake is done; `behind` are bytes that
    /// came behind it.
    pub fn new(transport: T, role: R, config: &Config, behind: &[u8]) -> Self {
        let clock = Clock::start();
        let mut buffer = behind.to_vec();
        buffer.resize(BUFFER.max(behind.len()), 0);
        Self {
            transport,
            conn: Connection::new(role, config, clock.now()),
            clock,
            buffer,
            unread: 0..behind.len(),
            outgoing: Outgoing::default(),
            over: false,
        }
    }

    /// Waits for bytes, sends what is queued before that, and keeps the connection alive meanwhile.
    ///
    /// `false`: the connection is over, and [`closed_by`](Self::closed_by) says why.
    ///
    /// # Errors
    /// What the transport reports.
    pub async fn fill(&mut self) -> io::Result<bool> {
        loop {
            self.flush().await?;
            if self.over {
                return Ok(false);
            }
            let start = self.unread.len();
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..start;
            let room = self.buffer.get_mut(start..).unwrap_or_default();
            let read = async { Wake::Read(self.transport.read(room).await) };
            match read.or(deadline(&self.conn, &self.clock)).await {
                Wake::Read(Ok(0)) => {
                    self.conn.receive_eof(self.clock.now());
                    self.transmit();
                }
                Wake::Read(count) => {
                    self.unread.end += count?;
                    return Ok(true);
                }
                Wake::Deadline => self.expire(),
            }
        }
    }

    /// What the bytes mean that have arrived.
    pub fn events(&mut self) -> Events<'_, R> {
        let unread = self.buffer.get_mut(self.unread.clone());
        Events {
            conn: &mut self.conn,
            clock: &self.clock,
            input: Input::new(unread.unwrap_or_default()),
            start: self.unread.start,
            unread: &mut self.unread,
            outgoing: &mut self.outgoing,
        }
    }

    /// Sends everything that is queued.
    ///
    /// # Errors
    /// What the transport reports; the connection is over then.
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.over {
            let left = self.outgoing.left();
            if left.is_empty() {
                break;
            }
            let write = async { Wake::Read(self.transport.write(left).await) };
            match write.or(deadline(&self.conn, &self.clock)).await {
                Wake::Read(count) => self
                    .outgoing
                    .advance(count.inspect_err(|_| self.over = true)?),
                Wake::Deadline => self.expire(),
            }
        }
        if core::mem::take(&mut self.outgoing.shut_down) {
            // A peer that is gone already cannot be told.
            let _ = self.transport.close().await;
        }
        self.over |= self.outgoing.disconnect;
        Ok(())
    }

    /// Queues a whole message.
    ///
    /// # Errors
    /// [`SendError::Closing`] when the connection is closing.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.send(&mut self.conn, kind, payload)
    }

    /// Starts the closing handshake; go on with [`fill`](Self::fill) until it says `false`.
    ///
    /// # Errors
    /// [`SendError::Closing`] when that is under way, [`SendError::PayloadTooLong`] for a long reason.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let mut out = [0; MAX_CONTROL];
        let frame = self.conn.close(code, reason, &mut out, self.clock.now())?;
        self.outgoing.bytes.extend_from_slice(frame);
        Ok(())
    }

    /// What ended the connection, or is ending it.
    pub const fn closed_by(&self) -> Option<CloseCause> {
        self.conn.closed_by()
    }

    fn expire(&mut self) {
        self.conn.handle_timeout(self.clock.now());
        self.transmit();
        // A peer that does not even read cannot be waited for.
        self.over |= self.outgoing.disconnect;
    }

    fn transmit(&mut self) {
        self.outgoing
            .transmit(&mut self.conn, &mut Input::default());
    }
}

enum Wake {
    Read(io::Result<usize>),
    Deadline,
}

async fn deadline<R: Role>(conn: &Connection<R>, clock: &Clock) -> Wake {
    match conn.poll_timeout().and_then(|at| clock.system_time(at)) {
        Some(at) => {
            Timer::at(at).await;
            Wake::Deadline
        }
        None => future::pending().await,
    }
}

/// The events in the bytes that have arrived, until more are needed.
///
/// An event borrows the buffer and not this, so one may [`send`](Self::send) while holding one.
#[derive(Debug)]
pub struct Events<'a, R: Role> {
    conn: &'a mut Connection<R>,
    clock: &'a Clock,
    input: Input<'a>,
    start: usize,
    unread: &'a mut Range<usize>,
    outgoing: &'a mut Outgoing,
}

impl<'a, R: Role> Iterator for Events<'a, R> {
    type Item = Result<Event<'a>, Violation>;

    fn next(&mut self) -> Option<Self::Item> {
        // What the last event made due goes out before what the next one does.
        self.outgoing.transmit(self.conn, &mut self.input);
        let event = self.conn.receive(&mut self.input, self.clock.now());
        self.unread.start = self.start.saturating_add(self.input.consumed());
        event.transpose()
    }
}

impl<R: Role> Events<'_, R> {
    /// Queues a whole message; [`Stream::flush`] or [`Stream::fill`] sends it.
    ///
    /// # Errors
    /// [`SendError::Closing`] when the connection is closing.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.send(self.conn, kind, payload)
    }
}

impl<R: Role> Drop for Events<'_, R> {
    fn drop(&mut self) {
        self.outgoing.transmit(self.conn, &mut self.input);
    }
}

impl Outgoing {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(BUFFER);
            self.written = 0;
        }
    }

    fn send<R: Role>(
        &mut self,
        conn: &mut Connection<R>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let start = self.bytes.len();
        self.bytes.resize(start + MAX_HEAD + payload.len(), 0);
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        let sent = conn
            .encode(kind, payload, true, room)
            .map(|frame| frame.len());
        self.bytes.truncate(start + sent.unwrap_or(0));
        sent.map(|_| ())
    }

    fn transmit<R: Role>(&mut self, conn: &mut Connection<R>, input: &mut Input<'_>) {
        let mut out = [0; MAX_CONTROL];
        while let Some(transmit) = conn.poll_transmit(input, &mut out) {
            match transmit {
                Transmit::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
                Transmit::ShutdownWrite => self.shut_down = true,
                Transmit::Disconnect => self.disconnect = true,
            }
        }
    }
}
