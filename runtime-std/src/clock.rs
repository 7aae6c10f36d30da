//! The only place in this crate that reads a clock.

use core::time::Duration;
use std::time;

use campanile_core::Instant;

/// Turns the system's monotonic clock into the core's instants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: time::Instant,
}

impl Clock {
    /// A clock that shows [`Instant::ZERO`] now.
    pub(crate) fn start() -> Self {
        Self {
            origin: time::Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        let micros = self.origin.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// How long it is until `at`; zero if that has passed.
    pub(crate) fn until(&self, at: Instant) -> Duration {
        at.since(self.now())
    }
}
