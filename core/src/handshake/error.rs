//! What can go wrong in the opening handshake, one type for each party at fault.

use core::fmt;

use super::MAX_SUBPROTOCOLS;

/// The client's request is refused: its fault, and the message is written for the person who has to
/// mend it. [`reject`](super::reject) makes an HTTP response of it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// What came is no HTTP/1 request (RFC 9112, section 3).
    NotHttp,
    /// A header field is malformed or folded (RFC 9112, section 5).
    MalformedHeader,
    /// A line ends with a line feed alone (RFC 9112, section 2.2).
    BareLineFeed,
    /// The head is longer than the limit (RFC 6585, section 5).
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There are more header fields than slots for them (RFC 6585, section 5).
    TooManyHeaders {
        /// The number of slots.
        limit: usize,
    },
    /// The major version of HTTP is not 1 (RFC 9110, section 15.6.6).
    HttpVersion,
    /// An upgrade is asked for over HTTP/1.0, which knows none (RFC 6455, section 4.2.1, item 1;
    /// RFC 9110, section 7.8).
    Http10,
    /// `Host` is missing, repeated or no host (RFC 9112, section 3.2; RFC 6455, section 4.2.1, item
    /// 2).
    Host,
    /// A valid HTTP request which does not ask for an upgrade (RFC 6455, section 4.2.1, item 3).
    NotUpgrade,
    /// The same by HEAD, whose answer has no body (RFC 9110, section 9.3.2).
    NotUpgradeHead,
    /// An upgrade by another method than GET (RFC 6455, section 4.2.1, item 1).
    Method,
    /// `Connection` does not list `Upgrade` (RFC 6455, section 4.2.1, item 4).
    Connection,
    /// The request announces a body, which an upgrade cannot have: its bytes would be taken for
    /// frames (RFC 6455, section 4.1).
    Body,
    /// The request target is neither a path nor an absolute HTTP URI, has a fragment, or has
    /// characters outside visible ASCII (RFC 6455, sections 3 and 4.2.1, item 1).
    Target,
    /// `Sec-WebSocket-Version` is not 13 (RFC 6455, sections 4.2.1, item 6, and 4.4).
    Version,
    /// `Sec-WebSocket-Key` is missing, repeated, or not the base64 of 16 bytes (RFC 6455, section
    /// 4.2.1, item 5).
    Key,
    /// `Origin` is repeated or has characters that no origin has (RFC 6454, section 7).
    Origin,
    /// `Authorization` is repeated, so that it is unclear who asks (RFC 9110, section 5.3).
    Authorization,
    /// `Sec-WebSocket-Protocol` has an element that is no token, one twice, or more than
    /// [`MAX_SUBPROTOCOLS`] (RFC 6455, sections 4.1, item 10, and 4.2.1, item 8).
    Subprotocols,
    /// `Sec-WebSocket-Extensions` does not follow the grammar (RFC 6455, section 9.1).
    Extensions,
}

impl BadRequest {
    /// The HTTP status which says this to the client.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotHttp
            | Self::MalformedHeader
            | Self::BareLineFeed
            // 505 is about the major version alone (RFC 9110, section 15.6.6); RFC 6455, section
            // 4.2.1 names 400 for an opening handshake which does not follow the specification.
            | Self::Http10
            | Self::Host
            | Self::Connection
            | Self::Body
            | Self::Target
            | Self::Key
            | Self::Origin
            | Self::Authorization
            | Self::Subprotocols
            | Self::Extensions => 400,
            Self::Method => 405,
            Self::NotUpgrade | Self::NotUpgradeHead | Self::Version => 426,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::HttpVersion => 505,
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => {
                "This is not an HTTP/1.1 request: its first line must be like `GET / HTTP/1.1`. \
                 Connect with a WebSocket client, and with ws:// where the server expects ws://, \
                 because a TLS handshake (wss://) looks like this too."
            }
            Self::MalformedHeader => {
                "A header field is malformed: each must be `Name: value` on one line, without \
                 control characters and without a space before the colon. Correct the field, or \
                 use a WebSocket library."
            }
            Self::BareLineFeed => {
                "A line ends with a line feed alone: HTTP ends lines with a carriage return and a \
                 line feed, and proxies disagree on anything else. Write \"\\r\\n\" after each line."
            }
            Self::HeadTooLarge { limit } => {
                return write!(
                    f,
                    "The request head is too long: the limit is {limit} bytes, the empty line at \
                     its end included. Send fewer or smaller header fields; cookies are most often \
                     the reason."
                );
            }
            Self::TooManyHeaders { limit } => {
                return write!(
                    f,
                    "The request has too many header fields: the limit is {limit}. Send fewer, or \
                     have the proxy in front add fewer."
                );
            }
            Self::HttpVersion => {
                "The HTTP version is not supported: a WebSocket is opened with HTTP/1.1 here. Send \
                 `HTTP/1.1` in the request line, or have the proxy in front translate."
            }
            Self::Http10 => {
                "The upgrade was asked for with HTTP/1.0, which has no upgrades. Use HTTP/1.1; \
                 behind nginx, set `proxy_http_version 1.1`."
            }
            Self::Host => {
                "The Host header is missing, repeated or not a host name: HTTP/1.1 demands exactly \
                 one. Send `Host: NAME` or `Host: NAME:PORT`."
            }
            Self::NotUpgrade | Self::NotUpgradeHead => {
                "This is a WebSocket endpoint, and the request does not ask for an upgrade \
                 (`Upgrade: websocket` is missing). Connect with a WebSocket client, for example: \
                 npx wscat -c ws://HOST:PORT/ . If you did, a proxy in between has dropped the \
                 header: have it forward Upgrade and Connection over HTTP/1.1."
            }
            Self::Method => {
                "The method is not allowed: a WebSocket is opened with GET. Send `GET` in the \
                 request line."
            }
            Self::Connection => {
                "The Connection header does not list `Upgrade`, so the Upgrade header does not \
                 count. Send `Connection: Upgrade`; a proxy in between must forward it."
            }
            Self::Body => {
                "The request announces a body (Content-Length or Transfer-Encoding), which an \
                 upgrade cannot have. Leave these headers out, and send data as WebSocket messages \
                 after the handshake."
            }
            Self::Target => {
                "The request target is not valid: it must be a path that begins with `/`, in \
                 visible ASCII and without a `#fragment`. Percent-encode other characters."
            }
            Self::Version => {
                "The Sec-WebSocket-Version header is missing or names another version than 13, the \
                 only one this server speaks. Send `Sec-WebSocket-Version: 13` (RFC 6455)."
            }
            Self::Key => {
                "The Sec-WebSocket-Key header is missing, repeated or malformed: it must be the \
                 base64 of 16 random bytes, 24 characters. Make a new one for each connection, or \
                 use a WebSocket library."
            }
            Self::Origin => {
                "The Origin header is repeated or malformed: a browser sends it once, like \
                 `https://example.com`. Send it once or, outside browsers, not at all."
            }
            Self::Authorization => {
                "The Authorization header is repeated, so it is unclear which credentials count. \
                 Send it once."
            }
            Self::Subprotocols => {
                return write!(
                    f,
                    "The Sec-WebSocket-Protocol header is malformed: it must list at most \
                     {MAX_SUBPROTOCOLS} subprotocols, separated by commas, each a token without \
                     spaces and none of them twice. Correct the list or leave the header out."
                );
            }
            Self::Extensions => {
                "The Sec-WebSocket-Extensions header is malformed: it must be a list like \
                 `name; parameter=value`, where quoted values are tokens too. Correct it or leave \
                 it out; if a proxy changed it, have the proxy pass it on as it is."
            }
        })
    }
}

impl core::error::Error for BadRequest {}

/// The server's answer does not open a connection: the server refuses, or its answer is wrong.
///
/// What it borrows is the server's own text, from the received bytes: visible characters, spaces
/// and tabs, so it cannot break a line of a log, but nothing in it is to be trusted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadResponse<'b> {
    /// What came is no HTTP/1 response (RFC 9112, section 4), or a header field of it is malformed.
    NotHttp,
    /// A line ends with a line feed alone (RFC 9112, section 2.2).
    BareLineFeed,
    /// The head is longer than the limit.
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There are more header fields than slots for them.
    TooManyHeaders {
        /// The number of slots.
        limit: usize,
    },
    /// Status 3xx. RFC 6455, section 4.1 lets a client follow it; nothing here does.
    Redirect {
        /// The status.
        status: u16,
        /// Where to, when it says so in UTF-8; it may be relative.
        location: Option<&'b str>,
    },
    /// Status 401: credentials are missing or not good enough.
    Unauthorized {
        /// The first `WWW-Authenticate` field, when there is one in UTF-8.
        challenge: Option<&'b str>,
    },
    /// Status 426: the server does not speak version 13, or saw no upgrade (RFC 6455, section 4.4).
    UpgradeRequired {
        /// The first `Sec-WebSocket-Version` field: the versions the server speaks.
        versions: Option<&'b str>,
    },
    /// Status 429 or 503: not now.
    Busy {
        /// The status.
        status: u16,
        /// The first `Retry-After` field (RFC 9110, section 10.2.3): seconds, or a date.
        retry_after: Option<&'b str>,
    },
    /// Any other status than 101, interim ones included (RFC 6455, section 4.1).
    Status(u16),
    /// Status 101 in HTTP/1.0, which has no upgrades (RFC 6455, section 4.2.2, item 5.1).
    HttpVersion,
    /// `Upgrade` is missing, repeated or not `websocket` (RFC 6455, section 4.1).
    Upgrade,
    /// `Connection` does not list `Upgrade` (RFC 6455, section 4.1).
    Connection,
    /// `Sec-WebSocket-Accept` is missing, repeated or not the answer to our key (RFC 6455, section
    /// 4.1): a cache or something that does not speak WebSocket answered.
    Accept,
    /// More than one subprotocol was selected (RFC 6455, section 11.3.4).
    RepeatedSubprotocol,
    /// A subprotocol was selected that was not offered (RFC 6455, section 4.1).
    UnsolicitedSubprotocol,
    /// `Sec-WebSocket-Extensions` does not follow the grammar (RFC 6455, section 9.1).
    MalformedExtensions,
    /// An extension was accepted that was not offered (RFC 6455, section 4.1).
    UnsolicitedExtension,
}

impl<'b> BadResponse<'b> {
    /// The HTTP status by which the server refuses; `None` where its answer breaks a rule.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Redirect { status, .. } | Self::Busy { status, .. } | Self::Status(status) => {
                Some(status)
            }
            Self::Unauthorized { .. } => Some(401),
            Self::UpgradeRequired { .. } => Some(426),
            Self::NotHttp
            | Self::BareLineFeed
            | Self::HeadTooLarge { .. }
            | Self::TooManyHeaders { .. }
            | Self::HttpVersion
            | Self::Upgrade
            | Self::Connection
            | Self::Accept
            | Self::RepeatedSubprotocol
            | Self::UnsolicitedSubprotocol
            | Self::MalformedExtensions
            | Self::UnsolicitedExtension => None,
        }
    }

    /// What the server adds to its refusal, in its own words: where to go instead for a redirect
    /// (3xx), which credentials it wants (401), which versions it speaks (426), when to come again (429
    /// and 503).
    #[must_use]
    pub const fn detail(self) -> Option<&'b str> {
        match self {
            Self::Redirect {
                location: detail, ..
            }
            | Self::Unauthorized { challenge: detail }
            | Self::UpgradeRequired { versions: detail }
            | Self::Busy {
                retry_after: detail,
                ..
            } => detail,
            Self::Status(_)
            | Self::NotHttp
            | Self::BareLineFeed
            | Self::HeadTooLarge { .. }
            | Self::TooManyHeaders { .. }
            | Self::HttpVersion
            | Self::Upgrade
            | Self::Connection
            | Self::Accept
            | Self::RepeatedSubprotocol
            | Self::UnsolicitedSubprotocol
            | Self::MalformedExtensions
            | Self::UnsolicitedExtension => None,
        }
    }
}

impl fmt::Display for BadResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, detail) = match *self {
            Self::NotHttp => (
                "The server's answer is not HTTP/1.1: check that host and port are those of a \
                 WebSocket server, and whether it expects TLS (wss://).",
                None,
            ),
            Self::BareLineFeed => (
                "A line of the server's answer ends with a line feed alone, where HTTP has a \
                 carriage return before it: the server or a proxy must be mended.",
                None,
            ),
            Self::HeadTooLarge { limit } => {
                return write!(
                    f,
                    "The head of the server's answer is longer than the limit of {limit} bytes: \
                     raise the limit, or have the server send fewer header fields."
                );
            }
            Self::TooManyHeaders { limit } => {
                return write!(
                    f,
                    "The server's answer has more than {limit} header fields: raise the limit, or \
                     have the server send fewer."
                );
            }
            Self::Redirect { location, .. } => (
                "The server redirects to another place: connect there if you trust it",
                Some(location),
            ),
            Self::Unauthorized { challenge } => (
                "The server demands (other) credentials: check the token or password",
                Some(challenge),
            ),
            Self::UpgradeRequired { versions } => (
                "The server refuses version 13 of the WebSocket protocol, or a proxy has dropped \
                 the Upgrade header: check the proxy; versions the server names",
                Some(versions),
            ),
            Self::Busy {
                status,
                retry_after,
            } => {
                write!(
                    f,
                    "The server takes no more connections now (HTTP status {status}): try again later"
                )?;
                return match retry_after {
                    Some(when) => write!(f, "; it says when, in seconds or by a date: {when}"),
                    None => Ok(()),
                };
            }
            Self::Status(status) => {
                return write!(
                    f,
                    "The server answers with HTTP status {status} instead of 101: check the path \
                     and the server's log."
                );
            }
            Self::HttpVersion => (
                "The server answers in HTTP/1.0, which has no upgrades: a proxy in between must \
                 speak HTTP/1.1.",
                None,
            ),
            Self::Upgrade => (
                "The server's answer has no valid `Upgrade: websocket`: check that the path is a \
                 WebSocket endpoint and that proxies forward the header.",
                None,
            ),
            Self::Connection => (
                "The server's answer has no `Connection: Upgrade`: check that the path is a \
                 WebSocket endpoint and that proxies forward the header.",
                None,
            ),
            Self::Accept => (
                "The server's Sec-WebSocket-Accept does not answer our key: a cache or a server \
                 which does not speak WebSocket has answered; check what is in between.",
                None,
            ),
            Self::RepeatedSubprotocol => (
                "The server selects more than one subprotocol, where one is allowed: the server \
                 must be mended.",
                None,
            ),
            Self::UnsolicitedSubprotocol => (
                "The server selects a subprotocol that was not offered: offer it, or have the \
                 server select one of the offered.",
                None,
            ),
            Self::MalformedExtensions => (
                "The server's Sec-WebSocket-Extensions is malformed: the server or a proxy must \
                 be mended.",
                None,
            ),
            Self::UnsolicitedExtension => (
                "The server uses an extension that was not offered: the server or a proxy must be \
                 mended.",
                None,
            ),
        };
        f.write_str(text)?;
        if let Some(detail) = detail {
            f.write_str(": ")?;
            f.write_str(detail.unwrap_or("(not said)"))?;
        }
        Ok(())
    }
}

impl core::error::Error for BadResponse<'_> {}

/// A request or response cannot be written: the fault of the program which asked for it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The buffer is too small; nothing in it is of use.
    BufferTooSmall {
        /// The length in bytes that is enough.
        needed: usize,
    },
    /// An argument cannot be sent, because it is malformed, would break out of its line, or
    /// contradicts the rest.
    Invalid(Argument),
}

/// What [`WriteError::Invalid`] is about.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The host: a host name or address, with an optional port.
    Host,
    /// The path: it begins with `/`, is visible ASCII and has no fragment.
    Path,
    /// The origin: visible ASCII, not empty.
    Origin,
    /// The subprotocols: tokens, unique, at most [`MAX_SUBPROTOCOLS`].
    Subprotocols,
    /// The extensions: in the grammar of RFC 6455, section 9.1; in an answer, each of them offered.
    Extensions,
    /// The name of a header field: a token, and none that is written anyway.
    HeaderName,
    /// The value of a header field: no control characters but the tab.
    HeaderValue,
    /// The status: 300 to 599.
    Status,
    /// The reason phrase: no control characters.
    Reason,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => write!(
                f,
                "The buffer is too small for the handshake: {needed} bytes are needed."
            ),
            Self::Invalid(argument) => f.write_str(match argument {
                Argument::Host => {
                    "The host is not valid: give a host name or address and, if need be, a port, \
                     like `example.com:8000`."
                }
                Argument::Path => {
                    "The path is not valid: it must begin with `/`, be visible ASCII and have no \
                     `#fragment`; percent-encode other characters."
                }
                Argument::Origin => {
                    "The origin is not valid: give one like `https://example.com`, or none."
                }
                Argument::Subprotocols => {
                    return write!(
                        f,
                        "The subprotocols are not valid: give at most {MAX_SUBPROTOCOLS} tokens, \
                         none of them twice."
                    );
                }
                Argument::Extensions => {
                    "The extensions are not valid: give a list like `name; parameter=value` and, in \
                     an answer, only what was offered."
                }
                Argument::HeaderName => {
                    "The name of a header field is not valid: give a token, and no field which the \
                     handshake writes itself."
                }
                Argument::HeaderValue => {
                    "The value of a header field is not valid: remove line breaks and other control \
                     characters."
                }
                Argument::Status => {
                    "The status is not valid: a refusal has a status from 300 to 599."
                }
                Argument::Reason => {
                    "The reason phrase is not valid: remove line breaks and other control characters."
                }
            }),
        }
    }
}

impl core::error::Error for WriteError {}
