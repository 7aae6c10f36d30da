//! What is to be done about a message.

use crate::{
    conn::Violation,
    notify::{ErrorCode, Notification, Refusal},
    wire::CloseCode,
};

/// What is to be done about a message: deliver, then [reply](Self::refusal), then perhaps
/// [close](Self::ending).
#[derive(Clone, Debug)]
pub enum Response<'t> {
    /// Nothing.
    Nothing,
    /// It is the mobile client's keep-alive: answer with
    /// [`Reply::Pong`](crate::notify::Reply::Pong).
    Pong,
    /// The session's set of subscriptions was replaced.
    Subscribed {
        /// How many there are now.
        subscriptions: usize,
    },
    /// Deliver the publisher's message, byte for byte, to
    /// [`Hub::recipients`](super::Hub::recipients).
    Published(Notification<'t>),
    /// The session may not publish.
    Forbidden,
    /// The message is not one of the protocol's.
    Refused(Refusal),
    /// The message is binary.
    Binary,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The code of our Close frame.
    pub code: CloseCode,
    /// Its reason.
    pub reason: &'static str,
}

impl Response<'_> {
    /// The refusal to answer the message with ([`Reply::Error`](crate::notify::Reply::Error)), if
    /// it is refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Forbidden => Some(Refusal::new(ErrorCode::Forbidden)),
            Self::Refused(refusal) => Some(refusal.clone()),
            Self::Nothing
            | Self::Pong
            | Self::Subscribed { .. }
            | Self::Published(_)
            | Self::Binary => None,
        }
    }

    /// Whether, and how, a classic session ends after this (the protocol, sections 1, 3 and 5).
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        let (code, reason) = match self {
            // Section 3: a classic publisher is closed as soon as it was heard.
            Self::Published(_) => (CloseCode::NORMAL, "published"),
            Self::Forbidden => (CloseCode::POLICY_VIOLATION, "publishing is forbidden"),
            Self::Refused(refusal)
                if refusal.from_publisher() && refusal.code() == ErrorCode::InvalidJson =>
            {
                (CloseCode::INVALID_PAYLOAD, "not valid JSON")
            }
            Self::Binary => (CloseCode::UNSUPPORTED_DATA, "send JSON as text"),
            Self::Nothing | Self::Pong | Self::Subscribed { .. } | Self::Refused(_) => return None,
        };
        Some(Ending { code, reason })
    }
}

/// The error to tell a peer before the connection is closed for a violation, where the protocol
/// has one for it (section 5).
#[must_use]
pub fn last_words(violation: Violation) -> Option<Refusal> {
    (violation == Violation::MessageTooBig).then(|| Refusal::new(ErrorCode::MessageTooBig))
}
