//! A WebSocket client made by hand, which keeps or breaks the rules as the test pleases.

mod frame;
mod response;

use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;

pub use frame::Frame;
pub use response::Response;

/// The key and the accept value of the example in RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The longest status line and headers that a test will read, against a daemon that never ends them.
const MAX_HEAD: usize = 16 * 1024;

/// How long the end of a connection may take once everything has been said: generous, and yet less than
/// the 10 s after which the daemon cuts a handshake, so that this cannot be what ended it.
const PROMPTLY: Duration = Duration::from_secs(5);

/// A TCP connection to the daemon, every read and write of which fails the test after [`PATIENCE`].
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Reserved bits that frames may have, as the head of a frame has them.
    reserved: u8,
}

/// What a client can get from the daemon, keep-alive pings left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A pong frame.
    Pong(Vec<u8>),
    /// A close frame with a code.
    Close(u16, String),
    /// A close frame without one.
    CloseWithoutCode,
    /// The end of the TCP stream, in order or by a reset.
    End,
}

impl Wire {
    /// A TCP connection, and nothing sent.
    #[track_caller]
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        Self::on(stream)
    }

    /// The same from an address of this machine's, such as another one of its loopback addresses.
    #[track_caller]
    #[must_use]
    pub fn connect_from(local: Ipv4Addr, address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let connected = socket(AddressFamily::INET, SocketType::STREAM, None).and_then(|socket| {
            bind(&socket, &SocketAddr::from((local, 0)))?;
            connect(&socket, &address)?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => Self::on(TcpStream::from(socket)),
            Err(error) => panic!("no connection from {local} to {address}: {error}"),
        }
    }

    fn on(stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout above zero");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a timeout above zero");
        // Tests cut their bytes at chosen places, and the kernel must not join the pieces again.
        stream.set_nodelay(true).expect("TCP");
        Self {
            stream,
            unread: Vec::new(),
            reserved: 0,
        }
    }

    /// A connection after its opening handshake.
    #[track_caller]
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address);
        wire.send(Self::handshake(address).as_bytes());
        wire.expect_upgrade();
        wire
    }

    /// A connection after its opening handshake, or nothing where all places are taken: where it was
    /// refused with 503, or ended without an answer.
    #[track_caller]
    #[must_use]
    pub fn open_if_there_is_room(address: SocketAddr) -> Option<Self> {
        const FULL: &[u8] = b"HTTP/1.1 503";
        let mut wire = Self::connect(address);
        if !wire.try_send(Self::handshake(address).as_bytes()) {
            return None;
        }
        while wire.unread.len() < FULL.len() {
            if !wire.fill() {
                return None;
            }
        }
        if wire.unread.starts_with(FULL) {
            return None;
        }
        wire.expect_upgrade();
        Some(wire)
    }

    /// A v1 session after its opening handshake.
    #[track_caller]
    #[must_use]
    pub fn open_v1(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address);
        let offer = "Sec-WebSocket-Protocol: other, campanile.v1\r\n\r\n";
        let request = Self::handshake(address);
        wire.send(request.trim_end_matches("\r\n").as_bytes());
        wire.send(format!("\r\n{offer}").as_bytes());
        wire.expect_upgrade_to(Some("campanile.v1"));
        wire
    }

    /// A correct opening handshake, as bytes to send or to spoil.
    #[must_use]
    pub fn handshake(address: SocketAddr) -> String {
        format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            panic!("the daemon does not read: {error}");
        }
    }

    /// Sends bytes as they are, and says whether the connection took them.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a masked frame.
    #[track_caller]
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send(&frame.masked());
    }

    /// Sends a text message in one frame.
    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        self.send_frame(&Frame::text(text));
    }

    /// Replaces the connection's set by `subscriptions` (a JSON array) and waits until that is in force.
    #[track_caller]
    pub fn subscribe(&mut self, subscriptions: &str) {
        self.send_text(&format!(
            r#"{{"sender":"client","subscriptions":{subscriptions}}}"#
        ));
        self.synchronise();
    }

    /// Waits until the daemon has worked through everything sent so far, and asserts that it had
    /// nothing to say about it. A classic session answers a subscription by silence, but the messages
    /// of one connection are taken in order, so an answered keep-alive message tells.
    #[track_caller]
    pub fn synchronise(&mut self) {
        self.send_text(r#"{"type":"ping"}"#);
        self.expect_text(r#"{"type":"pong"}"#);
    }

    /// The next thing that the daemon says. Its keep-alive pings are answered and passed over, and
    /// fragments are joined.
    #[track_caller]
    pub fn receive(&mut self) -> Received {
        let deadline = Instant::now() + PATIENCE;
        let mut message: Option<Frame> = None;
        loop {
            let Some(frame) = self.receive_frame() else {
                assert!(
                    message.is_none(),
                    "the stream ends inside of a message: {message:?}"
                );
                return Received::End;
            };
            match (frame.opcode, &mut message) {
                (Frame::PING, _) => {
                    assert!(
                        Instant::now() < deadline,
                        "the daemon says nothing but pings"
                    );
                    self.send_frame(&Frame::pong(frame.payload));
                }
                (Frame::PONG, _) => return Received::Pong(frame.payload),
                (Frame::CLOSE, _) => return closing(frame.payload),
                (Frame::TEXT | Frame::BINARY, None) if frame.fin => return whole(frame),
                (Frame::TEXT | Frame::BINARY, None) => message = Some(frame),
                (Frame::CONTINUATION, Some(begun)) => {
                    begun.payload.extend(frame.payload);
                    if frame.fin {
                        return whole(message.take().expect("it has begun"));
                    }
                }
                _ => panic!("a frame that does not belong here: {frame:?}"),
            }
        }
    }

    /// Asserts that the next thing is this text message, byte for byte.
    #[track_caller]
    pub fn expect_text(&mut self, expected: &str) {
        let received = self.receive();
        assert!(
            received == Received::Text(expected.to_owned()),
            "expected the text\n  {}\nbut received\n  {}",
            abbreviated(&format!("{expected:?}")),
            abbreviated(&format!("{received:?}"))
        );
    }

    /// Asserts that the next thing is an error message with this code (the protocol, section 5), and returns
    /// its `error` member.
    #[track_caller]
    pub fn expect_error(&mut self, code: &str) -> Value {
        let received = self.receive();
        let Received::Text(text) = &received else {
            panic!("expected the error {code}, but received {received:?}");
        };
        let error = error_in(text)
            .unwrap_or_else(|| panic!("expected the error {code}, but received {text}"));
        assert_eq!(error["code"], code, "the code of {text}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "a message in {text}"
        );
        error
    }

    /// Asserts that the next thing is a close frame with this code, answers it, and asserts that the
    /// daemon then ends the connection. Returns the reason.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) -> String {
        let received = self.receive();
        let Received::Close(actual, reason) = received else {
            panic!("expected a close with {code}, but received {received:?}");
        };
        assert_eq!(
            actual, code,
            "the close code; the reason given is {reason:?}"
        );
        // The daemon may have gone without waiting for the answer.
        self.try_send(&Frame::close(code).masked());
        if code != 1000 {
            // Whoever fails a connection need not read on (RFC 6455 section 7.1.7), and knows only by
            // the end of the stream that the answer to its close is complete.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        self.expect_end();
        reason
    }

    /// Asserts that the daemon ends the connection and says nothing more.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.receive(), Received::End);
    }

    /// Asserts that the answer is a correct 101 to [`Wire::handshake`] (RFC 6455 section 4.2.2).
    #[track_caller]
    pub fn expect_upgrade(&mut self) {
        self.expect_upgrade_to(None);
    }

    #[track_caller]
    fn expect_upgrade_to(&mut self, protocol: Option<&str>) {
        let head = self.receive_head();
        let response = Response::parse(&head);
        assert_eq!(response.status, 101, "{head}");
        assert!(response.has_token("upgrade", "websocket"), "{head}");
        assert!(response.has_token("connection", "upgrade"), "{head}");
        assert_eq!(response.header("sec-websocket-accept"), ACCEPT, "{head}");
        // What was not offered must not be selected (section 4.1).
        let selected = |field: &str| {
            let mut headers = response.headers.iter();
            headers.find(|(name, _)| name == field)
        };
        assert_eq!(selected("sec-websocket-extensions"), None, "{head}");
        let selected = selected("sec-websocket-protocol").map(|(_, value)| value.as_str());
        assert_eq!(selected, protocol, "{head}");
    }

    /// Reads a refusal of the handshake and asserts that it is complete: a length that is right, a
    /// body of text, and the connection closed after it.
    #[track_caller]
    pub fn expect_refusal(&mut self) -> Response {
        let head = self.receive_head();
        let mut response = Response::parse(&head);
        self.stream
            .set_read_timeout(Some(PROMPTLY))
            .expect("a timeout above zero");
        response.body = String::from_utf8(self.read_to_end()).expect("a body in UTF-8");
        assert_eq!(
            response.header("content-length"),
            response.body.len().to_string(),
            "{response:?}"
        );
        assert!(
            response.header("content-type").starts_with("text/plain"),
            "{response:?}"
        );
        assert!(response.has_token("connection", "close"), "{response:?}");
        response
    }

    /// Reads one HTTP response with its body, and leaves the connection as it is.
    #[track_caller]
    pub fn expect_response(&mut self) -> Response {
        let head = self.receive_head();
        let mut response = Response::parse(&head);
        if response.status >= 200 {
            let length = response.header("content-length").parse();
            let length = length.expect("a length in digits");
            self.fill_to(length);
            let body = self.unread.drain(..length).collect();
            response.body = String::from_utf8(body).expect("a body in UTF-8");
        }
        response
    }

    /// Everything, without interpretation, up to the end of the stream.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        self.unread.split_off(0)
    }

    /// Waits until bytes have come, and leaves them unread in the kernel's buffer. A socket that is
    /// closed in this state resets its connection (RFC 1122 section 4.2.2.13).
    #[track_caller]
    pub fn wait_for_unread_bytes(&self) {
        let waiting = self.stream.peek(&mut [0]).expect("bytes come");
        assert_eq!(waiting, 1, "the daemon closed the connection");
    }

    /// Ends our direction of the TCP stream and keeps on reading.
    #[track_caller]
    pub fn finish_sending(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("the connection is open");
    }

    /// Compression was agreed on: frames may have RSV1, and are as they came.
    pub const fn expect_compression(&mut self) {
        self.reserved = 0x40;
    }

    /// The next frame as it came, keep-alive pings and all; `None` at the end of the stream. Asserts what every
    /// frame of a server must be: not masked, in the shortest form, without reserved bits but RSV1 where
    /// [compression](Self::expect_compression) was agreed on.
    #[track_caller]
    pub fn receive_frame(&mut self) -> Option<Frame> {
        if self.unread.is_empty() && !self.fill() {
            return None;
        }
        let [first, second] = self.take();
        assert_eq!(
            first & 0x70 & !self.reserved,
            0,
            "the reserved bit was not negotiated"
        );
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let length = match second {
            126 => u64::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()),
            short => u64::from(short),
        };
        let shortest = match length {
            0..=125 => second < 126,
            126..=0xffff => second == 126,
            _ => second == 127,
        };
        assert!(shortest, "the length {length} is not in its shortest form");
        let length = usize::try_from(length).expect("a length that fits into memory");
        self.fill_to(length);
        let payload = self.unread.drain(..length).collect();
        Some(Frame {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 7,
            opcode: first & 0x0f,
            payload,
        })
    }

    /// The status line and headers, up to and with the empty line.
    #[track_caller]
    pub fn receive_head(&mut self) -> String {
        loop {
            if let Some(end) = self
                .unread
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a head in ASCII");
            }
            let so_far = String::from_utf8_lossy(&self.unread);
            assert!(so_far.len() < MAX_HEAD, "a head without end: {so_far}");
            let so_far = so_far.into_owned();
            assert!(
                self.fill(),
                "the connection ended inside of the head: {so_far:?}"
            );
        }
    }

    #[track_caller]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.fill_to(N);
        let taken = *self.unread.first_chunk().expect("just filled");
        self.unread.drain(..N);
        taken
    }

    #[track_caller]
    fn fill_to(&mut self, length: usize) {
        while self.unread.len() < length {
            assert!(
                self.fill(),
                "the stream ends inside of a frame: {:?}",
                self.unread
            );
        }
    }

    /// Reads what is there, waiting for at least one byte; `false` at the end of the stream.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(length) => {
                self.unread.extend_from_slice(&chunk[..length]);
                length > 0
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
                ) =>
            {
                false
            }
            Err(error) => panic!("the daemon says nothing and does not close: {error}"),
        }
    }
}

/// The `error` member of a message, when that has the form of the protocol's section 5.
#[must_use]
pub fn error_in(message: &str) -> Option<Value> {
    let mut message: Value = serde_json::from_str(message).ok()?;
    (message["sender"] == "server" && message["error"].is_object()).then(|| message["error"].take())
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

#[track_caller]
fn whole(frame: Frame) -> Received {
    if frame.opcode == Frame::TEXT {
        Received::Text(String::from_utf8(frame.payload).expect("a text message in UTF-8"))
    } else {
        Received::Binary(frame.payload)
    }
}

#[track_caller]
fn closing(payload: Vec<u8>) -> Received {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            let reason = String::from_utf8(reason.to_vec()).expect("a close reason in UTF-8");
            Received::Close(u16::from_be_bytes(*code), reason)
        }
        None => {
            assert!(payload.is_empty(), "a close frame with half a code");
            Received::CloseWithoutCode
        }
    }
}

/// Long enough to tell what came, short enough for a terminal.
fn abbreviated(text: &str) -> String {
    const LIMIT: usize = 400;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
