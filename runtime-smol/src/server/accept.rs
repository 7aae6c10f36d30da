//! Accepting connections, for all shards.

use core::cell::Cell;
use std::{
    io,
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use campanile_core::{hub::Admission, server::AcceptFailures};
use smol::{Timer, future};

use super::{
    Fact,
    exchange::{Exchange, Letter, Newcomer},
    poller::Listener,
    secure::Terms,
    shard::Observer,
};
use crate::clock::Clock;

/// How many are accepted before others get a turn.
const BURST: usize = 64;

pub(super) struct Acceptor {
    pub(super) listener: Listener,
    /// What its connections have of TLS, if any.
    pub(super) terms: Option<Terms>,
    /// How many connections there were, at all listeners.
    pub(super) number: Rc<Cell<u64>>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) admission: Arc<Mutex<Admission>>,
    pub(super) observer: Observer,
    pub(super) clock: Clock,
}

impl Acceptor {
    /// Accepts for ever.
    pub(super) async fn run(self) {
        let mut failures = AcceptFailures::default();
        loop {
            let mut left = BURST;
            let failed = loop {
                if left == 0 {
                    break None;
                }
                left -= 1;
                match self.listener.accept() {
                    Ok((socket, peer)) => {
                        let number = self.number.get().saturating_add(1);
                        self.number.set(number);
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
                    if failures.is_news(self.clock.now()) {
                        (self.observer)(&Fact::AcceptFailed { error: &error });
                    }
                    Timer::after(AcceptFailures::REST).await;
                }
            }
        }
    }

    fn welcome(&self, number: u64, socket: TcpStream, peer: SocketAddr) {
        let (entered, is_heard) = {
            let mut admission = self
                .admission
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let entered = admission.enter(peer.ip());
            (entered, entered.is_ok() || admission.decline())
        };
        if let Err(reason) = entered {
            (self.observer)(&Fact::TurnedAway { peer, reason });
        }
        if !is_heard {
            return;
        }
        let newcomer = Newcomer {
            socket,
            peer,
            number,
            entered,
            terms: self.terms.clone(),
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
