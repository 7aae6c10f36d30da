//! The client's half: write a request, check the answer (RFC 6455, section 4.1).

use core::fmt;

use httparse::Header;

use super::digest::{self, ACCEPT_BYTES};
use super::http::{self, Fields, Scanner, Stop, Writer};
use super::subprotocols::BadAnswer;
use super::{
    Argument, BadResponse, Extension, Limits, Status, VERSION, WriteError, extensions, subprotocols,
};

/// What a client asks for.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The server's host name or address and, unless it is the scheme's default, its port:
    /// `example.com:8000`.
    pub host: &'a str,
    /// The resource name: the path and, behind a `?`, the query. It begins with `/`.
    pub path: &'a str,
    /// The origin, which a client that is no browser may leave out.
    pub origin: Option<&'a str>,
    /// The subprotocols on offer, the favourite first.
    pub protocols: &'a [&'a str],
    /// The extensions on offer, as `Sec-WebSocket-Extensions` has them (section 9.1). With the feature
    /// `deflate`, `deflate::Settings::offer` is one; a [`Connection`](crate::conn::Connection) knows
    /// no other, and fails a peer that uses one.
    pub extensions: Option<&'a str>,
    /// More header fields, `Authorization` for one; none that
    /// [`start`](ClientHandshake::start) writes itself, and none that announces a body.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Opening<'a> {
    /// Asks for `path` on `host`, and for nothing else.
    #[must_use]
    pub const fn new(host: &'a str, path: &'a str) -> Self {
        Self {
            host,
            path,
            origin: None,
            protocols: &[],
            extensions: None,
            headers: &[],
        }
    }

    /// Refuses what would break out of its line or contradict the rest of the request.
    fn check(&self) -> Result<(), WriteError> {
        const WRITTEN: [&str; 10] = [
            "Host",
            "Upgrade",
            "Connection",
            "Origin",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            subprotocols::NAME,
            extensions::NAME,
            // A request with a body is no opening handshake.
            "Content-Length",
            "Transfer-Encoding",
        ];
        let invalid = |argument| Err(WriteError::Invalid(argument));
        if http::host(self.host.as_bytes()).is_none() {
            return invalid(Argument::Host);
        }
        if !self.path.starts_with('/') || !http::is_target(self.path) {
            return invalid(Argument::Path);
        }
        let is_origin =
            |origin: &str| !origin.is_empty() && origin.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.origin.is_none_or(is_origin) {
            return invalid(Argument::Origin);
        }
        if !subprotocols::are_valid(self.protocols.iter().map(|name| name.as_bytes())) {
            return invalid(Argument::Subprotocols);
        }
        if !self.extensions.is_none_or(extensions::is_valid) {
            return invalid(Argument::Extensions);
        }
        http::check_fields(self.headers, &WRITTEN)
    }
}

impl fmt::Debug for Opening<'_> {
    /// Leaves out what may be a secret: the path with its query, the subprotocols and header
    /// fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Waits for the response to one request. It keeps the answer due to its key; the bytes stay with
/// the caller.
#[derive(Clone, Copy, Debug)]
pub struct ClientHandshake {
    accept: [u8; ACCEPT_BYTES],
    scanner: Scanner,
    limits: Limits,
}

impl ClientHandshake {
    /// Writes the request into `out`. `nonce` must be random and new for each connection (RFC 6455,
    /// section 4.1, item 7); it is not secret.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`], and [`WriteError::Invalid`] for a part of the opening that
    /// cannot be sent.
    pub fn start<'o>(
        nonce: [u8; 16],
        opening: &Opening<'_>,
        limits: Limits,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Self), WriteError> {
        opening.check()?;
        let key = digest::key(nonce);
        let mut writer = Writer::new(out);
        for part in ["GET ", opening.path, " HTTP/1.1\r\n"] {
            writer.text(part);
        }
        writer.field("Host", opening.host);
        writer.field("Upgrade", "websocket");
        writer.field("Connection", "Upgrade");
        writer.text("Sec-WebSocket-Key: ");
        writer.put(&key);
        writer.text("\r\n");
        writer.field("Sec-WebSocket-Version", VERSION);
        if let Some(origin) = opening.origin {
            writer.field("Origin", origin);
        }
        if let [first, others @ ..] = opening.protocols {
            for part in [subprotocols::NAME, ": ", first] {
                writer.text(part);
            }
            for other in others {
                writer.text(", ");
                writer.text(other);
            }
            writer.text("\r\n");
        }
        if let Some(extensions) = opening.extensions {
            writer.field(extensions::NAME, extensions);
        }
        for (name, value) in opening.headers {
            writer.field(name, value);
        }
        writer.text("\r\n");
        let request = writer.finish()?;
        let handshake = Self {
            accept: digest::accept(&key),
            scanner: Scanner::new(),
            limits,
        };
        Ok((request, handshake))
    }

    /// Looks at `bytes`, which is everything received so far (more on each call), and gives the
    /// response once its head is complete. `opening` is the one given to [`start`](Self::start):
    /// the answer may have nothing in it that was not asked for. `headers` are slots to parse into,
    /// one for each header field that is acceptable.
    ///
    /// Called again after a verdict, it gives the same verdict. A shorter `bytes` than last time is
    /// taken for a new stream.
    ///
    /// # Errors
    /// Why the connection is not open, as soon as it is certain; it is of no more use then.
    pub fn receive<'h, 'b>(
        &mut self,
        opening: &Opening<'_>,
        bytes: &'b [u8],
        headers: &'h mut [Header<'b>],
    ) -> Result<Status<Response<'h, 'b>>, BadResponse<'b>> {
        let Some(cut) = self.scanner.advance(bytes, self.limits.head_bytes) else {
            return Ok(Status::Partial);
        };
        let slots = headers.len();
        let mut head = httparse::Response::new(headers);
        head.parse(cut.bytes).map_err(|error| match error {
            httparse::Error::TooManyHeaders => BadResponse::TooManyHeaders { limit: slots },
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token
            | httparse::Error::Version => BadResponse::NotHttp,
        })?;
        match cut.stop {
            Stop::Probe => {
                self.scanner.probed(bytes.len());
                Ok(Status::Partial)
            }
            Stop::BareLineFeed => Err(BadResponse::BareLineFeed),
            Stop::Limit => Err(BadResponse::HeadTooLarge {
                limit: self.limits.head_bytes,
            }),
            Stop::End => Ok(Status::Complete {
                value: Response::check(head, opening, &self.accept)?,
                consumed: cut.bytes.len(),
            }),
        }
    }
}

/// A response which opens the connection. It borrows the received bytes and the header slots.
#[derive(Clone, Copy)]
pub struct Response<'h, 'b> {
    protocol: Option<&'b str>,
    fields: Fields<'h, 'b>,
}

impl<'h, 'b> Response<'h, 'b> {
    /// The subprotocol to speak, one of those offered; `None` when the server selected none.
    #[must_use]
    pub const fn protocol(&self) -> Option<&'b str> {
        self.protocol
    }

    /// The extensions in use, in the order in which they apply (RFC 6455, section 9.1). Each was
    /// offered by name; whether its parameters answer the offer is for the extension to check.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + Clone + use<'h, 'b> {
        // `check` has refused every response with a malformed element.
        extensions::parse(self.fields).filter_map(Result::ok)
    }

    /// The values of every field of this name, in order; case does not matter in the name.
    pub fn header<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        self.fields.all(name)
    }

    /// Holds a complete head against RFC 6455, section 4.1, the list of what a client must check.
    fn check(
        head: httparse::Response<'h, 'b>,
        opening: &Opening<'_>,
        accept: &[u8; ACCEPT_BYTES],
    ) -> Result<Self, BadResponse<'b>> {
        let (Some(version), Some(status)) = (head.version, head.code) else {
            return Err(BadResponse::NotHttp);
        };
        let fields = Fields(head.headers);
        // Item 1.
        match status {
            101 => {}
            300..=399 => {
                let location = fields.text("Location");
                return Err(BadResponse::Redirect { status, location });
            }
            401 => {
                let challenge = fields.text("WWW-Authenticate");
                return Err(BadResponse::Unauthorized { challenge });
            }
            426 => {
                let versions = fields.text("Sec-WebSocket-Version");
                return Err(BadResponse::UpgradeRequired { versions });
            }
            429 | 503 => {
                let retry_after = fields.text("Retry-After");
                return Err(BadResponse::Busy {
                    status,
                    retry_after,
                });
            }
            _ => return Err(BadResponse::Status(status)),
        }
        // RFC 6455, section 4.2.2, item 5.1.
        if version == 0 {
            return Err(BadResponse::HttpVersion);
        }
        // Item 2: the value is `websocket`, not a list which has it.
        let upgrade = fields.single("Upgrade").ok().flatten();
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(BadResponse::Upgrade);
        }
        // Item 3.
        if !fields.lists("Connection", "Upgrade") {
            return Err(BadResponse::Connection);
        }
        // Item 4, and section 11.3.3 for the repetition.
        if fields.single("Sec-WebSocket-Accept") != Ok(Some(accept)) {
            return Err(BadResponse::Accept);
        }
        // Item 5, and section 9.1.
        let offers = opening.extensions.unwrap_or_default().as_bytes();
        for answer in extensions::parse(fields) {
            let answer = answer.map_err(|_| BadResponse::MalformedExtensions)?;
            let mut offers = extensions::parse_list(offers).flatten();
            if !offers.any(|offer| offer.name() == answer.name()) {
                return Err(BadResponse::UnsolicitedExtension);
            }
        }
        // Item 6.
        let protocol = subprotocols::selected(fields, opening.protocols);
        let protocol = protocol.map_err(|error| match error {
            BadAnswer::Repeated => BadResponse::RepeatedSubprotocol,
            BadAnswer::Unsolicited => BadResponse::UnsolicitedSubprotocol,
        })?;
        Ok(Self { protocol, fields })
    }
}

impl fmt::Debug for Response<'_, '_> {
    /// Leaves out the header fields, which may have secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
