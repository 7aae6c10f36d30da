//! The connections of one thread, and the hub they share.

use core::{
    cell::{Cell, RefCell},
    hash::{BuildHasher as _, Hasher as _},
};
use std::{
    hash::RandomState,
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::Arc,
};

use campanile_core::{
    Instant,
    conn::{BUFFER, CloseCause, Input, Message, Violation},
    hub::{Frame, HashKey, Hub, Line, Response, Rights, SessionId, Unsent, last_words},
    notify::{ErrorCode, MAX_REPLY_LEN, Notification, Refusal, Reply},
};
use smol::{Async, LocalExecutor};

use crate::clock::Clock;

use super::{Fact, Options, peer::Peer};

pub(super) struct Shard {
    pub(super) executor: Rc<LocalExecutor<'static>>,
    /// What is read goes here first, whoever it comes from.
    pub(super) scratch: RefCell<Vec<u8>>,
    options: Options,
    observer: Box<dyn Fn(&Fact<'_>)>,
    clock: Clock,
    hub: RefCell<Hub>,
    /// By [`SessionId::index`].
    peers: RefCell<Vec<Option<Rc<Peer>>>>,
    /// The peers with something to be written at the end of the turn.
    dirty: RefCell<Vec<Rc<Peer>>>,
    connections: Cell<u64>,
}

impl Shard {
    pub(super) fn new(
        options: Options,
        observer: impl Fn(&Fact<'_>) + 'static,
        executor: Rc<LocalExecutor<'static>>,
    ) -> Self {
        Self {
            executor,
            scratch: RefCell::new(vec![0; BUFFER]),
            options,
            observer: Box::new(observer),
            clock: Clock::start(),
            hub: RefCell::new(Hub::new(options.message, options.index, random_key())),
            peers: RefCell::default(),
            dirty: RefCell::default(),
            connections: Cell::new(0),
        }
    }

    pub(super) fn observe(&self, fact: &Fact<'_>) {
        (self.observer)(fact);
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Takes in a connection whose opening handshake is done.
    pub(super) fn join(
        &self,
        socket: Arc<Async<TcpStream>>,
        address: SocketAddr,
    ) -> Option<Rc<Peer>> {
        let rights = Rights {
            publish: self.options.publishers.allow(address.ip()),
        };
        let session = self.hub.borrow_mut().open(rights)?;
        let number = self.connections.get().saturating_add(1);
        self.connections.set(number);
        let line = Line::new(&self.options.connection, self.options.outbox, self.now());
        let peer = Rc::new(Peer::new(number, session, socket, line));

        let mut peers = self.peers.borrow_mut();
        if peers.len() <= session.index() {
            peers.resize(session.index().saturating_add(1), None);
        }
        if let Some(slot) = peers.get_mut(session.index()) {
            *slot = Some(Rc::clone(&peer));
        }
        drop(peers);

        self.observe(&Fact::Connected {
            connection: number,
            peer: address,
        });
        Some(peer)
    }

    /// Forgets a connection that is over.
    pub(super) fn leave(&self, peer: &Peer) {
        self.hub.borrow_mut().close(peer.session);
        if let Some(slot) = self.peers.borrow_mut().get_mut(peer.session.index()) {
            *slot = None;
        }
        self.observe(&Fact::Disconnected {
            connection: peer.number,
            cause: peer.line.borrow().closed_by().unwrap_or(CloseCause::Eof),
        });
    }

    /// Does what a message of `peer` asks for.
    pub(super) fn message(&self, peer: &Rc<Peer>, message: &Message<'_>) {
        let connection = peer.number;
        let response = self.hub.borrow_mut().receive(peer.session, message);
        match &response {
            Response::Pong => self.reply(peer, &Reply::Pong),
            Response::Subscribed { subscriptions } => self.observe(&Fact::Subscribed {
                connection,
                subscriptions: *subscriptions,
            }),
            Response::Published(notification) => {
                let recipients = self.publish(notification, message.bytes);
                self.observe(&Fact::Published {
                    connection,
                    notification,
                    bytes: message.bytes.len(),
                    recipients,
                });
            }
            Response::Nothing | Response::Forbidden | Response::Refused(_) | Response::Binary => {}
        }
        if let Some(refusal) = response.refusal() {
            self.refuse(peer, &refusal);
        }
        if let Some(ending) = response.ending()
            && peer.line.borrow_mut().close(ending, self.now())
        {
            self.mark_dirty(peer);
        }
    }

    /// Tells a peer that broke the protocol what the matter is, where there is a message for it.
    pub(super) fn violation(&self, peer: &Rc<Peer>, violation: Violation) {
        self.observe(&Fact::Violated {
            connection: peer.number,
            violation,
        });
        if let Some(refusal) = last_words(violation) {
            self.reply(peer, &Reply::Error(&refusal));
        }
    }

    /// Queues what the connection of `peer` owes of its own.
    pub(super) fn transmit(&self, peer: &Rc<Peer>, input: &mut Input<'_>) {
        self.make_room(peer);
        let queued = peer.line.borrow_mut().transmit(input);
        match queued {
            Ok(false) => {}
            Ok(true) => self.mark_dirty(peer),
            Err(_) => self.give_up(peer),
        }
    }

    /// The end of a turn: writes all outboxes that were added to.
    pub(super) fn flush(&self) {
        let mut dirty = self.dirty.take();
        for peer in dirty.drain(..) {
            peer.flush(&self.executor);
        }
        // Nothing was added meanwhile, and the list's memory is good for the next turn.
        self.dirty.replace(dirty);
    }

    /// Pings who is due, gives up who is overdue.
    pub(super) fn handle_timeouts(&self) {
        let now = self.now();
        for peer in self.peers.borrow().iter().flatten() {
            if peer.line.borrow_mut().handle_timeout(now) {
                self.transmit(peer, &mut Input::default());
            }
        }
        self.flush();
    }

    /// Queues a publisher's message for everybody who wants it; how many that are.
    fn publish(&self, notification: &Notification<'_>, message: &[u8]) -> usize {
        let frame = Frame::text(message);
        let mut hub = self.hub.borrow_mut();
        let mut recipients = 0;
        for session in hub.recipients(notification) {
            if let Some(peer) = self.peer(session) {
                recipients += usize::from(self.send(&peer, frame.clone()));
            }
        }
        recipients
    }

    fn peer(&self, session: SessionId) -> Option<Rc<Peer>> {
        self.peers.borrow().get(session.index())?.clone()
    }

    fn refuse(&self, peer: &Rc<Peer>, refusal: &Refusal) {
        self.observe(&Fact::Refused {
            connection: peer.number,
            refusal,
        });
        self.reply(peer, &Reply::Error(refusal));
    }

    fn reply(&self, peer: &Rc<Peer>, reply: &Reply<'_>) {
        self.send(peer, reply_frame(reply));
    }

    /// Queues a frame; a peer that does not take what waits already is closed instead.
    fn send(&self, peer: &Rc<Peer>, frame: Frame) -> bool {
        self.make_room(peer);
        let sent = peer.line.borrow_mut().send(frame);
        match sent {
            Ok(()) => self.mark_dirty(peer),
            Err(Unsent::Closing) => {}
            Err(Unsent::Full) => self.give_up(peer),
        }
        sent.is_ok()
    }

    fn give_up(&self, peer: &Rc<Peer>) {
        self.observe(&Fact::SlowConsumer {
            connection: peer.number,
        });
        let refusal = Refusal::new(ErrorCode::SlowConsumer);
        let last_word = reply_frame(&Reply::Error(&refusal));
        peer.line.borrow_mut().give_up(last_word, self.now());
        self.mark_dirty(peer);
    }

    /// Nobody is slow who was not offered what waits: it is written before the end of the turn
    /// where one read makes much due.
    fn make_room(&self, peer: &Rc<Peer>) {
        if peer.line.borrow().is_filling() {
            peer.flush(&self.executor);
        }
    }

    fn mark_dirty(&self, peer: &Rc<Peer>) {
        if peer.mark_dirty() {
            self.dirty.borrow_mut().push(Rc::clone(peer));
        }
    }
}

/// What the standard library's own tables are keyed with, which comes from the system.
fn random_key() -> HashKey {
    HashKey([0; 2].map(|_: u64| RandomState::new().build_hasher().finish()))
}

fn reply_frame(reply: &Reply<'_>) -> Frame {
    let mut out = [0; MAX_REPLY_LEN];
    // The buffer fits every reply.
    Frame::text(reply.encode(&mut out).unwrap_or_default())
}
