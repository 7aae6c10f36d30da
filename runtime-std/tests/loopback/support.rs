//! What the tests share: sockets, an echo, raw peers.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use campanile_core::{
    conn::{Assembler, Client, CloseCause, Config, Event, Role, Server},
    handshake::Opening,
    wire::{FrameHead, Kind, OpCode, apply_mask},
};
use campanile_std::{ConnectError, Stream, Transport};

/// Longer than anything here takes; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Room for the largest message of these tests.
pub(crate) const LIMITS: Config = Config {
    max_message: 1 << 24,
    ..Config::new()
};

/// The nonce of RFC 6455 section 1.3, in the pieces in which a stream draws it; then this key.
pub(crate) const KEY: [u8; 4] = *b"mask";

/// What answers that nonce.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A request with that nonce.
pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Both ends of a connection. Where a stream does not watch the time, the socket does.
pub(crate) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
    }
    (client, server)
}

/// Draws the sample nonce, then always the same key.
pub(crate) fn masks() -> impl FnMut() -> [u8; 4] + Send {
    let mut drawn = [*b"the ", *b"samp", *b"le n", *b"once"].into_iter();
    move || drawn.next().unwrap_or(KEY)
}

/// A stream as a server, and a raw client whose handshake is done.
pub(crate) fn server_and_raw(config: &Config) -> (Stream<TcpStream, Server>, TcpStream) {
    let (mut raw, socket) = sockets();
    raw.write_all(REQUEST).unwrap();
    let stream = Stream::accept(socket, config).unwrap();
    expect(&mut raw, RESPONSE);
    (stream, raw)
}

/// Connects a client whose nonce and keys are those of [`masks`].
pub(crate) fn connect(
    socket: TcpStream,
    config: &Config,
) -> Result<Stream<TcpStream, Client<impl FnMut() -> [u8; 4] + Send>>, ConnectError> {
    Stream::connect(socket, &Opening::new("localhost", "/"), masks(), config)
}

/// Sends every message back until the connection is over; says what ended it.
pub(crate) fn echo<T: Transport, R: Role>(
    mut stream: Stream<T, R>,
) -> io::Result<Option<CloseCause>> {
    let mut assembler = Assembler::new(Vec::new());
    while stream.fill()? {
        let mut events = stream.events();
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(data) = event
                && let Some(message) = assembler.push(data).unwrap()
            {
                // It may be closing on this side.
                let _ = events.send(message.kind, message.bytes);
            }
        }
    }
    Ok(stream.closed_by())
}

/// The next message; pings and pongs are passed over.
pub(crate) fn next_message<T: Transport, R: Role>(stream: &mut Stream<T, R>) -> (Kind, Vec<u8>) {
    let mut assembler = Assembler::new(Vec::new());
    while stream.fill().unwrap() {
        for event in stream.events() {
            if let Event::Data(data) = event.unwrap()
                && let Some(message) = assembler.push(data).unwrap()
            {
                return (message.kind, message.bytes.to_vec());
            }
        }
    }
    panic!("no message, but {:?}", stream.closed_by());
}

/// Reads events until the connection is over; says what ended it.
pub(crate) fn finish<T: Transport, R: Role>(stream: &mut Stream<T, R>) -> Option<CloseCause> {
    while stream.fill().unwrap() {
        for event in stream.events() {
            let _ = event;
        }
    }
    stream.closed_by()
}

/// A frame, masked as a client must and a server must not.
pub(crate) fn frame(opcode: OpCode, fin: bool, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead {
        fin,
        opcode,
        mask,
        payload_len: payload.len() as u64,
    };
    let mut bytes = head.encode().as_bytes().to_vec();
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    if let Some(key) = mask {
        let _ = apply_mask(key, &mut bytes[start..]);
    }
    bytes
}

/// Reads exactly these bytes.
#[track_caller]
pub(crate) fn expect(raw: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    raw.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

/// Reads an HTTP head, and nothing behind it.
pub(crate) fn read_head(raw: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        raw.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
}

/// Reads until the peer has shut down.
pub(crate) fn read_to_end(raw: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    raw.read_to_end(&mut rest).unwrap();
    rest
}
