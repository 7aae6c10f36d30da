//! What the tests share: one face for both runtimes, sockets, an echo, raw peers.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use campanile_core::{
    conn::{
        self, Assembler, Client, CloseCause, Config, Event, Events, MaskSource as _, Role,
        SendError, Server,
    },
    deflate::{Agreed, Settings},
    handshake::{self, Opening},
    wire::{CloseCode, FrameHead, Kind, OpCode, apply_mask},
};
use smol::{Async, block_on};

pub(crate) type Refused = conn::Refused<io::Error>;
pub(crate) type ConnectError = handshake::ConnectError<io::Error>;

/// Longer than anything here takes; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Room for the largest message of these tests.
pub(crate) const LIMITS: Config = Config {
    max_message: 1 << 24,
    ..Config::new()
};

/// The masking key of every client here.
pub(crate) const KEY: [u8; 4] = *b"mask";

pub(crate) type Mask = Option<[u8; 4]>;

/// With what the frames of its peer and its own are masked: of a server, and of a client.
pub(crate) const SERVER: (Mask, Mask) = (Some(KEY), None);
pub(crate) const CLIENT: (Mask, Mask) = (None, Some(KEY));

/// What answers the nonce of [`masks`].
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

pub(crate) type Masks = Box<dyn FnMut() -> [u8; 4] + Send>;

/// Draws the nonce of RFC 6455 section 1.3, then always the same key.
pub(crate) fn masks() -> Masks {
    let mut drawn = [*b"the ", *b"samp", *b"le n", *b"once"].into_iter();
    Box::new(move || drawn.next().unwrap_or(KEY))
}

/// As programs have them.
pub(crate) fn random_masks() -> Masks {
    let mut masks = campanile_std::HashedMasks::new();
    Box::new(move || masks.next_mask())
}

/// A runtime, and how to wait for it.
pub(crate) trait Runtime {
    type Server: Talk + Send + 'static;
    type Client: Talk + Send + 'static;

    /// A server's opening handshake; with settings, one that compresses.
    fn accept(
        socket: TcpStream,
        config: &Config,
        settings: Option<&Settings>,
    ) -> Result<Self::Server, Refused>;

    /// The same of a client.
    fn connect(
        socket: TcpStream,
        opening: &Opening<'_>,
        masks: Masks,
        config: &Config,
        settings: Option<&Settings>,
    ) -> Result<Self::Client, ConnectError>;

    /// The subprotocol that the server selected.
    fn protocol(client: &Self::Client) -> Option<&str>;
}

pub(crate) struct Smol;

impl Runtime for Smol {
    type Server = campanile_smol::Stream<smol::net::TcpStream, Server>;
    type Client = campanile_smol::Stream<smol::net::TcpStream, Client<Masks>>;

    fn accept(
        socket: TcpStream,
        config: &Config,
        settings: Option<&Settings>,
    ) -> Result<Self::Server, Refused> {
        let socket = Async::new(socket).unwrap().into();
        match settings {
            None => block_on(Self::Server::accept(socket, config)),
            Some(settings) => block_on(Self::Server::accept_deflating(socket, config, settings)),
        }
    }

    fn connect(
        socket: TcpStream,
        opening: &Opening<'_>,
        masks: Masks,
        config: &Config,
        settings: Option<&Settings>,
    ) -> Result<Self::Client, ConnectError> {
        let socket = Async::new(socket).unwrap().into();
        block_on(async {
            match settings {
                None => Self::Client::connect(socket, opening, masks, config).await,
                Some(settings) => {
                    Self::Client::connect_deflating(socket, opening, masks, config, settings).await
                }
            }
        })
    }

    fn protocol(client: &Self::Client) -> Option<&str> {
        client.protocol()
    }
}

pub(crate) struct Std;

impl Runtime for Std {
    type Server = campanile_std::Stream<TcpStream, Server>;
    type Client = campanile_std::Stream<TcpStream, Client<Masks>>;

    fn accept(
        socket: TcpStream,
        config: &Config,
        settings: Option<&Settings>,
    ) -> Result<Self::Server, Refused> {
        match settings {
            None => Self::Server::accept(socket, config),
            Some(settings) => Self::Server::accept_deflating(socket, config, settings),
        }
    }

    fn connect(
        socket: TcpStream,
        opening: &Opening<'_>,
        masks: Masks,
        config: &Config,
        settings: Option<&Settings>,
    ) -> Result<Self::Client, ConnectError> {
        match settings {
            None => Self::Client::connect(socket, opening, masks, config),
            Some(settings) => {
                Self::Client::connect_deflating(socket, opening, masks, config, settings)
            }
        }
    }

    fn protocol(client: &Self::Client) -> Option<&str> {
        client.protocol()
    }
}

/// Accepts without compression.
pub(crate) fn accept<R: Runtime>(socket: TcpStream, config: &Config) -> Result<R::Server, Refused> {
    R::accept(socket, config, None)
}

/// Connects a client without compression, whose nonce and keys are those of [`masks`].
pub(crate) fn connect<R: Runtime>(
    socket: TcpStream,
    config: &Config,
) -> Result<R::Client, ConnectError> {
    let opening = Opening::new("localhost", "/");
    R::connect(socket, &opening, masks(), config, None)
}

/// A stream as a client, and a raw server whose handshake is done.
pub(crate) fn client_and_raw<R: Runtime>(config: &Config) -> (R::Client, TcpStream) {
    let (socket, mut raw) = sockets();
    raw.write_all(RESPONSE).unwrap();
    let stream = connect::<R>(socket, config).unwrap();
    expect(&mut raw, REQUEST);
    (stream, raw)
}

/// A stream as a server, and a raw client whose handshake is done.
pub(crate) fn server_and_raw<R: Runtime>(config: &Config) -> (R::Server, TcpStream) {
    let (mut raw, socket) = sockets();
    raw.write_all(REQUEST).unwrap();
    let stream = accept::<R>(socket, config).unwrap();
    expect(&mut raw, RESPONSE);
    (stream, raw)
}

/// The verbs of a stream, whichever runtime waits for it.
pub(crate) trait Talk {
    type Role: Role;

    fn fill(&mut self) -> io::Result<bool>;
    fn flush(&mut self) -> io::Result<()>;
    fn events(&mut self) -> Events<'_, Self::Role>;
    fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError>;
    fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError>;
    fn closed_by(&self) -> Option<CloseCause>;
    fn deflate(&self) -> Option<Agreed>;
}

macro_rules! talk {
    ($stream:ident, $transport:path, $wait:path) => {
        impl<T: $transport + Unpin, R: Role> Talk for $stream::Stream<T, R> {
            type Role = R;

            fn fill(&mut self) -> io::Result<bool> {
                $wait(self.fill())
            }

            fn flush(&mut self) -> io::Result<()> {
                $wait(self.flush())
            }

            fn events(&mut self) -> Events<'_, R> {
                self.events()
            }

            fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
                self.send(kind, payload)
            }

            fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
                self.close(code, reason)
            }

            fn closed_by(&self) -> Option<CloseCause> {
                self.closed_by()
            }

            fn deflate(&self) -> Option<Agreed> {
                self.deflate()
            }
        }
    };
}

talk!(campanile_smol, Duplex, block_on);
talk!(
    campanile_std,
    campanile_std::Transport,
    core::convert::identity
);

/// What a stream of smol runs over.
pub(crate) trait Duplex: smol::io::AsyncRead + smol::io::AsyncWrite {}

impl<T: smol::io::AsyncRead + smol::io::AsyncWrite> Duplex for T {}

/// Sends every message back until the connection is over; says what ended it.
pub(crate) fn echo(mut stream: impl Talk) -> io::Result<Option<CloseCause>> {
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
pub(crate) fn next_message(stream: &mut impl Talk) -> (Kind, Vec<u8>) {
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
pub(crate) fn finish(stream: &mut impl Talk) -> Option<CloseCause> {
    while stream.fill().unwrap() {
        for event in stream.events() {
            let _ = event;
        }
    }
    stream.closed_by()
}

/// A frame, masked as a client must and a server must not.
pub(crate) fn frame(opcode: OpCode, fin: bool, mask: Mask, payload: &[u8]) -> Vec<u8> {
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

/// Reads until the peer has shut down.
pub(crate) fn read_to_end(raw: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    raw.read_to_end(&mut rest).unwrap();
    rest
}
