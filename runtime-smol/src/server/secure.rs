//! TLS between the sockets of a shard and its hub.
//!
//! What a connection has of TLS stands here, beside the shard's list of its peers, so that those without
//! are no larger for it. Buffers belong to the shard: a connection has some of its own only while it is
//! in the middle of something.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::{Shutdown, SocketAddr},
    sync::Arc,
};

use campanile_core::hub::{self, Hub, SessionId};
use campanile_tls::{Failure, SEALED, SEALED_AT_ONCE, Server, Session};

use super::{Fact, poller::Socket};

/// What a listener with TLS hands on with each connection.
pub(super) type Terms = Arc<Server>;

/// What is read at once from a socket, with what was unfinished before it: the most that may be, and as
/// much again.
const SCRATCH: usize = 64 * 1024;

/// The connections of a shard that have TLS.
#[derive(Debug, Default)]
pub(super) struct Secure {
    /// By [`SessionId::index`].
    sessions: Vec<Option<Box<Secured>>>,
    /// There once there was such a connection.
    buffers: Option<Box<Buffers>>,
}

#[derive(Debug)]
struct Buffers {
    arrived: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

#[derive(Debug)]
struct Secured {
    session: Session,
    number: u64,
    peer: SocketAddr,
    /// Sealed bytes that the kernel has not taken.
    unsent: Vec<u8>,
    /// Whether the hub is not told yet of the last byte that is sealed in these, and so knows that its
    /// frame cannot be dropped and that the peer is behind.
    owes_a_byte: bool,
    /// Whether the socket's writing direction is to be shut down behind them.
    shuts_down: bool,
    /// Whether nothing more is heard: the peer has said so, or TLS has failed.
    has_ended: bool,
    /// Whether nothing was read since something is unsent: that is to be tried again.
    is_held_up: bool,
}

/// What was read.
pub(super) struct Read {
    /// How many bytes of the room, or that it is over, as a socket says it.
    pub(super) result: io::Result<usize>,
    /// Whether there may be more.
    pub(super) goes_on: bool,
}

impl Secure {
    /// A connection has TLS from its beginning; `false` if it cannot.
    pub(super) fn begin(
        &mut self,
        id: SessionId,
        terms: &Terms,
        number: u64,
        peer: SocketAddr,
    ) -> bool {
        let Ok(session) = terms.accept() else {
            return false;
        };
        let at = id.index();
        if self.sessions.len() <= at {
            self.sessions.resize_with(at.saturating_add(1), || None);
        }
        if let Some(slot) = self.sessions.get_mut(at) {
            *slot = Some(Box::new(Secured {
                session,
                number,
                peer,
                unsent: Vec::new(),
                owes_a_byte: false,
                shuts_down: false,
                has_ended: false,
                is_held_up: false,
            }));
        }
        self.buffers.get_or_insert_with(|| {
            Box::new(Buffers {
                arrived: vec![0; SCRATCH],
                plain: Vec::with_capacity(SEALED_AT_ONCE),
                sealed: vec![0; SEALED],
            })
        });
        true
    }

    /// A connection is over, and its socket is about to be dropped.
    pub(super) fn end(&mut self, id: SessionId, socket: &Socket) {
        // Not in the middle of a record; where the peer is told that already, nothing happens.
        if let Some((secured, buffers)) = self.get(id)
            && secured.unsent.is_empty()
            && let Ok(count) = secured.session.close(&mut buffers.sealed)
        {
            let _ = secured.send(socket, buffers.sealed.get(..count).unwrap_or_default());
        }
        if let Some(slot) = self.sessions.get_mut(id.index()) {
            *slot = None;
        }
    }

    fn get(&mut self, id: SessionId) -> Option<(&mut Secured, &mut Buffers)> {
        let secured = self.sessions.get_mut(id.index())?.as_deref_mut()?;
        Some((secured, self.buffers.as_deref_mut()?))
    }

    /// Whether a socket that takes bytes again is to be [read](Self::read): reading was held up, or
    /// something waits that the hub does not know of.
    pub(super) fn is_owed(&self, id: SessionId) -> bool {
        let secured = self.sessions.get(id.index());
        let secured = secured.and_then(|slot| slot.as_deref());
        secured.is_some_and(|secured| {
            secured.is_held_up || (!secured.unsent.is_empty() && !secured.owes_a_byte)
        })
    }

    /// Reads once from the socket, to its end if that `has_ended`, and answers the peer as far as TLS
    /// itself asks for it. `introduce` takes what stands before TLS from the front of what arrives.
    pub(super) fn read(
        &mut self,
        id: SessionId,
        socket: &Socket,
        room: &mut [u8],
        has_ended: bool,
        introduce: impl FnOnce(&[u8]) -> usize,
        observer: &dyn Fn(&Fact<'_>),
    ) -> Read {
        let over = |error: io::Error| Read {
            result: Err(error),
            goes_on: false,
        };
        let Some((secured, buffers)) = self.get(id) else {
            return over(ErrorKind::NotConnected.into());
        };
        // Nothing more is heard of who does not take the answers, but for what there is to the end.
        secured.is_held_up = false;
        match secured.flush(socket) {
            Ok(false) if !has_ended => {
                secured.is_held_up = true;
                return over(ErrorKind::WouldBlock.into());
            }
            Ok(_) => {}
            Err(error) => return over(error),
        }
        if secured.has_ended {
            return Read {
                result: Ok(0),
                goes_on: false,
            };
        }
        let arrived = &mut *buffers.arrived;
        let kept = secured.session.take_unfinished(arrived);
        // What it means is to have room.
        let end = arrived.len().min(room.len());
        let space = arrived.get_mut(kept..end).unwrap_or_default();
        let len = space.len();
        let read = super::shard::read(socket, space);
        let count = *read.as_ref().unwrap_or(&0);
        let mut end = kept.saturating_add(count);
        // Nothing of TLS was kept while something before it was due.
        let taken = introduce(arrived.get(kept..end).unwrap_or_default());
        if taken > 0 {
            arrived.copy_within(kept.saturating_add(taken).min(end)..end, kept);
            end = end.saturating_sub(taken);
        }
        let bytes = arrived.get_mut(..end);
        let bytes = bytes.unwrap_or_default();
        let received = secured.session.receive(bytes, room, &mut secured.unsent);
        // A peer that takes nothing is found out when something is due to it.
        let _ = secured.flush(socket);
        match received {
            Ok(received) => {
                if received.is_new {
                    secured.tell(observer);
                }
                secured.has_ended = received.has_ended;
                let is_nothing = received.plain == 0 && !received.has_ended;
                Read {
                    result: match read {
                        Err(error) if is_nothing => Err(error),
                        Ok(count) if is_nothing && count > 0 => Err(ErrorKind::WouldBlock.into()),
                        _ => Ok(received.plain),
                    },
                    // The end is told by the next read where something came before it.
                    goes_on: count == len
                        || (has_ended && count > 0)
                        || (received.has_ended && received.plain > 0),
                }
            }
            Err(failure) => {
                secured.fails(&failure, observer);
                // Once: the shutdown makes the socket ready again.
                secured.has_ended = true;
                let _ = socket.shutdown(Shutdown::Write);
                Read {
                    result: Ok(0),
                    goes_on: false,
                }
            }
        }
    }

    /// Seals what is due to a session, and offers it to the kernel.
    pub(super) fn write<W: FnMut(&hub::Fact<'_>)>(
        &mut self,
        id: SessionId,
        socket: &Socket,
        hub: &mut Hub<W>,
    ) {
        let Some((secured, buffers)) = self.get(id) else {
            return hub.write_failed(id);
        };
        loop {
            match secured.flush(socket) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return hub.write_failed(id),
            }
            if core::mem::take(&mut secured.owes_a_byte) {
                hub.sent(id, 1);
            }
            let plain = &mut buffers.plain;
            plain.clear();
            for chunk in hub.chunks(id) {
                let room = SEALED_AT_ONCE.saturating_sub(plain.len());
                plain.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
                if chunk.len() >= room {
                    break;
                }
            }
            if plain.is_empty() {
                return;
            }
            // Before there are keys nobody can be told anything.
            let Ok(sealed) = secured.session.seal(plain, &mut buffers.sealed) else {
                return hub.write_failed(id);
            };
            hub.sent(id, plain.len().saturating_sub(1));
            secured.owes_a_byte = true;
            let sealed = buffers.sealed.get(..sealed).unwrap_or_default();
            if secured.send(socket, sealed).is_err() {
                return hub.write_failed(id);
            }
        }
    }

    /// Says that nothing more is sent, and shuts the socket's writing direction down behind that.
    pub(super) fn shut_down(&mut self, id: SessionId, socket: &Socket) {
        let Some((secured, buffers)) = self.get(id) else {
            return;
        };
        if let Ok(count) = secured.session.close(&mut buffers.sealed) {
            let last = buffers.sealed.get(..count).unwrap_or_default();
            secured.unsent.extend_from_slice(last);
        }
        secured.shuts_down = true;
        // Where that fails, the socket is done with.
        let _ = secured.flush(socket);
    }
}

impl Secured {
    /// Offers what is unsent to the kernel; whether nothing is left.
    fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let unsent = core::mem::take(&mut self.unsent);
            self.send(socket, &unsent)?;
        }
        let is_done = self.unsent.is_empty();
        if is_done && core::mem::take(&mut self.shuts_down) {
            let _ = socket.shutdown(Shutdown::Write);
        }
        Ok(is_done)
    }

    /// Offers sealed bytes to the kernel; what it refuses is unsent then.
    fn send(&mut self, socket: &Socket, mut sealed: &[u8]) -> io::Result<()> {
        while !sealed.is_empty() {
            match socket.write(&[IoSlice::new(sealed)]) {
                Ok(count) => sealed = sealed.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent = sealed.to_vec();
        Ok(())
    }

    /// Says that the handshake is done.
    fn tell(&self, observer: &dyn Fn(&Fact<'_>)) {
        let identity = self.session.identity();
        observer(&Fact::Secured {
            connection: self.number,
            peer: self.peer,
            version: self.session.version(),
            cipher: self.session.cipher(),
            identity: identity.as_deref(),
        });
    }

    fn fails(&self, failure: &Failure, observer: &dyn Fn(&Fact<'_>)) {
        observer(&Fact::TlsFailed {
            peer: self.peer,
            failure: failure.kind(),
            error: failure,
        });
    }
}
