//! What has happened so far, in numbers.

use core::sync::atomic::{AtomicU64, Ordering};

use super::Fact;
use crate::{conn::OpeningError, hub, notify::ErrorCode};

/// Counts [facts](Fact), those of all threads together: an addition or two each, and no lock.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    notifications: AtomicU64,
    deliveries: AtomicU64,
    http_requests: AtomicU64,
    http_errors: AtomicU64,
    declined: AtomicU64,
    handshakes_refused: AtomicU64,
    handshakes_too_slow: AtomicU64,
    rate_limited: AtomicU64,
    forbidden: AtomicU64,
    too_many_subscriptions: AtomicU64,
    invalid_messages: AtomicU64,
    protocol_violations: AtomicU64,
    slow_consumers: AtomicU64,
    dropped: AtomicU64,
    accept_failures: AtomicU64,
}

impl Counters {
    /// Counts what has happened.
    pub fn count(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Session(fact) => self.count_session(fact),
            Fact::TurnedAway { .. } => add(&self.declined, 1),
            Fact::AcceptFailed { .. } => add(&self.accept_failures, 1),
            Fact::Draining => {}
        }
    }

    /// The numbers, each with its name: of connections, notifications and deliveries, and of what was
    /// refused or cut off, by the limit or rule.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let numbers = [
            ("connections", &self.connections),
            ("notifications", &self.notifications),
            ("deliveries", &self.deliveries),
            ("http_requests", &self.http_requests),
            ("http_errors", &self.http_errors),
            ("declined", &self.declined),
            ("handshakes_refused", &self.handshakes_refused),
            ("handshakes_too_slow", &self.handshakes_too_slow),
            ("rate_limited", &self.rate_limited),
            ("forbidden", &self.forbidden),
            ("too_many_subscriptions", &self.too_many_subscriptions),
            ("invalid_messages", &self.invalid_messages),
            ("protocol_violations", &self.protocol_violations),
            ("slow_consumers", &self.slow_consumers),
            ("dropped", &self.dropped),
            ("accept_failures", &self.accept_failures),
        ];
        numbers
            .into_iter()
            .map(|(name, number)| (name, number.load(Ordering::Relaxed)))
    }

    fn count_session(&self, fact: &hub::Fact<'_>) {
        match fact {
            hub::Fact::Connected { .. } => add(&self.connections, 1),
            hub::Fact::HandshakeFailed { error, .. } => match error {
                OpeningError::BadRequest(_) => add(&self.handshakes_refused, 1),
                OpeningError::TimedOut => add(&self.handshakes_too_slow, 1),
                OpeningError::Declined(_) | OpeningError::Lost => {}
            },
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
            hub::Fact::Violated { .. } => add(&self.protocol_violations, 1),
            hub::Fact::SlowConsumer { .. } => add(&self.slow_consumers, 1),
            hub::Fact::Dropped { notifications, .. } => add(&self.dropped, *notifications as u64),
            hub::Fact::Subscribed { .. } | hub::Fact::Disconnected { .. } => {}
        }
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
