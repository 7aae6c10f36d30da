//! A connection with its buffers (feature `alloc`).

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, mem};

use crate::{
    Instant,
    handshake::{Limits, RESPONSE_BYTES, Reply, Verdict},
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};

#[cfg(feature = "deflate")]
use crate::deflate::{Agreed, Settings};

#[cfg(feature = "deflate")]
use super::inflating::{Deflating, Inflating};
use super::{
    CloseCause, Config, Connection, Events, Input, OpeningError, Role, SendError, Server, Transmit,
    incoming::Incoming, opening::Opening,
};

/// The most that [`Buffered::space`] offers at once, in bytes (feature `alloc`): enough that a system
/// call is cheap against its bytes, and not more than the first cache of a processor holds.
pub const BUFFER: usize = 16 * 1024;

/// A [`Connection`] with a buffer for the bytes on their way in and one for those on their way out:
/// all that an adapter for one connection needs besides a transport and a clock.
///
/// 1. Write [`unsent`](Self::unsent) to the transport and report with [`sent`](Self::sent). Then,
///    if [`take_shutdown`](Self::take_shutdown), shut its writing direction down. If
///    [`is_over`](Self::is_over), drop it.
/// 2. If [`is_understood`](Self::is_understood), read into [`space`](Self::space) and report with
///    [`received`](Self::received), [`receive_eof`](Self::receive_eof) or
///    [`transport_failed`](Self::transport_failed); at [`poll_timeout`](Self::poll_timeout) call
///    [`handle_timeout`](Self::handle_timeout) instead.
/// 3. Take the [`events`](Self::events) or the [`messages`](Self::messages).
///
/// Any of these may be repeated or left out for a while: no byte is lost, if the events are read to
/// their end before [`receive_eof`](Self::receive_eof), which ends the connection. Who reads nothing
/// while something is [`unsent`](Self::unsent) bounds what a peer can make grow. After
/// [`receive_eof`](Self::receive_eof) and [`handle_timeout`](Self::handle_timeout) simply start
/// over. Bytes given to [`new`](Self::new) are there before the first read: begin with
/// [`events`](Self::events), or ask [`is_understood`](Self::is_understood) first.
pub struct Buffered<R: Role> {
    conn: Connection<R>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// As long as this is there, `conn` stands in for the connection to come: it hears and says
    /// nothing.
    opening: Option<Box<Opening<R>>>,
    /// Where compression was agreed on.
    #[cfg(feature = "deflate")]
    inflating: Option<Box<Inflating>>,
    #[cfg(feature = "deflate")]
    agreed: Option<Agreed>,
}

impl Buffered<Server> {
    /// A server's connection that starts with its opening handshake at `now`.
    ///
    /// The same verbs drive it from the first byte to the last: the request, whose head is within
    /// `limits` and complete within [`HANDSHAKE_TIME`](crate::handshake::HANDSHAKE_TIME), is looked
    /// at when [`events`](Self::events) are taken, and answered as
    /// [`ServerHandshake::answer`](crate::handshake::ServerHandshake::answer) does. Who is refused
    /// has [`LINGER_TIME`](crate::handshake::LINGER_TIME) and
    /// [`LINGER_BYTES`](crate::handshake::LINGER_BYTES) to read why; then it is over.
    ///
    /// There are no events before [`is_open`](Self::is_open); if it ends without that,
    /// [`opening_error`](Self::opening_error) says why.
    #[must_use]
    pub fn accept(config: &Config, limits: Limits, now: Instant) -> Self {
        let mut conn = Connection::new(Server, config, now);
        conn.receive_eof(now);
        let mut out = [0; MAX_CONTROL];
        while conn
            .poll_transmit(&mut Input::default(), &mut out)
            .is_some()
        {}
        Self {
            conn,
            incoming: Incoming::none(),
            outgoing: Outgoing::default(),
            opening: Some(Box::new(Opening::new(Server, config, limits, now))),
            #[cfg(feature = "deflate")]
            inflating: None,
            #[cfg(feature = "deflate")]
            agreed: None,
        }
    }

    /// The same for a server that compresses with whoever offers to (RFC 7692; feature `deflate`).
    /// Messages are inflated and deflated on the way; nothing else changes, but that after events were
    /// handed out [`is_understood`](Self::is_understood) may say no until they are asked for again:
    /// what they inflated to has filled the buffer.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn accept_deflating(
        config: &Config,
        limits: Limits,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        let mut accepting = Self::accept(config, limits, now);
        if let Some(opening) = &mut accepting.opening {
            opening.deflate = Some(*settings);
        }
        accepting
    }
}

impl<R: Role> Buffered<R> {
    /// A connection whose opening handshake is done at `now`; `behind` are the bytes that came
    /// behind it.
    #[must_use]
    pub fn new(role: R, config: &Config, behind: &[u8], now: Instant) -> Self {
        Self {
            conn: Connection::new(role, config, now),
            incoming: Incoming::new(behind),
            outgoing: Outgoing::default(),
            opening: None,
            #[cfg(feature = "deflate")]
            inflating: None,
            #[cfg(feature = "deflate")]
            agreed: None,
        }
    }

    /// Compression was `agreed` on in the opening handshake that came before [`new`](Self::new), with
    /// these `settings` on our side; `config` is the same as there (RFC 7692; feature `deflate`). Call
    /// it before anything else; [`accept_deflating`](Buffered::accept_deflating) does so itself.
    ///
    /// What is inflated takes memory of its own, as much as a message may have bytes at most, until
    /// [`release`](Self::release). The [codecs](crate::deflate) are there during a message, or with
    /// takeover for ever.
    #[cfg(feature = "deflate")]
    pub fn enable_deflate(&mut self, agreed: &Agreed, settings: &Settings, config: &Config) {
        self.conn.enable_deflate();
        self.agreed = Some(*agreed);
        self.inflating = Some(Box::new(Inflating::new::<R>(agreed, settings, config)));
        self.outgoing.deflating = Some(Box::new(Deflating::new::<R>(agreed, settings)));
    }

    /// How messages are compressed; `None` if they are not (feature `deflate`).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<Agreed> {
        self.agreed
    }

    /// Whether the opening handshake is done. It stays so when the connection ends.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.opening.is_none()
    }

    /// Why the connection did not open, or is not going to; the client may still be reading that.
    #[must_use]
    pub fn opening_error(&self) -> Option<OpeningError> {
        self.opening.as_ref()?.error()
    }

    /// The bytes that arrived since [`is_open`](Self::is_open) and were not looked at, for another
    /// driver to go on with.
    #[must_use]
    pub fn into_unread(self) -> Vec<u8> {
        self.incoming.into_unread()
    }

    /// Whether all bytes were looked at, so that only more of them can give another event.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        match &self.opening {
            Some(opening) => opening.is_understood(),
            None => self.incoming.is_understood(),
        }
    }

    /// Where the next bytes from the transport go. Never empty while
    /// [`is_understood`](Self::is_understood).
    #[must_use]
    pub fn space(&mut self) -> &mut [u8] {
        match &mut self.opening {
            Some(opening) => opening.space(),
            None => {
                let frame_left = self.conn.frame_left(self.incoming.unread());
                self.incoming.space(frame_left)
            }
        }
    }

    /// The first `count` bytes of the [`space`](Self::space) have arrived.
    pub fn received(&mut self, count: usize) {
        match &mut self.opening {
            Some(opening) => {
                opening.received(count);
                self.outgoing.over |= opening.is_over();
            }
            None => self.incoming.received(count),
        }
    }

    /// The transport has delivered its last byte: the connection is over, at once (RFC 6455 section
    /// 7.1.4). What was not taken as events before is swallowed.
    pub fn receive_eof(&mut self, now: Instant) {
        if let Some(opening) = &mut self.opening {
            opening.lost();
            self.outgoing.disconnect();
            return;
        }
        self.conn.receive_eof(now);
        self.outgoing
            .transmit(&mut self.conn, &mut Input::default());
    }

    /// The transport failed. Whether that is news: it is none where the connection was ending.
    #[must_use]
    pub fn transport_failed(&mut self) -> bool {
        self.outgoing.over = true;
        match &mut self.opening {
            Some(opening) => opening.lost(),
            None => self.conn.closed_by().is_none(),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` only when it is over,
    /// or open with [`Config::ping_interval`] off.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.opening {
            Some(opening) => opening.poll_timeout(),
            None => self.conn.poll_timeout(),
        }
    }

    /// The time is `now`: sends a Ping that is due, gives up a peer that is overdue. It may be called
    /// too early, which does nothing, or late.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(opening) = &mut self.opening {
            opening.handle_timeout(now);
            if opening.is_over() {
                self.outgoing.disconnect();
            }
            return;
        }
        self.conn.handle_timeout(now);
        self.outgoing
            .transmit(&mut self.conn, &mut Input::default());
    }

    /// What the bytes mean that had arrived by `now`: messages as they come, in chunks.
    ///
    /// A broken rule is told once, as an `Err`; the Close frame that answers it is then
    /// [`unsent`](Self::unsent), and whatever still comes is swallowed without an event.
    pub fn events(&mut self, now: Instant) -> Events<'_, R> {
        self.listen(false, now)
    }

    /// The same with whole messages: each [`Data`](super::Data) is `first` and `last`.
    ///
    /// Messages grow where they arrive, without a copy unless they are fragmented, and the buffer
    /// grows with them, in the end to twice [`Config::max_message`] and a few times [`BUFFER`] at
    /// most. It stays that large until [`release`](Self::release).
    ///
    /// After [`events`](Self::events) has handed out the beginning of a message, the rest of it
    /// comes as one chunk; the other way round, `events` starts with what there is.
    pub fn messages(&mut self, now: Instant) -> Events<'_, R> {
        self.listen(true, now)
    }

    fn listen(&mut self, whole: bool, now: Instant) -> Events<'_, R> {
        if let Some(opening) = self.opening.take() {
            self.opening = self.opened(opening, now);
        }
        self.incoming.events(
            &mut self.conn,
            &mut self.outgoing,
            #[cfg(feature = "deflate")]
            self.inflating.as_deref_mut(),
            whole,
            now,
        )
    }

    /// Goes on with the opening handshake; gives it back unless it is done.
    #[cold]
    fn opened(&mut self, mut opening: Box<Opening<R>>, now: Instant) -> Option<Box<Opening<R>>> {
        let mut out = [0; RESPONSE_BYTES];
        match opening.answer(&mut out, now, |_| Verdict::Accept(Reply::default())) {
            None => Some(opening),
            Some((response, None)) => {
                self.outgoing.bytes.extend_from_slice(response);
                self.outgoing.shut_down = true;
                Some(opening)
            }
            Some((response, Some(behind))) => {
                self.outgoing.bytes.extend_from_slice(response);
                self.incoming = Incoming::new(behind);
                #[cfg(feature = "deflate")]
                let deflate = opening.agreed.zip(opening.deflate);
                let config = opening.config;
                self.conn = Connection::new(opening.role, &config, now);
                #[cfg(feature = "deflate")]
                if let Some((agreed, settings)) = deflate {
                    self.enable_deflate(&agreed, &settings, &config);
                }
                None
            }
        }
    }

    /// Gives back the memory that a large message took; does nothing in the middle of one.
    pub fn release(&mut self) {
        self.incoming.release();
        #[cfg(feature = "deflate")]
        if let Some(inflating) = &mut self.inflating {
            inflating.release();
        }
    }

    /// Queues a whole message. A text must be UTF-8 (RFC 6455 section 5.6), which is not checked. The
    /// queue has no bound: watch the length of [`unsent`](Self::unsent).
    ///
    /// # Errors
    /// [`SendError::Closing`] when the connection is closing, or not open yet.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.send(&mut self.conn, kind, payload)
    }

    /// Queues the Close frame that starts the closing handshake.
    ///
    /// # Errors
    /// [`SendError::Closing`] when that is under way or the connection not open yet,
    /// [`SendError::PayloadTooLong`] for a reason of more than 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Instant) -> Result<(), SendError> {
        let mut out = [0; MAX_CONTROL];
        let frame = self.conn.close(code, reason, &mut out, now)?;
        self.outgoing.bytes.extend_from_slice(frame);
        Ok(())
    }

    /// What is to be written to the transport, in order.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        let Outgoing { bytes, written, .. } = &self.outgoing;
        bytes.get(*written..).unwrap_or_default()
    }

    /// The first `count` bytes of [`unsent`](Self::unsent) are written.
    pub fn sent(&mut self, count: usize) {
        let Outgoing { bytes, written, .. } = &mut self.outgoing;
        *written = written.saturating_add(count);
        if *written >= bytes.len() {
            bytes.clear();
            bytes.shrink_to(BUFFER);
            *written = 0;
        } else if *written > BUFFER.max(bytes.len() / 2) {
            bytes.drain(..*written); // less than was written is moved
            *written = 0;
        }
    }

    /// How many bytes there are for what is inflated, and whether there is a codec.
    #[cfg(all(test, feature = "deflate"))]
    pub(super) fn memory_for_compression(&self) -> (usize, bool) {
        let inflating = self.inflating.as_ref().map(|inflating| inflating.memory());
        let (bytes, inflater) = inflating.unwrap_or_default();
        let deflating = self.outgoing.deflating.as_ref();
        (
            bytes,
            inflater || deflating.is_some_and(|deflating| deflating.holds_memory()),
        )
    }

    #[cfg(test)]
    pub(super) const fn queued_memory(&self) -> usize {
        self.outgoing.bytes.capacity()
    }

    #[cfg(test)]
    pub(super) const fn buffer_len(&self) -> usize {
        self.incoming.buffer_len()
    }

    /// Whether the writing direction is to be shut down (RFC 6455 section 7.1.1). Ask when nothing is
    /// [`unsent`](Self::unsent): it is told only once, even if something is.
    #[must_use]
    pub const fn take_shutdown(&mut self) -> bool {
        let Outgoing {
            shut_down, told, ..
        } = &mut self.outgoing;
        *shut_down && !mem::replace(told, true)
    }

    /// Whether the transport is of no more use. What is still [`unsent`](Self::unsent) may be offered
    /// to it as far as it takes that without waiting. Who sends everything before reading on has
    /// nothing left but what an overdue peer did not take, and may drop it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.outgoing.over
    }

    /// What ended the connection, or is ending it; `None` if it never opened.
    #[must_use]
    pub const fn closed_by(&self) -> Option<CloseCause> {
        if self.opening.is_some() {
            return None;
        }
        self.conn.closed_by()
    }
}

impl<R: Role> fmt::Debug for Buffered<R> {
    /// Leaves out what was said, which may be secret, and the role, whose keys are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("open", &self.is_open())
            .field("state", &self.conn.state())
            .field("closed_by", &self.closed_by())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    #[cfg(feature = "deflate")]
    deflating: Option<Box<Deflating>>,
    shut_down: bool,
    /// Whether the driver knows that.
    told: bool,
    over: bool,
}

impl Outgoing {
    pub(super) fn send<R: Role>(
        &mut self,
        conn: &mut Connection<R>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), SendError> {
        #[cfg(feature = "deflate")]
        if let Some(deflating) = &mut self.deflating
            && let Some(deflated) = deflating.deflate(conn, payload)?
        {
            return self.append(deflated.len(), |room| {
                let frame = conn.encode_deflated(kind, &deflated, true, room)?;
                Ok(frame.len())
            });
        }
        self.append(payload.len(), |room| {
            let frame = conn.encode(kind, payload, true, room)?;
            Ok(frame.len())
        })
    }

    /// Appends a frame whose payload has `len` bytes; `encode` answers the length of the frame.
    #[inline]
    fn append(
        &mut self,
        len: usize,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, SendError>,
    ) -> Result<(), SendError> {
        let start = self.bytes.len();
        let room = MAX_HEAD.saturating_add(len);
        self.bytes.resize(start.saturating_add(room), 0);
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        let sent = encode(room);
        self.bytes.truncate(start.saturating_add(sent.unwrap_or(0)));
        sent.map(|_| ())
    }

    /// Takes on what the connection owes of its own; `input` is the one last received from.
    #[inline]
    pub(super) fn transmit<R: Role>(&mut self, conn: &mut Connection<R>, input: &mut Input<'_>) {
        if conn.owes(input) {
            self.transmit_what_is_due(conn, input);
        }
    }

    fn transmit_what_is_due<R: Role>(&mut self, conn: &mut Connection<R>, input: &mut Input<'_>) {
        let mut out = [0; MAX_CONTROL];
        while let Some(transmit) = conn.poll_transmit(input, &mut out) {
            match transmit {
                Transmit::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
                Transmit::ShutdownWrite => self.shut_down = true,
                Transmit::Disconnect => self.disconnect(),
            }
        }
    }

    /// The peer learns of it at once: when the transport is dropped is the program's affair.
    const fn disconnect(&mut self) {
        self.shut_down = true;
        self.over = true;
    }
}
