//! How a client behaves: limits and times.

use core::{num::NonZeroU32, time::Duration};

use crate::conn::Config;

/// Limits and times of a client. Each default is a named constant with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is accepted of the server, and when it counts as dead.
    pub connection: Config,
    /// How long it is until the next attempt to connect.
    pub backoff: Backoff,
    /// How many attempts to connect may fail one after the other; `None` tries for ever.
    pub max_attempts: Option<NonZeroU32>,
    /// How long an attempt may take to look up the name and to connect, and then its opening handshake.
    pub connect_time: Duration,
    /// How long a publication may wait for a connection to be sent on.
    pub publish_time: Duration,
    /// How long the server may take to answer a subscription or a publication; the connection counts
    /// as dead then.
    pub answer_time: Duration,
    /// How many publications may be sent and not answered, at least 1; the others wait.
    pub window: usize,
    /// How many publications may wait to be sent.
    pub max_waiting: usize,
    /// How many bytes of them may wait. One waits always, however long.
    pub max_waiting_bytes: usize,
    /// How many bytes of events may wait to be taken before nothing more is read.
    pub max_unread_bytes: usize,
}

impl Options {
    /// 1 MiB: more than a server of default limits delivers, which puts a position in front of
    /// messages of up to 64 KiB; and so much memory a client has.
    pub const MAX_MESSAGE: u64 = 1024 * 1024;
    /// 10 s: a lost packet is sent three times in that time.
    pub const CONNECT_TIME: Duration = Duration::from_secs(10);
    /// 30 s: a restart of the server takes less, and whoever waits for the outcome has less patience.
    pub const PUBLISH_TIME: Duration = Duration::from_secs(30);
    /// 10 s: a server answers within milliseconds, and a phone's link may stand still for seconds.
    pub const ANSWER_TIME: Duration = Duration::from_secs(10);
    /// 64: enough that a round trip of 10 ms costs nothing at some thousand publications a second.
    pub const WINDOW: usize = 64;
    /// 1024: the bursts of a back end during a restart of the server.
    pub const MAX_WAITING: usize = 1024;
    /// 1 MiB, as of what is received.
    pub const MAX_WAITING_BYTES: usize = 1024 * 1024;
    /// 1 MiB: some thousand notifications.
    pub const MAX_UNREAD_BYTES: usize = 1024 * 1024;

    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connection: Config {
                max_message: Self::MAX_MESSAGE,
                ..Config::new()
            },
            backoff: Backoff::new(),
            max_attempts: None,
            connect_time: Self::CONNECT_TIME,
            publish_time: Self::PUBLISH_TIME,
            answer_time: Self::ANSWER_TIME,
            window: Self::WINDOW,
            max_waiting: Self::MAX_WAITING,
            max_waiting_bytes: Self::MAX_WAITING_BYTES,
            max_unread_bytes: Self::MAX_UNREAD_BYTES,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// Exponential backoff with full jitter: before the nth attempt in a row, a client waits for a random
/// time of up to `base` · 2ⁿ⁻¹, and never more than `cap`. So the clients of a server that comes back
/// do not all come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first delay.
    pub base: Duration,
    /// The bound of all delays.
    pub cap: Duration,
    /// How long a connection must have lasted for the count to begin anew.
    pub stable: Duration,
}

impl Backoff {
    /// 1 s: the clients of a lost connection are back soon, and ten thousand of them are spread.
    pub const BASE: Duration = Duration::from_secs(1);
    /// 30 s: so long a person waits for a screen to come alive again, at the most.
    pub const CAP: Duration = Duration::from_secs(30);
    /// 10 s: a server that takes a connection and closes it at once is not there yet.
    pub const STABLE: Duration = Duration::from_secs(10);
    /// 5 minutes: the longest `Retry-After` that is kept to, as a wrong one must not end a client.
    pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            base: Self::BASE,
            cap: Self::CAP,
            stable: Self::STABLE,
        }
    }

    /// How long to wait after so many `failures` in a row; `random` is any number, each as likely as
    /// the others.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(factor).min(self.cap);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        // The upper half of the product is below `micros` + 1, and each value as likely as the others.
        let choices = u128::from(micros).saturating_add(1);
        let drawn = u128::from(random).saturating_mul(choices) >> u64::BITS;
        Duration::from_micros(u64::try_from(drawn).unwrap_or(u64::MAX))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_is_at_most_its_bound_and_reaches_both_ends(
            base in 0..100_000_u64, cap in 0..10_000_000_u64, failures in 1..80_u32, random: u64,
        ) {
            let backoff = Backoff {
                base: Duration::from_micros(base),
                cap: Duration::from_micros(cap),
                ..Backoff::new()
            };
            // The naive twin: doubled step by step.
            let mut bound = base;
            for _ in 1..failures {
                bound = (bound * 2).min(cap);
            }
            let bound = Duration::from_micros(bound.min(cap));
            prop_assert!(backoff.delay(failures, random) <= bound);
            prop_assert_eq!(backoff.delay(failures, 0), Duration::ZERO);
            prop_assert_eq!(backoff.delay(failures, u64::MAX), bound);
        }

        #[test]
        fn a_larger_draw_is_no_shorter_delay(failures in 0..80_u32, one: u64, other: u64) {
            let backoff = Backoff::new();
            let delays = [one.min(other), one.max(other)].map(|random| backoff.delay(failures, random));
            prop_assert!(delays[0] <= delays[1]);
        }
    }

    #[test]
    fn no_number_of_failures_and_no_duration_is_too_large() {
        let backoff = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
            ..Backoff::new()
        };
        assert_eq!(
            backoff.delay(u32::MAX, u64::MAX),
            Duration::from_micros(u64::MAX)
        );
    }
}
