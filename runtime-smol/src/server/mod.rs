//! The notification server.
//!
//! [`serve`] accepts connections and drives them. One thread does everything: a task per
//! connection reads and gives the bytes to the core; what a message makes due for others goes
//! into their outboxes, and at the end of the turn each outbox is written to its non-blocking
//! socket at once. Only what the kernel refuses waits for the socket to become writable.

mod fact;
mod peer;
mod session;
mod shard;

pub use fact::Fact;

use core::{fmt, net::IpAddr, time::Duration};
use std::{io, net::TcpListener, rc::Rc};

use campanile_core::{
    Instant,
    conn::Config,
    hub::{IndexLimits, OutboxLimits},
    notify::Limits,
};
use smol::{Async, LocalExecutor, Timer};

use shard::Shard;

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
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Limits and times of each connection.
    pub connection: Config,
    /// Limits of each message's content.
    pub message: Limits,
    /// Limits of the index of subscriptions.
    pub index: IndexLimits,
    /// How much a peer may leave waiting.
    pub outbox: OutboxLimits,
    /// Who may publish.
    pub publishers: Publishers,
}

/// How long accepting rests after a failure. The usual one is that the process is out of file
/// descriptors, which passes when connections end; trying at once would spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How long after saying so a further failure to accept is not worth a line.
const ACCEPT_SILENCE: Duration = Duration::from_secs(10);

/// How often deadlines are looked at. All connections share this one timer; a ping, or the
/// end of a dead peer, may be late by as much.
const TICK: Duration = Duration::from_millis(250);

/// Serves on `listener` for ever, in this thread, and tells `observer` what happens.
///
/// # Errors
/// The listener cannot be registered with the system's readiness queue.
pub fn serve(
    listener: TcpListener,
    options: Options,
    observer: impl Fn(&Fact<'_>) + 'static,
) -> io::Result<()> {
    let executor = Rc::new(LocalExecutor::new());
    let shard = Rc::new(Shard::new(options, observer, Rc::clone(&executor)));
    smol::block_on(executor.run(async {
        let listener = Async::new(listener)?;
        executor.spawn(tick(Rc::clone(&shard))).detach();
        accept(&shard, &listener).await;
        Ok(())
    }))
}

async fn accept(shard: &Rc<Shard>, listener: &Async<TcpListener>) {
    let mut said = None::<Instant>;
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                let session = session::run(Rc::clone(shard), socket, address);
                shard.executor.spawn(session).detach();
            }
            Err(error) => {
                let now = shard.now();
                if said.is_none_or(|at| now.since(at) >= ACCEPT_SILENCE) {
                    said = Some(now);
                    shard.observe(&Fact::AcceptFailed { error: &error });
                }
                Timer::after(ACCEPT_REST).await;
            }
        }
    }
}

async fn tick(shard: Rc<Shard>) {
    loop {
        Timer::after(TICK).await;
        shard.handle_timeouts();
    }
}
