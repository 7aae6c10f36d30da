//! Time as an argument: the core never reads a clock.

use core::time::Duration;

/// A moment, in microseconds since an origin of the caller's choice.
///
/// All instants given to one connection must share an origin and must not run
/// backwards; a driver converts from its own monotonic clock. Arithmetic
/// saturates at both ends, so no value can make the core panic.
///
/// ```
/// use campanile_core::Instant;
///
/// let start = std::time::Instant::now();
/// let now = Instant::ZERO.after(start.elapsed());
/// // And back, for a timer: a moment, or how long it is until then.
/// let deadline = now.after(std::time::Duration::from_secs(10));
/// let at = start + deadline.since(Instant::ZERO);
/// let wait = deadline.since(now);
/// assert_eq!(wait, std::time::Duration::from_secs(10));
/// # assert!(at > start);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself.
    pub const ZERO: Self = Self(0);

    /// The latest moment, which never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The moment `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This moment and `span` later; the latest representable moment if that is too far.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// The same in microseconds: where words have 32 bits, a `Duration` costs a division of 64.
    pub(crate) const fn after_micros(self, span: u64) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How many microseconds after `earlier` this moment is; zero if it is not later.
    pub(crate) const fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment less so many microseconds; the origin if that is too far.
    pub(crate) const fn before_micros(self, span: u64) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// This moment less `span`; the origin if that is too far.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// How long after `earlier` this moment is; zero if it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_and_subtracting_agree() {
        let start = Instant::from_millis(5);
        let later = start.after(Duration::from_secs(2));
        assert_eq!(later.as_micros(), 2_005_000);
        assert_eq!(later.since(start), Duration::from_secs(2));
        assert_eq!(later.before(Duration::from_secs(2)), start);
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(
            Instant::from_micros(u64::MAX).after(Duration::MAX),
            Instant::from_micros(u64::MAX)
        );
        assert_eq!(Instant::ZERO.since(Instant::from_millis(1)), Duration::ZERO);
        assert_eq!(Instant::from_millis(u64::MAX).as_micros(), u64::MAX);
    }
}
