//! Facts as log lines: one each, on standard error, as text or as JSON.
//!
//! [`events::EVENTS`] names every event and its fields. No event of a kind that peers cause is logged without
//! end: what is over the rate is counted, and the count is an event.

mod events;
mod form;
mod limiter;
mod recent;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    sync::Arc,
};

use campanile_core::{
    conn::OpeningError,
    hub::{self, Origins, TurnedAway},
    server::{Counters, Fact},
};
use tracing::{debug, error, info, level_filters::LevelFilter, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Registry, fmt, layer::SubscriberExt as _, registry, reload, util::SubscriberInitExt as _,
};

use crate::config::{Choice, Named};
pub(crate) use events::Kind;
use form::Form;
use limiter::Limiter;
use recent::Keeping;
pub(crate) use recent::Recent;

/// How many lines may wait for whoever reads the log; more are dropped. A second of a busy server, and a
/// megabyte; their places take 32 bytes each from the start.
const WAITING_LINES: usize = 4_096;

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) level: Level,
    pub(crate) format: Format,
    /// How many events of one kind a second, and ten times as many at once; 0 is no limit.
    pub(crate) rate: u32,
}

impl Options {
    /// Enough to follow what a server of some hundred visitors a second does, and so little that a
    /// flood of one kind of event fills two gigabytes in a day, which every rotation of logs takes.
    const RATE: u32 = 100;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: Format::Auto,
            rate: Self::RATE,
        }
    }
}

/// How much is logged, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Named for Level {
    const PLACEHOLDER: &'static str = "LEVEL";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            Self::Error,
            Choice {
                name: "error",
                help: "What the server cannot do",
            },
        ),
        (
            Self::Warn,
            Choice {
                name: "warn",
                help: "Also what peers do wrong",
            },
        ),
        (
            Self::Info,
            Choice {
                name: "info",
                help: "Also connections, subscriptions and notifications",
            },
        ),
        (
            Self::Debug,
            Choice {
                name: "debug",
                help: "Also connections that end before their handshake",
            },
        ),
    ];
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// In which form events are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Auto,
    Text,
    Json,
}

impl Named for Format {
    const PLACEHOLDER: &'static str = "FORMAT";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            Self::Auto,
            Choice {
                name: "auto",
                help: "Text on a terminal, JSON otherwise",
            },
        ),
        (
            Self::Text,
            Choice {
                name: "text",
                help: "A line for people",
            },
        ),
        (
            Self::Json,
            Choice {
                name: "json",
                help: "A JSON object in a line, for programs",
            },
        ),
    ];
}

/// The log of this process.
#[derive(Debug)]
pub(crate) struct Log {
    limiter: Limiter,
    filter: reload::Handle<LevelFilter, Registry>,
    recent: Arc<Recent>,
}

/// Starts logging; when the guard is dropped, what waits is written.
///
/// A thread of its own writes the lines, so that a log which is read slowly, not at all, or from a
/// full disk is the only thing to suffer.
pub(crate) fn init(options: &Options) -> (Log, WorkerGuard) {
    let recent = Arc::new(Recent::default());
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .finish(Keeping {
            recent: Arc::clone(&recent),
            out: io::stderr(),
        });
    let is_terminal = io::stderr().is_terminal();
    let form = match options.format {
        Format::Auto if !is_terminal => Form::Json,
        Format::Json => Form::Json,
        Format::Auto | Format::Text => Form::text(),
    };
    let (filter, handle) = reload::Layer::new(LevelFilter::from(options.level));
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(is_terminal)
        .log_internal_errors(false)
        .event_format(form);
    registry().with(filter).with(lines).init();
    let log = Log {
        limiter: Limiter::new(options.rate),
        filter: handle,
        recent,
    };
    (log, guard)
}

impl Log {
    /// Other options are in force, but for the format.
    pub(crate) fn reconfigure(&self, options: &Options) {
        self.limiter.set_rate(options.rate);
        // That fails only where there is no log.
        let _ = self.filter.reload(LevelFilter::from(options.level));
    }

    fn admits(&self, kind: Kind) -> bool {
        let Some(event) = kind.event() else {
            return false;
        };
        event.level <= LevelFilter::current() && (!event.limited || self.limiter.admits(kind))
    }

    /// Says how many events were left out since this was last called.
    pub(crate) fn tell_left_out(&self) {
        for (at, count) in self.limiter.take_left_out() {
            if let Some(event) = events::EVENTS.get(at)
                && self.admits(Kind::LeftOut)
            {
                warn!(like = event.name, count, "left out");
            }
        }
    }

    /// The server is ready.
    pub(crate) fn listening(
        &self,
        address: SocketAddr,
        tls: bool,
        publishers: &str,
        origins: &Origins,
    ) {
        if self.admits(Kind::Listening) {
            info!(
                %address,
                tls,
                version = env!("CARGO_PKG_VERSION"),
                publishers,
                origins = in_words(origins),
                "listening"
            );
        }
    }

    /// The last lines that were written.
    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Somebody has published by the status page.
    pub(crate) fn announced(&self, peer: Option<SocketAddr>, position: &str, recipients: u64) {
        if self.admits(Kind::Announced) {
            let peer = peer.map_or_else(String::new, |peer| peer.to_string());
            info!(%peer, %position, recipients, "test notification");
        }
    }

    /// The admin address answers.
    pub(crate) fn admin_listening(&self, address: SocketAddr) {
        if self.admits(Kind::AdminListening) {
            info!(%address, "admin listening");
        }
    }

    /// There is no admin address, though one is wanted.
    pub(crate) fn no_admin(&self, reason: &str) {
        if self.admits(Kind::NoAdmin) {
            warn!(reason, "no admin address");
        }
    }

    /// The service manager has passed a socket, which is served in place of the address that the setting
    /// says.
    pub(crate) fn socket_passed(&self, setting: &str, address: SocketAddr) {
        if self.admits(Kind::SocketPassed) {
            info!(setting, %address, "socket passed");
        }
    }

    /// What somebody has set is not in force, for a socket of another address was passed.
    pub(crate) fn no_effect(&self, setting: &str, value: &str, passed: SocketAddr) {
        if self.admits(Kind::NoEffect) {
            warn!(
                setting,
                value,
                reason = format!(
                    "the service manager passed a socket for {passed}; change ListenStream= in the .socket \
                     unit, or do without that unit"
                ),
                "setting without effect"
            );
        }
    }

    /// The service manager cannot be told how it goes.
    pub(crate) fn no_manager(&self, reason: &str) {
        if self.admits(Kind::NoManager) {
            warn!(reason, "service manager not told");
        }
    }

    /// Logs what happened. Of a message, only its package and page and the name of a member at fault
    /// are logged; never values or tokens.
    pub(crate) fn record(&self, fact: &Fact<'_>) {
        if !kind_of(fact).is_some_and(|kind| self.admits(kind)) {
            return;
        }
        match fact {
            Fact::Session(fact) => record_session(fact),
            Fact::TurnedAway { peer, reason } => declined(*peer, *reason),
            Fact::Secured {
                connection,
                peer,
                version,
                cipher,
                identity,
            } => {
                let identity = identity.unwrap_or("none");
                info!(connection, %peer, version, cipher, identity, "secured");
            }
            Fact::TlsFailed { peer, error, .. } => {
                warn!(%peer, reason = error.to_string(), "TLS failed");
            }
            Fact::AcceptFailed { error } => {
                error!(reason = error.to_string(), "cannot accept connections");
            }
            Fact::Draining => info!("shutting down"),
            _ => {}
        }
    }

    /// A configuration was read again.
    pub(crate) fn reloaded(&self, file: &str, changed: usize, restart: usize) {
        if self.admits(Kind::Reloaded) {
            info!(file, changed, restart, "configuration reloaded");
        }
    }

    /// What is revoked was read again.
    pub(crate) fn revoked(&self) {
        if self.admits(Kind::Revoked) {
            info!("revocations reloaded");
        }
    }

    /// A setting has another value.
    pub(crate) fn changed(&self, setting: &str, from: &str, to: &str, applies: &str) {
        if self.admits(Kind::Changed) {
            info!(setting, from, to, applies, "setting changed");
        }
    }

    /// A setting will have another value.
    pub(crate) fn needs_restart(&self, setting: &str, from: &str, to: &str) {
        if self.admits(Kind::NeedsRestart) {
            warn!(setting, from, to, "restart needed");
        }
    }

    /// A configuration is wrong.
    pub(crate) fn not_reloaded(&self, reason: &str) {
        if self.admits(Kind::NotReloaded) {
            error!(reason, "configuration not reloaded");
        }
    }

    /// Logs what has happened altogether.
    pub(crate) fn sum_up(&self, counters: &Counters) {
        self.tell_left_out();
        if !self.admits(Kind::Ended) {
            return;
        }
        macro_rules! ended {
            ($($name:ident)*) => { info!($($name = counters.get(stringify!($name)),)* "ended") };
        }
        ended!(
            connections notifications deliveries http_requests http_errors declined handshakes_refused
            handshakes_too_slow
            rate_limited forbidden too_many_subscriptions invalid_messages protocol_violations
            slow_consumers dropped accept_failures
        );
    }
}

/// Which event tells of a fact.
fn kind_of(fact: &Fact<'_>) -> Option<Kind> {
    use hub::Fact as Of;
    Some(match fact {
        Fact::Session(fact) => match fact {
            Of::Connected { .. } => Kind::Connected,
            Of::HandshakeFailed {
                error: OpeningError::BadRequest(_),
                ..
            } => Kind::HandshakeRefused,
            Of::HandshakeFailed {
                error: OpeningError::Proxy(_),
                ..
            } => Kind::ProxyRefused,
            Of::HandshakeFailed { .. } => Kind::HandshakeFailed,
            Of::TurnedAway { .. } => Kind::Declined,
            Of::OriginRefused { .. } => Kind::OriginRefused,
            Of::ForwardingRefused { .. } => Kind::ForwardingRefused,
            Of::UnknownProxy { .. } => Kind::UnknownProxy,
            Of::Requested { status: ..400, .. } => Kind::Requested,
            Of::Requested { .. } => Kind::RequestRefused,
            Of::Subscribed { .. } => Kind::Subscribed,
            Of::Published { .. } => Kind::Notification,
            Of::Refused { .. } => Kind::Refused,
            Of::Violated { .. } => Kind::Violation,
            Of::SlowConsumer { .. } => Kind::SlowConsumer,
            Of::Dropped { .. } => Kind::Dropped,
            Of::Disconnected { .. } => Kind::Disconnected,
            _ => return None,
        },
        Fact::TurnedAway { .. } => Kind::Declined,
        Fact::Secured { .. } => Kind::Secured,
        Fact::TlsFailed { .. } => Kind::TlsFailed,
        Fact::AcceptFailed { .. } => Kind::CannotAccept,
        Fact::Draining => Kind::ShuttingDown,
        _ => return None,
    })
}

fn record_session(fact: &hub::Fact<'_>) {
    use hub::Fact;
    match fact {
        Fact::Connected {
            connection,
            peer,
            version,
        } => {
            info!(connection, %peer, session = %version, "connected");
        }
        Fact::HandshakeFailed {
            peer,
            error: OpeningError::BadRequest(bad),
        } => warn!(
            %peer,
            status = bad.status(),
            reason = first_sentence(&bad.to_string()),
            "handshake refused"
        ),
        Fact::HandshakeFailed {
            peer,
            error: OpeningError::Proxy(why),
        } => warn!(%peer, reason = why.to_string(), "proxy header refused"),
        Fact::TurnedAway { peer, reason } => declined(*peer, *reason),
        Fact::OriginRefused { peer, origin } => warn!(%peer, origin = *origin, "origin refused"),
        Fact::ForwardingRefused { peer, reason } => {
            warn!(%peer, reason = reason.to_string(), "forwarding refused");
        }
        Fact::UnknownProxy { peer } => warn!(
            %peer,
            remedy = "name the proxy in proxy.trusted, and say in proxy.headers or proxy.protocol how it \
                      names its clients",
            "unknown proxy"
        ),
        Fact::HandshakeFailed { peer, error } => {
            debug!(%peer, reason = error.to_string(), "handshake failed");
        }
        // What was published has a line of its own.
        Fact::Requested {
            connection,
            peer,
            request,
            status: status @ ..400,
        } => debug!(connection, %peer, request = *request, status, "request"),
        Fact::Requested {
            connection,
            peer,
            request,
            status,
        } => warn!(connection, %peer, request = *request, status, "request refused"),
        Fact::Subscribed {
            connection,
            subscriptions,
        } => info!(connection, subscriptions, "subscribed"),
        Fact::Published {
            connection,
            notification,
            position,
            bytes,
            recipients,
        } => info!(
            connection,
            package = notification.package().to_string(),
            page = notification.page().to_string(),
            %position,
            bytes,
            recipients,
            "notification"
        ),
        Fact::Refused {
            connection,
            refusal,
        } => warn!(
            connection,
            error = refusal.code().as_str(),
            reason = refusal.to_string(),
            "refused"
        ),
        Fact::Violated {
            connection,
            violation,
        } => warn!(
            connection,
            code = violation.close_code().get(),
            reason = violation.reason(),
            "protocol violation"
        ),
        Fact::SlowConsumer { connection } => {
            warn!(connection, "slow consumer");
        }
        Fact::Dropped {
            connection,
            notifications,
        } => {
            warn!(connection, notifications, "dropped the oldest");
        }
        Fact::Disconnected { connection, cause } => info!(
            connection,
            code = cause.code(),
            cause = cause.to_string(),
            "disconnected"
        ),
        _ => {}
    }
}

fn declined(peer: SocketAddr, reason: TurnedAway) {
    warn!(%peer, reason = reason.to_string(), "connection declined");
}

fn in_words(origins: &Origins) -> String {
    if origins.is_empty() {
        return "any, without the right to publish (none are configured)".to_owned();
    }
    origins.iter().collect::<Vec<_>>().join(" ")
}

/// The rest of a refusal is advice, which the peer was given and the log has no room for.
fn first_sentence(text: &str) -> &str {
    text.split_inclusive(". ").next().unwrap_or(text).trim_end()
}
