//! One WebSocket connection over a blocking transport.

use core::{fmt, mem, ops::Range, time::Duration};
use std::io;

use campanile_core::{
    Instant,
    conn::{
        Client, CloseCause, Config, Connection, Event, Input, MaskSource, Role, SendError, Server,
        Transmit, Violation,
    },
    handshake::{HANDSHAKE_TIME, Opening},
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};

use crate::{ConnectError, Refused, Transport, clock::Clock, opening, transport};

/// How much a stream reads at once: enough that a system call is cheap against its bytes.
const BUFFER: usize = 64 * 1024;

/// A WebSocket connection over a transport.
///
/// Three verbs: [`fill`](Self::fill) waits for bytes, [`events`](Self::events) says what they mean,
/// [`flush`](Self::flush) sends what was written meanwhile. `fill` and `flush` are the only ones that wait,
/// for as long as the connection's [`Config`] has patience: without a
/// [`ping_interval`](Config::ping_interval) a silent peer is waited for without end.
///
/// Nothing is read while something is to be sent. Two ends that both send more than the transport
/// holds, and do not read in between, wait for each other until one counts as dead.
pub struct Stream<T, R: Role> {
    transport: T,
    protocol: Option<String>,
    engine: Engine<R>,
    buffer: Vec<u8>,
    unread: Unread,
}

impl<T: Transport> Stream<T, Server> {
    /// Does a server's opening handshake on `transport`, which may take [`HANDSHAKE_TIME`].
    ///
    /// # Errors
    /// Why there is no connection; the client has been told, as far as it listened.
    pub fn accept(mut transport: T, config: &Config) -> Result<Self, Refused> {
        let behind = opening::accept(&mut transport, HANDSHAKE_TIME)?;
        Ok(Self::new(transport, Server, config, &behind))
    }
}

impl<T: Transport, M: MaskSource> Stream<T, Client<M>> {
    /// Does a client's opening handshake on `transport`, which may take [`HANDSHAKE_TIME`].
    ///
    /// `masks` gives the masking keys, and before them the 16 random bytes of the handshake, in
    /// four keys. [`HashedMasks`](crate::HashedMasks) says when it will do.
    ///
    /// # Errors
    /// Why there is no connection.
    pub fn connect(
        mut transport: T,
        opening: &Opening<'_>,
        mut masks: M,
        config: &Config,
    ) -> Result<Self, ConnectError> {
        let mut nonce = [0; 16];
        for part in nonce.as_chunks_mut().0 {
            *part = masks.next_mask();
        }
        let opened = opening::connect(&mut transport, opening, nonce, HANDSHAKE_TIME)?;
        let mut stream = Self::new(transport, Client(masks), config, &opened.behind);
        stream.protocol = opened.protocol;
        Ok(stream)
    }

    /// The subprotocol that the server selected of those on offer.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

impl<T: Transport, R: Role> Stream<T, R> {
    /// A stream on a transport whose opening handshake is done; `behind` are bytes that
    /// came behind it.
    #[must_use]
    pub fn new(transport: T, role: R, config: &Config, behind: &[u8]) -> Self {
        let clock = Clock::start();
        let mut buffer = behind.to_vec();
        buffer.resize(BUFFER.max(behind.len()), 0);
        Self {
            transport,
            protocol: None,
            engine: Engine {
                conn: Connection::new(role, config, clock.now()),
                clock,
                outgoing: Outgoing::default(),
                shut_down: false,
                over: false,
            },
            buffer,
            unread: Unread {
                range: 0..behind.len(),
                understood: behind.is_empty(),
            },
        }
    }

    /// Waits for bytes, sends what is queued before that, and keeps the connection alive meanwhile.
    /// Does not wait as long as [`events`](Self::events) were not read to their end.
    ///
    /// `false`: the connection is over, and [`closed_by`](Self::closed_by) says why.
    ///
    /// # Errors
    /// What the transport reports, unless the connection was about to end anyway. It is over then.
    pub fn fill(&mut self) -> io::Result<bool> {
        loop {
            self.flush()?;
            if self.engine.over {
                return Ok(false);
            }
            if !self.unread.understood {
                return Ok(true);
            }
            let filled = self.unread.range.len();
            self.buffer.copy_within(self.unread.range.clone(), 0);
            self.unread.range = 0..filled;
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            match transport::read(&mut self.transport, room, self.engine.patience()) {
                Ok(Some(0)) => self.engine.end(),
                Ok(Some(count)) => {
                    self.unread.range.end += count;
                    self.unread.understood = false;
                    return Ok(true);
                }
                Ok(None) => self.engine.expire(),
                Err(error) => self.engine.lost(error)?,
            }
        }
    }

    /// What the bytes mean that have arrived.
    pub fn events(&mut self) -> Events<'_, R> {
        let unread = self.buffer.get_mut(self.unread.range.clone());
        Events {
            now: self.engine.clock.now(),
            engine: &mut self.engine,
            input: Input::new(unread.unwrap_or_default()),
            start: self.unread.range.start,
            unread: &mut self.unread,
        }
    }

    /// Sends everything that is queued.
    ///
    /// # Errors
    /// What the transport reports, unless the connection was about to end anyway. It is over then.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.engine.over && !self.engine.outgoing.left().is_empty() {
            let left = self.engine.outgoing.left();
            match transport::write(&mut self.transport, left, self.engine.patience()) {
                Ok(Some(count)) => self.engine.outgoing.advance(count),
                Ok(None) => self.engine.expire(),
                Err(error) => self.engine.lost(error)?,
            }
        }
        if mem::take(&mut self.engine.shut_down) {
            // A peer that is gone already cannot be told.
            let _ = self.transport.shutdown_write();
        }
        Ok(())
    }

    /// Queues a whole message.
    ///
    /// # Errors
    /// [`SendError::Closing`] when the connection is closing.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.engine.send(kind, payload)
    }

    /// Starts the closing handshake; go on with [`fill`](Self::fill) until it says `false`.
    ///
    /// # Errors
    /// [`SendError::Closing`] when that is under way, [`SendError::PayloadTooLong`] for a long reason.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let mut out = [0; MAX_CONTROL];
        let now = self.engine.clock.now();
        let frame = self.engine.conn.close(code, reason, &mut out, now)?;
        self.engine.outgoing.bytes.extend_from_slice(frame);
        Ok(())
    }

    /// What ended the connection, or is ending it.
    #[must_use]
    pub const fn closed_by(&self) -> Option<CloseCause> {
        self.engine.conn.closed_by()
    }
}

impl<T, R: Role> fmt::Debug for Stream<T, R> {
    /// Leaves out what was said, which may be secret, and the role, whose keys are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("state", &self.engine.conn.state())
            .field("closed_by", &self.engine.conn.closed_by())
            .finish_non_exhaustive()
    }
}

/// The events in the bytes that have arrived, until more are needed.
///
/// An event borrows the buffer and not this, so one may [`send`](Self::send) while holding one.
pub struct Events<'a, R: Role> {
    engine: &'a mut Engine<R>,
    input: Input<'a>,
    /// All bytes here have arrived by now; the clock is too dear to be read for each event.
    now: Instant,
    start: usize,
    unread: &'a mut Unread,
}

impl<R: Role> Events<'_, R> {
    /// Queues a whole message; [`Stream::flush`] or [`Stream::fill`] sends it.
    ///
    /// # Errors
    /// [`SendError::Closing`] when the connection is closing.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.engine.send(kind, payload)
    }
}

impl<'a, R: Role> Iterator for Events<'a, R> {
    type Item = Result<Event<'a>, Violation>;

    fn next(&mut self) -> Option<Self::Item> {
        // What the last event made due goes out before what the next one does.
        self.engine.transmit(&mut self.input);
        let event = self.engine.conn.receive(&mut self.input, self.now);
        self.unread.range.start = self.start + self.input.consumed();
        self.unread.understood = matches!(event, Ok(None));
        event.transpose()
    }
}

impl<R: Role> Drop for Events<'_, R> {
    fn drop(&mut self) {
        self.engine.transmit(&mut self.input);
    }
}

impl<R: Role> fmt::Debug for Events<'_, R> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("state", &self.engine.conn.state())
            .finish_non_exhaustive()
    }
}

/// The part of a stream's buffer that was received and not consumed yet.
struct Unread {
    range: Range<usize>,
    /// Whether all of it was looked at, so that only more bytes can give another event.
    understood: bool,
}

/// A connection with its clock, and what it wants of the transport.
struct Engine<R: Role> {
    conn: Connection<R>,
    clock: Clock,
    outgoing: Outgoing,
    /// The writing direction is to be shut down behind what is queued.
    shut_down: bool,
    /// The transport is of no more use.
    over: bool,
}

impl<R: Role> Engine<R> {
    fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        let bytes = &mut self.outgoing.bytes;
        let start = bytes.len();
        bytes.resize(start + MAX_HEAD + payload.len(), 0);
        let room = bytes.get_mut(start..).unwrap_or_default();
        let sent = self.conn.encode(kind, payload, true, room);
        let sent = sent.map(|frame| frame.len());
        bytes.truncate(start + sent.unwrap_or(0));
        sent.map(|_| ())
    }

    /// Takes on what the protocol owes; `input` is the one last received from.
    fn transmit(&mut self, input: &mut Input<'_>) {
        let mut out = [0; MAX_CONTROL];
        while let Some(transmit) = self.conn.poll_transmit(input, &mut out) {
            match transmit {
                Transmit::Bytes(bytes) => self.outgoing.bytes.extend_from_slice(bytes),
                Transmit::ShutdownWrite => self.shut_down = true,
                // It comes when the peer has ended, before which everything was sent, or when it
                // is overdue and may not even read. The peer learns of it now: when the stream is
                // dropped is the program's affair.
                Transmit::Disconnect => {
                    self.shut_down = true;
                    self.over = true;
                }
            }
        }
    }

    /// How long the connection can wait from now on; `None` means for ever.
    fn patience(&self) -> Option<Duration> {
        self.conn.poll_timeout().map(|at| self.clock.until(at))
    }

    /// Some time has passed.
    fn expire(&mut self) {
        self.conn.handle_timeout(self.clock.now());
        self.transmit(&mut Input::default());
    }

    /// The transport has no more bytes.
    fn end(&mut self) {
        self.conn.receive_eof(self.clock.now());
        self.transmit(&mut Input::default());
    }

    /// The transport failed, which is no news where the connection is ending.
    fn lost(&mut self, error: io::Error) -> io::Result<()> {
        self.over = true;
        match self.conn.closed_by() {
            Some(_) => Ok(()),
            None => Err(error),
        }
    }
}

/// What is to be written.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
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
}
