//! What a client tells its program.

use alloc::string::{String, ToString as _};
use core::{fmt, time::Duration};

use super::{Cause, PublishError};
use crate::notify::{self, Delivered, ErrorCode, Heard, Text};

/// What a client has to tell, in the order in which it happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The first connection is there. What was asked for before is on its way.
    Connected,
    /// There is a connection again, and the subscriptions are in force. **Between the loss of the last
    /// one and this, notifications may have been missed**: what they tell of must be fetched elsewhere,
    /// now. Nothing that is accepted from here on is missed.
    Reconnected,
    /// The server has taken the set of subscriptions that was asked for.
    Subscribed {
        /// How many there are now.
        count: u64,
        /// The last notification before them.
        position: String,
    },
    /// The server has refused the set of subscriptions; the earlier one stands.
    SubscriptionRefused(ServerError),
    /// A notification.
    Notification(Delivery),
    /// What has become of a publication.
    Published {
        /// Which one.
        id: PublicationId,
        /// Where it is and who hears it, or why that is not known or not so.
        outcome: Result<Receipt, PublishError>,
    },
    /// There is no connection, and the next attempt to connect follows.
    Disconnected {
        /// Why.
        cause: Cause,
        /// How long it is until the attempt.
        retry_in: Duration,
    },
    /// A message that this client does not understand, from a later server perhaps.
    Other(String),
}

/// Which publication of a client an outcome is of: they are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub(super) u64);

impl PublicationId {
    /// How many publications the client had taken before it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The server has accepted a publication, and handed it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where it is in the order of all notifications: an opaque text.
    pub position: String,
    /// How many connections it was queued for.
    pub recipients: u64,
    /// Whether it had been published before, and was not handed out again.
    pub duplicate: bool,
}

/// A notification that was heard.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    text: String,
    position: String,
}

impl Delivery {
    pub(super) fn new(text: &str, delivered: &Delivered<'_>) -> Self {
        let position = delivered.position().map(|position| position.to_string());
        Self {
            text: text.into(),
            position: position.unwrap_or_default(),
        }
    }

    /// The message as it was received: what the publisher sent, byte for byte, with one member
    /// `position` put in front (the protocol, section 6).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Where it is in the order of all notifications: an opaque text.
    #[must_use]
    pub fn position(&self) -> &str {
        &self.position
    }

    /// Package, page, values, data and message: parses the text again.
    #[must_use]
    pub fn read(&self) -> Option<Delivered<'_>> {
        let Some(Heard::Notification(delivered)) = notify::hear(self.text.as_bytes()) else {
            return None;
        };
        Some(delivered)
    }

    pub(super) const fn len(&self) -> usize {
        self.text.len()
    }
}

impl fmt::Debug for Delivery {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("position", &self.position)
            .field("len", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// An error that the server answered with (the protocol, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    code: String,
    message: String,
    path: String,
}

impl ServerError {
    pub(super) fn new(code: Text<'_>, message: Option<Text<'_>>, path: Option<Text<'_>>) -> Self {
        let text = |text: Option<Text<'_>>| text.map(|text| text.to_string()).unwrap_or_default();
        Self {
            code: code.to_string(),
            message: text(message),
            path: text(path),
        }
    }

    /// Which error it is, if this client knows it.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_name(&self.code)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.code
    }

    /// What the matter is and what to do about it, in the server's words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The member at fault, such as `notification.page`; empty if there is none to name.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the same may be accepted later.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::RateLimited | ErrorCode::ShuttingDown | ErrorCode::SlowConsumer)
        )
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if !self.message.is_empty() {
            // The message of our server begins with the path.
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl core::error::Error for ServerError {}
