//! A notification hub for a handful of clients, without a heap and for any transport: the protocol's
//! sections 1 to 5, classic and v1 sessions, in memory that is counted before the program starts.
//!
//! [`Hub::poll`] is to be called in a loop. It asks a [`Transport`] of the caller's for what has
//! arrived, and gives it what is to be sent. There is no outbox but the transport's own: what TCP
//! keeps until it is acknowledged is what waits for a slow client, so that nothing is kept twice.
#![no_std]
#![forbid(unsafe_code)]

mod sessions;
mod transport;

pub use transport::{Arrived, Transport};

use campanile_core::{
    Instant,
    conn::{Config, Connection, Event, Input, MAX_LEFTOVER, Server, Transmit, Violation},
    handshake::{
        self, Answer, HANDSHAKE_TIME, LINGER_TIME, Limits, RESPONSE_BYTES, ServerHandshake, Verdict,
    },
    notify::{ErrorCode, MAX_REPLY_LEN, Position, Refusal, Reply},
    wire::{MAX_CONTROL, MAX_HEAD},
};
use sessions::{Place, Sessions, Stage, reply};

/// The most clients with an open WebSocket at once, publishers included. Each costs 2.7 KB here,
/// and a socket of the transport with its two buffers.
pub const CLIENTS: usize = 6;

/// One place more than clients: for whoever is told that there is no room, and for the next publisher
/// while the transport of the last one is still being wound up.
pub const PLACES: usize = CLIENTS + 1;

/// The longest message, and the longest request of an opening handshake, in bytes, for which each
/// place has memory. A notification is a few hundred bytes; a browser's request with a cookie or two
/// is below 1 KiB.
pub const MESSAGE: usize = 2048;

/// The least that the transport must be able to keep for a peer ([`Transport::room`] when nothing is
/// waiting), in bytes: the longest notification and a last word, or any answer.
pub const OUTBOX: usize = 3072;

/// The subscriptions of a client: what one screen shows.
pub const SUBSCRIPTIONS: usize = 8;

/// What is looked at in one go, in bytes, on the stack.
const BITE: usize = 512;

/// Room for whatever one event can be answered with, which is waited for before the next event is
/// heard: the longest reply, a close, a pong, and a ping that is due. So answers are never lost, and
/// who does not read them is not heard.
const ANSWER: usize = MAX_REPLY_LEN + MAX_HEAD + 3 * MAX_CONTROL;

/// What notifications leave free: room for the error `slow_consumer`, a close, a pong and a ping.
const LAST_WORDS: usize = 256 + 3 * MAX_CONTROL;

/// What a v1 session hears is so much longer than what was published.
const POSITION: usize = 64;

const _: () = assert!(
    OUTBOX >= ANSWER
        && OUTBOX >= MESSAGE + POSITION + MAX_HEAD + LAST_WORDS
        && OUTBOX >= RESPONSE_BYTES,
    "nothing waits for more room than there ever is",
);

/// As on a server, but for the memory that there is, and for fewer fragments of the shorter messages.
const CONNECTION: Config = Config {
    max_message: MESSAGE as u64,
    max_fragments: 64,
    ..Config::new()
};

const FULL: handshake::Refusal<'static> = handshake::Refusal {
    status: 503,
    reason: "Service Unavailable",
    headers: &[("Retry-After", "5")],
    body: "All places of this device are taken; connect again in a few seconds.",
};

/// The name by which clients ask for a v1 session (the protocol, section 1).
const V1: &str = "campanile.v1";

/// Everybody who is connected, and who wants to hear what.
#[derive(Debug)]
pub struct Hub {
    sessions: Sessions,
    /// The request of a place that opens, then the message of which fragments have come.
    messages: [heapless::Vec<u8, MESSAGE>; PLACES],
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without clients.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sessions: Sessions::NEW,
            messages: [const { heapless::Vec::new() }; PLACES],
        }
    }

    /// Numbers notifications from now on in this epoch, which should be another each time that the
    /// device starts; 0 where nothing tells one start from the next. What positions there were before
    /// (the protocol, section 6) means nothing any more.
    pub const fn start_epoch(&mut self, epoch: u64) {
        self.sessions.reached = Position::new(epoch, 0);
    }

    /// Does what is due for every place; each has one message heard at most, so that nobody waits for
    /// one who talks a lot. Answers whether anything was done: if so, call it again at once, or else
    /// when something has arrived, and ten times a second in any case.
    pub fn poll(&mut self, net: &mut impl Transport, now: Instant) -> bool {
        (0..PLACES).fold(false, |busy, at| {
            busy | self.poll_place(at, net, now).unwrap_or(false)
        })
    }

    fn poll_place(&mut self, at: usize, net: &mut impl Transport, now: Instant) -> Option<bool> {
        let place = self.sessions.places.get_mut(at)?;
        match &mut place.stage {
            Stage::Free if net.accept(at) => {
                place.stage = Stage::Opening {
                    handshake: ServerHandshake::new(Limits {
                        head_bytes: MESSAGE,
                    }),
                    until: now.after(HANDSHAKE_TIME),
                };
                Some(true)
            }
            Stage::Free => Some(false),
            Stage::Opening { until, .. } if now >= *until => self.free(at, net),
            Stage::Opening { .. } => self.handshake(at, net, now),
            Stage::Open(_) => self.converse(at, net, now),
            Stage::Leaving { until } => match net.peek(at, &mut [0; BITE]) {
                Arrived::Bytes(count) if now < *until => {
                    net.consume(at, count);
                    Some(count > 0)
                }
                Arrived::Bytes(_) | Arrived::End => self.free(at, net),
            },
        }
    }

    /// The place is for somebody else.
    fn free(&mut self, at: usize, net: &mut impl Transport) -> Option<bool> {
        net.release(at);
        self.messages.get_mut(at)?.clear();
        self.sessions.places.get_mut(at)?.clear();
        Some(true)
    }

    /// Goes on with the opening handshake.
    fn handshake(&mut self, at: usize, net: &mut impl Transport, now: Instant) -> Option<bool> {
        let is_open = |place: &&Place| matches!(place.stage, Stage::Open(_));
        let has_room = self.sessions.places.iter().filter(is_open).count() < CLIENTS;
        let (place, request) = (
            self.sessions.places.get_mut(at)?,
            self.messages.get_mut(at)?,
        );
        let Stage::Opening { handshake, .. } = &mut place.stage else {
            return None;
        };
        let mut bite = [0; BITE];
        let arrived = match net.peek(at, &mut bite) {
            Arrived::Bytes(0) => return Some(false),
            Arrived::Bytes(count) => bite.get(..count)?,
            Arrived::End => return self.free(at, net),
        };
        let before = request.len();
        let count = arrived.len().min(MESSAGE.saturating_sub(before));
        request.extend_from_slice(arrived.get(..count)?).ok()?;
        let mut response = [0; RESPONSE_BYTES];
        let answer = handshake.answer_as(request, &mut response, |request| {
            if !has_room {
                return Verdict::Refuse(FULL);
            }
            let protocol = request.protocols().find(|name| *name == V1);
            place.is_v1 = protocol.is_some();
            Verdict::Accept(handshake::Reply {
                protocol,
                extensions: None,
            })
        });
        let (taken, response, stage) = match answer {
            Answer::Partial => {
                net.consume(at, count);
                return Some(true);
            }
            // What is behind the request is the beginning of the conversation.
            Answer::Accepted { consumed, response } => {
                let connection = Connection::new(Server, &CONNECTION, now);
                let taken = consumed.saturating_sub(before);
                (taken, response, Stage::Open(connection))
            }
            Answer::Refused { response, .. } | Answer::Declined { response, .. } => {
                let until = now.after(LINGER_TIME);
                (count, response, Stage::Leaving { until })
            }
        };
        net.consume(at, taken);
        net.send(at, response);
        if matches!(stage, Stage::Leaving { .. }) {
            net.shut_down(at);
        }
        request.clear();
        place.stage = stage;
        Some(true)
    }

    /// Hears the next event of an open connection, and does what it owes.
    fn converse(&mut self, at: usize, net: &mut impl Transport, now: Instant) -> Option<bool> {
        let place = self.sessions.places.get_mut(at)?;
        let Stage::Open(connection) = &mut place.stage else {
            return None;
        };
        let mut bytes = [0; MAX_LEFTOVER + BITE];
        let unfinished = place.unfinished.len();
        let (front, bite) = bytes.split_at_mut_checked(unfinished)?;
        front.copy_from_slice(&place.unfinished);
        let mut arrived = 0;
        if net.room(at) >= ANSWER {
            let bite = bite.get_mut(..BITE)?;
            match net.peek(at, bite) {
                Arrived::Bytes(count) => arrived = count,
                Arrived::End => connection.receive_eof(now),
            }
        }
        connection.handle_timeout(now);

        let mut input = Input::new(bytes.get_mut(..unfinished.saturating_add(arrived))?);
        let mut event = Ok(None);
        let is_open = connection.check_ready().is_ok();
        if arrived > 0 {
            event = connection.receive(&mut input, now);
            let is_needing_more = !matches!(event, Ok(Some(_)));
            let taken = input.consumed().saturating_sub(unfinished);
            place.unfinished.clear();
            if is_needing_more {
                // At most `MAX_LEFTOVER` bytes.
                let _ = place.unfinished.extend_from_slice(input.rest());
            }
            net.consume(at, if is_needing_more { arrived } else { taken });
        }
        match event {
            Ok(Some(Event::Data(data))) => {
                let fragments = self.messages.get_mut(at)?;
                let mut said = Some(&*data.bytes);
                if !(data.first && data.last) {
                    if data.first {
                        fragments.clear();
                    }
                    // There is room for all that the connection lets through.
                    let _ = fragments.extend_from_slice(data.bytes);
                    said = data.last.then_some(fragments);
                }
                if let Some(said) = said {
                    self.sessions.hear(at, data.kind, said, net, now);
                }
            }
            Err(Violation::MessageTooBig) if is_open => {
                let refusal = Refusal::new(ErrorCode::MessageTooBig);
                reply(at, &Reply::Error(&refusal), net);
            }
            Ok(_) | Err(_) => {} // answered below
        }
        let Stage::Open(connection) = &mut self.sessions.places.get_mut(at)?.stage else {
            return None;
        };
        let mut frame = [0; MAX_CONTROL];
        while let Some(transmit) = connection.poll_transmit(&mut input, &mut frame) {
            match transmit {
                Transmit::Bytes(bytes) => net.send(at, bytes),
                Transmit::ShutdownWrite => net.shut_down(at),
                Transmit::Disconnect => return self.free(at, net),
            }
        }
        Some(arrived > 0)
    }
}
