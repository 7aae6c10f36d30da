//! The opening handshake of RFC 6455, section 4, for both roles.
//!
//! A server feeds everything it has received so far to [`ServerHandshake::answer`] until that gives
//! an [`Answer`]; one that judges requests, to [`ServerHandshake::answer_as`]. One that wants other
//! slots calls [`ServerHandshake::receive`] until that gives a [`Request`], and answers with [`accept`], [`refuse`] (its own policy says no) or [`reject`] (the
//! request was wrong). A client writes what [`ClientHandshake::start`] gives and
//! feeds the answer to [`ClientHandshake::receive`] until that gives a [`Response`]. Bytes behind
//! the head belong to the WebSocket connection: `consumed` says where they begin.
//!
//! Nothing here reads a socket, a clock or a random source, and nothing allocates. The caller
//! brings the buffers: the received bytes, the slots for the header fields, the room for the
//! answer. Whose fault an error is, is its type: [`BadRequest`] and [`BadResponse`] blame the peer,
//! [`WriteError`] blames the caller, and [`Status::Partial`] blames nobody.
//!
//! Three properties hold for any input, and the tests check them:
//! - **However the bytes are cut, the verdict is the same.** Only when it falls differs.
//! - **The work is linear in the bytes received.** The end of the head is searched for from where
//!   the last search stopped, and a head that is not complete is parsed only when it has doubled in
//!   size since the last time, so that bytes which are not HTTP are refused early and a trickled
//!   head costs no more than one which comes at once (CVE-2023-43669 was the lack of this).
//! - **Strictness where laxness can be turned into request smuggling**: bare line feeds, folded
//!   lines, repeated `Host`, request bodies and control characters are refused.
//!
//! ```
//! use campanile_core::handshake::{Answer, Limits, RESPONSE_BYTES, ServerHandshake};
//!
//! let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Version: 13\r\n\r\nthe first frame";
//! let mut handshake = ServerHandshake::new(Limits::DEFAULT);
//! let mut out = [0; RESPONSE_BYTES];
//! match handshake.answer(received, &mut out) {
//!     Answer::Partial => {} // Read more, and ask again with all of it.
//!     Answer::Accepted { consumed, response } => {
//!         assert!(response.starts_with(b"HTTP/1.1 101 "));
//!         assert_eq!(&received[consumed..], b"the first frame");
//!     }
//!     // Send it, let the client read it, and close.
//!     Answer::Refused { response, .. } | Answer::Declined { response, .. } => {}
//! }
//! ```

use core::time::Duration;

mod answer;
mod client;
#[cfg(feature = "alloc")]
mod connect_error;
mod digest;
mod error;
mod extensions;
mod http;
mod origin;
mod server;
#[cfg(any(test, not(feature = "simd")))]
mod sha1;
mod subprotocols;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Verdict};
pub use client::{ClientHandshake, Opening, Response};
#[cfg(feature = "alloc")]
pub use connect_error::ConnectError;
pub use error::{Argument, BadRequest, BadResponse, WriteError};
pub use extensions::{Extension, Parameter, ParameterValue};
#[cfg(feature = "alloc")]
pub(crate) use http::Fields;
pub(crate) use http::is_token_byte;
pub use httparse::{EMPTY_HEADER, Header};
pub use origin::{BadPattern, Origin, OriginPattern};
#[cfg(feature = "alloc")]
pub(crate) use server::split_target;
pub use server::{Refusal, Reply, Request, ServerHandshake, accept, refuse, reject};
pub use subprotocols::{MAX_SUBPROTOCOLS, Subprotocol};

/// Header fields a peer may send when the caller has no reason for another number.
///
/// A browser sends about 15 and each proxy adds a few; 64 leaves room and keeps the slots, 32 bytes
/// each on a 64-bit machine, at 2 KiB of stack.
pub const DEFAULT_HEADERS: usize = 64;

/// How long a peer may take for its part of the handshake, for drivers to enforce.
///
/// Long enough for a mobile network that resends a lost packet twice, short enough that
/// connections which never say anything do not pile up.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long a peer may take to read why it was refused, for drivers to enforce. A transport that is
/// dropped with unread bytes is reset, and the answer lost with it.
///
/// An answer is on the other side of the earth in less than a second.
pub const LINGER_TIME: Duration = Duration::from_secs(1);

/// How much of what a refused peer still sends is read and dropped meanwhile, in bytes.
///
/// What a browser or a lost HTTP client has under way is less.
pub const LINGER_BYTES: usize = 64 * 1024;

/// A buffer of this many bytes fits every answer of [`reject`], and of [`accept`] when the selected
/// subprotocol and extensions have at most 512 bytes together.
pub const RESPONSE_BYTES: usize = 1024;

/// The WebSocket version this implementation speaks, as text (RFC 6455, section 4.1, item 9).
const VERSION: &str = "13";

/// What is known after a call of `receive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status<T> {
    /// The head is complete and valid.
    Complete {
        /// What was received.
        value: T,
        /// Length of the head in bytes; what follows it belongs to the WebSocket connection.
        consumed: usize,
    },
    /// Nothing is wrong so far and more bytes are needed.
    Partial,
}

/// Bounds on what a peer may send during the handshake.
///
/// The number of header fields is bounded by the slots which the caller hands to `receive`
/// ([`DEFAULT_HEADERS`]), the time by the driver ([`HANDSHAKE_TIME`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest head in bytes, its final empty line included.
    pub head_bytes: usize,
}

impl Limits {
    /// 8 KiB of head: several times what a browser with cookies and a token sends, and what Apache
    /// and nginx allow a single line of it by default.
    pub const DEFAULT: Self = Self {
        head_bytes: 8 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
