//! Clients that a proxy names: before their connection's first byte, or in their request.

use core::{mem, net::SocketAddr};

use super::{
    Fact, Hub, Passage, SessionId,
    session::{Address, Answer, Stage},
    visitor::{Unwelcome, Visitor},
};
use crate::{
    Instant,
    conn::OpeningError,
    proxy::{self, Addresses, Parsed},
};

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// Takes the PROXY protocol header from the front of the bytes that the transport of a session has
    /// delivered, where one is due ([`Proxies`](super::Proxies)); how many bytes that are. All of them,
    /// while it is not whole.
    ///
    /// [`receive`](Self::receive) does so by itself. A driver that decrypts calls it with what comes from
    /// the transport, since the header stands before TLS.
    pub fn introduce(&mut self, id: SessionId, bytes: &[u8], now: Instant) -> usize {
        let index = self.find(id);
        index.map_or(0, |index| self.take_header(index, bytes, now))
    }

    pub(super) fn take_header(&mut self, index: u32, bytes: &[u8], now: Instant) -> usize {
        let Some(Stage::Opening(door)) = self.session_mut(index).map(|s| &mut s.stage) else {
            return 0;
        };
        let Some(begun) = &mut door.preamble else {
            return 0;
        };
        let before = begun.len();
        let room = proxy::MAX_HEADER.saturating_sub(before);
        begun.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let parsed = proxy::Header::parse(begun);
        if parsed == Ok(Parsed::NeedMore) {
            return bytes.len();
        }
        door.preamble = None;
        match parsed {
            Ok(Parsed::Done { header, consumed }) => {
                if let Some(Addresses { source, .. }) = header.addresses {
                    self.name(index, source);
                }
                consumed.saturating_sub(before)
            }
            Ok(Parsed::NeedMore) => bytes.len(),
            Err(why) => {
                door.opening.fail(OpeningError::Proxy(why));
                self.in_turn(index, Answer::Eof, now);
                self.refresh(index);
                bytes.len()
            }
        }
    }

    /// The connection of a session is that of this client.
    fn name(&mut self, index: u32, client: SocketAddr) {
        let Some(session) = self.session_mut(index) else {
            return;
        };
        session.peer = Address::new(client);
        let is_declined = matches!(&session.stage, Stage::Opening(door) if door.closed.is_some());
        // Who is declined anyway takes no place.
        let Some(gate) = self.gate.clone().filter(|_| !is_declined) else {
            return;
        };
        let entered = gate(Passage::Enter(client.ip()));
        if let Some(session) = self.session_mut(index) {
            session.is_counted = entered.is_ok();
            if let (Err(reason), Stage::Opening(door)) = (entered, &mut session.stage) {
                door.closed = Some(reason.refusal());
            }
        }
        if let Err(reason) = entered {
            let peer = client;
            self.observe(&Fact::TurnedAway { peer, reason });
        }
    }

    /// Somebody behind a proxy, or a page, has asked for a WebSocket: a session takes on who that is.
    pub(super) fn take_on(&mut self, index: u32, visit: &Result<Visitor, Unwelcome>) {
        let gate = self.gate.clone();
        let Some(session) = self.session_mut(index) else {
            return;
        };
        let (peer, enters) = match visit {
            Ok(visitor) => {
                session.rights = visitor.rights;
                (visitor.peer, visitor.is_named && gate.is_some())
            }
            Err(unwelcome) => (unwelcome.peer, false),
        };
        let before = mem::replace(&mut session.peer, peer);
        if visit.as_ref().map_or(true, |visitor| visitor.is_named)
            && mem::replace(&mut session.is_counted, enters)
            && let Some(gate) = gate
        {
            // Nobody who leaves is refused.
            let _ = gate(Passage::Leave(before.get().ip()));
        }
        match visit {
            Ok(visitor) => self.warn(visitor),
            Err(unwelcome) => self.observe(&unwelcome.fact()),
        }
    }

    /// Says once that there is a proxy that is not configured, if this one came through it.
    pub(super) fn warn(&mut self, visitor: &Visitor) {
        if visitor.is_doubtful && !mem::replace(&mut self.has_warned, true) {
            let peer = visitor.peer.get();
            self.observe(&Fact::UnknownProxy { peer });
        }
    }
}
