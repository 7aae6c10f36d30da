//! What happens, for logs and counters.

use std::{io, net::SocketAddr};

use campanile_core::{
    conn::{CloseCause, Violation},
    notify::{Notification, Refusal},
};

use crate::Refused;

/// Something that happened. `connection` counts the connections since the start, from 1.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// A connection is open.
    Connected {
        /// Which.
        connection: u64,
        /// Where it comes from.
        peer: SocketAddr,
    },
    /// A connection did not get past its opening handshake.
    HandshakeFailed {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        refused: &'a Refused,
    },
    /// A connection has a new set of subscriptions.
    Subscribed {
        /// Which connection.
        connection: u64,
        /// How many subscriptions.
        subscriptions: usize,
    },
    /// A notification was fanned out.
    Published {
        /// The publisher's connection.
        connection: u64,
        /// What about.
        notification: &'a Notification<'a>,
        /// Size of the publisher's message.
        bytes: usize,
        /// How many connections it was queued for.
        recipients: usize,
    },
    /// A message was refused.
    Refused {
        /// Whose.
        connection: u64,
        /// Why.
        refusal: &'a Refusal,
    },
    /// A peer broke the WebSocket protocol.
    Violated {
        /// Which.
        connection: u64,
        /// The rule.
        violation: Violation,
    },
    /// A peer does not take what is sent to it.
    SlowConsumer {
        /// Which.
        connection: u64,
    },
    /// A connection has ended.
    Disconnected {
        /// Which.
        connection: u64,
        /// What ended it.
        cause: CloseCause,
    },
    /// No connection can be accepted for the moment.
    AcceptFailed {
        /// Why.
        error: &'a io::Error,
    },
}
