//! What the server says of its own, as JSON.

use core::{error::Error, fmt};

use serde::{Serialize, Serializer};

use super::{
    position::Position,
    refusal::{PATH_CAPACITY, Refusal},
};

/// A message of the server itself (the protocol, section 5).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// The answer to [`Message::Ping`](super::Message::Ping).
    Pong,
    /// The answer to a message that is not accepted.
    Error(&'a Refusal),
    /// The answer to a subscription in a v1 session.
    Subscribed {
        /// How many subscriptions there are now.
        count: usize,
        /// The last notification before them: they are met by those behind it.
        position: Position,
    },
    /// The answer to a token in a v1 session.
    Authorized {
        /// For how many seconds; `None` for ever.
        expires_in: Option<u64>,
    },
    /// The answer to a publication in a v1 session, which has been handed out.
    Published {
        /// Where it is in the order of all.
        position: Position,
        /// How many connections it was queued for.
        recipients: u64,
    },
}

/// The longest reply in bytes: a buffer of this size fits every [`Reply`].
pub const MAX_REPLY_LEN: usize = FIXED_LEN + 2 * LONGEST_ESCAPE * PATH_CAPACITY;

impl Reply<'_> {
    /// Writes the reply as one JSON object into `out`, and returns the part that was written.
    ///
    /// # Errors
    /// [`BufferTooSmall`]: our fault; never with [`MAX_REPLY_LEN`] bytes.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], BufferTooSmall> {
        let text = match self {
            Self::Pong => serialized(&PongMessage { kind: "pong" }, out),
            Self::Error(refusal) => serialized(
                &ErrorMessage {
                    sender: "server",
                    error: ErrorBody::of(refusal),
                },
                out,
            ),
            Self::Subscribed { count, position } => joined(
                [
                    br#"{"sender":"server","subscribed":{"count":"#,
                    Digits::of(*count as u64).as_bytes(),
                    br#","position":""#,
                    &position.text(),
                    br#""}}"#,
                ],
                out,
            ),
            Self::Authorized { expires_in: None } => joined(
                [
                    br#"{"sender":"server","authorized":{}}"#,
                    b"",
                    b"",
                    b"",
                    b"",
                ],
                out,
            ),
            Self::Authorized {
                expires_in: Some(seconds),
            } => joined(
                [
                    br#"{"sender":"server","authorized":{"expires_in":"#,
                    Digits::of(*seconds).as_bytes(),
                    b"}}",
                    b"",
                    b"",
                ],
                out,
            ),
            Self::Published {
                position,
                recipients,
            } => joined(
                [
                    br#"{"sender":"server","published":{"position":""#,
                    &position.text(),
                    br#"","recipients":"#,
                    Digits::of(*recipients).as_bytes(),
                    b"}}",
                ],
                out,
            ),
        };
        text.ok_or(BufferTooSmall)
    }
}

/// The `error` member of [`Reply::Error`] as an object of its own, written into `out`; never nothing
/// with [`MAX_REPLY_LEN`] bytes.
#[cfg(feature = "alloc")]
pub(crate) fn error_object<'o>(refusal: &Refusal, out: &'o mut [u8]) -> &'o [u8] {
    let error = ErrorBody::of(refusal);
    serialized(&ErrorObject { error }, out).unwrap_or_default()
}

fn serialized<'o>(message: &impl Serialize, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let len = serde_json_core::to_slice(message, out).ok()?;
    out.get(..len)
}

/// Acknowledgements are always the same but for a number and a position, and there is one for each
/// publication: they are put together without a detour.
fn joined<'o>(parts: [&[u8]; 5], out: &'o mut [u8]) -> Option<&'o [u8]> {
    let mut len: usize = 0;
    for part in parts {
        let end = len.checked_add(part.len())?;
        for (to, from) in out.get_mut(len..end)?.iter_mut().zip(part) {
            *to = *from;
        }
        len = end;
    }
    out.get(..len)
}

/// A number in decimal.
struct Digits {
    digits: [u8; MAX_DIGITS],
    first: usize,
}

impl Digits {
    fn of(number: u64) -> Self {
        let (mut digits, mut first, mut rest) = ([b'0'; MAX_DIGITS], MAX_DIGITS, number);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' | u8::try_from(rest % 10).unwrap_or_default();
            first = first.saturating_sub(1);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Self { digits, first }
    }

    fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.first..).unwrap_or_default()
    }
}

/// Digits of the largest number there is.
const MAX_DIGITS: usize = 20;

/// A buffer was too small for a [`Reply`]; it needs at most [`MAX_REPLY_LEN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall;

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the buffer is too small for the reply; {MAX_REPLY_LEN} bytes fit every reply"
        )
    }
}

impl Error for BufferTooSmall {}

/// Everything but the path, which is in the message too: the longest of our own texts, and the JSON
/// around it.
const FIXED_LEN: usize = 320;

/// `\u0000`, the longest that JSON makes of one byte.
const LONGEST_ESCAPE: usize = 6;

#[derive(Serialize)]
struct PongMessage {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct ErrorMessage<'a> {
    sender: &'static str,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'static str,
    message: Displayed<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
}

impl<'a> ErrorBody<'a> {
    fn of(refusal: &'a Refusal) -> Self {
        Self {
            code: refusal.code().as_str(),
            message: Displayed(refusal),
            path: refusal.path(),
        }
    }
}

#[cfg(feature = "alloc")]
#[derive(Serialize)]
struct ErrorObject<'a> {
    error: ErrorBody<'a>,
}

/// A refusal as its text.
struct Displayed<'a>(&'a Refusal);

impl Serialize for Displayed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}
