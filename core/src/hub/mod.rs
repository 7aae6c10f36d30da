//! The hub: who is connected, what each one wants to hear, and who hears what (feature `alloc`).
//!
//! A broker without sockets, clock or threads. A driver opens a session for each connection, gives
//! it the messages that arrive, and does what the [`Response`] says; a publication goes to
//! [`Hub::recipients`], whom the [`index`] finds, each of them through its own [`Line`], which is
//! bounded.

mod frame;
pub mod index;
mod line;
mod outbox;
mod response;
#[cfg(test)]
mod tests;

pub use frame::Frame;
pub use index::{Counters, HashKey, Index, IndexLimits, TooMuchToVerify};
pub use line::{Line, Unsent};
pub use outbox::OutboxLimits;
pub use response::{Ending, Response, last_words};

use alloc::{collections::BinaryHeap, vec::Vec};
use core::cmp::Reverse;

use crate::{
    conn::Message,
    notify::{self, Limits, Notification},
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
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    /// What the sessions subscribe to, by the indices of their slots.
    index: Index,
    slots: Vec<Slot>,
    /// Indices of the slots without a session. The lowest is used first, since the index takes memory
    /// for all below the highest.
    free: BinaryHeap<Reverse<u32>>,
    open: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// What the session in it may do, if there is one.
    rights: Option<Rights>,
}

impl Hub {
    /// A hub without sessions, whose messages keep within `limits`. The index of subscriptions keeps
    /// within limits of its own, and its hashes depend on a secret `key`.
    #[must_use]
    pub fn new(limits: Limits, index: IndexLimits, key: HashKey) -> Self {
        Self {
            limits,
            index: Index::new(key, index),
            slots: Vec::new(),
            free: BinaryHeap::new(),
            open: 0,
        }
    }

    /// Opens a session; `None` if no place is left, of which there are 2^32.
    pub fn open(&mut self, rights: Rights) -> Option<SessionId> {
        let index = match self.free.pop() {
            Some(Reverse(index)) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                index
            }
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.rights = Some(rights);
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
        if slot.generation != id.generation || slot.rights.take().is_none() {
            return;
        }
        self.index.forget(id.index);
        self.open = self.open.saturating_sub(1);
        // A slot whose generations are used up is retired.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(Reverse(id.index));
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
        let Some(rights) = self.rights(id) else {
            return Response::Nothing;
        };
        // The protocol, section 1: a binary message is answered with close 1003.
        if message.kind == Kind::Binary {
            return Response::Binary;
        }
        match notify::parse(message.bytes, &self.limits) {
            Err(refusal) => Response::Refused(refusal),
            Ok(notify::Message::Ping) => Response::Pong,
            Ok(notify::Message::Client(client)) => {
                // A token is of no use to a hub without keys, and does no harm.
                client.subscriptions().map_or(Response::Nothing, |set| {
                    match self.index.replace(id.index, &set) {
                        Ok(()) => Response::Subscribed {
                            subscriptions: set.len(),
                        },
                        Err(too_much) => Response::Refused(too_much.into()),
                    }
                })
            }
            Ok(notify::Message::Publication(notification)) if rights.publish => {
                Response::Published(notification)
            }
            Ok(notify::Message::Publication(_)) => Response::Forbidden,
        }
    }

    /// The sessions that are to hear `notification`: each once, however many of its
    /// subscriptions match.
    pub fn recipients(
        &mut self,
        notification: &Notification<'_>,
    ) -> impl Iterator<Item = SessionId> {
        let slots = &self.slots;
        let indices = self.index.recipients(notification).iter();
        indices.filter_map(|&index| {
            let generation = slots.get(index as usize)?.generation;
            Some(SessionId { index, generation })
        })
    }

    /// What the sessions subscribe to, in numbers.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.index.counters()
    }

    /// What an open session may do.
    fn rights(&self, id: SessionId) -> Option<Rights> {
        let slot = self.slots.get(id.index())?;
        slot.rights.filter(|_| slot.generation == id.generation)
    }
}
