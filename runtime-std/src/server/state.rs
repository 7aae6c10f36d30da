//! What is behind the lock: the hub, and the connections that it knows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use campanile_core::{
    Instant,
    hub::{self, Admission, Announced, Hub, Rights, Sequence, SessionId},
    notify::{ErrorCode, Refusal},
    server::{Meter, Readings},
};

use super::{Fact, Observer, Options, connection::Peer, milliseconds, random_key};

/// Tells the observer what the hub says.
pub(super) type Watch<'o> = Box<dyn FnMut(&hub::Fact<'_>) + Send + 'o>;

pub(super) struct State<'o> {
    pub(super) options: Options,
    pub(super) hub: Hub<Watch<'o>>,
    sequence: Sequence,
    /// The hub, too, asks it, which has its lock meanwhile; nobody waits for the hub with this.
    admission: Arc<Mutex<Admission>>,
    readings: Readings,
    pub(super) meter: Arc<Meter>,
    /// By [`SessionId::index`].
    peers: Vec<Option<(SessionId, Arc<Peer>)>>,
    /// When whatever is still open is cut off.
    deadline: Option<Instant>,
}

impl<'o> State<'o> {
    pub(super) fn new(options: Options, observer: Observer<'o>) -> Self {
        let watch: Watch<'o> = Box::new(move |fact| observer(&Fact::Session(fact)));
        let sequence = Sequence::new(milliseconds());
        let mut admission = Admission::new(options.admission, random_key());
        admission.set_policy(Arc::clone(&options.hub.policy));
        let admission = Arc::new(Mutex::new(admission));
        let mut hub = Hub::new(&options.hub, random_key(), sequence.position(), watch);
        let gate = Arc::clone(&admission);
        hub.set_gate(Arc::new(move |passage| lock(&gate).pass(passage)));
        Self {
            hub,
            sequence,
            admission,
            options,
            readings: Readings::default(),
            meter: Arc::new(Meter::default()),
            peers: Vec::new(),
            deadline: None,
        }
    }

    /// How many connections there may be.
    pub(super) fn admission(&self) -> MutexGuard<'_, Admission> {
        lock(&self.admission)
    }

    /// Takes in a connection, which the log knows by its `number`; `None` if there is no place for it.
    pub(super) fn join(
        &mut self,
        number: u64,
        peer: &Arc<Peer>,
        rights: Rights,
        now: Instant,
    ) -> Option<SessionId> {
        let session = match peer.entered {
            Ok(_) => self.hub.accept(number, peer.address, rights, now),
            Err(reason) => {
                let refusal = reason.refusal();
                self.hub.turn_away(number, peer.address, refusal, now)
            }
        }?;
        self.readings.accepted = self.readings.accepted.saturating_add(1);
        let at = session.index();
        if self.peers.len() <= at {
            self.peers.resize_with(at.saturating_add(1), || None);
        }
        *self.peers.get_mut(at)? = Some((session, Arc::clone(peer)));
        Some(session)
    }

    /// The threads of a connection end.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.hub.leave(session);
        let place = self.peers.get_mut(session.index());
        if let Some((_, peer)) = place.and_then(Option::take) {
            self.dismiss(&peer);
        }
        self.show();
    }

    /// Shows what has been done and what there is, for other threads.
    fn show(&mut self) {
        let (load, index) = (self.hub.load(), self.hub.counters());
        self.readings.take(self.hub.sessions(), &load, &index);
        self.meter.show(&self.readings);
    }

    /// A connection is over.
    pub(super) fn dismiss(&self, peer: &Peer) {
        let mut admission = self.admission();
        match peer.entered {
            Ok(place) => admission.leave(place),
            Err(_) => admission.declined_goes(),
        }
    }

    /// A session's bytes have arrived: does what they ask for.
    pub(super) fn receive(&mut self, session: SessionId, mut bytes: &mut [u8], now: Instant) {
        let received = &mut self.readings.received_bytes;
        *received = received.saturating_add(bytes.len() as u64);
        while !bytes.is_empty() {
            let taken = self.hub.receive(session, bytes, now);
            bytes = bytes.get_mut(taken..).unwrap_or_default();
            self.flush(now);
        }
    }

    /// Does what is due at `now`; when that is to be done again, if ever. `None`: the server has ended.
    pub(super) fn time(&mut self, now: Instant) -> Option<Option<Instant>> {
        self.hub.handle_timeouts(now);
        self.flush(now);
        if let Some(deadline) = self.deadline {
            if now >= deadline {
                self.cut();
            }
            if self.hub.sessions() == 0 {
                return None;
            }
        }
        let deadlines = [self.hub.poll_timeout(), self.deadline];
        Some(deadlines.into_iter().flatten().min())
    }

    /// Publishes a message of the server's own.
    pub(super) fn announce(&mut self, message: &str, now: Instant) -> Result<Announced, Refusal> {
        self.hub.announce(message)?;
        self.flush(now);
        // Everything that was handed out is settled.
        let announced = self.hub.poll_announced();
        announced.ok_or_else(|| Refusal::new(ErrorCode::ShuttingDown))
    }

    /// Puts other options in force.
    pub(super) fn reconfigure(&mut self, options: Options) {
        {
            let mut admission = self.admission();
            admission.set_limits(options.admission);
            admission.set_policy(Arc::clone(&options.hub.policy));
        }
        self.hub.reconfigure(&options.hub);
        self.options = options;
    }

    /// Starts to close everybody.
    pub(super) fn drain(&mut self, now: Instant) {
        let options = &self.options;
        self.hub.drain(options.drain_time(self.hub.sessions()), now);
        self.deadline = Some(now.after(options.drain_window).after(options.drain_grace));
    }

    /// Cuts everybody off.
    fn cut(&mut self) {
        for (session, peer) in self.peers.iter().flatten() {
            self.hub.leave(*session);
            peer.cut();
            peer.called.notify_one();
        }
    }

    /// Sends what was published to everybody, and offers to everybody's pipe what is due.
    pub(super) fn flush(&mut self, now: Instant) {
        self.hub.hand_out(&mut self.sequence, now);
        while let Some(session) = self.hub.poll_transmit(now) {
            if let Some(Some((_, peer))) = self.peers.get(session.index()) {
                offer(&mut self.hub, session, peer);
            }
        }
        self.show();
    }
}

fn lock(admission: &Mutex<Admission>) -> MutexGuard<'_, Admission> {
    admission.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Offers what is due to a session to its pipe.
fn offer<W: FnMut(&hub::Fact<'_>)>(hub: &mut Hub<W>, session: SessionId, peer: &Peer) {
    let was_behind = hub.is_behind(session);
    match peer.pipe.push(hub.chunks(session)) {
        Some(count) => hub.sent(session, count),
        None => hub.write_failed(session),
    }
    if hub.take_shutdown(session) {
        peer.pipe.shut_down();
    }
    let is_over = hub.is_over(session);
    if is_over {
        peer.end();
    }
    // A notification is a system call, and the hub is locked.
    if is_over || (was_behind && !hub.is_behind(session)) {
        peer.called.notify_one();
    }
}
