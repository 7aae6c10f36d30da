//! What sessions say, and what comes of it.

use alloc::vec::Vec;

use super::{
    Batch, Ending, Fact, Hub, Options, SessionId, Version,
    deliver::Later,
    ending::last_words,
    http,
    rate::Flow,
    session::{Answer, Stage},
};
use crate::{
    Instant,
    conn::{Data, Event, Input, Message, Prepared, Violation},
    notify::{
        self, ErrorCode, MAX_REPLY_LEN, Notification, Refusal, Reply, Subscriptions, TokenFault,
    },
    wire::{Kind, MAX_HEAD},
};

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// Puts what a session's last bytes left over at the front of `buffer`, where it goes before the
    /// next ones; how many bytes that are, at most [`MAX_LEFTOVER`](crate::conn::MAX_LEFTOVER).
    /// `buffer` must have room for them.
    #[must_use]
    pub fn take_unfinished(&mut self, id: SessionId, buffer: &mut [u8]) -> usize {
        let session = self.find(id).and_then(|index| self.session_mut(index));
        let Some(session) = session else {
            return 0;
        };
        let Some(partial) = &mut session.partial else {
            return 0;
        };
        let len = partial.left.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(&partial.left) {
            *to = *from;
        }
        partial.left.clear();
        if !partial.in_message {
            session.partial = None;
        }
        len
    }

    /// Takes the next bytes of a session, which arrived by `now`, and does what they ask for. How
    /// many it took: if not all, [hand out](Self::hand_out) what was published, and give it the rest.
    pub fn receive(&mut self, id: SessionId, bytes: &mut [u8], now: Instant) -> usize {
        let len = bytes.len();
        let Some(index) = self.find(id) else {
            return len;
        };
        let mut taken: usize = 0;
        while let Some(rest @ [_, ..]) = bytes.get_mut(taken..) {
            let (count, is_open) = match self.session(index).map(|session| &session.stage) {
                Some(Stage::Opening(door)) if door.preamble.is_some() => {
                    (self.take_header(index, rest, now), false)
                }
                Some(Stage::Opening(_)) => (self.open(index, rest, now), false),
                Some(Stage::Http(_)) => (self.attend(index, rest, now), false),
                Some(Stage::Open(_)) | None => (self.understand(index, rest, now), true),
            };
            taken = taken.saturating_add(count);
            if is_open || self.should_hand_out(index) {
                break;
            }
        }
        self.refresh(index);
        taken
    }

    /// The transport of a session has delivered its last byte.
    pub fn receive_eof(&mut self, id: SessionId, now: Instant) {
        let Some(index) = self.find(id) else {
            return;
        };
        self.in_turn(index, Answer::Eof, now);
        self.refresh(index);
    }

    /// Takes bytes of an open session, and stops when something should be handed out first; how many
    /// bytes were taken.
    fn understand(&mut self, index: u32, bytes: &mut [u8], now: Instant) -> usize {
        let len = bytes.len();
        let mut input = Input::new(bytes);
        loop {
            let Some(session) = self.session_mut(index) else {
                return len;
            };
            let Stage::Open(conn) = &mut session.stage else {
                return len;
            };
            let event = conn.receive(&mut input, now);
            let is_done = !matches!(event, Ok(Some(_)));
            match event {
                Ok(Some(Event::Data(data))) => self.data(index, data, |hub, message| {
                    hub.message(index, message.kind, message.bytes, now);
                }),
                #[cfg(feature = "deflate")]
                Ok(Some(Event::Deflated(data))) => self.data(index, data, |hub, message| {
                    hub.deflated(index, message, &mut input, now);
                }),
                Ok(_) => {}
                Err(violation) => self.violated(index, violation, now),
            }
            self.transmit(index, &mut input);
            if is_done {
                self.keep(index, input.rest());
                return len;
            }
            if self.should_hand_out(index) {
                return input.consumed();
            }
        }
    }

    /// Whether so much waits to be handed out, or for that, that no more should be heard before.
    fn should_hand_out(&self, index: u32) -> bool {
        if self.batch.is_empty() {
            return false;
        }
        let answers = self.session(index).and_then(|s| s.answers.as_ref());
        let waiting = answers.map_or(0, |answers| answers.cost());
        self.batch.is_full() || self.later_bytes.max(waiting) >= Batch::BYTES
    }

    /// Keeps what is not understood without the bytes behind it.
    fn keep(&mut self, index: u32, rest: &[u8]) {
        let Some(session) = self.session_mut(index) else {
            return;
        };
        if !rest.is_empty() {
            // There is room: a connection leaves no more over.
            let _ = session
                .partial
                .get_or_insert_default()
                .left
                .extend_from_slice(rest);
        } else if session
            .partial
            .as_ref()
            .is_some_and(|partial| !partial.in_message)
        {
            session.partial = None;
        }
    }

    /// Takes a piece of a message, and has the whole one heard when this is the last.
    fn data(&mut self, index: u32, data: Data<'_>, hear: impl FnOnce(&mut Self, Message<'_>)) {
        if data.first && data.last {
            let Data { kind, bytes, .. } = data;
            return hear(self, Message { kind, bytes });
        }
        let Some(session) = self.session_mut(index) else {
            return;
        };
        let mut partial = session.partial.take().unwrap_or_default();
        partial.in_message = !data.last;
        // A message for which there is no memory is lost.
        if let Ok(Some(message)) = partial.message.push(data) {
            hear(self, message);
        }
        if partial.in_message
            && let Some(session) = self.session_mut(index)
        {
            session.partial = Some(partial);
        }
    }

    /// Does what a compressed message asks for. Its bytes are kept as they came until it is whole, so
    /// that no session holds a codec while it waits for the rest of them.
    #[cfg(feature = "deflate")]
    fn deflated(&mut self, index: u32, message: Message<'_>, input: &mut Input<'_>, now: Instant) {
        let session = self.session(index).filter(|session| session.is_heard());
        let Some(direction) = session.and_then(|session| session.deflated) else {
            return;
        };
        let Some(codecs) = &mut self.compression else {
            return;
        };
        match codecs.inflate(index, direction, message.kind, message.bytes) {
            Ok(inflated) => {
                self.message(index, message.kind, inflated.bytes(), now);
                if let Some(codecs) = &mut self.compression {
                    codecs.take_back(inflated);
                }
            }
            Err(violation) => {
                if let Some(Stage::Open(conn)) = self.session_mut(index).map(|s| &mut s.stage) {
                    conn.violate(violation, input, now);
                }
                self.violated(index, violation, now);
            }
        }
    }

    /// Does what a message asks for.
    fn message(&mut self, index: u32, kind: Kind, bytes: &[u8], now: Instant) {
        let Some(session) = self.session(index) else {
            return;
        };
        // What comes after our Close is not heard: what happens to it must not depend on how fast it
        // was. Nor is what follows the publication of a classic session.
        if !session.is_heard() {
            return;
        }
        let is_too_fast = session.is_too_far_ahead();
        self.load.messages = self.load.messages.saturating_add(1);
        if is_too_fast {
            self.refuse(index, &Refusal::new(ErrorCode::RateLimited), now);
            return self.close(index, Ending::TOO_FAST, now);
        }
        // The protocol, section 1: a binary message is answered with close 1003.
        if kind == Kind::Binary {
            return self.close(index, Ending::BINARY, now);
        }
        let publishes = self.may_publish(index);
        // Who may not publish is counted before anything is read, and who may, by what it is.
        if !publishes && !self.may_speak(index, false, now) {
            return;
        }
        let parsed = notify::parse(bytes, &self.options.message);
        let is_publication = matches!(parsed, Ok(notify::Message::Publication(_)));
        if publishes && !self.may_speak(index, is_publication, now) {
            return;
        }
        if self.is_stranger(index)
            && !matches!(&parsed, Ok(notify::Message::Client(client)) if client.token().is_some())
        {
            return self.send_away(index, &TokenFault::Missing.into(), now);
        }
        match parsed {
            Err(refusal) => self.refuse(index, &refusal, now),
            Ok(notify::Message::Ping) => self.answer(index, &Reply::Pong, now),
            Ok(notify::Message::Client(client)) => {
                // A token is of no use to a hub without keys, and does no harm.
                if let Some(token) = client.token()
                    && !self.present(index, token, now)
                {
                    return;
                }
                if let Some(set) = client.subscriptions() {
                    self.subscribe_in_turn(index, bytes, &set, now);
                }
            }
            Ok(notify::Message::Publication(notification)) if publishes => {
                if let Err(refusal) = self.check_publication(index, &notification) {
                    self.refuse(index, &refusal, now);
                } else if !self.publish(index, bytes, &notification) {
                    self.refuse(index, &Refusal::new(ErrorCode::MessageTooBig), now);
                }
            }
            Ok(notify::Message::Publication(_)) => {
                let refusal = self.no_right_to_publish();
                self.refuse(index, &refusal, now);
            }
        }
    }

    /// Counts a message against its rate; whether it is to be heard.
    fn may_speak(&mut self, index: u32, is_publication: bool, now: Instant) -> bool {
        let flow = self.count(index, is_publication, now);
        if flow == Flow::Within {
            return true;
        }
        self.refuse(index, &Refusal::new(ErrorCode::RateLimited), now);
        if flow == Flow::Abuse {
            self.close(index, Ending::TOO_FAST, now);
        }
        false
    }

    /// Counts a message against its rate.
    pub(super) fn count(&mut self, index: u32, is_publication: bool, now: Instant) -> Flow {
        let Options {
            messages,
            publications,
            ..
        } = self.options;
        let Some(session) = self.session_mut(index) else {
            return Flow::Abuse;
        };
        if is_publication {
            session.publications.count(&publications, now)
        } else {
            session.messages.count(&messages, now)
        }
    }

    /// Replaces the subscriptions of a session, behind the publications that were accepted before.
    fn subscribe_in_turn(
        &mut self,
        index: u32,
        message: &[u8],
        set: &Subscriptions<'_>,
        now: Instant,
    ) {
        if self.batch.is_empty() && self.in_flight.is_empty() {
            let answer = self.subscribe(index, set);
            return self.in_turn(index, answer, now);
        }
        let behind = self.batch.len();
        let (Some(id), Some(session)) = (self.id(index), self.session_mut(index)) else {
            return;
        };
        let later = Later {
            behind,
            session: id,
            ticket: session
                .answers
                .get_or_insert_default()
                .expect(message.len()),
            message: message.to_vec(),
        };
        match self.in_flight.back_mut() {
            Some(before) if self.batch.is_empty() => before.push(Later {
                behind: usize::MAX,
                ..later
            }),
            _ => {
                self.later_bytes = self.later_bytes.saturating_add(message.len());
                self.later.push(later);
            }
        }
    }

    /// Replaces the subscriptions of a session now; what it is told.
    pub(super) fn subscribe(&mut self, index: u32, set: &Subscriptions<'_>) -> Answer {
        let is_narrowed = match self.check_set(index, set) {
            Ok(is_narrowed) => is_narrowed,
            Err(refusal) => return self.refuse_set(index, &refusal),
        };
        if let Err(too_much) = self.index.replace(index, set) {
            return self.refuse_set(index, &Refusal::from(too_much));
        }
        self.remember_set(index, set, is_narrowed);
        let position = self.reached;
        let subscriptions = set.len();
        let Some(session) = self.session_mut(index) else {
            return Answer::Nothing;
        };
        let (connection, version) = (session.number, session.version);
        let hears_v1 = version == Version::V1 && subscriptions > 0;
        let did = core::mem::replace(&mut session.hears_v1, hears_v1);
        self.v1_hearers = self
            .v1_hearers
            .saturating_sub(did.into())
            .saturating_add(hears_v1.into());
        self.observe(&Fact::Subscribed {
            connection,
            subscriptions,
        });
        match version {
            Version::Classic => Answer::Nothing,
            Version::V1 => {
                let count = subscriptions;
                Answer::Frame(reply_frame(&Reply::Subscribed { count, position }))
            }
        }
    }

    /// Accepts a publication, which is then to be placed and delivered. `false`: it is too big.
    pub(super) fn publish(
        &mut self,
        index: u32,
        message: &[u8],
        notification: &Notification<'_>,
    ) -> bool {
        let (Some(id), Some(session)) = (self.id(index), self.session(index)) else {
            return false;
        };
        let answers = session.answers.as_ref();
        let ticket = answers.map_or(0, |answers| answers.next_ticket());
        let publisher = (id, session.number, ticket);
        let for_v1 = self.v1_hearers > 0;
        if !self.batch.push(publisher, message, notification, for_v1) {
            return false;
        }
        if let Some(session) = self.session_mut(index) {
            session.has_spoken = session.version == Version::Classic;
            session.answers.get_or_insert_default().expect(0);
        }
        true
    }

    /// What a session is told that may publish nothing.
    pub(super) fn no_right_to_publish(&self) -> Refusal {
        match self.options.authority {
            Some(_) => Refusal::not_granted(),
            None => Refusal::new(ErrorCode::Forbidden),
        }
    }

    /// Refuses a message, and ends a classic session where that is the rule.
    fn refuse(&mut self, index: u32, refusal: &Refusal, now: Instant) {
        let Some(session) = self.session(index) else {
            return;
        };
        let version = session.version;
        self.observe_refusal(index, refusal);
        self.answer(index, &Reply::Error(refusal), now);
        if version == Version::Classic
            && let Some(ending) = Ending::of_classic(refusal)
        {
            self.close(index, ending, now);
        }
    }

    pub(super) fn observe_refusal(&mut self, index: u32, refusal: &Refusal) {
        if let Some(connection) = self.session(index).map(|session| session.number) {
            self.observe(&Fact::Refused {
                connection,
                refusal,
            });
        }
    }

    /// A peer broke the protocol: tells it what the matter is, where there is a message for it.
    fn violated(&mut self, index: u32, violation: Violation, now: Instant) {
        let Some(connection) = self.session(index).map(|session| session.number) else {
            return;
        };
        self.observe(&Fact::Violated {
            connection,
            violation,
        });
        if let Some(refusal) = last_words(violation) {
            self.answer(index, &Reply::Error(&refusal), now);
        }
    }

    /// Answers a session, behind the answers to what it has said before.
    pub(super) fn answer(&mut self, index: u32, reply: &Reply<'_>, now: Instant) {
        self.in_turn(index, Answer::Frame(reply_frame(reply)), now);
    }

    /// Closes a session, behind the same.
    pub(super) fn close(&mut self, index: u32, ending: Ending, now: Instant) {
        if let Some(session) = self.session_mut(index) {
            session.has_spoken = true;
        }
        self.in_turn(index, Answer::Close(ending), now);
    }

    /// Does this when what the session has said before is answered, which it may be already.
    pub(super) fn in_turn(&mut self, index: u32, answer: Answer, now: Instant) {
        match self
            .session_mut(index)
            .and_then(|session| session.answers.as_mut())
        {
            Some(answers) => answers.wait(answer),
            None => self.give(index, answer, now),
        }
    }

    fn tell(&mut self, index: u32, frame: &[u8]) {
        let session = self.session(index);
        if session.is_some_and(|session| session.may_be_told()) {
            self.load.answers = self.load.answers.saturating_add(1);
            self.write(index, frame);
        }
    }

    /// Does this at once.
    pub(super) fn give(&mut self, index: u32, answer: Answer, now: Instant) {
        match answer {
            Answer::Frame(frame) => self.tell(index, &frame),
            Answer::Published {
                position,
                recipients,
            } if self.session(index).is_some_and(|s| s.speaks_http) => {
                self.gather(index, &http::published(position, recipients));
            }
            Answer::Published {
                position,
                recipients,
            } => {
                let reply = Reply::Published {
                    position,
                    recipients,
                };
                self.tell(
                    index,
                    encode(&reply, &mut [0; 128], &mut [0; 128 + MAX_HEAD]),
                );
            }
            Answer::Nothing => {}
            Answer::Close(ending) => self.close_now(index, ending, now),
            Answer::Raw(bytes) => self.write_raw(index, &bytes),
            Answer::Last(bytes) => {
                self.write_raw(index, &bytes);
                if let Some(session) = self.session_mut(index) {
                    session.shut_down = true;
                }
            }
            Answer::Result(result) => self.gather(index, &result),
            Answer::Results { manner, is_list } => self.give_results(index, manner, is_list),
            Answer::Eof => match self.session_mut(index).map(|session| &mut session.stage) {
                Some(Stage::Open(conn)) => {
                    conn.receive_eof(now);
                    self.transmit(index, &mut Input::default());
                    self.refresh(index);
                }
                Some(Stage::Opening(door)) => {
                    door.opening.lost();
                    self.end(index);
                }
                Some(Stage::Http(_)) => self.end(index),
                None => {}
            },
        }
    }
}

pub(super) fn reply_frame(reply: &Reply<'_>) -> Vec<u8> {
    let mut out = [0; MAX_REPLY_LEN + MAX_HEAD];
    encode(reply, &mut [0; MAX_REPLY_LEN], &mut out).to_vec()
}

/// The frame of a reply, nothing if the buffers are too small: `text` for it, `out` for a head besides.
fn encode<'o>(reply: &Reply<'_>, text: &mut [u8], out: &'o mut [u8]) -> &'o [u8] {
    let text = reply.encode(text).unwrap_or_default();
    Prepared::encode(Kind::Text, text, out).map_or(&[], |frame| frame.as_bytes())
}
