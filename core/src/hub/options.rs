//! Limits and times of a hub.

use alloc::sync::Arc;
use core::time::Duration;

use super::{Authority, IndexLimits, OutboxLimits, Policy, Rate};
use crate::{
    conn::Config,
    handshake::{self, HANDSHAKE_TIME},
    notify::Limits,
};

/// What sessions may ask of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Limits and times of each connection.
    pub connection: Config,
    /// Limits of its opening handshake.
    pub handshake: handshake::Limits,
    /// How long its opening handshake may take; [`HANDSHAKE_TIME`] by default.
    pub handshake_time: Duration,
    /// Limits of each message's content.
    pub message: Limits,
    /// Limits of the index of subscriptions.
    pub index: IndexLimits,
    /// How much a peer may leave waiting.
    pub outbox: OutboxLimits,
    /// Who knows the tokens by which sessions are authorised (the protocol, section 7). `None` by
    /// default: everybody may subscribe, and those publish who have the [right](super::Rights).
    pub authority: Option<Arc<dyn Authority>>,
    /// Which proxies are believed, and which pages may come: none, and all.
    pub policy: Arc<Policy>,
    /// How fast a session may send messages that are no publications; [`Rate::MESSAGES`] by default.
    pub messages: Rate,
    /// How fast a session that has the right may publish. Not bounded by default: publishers are
    /// trusted with the right, and how much they may occupy at once is bounded anyway.
    pub publications: Rate,
    /// Whether clients may ask for compression (RFC 7692; feature `deflate`), and how it is done:
    /// [`Settings::server`](crate::deflate::Settings::server) will do. `None` by default. A
    /// notification is compressed once for all who hear it, so `send_takeover` and `larger_too` have no
    /// meaning here.
    #[cfg(feature = "deflate")]
    pub compression: Option<crate::deflate::Settings>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connection: Config::new(),
            handshake: handshake::Limits::DEFAULT,
            handshake_time: HANDSHAKE_TIME,
            message: Limits::default(),
            index: IndexLimits::default(),
            outbox: OutboxLimits::default(),
            authority: None,
            policy: Arc::default(),
            messages: Rate::MESSAGES,
            publications: Rate::UNLIMITED,
            #[cfg(feature = "deflate")]
            compression: None,
        }
    }
}
