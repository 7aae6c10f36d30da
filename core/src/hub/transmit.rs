//! What is due to sessions, on its way to their transports.

use super::{
    Ending, Fact, Hub, SessionId, SlowPolicy,
    hear::reply_frame,
    session::{Answer, Session, Stage},
    turn::{Due, OWN, Piece, RAW},
};
use crate::{
    Instant,
    conn::{Input, State, Transmit},
    notify::{ErrorCode, Refusal, Reply},
    wire::MAX_CONTROL,
};

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// Whether so much is due to all together that it should be written before more is received.
    #[must_use]
    pub const fn is_filling(&self) -> bool {
        self.turn.is_filling()
    }

    /// The next session that something is due to; `None` at the end of the turn, when there is no
    /// more. What the one before did not take waits in its outbox from now on.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<SessionId> {
        self.end_writing(now);
        self.filling.clear();
        while let Some(index) = self.dirty.pop_front() {
            let Some(receiver) = self.receivers.get_mut(index as usize) else {
                continue;
            };
            receiver.filling = false;
            if core::mem::take(&mut receiver.dirty) && self.start_writing(index, now) {
                return self.id(index);
            }
        }
        self.turn.clear();
        None
    }

    /// The next session that so much is due to that it should be written before the end of the turn;
    /// `None` if there is no more of these. Otherwise like [`poll_transmit`](Self::poll_transmit).
    pub fn poll_filling(&mut self, now: Instant) -> Option<SessionId> {
        self.end_writing(now);
        while let Some(index) = self.filling.pop() {
            let Some(receiver) = self.receivers.get_mut(index as usize) else {
                continue;
            };
            if core::mem::take(&mut receiver.filling) && self.start_writing(index, now) {
                return self.id(index);
            }
        }
        None
    }

    /// Has the driver write to a session, unless its transport is known to take nothing.
    fn start_writing(&mut self, index: u32, now: Instant) -> bool {
        let Some(session) = self.session_mut(index) else {
            return false;
        };
        let was_writable = core::mem::take(&mut session.is_writable);
        if session.outbox.is_some() && !was_writable && !session.is_over {
            self.put_away(index, now);
            return false;
        }
        self.writing = Some(index);
        true
    }

    /// What the driver's last session has not taken is put away.
    fn end_writing(&mut self, now: Instant) {
        if let Some(index) = self.writing.take() {
            self.put_away(index, now);
        }
    }

    /// What is to be written to the transport of a session, in order.
    pub fn chunks(&self, id: SessionId) -> impl Iterator<Item = &[u8]> {
        let index = self.find(id);
        let session = index.and_then(|index| self.session(index));
        let outbox = session.and_then(|session| session.outbox.as_ref());
        let receiver = self.receivers.get(id.index()).filter(|_| index.is_some());
        let due = receiver.map_or(Due::NOTHING, |receiver| receiver.due);
        let waiting = outbox.into_iter().flat_map(|outbox| outbox.chunks());
        let pieces = self.turn.pieces(due);
        waiting.chain(pieces.map(|piece| piece.bytes.get(piece.sent..).unwrap_or_default()))
    }

    /// The first `written` bytes of the [`chunks`](Self::chunks) are on their way.
    pub fn sent(&mut self, id: SessionId, written: usize) {
        let Some(index) = self.find(id) else {
            return;
        };
        self.load.sent_bytes = self.load.sent_bytes.saturating_add(written as u64);
        let mut left = written;
        let slot = self.slots.get_mut(index as usize);
        if let Some(session) = slot.and_then(|slot| slot.session.as_mut())
            && let Some(outbox) = &mut session.outbox
        {
            let before = outbox.len();
            left = outbox.advance(left);
            if outbox.is_empty() {
                session.outbox = None;
            }
            self.load.waits(Some(before), session.waiting());
        }
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            self.turn.advance(&mut receiver.due, left);
        }
    }

    /// The transport of a session fails when it is written to: what waits is dropped, and so is what
    /// comes, since it would follow half a frame. What the peer has said is still to be received.
    pub fn write_failed(&mut self, id: SessionId) {
        let Some(index) = self.find(id) else {
            return;
        };
        let slot = self.slots.get_mut(index as usize);
        if let Some(session) = slot.and_then(|slot| slot.session.as_mut()) {
            self.load.waits(session.waiting(), None);
            session.outbox = None;
            session.is_broken = true;
        }
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            receiver.due = Due::NOTHING;
            receiver.hears = false;
        }
    }

    /// The transport of a session takes bytes again, after it had not: a sign of life, though the
    /// peer has said nothing. What waits is due then.
    pub fn writable(&mut self, id: SessionId) {
        let Some(index) = self.find(id) else {
            return;
        };
        let Some(session) = self.session_mut(index) else {
            return;
        };
        if session.outbox.is_none() {
            return;
        }
        session.is_writable = true;
        if let Stage::Open(conn) = &mut session.stage {
            conn.peer_lives();
        }
        self.mark_dirty(index);
    }

    /// Whether a session has not taken what was due to it before. It should not be heard before it has:
    /// who does not read its answers could ask for ever more of them.
    #[must_use]
    pub fn is_behind(&self, id: SessionId) -> bool {
        let session = self.find(id).and_then(|index| self.session(index));
        session.is_some_and(|session| session.outbox.is_some())
    }

    /// Whether the writing direction of a session's transport is to be shut down now; asks only once.
    #[must_use]
    pub fn take_shutdown(&mut self, id: SessionId) -> bool {
        let Some(index) = self.find(id) else {
            return false;
        };
        let receiver = self.receivers.get(index as usize);
        let is_written = receiver.is_none_or(|receiver| receiver.due.is_nothing());
        let Some(session) = self.session_mut(index) else {
            return false;
        };
        session.outbox.is_none() && is_written && core::mem::take(&mut session.shut_down)
    }

    /// Whether the transport of a session is to be dropped, when what waits was offered to it once
    /// more.
    #[must_use]
    pub fn is_over(&self, id: SessionId) -> bool {
        let session = self.find(id).and_then(|index| self.session(index));
        session.is_none_or(|session| session.is_over)
    }

    /// Takes on what the connection of a session owes of its own.
    pub(super) fn transmit(&mut self, index: u32, input: &mut Input<'_>) {
        let mut out = [0; MAX_CONTROL];
        loop {
            let Some(session) = self.session_mut(index) else {
                return;
            };
            let Stage::Open(conn) = &mut session.stage else {
                return;
            };
            // Our part of the closing handshake comes behind the answers.
            if session.answers.is_some() && conn.state() == State::Draining {
                return;
            }
            match conn.poll_transmit(input, &mut out) {
                None => return,
                Some(Transmit::Bytes(bytes)) => self.write(index, bytes),
                Some(Transmit::ShutdownWrite) => {
                    session.shut_down = true;
                    self.mark_dirty(index);
                }
                Some(Transmit::Disconnect) => self.end(index),
            }
        }
    }

    /// Makes a frame for a session alone due to it.
    pub(super) fn write(&mut self, index: u32, frame: &[u8]) {
        self.write_to(index, OWN, frame);
    }

    /// The same with what is no frame.
    pub(super) fn write_raw(&mut self, index: u32, bytes: &[u8]) {
        self.write_to(index, RAW, bytes);
    }

    fn write_to(&mut self, index: u32, segment: u32, bytes: &[u8]) {
        if bytes.is_empty() || self.session(index).is_none_or(|session| session.is_broken) {
            return;
        }
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            let place = self.turn.write(bytes);
            self.turn.add(&mut receiver.due, segment, place);
            receiver.enlist(index, &mut self.dirty, &mut self.filling);
        }
    }

    /// Starts the closing handshake of a session (RFC 6455 section 7.1.2), if it is not under way.
    pub(super) fn close_now(&mut self, index: u32, ending: Ending, now: Instant) {
        let mut out = [0; MAX_CONTROL];
        let Some(session) = self.session_mut(index) else {
            return;
        };
        if let Stage::Open(conn) = &mut session.stage
            && let Ok(frame) = conn.close(ending.code, ending.reason, &mut out, now)
        {
            self.write(index, frame);
        }
        self.refresh(index);
    }

    /// The transport of a session is of no more use.
    pub(super) fn end(&mut self, index: u32) {
        if let Some(session) = self.session_mut(index) {
            session.is_over = true;
            self.mark_dirty(index);
        }
    }

    pub(super) fn mark_dirty(&mut self, index: u32) {
        if let Some(receiver) = self.receivers.get_mut(index as usize)
            && !core::mem::replace(&mut receiver.dirty, true)
        {
            self.dirty.push_back(index);
        }
    }

    /// Brings up to date what stands beside a session.
    pub(super) fn refresh(&mut self, index: u32) {
        let Some(session) = self.session(index) else {
            return;
        };
        let hears = session.is_open() && !session.is_broken;
        let deadline = session.deadline().unwrap_or(Instant::MAX);
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            receiver.hears = hears;
        }
        self.set_deadline(index, deadline);
    }

    pub(super) fn set_deadline(&mut self, index: u32, deadline: Instant) {
        if let Some(slot) = self.deadlines.get_mut(index as usize) {
            *slot = deadline;
        }
    }

    /// Moves what a session has not taken of this turn to its outbox, and sees whether that is more
    /// than may wait there.
    fn put_away(&mut self, index: u32, now: Instant) {
        let Some(receiver) = self.receivers.get_mut(index as usize) else {
            return;
        };
        let due = core::mem::replace(&mut receiver.due, Due::NOTHING);
        if due.is_nothing() {
            return;
        }
        let before = self.session(index).and_then(Session::waiting);
        self.keep_due(index, due, now);
        let after = self.session(index).and_then(Session::waiting);
        self.load.waits(before, after);
    }

    fn keep_due(&mut self, index: u32, due: Due, now: Instant) {
        let limits = self.options.outbox;
        let slot = self.slots.get_mut(index as usize);
        let Some(session) = slot.and_then(|slot| slot.session.as_mut()) else {
            return;
        };
        let outbox = session.outbox.get_or_insert_default();
        self.turn
            .pieces(due)
            .for_each(|piece: Piece<'_>| outbox.keep(&piece, &self.turn));
        if !outbox.is_over(&limits) || !session.is_open() {
            return;
        }
        let connection = session.number;
        match limits.policy {
            SlowPolicy::Disconnect => self.give_up(index, now),
            SlowPolicy::DropOldest => {
                let Some(outbox) = self.session_mut(index).and_then(|s| s.outbox.as_mut()) else {
                    return;
                };
                let notifications = outbox.drop_oldest(&limits);
                if outbox.is_over(&limits) {
                    return self.give_up(index, now); // what waits is answers
                }
                self.observe(&Fact::Dropped {
                    connection,
                    notifications,
                });
            }
        }
    }

    /// Drops what waits for a slow consumer and closes it behind a last word (the protocol, section
    /// 5).
    fn give_up(&mut self, index: u32, now: Instant) {
        let Some(session) = self.session_mut(index) else {
            return;
        };
        let connection = session.number;
        let has_ended = session.answers.take().is_some_and(|answers| answers.ends());
        let refusal = Refusal::new(ErrorCode::SlowConsumer);
        let mut out = [0; MAX_CONTROL];
        if let Stage::Open(conn) = &mut session.stage
            && let Ok(close) = conn.close(Ending::SLOW.code, Ending::SLOW.reason, &mut out, now)
        {
            let outbox = session.outbox.get_or_insert_default();
            outbox.drop_unsent();
            outbox.write(&reply_frame(&Reply::Error(&refusal)));
            outbox.write(close);
        }
        self.refresh(index);
        self.observe(&Fact::SlowConsumer { connection });
        if has_ended {
            self.give(index, Answer::Eof, now);
        }
    }
}
