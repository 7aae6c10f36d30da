//! Whose fault it is: the peer's ([`Violation`]) or ours ([`SendError`]).

use core::fmt;

use crate::wire::{CloseCode, CloseError, HeadError};

/// A rule that the peer broke: the connection is failed (RFC 6455 section 7.1.7), with the
/// [`close_code`](Self::close_code) 1002 where no other one is named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit is set and no extension gives it a meaning (section 5.2).
    ReservedBits,
    /// A reserved opcode (section 5.2).
    ReservedOpcode,
    /// A control frame that is a fragment (section 5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes of payload (section 5.5).
    OversizedControl,
    /// An unmasked frame from a client (section 5.1).
    Unmasked,
    /// A masked frame from a server (section 5.1).
    Masked,
    /// A length that is not in its shortest form (section 5.2).
    NonMinimalLength,
    /// A length with its highest bit set (section 5.2).
    LengthTooLarge,
    /// A continuation of no message (section 5.4).
    UnexpectedContinuation,
    /// A new message while another one is unfinished (section 5.4).
    InterleavedMessage,
    /// Text that is not UTF-8 (section 8.1): close code 1007.
    InvalidUtf8,
    /// A Close payload of one byte (section 5.5.1).
    TruncatedCloseCode,
    /// A close code that must not be on the wire (section 7.4).
    InvalidCloseCode,
    /// A close reason that is not UTF-8 (section 5.5.1): close code 1007.
    InvalidCloseReason,
    /// A message larger than [`Config::max_message`](super::Config::max_message): close code 1009
    /// (section 10.4).
    MessageTooBig,
    /// More fragments than [`Config::max_fragments`](super::Config::max_fragments): close code 1008
    /// (section 10.4).
    TooManyFragments,
    /// Pings and Pongs faster than [`Config::control_rate`](super::Config::control_rate): close code
    /// 1008 (section 10.4).
    ControlFlood,
    /// A rule of compression (feature `deflate`), which says its close code.
    #[cfg(feature = "deflate")]
    Deflate(crate::deflate::Fault),
}

impl Violation {
    /// The code with which the connection is closed.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::FragmentedControl
            | Self::OversizedControl
            | Self::Unmasked
            | Self::Masked
            | Self::NonMinimalLength
            | Self::LengthTooLarge
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 | Self::InvalidCloseReason => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::ControlFlood => CloseCode::POLICY_VIOLATION,
            #[cfg(feature = "deflate")]
            Self::Deflate(fault) => fault.close_code(),
        }
    }

    /// What is wrong, in words short enough for a close reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => HeadError::ReservedBits.reason(),
            Self::ReservedOpcode => HeadError::ReservedOpcode.reason(),
            Self::FragmentedControl => HeadError::FragmentedControl.reason(),
            Self::OversizedControl => HeadError::OversizedControl.reason(),
            Self::Unmasked => HeadError::Unmasked.reason(),
            Self::Masked => HeadError::Masked.reason(),
            Self::NonMinimalLength => HeadError::NonMinimalLength.reason(),
            Self::LengthTooLarge => HeadError::LengthTooLarge.reason(),
            Self::UnexpectedContinuation => "a continuation frame without a message to continue",
            Self::InterleavedMessage => "a new message before the last one was finished",
            Self::InvalidUtf8 => "a text message is not UTF-8",
            Self::TruncatedCloseCode => CloseError::Truncated.reason(),
            Self::InvalidCloseCode => CloseError::Code.reason(),
            Self::InvalidCloseReason => CloseError::Reason.reason(),
            Self::MessageTooBig => "the message is larger than is accepted here",
            Self::TooManyFragments => "the message has more fragments than are accepted here",
            Self::ControlFlood => "too many control frames in a short time",
            #[cfg(feature = "deflate")]
            Self::Deflate(fault) => fault.reason(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for Violation {}

impl From<HeadError> for Violation {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::ReservedBits => Self::ReservedBits,
            HeadError::ReservedOpcode => Self::ReservedOpcode,
            HeadError::FragmentedControl => Self::FragmentedControl,
            HeadError::OversizedControl => Self::OversizedControl,
            HeadError::Unmasked => Self::Unmasked,
            HeadError::Masked => Self::Masked,
            HeadError::NonMinimalLength => Self::NonMinimalLength,
            HeadError::LengthTooLarge => Self::LengthTooLarge,
        }
    }
}

impl From<CloseError> for Violation {
    fn from(error: CloseError) -> Self {
        match error {
            CloseError::Truncated => Self::TruncatedCloseCode,
            CloseError::Code => Self::InvalidCloseCode,
            CloseError::Reason => Self::InvalidCloseReason,
        }
    }
}

/// Why something cannot be sent; the caller is at fault, and the connection is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Our Close frame is sent or the connection is over: nothing may follow (section 5.5.1).
    /// Or a buffered connection is not open yet.
    Closing,
    /// A message of ours is unfinished: finish it first (section 5.4). Only its own fragments, of its
    /// kind, may follow it.
    Unfinished,
    /// The buffer is too small.
    BufferTooSmall {
        /// How many bytes it must have.
        needed: usize,
    },
    /// More than a control frame can carry: 125 bytes, or 123 for a close reason.
    PayloadTooLong,
    /// Compression was not agreed on (feature `deflate`): send the message as it is.
    #[cfg(feature = "deflate")]
    NotAgreed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closing => f.write_str("the connection is closing: nothing more can be sent"),
            Self::Unfinished => f.write_str("another message is unfinished: send its end first"),
            Self::BufferTooSmall { needed } => {
                write!(f, "the buffer is too small: {needed} bytes are needed")
            }
            Self::PayloadTooLong => {
                f.write_str("a control frame carries at most 125 bytes, a close reason 123")
            }
            #[cfg(feature = "deflate")]
            Self::NotAgreed => f.write_str("compression was not agreed on for this connection"),
        }
    }
}

impl core::error::Error for SendError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::MAX_CLOSE_REASON;

    #[test]
    fn every_reason_fits_a_close_frame() {
        use Violation::*;
        for violation in [
            ReservedBits,
            ReservedOpcode,
            FragmentedControl,
            OversizedControl,
            Unmasked,
            Masked,
            NonMinimalLength,
            LengthTooLarge,
            UnexpectedContinuation,
            InterleavedMessage,
            InvalidUtf8,
            TruncatedCloseCode,
            InvalidCloseCode,
            InvalidCloseReason,
            MessageTooBig,
            TooManyFragments,
            ControlFlood,
        ] {
            assert!(violation.reason().len() <= MAX_CLOSE_REASON);
        }
    }
}
