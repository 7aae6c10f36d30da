//! As much of HTTP/1.1 (RFC 9112) as pages for operators take: GET, HEAD and POST, a request for each
//! connection, bodies of a known length.
//!
//! Browsers are kept from fetching pages for strangers: there are no CORS headers, and the `Host` must
//! be an address, `localhost` or a name that is configured. Whoever has a name point here (DNS
//! rebinding) sends that name. What changes something or costs much is not done for another site either,
//! which a browser names in `Origin` and `Sec-Fetch-Site`; and it must be asked for with a `Content-Type`
//! that no form can send.

use core::{net::IpAddr, str, time::Duration};
use std::{
    borrow::Cow,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

/// The longest head of a request. Scrapers send some hundred bytes, browsers perhaps two thousand.
const HEAD: usize = 8 * 1024;

/// How many header fields there may be.
const FIELDS: usize = 64;

/// The longest body of a request: a message may have a quarter of it by default.
const BODY: usize = 256 * 1024;

/// How much is read at once.
const PIECE: usize = 4 * 1024;

/// How long a whole exchange may take.
const TIME: Duration = Duration::from_secs(10);

/// How much is read and thrown away after an answer, so that it is not lost with the connection
/// (RFC 9112 section 9.6).
const REST: usize = 64 * 1024;

/// A request that may be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// Without the query.
    pub(super) path: &'a str,
    query: &'a str,
    /// What kinds of answers are welcome; may be empty.
    pub(super) accept: &'a str,
    /// Whether another web site has a browser ask.
    pub(super) is_foreign: bool,
    pub(super) body: &'a [u8],
    /// Who asks.
    pub(super) peer: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Or HEAD, which is answered by the same without its body.
    Get,
    Post,
}

#[cfg(test)]
impl<'a> Request<'a> {
    pub(super) const fn get(path: &'a str, accept: &'a str) -> Self {
        Self {
            method: Method::Get,
            path,
            query: "",
            accept,
            is_foreign: false,
            body: &[],
            peer: None,
        }
    }
}

impl Request<'_> {
    /// A parameter of the query, if it is there.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find_map(|(own, value)| (own == name).then(|| decode(value)))
    }
}

/// A value of a query, as forms encode it.
fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| str::from_utf8(digits).ok());
                let digits = digits.filter(|digits| !digits.starts_with('+'));
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(decoded) => {
                        rest = rest.get(2..).unwrap_or_default();
                        decoded
                    }
                    None => byte,
                }
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    status: u16,
    content_type: &'static str,
    body: Cow<'static, str>,
}

const TEXT: &str = "text/plain; charset=utf-8";

/// What a page may do in a browser: load what is served here, and nothing else. It is said of everything,
/// since it costs nothing to say.
const POLICY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n";

impl Response {
    pub(super) fn new(content_type: &'static str, body: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: 200,
            content_type,
            body: body.into(),
        }
    }

    pub(super) fn text(status: u16, body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(TEXT, body).with_status(status)
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// That the path can be asked for with another method alone.
    pub(super) fn wrong_method(right: Method) -> Self {
        let text = match right {
            Method::Get => GET_ALONE,
            Method::Post => POST_ALONE,
        };
        Self::text(405, text)
    }

    /// As it goes out, without the body if that was not asked for.
    fn bytes(&self, with_body: bool) -> Vec<u8> {
        let Self {
            status,
            content_type,
            body,
        } = self;
        let reason = match status {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "",
        };
        let allow = match (status, &**body) {
            (405, POST_ALONE) => "Allow: POST\r\n",
            (405, _) => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let len = body.len();
        let mut bytes = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\
             {allow}{POLICY}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        if with_body {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }
}

const GET_ALONE: &str = "This can only be read: with GET or HEAD.\n";
const POST_ALONE: &str = "This is asked for with POST.\n";

/// Reads a request, and answers it with the `page` for it.
pub(super) fn exchange(
    socket: &TcpStream,
    hosts: &[String],
    page: impl Fn(&Request<'_>) -> Response,
) -> io::Result<()> {
    let until = Instant::now() + TIME;
    let peer = socket.peer_addr().ok();
    let mut bytes = Vec::with_capacity(PIECE);
    let answer = loop {
        if let Some(answer) = answer(&bytes, peer, hosts, &page) {
            break answer;
        }
        let mut piece = [0; PIECE];
        match read(socket, &mut piece, until) {
            Ok(0) => return Ok(()),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if is_late(&error) => {
                break Response::text(408, "The request was not complete in time.\n").bytes(true);
            }
            Err(error) => return Err(error),
        }
    };
    write(socket, &answer, until)?;
    socket.shutdown(Shutdown::Write)?;
    let mut left = REST;
    let mut piece = [0; 1024];
    while left > 0 {
        match read(socket, &mut piece, until)? {
            0 => break,
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// What is left of the time; the error is that there is nothing.
fn left(until: Instant) -> io::Result<Option<Duration>> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(Some(left))
}

fn read(mut socket: &TcpStream, piece: &mut [u8], until: Instant) -> io::Result<usize> {
    loop {
        socket.set_read_timeout(left(until)?)?;
        match socket.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn write(mut socket: &TcpStream, bytes: &[u8], until: Instant) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        socket.set_write_timeout(left(until)?)?;
        match socket.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The answer to the request that begins with these bytes; `None` if it goes on.
fn answer(
    bytes: &[u8],
    peer: Option<SocketAddr>,
    hosts: &[String],
    page: impl Fn(&Request<'_>) -> Response,
) -> Option<Vec<u8>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let response = match request.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => {
            let behind = bytes.get(end..).unwrap_or_default();
            let response = match judge(&request, behind, hosts) {
                Ok(None) => return None,
                Ok(Some(request)) => page(&Request { peer, ..request }),
                Err(response) => response,
            };
            return Some(response.bytes(request.method != Some("HEAD")));
        }
        Ok(httparse::Status::Partial) if bytes.len() < HEAD => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Response::text(431, "The head of the request is too long.\n")
        }
        Err(error) => Response::text(400, format!("This is no HTTP request: {error}.\n")),
    };
    Some(response.bytes(true))
}

/// What is asked for, by somebody who may; nothing if its body goes on.
fn judge<'a>(
    request: &httparse::Request<'_, 'a>,
    behind: &'a [u8],
    hosts: &[String],
) -> Result<Option<Request<'a>>, Response> {
    let values = |name: &'static str| {
        let named = request
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| str::from_utf8(field.value).unwrap_or_default())
    };
    let mut named = values("host");
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err(Response::text(400, "The request needs one Host.\n"));
    };
    if !is_ours(host, hosts) {
        let text = "Ask for this page by an IP address or as localhost: other names are refused, so \
                    that no web site can have a browser read it, unless the setting admin.hosts has \
                    them.\n";
        return Err(Response::text(403, text));
    }
    let is_own_site = values("sec-fetch-site").all(|site| matches!(site, "same-origin" | "none"));
    let own = format!("http://{host}");
    let is_own_origin = values("origin").all(|origin| origin.eq_ignore_ascii_case(&own));
    let is_foreign = !(is_own_site && is_own_origin);
    let (method, body) = match request.method.unwrap_or_default() {
        "GET" | "HEAD" => (Method::Get, &[][..]),
        "POST" => {
            if is_foreign {
                return Err(foreign());
            }
            // What is behind a semicolon says nothing that matters for JSON.
            let kind = values("content-type").next().unwrap_or_default();
            let kind = kind.split(';').next().unwrap_or_default().trim();
            if !kind.eq_ignore_ascii_case("application/json") {
                let text = "Send JSON, with Content-Type: application/json.\n";
                return Err(Response::text(415, text));
            }
            let mut lengths = values("content-length");
            let (Some(length), None, None) = (
                lengths.next(),
                lengths.next(),
                values("transfer-encoding").next(),
            ) else {
                return Err(Response::text(
                    411,
                    "The request needs one Content-Length.\n",
                ));
            };
            let length: usize = match length.parse() {
                Ok(length) if length <= BODY => length,
                Ok(_) => return Err(Response::text(413, "Send at most 256 KiB.\n")),
                Err(_) => return Err(Response::text(400, "The Content-Length is no number.\n")),
            };
            match behind.get(..length) {
                Some(body) => (Method::Post, body),
                None => return Ok(None),
            }
        }
        _ => return Err(Response::wrong_method(Method::Get)),
    };
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Some(Request {
        method,
        path,
        query,
        accept: values("accept").next().unwrap_or_default(),
        is_foreign,
        body,
        peer: None,
    }))
}

/// What another web site is told.
pub(super) fn foreign() -> Response {
    Response::text(
        403,
        "This is not done for another web site. Open the status page itself.\n",
    )
}

/// Whether a `Host` is one that no stranger can have chosen: an address, `localhost`, or one of `hosts`.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        // The colon may be one of those in an IPv6 address.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => {
            name.eq_ignore_ascii_case("localhost")
                || hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_ipv4())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(request: &Request<'_>) -> Response {
        Response::text(200, format!("{} {}", request.path, request.accept))
    }

    fn status(head: &str) -> Option<String> {
        let answer = String::from_utf8(answer(head.as_bytes(), None, &[], page)?).expect("text");
        answer.split(' ').nth(1).map(str::to_owned)
    }

    #[test]
    fn a_request_gets_its_page_and_head_gets_no_body() {
        let head = "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:8001\r\nAccept: a/b\r\n\r\n";
        let get = String::from_utf8(answer(head.as_bytes(), None, &[], page).expect("whole"))
            .expect("text");
        assert!(get.starts_with("HTTP/1.1 200 OK\r\n"), "{get}");
        assert!(get.ends_with("\r\n\r\n/metrics a/b"), "{get}");
        assert!(get.contains("Content-Length: 12\r\n"), "{get}");
        let head = head.replace("GET", "HEAD");
        let none = String::from_utf8(answer(head.as_bytes(), None, &[], page).expect("whole"))
            .expect("text");
        assert_eq!(Some(none.as_str()), get.strip_suffix("/metrics a/b"));
    }

    #[test]
    fn hosts_are_addresses_or_localhost_or_configured() {
        let hosts = ["metrics.example.com".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:1",
            "Metrics.example.com:8001",
            "127.0.0.1:8001",
            "10.1.2.3",
            "[::1]:8001",
            "[::1]",
        ] {
            assert!(is_ours(host, &hosts), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8001",
            "x.metrics.example.com",
            "metrics.example.com.evil.example",
            "127.0.0.1.evil.example",
            "[::1",
            "::1",
            "[localhost]",
            "127.0.0.1:x",
            "user@127.0.0.1",
            "127.0.0.1:1:2",
        ] {
            assert!(!is_ours(host, &hosts), "{host}");
        }
    }

    #[test]
    fn what_is_refused_has_its_status() {
        let long = "x".repeat(HEAD);
        let many = "A: b\r\n".repeat(FIELDS + 1);
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", "400"),
            (
                "GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n",
                "400",
            ),
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
            ("POST / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
            ("PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
            ("\u{1}\u{2}\r\n\r\n", "400"),
            (&format!("GET /{long}"), "431"),
            (&format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
        ] {
            assert_eq!(status(head).as_deref(), Some(expected), "{head:.60}");
        }
        assert_eq!(status("GET / HTTP/1.1\r\nHost: localhost\r\n"), None);
    }

    #[test]
    fn what_is_posted_comes_from_the_page_itself_as_json_and_whole() {
        let post = |fields: &str, body: &str| {
            status(&format!(
                "POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n{fields}\r\n{body}"
            ))
        };
        const JSON: &str = "Content-Type: application/json\r\n";
        const LEN: &str = "Content-Length: 2\r\n";
        let ok = Some("200".to_owned());
        for fields in [
            "",
            "Origin: http://127.0.0.1:1\r\nSec-Fetch-Site: same-origin\r\n",
            "Sec-Fetch-Site: none\r\n",
        ] {
            let fields = format!("{JSON}{LEN}{fields}");
            assert_eq!(post(&fields, "{}"), ok, "{fields}");
            assert_eq!(post(&fields, "{"), None, "it goes on");
        }
        let typed = "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n";
        assert_eq!(post(typed, "{}"), ok);
        for (fields, expected) in [
            ("Origin: http://evil.example\r\n", "403"),
            ("Origin: http://127.0.0.1:2\r\n", "403"),
            ("Origin: https://127.0.0.1:1\r\n", "403"),
            ("Origin: null\r\n", "403"),
            (
                "Origin: http://127.0.0.1:1\r\nOrigin: http://evil.example\r\n",
                "403",
            ),
            ("Sec-Fetch-Site: cross-site\r\n", "403"),
            ("Sec-Fetch-Site: same-site\r\n", "403"),
            ("Content-Length: 2\r\n", "411"),
            ("Transfer-Encoding: chunked\r\n", "411"),
        ] {
            let got = post(&format!("{JSON}{LEN}{fields}"), "{}");
            assert_eq!(got.as_deref(), Some(expected), "{fields}");
        }
        for (fields, expected) in [
            ("Content-Length: 2\r\n", "415"),
            ("Content-Type: text/plain\r\nContent-Length: 2\r\n", "415"),
            ("Content-Type: application/json\r\n", "411"),
            (
                "Content-Type: application/json\r\nContent-Length: x\r\n",
                "400",
            ),
            (
                "Content-Type: application/json\r\nContent-Length: 262145\r\n",
                "413",
            ),
        ] {
            assert_eq!(post(fields, "{}").as_deref(), Some(expected), "{fields}");
        }
    }

    #[test]
    fn parameters_are_decoded_as_forms_encode_them() {
        let value = |query: &'static str| {
            let seen = std::cell::RefCell::new(None);
            let head = format!("GET /?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            answer(head.as_bytes(), None, &[], |request| {
                *seen.borrow_mut() = request.parameter("a");
                Response::text(200, "")
            });
            seen.into_inner()
        };
        for (query, expected) in [
            ("a=b", Some("b")),
            ("x=y&a=b+c%20%C3%A9%26&a=d", Some("b c é&")),
            ("a", Some("")),
            ("a=%", Some("%")),
            ("a=%4", Some("%4")),
            ("a=%+4%zz", Some("% 4%zz")),
            ("a=%FF", Some("\u{FFFD}")),
            ("b=a", None),
        ] {
            assert_eq!(value(query).as_deref(), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_head_breaks_it(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&head, None, &[], page);
            let text = [b"GET / HTTP/1.1\r\nHost: ".as_slice(), &head, b"\r\n\r\n"].concat();
            let _ = answer(&text, None, &[], page);
        }
    }
}
