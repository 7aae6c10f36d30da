//! What can go wrong for a client, and which of it ends it.

use alloc::string::{String, ToString as _};
use core::{fmt, time::Duration};

use super::{Backoff, ServerError};
use crate::{
    conn::Violation,
    handshake::{ConnectError, WriteError},
    notify::Refusal,
    wire::CloseCode,
};

/// Why there is no connection (any more).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The name was not found, or nobody answers there: what the transport said.
    Unreachable(String),
    /// The connection, its opening handshake or an answer took too long.
    TimedOut(Late),
    /// The server says no, with an HTTP status other than 101.
    Refused {
        /// The status.
        status: u16,
        /// When it wants to be asked again, as its `Retry-After` says in seconds.
        retry_after: Option<Duration>,
        /// What it means and what to do about it.
        advice: String,
    },
    /// What answers does not speak WebSocket as RFC 6455 has it: which rule it breaks, and what to do
    /// about it.
    NotWebSocket(String),
    /// The server does not speak `campanile.v1`.
    NotV1,
    /// The server closed.
    Closed {
        /// With this code.
        code: Option<CloseCode>,
        /// And this reason; what it said before it closed, if it did.
        reason: String,
    },
    /// The transport ended or failed without a Close: what it said.
    Lost(String),
    /// The server broke a rule of RFC 6455.
    Violation(Violation),
    /// The server gave an answer to what nobody had asked.
    OutOfTurn,
    /// After a reconnect, the server refused the subscriptions that it had taken before.
    Deaf(ServerError),
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Late {
    /// Looking up the name, and connecting.
    Connecting,
    /// The opening handshake.
    Handshake,
    /// A sign of life after a Ping, or the end after a Close.
    Life,
    /// The answer to a subscription or publication.
    Answer,
}

impl Cause {
    /// Whether the next attempt would end the same way, so that there is none:
    ///
    /// - HTTP statuses 3xx, for nothing here follows a redirect, and 4xx but 408, 425 and 429;
    /// - what does not speak WebSocket, or not `campanile.v1`;
    /// - close codes by which the server says that this program does something wrong (1002, 1003, 1007,
    ///   1008, 1010) or may not be here (4400 to 4499: 4401 is a token that has expired);
    /// - subscriptions that are refused for another reason than the rate.
    ///
    /// All else may pass: a server that restarts (1001, 1012), cannot cope (1011, 1013, 5xx) or was not
    /// read fast enough (1013), links that break, and a message that was too large (1009), which is not
    /// sent again.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                matches!(status, 300..=499) && !matches!(status, 408 | 425 | 429)
            }
            Self::NotWebSocket(_) | Self::NotV1 => true,
            Self::Closed { code, .. } => code.is_some_and(|code| {
                matches!(code.get(), 1002 | 1003 | 1007 | 1008 | 1010 | 4400..=4499)
            }),
            Self::Deaf(error) => !error.is_temporary(),
            Self::Unreachable(_)
            | Self::TimedOut(_)
            | Self::Lost(_)
            | Self::Violation(_)
            | Self::OutOfTurn => false,
        }
    }

    /// When the server wants to be asked again, within reason.
    pub(super) fn retry_after(&self) -> Duration {
        let Self::Refused {
            retry_after: Some(after),
            ..
        } = self
        else {
            return Duration::ZERO;
        };
        *after.min(&Backoff::MAX_RETRY_AFTER)
    }
}

impl From<ConnectError<String>> for Cause {
    fn from(error: ConnectError<String>) -> Self {
        match error {
            ConnectError::Refused {
                status,
                detail,
                advice,
            } => {
                // Of the two forms of RFC 9110, section 10.2.3, a date needs a clock.
                let seconds = detail.filter(|_| matches!(status, 429 | 503));
                let seconds = seconds.and_then(|text| text.parse().ok());
                Self::Refused {
                    status,
                    retry_after: seconds.map(Duration::from_secs),
                    advice,
                }
            }
            ConnectError::BadResponse { advice } => Self::NotWebSocket(advice),
            ConnectError::BadOpening(error) => Self::NotWebSocket(error.to_string()),
            ConnectError::TimedOut => Self::TimedOut(Late::Handshake),
            ConnectError::Lost(error) => Self::Lost(error),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(
                f,
                "cannot connect: {error}; check host and port, and that the server runs"
            ),
            Self::TimedOut(late) => f.write_str(match late {
                Late::Connecting => {
                    "cannot connect in time; check host and port, and the network in between"
                }
                Late::Handshake => {
                    "the server took the connection, but did not answer in time; check that it is a \
                     WebSocket server that listens there"
                }
                Late::Life => "the server is silent; it or the network is down",
                Late::Answer => "the server did not answer a message in time; look into its log",
            }),
            Self::Refused { advice, .. } | Self::NotWebSocket(advice) => f.write_str(advice),
            Self::NotV1 => f.write_str(
                "the server does not speak campanile.v1; check that host, port and path are those of \
                 a Campanile server",
            ),
            Self::Closed { code, reason } => {
                f.write_str("the server closed the connection")?;
                match code {
                    Some(code) => write!(f, " with {code}")?,
                    None => f.write_str(" without a code")?,
                }
                if !reason.is_empty() {
                    write!(f, " ({reason})")?;
                }
                Ok(())
            }
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
            Self::Violation(violation) => {
                write!(f, "the server broke the WebSocket protocol: {violation}")
            }
            Self::OutOfTurn => f.write_str("the server answered what was not asked"),
            Self::Deaf(error) => write!(
                f,
                "the server refused the subscriptions that it had taken before: {error}"
            ),
        }
    }
}

impl core::error::Error for Cause {}

/// Why a client has ended without being told to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The next attempt would end the same way.
    Fatal(Cause),
    /// As many attempts failed as were allowed.
    GaveUp {
        /// How many.
        attempts: u32,
        /// Why the last one did.
        cause: Cause,
    },
    /// What was to be asked for cannot be: the URL or a header field is wrong.
    BadOpening(WriteError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fatal(cause) | Self::GaveUp { attempts: 1, cause } => cause.fmt(f),
            Self::GaveUp { attempts, cause } => {
                write!(f, "gave up after {attempts} attempts: {cause}")
            }
            Self::BadOpening(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

/// A set of subscriptions was not asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// It is not valid.
    Invalid(Refusal),
    /// The client is closed, or has ended.
    Over,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(refusal) => refusal.fmt(f),
            Self::Over => f.write_str(OVER),
        }
    }
}

impl core::error::Error for SubscribeError {}

const OVER: &str = "the client is closed; make a new one";

/// A publication was not accepted, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// It is not valid, and was not sent.
    Invalid(Refusal),
    /// So many wait to be sent already that this one was not taken.
    TooMany,
    /// The client is closed, or has ended; it was not sent.
    Over,
    /// It was not sent: there was no connection in time, or the client ended before. Why the last
    /// attempt to connect failed, if one did.
    NotSent(Option<Cause>),
    /// The server refuses it.
    Refused(ServerError),
    /// **The server may or may not have accepted it**: it was sent, and the connection was lost before
    /// the answer came. It is not sent again, as nothing would detect the duplicate.
    Unknown(Cause),
    /// The outcome is still to come, as an [`Event`](super::Event): so many events wait to be taken
    /// that nothing more is read.
    Unread,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(refusal) => refusal.fmt(f),
            Self::TooMany => f.write_str(
                "too many publications wait to be sent; wait for the outcome of some of them",
            ),
            Self::Over => f.write_str(OVER),
            Self::NotSent(cause) => {
                f.write_str("not sent")?;
                match cause {
                    Some(cause) => write!(f, ": {cause}"),
                    None => Ok(()),
                }
            }
            Self::Refused(error) => error.fmt(f),
            Self::Unknown(cause) => write!(
                f,
                "it is not known whether the server accepted it, which did not answer: {cause}"
            ),
            Self::Unread => f.write_str(
                "too many notifications wait to be taken; take them, and the outcome with them",
            ),
        }
    }
}

impl core::error::Error for PublishError {}
