//! What a peer can do wrong with compression.

use core::fmt;

use crate::wire::CloseCode;

/// A rule of compression that the peer broke (feature `deflate`); the connection is failed as for any
/// other [`Violation`](crate::conn::Violation).
///
/// A message that becomes too large is
/// [`MessageTooBig`](crate::conn::Violation::MessageTooBig), and a text that inflates to something
/// else [`InvalidUtf8`](crate::conn::Violation::InvalidUtf8), as for messages that are not
/// compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// RSV1 on a frame that does not begin a message (RFC 7692, section 6.1): close code 1002.
    MisplacedRsv1,
    /// The payload is not what section 7.2.1 makes: no DEFLATE (RFC 1951), a distance beyond the
    /// window or the beginning, or no end of a block at the end: close code 1007.
    Malformed,
    /// A message is larger than [`Settings::max_ratio`](super::Settings::max_ratio) allows for its
    /// compressed bytes: close code 1009.
    RatioTooHigh,
    /// More blocks than [`BYTES_PER_BLOCK`](super::BYTES_PER_BLOCK) allows: close code 1008.
    TooManyBlocks,
}

impl Fault {
    /// The code with which the connection is closed.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MisplacedRsv1 => CloseCode::PROTOCOL_ERROR,
            Self::Malformed => CloseCode::INVALID_PAYLOAD,
            Self::RatioTooHigh => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyBlocks => CloseCode::POLICY_VIOLATION,
        }
    }

    /// What is wrong, in words short enough for a close reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MisplacedRsv1 => "RSV1 is set on a frame that does not begin a message",
            Self::Malformed => "a compressed message is malformed",
            Self::RatioTooHigh => "a message is larger than its compressed bytes may become here",
            Self::TooManyBlocks => "a compressed message has more blocks than are accepted here",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
