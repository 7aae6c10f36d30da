//! The state machine of a client.

use alloc::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, mem};

use super::{
    Cause, Error, Event, Late, Options, PublicationId, PublishError, Receipt, SubscribeError, Url,
    book::Book, message,
};
use crate::{
    Instant,
    conn::{self, Buffered, CloseCause, Connecting, MaskSource, Opened},
    handshake::{ConnectError, HANDSHAKE_TIME, Opening},
    hub::Version,
    wire::{CloseCode, Kind},
};

/// A client without a transport, a clock and a random source.
///
/// # The contract
///
/// 1. Take the events with [`next_event`](Self::next_event).
/// 2. Ask [`poll`](Self::poll) for the next [`Step`], do it, report what came of it, and begin anew.
///    Whatever is waited for ends at [`deadline`](Self::deadline) at the latest: then, when the
///    transport had nothing, call [`handle_timeout`](Self::handle_timeout).
///
/// Steps may be broken off and asked for again, as long as no byte is lost that the transport gave or
/// took. Commands may come between any two calls.
pub struct Machine<M: MaskSource> {
    url: Url,
    headers: Vec<(String, String)>,
    options: Options,
    state: State<M>,
    book: Book,
    /// Attempts and short connections that failed one after the other.
    failures: u32,
    /// Whether there was a connection ever.
    was_connected: bool,
    /// Why there is none, since the last one.
    last: Option<Cause>,
    error: Option<Error>,
    polled: Instant,
}

/// What the driver has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take events: so much waits that nothing more is read.
    Take,
    /// Drop the transport, if there is one, and wait.
    Wait,
    /// Connect a new transport to [`url`](Machine::url), and report with
    /// [`connected`](Machine::connected) or [`connect_failed`](Machine::connect_failed). An attempt that
    /// is under way is gone on with.
    Connect,
    /// Write [`unsent`](Machine::unsent), and report with [`sent`](Machine::sent) or
    /// [`transport_failed`](Machine::transport_failed).
    Write,
    /// Read into [`space`](Machine::space), and report with [`received`](Machine::received),
    /// [`receive_eof`](Machine::receive_eof) or [`transport_failed`](Machine::transport_failed).
    Read,
    /// Shut down the transport's writing direction; what comes of it does not matter.
    ShutDown,
    /// Drop the transport: the client has ended, and [`take_error`](Machine::take_error) says why.
    Over,
}

enum State<M: MaskSource> {
    /// There is no connection, for this reason if for any.
    Down(Option<Cause>),
    Waiting {
        until: Instant,
    },
    Connecting {
        until: Instant,
    },
    Opening {
        connecting: Connecting,
        masks: M,
        until: Instant,
    },
    Open(Session<M>),
    Over,
}

struct Session<M: MaskSource> {
    conn: Buffered<conn::Client<M>>,
    since: Instant,
    trust: Trust,
    /// What the server's Close said.
    reason: String,
    /// Whether we close.
    is_closing: bool,
}

/// Whether the server is still there, as far as is known: who was not driven for long may not have
/// answered its pings, and what is written then is written to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Fresh,
    /// A Ping must be sent.
    Stale,
    /// And was.
    Pinged,
}

impl<M: MaskSource> Machine<M> {
    /// A client of the server at `url`, which is to be driven.
    #[must_use]
    pub fn new(url: Url, options: Options) -> Self {
        Self {
            url,
            headers: Vec::new(),
            options,
            state: State::Down(None),
            book: Book::default(),
            failures: 0,
            was_connected: false,
            last: None,
            error: None,
            polled: Instant::ZERO,
        }
    }

    /// Adds a header field to the request of each opening handshake from now on, such as
    /// `Authorization`.
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Shows the server this token (the protocol, section 7) from the next opening handshake on, in the
    /// place of an earlier one: as `Authorization: Bearer`. A token that is no header value fails the
    /// handshake.
    pub fn set_token(&mut self, token: &str) {
        const NAME: &str = "Authorization";
        self.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case(NAME));
        self.add_header(NAME, &format!("Bearer {token}"));
    }

    /// Where the transport is to be connected to.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Asks for these subscriptions in the place of all earlier ones, now and after each reconnect; an
    /// empty array for none. `subscriptions` is their JSON array, one of them alone, or the client's
    /// whole message (the protocol, section 2). The answer is [`Event::Subscribed`] or
    /// [`Event::SubscriptionRefused`].
    ///
    /// # Errors
    /// [`SubscribeError::Invalid`], without asking the server; its limits may be stricter.
    pub fn subscribe(&mut self, subscriptions: &str) -> Result<(), SubscribeError> {
        let message = message::subscription(subscriptions).map_err(SubscribeError::Invalid)?;
        if self.is_ending() {
            return Err(SubscribeError::Over);
        }
        self.book.subscribe(message);
        Ok(())
    }

    /// Publishes: `notification` is its JSON object, or the publisher's whole message (the protocol,
    /// section 3), which is then sent byte for byte. Where there is no connection, it waits for one for
    /// [`Options::publish_time`]. What becomes of it is an [`Event::Published`], or
    /// [`take_outcome`](Self::take_outcome).
    ///
    /// # Errors
    /// [`PublishError::Invalid`], without asking the server, whose limits may be stricter;
    /// [`PublishError::TooMany`] and [`PublishError::Over`].
    pub fn publish(
        &mut self,
        notification: &str,
        now: Instant,
    ) -> Result<PublicationId, PublishError> {
        let message = message::publication(notification).map_err(PublishError::Invalid)?;
        if self.is_ending() {
            return Err(PublishError::Over);
        }
        self.book.publish(message, &self.options, now)
    }

    /// Ends the client: closes the connection with 1000. What was not sent is not sent any more; go on
    /// until [`Step::Over`], as answers still come.
    pub fn close(&mut self, now: Instant) {
        self.book.give_up(self.last.as_ref());
        match &mut self.state {
            State::Open(session) => {
                session.is_closing = true;
                // It may be closing already.
                let _ = session.conn.close(CloseCode::NORMAL, "", now);
            }
            State::Down(_)
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Opening { .. }
            | State::Over => self.state = State::Over,
        }
    }

    /// The next event, in the order in which they happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.book.next_event()
    }

    /// Whether there are events to take.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.book.has_events()
    }

    /// What became of a publication, if that is known and was not taken as an event. Other events may
    /// stay.
    pub fn take_outcome(&mut self, id: PublicationId) -> Option<Result<Receipt, PublishError>> {
        self.book.take_outcome(id)
    }

    /// Whether the client has ended. Events may wait still.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Why the client has ended, once; nothing if it was told to.
    pub const fn take_error(&mut self) -> Option<Error> {
        self.error.take()
    }

    /// What to do next; `random` gives any number, each as likely as the others.
    pub fn poll(&mut self, now: Instant, random: impl FnOnce() -> u64) -> Step {
        self.look_after_long(now);
        if let State::Open(session) = &self.state
            && session.conn.is_over()
        {
            let cause = session.cause();
            self.fail(cause, now);
        }
        if let State::Down(cause) = &mut self.state {
            let cause = cause.take();
            self.retry(cause, now, random);
        }
        if let State::Waiting { until } = self.state
            && until <= now
        {
            let until = now.after(self.options.connect_time);
            self.state = State::Connecting { until };
        }
        self.book.expire(now, self.last.as_ref());
        match &mut self.state {
            State::Open(session) => {
                if !session.is_closing && session.trust == Trust::Fresh {
                    self.book.fill(&mut session.conn, &self.options, now);
                }
                if !session.conn.unsent().is_empty() {
                    Step::Write
                } else if session.conn.take_shutdown() {
                    Step::ShutDown
                } else if self.book.is_full(&self.options) {
                    Step::Take
                } else {
                    Step::Read
                }
            }
            State::Opening { connecting, .. } if !connecting.unsent().is_empty() => Step::Write,
            State::Opening { .. } => Step::Read,
            State::Connecting { .. } => Step::Connect,
            State::Waiting { .. } | State::Down(_) => Step::Wait,
            State::Over => Step::Over,
        }
    }

    /// When waiting ends at the latest.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let own = match &self.state {
            State::Waiting { until }
            | State::Connecting { until }
            | State::Opening { until, .. } => *until,
            State::Open(session) => session.conn.poll_timeout().unwrap_or(Instant::MAX),
            State::Down(_) | State::Over => Instant::MAX,
        };
        own.min(self.book.deadline())
    }

    /// The [`deadline`](Self::deadline) has passed, and the transport had nothing to report. Too early
    /// does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Connecting { until } if *until <= now => {
                self.fail(Cause::TimedOut(Late::Connecting), now);
            }
            State::Opening { until, .. } if *until <= now => {
                self.fail(Cause::TimedOut(Late::Handshake), now);
            }
            State::Open(session) => {
                let is_due = session.conn.poll_timeout().is_some_and(|at| at <= now);
                session.conn.handle_timeout(now);
                if is_due && session.trust == Trust::Stale {
                    session.trust = Trust::Pinged;
                }
                if self.book.is_overdue(now) {
                    self.fail(Book::LATE, now);
                }
            }
            State::Down(_)
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Opening { .. }
            | State::Over => {}
        }
    }

    /// There is a transport to [`url`](Self::url). `masks` gives the masking keys of this connection,
    /// and before them the random bytes of its opening handshake.
    pub fn connected(&mut self, mut masks: M, now: Instant) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        let nonce = masks.nonce();
        let started = with_opening(&self.url, &self.headers, |opening| {
            Connecting::start(nonce, opening)
        });
        match started {
            Ok(connecting) => {
                self.state = State::Opening {
                    connecting,
                    masks,
                    until: now.after(HANDSHAKE_TIME),
                };
            }
            Err(error) => self.end(Error::BadOpening(error), None),
        }
    }

    /// No transport could be connected; `reason` is what the system says.
    pub fn connect_failed(&mut self, reason: String, now: Instant) {
        if matches!(self.state, State::Connecting { .. }) {
            self.fail(Cause::Unreachable(reason), now);
        }
    }

    /// What is to be written to the transport.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        match &self.state {
            State::Opening { connecting, .. } => connecting.unsent(),
            State::Open(session) => session.conn.unsent(),
            State::Down(_) | State::Waiting { .. } | State::Connecting { .. } | State::Over => &[],
        }
    }

    /// The first `count` bytes of [`unsent`](Self::unsent) are written.
    pub fn sent(&mut self, count: usize) {
        match &mut self.state {
            State::Opening { connecting, .. } => connecting.sent(count),
            State::Open(session) => session.conn.sent(count),
            State::Down(_) | State::Waiting { .. } | State::Connecting { .. } | State::Over => {}
        }
    }

    /// Where the next bytes from the transport go; empty only where nothing is to be read.
    #[must_use]
    pub fn space(&mut self) -> &mut [u8] {
        match &mut self.state {
            State::Opening { connecting, .. } => connecting.space(),
            State::Open(session) => session.conn.space(),
            State::Down(_) | State::Waiting { .. } | State::Connecting { .. } | State::Over => {
                &mut []
            }
        }
    }

    /// The first `count` bytes of the [`space`](Self::space) have arrived, at least one.
    pub fn received(&mut self, count: usize, now: Instant) {
        match &mut self.state {
            State::Opening { connecting, .. } => {
                let verdict = with_opening(&self.url, &self.headers, |opening| {
                    connecting.received(count, opening, |_| Ok(()))
                });
                match verdict {
                    None => {}
                    Some(Ok(opened)) => self.opened(&opened, now),
                    Some(Err(error)) => self.fail(ConnectError::into(error), now),
                }
            }
            State::Open(session) => {
                session.conn.received(count);
                self.listen(now);
            }
            State::Down(_) | State::Waiting { .. } | State::Connecting { .. } | State::Over => {}
        }
    }

    /// The transport has delivered its last byte.
    pub fn receive_eof(&mut self, now: Instant) {
        match &mut self.state {
            State::Opening { .. } => self.fail(gone(), now),
            State::Open(session) => session.conn.receive_eof(now), // `poll` sees it
            State::Down(_) | State::Waiting { .. } | State::Connecting { .. } | State::Over => {}
        }
    }

    /// The transport failed; `reason` is what the system says.
    pub fn transport_failed(&mut self, reason: String, now: Instant) {
        match &mut self.state {
            State::Opening { .. } => self.fail(Cause::Lost(reason), now),
            State::Open(session) => {
                let cause = if session.conn.transport_failed() {
                    Cause::Lost(reason)
                } else {
                    session.cause()
                };
                self.fail(cause, now);
            }
            State::Down(_) | State::Waiting { .. } | State::Connecting { .. } | State::Over => {}
        }
    }

    fn is_ending(&self) -> bool {
        match &self.state {
            State::Open(session) => session.is_closing,
            State::Over => true,
            State::Down(_)
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Opening { .. } => false,
        }
    }

    /// Who was not driven for so long that the server has given up on its pongs must not publish before
    /// it is known to be there.
    fn look_after_long(&mut self, now: Instant) {
        let idle = now.since(mem::replace(&mut self.polled, now));
        let config = &self.options.connection;
        if let State::Open(session) = &mut self.state
            && let Some(interval) = config.ping_interval
            && idle > interval.saturating_add(config.pong_timeout)
        {
            session.trust = Trust::Stale;
        }
    }

    fn opened(&mut self, opened: &Opened<()>, now: Instant) {
        if opened.protocol.as_deref() != Some(Version::SUBPROTOCOL) {
            return self.fail(Cause::NotV1, now);
        }
        let State::Opening { masks, .. } = mem::replace(&mut self.state, State::Down(None)) else {
            return;
        };
        let config = &self.options.connection;
        self.state = State::Open(Session {
            conn: Buffered::new(conn::Client(masks), config, &opened.behind, now),
            since: now,
            trust: Trust::Fresh,
            reason: String::new(),
            is_closing: false,
        });
        if !mem::replace(&mut self.was_connected, true) {
            self.book.tell(Event::Connected);
        } else if !self.book.has_subscriptions() {
            self.book.tell(Event::Reconnected);
        }
        self.listen(now);
    }

    /// Hears what has arrived.
    fn listen(&mut self, now: Instant) {
        let State::Open(session) = &mut self.state else {
            return;
        };
        let mut failed = None;
        for event in session.conn.messages(now) {
            match event {
                Ok(conn::Event::Data(data)) => {
                    if data.kind == Kind::Text && failed.is_none() {
                        failed = self.book.hear(data.bytes);
                    }
                }
                Ok(conn::Event::Pong(_)) => {
                    if session.trust == Trust::Pinged {
                        session.trust = Trust::Fresh;
                    }
                }
                Ok(conn::Event::Close(payload)) => {
                    session.reason = match self.book.take_last_words() {
                        Some(error) => error.to_string(),
                        None => payload
                            .map(|payload| payload.reason.to_owned())
                            .unwrap_or_default(),
                    };
                }
                Ok(conn::Event::Ping(_)) => {}
                #[cfg(feature = "deflate")]
                Ok(conn::Event::Deflated(_)) => {} // nobody agreed to it
                Err(_) => {} // the connection remembers
            }
        }
        session.conn.release();
        if let Some(cause) = failed {
            self.fail(cause, now);
        }
    }

    /// There is no connection, for this reason.
    fn fail(&mut self, cause: Cause, now: Instant) {
        self.book.lost(&cause);
        let mut was_open = false;
        if let State::Open(session) = &self.state {
            if session.is_closing {
                self.state = State::Over;
                return self.book.give_up(Some(&cause));
            }
            was_open = true;
            if now.since(session.since) >= self.options.backoff.stable {
                self.failures = 0;
            }
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some(cause.clone());
        let most = self.options.max_attempts.filter(|_| !was_open);
        if cause.is_fatal() {
            self.end(Error::Fatal(cause.clone()), Some(&cause));
        } else if most.is_some_and(|most| self.failures >= most.get()) {
            let attempts = self.failures;
            let error = Error::GaveUp {
                attempts,
                cause: cause.clone(),
            };
            self.end(error, Some(&cause));
        } else {
            self.state = State::Down(Some(cause));
        }
    }

    fn end(&mut self, error: Error, cause: Option<&Cause>) {
        self.state = State::Over;
        self.book.give_up(cause);
        self.error = Some(error);
    }

    /// Waits before the next attempt, unless it is the first.
    fn retry(&mut self, cause: Option<Cause>, now: Instant, random: impl FnOnce() -> u64) {
        let mut until = now;
        if let Some(cause) = cause {
            let jitter = self.options.backoff.delay(self.failures, random());
            let retry_in = cause.retry_after().saturating_add(jitter);
            until = now.after(retry_in);
            self.book.tell(Event::Disconnected { cause, retry_in });
        }
        self.state = State::Waiting { until };
    }
}

impl<M: MaskSource> Session<M> {
    /// Why it is over.
    fn cause(&self) -> Cause {
        match self.conn.closed_by() {
            Some(CloseCause::Peer(code)) => Cause::Closed {
                code,
                reason: self.reason.clone(),
            },
            Some(CloseCause::Violation(violation)) => Cause::Violation(violation),
            Some(CloseCause::Overdue) => Cause::TimedOut(Late::Life),
            Some(CloseCause::Eof | CloseCause::Local(_)) | None => gone(),
        }
    }
}

fn gone() -> Cause {
    Cause::Lost("the server is gone without a word".to_owned())
}

/// What is asked for in the opening handshake.
fn with_opening<T>(
    url: &Url,
    headers: &[(String, String)],
    then: impl FnOnce(&Opening<'_>) -> T,
) -> T {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    then(&Opening {
        protocols: &[Version::SUBPROTOCOL],
        headers: &headers,
        ..Opening::new(url.host(), url.resource())
    })
}

impl<M: MaskSource> fmt::Debug for Machine<M> {
    /// Leaves out header fields and what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Down(_) | State::Waiting { .. } => "waiting",
            State::Connecting { .. } => "connecting",
            State::Opening { .. } => "opening",
            State::Open(_) => "open",
            State::Over => "over",
        };
        f.debug_struct("Machine")
            .field("url", &self.url)
            .field("state", &state)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
