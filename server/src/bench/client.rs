//! One connection to the server, driven without a buffer of its own: there may be thousands.

use core::cell::{Cell, RefCell};
use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
};

use campanile_core::{
    Instant,
    conn::{
        Assembler, Client as ClientRole, Config, Connection, Data, Event, Input, Transmit,
        Violation,
    },
    deflate::{self, ClientWindow, Direction, Inflater, Offer, WindowBits},
    handshake::{
        ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER, HANDSHAKE_TIME, Limits, Opening,
        RESPONSE_BYTES, Status,
    },
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};
use campanile_smol::{HashedMasks, tls};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use smol::{Async, Timer, future::FutureExt as _};

use super::{target::Target, transport::Transport};

/// What a v1 session offers and the server selects (the protocol, section 1).
pub(crate) const V1: &str = "campanile.v1";

/// How many bytes are read at once: what a burst leaves in a socket takes few calls.
pub(crate) const READ: usize = 64 * 1024;

/// A WebSocket connection, open.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
    state: RefCell<State>,
    /// How many bytes came from the server behind its response.
    received: Cell<u64>,
}

#[derive(Debug)]
struct State {
    connection: Connection<ClientRole<HashedMasks>>,
    /// Bytes that need more behind them.
    left: Vec<u8>,
    /// Bytes for the server that the socket has not taken.
    out: Vec<u8>,
    /// The beginning of a message that a read cut in two.
    assembler: Assembler<Vec<u8>>,
}

/// What one connection after the other reads with.
pub(crate) struct Scratch {
    bytes: Box<[u8]>,
    inflater: Inflater<Vec<u8>>,
    inflated: Vec<u8>,
}

impl Scratch {
    /// For messages of at most `longest` bytes.
    pub(crate) fn new(longest: u64) -> Self {
        // One for all connections, as nothing is kept between messages.
        let direction = Direction {
            window: WindowBits::MAX,
            takeover: false,
        };
        let anything = deflate::Settings {
            max_ratio: u32::MAX,
            ..deflate::Settings::client()
        };
        Self {
            bytes: vec![0; 2 * READ].into(),
            inflater: Inflater::on_heap(direction, &anything, &config(longest)),
            inflated: vec![0; usize::try_from(longest).unwrap_or(usize::MAX)],
        }
    }
}

impl core::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Inflates a whole message; the error is a line for a person.
fn inflate<'s>(
    inflater: &mut Inflater<Vec<u8>>,
    out: &'s mut [u8],
    kind: Kind,
    bytes: &mut [u8],
) -> Result<&'s [u8], String> {
    let mut data = Data {
        kind,
        bytes,
        first: true,
        last: true,
    };
    let mut len = 0;
    loop {
        let room = out.get_mut(len..).unwrap_or_default();
        if room.is_empty() {
            return Err("a message is longer than any that was published".to_owned());
        }
        match inflater.inflate(&mut data, room).map_err(breaks)? {
            Some(piece) if !piece.last => len += piece.bytes.len(),
            Some(piece) => {
                len += piece.bytes.len();
                return Ok(out.get(..len).unwrap_or_default());
            }
            None => return Err("a compressed message has no end".to_owned()),
        }
    }
}

fn breaks(violation: Violation) -> String {
    format!("the server breaks the WebSocket protocol: {violation}")
}

/// What the server said.
#[derive(Debug)]
pub(crate) enum Heard<'b> {
    Message(&'b [u8]),
    Pong,
    /// A Close, with what it says of the reason.
    Close(String),
}

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door<'t> {
    pub(crate) target: &'t Target,
    /// Whom to trust, where it is of TLS.
    pub(crate) tls: Option<&'t tls::Client>,
    /// The address to connect from, if not any.
    pub(crate) source: Option<Ipv4Addr>,
    /// Whether to ask for a v1 session, and to take no other.
    pub(crate) v1: bool,
    /// Whether to ask for compression, and to take no server without.
    pub(crate) deflate: bool,
    /// The value of `Authorization`, if there is one.
    pub(crate) authorization: Option<&'t str>,
    /// The longest message to expect.
    pub(crate) longest: u64,
}

impl Client {
    /// Connects and does the opening handshake; the error is a line for a person.
    pub(crate) async fn open(door: Door<'_>) -> Result<Self, String> {
        let Target { url, address } = door.target;
        let late = async {
            Timer::after(HANDSHAKE_TIME).await;
            Err(format!(
                "{address} did not open the connection within {} s; see whether the server is overloaded",
                HANDSHAKE_TIME.as_secs()
            ))
        };
        let opened = async {
            let socket = connect(*address, door.source)
                .await
                .map_err(|error| no_connection(*address, &error))?;
            let transport = match door.tls {
                None => Transport::plain(socket),
                Some(tls) => Transport::secured(socket, tls, url.name())
                    .await
                    .map_err(|error| format!("no connection to {address}: {error}"))?,
            };
            let offer: &[&str] = if door.v1 { &[V1] } else { &[] };
            let extension = DEFLATE.text();
            let authorization = door.authorization.map(|value| ("Authorization", value));
            let opening = Opening {
                headers: authorization.as_slice(),
                protocols: offer,
                extensions: door.deflate.then_some(&extension),
                ..Opening::new(url.host(), url.resource())
            };
            let (Agreed { v1, deflate }, behind) = shake_hands(&transport, &opening).await?;
            if door.deflate && !deflate {
                return Err(
                    "the server does not compress; have it do so, or leave --deflate out"
                        .to_owned(),
                );
            }
            if door.v1 && !v1 {
                return Err(format!(
                    "the server does not speak {V1}, without which it answers no publication; bench one that does"
                ));
            }
            Ok(Self::new(transport, behind, door))
        };
        opened.or(late).await
    }

    fn new(transport: Transport, behind: Vec<u8>, door: Door<'_>) -> Self {
        let role = ClientRole(HashedMasks::new());
        let mut connection = Connection::new(role, &config(door.longest), Instant::ZERO);
        if door.deflate {
            connection.enable_deflate();
        }
        Self {
            transport,
            received: Cell::new(0),
            state: RefCell::new(State {
                connection,
                left: behind,
                out: Vec::new(),
                assembler: Assembler::default(),
            }),
        }
    }

    /// Queues a text; the error says that the connection is closing.
    pub(crate) fn queue(&self, text: &[u8]) -> Result<(), String> {
        let State {
            connection, out, ..
        } = &mut *self.state.borrow_mut();
        let start = out.len();
        out.resize(start + MAX_HEAD + text.len(), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let len = connection.encode(Kind::Text, text, true, room);
        let len = len.map(|frame| frame.len());
        out.truncate(start + len.unwrap_or(0));
        len.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Queues a Ping, which the server answers behind all that it sent before.
    pub(crate) fn queue_ping(&self) -> Result<(), String> {
        let State {
            connection, out, ..
        } = &mut *self.state.borrow_mut();
        let frame = &mut [0; MAX_CONTROL];
        let frame = connection
            .ping(b"", frame, Instant::ZERO)
            .map_err(|error| error.to_string())?;
        out.extend_from_slice(frame);
        Ok(())
    }

    /// Queues the Close that ends the connection as it should.
    pub(crate) fn queue_close(&self) {
        let State {
            connection, out, ..
        } = &mut *self.state.borrow_mut();
        let frame = &mut [0; MAX_CONTROL];
        // If it is closing already, all the better.
        if let Ok(frame) = connection.close(CloseCode::NORMAL, "", frame, Instant::ZERO) {
            out.extend_from_slice(frame);
        }
    }

    /// How many bytes are queued; those that TLS holds back count as one.
    pub(crate) fn queued(&self) -> usize {
        self.state.borrow().out.len() + usize::from(self.transport.has_unsent())
    }

    /// Writes what is queued, as far as the socket takes it now.
    pub(crate) fn write(&self) -> io::Result<()> {
        let State { out, .. } = &mut *self.state.borrow_mut();
        while !out.is_empty() {
            match self.transport.write(out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        match self.transport.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }

    /// Writes all that is queued.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        loop {
            self.write()?;
            if self.queued() == 0 {
                return Ok(());
            }
            self.transport.writable().await?;
        }
    }

    /// Waits until there is something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.transport.readable().await
    }

    /// Waits until there is something to read or, with bytes queued, room to write.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        if self.queued() == 0 {
            return self.transport.readable().await;
        }
        self.transport.ready().await
    }

    /// How many bytes the server has sent behind its response, as they were on the wire but for TLS.
    pub(crate) const fn received(&self) -> u64 {
        self.received.get()
    }

    /// Reads once, at most [`READ`] bytes, by way of `scratch`, which has room for them and for what was
    /// left over before; tells what was said. Whether the server is still there.
    pub(crate) fn read(
        &self,
        scratch: &mut Scratch,
        mut hear: impl FnMut(Heard<'_>),
    ) -> Result<bool, String> {
        let State {
            connection,
            left,
            out,
            assembler,
        } = &mut *self.state.borrow_mut();
        let Scratch {
            bytes: scratch,
            inflater,
            inflated,
        } = scratch;
        let kept = left.len();
        let (front, room) = scratch
            .split_at_mut_checked(kept)
            .ok_or("the server said too much before it was asked")?;
        front.copy_from_slice(left);
        let most = READ.min(room.len());
        let room = room.get_mut(..most).unwrap_or_default();
        let count = match self.transport.read(room) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(true);
            }
            Err(error) => return Err(error.to_string()),
        };
        self.received.set(self.received.get() + count as u64);
        let bytes = scratch.get_mut(..kept + count).unwrap_or_default();
        let mut input = Input::new(bytes);
        let mut control = [0; MAX_CONTROL];
        let verdict = loop {
            let event = connection.receive(&mut input, Instant::ZERO);
            let verdict = match event {
                Ok(Some(Event::Data(data))) => {
                    // A vector takes whatever the connection lets through.
                    if let Ok(Some(message)) = assembler.push(data) {
                        hear(Heard::Message(message.bytes));
                    }
                    None
                }
                Ok(Some(Event::Deflated(data))) => match assembler.push(data) {
                    Ok(Some(message)) => {
                        match inflate(inflater, inflated, message.kind, message.bytes) {
                            Ok(text) => {
                                hear(Heard::Message(text));
                                None
                            }
                            Err(reason) => Some(Err(reason)),
                        }
                    }
                    Ok(None) | Err(_) => None,
                },
                Ok(Some(Event::Pong(_))) => {
                    hear(Heard::Pong);
                    None
                }
                Ok(Some(Event::Close(payload))) => {
                    hear(Heard::Close(payload.map_or_else(
                        || "closed without a code".to_owned(),
                        |payload| format!("closed with {} {}", payload.code.get(), payload.reason),
                    )));
                    None
                }
                Ok(Some(_)) => None,
                Ok(None) => Some(Ok(true)),
                Err(violation) => Some(Err(breaks(violation))),
            };
            while let Some(transmit) = connection.poll_transmit(&mut input, &mut control) {
                match transmit {
                    Transmit::Bytes(bytes) => out.extend_from_slice(bytes),
                    // The end of the process or the server's FIN, which is next, does both.
                    Transmit::ShutdownWrite | Transmit::Disconnect => {}
                }
            }
            if let Some(verdict) = verdict {
                break verdict;
            }
        };
        left.clear();
        left.extend_from_slice(input.rest());
        verdict
    }
}

/// What is offered with compression: as little memory at either end as can be.
const DEFLATE: Offer = Offer {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: None,
    client_max_window_bits: ClientWindow::Any,
};

/// For messages of at most `longest` bytes. Floods and silence are the server's affair.
const fn config(longest: u64) -> Config {
    Config {
        max_message: longest,
        control_rate: 0,
        ping_interval: None,
        ..Config::new()
    }
}

/// What the opening handshake led to.
struct Agreed {
    v1: bool,
    deflate: bool,
}

/// A connection of TCP, from the given address.
async fn connect(address: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<Async<TcpStream>> {
    let Some(source) = source else {
        let socket = Async::<TcpStream>::connect(address).await?;
        socket.get_ref().set_nodelay(true)?;
        return Ok(socket);
    };
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = Async::new_nonblocking(TcpStream::from(socket))?;
    socket.writable().await?;
    if let Some(error) = socket.get_ref().take_error()? {
        return Err(error);
    }
    socket.get_ref().set_nodelay(true)?;
    Ok(socket)
}

/// Does the client's part of the opening handshake: what was agreed on, and the bytes that came behind.
async fn shake_hands(
    transport: &Transport,
    opening: &Opening<'_>,
) -> Result<(Agreed, Vec<u8>), String> {
    let lost = |error: io::Error| format!("the connection was lost in its handshake: {error}");
    let mut nonce = [0; 16];
    let mut masks = HashedMasks::new();
    for part in nonce.as_chunks_mut().0 {
        *part = campanile_core::conn::MaskSource::next_mask(&mut masks);
    }
    let mut out = vec![
        0;
        REQUEST_BYTES
            + opening.path.len()
            + opening.host.len()
            + opening
                .headers
                .iter()
                .map(|(_, value)| value.len())
                .sum::<usize>()
    ];
    let (mut request, mut handshake) =
        ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out)
            .map_err(|error| format!("{error}; check the URL"))?;
    while !request.is_empty() {
        let count = match transport.write(request) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                transport.writable().await.map_err(lost)?;
                0
            }
            written => written.map_err(lost)?,
        };
        request = request.get(count..).unwrap_or_default();
    }
    let mut received = Vec::new();
    loop {
        let filled = received.len();
        received.resize(filled + RESPONSE_BYTES, 0);
        let room = received.get_mut(filled..).unwrap_or_default();
        let read = transport.read(room);
        received.truncate(filled + *read.as_ref().unwrap_or(&0));
        let count = match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                transport.readable().await.map_err(lost)?;
                continue;
            }
            read => read.map_err(lost)?,
        };
        if count == 0 {
            return Err(lost(ErrorKind::UnexpectedEof.into()));
        }
        if let Some((agreed, consumed)) = judge(&mut handshake, opening, &received)? {
            received.drain(..consumed);
            received.shrink_to_fit();
            return Ok((agreed, received));
        }
    }
}

/// What the rest of a request takes beside host and path.
const REQUEST_BYTES: usize = 512;

/// Not async: the header slots are too large to be kept across a wait.
fn judge(
    handshake: &mut ClientHandshake,
    opening: &Opening<'_>,
    received: &[u8],
) -> Result<Option<(Agreed, usize)>, String> {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    match handshake.receive(opening, received, &mut headers) {
        Ok(Status::Partial) => Ok(None),
        Ok(Status::Complete { value, consumed }) => {
            let deflate = Offer::check(&[DEFLATE], value.extensions())
                .map_err(|bad| format!("the server's handshake is wrong: {bad}"))?;
            let agreed = Agreed {
                v1: value.protocol() == Some(V1),
                deflate: deflate.is_some(),
            };
            Ok(Some((agreed, consumed)))
        }
        Err(bad) => Err(format!("the server refuses the connection: {bad}")),
    }
}

fn no_connection(address: SocketAddr, error: &io::Error) -> String {
    let is = |kinds: &[ErrorKind]| kinds.contains(&error.kind());
    let remedy = if is(&[ErrorKind::ConnectionRefused]) {
        "start the server, or name its address"
    } else if is(&[ErrorKind::AddrNotAvailable, ErrorKind::AddrInUse]) {
        "this machine has no free port left for it; wait a minute, or give more --sources"
    } else {
        "see whether the server can be reached from here"
    };
    format!("no connection to {address}: {error}; {remedy}")
}
