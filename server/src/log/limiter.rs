//! A rate for each kind of event, so that nobody fills a disk.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use super::events::Kind;

/// How much may come at once, as the time in which it would be due, in microseconds: whoever reads a
/// log wants to see how something begins.
const BURST: u64 = 10_000_000;

/// Counts events, from any thread, without a lock.
#[derive(Debug)]
pub(super) struct Limiter {
    start: Instant,
    /// Events a second; 0 is no limit.
    rate: AtomicU32,
    buckets: [Bucket; Kind::COUNT],
}

/// What was used of the rate (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Default)]
struct Bucket {
    /// When, at the rate, all of it would have been due, in microseconds since the start.
    due: AtomicU64,
    left_out: AtomicU64,
}

impl Limiter {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            start: Instant::now(),
            rate: AtomicU32::new(rate),
            buckets: core::array::from_fn(|_| Bucket::default()),
        }
    }

    pub(super) fn set_rate(&self, rate: u32) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// Whether one more event of this kind is to be logged now; if not, it counts as left out.
    pub(super) fn admits(&self, kind: Kind) -> bool {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.admits_at(kind, now)
    }

    fn admits_at(&self, kind: Kind, now: u64) -> bool {
        let rate = u64::from(self.rate.load(Ordering::Relaxed));
        let Some(each) = 1_000_000_u64.checked_div(rate) else {
            return true;
        };
        let Some(bucket) = self.buckets.get(kind as usize) else {
            return true;
        };
        let counted = bucket
            .due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
                let due = due.max(now);
                let next = due.saturating_add(each.max(1));
                (next.saturating_sub(now) <= BURST).then_some(next)
            });
        if counted.is_err() {
            bucket.left_out.fetch_add(1, Ordering::Relaxed);
        }
        counted.is_ok()
    }

    /// How many were left out since this was last asked, by the places of their kinds.
    pub(super) fn take_left_out(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.buckets.iter().enumerate().map(|(at, bucket)| {
            let count = bucket.left_out.load(Ordering::Relaxed);
            // Nearly always there is none, and nothing to be written.
            let count = if count > 0 {
                bucket.left_out.swap(0, Ordering::Relaxed)
            } else {
                0
            };
            (at, count)
        });
        counts.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_burst_is_logged_then_the_rate_and_the_rest_is_counted() {
        let limiter = Limiter::new(5);
        let logged = |from: u64, count: u64, step: u64| {
            let events = (0..count).map(|at| limiter.admits_at(Kind::Refused, from + at * step));
            events.filter(|admitted| *admitted).count()
        };
        assert_eq!(logged(0, 1_000, 0), 50);
        assert_eq!(
            limiter.take_left_out().collect::<Vec<_>>(),
            [(Kind::Refused as usize, 950)]
        );
        assert_eq!(limiter.take_left_out().count(), 0);
        // Each kind has a rate of its own.
        assert!(limiter.admits_at(Kind::Connected, 0));
        assert_eq!(logged(1_000, 10 * SECOND / 1_000, 1_000), 50);
        limiter.set_rate(0);
        assert_eq!(logged(0, 1_000, 0), 1_000);
    }

    proptest! {
        #[test]
        fn in_no_span_there_is_more_than_the_rate_and_a_burst(
            rate in 1_u32..1_000,
            gaps in prop::collection::vec(0_u64..100_000, 1..300),
        ) {
            let limiter = Limiter::new(rate);
            let mut now = 0;
            let mut logged = Vec::new();
            for gap in &gaps {
                now += gap;
                if limiter.admits_at(Kind::Refused, now) {
                    logged.push(now);
                }
            }
            let left_out: u64 = limiter.take_left_out().map(|(_, count)| count).sum();
            prop_assert_eq!(logged.len() as u64 + left_out, gaps.len() as u64);
            for (first, from) in logged.iter().enumerate() {
                for (last, until) in logged.iter().enumerate().skip(first) {
                    let each = SECOND / u64::from(rate);
                    let most = (BURST + until - from) / each + 2;
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }
    }
}
