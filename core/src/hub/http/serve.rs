//! Requests as they come, and what becomes of them.

use alloc::{boxed::Box, format, vec::Vec};
use core::mem;

use super::{
    BATCH_MESSAGES, Exchange, KEEP_ALIVE, Manner, Order, PUBLISH,
    body::Body,
    fault::Fault,
    request::Asks,
    response::{self, JSON, TEXT},
};
use crate::{
    Instant,
    conn::OpeningError,
    hub::{
        DRAINING, Fact, Hub, Version, authority,
        rate::Flow,
        session::{Answer, Doorway, Stage},
        visitor::{Unwelcome, Visitor},
    },
    notify::{self, ErrorCode, MAX_REPLY_LEN, Message, Position, Refusal, TokenFault},
};

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// Serves a request whose head is complete.
    pub(in crate::hub) fn serve(&mut self, index: u32, order: Order, now: Instant) {
        let Some(Stage::Opening(door)) = self.expect_request(index, now) else {
            return;
        };
        let closed = door.closed.or_else(|| self.drain.map(|_| DRAINING));
        let Some(session) = self.session_mut(index) else {
            return;
        };
        session.speaks_http = true;
        // What it publishes is acknowledged.
        session.version = Version::V1;
        let Order {
            request,
            asks,
            manner,
            token,
            visit,
            ..
        } = order;
        let is_too_far_ahead = session.is_too_far_ahead();
        let asks = match asks {
            Ok(_) if is_too_far_ahead => {
                return self.fail(index, &request, Fault::Waiting, manner, now);
            }
            Ok(asks) => asks,
            Err(fault) => {
                if let (Fault::Page | Fault::Forwarding, Err(unwelcome)) = (fault, &visit) {
                    self.observe(&unwelcome.fact());
                }
                return self.fail(index, &request, fault, manner, now);
            }
        };
        // Who has no place here has its answer and goes.
        let manner = if closed.is_some() {
            manner.last()
        } else {
            manner
        };
        match (asks, closed) {
            // Who is told that a server does not live, starts it anew.
            (Asks::Health, _) | (Asks::Readiness, None) => {
                let fields = [("Cache-Control", "no-store")];
                let bytes = response::response(200, TEXT, &fields, b"ok\n", &manner);
                self.respond(index, &request, 200, bytes, manner, now);
            }
            (Asks::Preflight, None) => {
                let bytes = response::response(204, TEXT, &PREFLIGHT, &[], &manner);
                self.respond(index, &request, 204, bytes, manner, now);
            }
            (Asks::Readiness | Asks::Preflight | Asks::Publish { .. }, Some(closed)) => {
                let bytes = response::of_closed(&closed, &manner);
                self.respond(index, &request, closed.status, bytes, manner, now);
            }
            (Asks::Publish { framing, expects }, None) => {
                if let Err(refusal) = self.let_publish(index, token, &visit, now) {
                    self.observe_refusal(index, &refusal);
                    return self.decline(index, &refusal, manner.last(), now);
                }
                if expects {
                    self.in_turn(index, Answer::Raw(response::CONTINUE.to_vec()), now);
                }
                let message = self.most_of_a_message();
                let body = Body::new(framing, message, now);
                if let Some(session) = self.session_mut(index) {
                    session.stage = Stage::Http(Box::new(Exchange { body, manner }));
                }
                // It may have no body at all.
                self.attend(index, &[], now);
            }
        }
    }

    /// Whether a request may publish anything: by its token where there are keys, otherwise by where it
    /// comes from.
    fn let_publish(
        &mut self,
        index: u32,
        token: Result<Option<Box<str>>, TokenFault>,
        visit: &Result<Visitor, Unwelcome>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let may_publish = match &self.options.authority {
            Some(authority) => {
                let token = token.as_ref().map_err(|fault| *fault);
                let token = token.map(Option::as_deref);
                let admitted = authority::admit(&**authority, token)?;
                let admitted = admitted.ok_or(TokenFault::Missing)?;
                self.enrol(index, Some(admitted), now);
                self.may_publish(index)
            }
            None => visit.as_ref().is_ok_and(|visitor| visitor.rights.publish),
        };
        if may_publish {
            return Ok(());
        }
        if let Ok(visitor) = visit {
            self.warn(visitor);
        }
        Err(self.no_right_to_publish())
    }

    /// Takes what is of a body from the front of `bytes`; how many bytes that are.
    pub(in crate::hub) fn attend(&mut self, index: u32, bytes: &[u8], now: Instant) -> usize {
        let Some(Stage::Http(exchange)) = self.session_mut(index).map(|s| &mut s.stage) else {
            return bytes.len();
        };
        let received = exchange.body.receive(bytes);
        if received.is_ok() && !exchange.body.is_complete() {
            return bytes.len();
        }
        let Some(Stage::Http(exchange)) = self.expect_request(index, now) else {
            return bytes.len();
        };
        match received {
            Ok(taken) => {
                let Exchange { body, manner } = *exchange;
                self.publish_body(index, &body, manner, now);
                taken
            }
            Err(fault) => {
                self.fail(index, PUBLISH, fault, exchange.manner, now);
                bytes.len()
            }
        }
    }

    /// The time is `now`: a body that does not come in time is given up.
    pub(in crate::hub) fn attend_no_longer(&mut self, index: u32, now: Instant) {
        if let Some(Stage::Http(exchange)) = self.session(index).map(|s| &s.stage)
            && now >= exchange.deadline()
        {
            let manner = exchange.manner.clone();
            self.expect_request(index, now);
            self.fail(index, PUBLISH, Fault::TooSlow, manner, now);
        }
    }

    /// The server goes while a body is on its way.
    pub(in crate::hub) fn attend_to_nobody(&mut self, index: u32, now: Instant) {
        if let Some(Stage::Http(exchange)) = self.expect_request(index, now) {
            let manner = exchange.manner.last();
            let bytes = response::of_closed(&DRAINING, &manner);
            self.respond(index, PUBLISH, DRAINING.status, bytes, manner, now);
        }
    }

    /// Begins to wait for a request; what the session was at before.
    fn expect_request(&mut self, index: u32, now: Instant) -> Option<Stage> {
        let closed = match &self.session(index)?.stage {
            Stage::Opening(door) => door.closed,
            Stage::Http(_) | Stage::Open(_) => None,
        };
        let door = Doorway::new(&self.options, KEEP_ALIVE, closed, now);
        let next = Stage::Opening(Box::new(door));
        let session = self.session_mut(index)?;
        Some(mem::replace(&mut session.stage, next))
    }

    /// Hears no more of a session, whose last answer has this status.
    fn linger(&mut self, index: u32, status: u16, now: Instant) {
        if let Some(Stage::Opening(door)) = self.session_mut(index).map(|s| &mut s.stage) {
            door.opening.linger(OpeningError::Declined(status), now);
        }
    }

    /// Publishes what a body says.
    fn publish_body(&mut self, index: u32, body: &Body, manner: Manner, now: Instant) {
        let session = self.session(index);
        if session.is_some_and(|session| session.is_too_far_ahead()) {
            return self.fail(index, PUBLISH, Fault::Waiting, manner, now);
        }
        if body.is_batch() {
            return self.publish_batch(index, body.bytes(), manner, now);
        }
        let mut manner = manner;
        match self.publish_one(index, body.bytes(), &mut manner, now) {
            Ok(()) => self.end_results(index, manner, false, now),
            Err(refusal) => self.decline(index, &refusal, manner, now),
        }
    }

    fn publish_batch(&mut self, index: u32, text: &[u8], manner: Manner, now: Instant) {
        let messages = match notify::elements(text) {
            Ok(messages) => messages,
            Err(refusal) => {
                self.observe_refusal(index, &refusal);
                return self.decline(index, &refusal, manner, now);
            }
        };
        if messages.clone().count() > BATCH_MESSAGES {
            return self.fail(index, PUBLISH, Fault::TooMany, manner, now);
        }
        let mut manner = manner;
        for message in messages {
            if let Err(refusal) = self.publish_one(index, message, &mut manner, now) {
                let mut out = [0; MAX_REPLY_LEN];
                let result = notify::error_object(&refusal, &mut out).to_vec();
                self.wait(index, Answer::Result(result));
            }
        }
        self.end_results(index, manner, true, now);
    }

    /// Nothing more belongs to the response to what was published.
    fn end_results(&mut self, index: u32, manner: Manner, is_list: bool, now: Instant) {
        let persists = manner.persists;
        self.wait(index, Answer::Results { manner, is_list });
        if !persists {
            self.linger(index, 200, now);
        }
        self.answer_what_waited(index, now);
    }

    /// Publishes a message; otherwise why not. A flood of them ends the connection.
    fn publish_one(
        &mut self,
        index: u32,
        message: &[u8],
        manner: &mut Manner,
        now: Instant,
    ) -> Result<(), Refusal> {
        let limits = self.options.message;
        self.load.messages = self.load.messages.saturating_add(1);
        let parsed = if message.len() > self.most_of_a_message() {
            Err(Refusal::new(ErrorCode::MessageTooBig))
        } else {
            notify::parse(message, &limits)
        };
        let is_publication = matches!(parsed, Ok(Message::Publication(_)));
        let flow = self.count(index, is_publication, now);
        if flow == Flow::Abuse {
            manner.persists = false;
        }
        let result = match parsed {
            _ if flow != Flow::Within => Err(Refusal::new(ErrorCode::RateLimited)),
            Err(refusal) => Err(refusal),
            Ok(Message::Publication(notification)) => self
                .check_publication(index, &notification)
                .and_then(|()| match self.publish(index, message, &notification) {
                    true => Ok(()),
                    false => Err(Refusal::new(ErrorCode::MessageTooBig)),
                }),
            Ok(Message::Ping | Message::Client(_)) => Err(Refusal::not_a_publication()),
        };
        result.inspect_err(|refusal| self.observe_refusal(index, refusal))
    }

    /// Answers a request that is refused for what its message says.
    fn decline(&mut self, index: u32, refusal: &Refusal, manner: Manner, now: Instant) {
        let rate = self.options.publications;
        let session = self.session(index);
        let wait = session.map_or(1, |session| session.publications.wait(&rate, now));
        let (status, bytes) = response::of_refusal(refusal, wait, &manner);
        self.respond(index, PUBLISH, status, bytes, manner, now);
    }

    /// Answers a request that is refused as a whole, and ends the connection.
    fn fail(&mut self, index: u32, request: &str, fault: Fault, manner: Manner, now: Instant) {
        let manner = manner.last();
        let bytes = response::of_fault(fault, &manner);
        self.respond(index, request, fault.status(), bytes, manner, now);
    }

    /// Answers a request.
    fn respond(
        &mut self,
        index: u32,
        request: &str,
        status: u16,
        bytes: Vec<u8>,
        manner: Manner,
        now: Instant,
    ) {
        self.observe_response(index, request, status, &manner);
        let answer = if manner.persists {
            Answer::Raw(bytes)
        } else {
            Answer::Last(bytes)
        };
        self.in_turn(index, answer, now);
        if !manner.persists {
            self.linger(index, status, now);
        }
    }

    /// Something is known that belongs to the next response.
    pub(in crate::hub) fn gather(&mut self, index: u32, result: &[u8]) {
        if let Some(answers) = self.session_mut(index).and_then(|s| s.answers.as_mut()) {
            answers.gather(result);
        }
    }

    /// Everything is known that belongs to a response.
    pub(in crate::hub) fn give_results(&mut self, index: u32, manner: Manner, is_list: bool) {
        let answers = self.session_mut(index).and_then(|s| s.answers.as_mut());
        let results = answers.map_or_else(Vec::new, |answers| answers.take_results());
        let body = if is_list {
            [b"[", &results[..], b"]"].concat()
        } else {
            results
        };
        let bytes = response::response(200, JSON, &[], &body, &manner);
        self.observe_response(index, PUBLISH, 200, &manner);
        self.write_raw(index, &bytes);
        if !manner.persists
            && let Some(session) = self.session_mut(index)
        {
            session.shut_down = true;
        }
    }

    fn wait(&mut self, index: u32, answer: Answer) {
        if let Some(session) = self.session_mut(index) {
            session.answers.get_or_insert_default().wait(answer);
        }
    }

    /// How many bytes a message may have.
    pub(in crate::hub) fn most_of_a_message(&self) -> usize {
        usize::try_from(self.options.connection.max_message).unwrap_or(usize::MAX)
    }

    fn observe_response(&mut self, index: u32, request: &str, status: u16, manner: &Manner) {
        let Some(connection) = self.session(index).map(|session| session.number) else {
            return;
        };
        let peer = manner.peer.get();
        self.observe(&Fact::Requested {
            connection,
            peer,
            request,
            status,
        });
    }
}

/// What a page is told that may publish, for ten minutes, as long as some browsers keep it at most.
const PREFLIGHT: [(&str, &str); 3] = [
    ("Access-Control-Allow-Methods", "POST"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type",
    ),
    ("Access-Control-Max-Age", "600"),
];

/// What a publisher is told of one notification (the protocol, section 8).
pub(in crate::hub) fn published(position: Position, recipients: u64) -> Vec<u8> {
    format!(r#"{{"position":"{position}","recipients":{recipients}}}"#).into_bytes()
}
