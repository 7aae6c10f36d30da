//! Refusals: which rule a message broke, where, and what to do about it.

use core::fmt;

use super::{json::Fault, number::MAX_NUMBER_LEN, text::Text, token_fault::TokenFault};
use crate::decimal;

/// The codes of the protocol's errors (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// Not a strict RFC 8259 object.
    InvalidJson,
    /// No known `sender`, or a missing or wrongly typed member.
    InvalidMessage,
    /// A missing or wrongly typed member inside a subscription.
    InvalidSubscription,
    /// A missing or wrongly typed member inside a notification.
    InvalidNotification,
    /// More subscriptions than the configured limit.
    TooManySubscriptions,
    /// A message longer than the configured limit.
    MessageTooBig,
    /// Publishing or subscribing without the right to.
    Forbidden,
    /// A token is required and missing, bad or expired.
    Unauthorized,
    /// Over the message rate.
    RateLimited,
    /// The receiver reads more slowly than its notifications arrive.
    SlowConsumer,
    /// The server drains.
    ShuttingDown,
}

impl ErrorCode {
    const ALL: [Self; 11] = [
        Self::InvalidJson,
        Self::InvalidMessage,
        Self::InvalidSubscription,
        Self::InvalidNotification,
        Self::TooManySubscriptions,
        Self::MessageTooBig,
        Self::Forbidden,
        Self::Unauthorized,
        Self::RateLimited,
        Self::SlowConsumer,
        Self::ShuttingDown,
    ];

    /// The code that is written so in an error message.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code as it is written in an error message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidMessage => "invalid_message",
            Self::InvalidSubscription => "invalid_subscription",
            Self::InvalidNotification => "invalid_notification",
            Self::TooManySubscriptions => "too_many_subscriptions",
            Self::MessageTooBig => "message_too_big",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::SlowConsumer => "slow_consumer",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// What a refusal says that has nothing more particular to say.
    const fn general(self) -> &'static str {
        match self {
            Self::InvalidJson => "the message is not valid JSON; send one strict RFC 8259 object",
            Self::InvalidMessage => {
                "a member of the message is missing or of the wrong type; correct it"
            }
            Self::InvalidSubscription => {
                "a member of a subscription is missing or of the wrong type; correct it"
            }
            Self::InvalidNotification => {
                "a member of the notification is missing or of the wrong type; correct it"
            }
            Self::TooManySubscriptions => {
                "there are more subscriptions than the server allows; send fewer"
            }
            Self::MessageTooBig => {
                "the message is longer than the server allows; send a shorter one"
            }
            Self::Forbidden => {
                "the session has no right to this; publish from the machine that the server runs on"
            }
            Self::Unauthorized => "the token is missing, invalid or expired; send a valid one",
            Self::RateLimited => {
                "messages come faster than the server allows and this one was dropped; slow down"
            }
            Self::SlowConsumer => {
                "notifications are read more slowly than they arrive; reconnect and read faster"
            }
            Self::ShuttingDown => "the server is shutting down; reconnect later",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message that is not accepted, and why. It is the peer's fault, except where the code says
/// otherwise ([`ErrorCode::ShuttingDown`]).
///
/// `Display` writes what the error's `message` member says: the thing, the reason and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: ErrorCode,
    from_publisher: bool,
    path: Path,
    problem: Problem,
}

impl Refusal {
    /// A refusal for a reason outside of the message's text, such as a missing right; without a
    /// path, and with the code's general message.
    #[must_use]
    pub const fn new(code: ErrorCode) -> Self {
        Self {
            code,
            from_publisher: false,
            path: Path::new(),
            problem: Problem::General,
        }
    }

    /// A set of subscriptions that an index does not take.
    #[cfg(feature = "alloc")]
    pub(crate) fn too_much_to_verify(limit: usize) -> Self {
        Self::at(
            ErrorCode::TooManySubscriptions,
            Path::new().member("subscriptions"),
            Problem::TooMuchToVerify { limit },
        )
    }

    /// A message that is none of a publisher's, where only these are taken.
    #[cfg(feature = "alloc")]
    pub(crate) fn not_a_publication() -> Self {
        Self::at(
            ErrorCode::InvalidMessage,
            Path::new().member("sender"),
            Problem::NotPublished,
        )
    }

    /// The subscription of this index is covered by no grant of the session's token.
    #[cfg(feature = "alloc")]
    pub(crate) fn not_covered(index: usize) -> Self {
        Self::at(
            ErrorCode::Forbidden,
            Path::new().member("subscriptions").element(index),
            Problem::NotCovered,
        )
    }

    /// A notification that meets no `publish` grant of its publisher's token.
    #[cfg(feature = "alloc")]
    pub(crate) fn not_granted() -> Self {
        Self::at(
            ErrorCode::Forbidden,
            Path::new().member("notification"),
            Problem::NotGranted,
        )
    }

    /// Whether it is a subscription that there is no right to.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_of_subscription(&self) -> bool {
        matches!(self.problem, Problem::NotCovered)
    }

    /// What is wrong with the token, if that is the matter.
    #[must_use]
    pub const fn token_fault(&self) -> Option<TokenFault> {
        if let Problem::Token(fault) = self.problem {
            Some(fault)
        } else {
            None
        }
    }

    pub(super) const fn at(code: ErrorCode, path: Path, problem: Problem) -> Self {
        Self {
            code,
            from_publisher: false,
            path,
            problem,
        }
    }

    pub(super) const fn with_publisher(mut self, from_publisher: bool) -> Self {
        self.from_publisher = from_publisher;
        self
    }

    /// Which error this is.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The member at fault, such as `subscriptions[0].page`; empty if there is none to name. At
    /// most 79 bytes; a longer one is cut, and then ends with `…`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Whether the message named `"sender":"server"` at its top level, as far as it was readable. A
    /// classic session is then closed (the protocol, section 5).
    #[must_use]
    pub const fn from_publisher(&self) -> bool {
        self.from_publisher
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path().is_empty() {
            write!(f, "{} ", self.path())?;
        }
        match self.problem {
            Problem::General => f.write_str(self.code.general()),
            Problem::Json(Fault { offset, rule }) => {
                write!(
                    f,
                    "byte {offset}: {rule}; send one strict RFC 8259 object per message"
                )
            }
            Problem::NoArray(Fault { offset, rule }) => {
                write!(
                    f,
                    "is no strict RFC 8259 array (byte {offset}: {rule}); correct it"
                )
            }
            Problem::Missing(expected) => write!(f, "is missing; it must be {expected}"),
            Problem::WrongType(expected) => write!(f, "has the wrong type; it must be {expected}"),
            Problem::UnknownSender => write!(f, "is unknown; it must be {SENDERS}"),
            Problem::NotTheirs => f.write_str("is the server's to set; leave it out"),
            Problem::NotUnicode => write!(f, "is not Unicode text; {WHOLE_PAIRS}"),
            Problem::KeyNotUnicode => {
                write!(f, "has a key that is not Unicode text; {WHOLE_PAIRS}")
            }
            Problem::NumberTooLong => write!(
                f,
                "is a number of more than {MAX_NUMBER_LEN} bytes when written out; send it as a string"
            ),
            Problem::Token(fault) => f.write_str(fault.text()),
            #[cfg(feature = "alloc")]
            Problem::NotCovered => f.write_str(
                "is covered by no `subscribe` grant of the token; ask for less, or get a token with \
                 such a grant",
            ),
            #[cfg(feature = "alloc")]
            Problem::NotGranted => f.write_str(
                "meets no `publish` grant of the token; publish something else, or get a token with \
                 such a grant",
            ),
            #[cfg(feature = "alloc")]
            Problem::NotPublished => {
                f.write_str("must be \"server\": only notifications are taken here")
            }
            #[cfg(feature = "alloc")]
            Problem::TooMuchToVerify { limit } => write!(
                f,
                "take more than {limit} steps to match, the server's limit; \
                 send fewer, with fewer keys, or with a list for one key only"
            ),
            Problem::TooMany { what, limit } => {
                write!(
                    f,
                    "has more than {limit} {what}, the server's limit; send fewer"
                )
            }
        }
    }
}

impl core::error::Error for Refusal {}

impl From<TokenFault> for Refusal {
    fn from(fault: TokenFault) -> Self {
        Self::at(ErrorCode::Unauthorized, Path::new(), Problem::Token(fault))
    }
}

/// The senders that a message may name, for [`Problem`]s with the member `sender`.
pub(super) const SENDERS: &str = "\"client\" to subscribe or \"server\" to publish";

/// The remedy for lone surrogates.
const WHOLE_PAIRS: &str = "escape characters beyond U+FFFF as whole surrogate pairs";

/// What is wrong with the member that a [`Refusal`]'s path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    General,
    Json(Fault),
    /// In a list that is a text of its own.
    NoArray(Fault),
    /// With what it must be.
    Missing(&'static str),
    /// With what it must be.
    WrongType(&'static str),
    UnknownSender,
    /// A member that only the server may set.
    NotTheirs,
    NotUnicode,
    KeyNotUnicode,
    NumberTooLong,
    /// Of the token, not of the message.
    Token(TokenFault),
    /// A subscription without a grant for it.
    #[cfg(feature = "alloc")]
    NotCovered,
    /// A notification likewise.
    #[cfg(feature = "alloc")]
    NotGranted,
    /// A sender, where only notifications are taken.
    #[cfg(feature = "alloc")]
    NotPublished,
    #[cfg(feature = "alloc")]
    TooMuchToVerify {
        limit: usize,
    },
    TooMany {
        what: &'static str,
        limit: usize,
    },
}

/// The longest path in bytes. It keeps a [`Refusal`] below the 128 bytes from which errors by value
/// become dear, and leaves some 40 for a key below `subscriptions[127].filters.values`.
pub(super) const PATH_CAPACITY: usize = 79;

/// The name of a member of a message, from the top level:
/// `subscriptions[3].filters.values.channel[2]`. One that is too long ends with `…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// UTF-8.
    text: heapless::Vec<u8, PATH_CAPACITY, u8>,
    cut: bool,
}

impl Path {
    pub(super) const fn new() -> Self {
        Self {
            text: heapless::Vec::new(),
            cut: false,
        }
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// This path's member `name`.
    pub(super) fn member(self, name: &str) -> Self {
        self.joined(name.bytes())
    }

    /// This path's member of a name that comes from the message.
    pub(super) fn key(self, name: Text<'_>) -> Self {
        self.joined(name.bytes())
    }

    /// This path's element `index`.
    pub(super) fn element(mut self, index: usize) -> Self {
        self.push(b'[');
        decimal::digits(index).for_each(|digit| self.push(digit));
        self.push(b']');
        self
    }

    fn joined(mut self, name: impl Iterator<Item = u8>) -> Self {
        if !self.text.is_empty() {
            self.push(b'.');
        }
        name.for_each(|byte| self.push(byte));
        self
    }

    fn push(&mut self, byte: u8) {
        if self.cut || self.text.push(byte).is_ok() {
            return;
        }
        self.cut = true;
        // Whole characters go, until there is room for the ellipsis.
        let mut gone = byte;
        while gone & 0xC0 == 0x80 || self.text.len() > PATH_CAPACITY - ELLIPSIS.len() {
            match self.text.pop() {
                Some(byte) => gone = byte,
                None => break,
            }
        }
        for byte in ELLIPSIS.bytes() {
            let _ = self.text.push(byte);
        }
    }
}

const ELLIPSIS: &str = "…";
