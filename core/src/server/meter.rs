//! What the hubs of a server do and hold, in numbers that other threads may read at any time.

use core::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::hub::{self, Load};

/// Declares each number once: what is read, and where a shard shows it.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// What one or more hubs did since they were started, and what they hold.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Readings {
            $($(#[$doc])* pub $name: u64,)*
            /// How long notifications took from the read that brought them until they were written, as
            /// far as the system took them: each counts once at each hub.
            pub latencies: Latencies,
        }

        /// Where the driver of a hub shows its [`Readings`]. Only that one writes; nothing else is in the
        /// same cache lines.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Meter {
            $($name: AtomicU64,)*
            latencies: [AtomicU64; Latencies::BUCKETS],
            latency_sum: AtomicU64,
        }

        impl Meter {
            /// Shows all but the latencies.
            pub fn show(&self, readings: &Readings) {
                $(self.$name.store(readings.$name, Ordering::Relaxed);)*
            }

            /// What was shown last. Numbers of one turn may be there before others.
            pub fn read(&self) -> Readings {
                let mut counts = [0; Latencies::BUCKETS];
                for (count, shown) in counts.iter_mut().zip(&self.latencies) {
                    *count = shown.load(Ordering::Relaxed);
                }
                Readings {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    latencies: Latencies {
                        counts,
                        micros: self.latency_sum.load(Ordering::Relaxed),
                    },
                }
            }
        }

        impl AddAssign for Readings {
            fn add_assign(&mut self, other: Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
                self.latencies += other.latencies;
            }
        }
    };
}

numbers! {
    /// Connections that there are, those in their opening handshake or on their way out included.
    connections
    /// Connections that were taken in, those to be declined included.
    accepted
    /// Bytes that were read.
    received_bytes
    /// Bytes that the system took.
    sent_bytes
    /// Messages that were received whole, the refused ones included.
    messages
    /// Answers to them.
    answers
    /// Notifications that became due to a connection, once for each.
    deliveries
    /// Connections that have not taken what was due to them.
    behind
    /// How many bytes these have not taken.
    waiting_bytes
    /// Subscriptions; equal ones count each.
    subscriptions
    /// Packages and pages that somebody subscribes to.
    partitions
    /// Sets of constrained keys that have a table of their own.
    shapes
    /// Different tuples of values.
    cohorts
    /// Tuples of all subscribers.
    tuples
    /// Subscriptions of which some constraint is verified one by one.
    left_out
    /// Subscriptions that are verified one by one, since there was no shape left.
    overflowed
    /// Tuples that could not be entered.
    lost_tuples
}

impl Readings {
    /// Takes over what a hub knows.
    pub fn take(&mut self, sessions: usize, load: &Load, index: &hub::Counters) {
        self.connections = sessions as u64;
        self.sent_bytes = load.sent_bytes;
        self.messages = load.messages;
        self.answers = load.answers;
        self.deliveries = load.deliveries;
        self.behind = load.behind as u64;
        self.waiting_bytes = load.waiting_bytes as u64;
        self.subscriptions = index.subscriptions as u64;
        self.partitions = index.partitions as u64;
        self.shapes = index.shapes as u64;
        self.cohorts = index.cohorts as u64;
        self.tuples = index.tuples as u64;
        self.left_out = index.left_out as u64;
        self.overflowed = index.overflowed as u64;
        self.lost_tuples = index.lost;
    }
}

impl Meter {
    /// Shows the latencies.
    pub fn show_latencies(&self, latencies: &Latencies) {
        for (shown, count) in self.latencies.iter().zip(latencies.counts) {
            shown.store(count, Ordering::Relaxed);
        }
        self.latency_sum.store(latencies.micros, Ordering::Relaxed);
    }
}

/// A histogram of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: [u64; Self::BUCKETS],
    micros: u64,
}

impl Latencies {
    /// The upper bound of each bucket but the last, which has none. From what an idle server takes to
    /// what makes people think that it hangs.
    pub const BOUNDS: [Duration; Self::BUCKETS - 1] = [
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_micros(1_000),
        Duration::from_micros(2_500),
        Duration::from_micros(5_000),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(2),
    ];

    /// How many buckets there are.
    pub const BUCKETS: usize = 16;

    /// How many times are in each bucket alone.
    #[must_use]
    pub const fn counts(&self) -> &[u64; Self::BUCKETS] {
        &self.counts
    }

    /// All times together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// Counts `times` times of this length.
    pub fn add(&mut self, length: Duration, times: u64) {
        let bucket = Self::BOUNDS.iter().position(|bound| length <= *bound);
        let bucket = bucket.unwrap_or(Self::BOUNDS.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(times);
        }
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.micros = self.micros.saturating_add(micros.saturating_mul(times));
    }
}

impl AddAssign for Latencies {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.micros = self.micros.saturating_add(other.micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_shown_is_what_is_read_and_each_time_is_within_its_bucket(
            times in prop::collection::vec((0_u64..4_000_000, 1_u64..5), 0..20),
            connections in any::<u32>(),
        ) {
            let mut readings = Readings { connections: connections.into(), ..Readings::default() };
            let mut naive = [0_u64; Latencies::BUCKETS];
            for &(micros, count) in &times {
                readings.latencies.add(Duration::from_micros(micros), count);
                let over = Latencies::BOUNDS.iter().filter(|bound| bound.as_micros() < micros.into());
                naive[over.count()] += count;
            }
            prop_assert_eq!(readings.latencies.counts(), &naive);
            let sum: u64 = times.iter().map(|(micros, count)| micros * count).sum();
            prop_assert_eq!(readings.latencies.sum(), Duration::from_micros(sum));
            let meter = Meter::default();
            meter.show(&readings);
            meter.show_latencies(&readings.latencies);
            prop_assert_eq!(meter.read(), readings);
            let mut twice = readings;
            twice += meter.read();
            prop_assert_eq!(twice.connections, 2 * u64::from(connections));
        }
    }
}
