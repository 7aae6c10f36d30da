//! The opening handshake of a session: who comes, by which proxy, from which page, with which token.

use alloc::sync::Arc;

#[cfg(feature = "deflate")]
use super::compression::Class;
use super::{
    Fact, Hub, TOO_EARLY, Version,
    authority::{self, credential},
    form::Form,
    http::Order,
    session::{Answer, Doorway, Stage},
    visitor::Unwelcome,
};
#[cfg(feature = "deflate")]
use crate::deflate::Agreed;
use crate::{
    Instant,
    conn::{Connection, Server},
    handshake::{RESPONSE_BYTES, Reply as Terms, Subprotocol, Verdict},
};

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// Goes on with the opening handshake of a session; how many of the bytes were taken.
    pub(super) fn open(&mut self, index: u32, bytes: &mut [u8], now: Instant) -> usize {
        let len = bytes.len();
        let mut rest: &mut [u8] = &mut *bytes;
        let mut out = [0; RESPONSE_BYTES];
        let time = self.options.handshake_time;
        let limit = self.most_of_a_message();
        let policy = Arc::clone(&self.options.policy);
        let gate = self.gate.clone();
        let authority = self.options.authority.clone();
        while !rest.is_empty() {
            let Some(session) = self.session_mut(index) else {
                break;
            };
            let Stage::Opening(door) = &mut session.stage else {
                break;
            };
            let (peer, rights) = (session.peer, session.rights);
            let Doorway {
                opening, closed, ..
            } = &mut **door;
            if session.speaks_http && opening.is_untouched() {
                opening.set_deadline(now.after(time));
            }
            // Nothing may overtake what is not answered yet.
            let closed = match session.answers {
                Some(_) => Some(TOO_EARLY),
                None => *closed,
            };
            let room = opening.space();
            let count = room.len().min(rest.len());
            if count == 0 {
                break; // cannot be: everything was looked at
            }
            for (to, from) in room.iter_mut().zip(rest.iter()) {
                *to = *from;
            }
            opening.received(count);
            let is_over = opening.is_over();
            rest = rest.get_mut(count..).unwrap_or_default();
            let mut version = Version::Classic;
            let mut visit = None;
            let mut shown = Ok(None);
            let answer = opening.answer(&mut out, now, |request| {
                if let Some(refusal) = closed {
                    return Verdict::Refuse(refusal);
                }
                let judged = policy.judge(request.fields(), peer, rights);
                let judged = judged.and_then(|visitor| visitor.enter(gate.as_ref()));
                let refusal = judged.as_ref().err().map(Unwelcome::refusal);
                visit = Some(judged);
                if let Some(refusal) = refusal {
                    return Verdict::Refuse(refusal);
                }
                if let Some(authority) = &authority {
                    let offered = request.protocols().map(Subprotocol::as_str);
                    let token = credential(request.fields(), request.query(), offered);
                    shown = authority::admit(&**authority, token);
                    if let Err(refusal) = &shown {
                        return Verdict::Refuse(authority::unwelcome(refusal));
                    }
                }
                let protocol = request
                    .protocols()
                    .find(|name| *name == Version::SUBPROTOCOL);
                if protocol.is_some() {
                    version = Version::V1;
                }
                Verdict::Accept(Terms {
                    protocol,
                    extensions: None,
                })
            });
            match answer {
                None if is_over => self.in_turn(index, Answer::Eof, now),
                None => {}
                Some((response, None)) => {
                    let received = opening.plain_request();
                    if let Some(order) = Order::of(received, limit, &policy, peer, rights) {
                        // Its body came with the last bytes, and is heard from there.
                        let behind = received.len().saturating_sub(order.head);
                        self.serve(index, order, now);
                        return len.saturating_sub(behind.saturating_add(rest.len()));
                    }
                    if let Some(visit) = &visit {
                        self.take_on(index, visit);
                    }
                    if let Err(refusal) = &shown {
                        self.observe_refusal(index, refusal);
                    }
                    self.in_turn(index, Answer::Last(response.to_vec()), now);
                }
                Some((response, Some(behind))) => {
                    // These came with the last bytes, and are heard from there.
                    let behind = behind.len().saturating_add(rest.len());
                    #[cfg(feature = "deflate")]
                    let agreed = opening.agreed;
                    session.version = version;
                    session.speaks_http = false;
                    let conn = Connection::new(Server, &self.options.connection, now);
                    if let Some(visit) = &visit {
                        self.take_on(index, visit);
                    }
                    self.write_raw(index, response);
                    self.opened(index, conn);
                    self.enrol(index, shown.unwrap_or_default(), now);
                    #[cfg(feature = "deflate")]
                    if let Some(agreed) = agreed {
                        self.compress(index, &agreed);
                    }
                    return len.saturating_sub(behind);
                }
            }
        }
        len.saturating_sub(rest.len())
    }

    fn opened(&mut self, index: u32, conn: Connection<Server>) {
        let Some(session) = self.session_mut(index) else {
            return;
        };
        session.stage = Stage::Open(conn);
        let (connection, peer, version) = (session.number, session.peer.get(), session.version);
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            receiver.hears = true;
            receiver.form = Form::plain(version);
        }
        self.observe(&Fact::Connected {
            connection,
            peer,
            version,
        });
    }

    /// A session has agreed on compression.
    #[cfg(feature = "deflate")]
    fn compress(&mut self, index: u32, agreed: &Agreed) {
        let Some(session) = self.session_mut(index) else {
            return;
        };
        session.deflated = Some(agreed.client);
        if let Stage::Open(conn) = &mut session.stage {
            conn.enable_deflate();
        }
        let version = session.version;
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            receiver.form = Form::compressed(version, Class::within(agreed.server.window));
        }
        if let Some(codecs) = &mut self.compression {
            codecs.enter();
        }
    }
}
