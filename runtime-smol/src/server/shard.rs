//! The connections of one thread: their sockets, and the hub that knows what to do.

use core::{
    hash::{BuildHasher as _, Hasher as _},
    time::Duration,
};
use std::{
    collections::VecDeque,
    hash::RandomState,
    io::{self, IoSlice},
    net::Shutdown,
    sync::{Arc, Mutex, PoisonError},
};

use campanile_core::{
    Instant,
    hub::{self, Admission, Gate, HashKey, Hub, Place, Rights, Sequence, SessionId},
    server::{Meter, Readings},
};
use smol::{Timer, channel::Receiver, future};

use super::{
    Fact, Options,
    exchange::{Announcement, Delivery, Exchange, Letter, Look, Newcomer, Told},
    poller::{Poller, Socket},
    secure::Secure,
};
use crate::clock::Clock;

/// Who is told what happens.
pub(super) type Observer = Arc<dyn Fn(&Fact<'_>) + Send + Sync>;

type Watch = Box<dyn FnMut(&hub::Fact<'_>) + Send>;

type ShardHub = Hub<Watch>;

/// What is read at once: enough that a system call is cheap against its bytes.
const SCRATCH: usize = 64 * 1024;

/// How many pieces are handed to the kernel at once: enough that a burst costs few system calls,
/// few enough that the list of them is a kilobyte of stack.
const VECTOR: usize = 64;

/// How long a shard goes on reading before it writes what has become due: the more comes together, the
/// more goes out with one system call each. It is also how much longer than necessary anybody may
/// have to wait on a server that does not keep up.
const TURN: Duration = Duration::from_millis(16);

/// How many batches of a shard's publishers may be on their way through the others before it stops to
/// hear more.
const IN_FLIGHT: usize = 16;

/// How many batches are timed each for itself, of those that are written together. More than any turn
/// has but in a flood of single ones, where the first of many tells enough.
const TIMED: usize = 1024;

pub(super) struct Shard {
    number: usize,
    options: Options,
    hub: ShardHub,
    poller: Poller,
    clock: Clock,
    exchange: Arc<Exchange>,
    /// The order of all publications, where there is no other shard.
    sequence: Option<Sequence>,
    letters: Receiver<Letter>,
    admission: Arc<Mutex<Admission>>,
    /// By [`SessionId::index`].
    peers: Vec<Option<Peer>>,
    /// What some of them have of TLS.
    secure: Secure,
    observer: Observer,
    /// Who may have something to be read.
    ready: VecDeque<SessionId>,
    scratch: Vec<u8>,
    /// For each publication of a batch, how many hear it.
    heard: Vec<u64>,
    /// Batches from here that some shard has not delivered yet.
    unsettled: usize,
    /// When the shard ends whatever is still open.
    deadline: Option<Instant>,
    /// When the first publication came in that was not handed out yet.
    oldest: Option<Instant>,
    /// Who is to know what became of what the server itself published.
    announcing: VecDeque<Told>,
    /// What was handed out and is to be written in this turn: when the first came in, and how many.
    unwritten: Vec<(Instant, u64)>,
    /// What is shown at the end of each turn.
    readings: Readings,
    meters: Arc<[Meter]>,
}

struct Peer {
    session: SessionId,
    socket: Socket,
    /// As a connection that counts, if it does.
    place: Option<Place>,
    /// Whether it is on the list of those who may have something to be read.
    queued: bool,
    /// Whether its end is to be read.
    ended: bool,
    /// Whether it is to be read from when it has taken what is due to it.
    paused: bool,
    /// Whether it has TLS.
    secured: bool,
}

/// What all shards have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) options: Options,
    pub(super) observer: Observer,
    pub(super) clock: Clock,
    pub(super) exchange: Arc<Exchange>,
    pub(super) sequence: Sequence,
    pub(super) admission: Arc<Mutex<Admission>>,
    /// One for each shard.
    pub(super) meters: Arc<[Meter]>,
}

impl Shard {
    pub(super) fn new(
        number: usize,
        common: Common,
        letters: Receiver<Letter>,
    ) -> io::Result<Self> {
        let Common {
            options,
            observer,
            clock,
            exchange,
            sequence,
            admission,
            meters,
        } = common;
        let told = Arc::clone(&observer);
        let watch: Watch = Box::new(move |fact| told(&Fact::Session(fact)));
        let mut hub = Hub::new(&options.hub, random_key(), sequence.position(), watch);
        hub.set_gate(gate(&admission));
        Ok(Self {
            number,
            hub,
            options,
            poller: Poller::new()?,
            clock,
            sequence: (exchange.shards() == 1).then_some(sequence),
            exchange,
            letters,
            admission,
            peers: Vec::new(),
            secure: Secure::default(),
            observer,
            ready: VecDeque::new(),
            scratch: vec![0; SCRATCH],
            heard: Vec::new(),
            unsettled: 0,
            deadline: None,
            oldest: None,
            announcing: VecDeque::new(),
            unwritten: Vec::new(),
            readings: Readings::default(),
            meters,
        })
    }

    /// Serves until it is told to end, and everybody is gone or the time is up.
    pub(super) async fn run(&mut self) -> io::Result<()> {
        loop {
            let mut is_busy = self.open_letters();
            self.hear()?;
            self.hand_out();
            self.hub.handle_timeouts(self.clock.now());
            self.tell_announced();
            self.flush();
            self.show();
            if self.is_done() {
                self.retire();
                return Ok(());
            }
            is_busy |= !self.ready.is_empty() && self.may_hear();
            if is_busy {
                future::yield_now().await;
            } else {
                self.wait().await?;
            }
        }
    }

    /// Shows what has been done and what there is, for other threads.
    fn show(&mut self) {
        let (load, index) = (self.hub.load(), self.hub.counters());
        self.readings.take(self.hub.sessions(), &load, &index);
        if let Some(meter) = self.meters.get(self.number) {
            meter.show(&self.readings);
        }
    }

    fn is_done(&self) -> bool {
        self.deadline
            .is_some_and(|at| self.hub.sessions() == 0 || self.clock.now() >= at)
    }

    /// Takes no more letters; the other shards do not wait for what has come.
    fn retire(&self) {
        self.letters.close();
        while let Ok(letter) = self.letters.try_recv() {
            match letter {
                Letter::Placed(delivery) => self.exchange.delivered(delivery, &[]),
                Letter::Connection(newcomer) => self.dismiss(newcomer.entered.ok()),
                Letter::Settled(_)
                | Letter::Options(_)
                | Letter::Look(_)
                | Letter::Announce(_)
                | Letter::Turn(_)
                | Letter::Drain => {}
            }
        }
    }

    /// Waits for whatever happens next.
    async fn wait(&mut self) -> io::Result<()> {
        let deadline = self
            .hub
            .poll_timeout()
            .into_iter()
            .chain(self.deadline)
            .min();
        let time = async {
            match deadline.and_then(|at| self.clock.system_time(at)) {
                Some(at) => drop(Timer::at(at).await),
                None => future::pending().await,
            }
            Ok(None)
        };
        let letter = async { Ok(self.letters.recv().await.ok()) };
        let socket = async { self.poller.ready().await.map(|()| None) };
        if let Some(letter) = future::or(socket, future::or(letter, time)).await? {
            self.open_letter(letter);
        }
        Ok(())
    }

    /// Does what the letters say that have come; whether there was one.
    fn open_letters(&mut self) -> bool {
        let mut any = false;
        // Not for ever: letters may come as fast as they are read.
        for _ in 0..self.letters.len() {
            let Ok(letter) = self.letters.try_recv() else {
                break;
            };
            self.open_letter(letter);
            any = true;
        }
        any
    }

    fn open_letter(&mut self, letter: Letter) {
        match letter {
            Letter::Connection(newcomer) => self.join(newcomer),
            Letter::Placed(delivery) => self.deliver(delivery),
            Letter::Settled(delivery) => {
                self.unsettled = self.unsettled.saturating_sub(1);
                let heard: Vec<u64> = delivery.heard().collect();
                self.hub.settle(&delivery.placed, &heard, self.clock.now());
            }
            Letter::Options(options) => {
                self.hub.reconfigure(&options.hub);
                self.options = Arc::unwrap_or_clone(options);
            }
            Letter::Look(Look(look)) => look(self.hub.inspect()),
            Letter::Announce(announcement) => {
                let Announcement { message, told } = *announcement;
                match self.hub.announce(&message) {
                    Ok(()) => self.announcing.push_back(told),
                    Err(refusal) => told(Err(refusal)),
                }
            }
            Letter::Turn(letter) => drop(letter),
            Letter::Drain => {
                let now = self.clock.now();
                let window = self.options.drain_window;
                let time = self.options.drain_time(self.hub.sessions());
                self.hub.drain(time, now);
                self.deadline = Some(now.after(window).after(self.options.drain_grace));
            }
        }
    }

    /// Says what became of what the server itself published.
    fn tell_announced(&mut self) {
        while let Some(announced) = self.hub.poll_announced() {
            if let Some(told) = self.announcing.pop_front() {
                told(Ok(announced));
            }
        }
    }

    /// Takes in a connection.
    fn join(&mut self, newcomer: Newcomer) {
        let Newcomer {
            socket,
            peer,
            number,
            entered,
            terms,
        } = newcomer;
        self.readings.accepted = self.readings.accepted.saturating_add(1);
        let now = self.clock.now();
        let rights = Rights {
            publish: self.options.publishers.allow(peer.ip()),
        };
        let session = match entered {
            Ok(_) => self.hub.accept(number, peer, rights, now),
            Err(reason) => self.hub.turn_away(number, peer, reason.refusal(), now),
        };
        let place = entered.ok();
        let Some(session) = session else {
            return self.dismiss(place);
        };
        let at = session.index();
        let key = u32::try_from(at).unwrap_or(u32::MAX);
        let Ok(socket) = self.poller.add(socket, key) else {
            // Out of memory, or of watches (epoll_ctl(2)): it ends before it has begun.
            self.hub.leave(session);
            return self.dismiss(place);
        };
        if let Some(terms) = &terms
            && !self.secure.begin(session, terms, number, peer)
        {
            self.hub.leave(session);
            return self.dismiss(place);
        }
        let peer = Peer {
            session,
            socket,
            place,
            queued: true,
            ended: false,
            paused: false,
            secured: terms.is_some(),
        };
        if self.peers.len() <= at {
            self.peers.resize_with(at.saturating_add(1), || None);
        }
        if let Some(slot) = self.peers.get_mut(at) {
            *slot = Some(peer);
        }
        // Most requests have come with the connection.
        self.ready.push_back(session);
    }

    /// A connection is over.
    fn dismiss(&self, place: Option<Place>) {
        let mut admission = self
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match place {
            Some(place) => admission.leave(place),
            None => admission.declined_goes(),
        }
    }

    /// Notes which sockets have become ready.
    fn take_readiness(&mut self) -> io::Result<()> {
        let Self {
            poller,
            hub,
            peers,
            secure,
            ready,
            ..
        } = self;
        poller.poll(|event| {
            let Some(Some(peer)) = peers.get_mut(event.key as usize) else {
                return;
            };
            if event.writable {
                hub.writable(peer.session);
            }
            peer.ended |= event.ended;
            // What TLS itself has to say goes out before more is read.
            let is_owed = peer.secured && event.writable && secure.is_owed(peer.session);
            if (event.readable || is_owed) && !peer.queued {
                peer.queued = true;
                ready.push_back(peer.session);
            }
        })
    }

    /// Whether publishers may say more: the other shards have to keep up.
    const fn may_hear(&self) -> bool {
        self.unsettled < IN_FLIGHT
    }

    /// Reads from everybody who has something to say, in turns, until nobody has any more, or for a
    /// while. Whoever publishes much is ahead of what the system hands over at once: so it is asked
    /// again before anything is written.
    fn hear(&mut self) -> io::Result<()> {
        let start = self.clock.now();
        loop {
            self.take_readiness()?;
            if self.ready.is_empty() {
                return Ok(());
            }
            for _ in 0..self.ready.len() {
                if !self.may_hear() || self.clock.now().since(start) >= TURN {
                    return Ok(());
                }
                if let Some(session) = self.ready.pop_front()
                    && self.read(session)
                {
                    self.ready.push_back(session);
                }
                self.relieve();
            }
        }
    }

    /// Reads once from a session, and does what the bytes ask for; whether there may be more.
    fn read(&mut self, session: SessionId) -> bool {
        let Some(Some(peer)) = self.peers.get_mut(session.index()) else {
            return false;
        };
        if peer.session != session {
            return false;
        }
        if self.hub.is_behind(session) && !peer.ended {
            (peer.queued, peer.paused) = (false, true);
            return false;
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        let kept = self.hub.take_unfinished(session, &mut scratch);
        let room = scratch.get_mut(kept..).unwrap_or_default();
        let len = room.len();
        let (read, has_more) = if peer.secured {
            let (hub, now) = (&mut self.hub, self.clock.now());
            let introduce = |bytes: &[u8]| hub.introduce(session, bytes, now);
            let observer = &*self.observer;
            let read =
                self.secure
                    .read(session, &peer.socket, room, peer.ended, introduce, observer);
            (read.result, read.goes_on)
        } else {
            let read = read(&peer.socket, room);
            // A socket that had less than was asked for has no more.
            let has_more = read.as_ref().is_ok_and(|count| *count == len);
            (read, has_more)
        };
        let count = *read.as_ref().unwrap_or(&0);
        // Unless it has ended.
        let goes_on = has_more || (peer.ended && count > 0);
        self.readings.received_bytes = self.readings.received_bytes.saturating_add(count as u64);
        peer.queued = goes_on;
        let is_end = match read {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        let now = self.clock.now();
        let mut bytes = scratch
            .get_mut(..kept.saturating_add(count))
            .unwrap_or_default();
        while !bytes.is_empty() {
            let taken = self.hub.receive(session, bytes, now);
            bytes = bytes.get_mut(taken..).unwrap_or_default();
            if self.oldest.is_none() && self.hub.published() > 0 {
                self.oldest = Some(now);
            }
            if !bytes.is_empty() {
                self.hand_out();
                self.relieve();
            }
        }
        if is_end {
            self.hub.receive_eof(session, now);
        }
        self.scratch = scratch;
        goes_on
    }

    /// Sends what was published to everybody.
    fn hand_out(&mut self) {
        let now = self.clock.now();
        let since = self.oldest.take().unwrap_or(now);
        if let Some(sequence) = &mut self.sequence {
            let published = self.hub.published();
            self.hub.hand_out(sequence, now);
            return self.time(since, published);
        }
        while let Some(batch) = self.hub.poll_batch() {
            self.unsettled = self.unsettled.saturating_add(1);
            self.exchange.publish(self.number, batch, since);
        }
        // Its own are among the letters, in their places among those of the others.
        while self.hub.in_flight() > 0
            && let Ok(letter) = self.letters.try_recv()
        {
            self.open_letter(letter);
        }
    }

    fn deliver(&mut self, delivery: Arc<Delivery>) {
        self.heard.clear();
        self.heard.resize(delivery.placed.len(), 0);
        let is_own = delivery.origin == self.number;
        let now = self.clock.now();
        self.hub
            .deliver(&delivery.placed, is_own, &mut self.heard, now);
        self.time(delivery.since, delivery.placed.len());
        self.exchange.delivered(delivery, &self.heard);
        self.relieve();
    }

    /// So many publications, the first of which came in at `since`, are going to be written.
    fn time(&mut self, since: Instant, published: usize) {
        let published = published as u64;
        if published == 0 {
            return;
        }
        if self.unwritten.len() < TIMED {
            self.unwritten.push((since, published));
        } else if let Some((_, more)) = self.unwritten.last_mut() {
            *more = more.saturating_add(published);
        }
    }

    /// Writes what is due to everybody, as far as the kernel takes it.
    fn flush(&mut self) {
        let now = self.clock.now();
        while let Some(session) = self.hub.poll_transmit(now) {
            self.write(session);
        }
        if self.unwritten.is_empty() {
            return;
        }
        let now = self.clock.now();
        for (since, published) in self.unwritten.drain(..) {
            self.readings.latencies.add(now.since(since), published);
        }
        if let Some(meter) = self.meters.get(self.number) {
            meter.show_latencies(&self.readings.latencies);
        }
    }

    /// The same for those alone that so much is due to that they should not wait for the end of the
    /// turn.
    fn relieve(&mut self) {
        if self.hub.is_filling() {
            return self.flush();
        }
        let now = self.clock.now();
        while let Some(session) = self.hub.poll_filling(now) {
            self.write(session);
        }
    }

    fn write(&mut self, session: SessionId) {
        let Some(slot) = self.peers.get_mut(session.index()) else {
            return;
        };
        let Some(peer) = slot else {
            return;
        };
        if peer.secured {
            self.secure.write(session, &peer.socket, &mut self.hub);
        } else {
            write(&peer.socket, &mut self.hub, session);
        }
        // Neither can fail in a way that matters: the socket is done with.
        if self.hub.is_over(session) {
            let place = peer.place;
            if peer.secured {
                self.secure.end(session, &peer.socket);
            }
            *slot = None;
            self.hub.leave(session);
            self.dismiss(place);
            return;
        }
        if self.hub.take_shutdown(session) {
            if peer.secured {
                self.secure.shut_down(session, &peer.socket);
            } else {
                let _ = peer.socket.shutdown(Shutdown::Write);
            }
        }
        if peer.paused && !self.hub.is_behind(session) {
            peer.paused = false;
            if !core::mem::replace(&mut peer.queued, true) {
                self.ready.push_back(session);
            }
        }
    }
}

/// Has the clients that proxies name counted.
fn gate(admission: &Arc<Mutex<Admission>>) -> Gate {
    let admission = Arc::clone(admission);
    Arc::new(move |passage| {
        let mut admission = admission.lock().unwrap_or_else(PoisonError::into_inner);
        admission.pass(passage)
    })
}

/// Reads once from a socket.
pub(super) fn read(socket: &Socket, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Offers what is due to a session to the kernel.
fn write(socket: &Socket, hub: &mut ShardHub, session: SessionId) {
    loop {
        let mut slices = [IoSlice::new(&[]); VECTOR];
        let mut used = 0;
        for (slice, chunk) in slices.iter_mut().zip(hub.chunks(session)) {
            *slice = IoSlice::new(chunk);
            used += 1;
        }
        let slices = slices.get(..used).unwrap_or_default();
        if slices.is_empty() {
            return;
        }
        match socket.write(slices) {
            Ok(count) => hub.sent(session, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The peer takes no more. What it said before is still to be read, and the end of that
            // ends the connection.
            Err(_) => return hub.write_failed(session),
        }
    }
}

/// What the standard library's own tables are keyed with, which comes from the system.
pub(super) fn random_key() -> HashKey {
    HashKey([0; 2].map(|_: u64| RandomState::new().build_hasher().finish()))
}
