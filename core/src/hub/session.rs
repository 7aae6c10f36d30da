//! One session: its connection, and what it has not been told or not said to the end.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

#[cfg(feature = "deflate")]
use super::compression::Compression;
use super::{
    Ending, Options, OutboxLimits, Rights, Version,
    http::{Exchange, Manner},
    outbox::Outbox,
    rate::Bucket,
};
use crate::{
    Instant,
    conn::{Assembler, Connection, MAX_LEFTOVER, Opening, Server, State},
    handshake::Refusal,
    notify::Position,
};

/// A session. Nothing but this is kept for one that is idle.
#[derive(Debug)]
pub(super) struct Session {
    /// For the logs.
    pub(super) number: u64,
    pub(super) peer: Address,
    pub(super) rights: Rights,
    /// Whether it counts by the address that a proxy has named.
    pub(super) is_counted: bool,
    pub(super) version: Version,
    /// Whether it has asked for something by HTTP and is no WebSocket yet.
    pub(super) speaks_http: bool,
    /// Whether it is v1 and subscribes to anything.
    pub(super) hears_v1: bool,
    /// How its client compresses; `None` if neither side does.
    #[cfg(feature = "deflate")]
    pub(super) deflated: Option<crate::deflate::Direction>,
    pub(super) stage: Stage,
    pub(super) messages: Bucket,
    pub(super) publications: Bucket,
    /// What its peer has begun to say.
    pub(super) partial: Option<Box<Partial>>,
    /// What its peer has not taken.
    pub(super) outbox: Option<Box<Outbox>>,
    /// What is to be said when its publications are settled; `None` if nothing waits.
    pub(super) answers: Option<Box<Answers>>,
    /// Nothing more is heard of it: it is classic and has published (the protocol, section 3), or is
    /// going to be closed.
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
    Http(Box<Exchange>),
    Open(Connection<Server>),
}

/// A session whose opening handshake goes on.
pub(super) struct Doorway {
    pub(super) opening: Opening<Server>,
    /// Why every request is to be declined, if so.
    pub(super) closed: Option<Refusal<'static>>,
    /// What there is of the PROXY protocol's header, where one is due first.
    pub(super) preamble: Option<Vec<u8>>,
}

impl Doorway {
    /// One through which a request is to come within `time`.
    pub(super) fn new(
        options: &Options,
        time: Duration,
        closed: Option<Refusal<'static>>,
        now: Instant,
    ) -> Self {
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
        let mut opening =
            Opening::within(time, Server, &options.connection, options.handshake, now);
        #[cfg(feature = "deflate")]
        {
            opening.deflate = options.compression.as_ref().map(Compression::terms);
        }
        Self {
            opening,
            closed,
            preamble: None,
        }
    }
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

/// Answers come in the order of the messages: behind a publication that is not settled, or a set of
/// subscriptions that has no place yet, all others wait.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The ticket of the first one that waits.
    first: u64,
    /// `None`: not known yet.
    waiting: VecDeque<Option<Answer>>,
    /// What they take of memory, with the messages that are kept for them, in bytes.
    cost: usize,
    /// What is known of the response that is next, where that has parts which are known one by one.
    results: Vec<u8>,
}

/// What is to happen to a session.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is sent this frame.
    Frame(Vec<u8>),
    /// It is told that what it published was handed out.
    Published { position: Position, recipients: u64 },
    /// It is closed.
    Close(Ending),
    /// Its transport has delivered its last byte.
    Eof,
    /// It is sent these bytes, which are no frame.
    Raw(Vec<u8>),
    /// The same, and nothing after them.
    Last(Vec<u8>),
    /// This is part of the next response.
    Result(Vec<u8>),
    /// It is sent what it published and what became of it, as a list or not.
    Results { manner: Manner, is_list: bool },
    /// It hears nothing of it.
    Nothing,
}

impl Answers {
    /// The most that may wait, in bytes, before its session is too fast: as much as may wait for a
    /// peer that does not read.
    const COST: usize = OutboxLimits::BYTES;

    /// What an answer of no bytes takes.
    const EACH: usize = 64;

    /// An answer that is not known yet, for which a message of so many bytes is kept; the ticket to
    /// tell it with.
    pub(super) fn expect(&mut self, kept: usize) -> u64 {
        let ticket = self.next_ticket();
        self.waiting.push_back(None);
        self.cost = self.cost.saturating_add(kept);
        ticket
    }

    /// What [`expect`](Self::expect) would give.
    pub(super) fn next_ticket(&self) -> u64 {
        self.first.saturating_add(self.waiting.len() as u64)
    }

    /// An answer that was expected, and for which `kept` bytes were kept.
    pub(super) fn tell(&mut self, ticket: u64, kept: usize, answer: Answer) {
        let at = ticket
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(slot @ None) = at.and_then(|at| self.waiting.get_mut(at)) {
            let cost = self.cost.saturating_sub(kept);
            self.cost = cost.saturating_add(answer.cost());
            *slot = Some(answer);
        }
    }

    /// An answer behind all that wait.
    pub(super) fn wait(&mut self, answer: Answer) {
        self.cost = self.cost.saturating_add(answer.cost());
        self.waiting.push_back(Some(answer));
    }

    /// The next answer that need not wait any longer.
    pub(super) fn next(&mut self) -> Option<Answer> {
        let answer = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.first = self.first.saturating_add(1);
        self.cost = self.cost.saturating_sub(answer.cost());
        Some(answer)
    }

    /// Part of the next response is known: a JSON value.
    pub(super) fn gather(&mut self, result: &[u8]) {
        if !self.results.is_empty() {
            self.results.push(b',');
        }
        self.results.extend_from_slice(result);
    }

    /// All of these, separated by commas.
    pub(super) fn take_results(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.results)
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the end of the transport's bytes is among them.
    pub(super) fn ends(&self) -> bool {
        let mut answers = self.waiting.iter().rev();
        answers.any(|answer| matches!(answer, Some(Answer::Eof)))
    }

    /// What they take of memory.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    /// Whether so much waits that no more may.
    pub(super) const fn are_too_many(&self) -> bool {
        self.cost >= Self::COST
    }
}

impl Answer {
    fn cost(&self) -> usize {
        match self {
            Self::Frame(bytes) | Self::Raw(bytes) | Self::Last(bytes) | Self::Result(bytes) => {
                bytes.len().saturating_add(Answers::EACH)
            }
            Self::Published { .. }
            | Self::Results { .. }
            | Self::Close(_)
            | Self::Eof
            | Self::Nothing => Answers::EACH,
        }
    }
}

impl Session {
    /// Whether so many of its answers wait that it may say no more.
    pub(super) fn is_too_far_ahead(&self) -> bool {
        let answers = self.answers.as_ref();
        answers.is_some_and(|answers| answers.are_too_many())
    }

    /// Whether it is open: what it says is heard.
    pub(super) fn is_open(&self) -> bool {
        match &self.stage {
            Stage::Open(conn) => conn.state() == State::Open,
            Stage::Opening(_) | Stage::Http(_) => false,
        }
    }

    /// Whether what it says makes a difference.
    pub(super) fn is_heard(&self) -> bool {
        !self.has_spoken && self.is_open()
    }

    /// Whether a frame may still follow what it was sent (RFC 6455 section 5.5.1: none after a
    /// Close).
    pub(super) fn may_be_told(&self) -> bool {
        match &self.stage {
            Stage::Open(conn) => conn.check_ready().is_ok(),
            Stage::Opening(_) | Stage::Http(_) => false,
        }
    }

    /// How many bytes its peer has not taken; `None` if it is not behind.
    pub(super) fn waiting(&self) -> Option<usize> {
        self.outbox.as_ref().map(|outbox| outbox.len())
    }

    /// When its next deadline is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open(conn) => conn.poll_timeout(),
            Stage::Opening(door) => door.opening.poll_timeout(),
            Stage::Http(exchange) => Some(exchange.deadline()),
        }
    }
}
