//! Why a client's connection did not open, for as long as the program wants to know (feature
//! `alloc`).

use alloc::string::{String, ToString as _};
use core::fmt;

use super::{BadResponse, HANDSHAKE_TIME, WriteError};

/// Why a client's connection did not get past its opening handshake; `E` is what a transport
/// reports (feature `alloc`). Nothing in this crate makes one: it is for adapters.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError<E> {
    /// What was to be asked for cannot be; nothing was sent.
    BadOpening(WriteError),
    /// The server says no, with an HTTP status other than 101.
    Refused {
        /// The status.
        status: u16,
        /// What the server adds to it, as [`BadResponse::detail`], which is not to be trusted.
        detail: Option<String>,
        /// What it means here and what to do about it.
        advice: String,
    },
    /// The server's answer breaks a rule of HTTP or of RFC 6455.
    BadResponse {
        /// Which rule, and what to do about it.
        advice: String,
    },
    /// The answer was not complete within [`HANDSHAKE_TIME`].
    TimedOut,
    /// The transport ended or failed first.
    Lost(E),
}

impl<E: fmt::Display> fmt::Display for ConnectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadOpening(error) => error.fmt(f),
            Self::Refused { advice, .. } | Self::BadResponse { advice } => f.write_str(advice),
            Self::TimedOut => write!(
                f,
                "the server's answer was not complete within {} s",
                HANDSHAKE_TIME.as_secs()
            ),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ConnectError<E> {}

#[cfg(feature = "deflate")]
impl<E> From<crate::deflate::BadAgreement> for ConnectError<E> {
    fn from(bad: crate::deflate::BadAgreement) -> Self {
        Self::BadResponse {
            advice: bad.to_string(),
        }
    }
}

impl<E> From<BadResponse<'_>> for ConnectError<E> {
    fn from(bad: BadResponse<'_>) -> Self {
        let advice = bad.to_string();
        match bad.status() {
            Some(status) => Self::Refused {
                status,
                detail: bad.detail().map(String::from),
                advice,
            },
            None => Self::BadResponse { advice },
        }
    }
}
