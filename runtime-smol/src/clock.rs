//! The only place in this crate that reads a clock.

use core::time::Duration;
use std::time;

use campanile_core::Instant;

/// Turns the system's monotonic clock into the core's instants, and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: time::Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        let micros = self.origin.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The same moment on the system's clock; `None` if it is too far to matter.
    pub(crate) fn system_time(&self, at: Instant) -> Option<time::Instant> {
        self.origin
            .checked_add(Duration::from_micros(at.as_micros()))
    }
}
