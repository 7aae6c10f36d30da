//! Responses, and the problem details of RFC 9457.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

use super::fault::Fault;
use crate::{
    handshake,
    hub::{
        authority::{CHALLENGE, INVALID_TOKEN},
        session::Address,
    },
    notify::{ErrorCode, MAX_REPLY_LEN, Refusal, TokenFault},
};

/// How a response is written, and to whom.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Manner {
    /// Whether the connection goes on.
    pub(super) persists: bool,
    /// Whether the request was one of HTTP/1.0.
    pub(super) http10: bool,
    /// Whether the request was HEAD (RFC 9110, section 9.3.2).
    pub(super) bodiless: bool,
    /// Who has asked, for the log.
    pub(super) peer: Address,
    /// The origin of the page that has asked, which may read the response.
    pub(super) page: Option<Arc<str>>,
}

impl Manner {
    /// The same for a response that ends the connection.
    pub(super) fn last(self) -> Self {
        Self {
            persists: false,
            ..self
        }
    }
}

/// Says that the body may come (RFC 9110, section 15.2.1).
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const PROBLEM: &str = "application/problem+json";

/// A whole response.
pub(super) fn response(
    status: u16,
    media: &str,
    fields: &[(&str, &str)],
    body: &[u8],
    manner: &Manner,
) -> Vec<u8> {
    let mut head = String::new();
    // A `String` takes everything.
    let _ = write!(head, "HTTP/1.1 {status} {}\r\n", reason(status));
    // RFC 9110, section 8.6: a 204 has no length.
    if status != 204 {
        let _ = write!(
            head,
            "Content-Type: {media}\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    for (name, value) in fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    // The Fetch standard, section 3.3.3: this page may read the response, and no cache keeps it for others.
    if let Some(origin) = &manner.page {
        let _ = write!(
            head,
            "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Expose-Headers: Retry-After\r\n\
             Vary: Origin\r\n"
        );
    }
    // RFC 9112, section 9.3; whoever speaks HTTP/1.0 wants to be told.
    if !manner.persists {
        head.push_str("Connection: close\r\n");
    } else if manner.http10 {
        head.push_str("Connection: keep-alive\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if !manner.bodiless {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// What is wrong, and how to do better (RFC 9457, section 3). Without a `type` it is
/// `about:blank`: the title is that of the status (section 4.2.1).
#[derive(Serialize)]
struct Details<'a> {
    title: &'a str,
    status: u16,
    detail: Displayed<'a>,
    /// The protocol's section 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
}

struct Displayed<'a>(&'a dyn fmt::Display);

impl Serialize for Displayed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

fn problem(details: &Details<'_>, fields: &[(&str, &str)], manner: &Manner) -> Vec<u8> {
    // A refusal's own text and path fit as they do into a `Reply`, and our own texts are shorter.
    let mut out = [0; MAX_REPLY_LEN + 256];
    let len = serde_json_core::to_slice(details, &mut out).unwrap_or_default();
    let body = out.get(..len).unwrap_or_default();
    response(details.status, PROBLEM, fields, body, manner)
}

/// The answer to a request that is refused as a whole.
pub(super) fn of_fault(fault: Fault, manner: &Manner) -> Vec<u8> {
    let status = fault.status();
    let details = Details {
        title: reason(status),
        status,
        detail: Displayed(&fault),
        code: fault.code().map(ErrorCode::as_str),
        path: "",
    };
    let field = fault.field();
    problem(&details, field.as_slice(), manner)
}

/// The answer to a message that is refused. Who asks too fast should wait for so many seconds.
pub(super) fn of_refusal(refusal: &Refusal, wait: u64, manner: &Manner) -> (u16, Vec<u8>) {
    let status = status(refusal.code());
    let details = Details {
        title: reason(status),
        status,
        detail: Displayed(refusal),
        code: Some(refusal.code().as_str()),
        path: refusal.path(),
    };
    let mut seconds = String::new();
    let _ = write!(seconds, "{wait}");
    let fields = [("Retry-After", seconds.as_str())];
    let fields: &[_] = match status {
        401 if refusal.token_fault() == Some(TokenFault::Missing) => &[CHALLENGE],
        401 => &[INVALID_TOKEN],
        429 => &fields,
        _ => &[],
    };
    (status, problem(&details, fields, manner))
}

/// The answer when nobody is served.
pub(super) fn of_closed(closed: &handshake::Refusal<'_>, manner: &Manner) -> Vec<u8> {
    let details = Details {
        title: closed.reason,
        status: closed.status,
        detail: Displayed(&closed.body),
        code: None,
        path: "",
    };
    problem(&details, closed.headers, manner)
}

/// The status that says this (the protocol, section 8).
const fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::Unauthorized => 401,
        ErrorCode::Forbidden => 403,
        ErrorCode::MessageTooBig => 413,
        ErrorCode::RateLimited => 429,
        ErrorCode::ShuttingDown | ErrorCode::SlowConsumer => 503,
        ErrorCode::InvalidJson
        | ErrorCode::InvalidMessage
        | ErrorCode::InvalidSubscription
        | ErrorCode::InvalidNotification
        | ErrorCode::TooManySubscriptions => 400,
    }
}

/// The reason phrase of a status that we send (RFC 9110, section 15).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}
