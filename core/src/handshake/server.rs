//! The server's half: read a request, answer it (RFC 6455, section 4.2).

use core::fmt::{self, Write as _};

use httparse::Header;

use super::digest::{self, KEY_BYTES};
use super::http::{self, Fields, Scanner, Stop, Writer};
use super::{
    Argument, BadRequest, Extension, Limits, Status, Subprotocol, VERSION, WriteError, extensions,
    subprotocols,
};

/// Reads one request. A few words of state; the bytes stay with the caller.
#[derive(Clone, Copy, Debug)]
pub struct ServerHandshake {
    scanner: Scanner,
    limits: Limits,
}

impl ServerHandshake {
    /// A handshake that has seen nothing yet.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            scanner: Scanner::new(),
            limits,
        }
    }

    /// Looks at `bytes`, which is everything received so far, from the first byte on each call, and
    /// gives the request once its head is complete. There is a verdict at the latest when
    /// [`Limits::head_bytes`] are there. `headers` are slots to parse into, one for each header
    /// field that is acceptable.
    ///
    /// Called again after a verdict, it gives the same verdict. A shorter `bytes` than last time is
    /// taken for a new stream.
    ///
    /// # Errors
    /// What is wrong with the request, as soon as it is certain. The connection is of no more use
    /// after the [`reject`]ion: where the next request would begin is unknown.
    pub fn receive<'h, 'b>(
        &mut self,
        bytes: &'b [u8],
        headers: &'h mut [Header<'b>],
    ) -> Result<Status<Request<'h, 'b>>, BadRequest> {
        let Some(cut) = self.scanner.advance(bytes, self.limits.head_bytes) else {
            return Ok(Status::Partial);
        };
        let slots = headers.len();
        let mut head = httparse::Request::new(headers);
        head.parse(cut.bytes).map_err(|error| match error {
            httparse::Error::TooManyHeaders => BadRequest::TooManyHeaders { limit: slots },
            httparse::Error::HeaderName | httparse::Error::HeaderValue => {
                BadRequest::MalformedHeader
            }
            httparse::Error::Version if is_other_major_version(cut.bytes) => {
                BadRequest::HttpVersion
            }
            httparse::Error::Version
            | httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token => BadRequest::NotHttp,
        })?;
        match cut.stop {
            Stop::Probe => {
                self.scanner.probed(bytes.len());
                Ok(Status::Partial)
            }
            Stop::BareLineFeed => Err(BadRequest::BareLineFeed),
            Stop::Limit => Err(BadRequest::HeadTooLarge {
                limit: self.limits.head_bytes,
            }),
            Stop::End => Ok(Status::Complete {
                value: Request::check(head)?,
                consumed: cut.bytes.len(),
            }),
        }
    }
}

/// A request to open a WebSocket which follows all the rules. It borrows the received bytes and the
/// header slots.
#[derive(Clone, Copy)]
pub struct Request<'h, 'b> {
    host: &'b str,
    resource: &'b str,
    key: &'b [u8; KEY_BYTES],
    fields: Fields<'h, 'b>,
}

impl<'h, 'b> Request<'h, 'b> {
    /// The resource name: the path and, behind a `?`, the query (RFC 6455, section 3). It begins
    /// with `/`, is visible ASCII, and nothing in it is decoded.
    #[must_use]
    pub const fn resource(&self) -> &'b str {
        self.resource
    }

    /// The resource name up to its `?`.
    #[must_use]
    pub fn path(&self) -> &'b str {
        split_at_byte(self.resource, b'?').0
    }

    /// The resource name behind its `?`, when there is one.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        split_at_byte(self.resource, b'?').1.strip_prefix('?')
    }

    /// The host, with the port if there is one: of the request target when that is an absolute URI
    /// (RFC 9112, section 3.2.2), of the `Host` field otherwise.
    #[must_use]
    pub const fn host(&self) -> &'b str {
        self.host
    }

    /// The origin of the page that opened the connection; browsers always send it (RFC 6455,
    /// section 10.2). `null` and an empty value are given as they came.
    #[must_use]
    pub fn origin(&self) -> Option<&'b str> {
        self.fields.text("Origin")
    }

    /// The credentials of the `Authorization` field, scheme included (RFC 9110, section 11.6.2).
    #[must_use]
    pub fn authorization(&self) -> Option<&'b [u8]> {
        self.header("Authorization").next()
    }

    /// The subprotocols on offer, the client's favourite first, no two alike.
    pub fn protocols(&self) -> impl Iterator<Item = Subprotocol<'b>> + Clone + use<'h, 'b> {
        subprotocols::offered(self.fields)
    }

    /// The extensions on offer, the client's favourite first. One may be there several times, with
    /// other parameters each time.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + Clone + use<'h, 'b> {
        // `check` has refused every request with a malformed element.
        extensions::parse(self.fields).filter_map(Result::ok)
    }

    /// The values of every field of this name, in order; case does not matter in the name.
    pub fn header<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        self.fields.all(name)
    }

    /// All of its header fields.
    #[cfg(feature = "alloc")]
    pub(crate) const fn fields(&self) -> Fields<'h, 'b> {
        self.fields
    }

    /// Holds a complete head against the rules, in the order in which the answers help most.
    fn check(head: httparse::Request<'h, 'b>) -> Result<Self, BadRequest> {
        let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version)
        else {
            return Err(BadRequest::NotHttp);
        };
        let fields = Fields(head.headers);
        // RFC 6455, section 4.2.1, item 3.
        let asks = fields.lists("Upgrade", "websocket");
        // Item 1, "an HTTP/1.1 or higher": RFC 9110, section 7.8 ignores Upgrade in HTTP/1.0.
        if version == 0 && asks {
            return Err(BadRequest::Http10);
        }
        // RFC 9112, section 3.2: exactly one Host in HTTP/1.1, or 400, whatever else is asked for.
        let host = fields.single("Host").ok().flatten().and_then(http::host);
        if version != 0 && host.is_none() {
            return Err(BadRequest::Host);
        }
        let (true, Some(host)) = (asks, host) else {
            return Err(if method == "HEAD" {
                BadRequest::NotUpgradeHead
            } else {
                BadRequest::NotUpgrade
            });
        };
        // RFC 6455, section 4.2.1, item 1. Methods are case-sensitive (RFC 9110, section 9.1).
        if method != "GET" {
            return Err(BadRequest::Method);
        }
        // Item 4.
        if !fields.lists("Connection", "Upgrade") {
            return Err(BadRequest::Connection);
        }
        // Section 4.1 has no place for a body; RFC 9112, section 6.3 says what announces one.
        if fields.all("Transfer-Encoding").next().is_some()
            || fields.all("Content-Length").any(|length| !is_zero(length))
        {
            return Err(BadRequest::Body);
        }
        // Item 1, and section 3.
        let (host, resource) = split_target(target, host).ok_or(BadRequest::Target)?;
        // Item 6, and section 11.3.5 for the repetition.
        if fields.single("Sec-WebSocket-Version") != Ok(Some(VERSION.as_bytes())) {
            return Err(BadRequest::Version);
        }
        // Item 5, and section 11.3.1 for the repetition.
        let key = fields.single("Sec-WebSocket-Key").ok().flatten();
        let key = key.and_then(digest::parse_key).ok_or(BadRequest::Key)?;
        // Item 7; RFC 6454, section 7.3 for the repetition. Spaces separate the origins of a list.
        let origin = fields.single("Origin").map_err(|_| BadRequest::Origin)?;
        if !origin.is_none_or(|origin| origin.iter().all(|byte| matches!(byte, b' '..=b'~'))) {
            return Err(BadRequest::Origin);
        }
        // RFC 9110, sections 5.3 and 11.6.2.
        if fields.single("Authorization").is_err() {
            return Err(BadRequest::Authorization);
        }
        // Item 8.
        if !subprotocols::are_valid(fields.elements(subprotocols::NAME)) {
            return Err(BadRequest::Subprotocols);
        }
        // Item 9, and section 9.1: malformed offers fail the connection.
        if extensions::parse(fields).any(|extension| extension.is_err()) {
            return Err(BadRequest::Extensions);
        }
        Ok(Self {
            host,
            resource,
            key,
            fields,
        })
    }
}

impl fmt::Debug for Request<'_, '_> {
    /// Leaves out what may be a secret: the query, the subprotocols and the header fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("host", &self.host)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// What a server agrees to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// The subprotocol to speak, one of [`Request::protocols`].
    pub protocol: Option<Subprotocol<'a>>,
    /// The extensions to use, as `Sec-WebSocket-Extensions` has them (section 4.2.2). With the feature
    /// `deflate`, `deflate::Agreed::response` is one; a [`Connection`](crate::conn::Connection) knows
    /// no other, and fails a peer that uses one.
    pub extensions: Option<&'a str>,
}

/// Writes the response that opens the connection (RFC 6455, section 4.2.2, item 5).
///
/// # Errors
/// [`WriteError::BufferTooSmall`], and [`Argument::Subprotocols`] or [`Argument::Extensions`] when
/// the reply has something that this request did not offer or that is malformed.
pub fn accept<'o>(
    request: &Request<'_, '_>,
    reply: &Reply<'_>,
    out: &'o mut [u8],
) -> Result<&'o [u8], WriteError> {
    let mut writer = Writer::new(out);
    writer
        .text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    writer.text("Sec-WebSocket-Accept: ");
    writer.put(&digest::accept(request.key));
    writer.text("\r\n");
    if let Some(protocol) = reply.protocol {
        // It may stem from another request.
        if !request.protocols().any(|offered| offered == protocol) {
            return Err(WriteError::Invalid(Argument::Subprotocols));
        }
        writer.field(subprotocols::NAME, protocol.as_str());
    }
    if let Some(answer) = reply.extensions {
        // Section 4.2.2, item 4: nothing that was not offered.
        let offered = |name| request.extensions().any(|offer| offer.name() == name);
        let mut answers = extensions::parse_list(answer.as_bytes()).flatten();
        if !extensions::is_valid(answer) || !answers.all(|answer| offered(answer.name())) {
            return Err(WriteError::Invalid(Argument::Extensions));
        }
        writer.field(extensions::NAME, answer);
    }
    writer.text("\r\n");
    writer.finish()
}

/// Writes the response for a request that was wrong: a complete HTTP response which tells a person
/// what to do, after which the connection is to be closed.
///
/// # Errors
/// [`WriteError::BufferTooSmall`] alone; [`RESPONSE_BYTES`](super::RESPONSE_BYTES) are enough.
pub fn reject<'o>(refusal: &BadRequest, out: &'o mut [u8]) -> Result<&'o [u8], WriteError> {
    let status = refusal.status();
    let (reason, headers): (&str, &[(&str, &str)]) = match status {
        405 => ("Method Not Allowed", &[("Allow", "GET")]),
        426 => (
            "Upgrade Required",
            &[
                // RFC 9110, section 15.5.22: the protocol to upgrade to.
                ("Upgrade", "websocket"),
                // RFC 6455, section 4.4: its versions.
                ("Sec-WebSocket-Version", VERSION),
            ],
        ),
        431 => ("Request Header Fields Too Large", &[]),
        505 => ("HTTP Version Not Supported", &[]),
        _ => ("Bad Request", &[]),
    };
    let with_body = *refusal != BadRequest::NotUpgradeHead;
    let body = |writer: &mut Writer<'_>| {
        // A `Writer` never fails: it counts what has no room.
        let _ = writeln!(writer, "{refusal}");
    };
    write_refusal(status, reason, headers, body, with_body, out)
}

/// A server's own no to a request, valid or not: wrong origin, missing credentials, no such path.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The HTTP status, 300 to 599.
    pub status: u16,
    /// The reason phrase that belongs to it.
    pub reason: &'a str,
    /// More header fields, `WWW-Authenticate` or `Retry-After` for two.
    pub headers: &'a [(&'a str, &'a str)],
    /// What to tell the person: the thing, the reason and the remedy.
    pub body: &'a str,
}

/// Writes a complete HTTP response with the refusal as plain text, after which the connection is to
/// be closed.
///
/// # Errors
/// [`WriteError::BufferTooSmall`], and [`WriteError::Invalid`] for a status, reason phrase or
/// header field that cannot be sent.
pub fn refuse<'o>(refusal: &Refusal<'_>, out: &'o mut [u8]) -> Result<&'o [u8], WriteError> {
    const WRITTEN: [&str; 4] = [
        "Connection",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
    ];
    if !(300..600).contains(&refusal.status) {
        return Err(WriteError::Invalid(Argument::Status));
    }
    // RFC 9112, section 4: a reason phrase has the characters of a field value.
    if !http::is_field_value(refusal.reason.as_bytes()) {
        return Err(WriteError::Invalid(Argument::Reason));
    }
    http::check_fields(refusal.headers, &WRITTEN)?;
    write_refusal(
        refusal.status,
        refusal.reason,
        refusal.headers,
        |writer| {
            writer.text(refusal.body);
            writer.text("\n");
        },
        true,
        out,
    )
}

fn write_refusal<'o>(
    status: u16,
    reason: &str,
    headers: &[(&str, &str)],
    body: impl Fn(&mut Writer<'_>),
    with_body: bool,
    out: &'o mut [u8],
) -> Result<&'o [u8], WriteError> {
    let upgrade = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"));
    let mut length = Writer::counting();
    let mut writer = Writer::new(out);
    body(&mut length);
    writer.text("HTTP/1.1 ");
    writer.number(usize::from(status));
    for part in [" ", reason, "\r\n"] {
        writer.text(part);
    }
    for (name, value) in headers {
        writer.field(name, value);
    }
    // RFC 9110, section 7.8: who sends Upgrade lists it in Connection.
    writer.field(
        "Connection",
        if upgrade { "Upgrade, close" } else { "close" },
    );
    writer.field("Content-Type", "text/plain; charset=utf-8");
    writer.text("Content-Length: ");
    writer.number(length.len());
    writer.text("\r\n\r\n");
    if with_body {
        body(&mut writer);
    }
    writer.finish()
}

/// Whether the first line names a version of HTTP that begins with another digit than 1. Anything
/// else that is no version is no HTTP either.
fn is_other_major_version(head: &[u8]) -> bool {
    let mut rest = head;
    for _ in 0..2 {
        let space = rest.iter().position(|byte| *byte == b' ');
        let behind = space.and_then(|at| rest.get(at..));
        rest = behind
            .and_then(|rest| rest.strip_prefix(b" "))
            .unwrap_or_default();
    }
    rest.strip_prefix(b"HTTP/")
        .and_then(|version| version.first())
        .is_some_and(|major| major.is_ascii_digit() && *major != b'1')
}

fn is_zero(length: &[u8]) -> bool {
    !length.is_empty() && length.iter().all(|byte| *byte == b'0')
}

/// The host and resource name of a request target (RFC 9112, section 3.2): a path, or an absolute
/// URI, whose host then counts instead of the `Host` field.
pub(crate) fn split_target<'b>(target: &'b str, host: &'b str) -> Option<(&'b str, &'b str)> {
    if !http::is_target(target) {
        return None;
    }
    if target.starts_with('/') {
        return Some((host, target));
    }
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (prefix, rest) = target.split_at_checked(scheme.len())?;
        prefix.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let (authority, resource) = split_at_byte(rest, b'/');
    let host = http::host(authority.as_bytes())?;
    // RFC 6455, section 3: an empty path is `/`.
    Some((host, if resource.is_empty() { "/" } else { resource }))
}

/// `text` before the first `byte`, which is ASCII, and from there on; nothing when there is none.
///
/// `str::split_once` would do, but the compiler cannot prove that it never panics.
fn split_at_byte(text: &str, byte: u8) -> (&str, &str) {
    let at = text.bytes().position(|other| other == byte);
    at.and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""))
}
