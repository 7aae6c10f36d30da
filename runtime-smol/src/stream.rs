//! One WebSocket connection over an async transport.

use std::io;

use campanile_core::{
    conn::{Buffered, Client, CloseCause, Config, Events, MaskSource, Role, SendError, Server},
    deflate::{Agreed, Settings},
    handshake::{HANDSHAKE_TIME, Limits, Opening},
    wire::{CloseCode, Kind},
};
use smol::{
    Timer,
    future::{self, FutureExt as _},
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};

use crate::{ConnectError, Refused, clock::Clock, opening};

/// A WebSocket connection over a transport.
///
/// Three verbs: [`fill`](Self::fill) waits for bytes, [`events`](Self::events) says what they mean,
/// [`flush`](Self::flush) sends what was written meanwhile. `fill` and `flush` are the only ones
/// that wait, and either may be dropped in the middle and called again: no byte is lost.
///
/// Closing the transport must shut its writing direction down, or the peer learns of the end of the
/// connection only when the stream is dropped: [`smol::net::TcpStream`] does so, a bare
/// [`smol::Async`] does not.
///
/// Nothing is read while something is to be sent. Two ends that both send more than the transport
/// holds, and do not read in between, wait for each other until one counts as dead.
#[derive(Debug)]
pub struct Stream<T, R: Role> {
    transport: T,
    protocol: Option<String>,
    conn: Buffered<R>,
    clock: Clock,
    /// Whether the transport may keep back bytes that it took.
    unflushed: bool,
    /// Whether the writing direction is still to be shut down.
    shut_down: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream<T, Server> {
    /// Does a server's opening handshake on `transport`, which may take [`HANDSHAKE_TIME`].
    ///
    /// # Errors
    /// Why there is no connection; the client has been told, as far as it listened.
    pub async fn accept(transport: T, config: &Config) -> Result<Self, Refused> {
        let clock = Clock::start();
        let conn = Buffered::accept(config, Limits::DEFAULT, clock.now());
        Self::open(transport, conn, clock).await
    }

    /// The same, and compresses with whoever offers to (RFC 7692), as far as `settings` allow.
    ///
    /// # Errors
    /// Why there is no connection; the client has been told, as far as it listened.
    pub async fn accept_deflating(
        transport: T,
        config: &Config,
        settings: &Settings,
    ) -> Result<Self, Refused> {
        let clock = Clock::start();
        let conn = Buffered::accept_deflating(config, Limits::DEFAULT, settings, clock.now());
        Self::open(transport, conn, clock).await
    }

    async fn open(transport: T, conn: Buffered<Server>, clock: Clock) -> Result<Self, Refused> {
        let mut stream = Self {
            transport,
            protocol: None,
            conn,
            clock,
            unflushed: false,
            shut_down: false,
        };
        while !stream.conn.is_open() {
            if !stream.fill().await.map_err(Refused::Lost)? {
                let lost = io::ErrorKind::UnexpectedEof.into();
                return Err(Refused::new(stream.conn.opening_error(), lost));
            }
            let _ = stream.events();
        }
        // A peer that is gone already may have said all it wanted: its bytes are there still.
        let _ = stream.flush().await;
        Ok(stream)
    }

    /// The bytes that arrived and were not looked at.
    pub(crate) fn into_unread(self) -> Vec<u8> {
        self.conn.into_unread()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, M: MaskSource> Stream<T, Client<M>> {
    /// Does a client's opening handshake on `transport`, which may take [`HANDSHAKE_TIME`].
    ///
    /// `masks` gives the masking keys, and before them the 16 random bytes of the handshake, in
    /// four keys. [`HashedMasks`](crate::HashedMasks) says when it will do.
    ///
    /// Dropped before its end, it drops the transport too: half a handshake cannot be gone on with.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(
        mut transport: T,
        opening: &Opening<'_>,
        mut masks: M,
        config: &Config,
    ) -> Result<Self, ConnectError> {
        let nonce = masks.nonce();
        let opened = opening::connect(&mut transport, opening, nonce, &[], HANDSHAKE_TIME).await?;
        let mut stream = Self::new(transport, Client(masks), config, &opened.behind);
        stream.protocol = opened.protocol;
        Ok(stream)
    }

    /// The same, and offers to compress (RFC 7692) as `settings` say; [`deflate`](Self::deflate) says
    /// what came of it. The offer takes the place of [`Opening::extensions`].
    ///
    /// # Errors
    /// Why there is no connection. A server that agrees to what was not offered is one reason.
    pub async fn connect_deflating(
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
        let opened =
            opening::connect(&mut transport, &opening, nonce, &[offer], HANDSHAKE_TIME).await?;
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

impl<T: AsyncRead + AsyncWrite + Unpin, R: Role> Stream<T, R> {
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
            unflushed: false,
            shut_down: false,
        }
    }

    /// Waits for bytes, sends what is queued before that, and keeps the connection alive meanwhile.
    /// Does not wait as long as [`events`](Self::events) were not read to their end.
    ///
    /// `false`: the connection is over, and [`closed_by`](Self::closed_by) says why.
    ///
    /// # Errors
    /// What the transport reports, unless the connection was about to end anyway. It is over then.
    pub async fn fill(&mut self) -> io::Result<bool> {
        loop {
            self.flush().await?;
            if self.conn.is_over() {
                return Ok(false);
            }
            if !self.conn.is_understood() {
                return Ok(true);
            }
            let deadline = self.deadline();
            let read = async { Some(self.transport.read(self.conn.space()).await) };
            match read.or(deadline).await {
                Some(Ok(0)) => self.conn.receive_eof(self.clock.now()),
                Some(Ok(count)) => self.conn.received(count),
                Some(Err(error)) => self.failed(error)?,
                None => self.conn.handle_timeout(self.clock.now()),
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
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.conn.is_over() && (self.unflushed || !self.conn.unsent().is_empty()) {
            let deadline = self.deadline();
            let pushed = async { Some(push(&mut self.transport, self.conn.unsent()).await) };
            match pushed.or(deadline).await {
                Some(Ok(count)) => {
                    self.conn.sent(count);
                    self.unflushed = count > 0;
                }
                Some(Err(error)) => self.failed(error)?,
                None => self.conn.handle_timeout(self.clock.now()),
            }
        }
        self.shut_down |= self.conn.take_shutdown();
        while self.shut_down {
            let deadline = self.deadline();
            let over = self.conn.is_over();
            // A peer that is gone already cannot be told.
            let close = async { Some(self.transport.close().await.map(|()| 0)) };
            let closed = if over {
                // It is tried, and not waited for: nothing has a deadline any more.
                future::poll_once(close).await.flatten()
            } else {
                close.or(deadline).await
            };
            self.shut_down = !over && closed.is_none();
            if self.shut_down {
                self.conn.handle_timeout(self.clock.now());
            }
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

    /// Ends, with `None`, when the connection has waited long enough.
    fn deadline(&self) -> impl Future<Output = Option<io::Result<usize>>> + use<T, R> {
        let at = self.conn.poll_timeout();
        let at = at.and_then(|at| self.clock.system_time(at));
        async move {
            match at {
                Some(at) => Timer::at(at).await,
                None => future::pending().await,
            };
            None
        }
    }

    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        if self.conn.transport_failed() {
            return Err(error);
        }
        Ok(())
    }
}

/// Writes, or flushes when there is nothing to write; how many bytes the transport took.
async fn push<T: AsyncWrite + Unpin>(transport: &mut T, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        transport.flush().await?;
        return Ok(0);
    }
    match transport.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}
