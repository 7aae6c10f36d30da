//! What is behind the lock: the hub, and the connections that it knows.

use std::sync::{Arc, MutexGuard, PoisonError};

use campanile_core::{
    Instant,
    hub::{self, Admission, Hub, Rights, Sequence, SessionId},
};

use super::{Fact, Observer, Options, Server, connection::Peer, milliseconds, random_key};

type Watch<'o> = Box<dyn FnMut(&hub::Fact<'_>) + Send + 'o>;

pub(super) struct State<'o> {
    pub(super) hub: Hub<Watch<'o>>,
    sequence: Sequence,
    pub(super) admission: Admission,
    /// By [`SessionId::index`].
    seats: Vec<Option<Seat>>,
    /// When whatever is still open is cut off.
    deadline: Option<Instant>,
}

struct Seat {
    session: SessionId,
    peer: Arc<Peer>,
    /// Whether its reader waits to be called.
    waits: bool,
}

impl<'o> State<'o> {
    pub(super) fn new(options: &Options, observer: Observer<'o>) -> Self {
        let watch: Watch<'o> = Box::new(move |fact| observer(&Fact::Session(fact)));
        let sequence = Sequence::new(milliseconds());
        Self {
            hub: Hub::new(&options.hub, random_key(), sequence.position(), watch),
            sequence,
            admission: Admission::new(options.admission, random_key()),
            seats: Vec::new(),
            deadline: None,
        }
    }

    /// Takes in a connection, which the log knows by its `number`; `None` if there is no place for it.
    pub(super) fn join(
        &mut self,
        number: u64,
        peer: &Arc<Peer>,
        rights: Rights,
        now: Instant,
    ) -> Option<SessionId> {
        let session = match peer.turned_away {
            None => self.hub.accept(number, peer.address, rights, now),
            Some(reason) => {
                let refusal = reason.refusal();
                self.hub.turn_away(number, peer.address, refusal, now)
            }
        }?;
        let at = session.index();
        if self.seats.len() <= at {
            self.seats.resize_with(at.saturating_add(1), || None);
        }
        *self.seats.get_mut(at)? = Some(Seat {
            session,
            peer: Arc::clone(peer),
            waits: false,
        });
        Some(session)
    }

    /// The threads of a connection end.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.hub.leave(session);
        let seat = self.seats.get_mut(session.index());
        if let Some(seat) = seat.and_then(Option::take) {
            self.dismiss(&seat.peer);
        }
    }

    /// A connection is over.
    pub(super) fn dismiss(&mut self, peer: &Peer) {
        match peer.turned_away {
            None => self.admission.leave(peer.address.ip()),
            Some(_) => self.admission.declined_goes(),
        }
    }

    /// A session's bytes have arrived: does what they ask for.
    pub(super) fn receive(&mut self, session: SessionId, mut bytes: &mut [u8], now: Instant) {
        while !bytes.is_empty() {
            let taken = self.hub.receive(session, bytes, now);
            bytes = bytes.get_mut(taken..).unwrap_or_default();
            self.flush(now);
        }
    }

    /// A session's last byte has arrived.
    pub(super) fn receive_eof(&mut self, session: SessionId, now: Instant) {
        self.hub.receive_eof(session, now);
        self.flush(now);
    }

    /// The pipe of a session has room again.
    pub(super) fn writable(&mut self, session: SessionId, now: Instant) {
        self.hub.writable(session);
        self.flush(now);
    }

    /// The socket of a session takes no more. What its peer said before is still to be read, and the
    /// end of that ends the session.
    pub(super) fn write_failed(&mut self, session: SessionId, now: Instant) {
        self.hub.write_failed(session);
        self.call(session);
        self.flush(now);
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
        Some(
            self.hub
                .poll_timeout()
                .into_iter()
                .chain(self.deadline)
                .min(),
        )
    }

    /// Starts to close everybody.
    pub(super) fn drain(&mut self, options: &Options, now: Instant) {
        self.hub.drain(options.drain_time(self.hub.sessions()), now);
        self.deadline = Some(now.after(options.drain_window).after(options.drain_grace));
    }

    /// Cuts everybody off.
    fn cut(&mut self) {
        for seat in self.seats.iter().flatten() {
            self.hub.leave(seat.session);
            seat.peer.cut();
            seat.peer.called.notify_one();
        }
    }

    /// Sends what was published to everybody, and offers everybody what is due.
    fn flush(&mut self, now: Instant) {
        self.hub.hand_out(&mut self.sequence, now);
        while let Some(session) = self.hub.poll_transmit(now) {
            self.offer(session);
        }
    }

    /// Offers what is due to a session to its pipe.
    fn offer(&mut self, session: SessionId) {
        let Some(Some(seat)) = self.seats.get(session.index()) else {
            return;
        };
        let pipe = &seat.peer.pipe;
        match pipe.push(self.hub.chunks(session)) {
            Some(count) => self.hub.sent(session, count),
            None => self.hub.write_failed(session),
        }
        if self.hub.take_shutdown(session) {
            pipe.shut_down();
        }
        if self.hub.is_over(session) {
            seat.peer.end();
        }
        self.call(session);
    }

    /// Calls the reader of a session, if it waits and need not any longer.
    fn call(&mut self, session: SessionId) {
        let is_over = self.hub.is_over(session);
        if let Some(Some(seat)) = self.seats.get_mut(session.index())
            && seat.waits
            && (is_over || !self.hub.is_behind(session))
        {
            seat.waits = false;
            seat.peer.called.notify_one();
        }
    }

    fn expect_call(&mut self, session: SessionId) {
        if let Some(Some(seat)) = self.seats.get_mut(session.index()) {
            seat.waits = true;
        }
    }
}

impl<'o> Server<'o> {
    /// Waits until more may be read from a session, or, when it `has_ended`, until it is over.
    pub(super) fn wait<'s>(
        &self,
        mut state: MutexGuard<'s, State<'o>>,
        session: SessionId,
        peer: &Peer,
        has_ended: bool,
    ) -> MutexGuard<'s, State<'o>> {
        while !state.hub.is_over(session) && (has_ended || state.hub.is_behind(session)) {
            state.expect_call(session);
            let called = peer.called.wait(state);
            state = called.unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}
