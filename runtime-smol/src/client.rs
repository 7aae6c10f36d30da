//! A client that stays connected: it subscribes, publishes, and comes back by itself.
//!
//! ```no_run
//! use campanile_smol::{Client, Event};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     let mut client = Client::new("ws://127.0.0.1:8000")?;
//!     client.subscribe(r#"{"package":"plant","page":"alerts"}"#)?;
//!     while let Some(event) = client.next().await? {
//!         match event {
//!             Event::Notification(notification) => println!("{}", notification.text()),
//!             Event::Reconnected => println!("something may have been missed"),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! })
//! # }
//! ```

use core::{future::Future, hash::BuildHasher as _, pin::Pin};
#[cfg(feature = "tls")]
use std::sync::{Arc, OnceLock};
use std::{hash::RandomState, io, time};

pub use campanile_core::client::{
    Backoff, BadUrl, Cause, Delivery, Error, Event, Late, Options, PublicationId, PublishError,
    Receipt, ServerError, SubscribeError, Url,
};
use campanile_core::{
    Instant,
    client::{Machine, Step},
};
use smol::{
    Timer,
    future::{self, FutureExt as _},
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

#[cfg(feature = "tls")]
use crate::tls;
use crate::{HashedMasks, clock::Clock};

/// A client of a Campanile server, over `campanile.v1`.
///
/// It works while something of it is awaited, and only then: [`next`](Self::next) connects, keeps the
/// connection alive, connects again with backoff after a loss, and asks for the subscriptions again.
/// **A program that listens must call it all the time.** One that only publishes, now and then, need
/// not: where the server has given it up meanwhile, that is found out before anything is published.
///
/// Every future may be dropped at any time, in a `select` or by a timeout, and nothing is lost by it.
///
/// Dropped, it drops the connection; [`close`](Self::close) says goodbye.
pub struct Client {
    machine: Machine<HashedMasks>,
    link: Link,
    clock: Clock,
    #[cfg(feature = "tls")]
    tls: Arc<OnceLock<tls::Client>>,
}

enum Link {
    Down,
    /// Kept, so that whoever waits for little time at once connects all the same.
    Connecting(Attempt),
    Up {
        transport: Box<dyn Transport>,
        /// Whether it may keep back bytes that it took.
        is_unflushed: bool,
    },
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send>>;

/// A socket, or TLS over one.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

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
            link: Link::Down,
            clock: Clock::start(),
            #[cfg(feature = "tls")]
            tls: Arc::default(),
        }
    }

    /// Connects with this from now on, where the URL is of TLS: whom to trust, and who the client is.
    #[cfg(feature = "tls")]
    pub fn set_tls(&mut self, tls: tls::Client) {
        self.tls = Arc::new(OnceLock::from(tls));
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
    /// It is sent by the next call that is awaited. The answer is [`Event::Subscribed`] or
    /// [`Event::SubscriptionRefused`].
    ///
    /// # Errors
    /// [`SubscribeError::Invalid`] where the JSON is wrong, and [`SubscribeError::Over`].
    pub fn subscribe(&mut self, subscriptions: &str) -> Result<(), SubscribeError> {
        self.machine.subscribe(subscriptions)
    }

    /// The next event, in the order in which they happened; `None` when the client was closed.
    ///
    /// # Errors
    /// Why the client has ended by itself, once: only what would go wrong again is one, as
    /// [`Cause::is_fatal`] says, and [`Options::max_attempts`]. All else is [`Event::Disconnected`].
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.machine.next_event() {
                return Ok(Some(event));
            }
            let step = self.poll();
            if step == Step::Over {
                self.link = Link::Down;
                if self.machine.has_events() {
                    continue;
                }
                return self.machine.take_error().map_or(Ok(None), Err);
            }
            self.carry_out(step).await;
        }
    }

    /// Publishes, and waits for the answer: a notification, as JSON object, or a publisher's whole
    /// message, which is sent byte for byte (the protocol, section 3).
    ///
    /// Without a connection it waits for one, for [`Options::publish_time`]. What is heard meanwhile is
    /// kept for [`next`](Self::next), up to [`Options::max_unread_bytes`].
    ///
    /// Dropped before its end, it does not take the publication back: the outcome comes as
    /// [`Event::Published`].
    ///
    /// # Errors
    /// Why it was not published; or, [`PublishError::Unknown`], that nobody knows.
    pub async fn publish(&mut self, notification: &str) -> Result<Receipt, PublishError> {
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
            self.carry_out(step).await;
        }
    }

    /// Publishes without waiting, so that many can be under way: the next calls that are awaited send
    /// it. The outcome comes as [`Event::Published`] with this number, in the order of sending.
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
    pub async fn close(mut self) {
        self.start_closing();
        while let Ok(Some(_)) = self.next().await {}
    }

    fn poll(&mut self) -> Step {
        // The keys of a `RandomState` are random, and so is any hash of it.
        self.machine
            .poll(self.clock.now(), || RandomState::new().hash_one(()))
    }

    /// Does a step, or waits until there is another one.
    async fn carry_out(&mut self, step: Step) {
        let deadline = self.deadline();
        match (step, &mut self.link) {
            (Step::Connect, Link::Connecting(attempt)) => match until(deadline, attempt).await {
                Some(Ok(transport)) => {
                    self.link = Link::Up {
                        transport,
                        is_unflushed: false,
                    };
                    self.machine.connected(HashedMasks::new(), self.clock.now());
                }
                Some(Err(error)) => {
                    self.link = Link::Down;
                    self.machine
                        .connect_failed(error.to_string(), self.clock.now());
                }
                None => self.machine.handle_timeout(self.clock.now()),
            },
            (Step::Connect, link) => {
                let url = self.machine.url().clone();
                *link = Link::Connecting(Box::pin(connect(
                    url,
                    #[cfg(feature = "tls")]
                    Arc::clone(&self.tls),
                )));
            }
            (
                Step::Write,
                Link::Up {
                    transport,
                    is_unflushed,
                },
            ) => match until(deadline, transport.write(self.machine.unsent())).await {
                Some(Ok(0)) => self.failed(&io::ErrorKind::WriteZero.into()),
                Some(Ok(count)) => {
                    *is_unflushed = true;
                    self.machine.sent(count);
                }
                Some(Err(error)) => self.failed(&error),
                None => self.machine.handle_timeout(self.clock.now()),
            },
            (
                Step::Read,
                Link::Up {
                    transport,
                    is_unflushed,
                },
            ) if *is_unflushed => match until(deadline, transport.flush()).await {
                Some(Ok(())) => *is_unflushed = false,
                Some(Err(error)) => self.failed(&error),
                None => self.machine.handle_timeout(self.clock.now()),
            },
            (Step::Read, Link::Up { transport, .. }) => {
                match until(deadline, transport.read(self.machine.space())).await {
                    Some(Ok(0)) => self.machine.receive_eof(self.clock.now()),
                    Some(Ok(count)) => self.machine.received(count, self.clock.now()),
                    Some(Err(error)) => self.failed(&error),
                    None => self.machine.handle_timeout(self.clock.now()),
                }
            }
            (Step::ShutDown, Link::Up { transport, .. }) => {
                // A socket does not wait for that, and a peer that is gone cannot be told.
                let _ = future::poll_once(transport.close()).await;
            }
            (Step::Wait, link) => {
                *link = Link::Down;
                until(deadline, future::pending::<io::Result<()>>()).await;
            }
            (Step::Take | Step::Over, _) => {}
            (Step::Read | Step::Write | Step::ShutDown, Link::Down | Link::Connecting(_)) => {
                self.failed(&io::ErrorKind::NotConnected.into()); // cannot be
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.machine
            .transport_failed(error.to_string(), self.clock.now());
    }

    /// When there is something to do in any case.
    fn deadline(&self) -> Option<time::Instant> {
        let at = self.machine.deadline();
        (at != Instant::MAX)
            .then(|| self.clock.system_time(at))
            .flatten()
    }
}

/// Does `work`; nothing if it has not ended at the `deadline`.
async fn until<T>(
    deadline: Option<time::Instant>,
    work: impl Future<Output = io::Result<T>>,
) -> Option<io::Result<T>> {
    let work = async { Some(work.await) };
    let Some(at) = deadline else {
        return work.await;
    };
    let timeout = async {
        Timer::at(at).await;
        None
    };
    work.or(timeout).await
}

async fn connect(
    url: Url,
    #[cfg(feature = "tls")] tls: Arc<OnceLock<tls::Client>>,
) -> io::Result<Box<dyn Transport>> {
    let socket = TcpStream::connect((url.name(), url.port())).await?;
    let _ = socket.set_nodelay(true); // a socket that refuses is slower, and no worse
    if !url.is_secure() {
        return Ok(Box::new(socket));
    }
    #[cfg(feature = "tls")]
    {
        if tls.get().is_none() {
            // Elsewhere, since it reads files.
            let own = smol::unblock(|| tls::Client::new(None, None)).await;
            let _ = tls.set(own.map_err(io::Error::other)?);
        }
        let client = tls.get().ok_or(io::ErrorKind::NotFound)?; // it was set before
        Ok(Box::new(tls::connect(client, url.name(), socket).await?))
    }
    #[cfg(not(feature = "tls"))]
    Err(io::Error::new(io::ErrorKind::Unsupported, BadUrl::Tls))
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
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
