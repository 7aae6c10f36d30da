//! One session: its connection, and what it has not been told or not said to the end.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::net::{IpAddr, SocketAddr};

use super::{Ending, Rights, Version, outbox::Outbox, rate::Bucket};
use crate::{
    Instant,
    conn::{Assembler, Connection, MAX_LEFTOVER, Opening, Server, State},
    handshake::Refusal,
};

/// A session. Nothing but this is kept for one that is idle.
#[derive(Debug)]
pub(super) struct Session {
    /// For the logs.
    pub(super) number: u64,
    pub(super) peer: Address,
    pub(super) rights: Rights,
    pub(super) version: Version,
    pub(super) stage: Stage,
    pub(super) messages: Bucket,
    pub(super) publications: Bucket,
    /// What its peer has begun to say.
    pub(super) partial: Option<Box<Partial>>,
    /// What its peer has not taken.
    pub(super) outbox: Option<Box<Outbox>>,
    /// What is to be said when its publications are settled.
    pub(super) answers: Option<Box<Answers>>,
    /// It has published and is classic: nothing more is heard of it (the protocol, section 3).
    pub(super) has_spoken: bool,
    /// The transport takes no more: nothing is queued any longer.
    pub(super) is_broken: bool,
    /// The transport's writing direction is to be shut down when everything is written.
    pub(super) shut_down: bool,
    /// The transport is to be dropped.
    pub(super) is_over: bool,
    /// The transport takes bytes again, after it had not.
    pub(super) is_writable: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    Opening(Box<Doorway>),
    Open(Connection<Server>),
}

/// A session whose opening handshake goes on.
pub(super) struct Doorway {
    pub(super) opening: Opening<Server>,
    /// Why every request is to be declined, if so.
    pub(super) closed: Option<Refusal<'static>>,
}

impl core::fmt::Debug for Doorway {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Doorway").finish_non_exhaustive()
    }
}

/// A socket's address in 20 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    ip: IpAddr,
    port: u16,
}

impl Address {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: address.port(),
        }
    }

    pub(super) const fn get(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// What a peer has begun to say.
#[derive(Debug)]
pub(super) struct Partial {
    /// An unfinished control frame or head.
    pub(super) left: heapless::Vec<u8, MAX_LEFTOVER>,
    /// An unfinished message.
    pub(super) message: Assembler<Vec<u8>>,
    /// Whether there is one.
    pub(super) in_message: bool,
}

impl Default for Partial {
    fn default() -> Self {
        Self {
            left: heapless::Vec::new(),
            message: Assembler::new(Vec::new()),
            in_message: false,
        }
    }
}

/// Answers come in the order of the messages: those behind a publication wait until it is settled.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How many of the session's publications are accepted, and how many settled.
    accepted: u64,
    settled: u64,
    /// What follows so many accepted ones.
    waiting: VecDeque<(u64, Answer)>,
}

/// What is to happen to a session.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is sent this frame.
    Frame(Vec<u8>),
    /// It is closed.
    Close(Ending),
    /// Its transport has delivered its last byte.
    Eof,
}

impl Answers {
    /// A publication was accepted.
    pub(super) const fn accept(&mut self) {
        self.accepted = self.accepted.saturating_add(1);
    }

    /// The oldest one is settled.
    pub(super) const fn settle(&mut self) {
        self.settled = self.settled.saturating_add(1);
    }

    /// Whether something of the session is not settled.
    pub(super) const fn are_pending(&self) -> bool {
        self.settled < self.accepted
    }

    pub(super) fn wait(&mut self, answer: Answer) {
        self.waiting.push_back((self.accepted, answer));
    }

    /// The next answer that need not wait any longer.
    pub(super) fn next(&mut self) -> Option<Answer> {
        let due = self
            .waiting
            .front()
            .is_some_and(|next| next.0 <= self.settled);
        due.then(|| self.waiting.pop_front())?.map(|next| next.1)
    }
}

impl Session {
    /// Whether messages reach it, and from it.
    pub(super) fn is_open(&self) -> bool {
        match &self.stage {
            Stage::Open(conn) => conn.state() == State::Open && !self.is_broken,
            Stage::Opening(_) => false,
        }
    }

    /// When its next deadline is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open(conn) => conn.poll_timeout(),
            Stage::Opening(door) => door.opening.poll_timeout(),
        }
    }
}
