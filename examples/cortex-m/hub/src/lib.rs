//! A notification hub for a handful of clients, without a heap and for any transport: the protocol's
//! sections 1 to 5 in classic sessions, in memory that is counted before the program starts.
//!
//! [`Hub::poll`] is to be called in a loop. It asks a [`Transport`] of the caller's for what has
//! arrived, and gives it what is to be sent. There is no outbox but the transport's own: what TCP
//! keeps until it is acknowledged is what waits for a slow client, so that nothing is kept twice.
#![no_std]
#![forbid(unsafe_code)]

mod transport;

pub use transport::{Arrived, Transport};

use campanile_core::{
    Instant,
    conn::{Config, Connection, Event, Input, MAX_LEFTOVER, Prepared, Server, Transmit, Violation},
    handshake::{
        self, Answer, HANDSHAKE_TIME, LINGER_TIME, Limits as Head, RESPONSE_BYTES, ServerHandshake,
        Verdict,
    },
    notify::{
        self, ErrorCode, MAX_REPLY_LEN, Message, Notification, Refusal, Reply, Subscriptions,
        registry::{Registry, Slot},
    },
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};

/// The most clients with an open WebSocket at once, publishers included. Each costs its [`Place`], a
/// socket of the transport, and the two buffers of that.
pub const CLIENTS: usize = 6;

/// One place more than clients: for whoever is told that there is no room, and for the next publisher
/// while the transport of the last one is still being wound up.
pub const PLACES: usize = CLIENTS + 1;

/// The longest message, and the longest request of an opening handshake, in bytes, for which each
/// place has memory. A notification is a few hundred bytes; a browser's request with a cookie or two
/// is below 1 KiB.
pub const MESSAGE: usize = 2048;

/// The least that the transport must be able to keep for a peer ([`Transport::room`] when nothing is
/// waiting), in bytes: the longest notification and a last word, or any [answer](ANSWER).
pub const OUTBOX: usize = 3072;

/// The subscriptions of a client: what one screen shows.
pub const SUBSCRIPTIONS: usize = 8;

/// Bytes for the subscriptions of a client in the form in which they are matched. Each takes about 28,
/// and its list of values as much again while it is sorted.
const SUBSCRIBED: usize = 384;

/// Bytes for the package, page and values of a notification in that form, on the stack.
const MATCHED: usize = 1024;

/// What is looked at in one go, in bytes, on the stack.
const BITE: usize = 512;

/// Room for whatever one event can be answered with, which is waited for before the next event is
/// heard: the longest reply, a close, a pong, and a ping that is due. So answers are never lost, and
/// who does not read them is not heard.
const ANSWER: usize = MAX_REPLY_LEN + MAX_HEAD + 3 * MAX_CONTROL;

/// What notifications leave free: room for the error `slow_consumer`, a close, a pong and a ping.
const LAST_WORDS: usize = 256 + 3 * MAX_CONTROL;

/// Who reads nothing for a minute is given up; the rest is as on a server.
const CONNECTION: Config = Config {
    max_message: MESSAGE as u64,
    max_fragments: 64,
    ..Config::new()
};

/// Filters as people write them; they bound the time that matching takes.
const LIMITS: notify::Limits = notify::Limits {
    subscriptions: SUBSCRIPTIONS,
    constraints: 8,
    keys: 32,
    values: 64,
};

const FULL: handshake::Refusal<'static> = handshake::Refusal {
    status: 503,
    reason: "Service Unavailable",
    headers: &[("Retry-After", "5")],
    body: "All places of this device are taken; connect again in a few seconds.",
};

/// The sessions, and who wants to hear what.
#[derive(Debug)]
pub struct Hub {
    places: [Place; PLACES],
    /// The request of a place that opens, then the message of which fragments have come.
    messages: [heapless::Vec<u8, MESSAGE>; PLACES],
}

#[derive(Debug)]
struct Place {
    stage: Stage,
    /// The beginning of a frame that has to be whole to be understood.
    unfinished: heapless::Vec<u8, MAX_LEFTOVER>,
    /// In memory of its own: no client can take the others' room.
    subscriptions: Registry<[Slot; 1], [u8; SUBSCRIBED]>,
}

/// A place that is free is nothing but zeros, which take no flash to start with.
#[derive(Debug)]
#[repr(u8)]
enum Stage {
    /// There is nobody.
    Free = 0,
    Opening {
        handshake: ServerHandshake,
        until: Instant,
    },
    Open(Connection<Server>),
    /// It was refused, and has time to read why.
    Leaving {
        until: Instant,
    },
}

/// The only subscriber of a place's registry.
const OWNER: u32 = 0;

impl Place {
    const FREE: Self = Self {
        stage: Stage::Free,
        unfinished: heapless::Vec::new(),
        subscriptions: Registry::new([Slot::EMPTY], [0; SUBSCRIBED]),
    };

    /// The connection, if whole messages may be sent on it.
    fn open(&mut self) -> Option<&mut Connection<Server>> {
        match &mut self.stage {
            Stage::Open(connection) if connection.check_ready().is_ok() => Some(connection),
            Stage::Free | Stage::Opening { .. } | Stage::Open(_) | Stage::Leaving { .. } => None,
        }
    }
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
            places: [Place::FREE; PLACES],
            messages: [const { heapless::Vec::new() }; PLACES],
        }
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
        let place = self.places.get_mut(at)?;
        match &mut place.stage {
            Stage::Free if net.accept(at) => {
                place.stage = Stage::Opening {
                    handshake: ServerHandshake::new(Head {
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
        let place = self.places.get_mut(at)?;
        place.stage = Stage::Free;
        place.unfinished.clear();
        place.subscriptions.forget(OWNER);
        Some(true)
    }

    /// Goes on with the opening handshake.
    fn handshake(&mut self, at: usize, net: &mut impl Transport, now: Instant) -> Option<bool> {
        let is_open = |place: &&Place| matches!(place.stage, Stage::Open(_));
        let has_room = self.places.iter().filter(is_open).count() < CLIENTS;
        let (place, request) = (self.places.get_mut(at)?, self.messages.get_mut(at)?);
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
        let answer = handshake.answer_as(request, &mut response, |_| match has_room {
            true => Verdict::Accept(handshake::Reply::default()),
            false => Verdict::Refuse(FULL),
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
        let place = self.places.get_mut(at)?;
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
                    hear(&mut self.places, at, data.kind, said, net, now);
                }
            }
            Err(Violation::MessageTooBig) => {
                let refusal = Refusal::new(ErrorCode::MessageTooBig);
                reply(at, &Reply::Error(&refusal), net);
            }
            Ok(_) | Err(_) => {} // answered below
        }
        let Stage::Open(connection) = &mut self.places.get_mut(at)?.stage else {
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

/// Does what a message asks for (the protocol, sections 2, 3 and 5).
fn hear(
    places: &mut [Place],
    at: usize,
    kind: Kind,
    said: &[u8],
    net: &mut impl Transport,
    now: Instant,
) -> Option<()> {
    // What comes behind our Close is not heard.
    let place = places.get_mut(at)?;
    place.open()?;
    if kind == Kind::Binary {
        return close(
            place,
            at,
            CloseCode::UNSUPPORTED_DATA,
            "send JSON as text",
            net,
            now,
        );
    }
    let refused = match notify::parse(said, &LIMITS) {
        Ok(Message::Client(client)) => match client.subscriptions() {
            Some(set) => subscribe(place, &set).err()?,
            None => return None, // a token, which is of no use and does no harm
        },
        Ok(Message::Publication(notification)) if net.may_publish(at) => {
            match publish(places, said, &notification, net, now) {
                Ok(()) => {
                    let place = places.get_mut(at)?;
                    return close(place, at, CloseCode::NORMAL, "published", net, now);
                }
                Err(refusal) => refusal,
            }
        }
        Ok(Message::Publication(_)) => Refusal::new(ErrorCode::Forbidden),
        Ok(_) => return reply(at, &Reply::Pong, net),
        Err(refusal) => refusal,
    };
    reply(at, &Reply::Error(&refused), net);
    let place = places.get_mut(at)?;
    match refused.code() {
        ErrorCode::InvalidJson if refused.from_publisher() => close(
            place,
            at,
            CloseCode::INVALID_PAYLOAD,
            "not valid JSON",
            net,
            now,
        ),
        ErrorCode::Forbidden => close(
            place,
            at,
            CloseCode::POLICY_VIOLATION,
            "publishing is forbidden",
            net,
            now,
        ),
        ErrorCode::MessageTooBig => close(
            place,
            at,
            CloseCode::MESSAGE_TOO_BIG,
            "too much to match",
            net,
            now,
        ),
        _ => Some(()),
    }
}

/// Puts the set in the place of the earlier one, which stands if there is no room.
fn subscribe(place: &mut Place, set: &Subscriptions<'_>) -> Result<(), Refusal> {
    let replaced = place.subscriptions.replace(OWNER, set);
    replaced.map_err(|_| Refusal::new(ErrorCode::TooManySubscriptions))
}

/// Gives the message to all who want to hear it, as it came.
fn publish(
    places: &mut [Place],
    message: &[u8],
    notification: &Notification<'_>,
    net: &mut impl Transport,
    now: Instant,
) -> Result<(), Refusal> {
    let mut memory = [0; MATCHED];
    let notification = notification
        .compile(&mut memory)
        .map_err(|_| Refusal::new(ErrorCode::MessageTooBig))?;
    let head = Prepared::head(Kind::Text, message.len() as u64);
    let len = head.as_bytes().len().saturating_add(message.len());
    for (at, place) in places.iter_mut().enumerate() {
        let mut recipients = place.subscriptions.recipients(&notification);
        if recipients.next().is_none() || place.open().is_none() {
            continue;
        }
        if net.room(at) < len.saturating_add(LAST_WORDS) {
            let refusal = Refusal::new(ErrorCode::SlowConsumer);
            reply(at, &Reply::Error(&refusal), net);
            close(
                place,
                at,
                CloseCode::TRY_AGAIN_LATER,
                "slow consumer",
                net,
                now,
            );
            continue;
        }
        net.send(at, head.as_bytes());
        net.send(at, message);
    }
    Ok(())
}

fn reply(at: usize, reply: &Reply<'_>, net: &mut impl Transport) -> Option<()> {
    let mut text = [0; MAX_REPLY_LEN];
    let text = reply.encode(&mut text).ok()?;
    net.send(at, Prepared::head(Kind::Text, text.len() as u64).as_bytes());
    net.send(at, text);
    Some(())
}

/// Starts the closing handshake.
fn close(
    place: &mut Place,
    at: usize,
    code: CloseCode,
    reason: &str,
    net: &mut impl Transport,
    now: Instant,
) -> Option<()> {
    let mut frame = [0; MAX_CONTROL];
    net.send(at, place.open()?.close(code, reason, &mut frame, now).ok()?);
    Some(())
}
