//! Limits and times of a connection.

use core::time::Duration;

/// What a connection accepts from its peer, and how long it waits for it.
///
/// The defaults suit a server that the whole world can reach. Times are kept in
/// milliseconds, and none is longer than 49 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The largest message, in bytes of payload over all its fragments; a larger one is
    /// [`MessageTooBig`](super::Violation::MessageTooBig).
    pub max_message: u64,
    /// The largest number of fragments of one message, empty ones included, at least 1; more are
    /// [`TooManyFragments`](super::Violation::TooManyFragments).
    pub max_fragments: u32,
    /// Pings and Pongs that are accepted per second in the long run; more are
    /// [`ControlFlood`](super::Violation::ControlFlood). 0 means no bound, whatever the burst.
    pub control_rate: u16,
    /// Pings and Pongs that are accepted at once, on top of the rate.
    pub control_burst: u16,
    /// How often we send a Ping (section 5.5.2), also to a peer that talks; `None` means never.
    pub ping_interval: Option<Duration>,
    /// How long after a Ping the peer may be silent before the transport is dropped; any byte is a
    /// sign of life.
    pub pong_timeout: Duration,
    /// How long we wait for the peer's Close, and after it for the end of its bytes (section 7.1.1),
    /// each time so long, whatever it sends meanwhile.
    pub close_timeout: Duration,
}

impl Config {
    /// 64 KiB: a notification is small, and a peer must not choose how much memory it costs.
    pub const MAX_MESSAGE: u64 = 64 * 1024;
    /// 256: fragments cost work whatever their size, so their number is bounded too.
    pub const MAX_FRAGMENTS: u32 = 256;
    /// 32 a second: a heartbeat needs less than one, each Ping costs us a write.
    pub const CONTROL_RATE: u16 = 32;
    /// 64: what piles up behind a slow link and arrives at once is no attack.
    pub const CONTROL_BURST: u16 = 64;
    /// 25 s: below the 30 s after which some mobile carriers forget an idle connection.
    pub const PING_INTERVAL: Duration = Duration::from_secs(25);
    /// 10 s: a phone on a bad link answers in a few.
    pub const PONG_TIMEOUT: Duration = Duration::from_secs(10);
    /// 5 s: a peer that is there closes within a round trip.
    pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

    /// The defaults, each of them a named constant.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_message: Self::MAX_MESSAGE,
            max_fragments: Self::MAX_FRAGMENTS,
            control_rate: Self::CONTROL_RATE,
            control_burst: Self::CONTROL_BURST,
            ping_interval: Some(Self::PING_INTERVAL),
            pong_timeout: Self::PONG_TIMEOUT,
            close_timeout: Self::CLOSE_TIMEOUT,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// A configuration as a connection keeps it: 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact {
    pub(super) max_message: u64,
    pub(super) max_fragments: u32,
    /// Zero: no pings.
    ping_interval_ms: u32,
    pong_timeout_ms: u32,
    close_timeout_ms: u32,
    control_rate: u16,
    control_burst: u16,
}

impl Compact {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            max_message: config.max_message,
            max_fragments: config.max_fragments.max(1), // each message is at least one
            ping_interval_ms: config.ping_interval.map_or(0, |span| millis(span).max(1)),
            pong_timeout_ms: millis(config.pong_timeout),
            close_timeout_ms: millis(config.close_timeout),
            control_rate: config.control_rate,
            control_burst: config.control_burst,
        }
    }

    /// In microseconds, like all that follow.
    pub(super) const fn ping_interval(&self) -> Option<u64> {
        match self.ping_interval_ms {
            0 => None,
            ms => Some(micros(ms)),
        }
    }

    pub(super) const fn pong_timeout(&self) -> u64 {
        micros(self.pong_timeout_ms)
    }

    pub(super) const fn close_timeout(&self) -> u64 {
        micros(self.close_timeout_ms)
    }

    /// The time one control frame takes up, and the time that may be taken up in
    /// advance; `None` where nothing bounds them.
    pub(super) const fn control_budget(&self) -> Option<(u64, u64)> {
        let Some(each) = 1_000_000_u32.checked_div(self.control_rate as u32) else {
            return None;
        };
        let each = each as u64;
        Some((each, each.saturating_mul(self.control_burst as u64)))
    }
}

const fn micros(millis: u32) -> u64 {
    (millis as u64).saturating_mul(1000)
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
