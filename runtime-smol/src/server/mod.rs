//! The notification server.
//!
//! [`serve`] accepts connections and drives them, in one or several *shards*: threads that share
//! nothing, each with a hub of its own for its connections. A shard reads what has arrived, gives it
//! to the hub, and at the end of the turn writes what has become due, everything for a connection at
//! once. Only what the kernel refuses waits for a socket to become writable. Publications go through
//! all shards, in one order.
//!
//! With the feature `tls`, connections may be secured by TLS, on listeners of their own: see [`Door`].

mod accept;
mod exchange;
mod poller;
#[cfg(not(feature = "tls"))]
#[path = "plain.rs"]
mod secure;
#[cfg(feature = "tls")]
mod secure;
mod shard;

use core::cell::Cell;
use std::{
    future::Future,
    io,
    net::TcpListener,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use campanile_core::{
    hub::{Admission, Announced, Inspection, Sequence},
    notify::Refusal,
};
use smol::{LocalExecutor, channel, future};

pub use campanile_core::server::{Counters, Fact, Latencies, Options, Publishers, Readings};

use campanile_core::server::Meter;

use accept::Acceptor;
use exchange::{Announcement, Exchange, Letter, Look};
use poller::Listener;
use secure::Terms;
use shard::{Common, Shard, random_key};

use crate::clock::Clock;

/// Changes how a server serves, and tells what it does, meanwhile.
#[derive(Clone, Debug)]
pub struct Control {
    exchange: Arc<Exchange>,
    admission: Arc<Mutex<Admission>>,
    meters: Arc<[Meter]>,
}

impl Control {
    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.meters.len()
    }

    /// What all shards together have done and hold, as of the end of each one's last turn. The shards
    /// do not notice that it is read.
    #[must_use]
    pub fn readings(&self) -> Readings {
        let mut all = Readings::default();
        for meter in &*self.meters {
            all += meter.read();
        }
        all
    }

    /// Is done when every shard has come round to its letters once more, or has ended: while one hangs, it
    /// waits. This costs each shard a letter, which stays in its box while it hangs; so wait for one answer
    /// before asking again.
    pub async fn turn(&self) {
        let (letter, answers) = channel::bounded(1);
        self.exchange.post_to_all(|| Letter::Turn(letter.clone()));
        drop(letter);
        // Nothing is ever sent: the channel ends when the last shard has dropped its letter.
        let _ = answers.recv().await;
    }

    /// From now on `options` are in force, soon in every shard. Connections stay, and the limits on
    /// messages and on what may wait are theirs too ([`Hub::reconfigure`](campanile_core::hub::Hub::reconfigure));
    /// times and the size of messages are those of connections that come later. The number of shards
    /// stays what it is.
    pub fn reconfigure(&self, options: Options) {
        {
            let admission = self.admission.lock();
            let mut admission = admission.unwrap_or_else(PoisonError::into_inner);
            admission.set_limits(options.admission);
            admission.set_policy(Arc::clone(&options.hub.policy));
        }
        let options = Arc::new(options);
        self.exchange
            .post_to_all(|| Letter::Options(Arc::clone(&options)));
    }

    /// Has the shard of this number, from 0, `look` at its hub soon, between two turns: it serves nobody
    /// meanwhile, so whoever looks at many sessions should come back for some at a time. `false`: there
    /// is no such shard, or it has ended. One that ends before it is asked drops `look`.
    pub fn inspect(
        &self,
        shard: usize,
        look: impl FnOnce(Inspection<'_>) + Send + 'static,
    ) -> bool {
        let look = Look(Box::new(look));
        self.exchange.post(shard, Letter::Look(look))
    }

    /// Publishes a publisher's `message` of the server's own, whose [`Fact`] has the connection
    /// [`Hub::OWN`](campanile_core::hub::Hub::OWN), and has `told` told what became of it, in a
    /// shard's thread. `false`: the server has ended. If it ends meanwhile, `told` is dropped.
    pub fn announce(
        &self,
        message: String,
        told: impl FnOnce(Result<Announced, Refusal>) + Send + 'static,
    ) -> bool {
        let told = Box::new(told);
        let announcement = Box::new(Announcement { message, told });
        self.exchange.post(0, Letter::Announce(announcement))
    }
}

/// Where connections come from.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    terms: Option<Terms>,
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        let terms = None;
        Self { listener, terms }
    }
}

#[cfg(feature = "tls")]
impl Door {
    /// One where TLS is spoken. The handshake of TLS is part of the opening handshake, and has to be done
    /// in the time for that.
    #[must_use]
    pub const fn secured(listener: TcpListener, tls: Arc<campanile_tls::Server>) -> Self {
        let terms = Some(tls);
        Self { listener, terms }
    }
}

/// Serves on `listener`, in this thread and in others for further shards, and tells `observer` what
/// happens. `attend` is given the means to change the options meanwhile; when its future is done, the
/// server accepts no more connections, closes those that there are, and returns.
///
/// # Errors
/// The system refuses a thread, or a place in its readiness queue.
pub fn serve<F: Future<Output = ()>>(
    listener: TcpListener,
    options: Options,
    observer: impl Fn(&Fact<'_>) + Send + Sync + 'static,
    attend: impl FnOnce(Control) -> F,
) -> io::Result<()> {
    serve_all(vec![listener.into()], options, observer, attend)
}

/// The same, on several listeners side by side.
///
/// # Errors
/// As [`serve`].
pub fn serve_all<F: Future<Output = ()>>(
    doors: Vec<Door>,
    options: Options,
    observer: impl Fn(&Fact<'_>) + Send + Sync + 'static,
    attend: impl FnOnce(Control) -> F,
) -> io::Result<()> {
    let shards = match options.shards {
        0 => thread::available_parallelism().map_or(1, usize::from),
        shards => shards,
    };
    let sequence = Sequence::new(milliseconds());
    let (exchange, letters) = Exchange::new(sequence, shards);
    let mut admission = Admission::new(options.admission, random_key());
    admission.set_policy(Arc::clone(&options.hub.policy));
    let common = Common {
        options,
        observer: Arc::new(observer),
        clock: Clock::start(),
        exchange: Arc::new(exchange),
        sequence,
        admission: Arc::new(Mutex::new(admission)),
        meters: (0..shards).map(|_| Meter::default()).collect(),
    };
    let stop = attend(Control {
        exchange: Arc::clone(&common.exchange),
        admission: Arc::clone(&common.admission),
        meters: Arc::clone(&common.meters),
    });
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
        first.map_or(Ok(()), |mut shard| lead(&mut shard, doors, common, stop))
    })
}

/// Runs a shard that does nothing else.
fn run(shard: &mut Shard) -> io::Result<()> {
    smol::block_on(shard.run())
}

/// Runs the shard of this thread, and what all shards need.
fn lead(
    shard: &mut Shard,
    doors: Vec<Door>,
    common: Common,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let executor = LocalExecutor::new();
    let number = Rc::new(Cell::new(0));
    let mut accepting = Vec::new();
    for Door { listener, terms } in doors {
        let acceptor = Acceptor {
            listener: Listener::new(listener)?,
            terms,
            number: Rc::clone(&number),
            exchange: Arc::clone(&common.exchange),
            admission: Arc::clone(&common.admission),
            observer: Arc::clone(&common.observer),
            clock: common.clock,
        };
        accepting.push(executor.spawn(acceptor.run()));
    }
    let stopping = async {
        stop.await;
        (common.observer)(&Fact::Draining);
        for acceptor in accepting {
            acceptor.cancel().await;
        }
        common.exchange.post_to_all(|| Letter::Drain);
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
