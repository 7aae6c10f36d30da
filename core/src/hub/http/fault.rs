//! What can be wrong with a request before its content is looked at.

use core::fmt;

use super::BATCH_MESSAGES;
use crate::{hub::visitor::FORWARDING, notify::ErrorCode};

/// Why a request is refused. `Display` says the thing, the reason and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is at this path for anything but a WebSocket.
    NoSuchPath,
    /// The path has other methods: those that `Allow` names (RFC 9110, section 10.2.1).
    Method(&'static str),
    /// A body where none is due.
    BodyNotDue,
    /// `Content-Length` is repeated or no number (RFC 9112, section 6.3).
    Length,
    /// `Transfer-Encoding` is repeated, not `chunked`, beside a `Content-Length`, or in HTTP/1.0 (RFC
    /// 9112, sections 6.1 and 6.3).
    Coding,
    /// The chunks are malformed (RFC 9112, section 7.1).
    Chunk,
    /// A web page asks whose `Origin` is not in the list of those that may.
    Page,
    /// A proxy does not say as it should who asks.
    Forwarding,
    /// `Content-Type` is not JSON (RFC 9110, section 15.5.16).
    MediaType,
    /// `Content-Encoding` is there: the content is compressed (likewise).
    Compressed,
    /// `Expect` is not `100-continue` (RFC 9110, section 10.1.1).
    Expectation,
    /// The body is too long.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A batch has too many messages.
    TooMany,
    /// The body comes too slowly.
    TooSlow,
    /// Too many requests wait for their answers.
    Waiting,
}

impl Fault {
    /// The HTTP status that says this.
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::BodyNotDue | Self::Length | Self::Coding | Self::Chunk | Self::Forwarding => 400,
            Self::Page => 403,
            Self::NoSuchPath => 404,
            Self::Method(_) => 405,
            Self::TooSlow => 408,
            Self::TooLarge { .. } | Self::TooMany => 413,
            Self::MediaType | Self::Compressed => 415,
            Self::Expectation => 417,
            Self::Waiting => 429,
        }
    }

    /// The protocol's own word for it (section 5), where there is one.
    pub(super) const fn code(self) -> Option<ErrorCode> {
        match self {
            Self::Page => Some(ErrorCode::Forbidden),
            Self::TooLarge { .. } => Some(ErrorCode::MessageTooBig),
            Self::Waiting => Some(ErrorCode::RateLimited),
            Self::NoSuchPath
            | Self::Method(_)
            | Self::BodyNotDue
            | Self::Length
            | Self::Coding
            | Self::Chunk
            | Self::Forwarding
            | Self::MediaType
            | Self::Compressed
            | Self::Expectation
            | Self::TooMany
            | Self::TooSlow => None,
        }
    }

    /// A header field that tells how to do better.
    pub(super) const fn field(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Method(allow) => Some(("Allow", allow)),
            // RFC 9110, sections 12.5.1 and 12.5.3.
            Self::MediaType => Some(("Accept", "application/json")),
            Self::Compressed => Some(("Accept-Encoding", "identity")),
            Self::Waiting => Some(("Retry-After", "1")),
            Self::NoSuchPath
            | Self::BodyNotDue
            | Self::Length
            | Self::Coding
            | Self::Chunk
            | Self::Page
            | Self::Forwarding
            | Self::Expectation
            | Self::TooLarge { .. }
            | Self::TooMany
            | Self::TooSlow => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchPath => {
                "Nothing takes this method at this path. Publish with POST /notifications, ask with \
                 GET /healthz or /readyz, or open a WebSocket."
            }
            Self::Method(allow) => {
                return write!(f, "The method is not allowed at this path; use {allow}.");
            }
            Self::BodyNotDue => "The request has a body, and this one may have none; leave it out.",
            Self::Length => {
                "The Content-Length header is repeated or not a number, so it is unclear where the \
                 request ends. Send it once, in decimal digits."
            }
            Self::Coding => {
                "The Transfer-Encoding header is repeated, beside a Content-Length, in HTTP/1.0 or \
                 other than `chunked`, so it is unclear where the request ends. Send either \
                 `Content-Length` or, in HTTP/1.1, `Transfer-Encoding: chunked`."
            }
            Self::Chunk => {
                "The chunked body is malformed (RFC 9112 section 7.1), so it is unclear where the \
                 request ends. Send a Content-Length instead, or use an HTTP library."
            }
            Self::Page => {
                "The request comes from a web page (it has an Origin header) that may not publish. \
                 Publish from the back end, or add the page's origin to the setting `origins`."
            }
            Self::Forwarding => FORWARDING,
            Self::MediaType => {
                "The content is not declared as JSON. Send `Content-Type: application/json`."
            }
            Self::Compressed => {
                "The content is encoded (Content-Encoding), which is not supported. Send it as it is."
            }
            Self::Expectation => {
                "The Expect header asks for something unknown. Leave it out, or send `Expect: \
                 100-continue`."
            }
            Self::TooLarge { limit } => {
                return write!(
                    f,
                    "The body is longer than the {limit} bytes that the server takes; send less."
                );
            }
            Self::TooMany => {
                return write!(
                    f,
                    "The batch has more than {BATCH_MESSAGES} messages, the server's limit; send \
                     several."
                );
            }
            Self::TooSlow => "The body did not come in time. Send it faster, or as several requests.",
            Self::Waiting => {
                "Too many requests of this connection wait for their answers. Read the answers \
                 before asking on."
            }
        })
    }
}
