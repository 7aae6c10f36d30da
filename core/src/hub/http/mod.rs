//! HTTP on the same port (the protocol, section 8): publishing for whoever has no WebSocket, and
//! whether the server lives.
//!
//! Each request begins as an opening handshake, whose parser finds the end of its head and refuses
//! whatever is no HTTP. One that is no upgrade, and for one of the paths here, is an [`Order`]; after its
//! body and its answer, the next one on the same connection is an opening handshake again, perhaps for a
//! WebSocket. What is published goes the way of a v1 session's publications, and so do the answers:
//! they come in the order of the requests, and that to a publication when everybody has been given it.
//!
//! ```text
//! bytes ─▶ Opening ─▶ Order ─▶ Body ─▶ publications ─▶ Batch ─▶ … ─▶ settled ─▶ response
//!             ▲                  │                                                  │
//!             └──────────────────┴─────────────────── the next request ─────────────┘
//! ```
//!
//! No timer and no buffer belong to a connection between two requests.

mod body;
mod chunked;
mod fault;
mod request;
mod response;
mod serve;
#[cfg(test)]
mod tests;

use core::time::Duration;

use super::Batch;
use body::Body;
pub(super) use request::Order;
pub(super) use response::Manner;
pub(super) use serve::published;

/// How long a connection may stay without a request after one was answered: long enough for a back end
/// that publishes now and then, since a request that meets the end of its connection has to be made again.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How long a body may take to begin with, as long as a head by default.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How many bytes of a body are worth a second more. The slowest mobile networks carry as many, and the
/// longest batch takes a minute then.
const BODY_RATE: usize = 4 * 1024;

/// How many messages a batch may have: as many as are handed out together.
const BATCH_MESSAGES: usize = Batch::PUBLICATIONS;

/// How many bytes a batch may have, if one message may not have more: as many as may wait for a peer
/// by default.
const BATCH_BYTES: usize = super::OutboxLimits::BYTES;

/// What publishing is called in the logs.
const PUBLISH: &str = "POST /notifications";

/// A request whose body is on its way.
#[derive(Debug)]
pub(super) struct Exchange {
    body: Body,
    manner: Manner,
}

impl Exchange {
    /// When it is given up.
    pub(super) fn deadline(&self) -> crate::Instant {
        self.body.deadline()
    }
}
