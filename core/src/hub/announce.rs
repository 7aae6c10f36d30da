//! Publications of the server's own, such as a test that its operator asks for.

use super::{Fact, Hub, SessionId};
use crate::notify::{self, ErrorCode, Message, Position, Refusal};

/// A publication of the server's own that was handed out, from [`Hub::poll_announced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its place in the order of all.
    pub position: Position,
    /// How many sessions it was queued for, in all hubs.
    pub recipients: u64,
}

impl SessionId {
    /// Stands for the server where it publishes itself: no session has this generation.
    pub(super) const SERVER: Self = Self {
        index: u32::MAX,
        generation: 0,
    };
}

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// The number of the connection in a [`Fact`] about what the server published itself, which no
    /// connection should have.
    pub const OWN: u64 = 0;

    /// Accepts a publisher's message from the server itself: it goes the way of all publications, and
    /// when it was handed out, [`poll_announced`](Self::poll_announced) tells of it.
    ///
    /// # Errors
    /// The message is refused, as it would be if a publisher had sent it, or is none of a publisher's.
    pub fn announce(&mut self, message: &str) -> Result<(), Refusal> {
        let message = message.as_bytes();
        let Message::Publication(notification) = notify::parse(message, &self.options.message)?
        else {
            return Err(Refusal::not_a_publication());
        };
        let publisher = (SessionId::SERVER, Self::OWN, 0);
        let for_v1 = self.v1_hearers > 0;
        if self.batch.push(publisher, message, &notification, for_v1) {
            Ok(())
        } else {
            Err(Refusal::new(ErrorCode::MessageTooBig))
        }
    }

    /// What became of what was [announced](Self::announce), in the same order, when it is settled. Ask
    /// until there is nothing: it is kept until then.
    pub fn poll_announced(&mut self) -> Option<Announced> {
        self.announced.pop_front()
    }
}
