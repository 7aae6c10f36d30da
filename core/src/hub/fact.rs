//! What happens, for logs and counters.

use core::net::SocketAddr;

use crate::{
    conn::{CloseCause, OpeningError, Violation},
    notify::{Notification, Position, Refusal},
    proxy::BadForwarding,
};

use super::{TurnedAway, Version};

/// Something that happened. `connection` is the number that [`Hub::accept`](super::Hub::accept) was
/// given.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// A connection is open.
    Connected {
        /// Which.
        connection: u64,
        /// Where it comes from.
        peer: SocketAddr,
        /// What it speaks.
        version: Version,
    },
    /// A connection did not get past its opening handshake.
    HandshakeFailed {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        error: OpeningError,
    },
    /// A client behind a proxy was declined, since there are as many of its address as there may be.
    TurnedAway {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        reason: TurnedAway,
    },
    /// A page was refused for its origin, which the list does not have.
    OriginRefused {
        /// Where its browser is.
        peer: SocketAddr,
        /// The origin. Nothing in it is to be trusted.
        origin: &'a str,
    },
    /// A request was refused since a trusted proxy does not say as it should who made it.
    ForwardingRefused {
        /// The proxy.
        peer: SocketAddr,
        /// What is wrong.
        reason: BadForwarding,
    },
    /// A request from an address that may publish seems to have come through a proxy that is not
    /// configured, and has lost that right. Each hub says so once.
    UnknownProxy {
        /// The proxy.
        peer: SocketAddr,
    },
    /// An HTTP request that is no upgrade has its answer (the protocol, section 8). What it published is
    /// a fact of its own, and so is a message in it that is refused.
    Requested {
        /// Which connection.
        connection: u64,
        /// Where it comes from.
        peer: SocketAddr,
        /// The method and the path, without a query. Nothing in it is to be trusted.
        request: &'a str,
        /// The status of the answer.
        status: u16,
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
        /// Where it is in the order of all.
        position: Position,
        /// Size of the publisher's message.
        bytes: usize,
        /// How many connections it was queued for.
        recipients: u64,
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
    /// A peer does not take what is sent to it, and is closed.
    SlowConsumer {
        /// Which.
        connection: u64,
    },
    /// A peer does not take what is sent to it, and loses what has waited longest.
    Dropped {
        /// Which.
        connection: u64,
        /// How many notifications.
        notifications: usize,
    },
    /// A connection has ended.
    Disconnected {
        /// Which.
        connection: u64,
        /// What ended it.
        cause: CloseCause,
    },
}
