//! Facts as log lines: one each, on standard error.

use std::io::{self, IsTerminal as _};

use campanile_core::{
    conn::OpeningError,
    hub,
    server::{Counters, Fact},
};
use tracing::{Level, debug, error, info, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

/// How many lines may wait for whoever reads the log; more are dropped. A few seconds of a busy
/// server, and a few megabytes.
const WAITING_LINES: usize = 16_384;

/// Starts logging at `level` and above; when the guard is dropped, what waits is written.
///
/// A thread of its own writes the lines, so that a log which is read slowly, not at all, or from a
/// full disk is the only thing to suffer.
pub(crate) fn init(level: Level) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .finish(io::stderr());
    tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_max_level(level)
        .log_internal_errors(false)
        .init();
    guard
}

/// Logs what has happened altogether.
pub(crate) fn sum_up(counters: &Counters) {
    let mut all = String::new();
    for (name, number) in counters.iter().filter(|(_, number)| *number > 0) {
        all.push_str(&format!(" {name}={number}"));
    }
    info!(
        "ended:{}",
        if all.is_empty() { " nobody came" } else { &all }
    );
}

/// Logs what happened. Of a message, only its package and page and the name of a member at fault
/// are logged; never values or tokens.
pub(crate) fn record(fact: &Fact<'_>) {
    match fact {
        Fact::Session(fact) => record_session(fact),
        Fact::TurnedAway { peer, reason } => warn!(%peer, %reason, "connection declined"),
        Fact::AcceptFailed { error } => error!(%error, "cannot accept connections"),
        Fact::Draining => info!("shutting down"),
        _ => {}
    }
}

fn record_session(fact: &hub::Fact<'_>) {
    use hub::Fact;
    match fact {
        Fact::Connected {
            connection,
            peer,
            version,
        } => info!(connection, %peer, %version, "connected"),
        Fact::HandshakeFailed {
            peer,
            error: OpeningError::BadRequest(bad),
        } => warn!(
            %peer,
            status = bad.status(),
            reason = first_sentence(&bad.to_string()),
            "handshake refused"
        ),
        Fact::HandshakeFailed { peer, error } => {
            debug!(%peer, reason = %error, "handshake failed");
        }
        // What was published has a line of its own.
        Fact::Requested {
            connection,
            peer,
            request,
            status: status @ ..400,
        } => debug!(connection, %peer, ?request, status, "request"),
        Fact::Requested {
            connection,
            peer,
            request,
            status,
        } => warn!(connection, %peer, ?request, status, "request refused"),
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
            package = ?notification.package(),
            page = ?notification.page(),
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
        Fact::SlowConsumer { connection } => warn!(connection, "slow consumer"),
        Fact::Dropped {
            connection,
            notifications,
        } => warn!(
            connection,
            notifications, "slow consumer, dropped the oldest"
        ),
        Fact::Disconnected { connection, cause } => info!(
            connection,
            code = cause.code(),
            cause = cause.to_string(),
            "disconnected"
        ),
        _ => {}
    }
}

/// The rest of a refusal is advice, which the peer was given and the log has no room for.
fn first_sentence(text: &str) -> &str {
    text.split_inclusive(". ").next().unwrap_or(text).trim_end()
}
