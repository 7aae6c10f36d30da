//! Accepting connections, for all shards.

use core::time::Duration;
use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

use campanile_core::{Instant, hub::Admission};
use smol::{Timer, future};

use super::{
    Fact,
    exchange::{Exchange, Letter, Newcomer},
    poller::Listener,
    shard::Observer,
};
use crate::clock::Clock;

/// How long accepting rests after a failure. The usual one is that the process is out of file
/// descriptors, which passes when connections end; trying at once would spin.
const REST: Duration = Duration::from_millis(100);

/// How long after saying so a further failure to accept is not worth a line.
const SILENCE: Duration = Duration::from_secs(10);

/// How many are accepted before others get a turn.
const BURST: usize = 64;

/// Most of the declined connections that may be reading why at a time; others are dropped at once.
/// A flood of them must not take the descriptors that the limit was to spare.
const TURNED_AWAY: usize = 64;

pub(super) struct Acceptor {
    pub(super) listener: Listener,
    pub(super) exchange: Arc<Exchange>,
    pub(super) admission: Arc<Mutex<Admission>>,
    pub(super) turned_away: Arc<core::sync::atomic::AtomicUsize>,
    pub(super) observer: Observer,
    pub(super) clock: Clock,
}

impl Acceptor {
    /// Accepts for ever.
    pub(super) async fn run(self) {
        let mut number: u64 = 0;
        let mut said = None::<Instant>;
        loop {
            let mut left = BURST;
            let failed = loop {
                if left == 0 {
                    break None;
                }
                left -= 1;
                match self.listener.accept() {
                    Ok((socket, peer)) => {
                        number = number.saturating_add(1);
                        self.welcome(number, socket, peer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        break self.listener.ready().await.err();
                    }
                    // It was gone before it was accepted (accept(2), "Error handling").
                    Err(error) if is_of_the_peer(&error) => {}
                    Err(error) => break Some(error),
                }
            };
            match failed {
                None => future::yield_now().await,
                Some(error) => {
                    let now = self.clock.now();
                    if said.is_none_or(|at| now.since(at) >= SILENCE) {
                        said = Some(now);
                        (self.observer)(&Fact::AcceptFailed { error: &error });
                    }
                    Timer::after(REST).await;
                }
            }
        }
    }

    fn welcome(&self, number: u64, socket: TcpStream, peer: SocketAddr) {
        use core::sync::atomic::Ordering;
        let entered = {
            let mut admission = self
                .admission
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            admission.enter(peer.ip())
        };
        if let Err(reason) = entered {
            (self.observer)(&Fact::TurnedAway { peer, reason });
            if self.turned_away.load(Ordering::Relaxed) >= TURNED_AWAY {
                return;
            }
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        let newcomer = Newcomer {
            socket,
            peer,
            number,
            turned_away: entered.err(),
        };
        let shards = self.exchange.shards() as u64;
        let shard = number.checked_rem(shards).unwrap_or_default();
        let shard = usize::try_from(shard).unwrap_or_default();
        self.exchange.post(shard, Letter::Connection(newcomer));
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
