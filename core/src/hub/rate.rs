//! How fast a session may speak.

use core::time::Duration;

use crate::Instant;

/// A rate with a burst: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many in [`period`](Self::period), in the long run; 0 means no bound, whatever the burst.
    pub count: u32,
    /// The time in which they may come.
    pub period: Duration,
    /// How many at once, on top of the rate.
    pub burst: u32,
}

impl Rate {
    /// No bound.
    pub const UNLIMITED: Self = Self {
        count: 0,
        period: Duration::from_secs(1),
        burst: 0,
    };

    /// 100 a minute and 100 at once: what the system that this one replaces allowed a client. Someone
    /// who goes from screen to screen subscribes anew each time, and says `ping` twice a minute.
    pub const MESSAGES: Self = Self {
        count: 100,
        period: Duration::from_secs(60),
        burst: 100,
    };

    /// As many a second as `count` says, and as many at once.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self {
            count,
            period: Duration::from_secs(1),
            burst: count,
        }
    }

    /// The time that one takes up, and that may be taken up in advance, in microseconds.
    fn budget(&self) -> Option<(u64, u64)> {
        let period = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        // Faster than one in a microsecond is no bound worth the name.
        let each = period.checked_div(u64::from(self.count))?.max(1);
        Some((each, each.saturating_mul(u64::from(self.burst))))
    }
}

/// What a session has used of its [`Rate`]: the moment at which, at that rate, all of it would have
/// been due (the generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    due: Instant,
}

/// What comes of one message more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is within the rate.
    Within,
    /// It is over the rate.
    Over,
    /// It is over the rate, like a whole burst before it.
    Abuse,
}

impl Bucket {
    /// Counts one message at `now`. Those over the rate count too, so that who does not heed the
    /// refusals gets ever more of them, and after as many as a burst is an abuser.
    pub(super) fn count(&mut self, rate: &Rate, now: Instant) -> Flow {
        let Some((each, burst)) = rate.budget() else {
            return Flow::Within;
        };
        let due = self.due.max(now);
        let ahead = due.micros_since(now);
        if ahead > burst.saturating_mul(2) {
            return Flow::Abuse;
        }
        self.due = due.after_micros(each);
        if ahead > burst {
            Flow::Over
        } else {
            Flow::Within
        }
    }

    /// In how many seconds, at least one, another message will be within the rate.
    pub(super) fn wait(&self, rate: &Rate, now: Instant) -> u64 {
        let ahead = self.due.micros_since(now);
        let burst = rate.budget().map_or(u64::MAX, |(_, burst)| burst);
        ahead.saturating_sub(burst).div_ceil(1_000_000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate {
        count: 10,
        period: Duration::from_secs(1),
        burst: 5,
    };

    #[test]
    fn a_burst_is_heard_then_refused_and_then_abuse() {
        let mut bucket = Bucket::default();
        let now = Instant::from_millis(1_000);
        let mut flows = [Flow::Abuse; 14];
        for flow in &mut flows {
            *flow = bucket.count(&RATE, now);
        }
        assert_eq!(flows[..6], [Flow::Within; 6]);
        assert_eq!(flows[6..11], [Flow::Over; 5]);
        assert_eq!(flows[11..], [Flow::Abuse; 3]);
    }

    #[test]
    fn without_a_count_there_is_no_bound() {
        let mut bucket = Bucket::default();
        for _ in 0..10_000 {
            assert_eq!(bucket.count(&Rate::UNLIMITED, Instant::ZERO), Flow::Within);
        }
    }

    proptest! {
        #[test]
        fn who_keeps_to_the_rate_is_always_heard(gaps in prop::collection::vec(100_000_u64..300_000, 1..50)) {
            let mut bucket = Bucket::default();
            let mut now = Instant::ZERO;
            for gap in gaps {
                now = now.after_micros(gap);
                prop_assert_eq!(bucket.count(&RATE, now), Flow::Within);
            }
        }

        #[test]
        fn no_more_is_heard_in_any_span_than_the_rate_and_a_burst(
            gaps in prop::collection::vec(0_u64..200_000, 1..200),
        ) {
            let mut bucket = Bucket::default();
            let mut now = Instant::ZERO;
            let mut heard = std::vec::Vec::new();
            for gap in gaps {
                now = now.after_micros(gap);
                if bucket.count(&RATE, now) == Flow::Within {
                    heard.push(now);
                }
            }
            for (first, from) in heard.iter().enumerate() {
                for (last, until) in heard.iter().enumerate().skip(first) {
                    let span = until.micros_since(*from);
                    let most = 1 + u64::from(RATE.burst) + span / 100_000 + 1;
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }
    }
}
