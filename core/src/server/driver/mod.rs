//! A hub with its transports, for drivers that wait for readiness: everything but the waiting.

#[cfg(test)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec, vec::Vec};
use core::{fmt, net::SocketAddr};

use super::Options;
use crate::{
    Instant,
    hub::{Admission, Fact, HashKey, Hub, Place, Rights, Sequence, SessionId, TurnedAway},
};

/// How many chunks are offered to a transport at once: enough that a burst costs few system calls, few
/// enough that the list of them is a kilobyte of stack.
const VECTOR: usize = 64;

/// One end of a connection that does not block. Dropping it closes it.
pub trait Transport {
    /// Reads once. `Done(0)` is the end of what the peer says.
    fn read(&mut self, buffer: &mut [u8]) -> Progress;

    /// Writes once, of these chunks one behind the other as many bytes as it takes.
    fn write(&mut self, chunks: &[&[u8]]) -> Progress;

    /// Nothing more will be written: ends this direction of the connection, and no other.
    fn shutdown(&mut self);

    /// The session waits for something else from now on; at first it waits for what is
    /// [readable](Interest::Readable). A driver whose poller reports all readiness, at its edges, need
    /// not know.
    fn wait_for(&mut self, interest: Interest) {
        let _ = interest;
    }
}

/// How far a transport came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes.
    Done(usize),
    /// None now; the poller says when there is more to be done.
    Blocked,
    /// The connection is broken.
    Failed,
}

/// What a session waits for, of its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That there is something to read.
    Readable,
    /// That it takes bytes again. Nothing is read meanwhile: who does not take its answers is not to ask
    /// for more.
    Writable,
    /// The peer has ended its direction, and nothing is due to it but by the hub's own decision.
    Nothing,
}

/// A [`Hub`] with the transports of its sessions, in one thread or behind one lock: accepts and declines
/// connections, reads, publishes and writes. Its user waits, for readiness and for
/// [`poll_timeout`](Self::poll_timeout), and says what has come:
///
/// 1. a connection: [`join`](Self::join);
/// 2. readiness of a transport: [`readable`](Self::readable), [`writable`](Self::writable);
/// 3. after any of these, and when the time has come: [`turn`](Self::turn); and once more, without
///    waiting, as long as it [has more](Self::has_more) to do.
///
/// The server of `campanile-smol` does the same for several threads; this one is for others' runtimes.
/// How fast everybody may be read is one read a turn, so nobody keeps the others waiting. Clients that
/// proxies name are not limited by their own addresses here.
pub struct Driver<T> {
    hub: Hub<Watch>,
    sequence: Sequence,
    options: Options,
    admission: Admission,
    /// By [`SessionId::index`].
    peers: Vec<Option<Peer<T>>>,
    /// Who may have something to be read.
    ready: VecDeque<SessionId>,
    buffer: Vec<u8>,
    accepted: u64,
}

type Watch = Box<dyn FnMut(&Fact<'_>) + Send>;

struct Peer<T> {
    id: SessionId,
    transport: T,
    /// As a connection that counts, if it does.
    place: Option<Place>,
    /// Whether it is on the list of those who may have something to be read.
    queued: bool,
    /// Whether its end was read.
    ended: bool,
    /// Whether its transport has not taken all that was due to it.
    is_behind: bool,
    interest: Interest,
}

impl<T: Transport> Driver<T> {
    /// What is read at once: most clients' messages are far shorter, and memory is scarce on some of the
    /// machines that this is for.
    pub const READ: usize = 8 * 1024;

    /// Nobody is connected. `key` comes from a secure random source, and clients must not know it;
    /// `epoch` distinguishes the positions of this run from those of earlier ones: milliseconds since
    /// 1970 will do. `watch` is told what happens in the sessions. Of the options, those for several
    /// hubs mean nothing here.
    #[must_use]
    pub fn new(
        options: Options,
        key: HashKey,
        epoch: u64,
        watch: impl FnMut(&Fact<'_>) + Send + 'static,
    ) -> Self {
        let sequence = Sequence::new(epoch);
        let watch: Watch = Box::new(watch);
        let mut admission = Admission::new(options.admission, key);
        admission.set_policy(Arc::clone(&options.hub.policy));
        Self {
            hub: Hub::new(&options.hub, key, sequence.position(), watch),
            sequence,
            admission,
            options,
            peers: Vec::new(),
            ready: VecDeque::new(),
            buffer: vec![0; Self::READ],
            accepted: 0,
        }
    }

    /// The hub, to look at.
    #[must_use]
    pub const fn hub(&self) -> &Hub<impl FnMut(&Fact<'_>) + use<T>> {
        &self.hub
    }

    /// Takes in a connection from `address`, or has it told why there is no room for it. `None` if even
    /// that would be too much: it is closed at once.
    pub fn join(&mut self, transport: T, address: SocketAddr, now: Instant) -> Option<SessionId> {
        let entered = self.admission.enter(address.ip());
        let place = entered.ok();
        self.accepted = self.accepted.saturating_add(1); // what a log would call it
        let id = self.enter(address, entered.err(), now);
        let Some(id) = id else {
            if let Some(place) = place {
                self.admission.leave(place);
            }
            return None;
        };
        let at = id.index();
        if self.peers.len() <= at {
            self.peers.resize_with(at.saturating_add(1), || None);
        }
        if let Some(slot) = self.peers.get_mut(at) {
            *slot = Some(Peer {
                id,
                transport,
                place,
                // Most requests have come with the connection.
                queued: true,
                ended: false,
                is_behind: false,
                interest: Interest::Readable,
            });
        }
        self.ready.push_back(id);
        Some(id)
    }

    fn enter(
        &mut self,
        address: SocketAddr,
        turned_away: Option<TurnedAway>,
        now: Instant,
    ) -> Option<SessionId> {
        let Some(reason) = turned_away else {
            let publish = self.options.publishers.allow(address.ip());
            let rights = Rights { publish };
            return self.hub.accept(self.accepted, address, rights, now);
        };
        if !self.admission.decline() {
            return None;
        }
        let refusal = reason.refusal();
        let id = self.hub.turn_away(self.accepted, address, refusal, now);
        if id.is_none() {
            self.admission.declined_goes();
        }
        id
    }

    /// The transport of a session, as long as it is there.
    pub fn transport(&mut self, id: SessionId) -> Option<&mut T> {
        self.peer(id).map(|peer| &mut peer.transport)
    }

    /// A session's transport may have something to be read, or its end.
    pub fn readable(&mut self, id: SessionId) {
        if let Some(peer) = self.peer(id)
            && !peer.ended
            && !core::mem::replace(&mut peer.queued, true)
        {
            self.ready.push_back(id);
        }
    }

    /// A session's transport takes bytes again.
    pub fn writable(&mut self, id: SessionId) {
        self.hub.writable(id);
    }

    /// Reads once from everybody who may have something to say, does what is due by `now`, and writes
    /// what there is to say, as far as the transports take it.
    pub fn turn(&mut self, now: Instant) {
        for _ in 0..self.ready.len() {
            if let Some(id) = self.ready.pop_front() {
                self.read(id, now);
            }
        }
        self.hub.handle_timeouts(now);
        self.hub.hand_out(&mut self.sequence, now);
        self.flush(now);
    }

    /// Whether there is somebody who may have more to say at once. mio, for one, says that only once.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next [`turn`](Self::turn) is due even if nothing comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.hub.poll_timeout()
    }

    /// Ends all sessions, in turns over [the time that there is for it](Options::drain_time), and those
    /// that join from now on at once. It is done when the hub has no sessions.
    pub fn drain(&mut self, now: Instant) {
        let time = self.options.drain_time(self.hub.sessions());
        self.hub.drain(time, now);
    }

    fn peer(&mut self, id: SessionId) -> Option<&mut Peer<T>> {
        let peer = self.peers.get_mut(id.index())?.as_mut();
        peer.filter(|peer| peer.id == id)
    }

    /// Reads once, and does what the bytes ask for.
    fn read(&mut self, id: SessionId, now: Instant) {
        let mut buffer = core::mem::take(&mut self.buffer);
        if let Some(peer) = self.peers.get_mut(id.index()).and_then(Option::as_mut)
            && peer.id == id
        {
            peer.queued = false;
            if !peer.ended && !peer.is_behind {
                let kept = self.hub.take_unfinished(id, &mut buffer);
                let room = buffer.get_mut(kept..).unwrap_or_default();
                let (count, is_end) = match peer.transport.read(room) {
                    Progress::Done(count) => (count, count == 0),
                    Progress::Blocked => (0, false),
                    Progress::Failed => (0, true),
                };
                if is_end {
                    peer.ended = true;
                    peer.tell();
                } else if count > 0 {
                    peer.queued = true;
                    self.ready.push_back(id);
                }
                let heard = buffer.get_mut(..kept.saturating_add(count));
                self.receive(id, heard.unwrap_or_default(), now);
                if is_end {
                    self.hub.receive_eof(id, now);
                }
            }
        }
        self.buffer = buffer;
    }

    fn receive(&mut self, id: SessionId, mut bytes: &mut [u8], now: Instant) {
        while !bytes.is_empty() {
            let taken = self.hub.receive(id, bytes, now);
            bytes = bytes.get_mut(taken..).unwrap_or_default();
            if !bytes.is_empty() {
                self.hub.hand_out(&mut self.sequence, now);
            }
            // Those that much is due to should not wait for the end of the turn.
            if self.hub.is_filling() {
                self.flush(now);
            }
            while let Some(id) = self.hub.poll_filling(now) {
                self.write(id);
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        while let Some(id) = self.hub.poll_transmit(now) {
            self.write(id);
        }
    }

    /// Writes what is due to a session, as far as its transport takes it.
    fn write(&mut self, id: SessionId) {
        let Self { hub, peers, .. } = self;
        let Some(slot) = peers.get_mut(id.index()) else {
            return;
        };
        let Some(peer) = slot else {
            return;
        };
        let is_behind = !peer.write(hub);
        if hub.is_over(id) {
            let place = peer.place;
            *slot = None;
            hub.leave(id);
            match place {
                Some(place) => self.admission.leave(place),
                None => self.admission.declined_goes(),
            }
            return;
        }
        if hub.take_shutdown(id) {
            peer.transport.shutdown();
        }
        let was_behind = core::mem::replace(&mut peer.is_behind, is_behind);
        peer.tell();
        if was_behind && !is_behind {
            // There may be what it was not asked for meanwhile.
            self.readable(id);
        }
    }
}

impl<T: Transport> Peer<T> {
    /// Offers what is due to the transport; whether it took all of it.
    fn write(&mut self, hub: &mut Hub<Watch>) -> bool {
        loop {
            let mut chunks: [&[u8]; VECTOR] = [&[]; VECTOR];
            let mut used = 0;
            for (place, chunk) in chunks.iter_mut().zip(hub.chunks(self.id)) {
                *place = chunk;
                used += 1;
            }
            let chunks = chunks.get(..used).unwrap_or_default();
            if chunks.is_empty() {
                return true;
            }
            match self.transport.write(chunks) {
                Progress::Done(count) => hub.sent(self.id, count),
                Progress::Blocked => return false,
                // What the peer has said before is still to be read.
                Progress::Failed => hub.write_failed(self.id),
            }
        }
    }

    /// Tells the transport what to wait for, where that has changed.
    fn tell(&mut self) {
        let interest = match (self.is_behind, self.ended) {
            (true, _) => Interest::Writable,
            (false, false) => Interest::Readable,
            (false, true) => Interest::Nothing,
        };
        if core::mem::replace(&mut self.interest, interest) != interest {
            self.transport.wait_for(interest);
        }
    }
}

impl<T> fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}
