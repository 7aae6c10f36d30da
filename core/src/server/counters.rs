//! What has happened so far, in numbers.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Fact, TlsFailure};
use crate::{
    conn::{CloseCause, OpeningError, Violation},
    hub::{self, TurnedAway},
    notify::ErrorCode,
};

/// Counts [facts](Fact), those of all threads together: an addition or two each, and no lock.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    notifications: AtomicU64,
    deliveries: AtomicU64,
    http_requests: AtomicU64,
    http_errors: AtomicU64,
    declined_in_all: AtomicU64,
    declined_by_address: AtomicU64,
    handshakes_refused: AtomicU64,
    handshakes_declined: AtomicU64,
    handshakes_too_slow: AtomicU64,
    handshakes_lost: AtomicU64,
    proxy_headers_refused: AtomicU64,
    forwarding_refused: AtomicU64,
    origins_refused: AtomicU64,
    rate_limited: AtomicU64,
    forbidden: AtomicU64,
    too_many_subscriptions: AtomicU64,
    invalid_messages: AtomicU64,
    messages_too_big: AtomicU64,
    other_violations: AtomicU64,
    slow_consumers: AtomicU64,
    dropped: AtomicU64,
    accept_failures: AtomicU64,
    tls_connections: AtomicU64,
    tls_not_spoken: AtomicU64,
    tls_incompatible: AtomicU64,
    tls_certificates: AtomicU64,
    tls_declined: AtomicU64,
    tls_broken: AtomicU64,
    closed_by_server: AtomicU64,
    closed_by_peer: AtomicU64,
    closed_for_violation: AtomicU64,
    gone: AtomicU64,
    silent: AtomicU64,
}

impl Counters {
    /// Counts what has happened.
    pub fn count(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Session(fact) => self.count_session(fact),
            Fact::TurnedAway { reason, .. } => self.count_turned_away(*reason),
            Fact::AcceptFailed { .. } => add(&self.accept_failures, 1),
            Fact::Secured { .. } => add(&self.tls_connections, 1),
            Fact::TlsFailed { failure, .. } => add(
                match failure {
                    TlsFailure::NotTls => &self.tls_not_spoken,
                    TlsFailure::Incompatible => &self.tls_incompatible,
                    TlsFailure::Certificate => &self.tls_certificates,
                    TlsFailure::Declined => &self.tls_declined,
                    TlsFailure::Broken => &self.tls_broken,
                },
                1,
            ),
            Fact::Draining => {}
        }
    }

    /// The numbers, each with its name: of connections, notifications and deliveries, and of what was
    /// refused or cut off, by the limit or rule; and of the ends of connections.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (in_all, by_address) = (get(&self.declined_in_all), get(&self.declined_by_address));
        let (too_big, violations) = (get(&self.messages_too_big), get(&self.other_violations));
        [
            ("connections", get(&self.connections)),
            ("notifications", get(&self.notifications)),
            ("deliveries", get(&self.deliveries)),
            ("http_requests", get(&self.http_requests)),
            ("http_errors", get(&self.http_errors)),
            ("declined", in_all.saturating_add(by_address)),
            ("declined_in_all", in_all),
            ("declined_by_address", by_address),
            ("handshakes_refused", get(&self.handshakes_refused)),
            ("handshakes_declined", get(&self.handshakes_declined)),
            ("handshakes_too_slow", get(&self.handshakes_too_slow)),
            ("handshakes_lost", get(&self.handshakes_lost)),
            ("proxy_headers_refused", get(&self.proxy_headers_refused)),
            ("forwarding_refused", get(&self.forwarding_refused)),
            ("origins_refused", get(&self.origins_refused)),
            ("rate_limited", get(&self.rate_limited)),
            ("forbidden", get(&self.forbidden)),
            ("too_many_subscriptions", get(&self.too_many_subscriptions)),
            ("invalid_messages", get(&self.invalid_messages)),
            ("messages_too_big", too_big),
            ("protocol_violations", too_big.saturating_add(violations)),
            ("slow_consumers", get(&self.slow_consumers)),
            ("dropped", get(&self.dropped)),
            ("accept_failures", get(&self.accept_failures)),
            ("tls_connections", get(&self.tls_connections)),
            ("tls_not_spoken", get(&self.tls_not_spoken)),
            ("tls_incompatible", get(&self.tls_incompatible)),
            ("tls_certificates", get(&self.tls_certificates)),
            ("tls_declined", get(&self.tls_declined)),
            ("tls_broken", get(&self.tls_broken)),
            ("closed_by_server", get(&self.closed_by_server)),
            ("closed_by_peer", get(&self.closed_by_peer)),
            ("closed_for_violation", get(&self.closed_for_violation)),
            ("gone", get(&self.gone)),
            ("silent", get(&self.silent)),
        ]
        .into_iter()
    }

    /// The number of this name, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        let mut all = self.iter();
        all.find_map(|(own, number)| (own == name).then_some(number))
    }

    fn count_turned_away(&self, reason: TurnedAway) {
        match reason {
            TurnedAway::Full => add(&self.declined_in_all, 1),
            TurnedAway::AddressFull => add(&self.declined_by_address, 1),
        }
    }

    fn count_session(&self, fact: &hub::Fact<'_>) {
        match fact {
            hub::Fact::Connected { .. } => add(&self.connections, 1),
            hub::Fact::HandshakeFailed { error, .. } => match error {
                OpeningError::BadRequest(_) => add(&self.handshakes_refused, 1),
                OpeningError::TimedOut => add(&self.handshakes_too_slow, 1),
                OpeningError::Declined(_) => add(&self.handshakes_declined, 1),
                OpeningError::Lost => add(&self.handshakes_lost, 1),
                OpeningError::Proxy(_) => add(&self.proxy_headers_refused, 1),
            },
            hub::Fact::TurnedAway { reason, .. } => self.count_turned_away(*reason),
            hub::Fact::OriginRefused { .. } => add(&self.origins_refused, 1),
            hub::Fact::ForwardingRefused { .. } => add(&self.forwarding_refused, 1),
            hub::Fact::Published { recipients, .. } => {
                add(&self.notifications, 1);
                add(&self.deliveries, *recipients);
            }
            hub::Fact::Requested { status, .. } => {
                add(&self.http_requests, 1);
                add(&self.http_errors, u64::from(*status >= 400));
            }
            hub::Fact::Refused { refusal, .. } => {
                let code = refusal.code();
                let counter = [
                    (ErrorCode::RateLimited, &self.rate_limited),
                    (ErrorCode::Forbidden, &self.forbidden),
                    (
                        ErrorCode::TooManySubscriptions,
                        &self.too_many_subscriptions,
                    ),
                ]
                .into_iter()
                .find(|(own, _)| *own == code)
                .map_or(&self.invalid_messages, |(_, counter)| counter);
                add(counter, 1);
            }
            hub::Fact::Violated { violation, .. } => {
                let is_too_big = *violation == Violation::MessageTooBig;
                let counters = (&self.messages_too_big, &self.other_violations);
                add(if is_too_big { counters.0 } else { counters.1 }, 1);
            }
            hub::Fact::SlowConsumer { .. } => add(&self.slow_consumers, 1),
            hub::Fact::Dropped { notifications, .. } => add(&self.dropped, *notifications as u64),
            hub::Fact::Disconnected { cause, .. } => add(
                match cause {
                    CloseCause::Local(_) => &self.closed_by_server,
                    CloseCause::Peer(_) => &self.closed_by_peer,
                    CloseCause::Violation(_) => &self.closed_for_violation,
                    CloseCause::Overdue => &self.silent,
                    CloseCause::Eof => &self.gone,
                },
                1,
            ),
            hub::Fact::Subscribed { .. } | hub::Fact::UnknownProxy { .. } => {}
        }
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
