//! As much of HTTP/1.1 (RFC 9112) as pages for operators take: GET and HEAD, a request for each
//! connection, no bodies.
//!
//! Browsers are kept from fetching pages for strangers: there are no CORS headers, and the `Host` must
//! be an address, `localhost` or a name that is configured. Whoever has a name point here (DNS rebinding) sends that name.

use core::{net::IpAddr, str, time::Duration};
use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Instant,
};

/// The longest head of a request. Scrapers send some hundred bytes, browsers perhaps two thousand.
const HEAD: usize = 8 * 1024;

/// How many header fields there may be.
const FIELDS: usize = 64;

/// How long a whole exchange may take.
const TIME: Duration = Duration::from_secs(10);

/// How much is read and thrown away after an answer, so that it is not lost with the connection
/// (RFC 9112 section 9.6).
const REST: usize = 64 * 1024;

/// A request that may be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// Without the query.
    pub(super) path: &'a str,
    /// What kinds of answers are welcome; may be empty.
    pub(super) accept: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    status: u16,
    content_type: &'static str,
    body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";

impl Response {
    pub(super) const fn new(content_type: &'static str, body: String) -> Self {
        Self {
            status: 200,
            content_type,
            body,
        }
    }

    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: TEXT,
            body: body.into(),
        }
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
            431 => "Request Header Fields Too Large",
            _ => "",
        };
        let allow = if *status == 405 {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let len = body.len();
        let mut bytes = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\
             {allow}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        if with_body {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }
}

/// Reads a request, and answers it with the `page` for it.
pub(super) fn exchange(
    socket: &TcpStream,
    hosts: &[String],
    page: impl Fn(&Request<'_>) -> Response,
) -> io::Result<()> {
    let until = Instant::now() + TIME;
    let mut head = Vec::with_capacity(1024);
    let answer = loop {
        if let Some(answer) = answer(&head, hosts, &page) {
            break answer;
        }
        let mut piece = [0; 1024];
        match read(socket, &mut piece, until) {
            Ok(0) => return Ok(()),
            Ok(count) => head.extend_from_slice(piece.get(..count).unwrap_or_default()),
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
    head: &[u8],
    hosts: &[String],
    page: impl Fn(&Request<'_>) -> Response,
) -> Option<Vec<u8>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let response = match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {
            let method = request.method.unwrap_or_default();
            let response = match (judge(&request, hosts), method) {
                (Err(response), _) => response,
                (Ok(request), "GET" | "HEAD") => page(&request),
                (Ok(_), _) => Response::text(405, "Pages can only be read: with GET or HEAD.\n"),
            };
            return Some(response.bytes(method != "HEAD"));
        }
        Ok(httparse::Status::Partial) if head.len() < HEAD => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Response::text(431, "The head of the request is too long.\n")
        }
        Err(error) => Response::text(400, format!("This is no HTTP request: {error}.\n")),
    };
    Some(response.bytes(true))
}

/// What is asked for, by somebody who may.
fn judge<'a>(
    request: &httparse::Request<'_, 'a>,
    hosts: &[String],
) -> Result<Request<'a>, Response> {
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
    let target = request.path.unwrap_or_default();
    Ok(Request {
        path: target.split('?').next().unwrap_or_default(),
        accept: values("accept").next().unwrap_or_default(),
    })
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
        let answer = String::from_utf8(answer(head.as_bytes(), &[], page)?).expect("text");
        answer.split(' ').nth(1).map(str::to_owned)
    }

    #[test]
    fn a_request_gets_its_page_and_head_gets_no_body() {
        let head = "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:8001\r\nAccept: a/b\r\n\r\n";
        let get =
            String::from_utf8(answer(head.as_bytes(), &[], page).expect("whole")).expect("text");
        assert!(get.starts_with("HTTP/1.1 200 OK\r\n"), "{get}");
        assert!(get.ends_with("\r\n\r\n/metrics a/b"), "{get}");
        assert!(get.contains("Content-Length: 12\r\n"), "{get}");
        let head = head.replace("GET", "HEAD");
        let none =
            String::from_utf8(answer(head.as_bytes(), &[], page).expect("whole")).expect("text");
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
            ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
            ("\u{1}\u{2}\r\n\r\n", "400"),
            (&format!("GET /{long}"), "431"),
            (&format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
        ] {
            assert_eq!(status(head).as_deref(), Some(expected), "{head:.60}");
        }
        assert_eq!(status("GET / HTTP/1.1\r\nHost: localhost\r\n"), None);
    }

    proptest! {
        #[test]
        fn no_head_breaks_it(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&head, &[], page);
            let text = [b"GET / HTTP/1.1\r\nHost: ".as_slice(), &head, b"\r\n\r\n"].concat();
            let _ = answer(&text, &[], page);
        }
    }
}
