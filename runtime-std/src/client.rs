//! A client that stays connected: it subscribes, publishes, and comes back by itself.
//!
//! ```no_run
//! use campanile_std::{Client, Event};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::new("ws://127.0.0.1:8000")?;
//! client.subscribe(r#"{"package":"plant","page":"alerts"}"#)?;
//! while let Some(event) = client.next()? {
//!     match event {
//!         Event::Notification(notification) => println!("{}", notification.text()),
//!         Event::Reconnected => println!("something may have been missed"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use core::{fmt, hash::BuildHasher as _, time::Duration};
use std::{
    hash::RandomState,
    io,
    net::{TcpStream, ToSocketAddrs as _},
    thread,
};

pub use campanile_core::client::{
    Backoff, BadUrl, Cause, Delivery, Error, Event, Late, Options, PublicationId, PublishError,
    Receipt, ServerError, SubscribeError, Url,
};
use campanile_core::{
    Instant,
    client::{Machine, Step},
};

#[cfg(feature = "tls")]
use crate::tls;
use crate::{HashedMasks, Transport, clock::Clock, transport};

/// A client of a Campanile server, over `campanile.v1`, for programs whose threads may block.
///
/// It works while one of its calls waits, and only then: [`next`](Self::next) connects, keeps the
/// connection alive, connects again with backoff after a loss, and asks for the subscriptions again.
/// **A program that listens must call it all the time.** One that only publishes, now and then, need
/// not: where the server has given it up meanwhile, that is found out before anything is published.
///
/// Dropped, it drops the connection; [`close`](Self::close) says goodbye.
pub struct Client {
    machine: Machine<HashedMasks>,
    socket: Option<Box<dyn Transport + Send>>,
    clock: Clock,
    /// Once it is known.
    #[cfg(feature = "tls")]
    tls: Option<tls::Client>,
}

impl Client {
    /// A client of the server at `url`, `ws://HOST[:PORT][/PATH][?QUERY]`, or `wss:` for TLS, where the
    /// authorities that the system trusts are trusted. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with the URL; [`BadUrl::Tls`] for `wss://` without the feature `tls`.
    pub fn new(url: &str) -> Result<Self, BadUrl> {
        let url: Url = url.parse()?;
        if url.is_secure() && !cfg!(feature = "tls") {
            return Err(BadUrl::Tls);
        }
        Ok(Self::with_options(url, Options::new()))
    }

    /// The same with other limits and times.
    #[must_use]
    pub fn with_options(url: Url, options: Options) -> Self {
        Self {
            machine: Machine::new(url, options),
            socket: None,
            clock: Clock::start(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Connects with this from now on, where the URL is of TLS: whom to trust, and who the client is.
    #[cfg(feature = "tls")]
    pub fn set_tls(&mut self, tls: tls::Client) {
        self.tls = Some(tls);
    }

    /// Adds a header field to the requests of the opening handshakes to come, `Authorization` say.
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.machine.add_header(name, value);
    }

    /// Shows the server this token (the protocol, section 7) in the opening handshakes to come, in the
    /// place of an earlier one. A session that is open keeps the token that it has, and is closed when that
    /// expires; the client ends then, unless the server is asked again before.
    pub fn set_token(&mut self, token: &str) {
        self.machine.set_token(token);
    }

    /// Asks for these subscriptions in the place of all earlier ones, also after each reconnect:
    /// a JSON array of them, one alone, or a client's whole message (the protocol, section 2).
    ///
    /// It is sent by the next call that waits. The answer is [`Event::Subscribed`] or
    /// [`Event::SubscriptionRefused`].
    ///
    /// # Errors
    /// [`SubscribeError::Invalid`] where the JSON is wrong, and [`SubscribeError::Over`].
    pub fn subscribe(&mut self, subscriptions: &str) -> Result<(), SubscribeError> {
        self.machine.subscribe(subscriptions)
    }

    /// Waits for the next event, in the order in which they happened; `None` when the client was
    /// closed.
    ///
    /// # Errors
    /// Why the client has ended by itself, once: only what would go wrong again is one, as
    /// [`Cause::is_fatal`] says, and [`Options::max_attempts`]. All else is [`Event::Disconnected`].
    #[expect(clippy::should_implement_trait, reason = "an iterator has no errors")]
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        self.next_until(Instant::MAX)
    }

    /// The same, but waits for at most `limit`: `None` also when nothing happened in that time, and
    /// [`is_over`](Self::is_over) tells the two apart. An attempt to connect is not broken off, and may
    /// take longer: [`Options::connect_time`], and however long the system looks a name up.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_within(&mut self, limit: Duration) -> Result<Option<Event>, Error> {
        self.next_until(self.clock.now().after(limit))
    }

    /// Whether the client has ended. Events may wait still.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    fn next_until(&mut self, limit: Instant) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.machine.next_event() {
                return Ok(Some(event));
            }
            let step = self.poll();
            if step == Step::Over {
                self.socket = None;
                if self.machine.has_events() {
                    continue;
                }
                return self.machine.take_error().map_or(Ok(None), Err);
            }
            self.carry_out(step, limit);
            if !self.machine.has_events() && limit <= self.clock.now() {
                return Ok(None);
            }
        }
    }

    /// Publishes, and waits for the answer: a notification, as JSON object, or a publisher's whole
    /// message, which is sent byte for byte (the protocol, section 3).
    ///
    /// Without a connection it waits for one, for [`Options::publish_time`]. What is heard meanwhile is
    /// kept for [`next`](Self::next), up to [`Options::max_unread_bytes`].
    ///
    /// # Errors
    /// Why it was not published; or, [`PublishError::Unknown`], that nobody knows.
    pub fn publish(&mut self, notification: &str) -> Result<Receipt, PublishError> {
        let id = self.send(notification)?;
        loop {
            if let Some(outcome) = self.machine.take_outcome(id) {
                return outcome;
            }
            let step = self.poll();
            if step == Step::Take {
                return Err(PublishError::Unread);
            }
            if step == Step::Over {
                // Its outcome was told before, and is there.
                let outcome = self.machine.take_outcome(id);
                return outcome.unwrap_or(Err(PublishError::Over));
            }
            self.carry_out(step, Instant::MAX);
        }
    }

    /// Publishes without waiting, so that many can be under way: the next calls that wait send it. The
    /// outcome comes as [`Event::Published`] with this number, in the order of sending.
    ///
    /// # Errors
    /// [`PublishError::Invalid`], [`PublishError::TooMany`] and [`PublishError::Over`].
    pub fn send(&mut self, notification: &str) -> Result<PublicationId, PublishError> {
        self.machine.publish(notification, self.clock.now())
    }

    /// Starts to close: go on with [`next`](Self::next) until it says `None`, as answers still come.
    /// What was not sent is not sent any more.
    pub fn start_closing(&mut self) {
        self.machine.close(self.clock.now());
    }

    /// Closes the connection with 1000, and waits for the end of it, a few seconds at most; events that
    /// wait are dropped.
    pub fn close(mut self) {
        self.start_closing();
        while let Ok(Some(_)) = self.next() {}
    }

    fn poll(&mut self) -> Step {
        // The keys of a `RandomState` are random, and so is any hash of it.
        self.machine
            .poll(self.clock.now(), || RandomState::new().hash_one(()))
    }

    /// Does a step, or waits until there is another one, or until `limit`.
    fn carry_out(&mut self, step: Step, limit: Instant) {
        let until = self.machine.deadline();
        let patience = self.patience(until.min(limit));
        match (step, &mut self.socket) {
            (Step::Connect, _) => {
                let left = self.clock.until(until);
                match self.connect(left) {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        self.machine.connected(HashedMasks::new(), self.clock.now());
                    }
                    Err(error) => {
                        self.machine
                            .connect_failed(error.to_string(), self.clock.now());
                    }
                }
            }
            (Step::Write, Some(socket)) => {
                match transport::write(&mut **socket, self.machine.unsent(), patience) {
                    Ok(Some(count)) => self.machine.sent(count),
                    Ok(None) => self.machine.handle_timeout(self.clock.now()),
                    Err(error) => self.failed(&error),
                }
            }
            (Step::Read, Some(socket)) => {
                match transport::read(&mut **socket, self.machine.space(), patience) {
                    Ok(Some(0)) => self.machine.receive_eof(self.clock.now()),
                    Ok(Some(count)) => self.machine.received(count, self.clock.now()),
                    Ok(None) => self.machine.handle_timeout(self.clock.now()),
                    Err(error) => self.failed(&error),
                }
            }
            (Step::ShutDown, Some(socket)) => {
                // A peer that is gone already cannot be told.
                let _ = socket.shutdown_write();
            }
            (Step::Wait, socket) => {
                *socket = None;
                thread::sleep(patience.unwrap_or_default());
            }
            (Step::Take | Step::Over, _) => {}
            (Step::Read | Step::Write | Step::ShutDown, None) => {
                self.failed(&io::ErrorKind::NotConnected.into()); // cannot be
            }
        }
    }

    /// Connects, in the time that is `left`.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::needless_pass_by_ref_mut, reason = "what TLS needs is kept")
    )]
    fn connect(&mut self, left: Duration) -> io::Result<Box<dyn Transport + Send>> {
        let url = self.machine.url();
        let socket = connect(url.name(), url.port(), left)?;
        if !url.is_secure() {
            return Ok(Box::new(socket));
        }
        #[cfg(feature = "tls")]
        {
            let tls = match &self.tls {
                Some(tls) => tls,
                None => {
                    let system = tls::Client::new(None, None).map_err(io::Error::other)?;
                    self.tls.insert(system)
                }
            };
            let secured = tls::Secured::connect(tls, url.name(), socket, left)?;
            Ok(Box::new(secured))
        }
        #[cfg(not(feature = "tls"))]
        Err(io::Error::new(io::ErrorKind::Unsupported, BadUrl::Tls))
    }

    fn failed(&mut self, error: &io::Error) {
        self.machine
            .transport_failed(error.to_string(), self.clock.now());
    }

    /// How long to wait; `None` means for ever. Never no time at all, in which what has arrived long
    /// ago would not be seen.
    fn patience(&self, until: Instant) -> Option<Duration> {
        let left = self.clock.until(until).max(Duration::from_millis(1));
        Some(left).filter(|_| until != Instant::MAX)
    }
}

/// Connects to the first address of the name that takes the connection, each of them having the time
/// that is `left`.
fn connect(name: &str, port: u16, left: Duration) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (name, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(socket) => {
                let _ = socket.set_nodelay(true); // a socket that refuses is slower, and no worse
                return Ok(socket);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_tls_is_refused_by_name() {
        let error = Client::new("wss://127.0.0.1").map(drop).unwrap_err();
        assert_eq!(error, BadUrl::Tls);
        assert!(error.to_string().contains("`tls`"), "{error}");
    }
}
