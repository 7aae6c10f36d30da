//! One WebSocket connection over a blocking transport.

use core::time::Duration;
use std::io;

use campanile_core::{
    conn::{Buffered, Client, CloseCause, Config, Events, MaskSource, Role, SendError, Server},
    deflate::{Agreed, Settings},
    handshake::{HANDSHAKE_TIME, Limits, Opening},
    wire::{CloseCode, Kind},
};

use crate::{ConnectError, Refused, Transport, clock::Clock, opening, transport};

/// A WebSocket connection over a transport.
///
/// Three verbs: [`fill`](Self::fill) waits for bytes, [`events`](Self::events) says what they mean,
/// [`flush`](Self::flush) sends what was written meanwhile. `fill` and `flush` are the only ones
/// that wait, for as long as the connection's [`Config`] has patience: without a
/// [`ping_interval`](Config::ping_interval) a silent peer is waited for without end.
///
/// Nothing is read while something is to be sent. Two ends that both send more than the transport
/// holds, and do not read in between, wait for each other until one counts as dead.
#[derive(Debug)]
pub struct Stream<T, R: Role> {
    transport: T,
    protocol: Option<String>,
    conn: Buffered<R>,
    clock: Clock,
}

impl<T: Transport> Stream<T, Server> {
    /// Does a server's opening handshake on `transport`, which may take [`HANDSHAKE_TIME`].
    ///
    /// # Errors
    /// Why there is no connection; the client has been told, as far as it listened.
    pub fn accept(transport: T, config: &Config) -> Result<Self, Refused> {
        let clock = Clock::start();
        let conn = Buffered::accept(config, Limits::DEFAULT, clock.now());
        Self::open(transport, conn, clock)
    }

    /// The same, and compresses with whoever offers to (RFC 7692), as far as `settings` allow.
    ///
    /// # Errors
    /// Why there is no connection; the client has been told, as far as it listened.
    pub fn accept_deflating(
        transport: T,
        config: &Config,
        settings: &Settings,
    ) -> Result<Self, Refused> {
        let clock = Clock::start();
        let conn = Buffered::accept_deflating(config, Limits::DEFAULT, settings, clock.now());
        Self::open(transport, conn, clock)
    }

    fn open(transport: T, conn: Buffered<Server>, clock: Clock) -> Result<Self, Refused> {
        let mut stream = Self {
            transport,
            protocol: None,
            conn,
            clock,
        };
        while !stream.conn.is_open() {
            if !stream.fill().map_err(Refused::Lost)? {
                let lost = io::ErrorKind::UnexpectedEof.into();
                return Err(Refused::new(stream.conn.opening_error(), lost));
            }
            let _ = stream.events();
        }
        // A peer that is gone already may have said all it wanted: its bytes are there still.
        let _ = stream.flush();
        Ok(stream)
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
        let nonce = masks.nonce();
        let opened = opening::connect(&mut transport, opening, nonce, &[], HANDSHAKE_TIME)?;
        let mut stream = Self::new(transport, Client(masks), config, &opened.behind);
        stream.protocol = opened.protocol;
        Ok(stream)
    }

    /// The same, and offers to compress (RFC 7692) as `settings` say; [`deflate`](Self::deflate) says
    /// what came of it. The offer takes the place of [`Opening::extensions`].
    ///
    /// # Errors
    /// Why there is no connection. A server that agrees to what was not offered is one reason.
    pub fn connect_deflating(
        mut transport: T,
        opening: &Opening<'_>,
        mut masks: M,
        config: &Config,
        settings: &Settings,
    ) -> Result<Self, ConnectError> {
        let offer = settings.offer();
        let text = offer.text();
        let opening = Opening {
            extensions: Some(&text),
            ..*opening
        };
        let nonce = masks.nonce();
        let opened = opening::connect(&mut transport, &opening, nonce, &[offer], HANDSHAKE_TIME)?;
        let mut stream = Self::new(transport, Client(masks), config, &opened.behind);
        stream.protocol = opened.protocol;
        if let Some(agreed) = opened.extensions {
            stream.conn.enable_deflate(&agreed, settings, config);
        }
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
        Self {
            transport,
            protocol: None,
            conn: Buffered::new(role, config, behind, clock.now()),
            clock,
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
            if self.conn.is_over() {
                return Ok(false);
            }
            if !self.conn.is_understood() {
                return Ok(true);
            }
            let patience = self.patience();
            match transport::read(&mut self.transport, self.conn.space(), patience) {
                Ok(Some(0)) => self.conn.receive_eof(self.clock.now()),
                Ok(Some(count)) => self.conn.received(count),
                Ok(None) => self.conn.handle_timeout(self.clock.now()),
                Err(error) => self.failed(error)?,
            }
        }
    }

    /// What the bytes mean that have arrived: messages as they come, in chunks.
    pub fn events(&mut self) -> Events<'_, R> {
        self.conn.events(self.clock.now())
    }

    /// The same with whole messages, which grow where they arrive, as
    /// [`Buffered::messages`] says.
    pub fn messages(&mut self) -> Events<'_, R> {
        self.conn.messages(self.clock.now())
    }

    /// Sends everything that is queued.
    ///
    /// # Errors
    /// What the transport reports, unless the connection was about to end anyway. It is over then.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.conn.is_over() && !self.conn.unsent().is_empty() {
            let patience = self.patience();
            match transport::write(&mut self.transport, self.conn.unsent(), patience) {
                Ok(Some(count)) => self.conn.sent(count),
                Ok(None) => self.conn.handle_timeout(self.clock.now()),
                Err(error) => self.failed(error)?,
            }
        }
        if self.conn.take_shutdown() {
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
        self.conn.send(kind, payload)
    }

    /// Starts the closing handshake; go on with [`fill`](Self::fill) until it says `false`.
    ///
    /// # Errors
    /// [`SendError::Closing`] when that is under way, [`SendError::PayloadTooLong`] for a long
    /// reason.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.conn.close(code, reason, self.clock.now())
    }

    /// How messages are compressed; `None` if they are not.
    #[must_use]
    pub const fn deflate(&self) -> Option<Agreed> {
        self.conn.deflate()
    }

    /// What ended the connection, or is ending it.
    #[must_use]
    pub const fn closed_by(&self) -> Option<CloseCause> {
        self.conn.closed_by()
    }

    /// How long the connection can wait from now on; `None` means for ever.
    fn patience(&self) -> Option<Duration> {
        self.conn.poll_timeout().map(|at| self.clock.until(at))
    }

    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        if self.conn.transport_failed() {
            return Err(error);
        }
        Ok(())
    }
}
