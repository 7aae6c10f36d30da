//! The hub: who is connected, what each one wants to hear, and who hears what (feature `alloc`).
//!
//! A broker without sockets, clock or threads. A driver opens a session for each connection, gives
//! it the messages that arrive, and does what the [`Response`] says; a publication goes to
//! [`Hub::recipients`], each of them through its own [`Line`], which is bounded.

mod frame;
pub mod index;
mod line;
mod outbox;
mod response;
#[cfg(test)]
mod tests;

pub use frame::Frame;
pub use line::{Line, Unsent};
pub use outbox::OutboxLimits;
pub use response::{Ending, Response, last_words};

use alloc::vec::Vec;

use crate::{
    conn::Message,
    notify::{self, Limits, Notification, OwnedSubscriptions, matches},
    wire::Kind,
};

/// Names a session of one hub; never reused while the hub lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    index: u32,
    generation: u32,
}

impl SessionId {
    /// A small number that no other *open* session of the hub has: fit to index a table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whether it may publish (the protocol, section 7).
    pub publish: bool,
}

/// The sessions and their subscriptions.
#[derive(Debug, Default)]
pub struct Hub {
    limits: Limits,
    slots: Vec<Slot>,
    /// Indices of the slots without a session.
    free: Vec<u32>,
    open: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    session: Option<Session>,
}

#[derive(Debug)]
struct Session {
    rights: Rights,
    subscriptions: OwnedSubscriptions,
}

impl Hub {
    /// A hub without sessions, whose messages keep within `limits`.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            open: 0,
        }
    }

    /// Opens a session; `None` if no place is left, of which there are 2^32.
    pub fn open(&mut self, rights: Rights) -> Option<SessionId> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                index
            }
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.session = Some(Session {
            rights,
            subscriptions: OwnedSubscriptions::default(),
        });
        self.open = self.open.saturating_add(1);
        Some(SessionId {
            index,
            generation: slot.generation,
        })
    }

    /// Ends a session and forgets its subscriptions. One that has ended already is left alone.
    pub fn close(&mut self, id: SessionId) {
        let Some(slot) = self.slots.get_mut(id.index()) else {
            return;
        };
        if slot.generation != id.generation || slot.session.take().is_none() {
            return;
        }
        self.open = self.open.saturating_sub(1);
        // A slot whose generations are used up is retired.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(id.index);
        }
    }

    /// How many sessions are open.
    #[must_use]
    pub const fn sessions(&self) -> usize {
        self.open
    }

    /// Takes a message of session `id` and says what is to be done about it.
    ///
    /// A new set of subscriptions is in force when this returns. A publication has been checked but
    /// not delivered: that is the caller's part, to [`recipients`](Self::recipients).
    pub fn receive<'t>(&mut self, id: SessionId, message: &'t Message<'_>) -> Response<'t> {
        let limits = self.limits;
        let Some(session) = self.session_mut(id) else {
            return Response::Nothing;
        };
        // The protocol, section 1: a binary message is answered with close 1003.
        if message.kind == Kind::Binary {
            return Response::Binary;
        }
        match notify::parse(message.bytes, &limits) {
            Err(refusal) => Response::Refused(refusal),
            Ok(notify::Message::Ping) => Response::Pong,
            Ok(notify::Message::Client(client)) => {
                // A token is of no use to a hub without keys, and does no harm.
                client.subscriptions().map_or(Response::Nothing, |set| {
                    session.subscriptions = set.into();
                    Response::Subscribed {
                        subscriptions: set.len(),
                    }
                })
            }
            Ok(notify::Message::Publication(notification)) if session.rights.publish => {
                Response::Published(notification)
            }
            Ok(notify::Message::Publication(_)) => Response::Forbidden,
        }
    }

    /// The sessions that are to hear `notification`: each once, however many of its
    /// subscriptions match.
    pub fn recipients<'h>(
        &'h self,
        notification: &'h Notification<'h>,
    ) -> impl Iterator<Item = SessionId> + 'h {
        (0_u32..).zip(&self.slots).filter_map(move |(index, slot)| {
            let session = slot.session.as_ref()?;
            let mut subscriptions = session.subscriptions.iter();
            subscriptions
                .any(|subscription| matches(&subscription, notification))
                .then_some(SessionId {
                    index,
                    generation: slot.generation,
                })
        })
    }

    fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation == id.generation {
            slot.session.as_mut()
        } else {
            None
        }
    }
}
