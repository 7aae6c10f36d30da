//! The notification server.
//!
//! [`serve`] accepts connections and drives them, in one or several *shards*: threads that share
//! nothing, each with a hub of its own for its connections. A shard reads what has arrived, gives it
//! to the hub, and at the end of the turn writes what has become due, everything for a connection at
//! once. Only what the kernel refuses waits for a socket to become writable. Publications go through
//! all shards, in one order.

mod accept;
mod counters;
mod exchange;
mod poller;
mod shard;

use core::{fmt, net::IpAddr, time::Duration};
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, atomic::AtomicUsize},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use campanile_core::hub::{self, Admission, AdmissionLimits, Sequence, TurnedAway};
use smol::{LocalExecutor, future};

pub use counters::Counters;

use accept::Acceptor;
use exchange::{Exchange, Letter};
use poller::Listener;
use shard::{Common, Shard, random_key};

use crate::clock::Clock;

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
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Limits and times of the sessions.
    pub hub: hub::Options,
    /// Limits on connections, in all shards together.
    pub admission: AdmissionLimits,
    /// Who may publish.
    pub publishers: Publishers,
    /// How many shards there are; 0 means one for each processor that the process may use.
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
        /// Why.
        error: &'a io::Error,
    },
    /// No more connections are accepted, and those that there are will be closed.
    Draining,
}

/// Serves on `listener`, in this thread and in others for further shards, and tells `observer` what
/// happens. When `stop` is done, it accepts no more connections, closes those that there are, and
/// returns.
///
/// # Errors
/// The system refuses a thread, or a place in its readiness queue.
pub fn serve(
    listener: TcpListener,
    options: Options,
    observer: impl Fn(&Fact<'_>) + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let shards = match options.shards {
        0 => thread::available_parallelism().map_or(1, usize::from),
        shards => shards,
    };
    let sequence = Sequence::new(milliseconds());
    let (exchange, letters) = Exchange::new(sequence, shards);
    let admission = Admission::new(options.admission, random_key());
    let common = Common {
        options,
        observer: Arc::new(observer),
        clock: Clock::start(),
        exchange: Arc::new(exchange),
        sequence,
        admission: Arc::new(Mutex::new(admission)),
        turned_away: Arc::new(AtomicUsize::new(0)),
    };
    let mut shards = Vec::new();
    for (number, letters) in letters.into_iter().enumerate() {
        shards.push(Shard::new(number, common.clone(), letters)?);
    }
    thread::scope(|threads| {
        let mut shards = shards.into_iter();
        let first = shards.next();
        for (number, mut shard) in (1..).zip(shards) {
            let name = format!("shard-{number}");
            thread::Builder::new()
                .name(name)
                .spawn_scoped(threads, move || run(&mut shard))?;
        }
        first.map_or(Ok(()), |mut shard| lead(&mut shard, listener, common, stop))
    })
}

/// Runs a shard that does nothing else.
fn run(shard: &mut Shard) -> io::Result<()> {
    smol::block_on(shard.run())
}

/// Runs the shard of this thread, and what all shards need.
fn lead(
    shard: &mut Shard,
    listener: TcpListener,
    common: Common,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let acceptor = Acceptor {
        listener: Listener::new(listener)?,
        exchange: Arc::clone(&common.exchange),
        admission: Arc::clone(&common.admission),
        turned_away: Arc::clone(&common.turned_away),
        observer: Arc::clone(&common.observer),
        clock: common.clock,
    };
    let executor = LocalExecutor::new();
    let accepting = executor.spawn(acceptor.run());
    let stopping = async {
        stop.await;
        (common.observer)(&Fact::Draining);
        accepting.cancel().await;
        for shard in 0..common.exchange.shards() {
            let window = common.options.drain_window;
            common.exchange.post(shard, Letter::Drain(window));
        }
        future::pending().await
    };
    smol::block_on(executor.run(future::or(shard.run(), stopping)))
}

/// Milliseconds since 1970; anything where the clock is before that.
fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
