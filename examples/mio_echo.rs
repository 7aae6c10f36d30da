//! An echo server on mio: one thread, one loop, nothing ever blocks but the wait for readiness.
//!
//! It drives `Buffered`, a connection with its buffers. Nothing is read while something is to be
//! sent, so what a peer can make grow is bounded: one message on its way in, and on the way out
//! what one read has completed.
//!
//! `cargo run -p campanile-examples --example mio_echo -- 127.0.0.1:9001`

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::{collections::HashMap, env, net::Shutdown};
use std::{time, time::Duration};

use campanile_core::Instant;
use campanile_core::conn::{Assembler, Buffered, Config, Event, Server};
use campanile_core::handshake::{self, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// As large as the Autobahn suite wants it; `Config::new()` is for a server in the open.
const CONFIG: Config = Config {
    max_message: 16 << 20,
    max_fragments: 1 << 17,
    ..Config::new()
};

/// The most connections at once: each has its buffers and its messages.
const PEERS: usize = 200;

const LISTENER: Token = Token(0);

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    serve(address.as_deref().unwrap_or("127.0.0.1:9001"))
}

fn serve(address: &str) -> io::Result<()> {
    let mut listener = TcpListener::bind(address.parse().map_err(io::Error::other)?)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(PEERS);
    let mut peers = HashMap::new();
    let mut last = LISTENER;
    let start = time::Instant::now();
    let mut now = Instant::ZERO;
    loop {
        // The one timer is the earliest of all; nobody waits while a socket may have more.
        let wait = peers
            .values()
            .filter_map(|peer: &Peer| peer.patience(now))
            .min();
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => now = Instant::ZERO.after(start.elapsed()),
        }
        // Without being told, so that what failed, for want of descriptors say, is tried again.
        while let Ok((mut socket, _)) = listener.accept() {
            if peers.len() == PEERS {
                continue; // no room: the socket is dropped
            }
            last.0 += 1;
            let both = Interest::READABLE | Interest::WRITABLE;
            if poll.registry().register(&mut socket, last, both).is_ok() {
                peers.insert(last, Peer::new(socket, now));
            }
        }
        for event in &events {
            if let Some(peer) = peers.get_mut(&event.token()) {
                peer.ready = true;
            }
        }
        // A step for each at most: no one keeps the others waiting.
        peers.retain(|_, peer| peer.turn(now));
    }
}

/// A connection, from its first byte to its last.
struct Peer {
    socket: TcpStream,
    stage: Stage,
    /// Whether the socket may have something to give or room to take; mio says so only once.
    ready: bool,
}

enum Stage {
    /// The request is awaited until then.
    Opening(handshake::ServerHandshake, Vec<u8>, Instant),
    /// The peer may read our no until then; this many bytes from it are swallowed meanwhile.
    Refused(usize, Instant),
    Open(Box<Buffered<Server>>, Assembler<Vec<u8>>),
}

impl Peer {
    fn new(socket: TcpStream, now: Instant) -> Self {
        let _ = socket.set_nodelay(true); // slower without, but right
        let handshake = handshake::ServerHandshake::new(handshake::Limits::DEFAULT);
        Self {
            socket,
            stage: Stage::Opening(handshake, Vec::new(), now.after(HANDSHAKE_TIME)),
            ready: true,
        }
    }

    /// When time alone is a reason for a [`turn`](Self::turn).
    fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Opening(_, _, until) | Stage::Refused(_, until) => Some(*until),
            Stage::Open(conn, _) => conn.poll_timeout(),
        }
    }

    /// How long the loop may wait for this peer; `None` means for ever.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let due = if self.ready { Some(now) } else { self.due() };
        due.map(|at| at.since(now))
    }

    /// Does what can be done now. `false`: it is over.
    fn turn(&mut self, now: Instant) -> bool {
        if self.due().is_some_and(|at| at <= now) {
            let Stage::Open(conn, _) = &mut self.stage else {
                return false;
            };
            conn.handle_timeout(now);
            self.ready = true;
        }
        if !self.ready {
            return true;
        }
        match self.step(now) {
            Ok(goes_on) => goes_on,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.ready = false;
                true
            }
            Err(error) => error.kind() == ErrorKind::Interrupted, // else the peer is gone
        }
    }

    /// Goes one step, which an error of the kind `WouldBlock` puts off. `false`: it is over.
    fn step(&mut self, now: Instant) -> io::Result<bool> {
        match &mut self.stage {
            Stage::Opening(..) => self.open(now),
            Stage::Refused(left, _) => {
                let count = self.socket.read(&mut [0; 1024])?;
                *left = left.saturating_sub(count);
                Ok(count > 0 && *left > 0)
            }
            Stage::Open(conn, assembler) => echo(&mut self.socket, conn, assembler, now),
        }
    }

    /// Goes on with the opening handshake.
    fn open(&mut self, now: Instant) -> io::Result<bool> {
        let Stage::Opening(handshake, received, _) = &mut self.stage else {
            return Ok(true);
        };
        let mut part = [0; 1024];
        let count = self.socket.read(&mut part)?;
        received.extend_from_slice(&part[..count]); // the head is limited, so this ends
        let mut headers = [handshake::EMPTY_HEADER; handshake::DEFAULT_HEADERS];
        let mut out = [0; handshake::RESPONSE_BYTES];
        let (response, next) = match handshake.receive(received, &mut headers) {
            Ok(handshake::Status::Partial) => return Ok(count > 0),
            Ok(handshake::Status::Complete { value, consumed }) => {
                let conn = Buffered::new(Server, &CONFIG, &received[consumed..], now);
                let next = Stage::Open(Box::new(conn), Assembler::new(Vec::new()));
                let reply = handshake::Reply::default();
                (handshake::accept(&value, &reply, &mut out), next)
            }
            Err(bad) => {
                let next = Stage::Refused(LINGER_BYTES, now.after(LINGER_TIME));
                (handshake::reject(&bad, &mut out), next)
            }
        };
        let response = response.map_err(io::Error::other)?;
        if self.socket.write(response)? < response.len() {
            return Ok(false); // a fresh socket has room for a kilobyte, or something is wrong
        }
        if let Stage::Refused(..) = next {
            self.socket.shutdown(Shutdown::Write)?;
        }
        self.stage = next;
        Ok(true)
    }
}

/// Sends what is queued, reads once, and sees what that means.
fn echo(
    socket: &mut TcpStream,
    conn: &mut Buffered<Server>,
    assembler: &mut Assembler<Vec<u8>>,
    now: Instant,
) -> io::Result<bool> {
    while !conn.is_over() && !conn.unsent().is_empty() {
        conn.sent(socket.write(conn.unsent())?);
    }
    if conn.take_shutdown() {
        let _ = socket.shutdown(Shutdown::Write); // a peer that is gone cannot be told
    }
    if conn.is_over() {
        return Ok(false);
    }
    if conn.is_understood() {
        match socket.read(conn.space())? {
            0 => conn.receive_eof(now),
            count => conn.received(count),
        }
    }
    // After an error, which the peer is told, there are no more events.
    let mut events = conn.events(now);
    while let Some(Ok(event)) = events.next() {
        if let Event::Data(data) = event
            && let Some(message) = assembler.push(data).map_err(io::Error::other)?
        {
            let _ = events.send(message.kind, message.bytes); // refused only when we close
        }
    }
    Ok(true)
}
