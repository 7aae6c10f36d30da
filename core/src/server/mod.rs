//! What a notification server is beside its hub and its sockets, the same on every runtime: how it is to
//! serve, what happens in it, and in numbers (feature `alloc`).

#[cfg(target_has_atomic = "64")]
mod counters;
mod driver;
#[cfg(target_has_atomic = "64")]
mod meter;

#[cfg(target_has_atomic = "64")]
pub use counters::Counters;
pub use driver::{Driver, Interest, Progress, Transport};
#[cfg(target_has_atomic = "64")]
pub use meter::{Latencies, Meter, Readings};

use core::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    Instant,
    hub::{self, AdmissionLimits, TurnedAway},
};

/// Who may publish (the protocol, section 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Publishers {
    /// Connections from a loopback address: the REST API beside the server.
    #[default]
    Loopback,
}

impl Publishers {
    /// Whether a connection from `address` may publish.
    #[must_use]
    pub const fn allow(self, address: IpAddr) -> bool {
        match self {
            // An IPv4 peer of a dual-stack listener has a mapped address.
            Self::Loopback => address.to_canonical().is_loopback(),
        }
    }
}

impl fmt::Display for Publishers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback addresses only",
        })
    }
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits and times of the sessions.
    pub hub: hub::Options,
    /// Limits on connections, in all hubs together.
    pub admission: AdmissionLimits,
    /// Who may publish.
    pub publishers: Publishers,
    /// How many threads there are with a hub each, where the runtime gives each thread its share of the
    /// connections; 0 means one for each processor that the process may use. A runtime with one hub
    /// takes no notice.
    pub shards: usize,
    /// The time over which the connections are closed when the server ends, so that their clients do
    /// not come back all at once; [`Options::DRAIN_WINDOW`] by default. A thousand a second are closed
    /// in any case.
    pub drain_window: Duration,
    /// How long after that the last connections have to take what waits for them and to say goodbye;
    /// [`Options::DRAIN_GRACE`] by default.
    pub drain_grace: Duration,
}

impl Options {
    /// A load balancer has noticed by then, and an operator waits that long.
    pub const DRAIN_WINDOW: Duration = Duration::from_secs(10);
    /// As long as a peer has for its part in a closing handshake.
    pub const DRAIN_GRACE: Duration = Duration::from_secs(5);

    /// The time over which so many `sessions` are closed: few need none to be closed in turns.
    #[must_use]
    pub fn drain_time(&self, sessions: usize) -> Duration {
        self.drain_window
            .min(Duration::from_millis(sessions as u64))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hub: hub::Options::default(),
            admission: AdmissionLimits::default(),
            publishers: Publishers::default(),
            shards: 0,
            drain_window: Self::DRAIN_WINDOW,
            drain_grace: Self::DRAIN_GRACE,
        }
    }
}

/// Something that happened, for logs and counters.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// In a session.
    Session(&'a hub::Fact<'a>),
    /// A connection was declined.
    TurnedAway {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        reason: TurnedAway,
    },
    /// No connection can be accepted for the moment.
    AcceptFailed {
        /// What the system says.
        error: &'a dyn Error,
    },
    /// No more connections are accepted, and those that there are will be closed.
    Draining,
}

/// How a server bears it that it cannot accept connections: it rests, and says so now and then.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptFailures {
    said: Option<Instant>,
}

impl AcceptFailures {
    /// How long accepting rests after a failure. The usual one is that the process is out of file
    /// descriptors, which passes when connections end; trying at once would spin.
    pub const REST: Duration = Duration::from_millis(100);

    /// How long after saying so a further failure to accept is not worth a line.
    pub const SILENCE: Duration = Duration::from_secs(10);

    /// Accepting failed at `now`; whether that is to be said.
    pub fn is_news(&mut self, now: Instant) -> bool {
        let is_news = self.said.is_none_or(|at| now.since(at) >= Self::SILENCE);
        if is_news {
            self.said = Some(now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_to_accept_are_said_now_and_then() {
        let mut failures = AcceptFailures::default();
        let said: std::vec::Vec<u64> = (0..250_u64)
            .filter(|tenths| failures.is_news(Instant::from_micros(tenths * 100_000)))
            .collect();
        assert_eq!(said, [0, 100, 200]);
    }

    #[test]
    fn few_connections_are_closed_in_less_time_than_many() {
        let options = Options::default();
        assert_eq!(options.drain_time(0), Duration::ZERO);
        assert_eq!(options.drain_time(10), Duration::from_millis(10));
        assert_eq!(options.drain_time(1_000_000), Options::DRAIN_WINDOW);
    }

    #[test]
    fn loopback_addresses_may_publish_however_they_are_written() {
        let loopback = ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"];
        for address in loopback.map(|text| text.parse().unwrap()) {
            assert!(Publishers::Loopback.allow(address), "{address}");
        }
        let others = [
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "2001:db8::1",
            "0.0.0.0",
            "::",
        ];
        for address in others.map(|text| text.parse().unwrap()) {
            assert!(!Publishers::Loopback.allow(address), "{address}");
        }
    }
}
