//! Close codes and the payload of a Close frame (RFC 6455 sections 5.5.1 and 7.4).

use core::fmt;

use super::MAX_CONTROL_PAYLOAD;

/// The longest reason a Close frame can carry, in bytes of UTF-8: a control
/// payload less the code.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Why a connection is closed (RFC 6455 section 7.4): a code that may be on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// An endpoint goes away: a server shuts down, a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a kind of data that is not accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// The content of a message does not fit its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The peer broke a rule of the application.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message is larger than is accepted.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// The server met a condition that it cannot handle.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server is overloaded, or the client too slow for it (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// The code with this number, or `None` where it must not be in a Close frame.
    ///
    /// Allowed are the codes of RFC 6455 section 7.4.1 and of the IANA registry that stands for
    /// 1000-2999 (1012 to 1014 are in it), except 1004, 1005, 1006 and 1015, which are reserved;
    /// and 3000-4999, for libraries and applications (section 7.4.2).
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The payload of a Close frame that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosePayload<'b> {
    /// The code.
    pub code: CloseCode,
    /// The reason; often empty, never meant for a person's eyes (section 7.1.6).
    pub reason: &'b str,
}

impl<'b> ClosePayload<'b> {
    /// Reads the payload of a Close frame; an empty one gives `None`.
    ///
    /// # Errors
    /// Says which rule the payload breaks.
    pub fn parse(payload: &'b [u8]) -> Result<Option<Self>, CloseError> {
        if payload.is_empty() {
            return Ok(None);
        }
        // Section 5.5.1: "If there is a body, the first two bytes of the body MUST be …"
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return Err(CloseError::Truncated);
        };
        let code = CloseCode::new(u16::from_be_bytes(*code)).ok_or(CloseError::Code)?;
        let reason = core::str::from_utf8(reason).map_err(|_| CloseError::Reason)?;
        Ok(Some(Self { code, reason }))
    }
}

/// A Close payload that breaks RFC 6455 section 5.5.1 or 7.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseError {
    /// One byte: half a code.
    Truncated,
    /// A code that must not be on the wire.
    Code,
    /// A reason that is not UTF-8.
    Reason,
}

impl CloseError {
    /// What is wrong, in words short enough for a close reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Truncated => "a close payload of one byte",
            Self::Code => "the close code must not be sent",
            Self::Reason => "the close reason is not UTF-8",
        }
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for CloseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_may_not_be_on_the_wire_cannot_be_made() {
        for code in [
            0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
        for code in [
            1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 3999, 4000, 4999,
        ] {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), Some(code));
        }
    }

    #[test]
    fn a_payload_is_a_code_and_a_reason_or_nothing() {
        assert_eq!(ClosePayload::parse(b""), Ok(None));
        assert_eq!(
            ClosePayload::parse(b"\x03\xe8bye"),
            Ok(Some(ClosePayload {
                code: CloseCode::NORMAL,
                reason: "bye"
            }))
        );
        assert_eq!(ClosePayload::parse(b"\x03"), Err(CloseError::Truncated));
        assert_eq!(ClosePayload::parse(b"\x03\xed"), Err(CloseError::Code));
        assert_eq!(
            ClosePayload::parse(b"\x03\xe8\xff"),
            Err(CloseError::Reason)
        );
        assert_eq!(
            ClosePayload::parse(b"\x03\xe8\xe2\x82"),
            Err(CloseError::Reason)
        );
    }
}
