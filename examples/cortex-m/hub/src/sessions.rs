//! What clients say, and who hears it.

use campanile_core::{
    Instant,
    conn::{Connection, MAX_LEFTOVER, Prepared, Server},
    handshake::ServerHandshake,
    notify::{
        self, ErrorCode, Limits, MAX_REPLY_LEN, Message, Notification, Position, Refusal, Reply,
        Subscriptions,
        registry::{Registry, Slot},
    },
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};

use crate::{LAST_WORDS, PLACES, SUBSCRIPTIONS, Transport};

/// Bytes for the subscriptions of a client in the form in which they are matched. Each takes about 28,
/// and its list of values as much again while it is sorted.
const SUBSCRIBED: usize = 384;

/// Bytes for the package, page and values of a notification in that form, on the stack.
const MATCHED: usize = 1024;

/// Filters as people write them; they bound the time that matching takes.
const LIMITS: Limits = Limits {
    subscriptions: SUBSCRIPTIONS,
    constraints: 8,
    keys: 32,
    values: 64,
};

/// What v1 sessions hear before the position of a notification, and behind it.
const BEFORE: &[u8] = br#"{"position":""#;
const BEHIND: &[u8] = br#"","#;

/// The code and the reason of a Close.
type Ending = (CloseCode, &'static str);

/// A classic publisher is closed as soon as it was heard (the protocol, section 3).
const PUBLISHED: Ending = (CloseCode::NORMAL, "published");
const BINARY: Ending = (CloseCode::UNSUPPORTED_DATA, "send JSON as text");
const SLOW: Ending = (CloseCode::TRY_AGAIN_LATER, "slow consumer");
const TOO_MUCH: Ending = (CloseCode::MESSAGE_TOO_BIG, "too much to match");
const FORBIDDEN: Ending = (CloseCode::POLICY_VIOLATION, "publishing is forbidden");
const BROKEN_JSON: Ending = (CloseCode::INVALID_PAYLOAD, "not valid JSON");

/// All places, and how many notifications there have been.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) places: [Place; PLACES],
    /// The position of the last notification.
    pub(crate) reached: Position,
}

/// Room for one peer.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) stage: Stage,
    pub(crate) is_v1: bool,
    /// The beginning of a frame that has to be whole to be understood.
    pub(crate) unfinished: heapless::Vec<u8, MAX_LEFTOVER>,
    /// In memory of its own: no client can take the others' room.
    subscriptions: Registry<[Slot; 1], [u8; SUBSCRIBED]>,
}

/// The only subscriber of a place's registry.
const OWNER: u32 = 0;

/// Where a peer is in its life. A place that is free is nothing but zeros, so that a hub takes no
/// flash before it starts.
#[derive(Debug)]
#[repr(u8)]
pub(crate) enum Stage {
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

impl Place {
    const FREE: Self = Self {
        stage: Stage::Free,
        is_v1: false,
        unfinished: heapless::Vec::new(),
        subscriptions: Registry::new([Slot::EMPTY], [0; SUBSCRIBED]),
    };

    /// Makes it free.
    pub(crate) fn clear(&mut self) {
        self.stage = Stage::Free;
        self.unfinished.clear();
        self.subscriptions.forget(OWNER);
    }

    /// The connection, if whole messages may be sent on it.
    fn open(&mut self) -> Option<&mut Connection<Server>> {
        match &mut self.stage {
            Stage::Open(connection) if connection.check_ready().is_ok() => Some(connection),
            Stage::Free | Stage::Opening { .. } | Stage::Open(_) | Stage::Leaving { .. } => None,
        }
    }

    /// Puts the set in the place of the earlier one, which stands if there is no room.
    fn subscribe(&mut self, set: &Subscriptions<'_>) -> Result<(), Refusal> {
        let replaced = self.subscriptions.replace(OWNER, set);
        replaced.map_err(|_| Refusal::new(ErrorCode::TooManySubscriptions))
    }
}

impl Sessions {
    pub(crate) const NEW: Self = Self {
        places: [Place::FREE; PLACES],
        reached: Position::new(0, 0),
    };

    /// Does what a message asks for (the protocol, sections 2, 3 and 5).
    pub(crate) fn hear(
        &mut self,
        at: usize,
        kind: Kind,
        said: &[u8],
        net: &mut impl Transport,
        now: Instant,
    ) -> Option<()> {
        let place = self.places.get_mut(at)?;
        place.open()?; // what comes behind our Close is not heard
        let is_v1 = place.is_v1;
        if kind == Kind::Binary {
            return close(place, at, BINARY, net, now);
        }
        let refused = match notify::parse(said, &LIMITS) {
            Ok(Message::Client(client)) => {
                // Or a token, which is of no use and does no harm.
                let set = client.subscriptions()?;
                match place.subscribe(&set) {
                    Ok(()) if is_v1 => {
                        let (count, position) = (set.len(), self.reached);
                        return reply(at, &Reply::Subscribed { count, position }, net);
                    }
                    Ok(()) => return None,
                    Err(refusal) => refusal,
                }
            }
            Ok(Message::Publication(notification)) if net.may_publish(at) => {
                match self.publish(said, &notification, net, now) {
                    Ok(recipients) if is_v1 => {
                        self.places.get_mut(at)?.open()?; // it may be too slow for its own message
                        let position = self.reached;
                        let published = Reply::Published {
                            position,
                            recipients,
                        };
                        return reply(at, &published, net);
                    }
                    Ok(_) => {
                        return close(self.places.get_mut(at)?, at, PUBLISHED, net, now);
                    }
                    Err(refusal) => refusal,
                }
            }
            Ok(Message::Publication(_)) => Refusal::new(ErrorCode::Forbidden),
            Ok(_) => return reply(at, &Reply::Pong, net),
            Err(refusal) => refusal,
        };
        reply(at, &Reply::Error(&refused), net);
        let ending = ending(&refused, is_v1)?;
        close(self.places.get_mut(at)?, at, ending, net, now)
    }

    /// Gives the message to all who want to hear it; how many.
    fn publish(
        &mut self,
        message: &[u8],
        notification: &Notification<'_>,
        net: &mut impl Transport,
        now: Instant,
    ) -> Result<u64, Refusal> {
        let mut memory = [0; MATCHED];
        let notification = notification
            .compile(&mut memory)
            .map_err(|_| Refusal::new(ErrorCode::MessageTooBig))?;
        self.reached = Position::new(
            self.reached.epoch(),
            self.reached.sequence().saturating_add(1),
        );
        let position = self.reached.text();
        let members = message.iter().position(|byte| *byte == b'{');
        let members = members.and_then(|brace| message.get(brace.saturating_add(1)..));
        let for_v1 = [BEFORE, &position, BEHIND, members.unwrap_or_default()];
        let for_classic = [message];
        let mut recipients = 0_u64;
        for (at, place) in self.places.iter_mut().enumerate() {
            let mut owner = place.subscriptions.recipients(&notification);
            if owner.next().is_none() || place.open().is_none() {
                continue;
            }
            let parts = if place.is_v1 {
                &for_v1[..]
            } else {
                &for_classic
            };
            let len = parts.iter().map(|part| part.len()).sum::<usize>();
            let head = Prepared::head(Kind::Text, len as u64);
            if net.room(at) < len.saturating_add(MAX_HEAD + LAST_WORDS) {
                let refusal = Refusal::new(ErrorCode::SlowConsumer);
                reply(at, &Reply::Error(&refusal), net);
                close(place, at, SLOW, net, now);
                continue;
            }
            net.send(at, head.as_bytes());
            parts.iter().for_each(|part| net.send(at, part));
            recipients = recipients.saturating_add(1);
        }
        Ok(recipients)
    }
}

/// How a session ends after this error, where it cannot go on (the protocol, section 5).
fn ending(refused: &Refusal, is_v1: bool) -> Option<Ending> {
    let code = refused.code();
    if code == ErrorCode::MessageTooBig {
        return Some(TOO_MUCH);
    }
    if is_v1 {
        return None;
    }
    // A classic publisher does not read on.
    if code == ErrorCode::Forbidden {
        return Some(FORBIDDEN);
    }
    let is_broken = code == ErrorCode::InvalidJson && refused.from_publisher();
    is_broken.then_some(BROKEN_JSON)
}

/// Starts the closing handshake.
fn close(
    place: &mut Place,
    at: usize,
    (code, reason): Ending,
    net: &mut impl Transport,
    now: Instant,
) -> Option<()> {
    let mut frame = [0; MAX_CONTROL];
    net.send(at, place.open()?.close(code, reason, &mut frame, now).ok()?);
    Some(())
}

/// Sends a message of the hub's own.
pub(crate) fn reply(at: usize, reply: &Reply<'_>, net: &mut impl Transport) -> Option<()> {
    let mut text = [0; MAX_REPLY_LEN];
    let text = reply.encode(&mut text).ok()?;
    net.send(at, Prepared::head(Kind::Text, text.len() as u64).as_bytes());
    net.send(at, text);
    Some(())
}
