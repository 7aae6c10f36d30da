//! The hub: who is connected, what each one wants to hear, and who hears what (feature `alloc`).
//!
//! A broker without sockets, clock or threads. [`Hub`] has the driving contract; a server of one
//! thread drives one of them, one of several threads one each, whose publications all go through one
//! [`Sequence`]. Around it: [`Batch`] is what was published, [`Fact`] what happened, for logs and
//! counters, [`Admission`] how many connections there may be, and [`index`] finds who is to hear a
//! notification.
//!
//! ```text
//! bytes ─▶ Session: Connection ─▶ messages ─┬─ subscriptions ─▶ Index ──────────┐ who
//!                                           └─ publications ──▶ Batch           ▼
//!                                                                 │ Sequence ─▶ Placed ─▶ Turn
//!                                            every other hub ◀────┴─────────────┘          │
//! bytes ◀───────────────────────── Outbox ◀── what the transport did not take ◀── chunks ◀─┘
//! ```

mod admission;
mod announce;
mod authority;
mod batch;
#[cfg(feature = "deflate")]
mod compression;
mod deliver;
mod ending;
mod fact;
mod form;
mod guests;
mod hear;
mod http;
pub mod index;
mod inspect;
mod introduce;
mod load;
mod opening;
mod options;
mod outbox;
mod rate;
mod session;
#[cfg(test)]
mod tests;
mod times;
mod transmit;
mod turn;
mod visitor;

pub use admission::{Admission, AdmissionLimits, Place, TurnedAway};
pub use announce::Announced;
pub use authority::{Admitted, Authority, MAX_TOKEN};
pub use batch::{Batch, Placed, Sequence};
pub use fact::Fact;
pub use index::{Counters, HashKey, Index, IndexLimits, TooMuchToVerify};
pub use inspect::{Inspected, Inspection, Standing};
pub use load::Load;
pub use options::Options;
pub use outbox::{OutboxLimits, SlowPolicy};
pub use rate::Rate;
pub use visitor::{Gate, Origins, Passage, Policy, Proxies};

use alloc::{
    boxed::Box,
    collections::{BinaryHeap, VecDeque},
    vec::Vec,
};
use core::{cmp::Reverse, fmt, mem, net::SocketAddr};

use crate::{
    Instant,
    conn::{CloseCause, OpeningError},
    handshake::Refusal,
    notify::Position,
};
#[cfg(feature = "deflate")]
use compression::Compression;
use deliver::Later;
use ending::Ending;
use form::Form;
use guests::Guests;
use rate::Bucket;
use session::{Address, Doorway, Session, Stage};
use times::Drain;
use turn::{Due, Turn};

/// Names a session of one hub; never reused while the hub lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    index: u32,
    generation: u64,
}

impl SessionId {
    /// A small number that no other session of the hub has at the same time: fit to index a table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whether it may publish (the protocol, section 7).
    pub publish: bool,
}

/// What a session speaks (the protocol, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// No subprotocol: acknowledges nothing, and a publisher is closed when it was heard.
    Classic,
    /// [`V1`](Self::SUBPROTOCOL): acknowledgements and positions.
    V1,
}

impl Version {
    /// What a client offers in `Sec-WebSocket-Protocol` for [`V1`](Self::V1).
    pub const SUBPROTOCOL: &'static str = "campanile.v1";
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::V1 => "v1",
        })
    }
}

/// The broker: sessions, their subscriptions, and what is due to them.
///
/// # The contract
///
/// 1. **In.** [`accept`](Self::accept) a session for each transport, and give it the bytes that
///    arrive: [`receive`](Self::receive), with what it [left over](Self::take_unfinished) in front,
///    [`receive_eof`](Self::receive_eof) at their end. The opening handshake is part of it, and so is
///    HTTP (the protocol, section 8). Do not read on from a transport whose session
///    [is behind](Self::is_behind).
/// 2. **Publications** wait in a [`Batch`]. When [`receive`](Self::receive) took less than it was given,
///    and at the end of each turn, [`hand_out`](Self::hand_out) what there is; or, with other hubs
///    beside this one, [`poll_batch`](Self::poll_batch), [`place`](Sequence::place) it, have every
///    hub [`deliver`](Self::deliver) it, in the order of the places, and this one
///    [`settle`](Self::settle) it with what all of them heard.
/// 3. **Out.** At the end of each turn, and whenever [`is_filling`](Self::is_filling), call
///    [`poll_transmit`](Self::poll_transmit) until it answers `None`, and
///    [`poll_filling`](Self::poll_filling) likewise after each step: those that much is due to should
///    not wait for the end. For each session that they name, write its [`chunks`](Self::chunks) as far as the transport takes them without waiting, and
///    report what it [took](Self::sent). If [`take_shutdown`](Self::take_shutdown), shut the writing
///    direction down; if [`is_over`](Self::is_over), drop the transport and [`leave`](Self::leave).
///    What was not taken waits in the session's outbox until the transport is
///    [writable](Self::writable), and what is more than the [`OutboxLimits`] has its consequences.
/// 4. **Time.** Call [`handle_timeouts`](Self::handle_timeouts) at or after
///    [`poll_timeout`](Self::poll_timeout); late is allowed.
///
/// A subscription is met by all publications that are placed after it, and by none before. `W` hears
/// of each [`Fact`] when it happens.
pub struct Hub<W> {
    options: Options,
    watch: W,
    /// What the sessions subscribe to, by the indices of their slots.
    index: Index,
    slots: Vec<Slot>,
    /// The same slots: what a delivery has to touch.
    receivers: Vec<Receiver>,
    /// The same slots: no deadline of the session is before this.
    deadlines: Vec<Instant>,
    /// Slots without a session, perhaps some that are taken or gone again. The lowest is used first,
    /// since the tables take memory for all below the highest.
    free: BinaryHeap<Reverse<u32>>,
    open: usize,
    /// How many sessions are v1 and subscribe to anything.
    v1_hearers: usize,
    accepted: u64,
    turn: Turn,
    /// The slots of sessions that something is due to.
    dirty: VecDeque<u32>,
    /// Those of them that so much is due to that it should be written soon.
    filling: Vec<u32>,
    /// Whose chunks the driver is writing.
    writing: Option<u32>,
    batch: Batch,
    /// What has to wait for publications of the batch.
    later: Vec<Later>,
    /// The bytes of that.
    later_bytes: usize,
    /// The same for batches that are placed and not delivered yet.
    in_flight: VecDeque<Vec<Later>>,
    /// The last publication that was delivered here.
    reached: Position,
    /// What the server published itself and is settled.
    announced: VecDeque<Announced>,
    next_tick: Instant,
    drain: Option<Drain>,
    load: Load,
    /// Whose tokens allow what.
    guests: Guests,
    /// Counts the clients that proxies name.
    gate: Option<Gate>,
    /// Whether it was said that there is a proxy that is not configured.
    has_warned: bool,
    /// If clients may ask for compression.
    #[cfg(feature = "deflate")]
    compression: Option<Box<Compression>>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u64,
    session: Option<Session>,
}

#[derive(Clone, Copy, Debug)]
struct Receiver {
    due: Due,
    /// Whether it is open.
    hears: bool,
    form: Form,
    /// Whether notifications with bare values have to be held against its grants.
    is_narrowed: bool,
    /// Whether it is in the list of those that something is due to.
    dirty: bool,
    /// Whether it is in the list of those that much is due to.
    filling: bool,
}

impl Receiver {
    const NOBODY: Self = Self {
        due: Due::NOTHING,
        hears: false,
        form: Form::CLASSIC,
        is_narrowed: false,
        dirty: false,
        filling: false,
    };
}

impl Receiver {
    /// Something more is due to it, whose slot is `index`: puts it on the lists that it belongs on.
    #[inline]
    fn enlist(&mut self, index: u32, dirty: &mut VecDeque<u32>, filling: &mut Vec<u32>) {
        if !self.dirty {
            self.dirty = true;
            dirty.push_back(index);
        }
        if self.due.is_much() && !self.filling {
            self.filling = true;
            filling.push(index);
        }
    }
}

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// A hub without sessions. Its hashes depend on a secret `key`; `position` is that of the
    /// [`Sequence`] which places its publications.
    #[must_use]
    pub fn new(options: &Options, key: HashKey, position: Position, watch: W) -> Self {
        Self {
            options: options.clone(),
            watch,
            index: Index::new(key, options.index),
            slots: Vec::new(),
            receivers: Vec::new(),
            deadlines: Vec::new(),
            free: BinaryHeap::new(),
            open: 0,
            v1_hearers: 0,
            accepted: 0,
            turn: Turn::default(),
            dirty: VecDeque::new(),
            filling: Vec::new(),
            writing: None,
            batch: Batch::default(),
            later: Vec::new(),
            later_bytes: 0,
            in_flight: VecDeque::new(),
            reached: position,
            announced: VecDeque::new(),
            next_tick: Instant::ZERO,
            drain: None,
            load: Load::default(),
            guests: Guests::default(),
            gate: None,
            has_warned: false,
            #[cfg(feature = "deflate")]
            compression: options
                .compression
                .map(|settings| Box::new(Compression::new(&settings, &options.connection))),
        }
    }

    /// Has the clients that [proxies](Proxies) name counted, and those declined that are too many.
    /// Without it, there is no limit on them.
    pub fn set_gate(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    /// From now on `options` are in force, for sessions that are open too: what messages may contain,
    /// how fast they may come (each session has a whole burst again where a rate has changed), and how
    /// much may wait for a peer. Of another [`Authority`], tokens that were admitted stay so until they
    /// expire, but for those that it has [revoked](Authority::is_revoked); where there was none before,
    /// all open sessions are closed, to come again with tokens. Both happen with the next
    /// [timeout](Self::handle_timeouts). Connections keep the [`Config`](crate::conn::Config) that they opened
    /// with, handshakes their time, the index its limits, which depend on what is in it, and the hub its
    /// compression.
    pub fn reconfigure(&mut self, options: &Options) {
        let next = Options {
            index: self.options.index,
            #[cfg(feature = "deflate")]
            compression: self.options.compression,
            ..options.clone()
        };
        let earlier = mem::replace(&mut self.options, next);
        #[cfg(feature = "deflate")]
        if let Some(codecs) = &mut self.compression {
            codecs.reconfigure(&options.connection);
        }
        if earlier.authority != self.options.authority {
            self.recognise_authority();
        }
        self.has_warned &= earlier.policy == self.options.policy;
        // What was used of one rate says nothing about another.
        let messages = earlier.messages != options.messages;
        let publications = earlier.publications != options.publications;
        let slots = self.slots.iter_mut();
        for session in slots.filter_map(|slot| slot.session.as_mut()) {
            if messages {
                session.messages = Bucket::default();
            }
            if publications {
                session.publications = Bucket::default();
            }
        }
    }

    /// Takes in a new connection from `peer`, to be known as `connection` in each [`Fact`], whose
    /// opening handshake begins at `now`. `None` if no place is left, of which there are 2^32.
    pub fn accept(
        &mut self,
        connection: u64,
        peer: SocketAddr,
        rights: Rights,
        now: Instant,
    ) -> Option<SessionId> {
        let closed = self.drain.is_some().then_some(DRAINING);
        self.enter(connection, peer, rights, closed, now)
    }

    /// Takes in a new connection only to decline its request, so that its client learns why.
    pub fn turn_away(
        &mut self,
        connection: u64,
        peer: SocketAddr,
        refusal: Refusal<'static>,
        now: Instant,
    ) -> Option<SessionId> {
        let rights = Rights { publish: false };
        self.enter(connection, peer, rights, Some(refusal), now)
    }

    fn enter(
        &mut self,
        connection: u64,
        peer: SocketAddr,
        rights: Rights,
        closed: Option<Refusal<'static>>,
        now: Instant,
    ) -> Option<SessionId> {
        let mut door = Doorway::new(&self.options, self.options.handshake_time, closed, now);
        let mut rights = rights;
        if self.options.policy.proxies.introduce_at(peer.ip()) {
            door.preamble = Some(Vec::new());
            // Whoever is behind it: it is not beside the server.
            rights.publish = false;
        }
        let session = Session {
            number: connection,
            peer: Address::new(peer),
            rights,
            is_counted: false,
            version: Version::Classic,
            speaks_http: false,
            hears_v1: false,
            #[cfg(feature = "deflate")]
            deflated: None,
            stage: Stage::Opening(Box::new(door)),
            messages: Bucket::default(),
            publications: Bucket::default(),
            partial: None,
            outbox: None,
            answers: None,
            has_spoken: false,
            is_broken: false,
            shut_down: false,
            is_over: false,
            is_writable: false,
        };
        let deadline = session.deadline().unwrap_or(Instant::MAX);
        let index = self.free_slot()?;
        let slot = self.slots.get_mut(index as usize)?;
        self.accepted = self.accepted.saturating_add(1);
        slot.generation = self.accepted;
        slot.session = Some(session);
        self.set_deadline(index, deadline);
        if self.open == 0 {
            self.next_tick = now.after(self.tick());
        }
        self.open = self.open.saturating_add(1);
        Some(SessionId {
            index,
            generation: self.accepted,
        })
    }

    /// The lowest slot without a session; a new one if there is none.
    fn free_slot(&mut self) -> Option<u32> {
        while let Some(Reverse(index)) = self.free.pop() {
            let slot = self.slots.get(index as usize);
            if slot.is_some_and(|slot| slot.session.is_none()) {
                return Some(index);
            }
        }
        let index = u32::try_from(self.slots.len()).ok()?;
        make_room(&mut self.slots);
        make_room(&mut self.receivers);
        make_room(&mut self.deadlines);
        self.slots.push(Slot::default());
        self.receivers.push(Receiver::NOBODY);
        self.deadlines.push(Instant::MAX);
        Some(index)
    }

    /// The transport of a session is gone: forgets it, with its subscriptions. One that has left
    /// already is left alone.
    pub fn leave(&mut self, id: SessionId) {
        let Some(index) = self.find(id) else {
            return;
        };
        let slot = self.slots.get_mut(index as usize);
        let Some(session) = slot.and_then(|slot| slot.session.take()) else {
            return;
        };
        self.load.waits(session.waiting(), None);
        self.index.forget(index);
        self.guests.forget(index);
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            *receiver = Receiver::NOBODY;
        }
        if self.writing == Some(index) {
            self.writing = None;
        }
        self.set_deadline(index, Instant::MAX);
        self.open = self.open.saturating_sub(1);
        self.v1_hearers = self.v1_hearers.saturating_sub(session.hears_v1.into());
        #[cfg(feature = "deflate")]
        if let (Some(_), Some(codecs)) = (session.deflated, &mut self.compression) {
            codecs.leave(index);
        }
        self.free.push(Reverse(index));
        self.give_slots_back();
        if session.is_counted
            && let Some(gate) = &self.gate
        {
            // Nobody who leaves is refused.
            let _ = gate(Passage::Leave(session.peer.get().ip()));
        }
        match &session.stage {
            Stage::Opening(door) => {
                let error = door.opening.error().unwrap_or(OpeningError::Lost);
                // Of what was asked by HTTP, there were facts, and who asks nothing more may go.
                let is_fault = match error {
                    OpeningError::BadRequest(_) | OpeningError::Proxy(_) => true,
                    OpeningError::TimedOut => door.opening.has_begun(),
                    OpeningError::Declined(_) | OpeningError::Lost => false,
                };
                if !session.speaks_http || is_fault {
                    let peer = session.peer.get();
                    self.observe(&Fact::HandshakeFailed { peer, error });
                }
            }
            Stage::Http(_) => {}
            Stage::Open(conn) => self.observe(&Fact::Disconnected {
                connection: session.number,
                cause: conn.closed_by().unwrap_or(CloseCause::Eof),
            }),
        }
    }

    /// Gives the memory of slots back behind which there is no session any more.
    fn give_slots_back(&mut self) {
        let used = self.slots.iter().rposition(|slot| slot.session.is_some());
        let used = used.map_or(0, |last| last.saturating_add(1));
        self.slots.truncate(used);
        self.receivers.truncate(used);
        self.deadlines.truncate(used);
        if used < self.slots.capacity() / 4 && self.slots.capacity() > KEPT_SLOTS {
            let kept = used.saturating_mul(2).max(KEPT_SLOTS);
            self.slots.shrink_to(kept);
            self.receivers.shrink_to(kept);
            self.deadlines.shrink_to(kept);
            self.free.retain(|free| (free.0 as usize) < used);
            self.free.shrink_to_fit();
            self.dirty.shrink_to_fit();
        }
    }

    /// How many sessions there are, those in their opening handshake included.
    #[must_use]
    pub const fn sessions(&self) -> usize {
        self.open
    }

    /// What the sessions subscribe to, in numbers.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.index.counters()
    }

    /// What has been done, and what waits, in numbers.
    #[must_use]
    pub const fn load(&self) -> Load {
        self.load
    }

    /// How many publications wait to be [handed out](Self::hand_out).
    #[must_use]
    pub fn published(&self) -> usize {
        self.batch.len()
    }

    fn observe(&mut self, fact: &Fact<'_>) {
        (self.watch)(fact);
    }

    /// The slot of a session that has not left.
    fn find(&self, id: SessionId) -> Option<u32> {
        let slot = self.slots.get(id.index())?;
        (slot.generation == id.generation && slot.session.is_some()).then_some(id.index)
    }

    fn id(&self, index: u32) -> Option<SessionId> {
        let generation = self.slots.get(index as usize)?.generation;
        Some(SessionId { index, generation })
    }

    fn session(&self, index: u32) -> Option<&Session> {
        self.slots.get(index as usize)?.session.as_ref()
    }

    fn session_mut(&mut self, index: u32) -> Option<&mut Session> {
        self.slots.get_mut(index as usize)?.session.as_mut()
    }
}

impl<W> fmt::Debug for Hub<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("sessions", &self.open)
            .field("index", &self.index.counters())
            .finish_non_exhaustive()
    }
}

/// Makes room for one more. Tables grow by an eighth: by as much again, as usual, would be up to a
/// hundred bytes more for each of the sessions, most of which are idle.
fn make_room<T>(table: &mut Vec<T>) {
    if table.len() == table.capacity() {
        table.reserve_exact((table.len() / 8).max(KEPT_SLOTS));
    }
}

/// How many slots are kept without sessions.
const KEPT_SLOTS: usize = 16;

/// What a client is told that asks for an upgrade before what it asked before is answered.
const TOO_EARLY: Refusal<'static> = Refusal {
    status: 400,
    reason: "Bad Request",
    headers: &[],
    body: "An upgrade was asked for before an earlier request on the same connection was answered; \
           wait for the answer, or open another connection.",
};

/// What a client is told that comes while the server goes.
const DRAINING: Refusal<'static> = Refusal {
    status: 503,
    reason: "Service Unavailable",
    headers: &[("Retry-After", "5")],
    body: "The server is shutting down; connect again in a few seconds.",
};
