//! A notification server on mio: one thread, one loop, one `Hub`; nothing ever blocks but the wait for
//! readiness.
//!
//! Clients subscribe, whoever connects from this machine may publish too, and each notification goes to
//! those who want to hear it. What a socket does not take waits in the hub, which bounds it, and
//! nothing is read from that peer meanwhile.
//!
//! `cargo run -p campanile-examples --example mio_server -- 127.0.0.1:8000`

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::time::{self, Duration, UNIX_EPOCH};
use std::{collections::HashMap, env};

use campanile_core::Instant;
use campanile_core::hub::{
    Admission, Fact, HashKey, Hub, Options, Rights, Sequence, SessionId, TurnedAway,
};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

/// The most connections at once; what a process may open of descriptors is the upper limit.
const PEERS: usize = 200;

/// What is read at once: more than `MAX_LEFTOVER`, which may be in front of it.
const READ: usize = 64 * 1024;

/// How many chunks are handed to the kernel at once.
const VECTOR: usize = 64;

/// No session has this index.
const LISTENER: Token = Token(usize::MAX - 1);

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8000").parse();
    let mut listener = TcpListener::bind(address.map_err(io::Error::other)?)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(PEERS);
    let (mut server, start) = (Server::new(), time::Instant::now());
    loop {
        // Whoever waits for nothing but a turn has it at once; else the hub's one timer counts.
        let now = Instant::ZERO.after(start.elapsed());
        let due = server.hub.poll_timeout().map(|at| at.since(now));
        let due = server.has_more().then_some(Duration::ZERO).or(due);
        match poll.poll(&mut events, due) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::ZERO.after(start.elapsed());
        // Without being told, so that what failed, for want of descriptors say, is tried again.
        while let Ok((socket, peer)) = listener.accept() {
            server.join(socket, peer, poll.registry(), now);
        }
        for event in &events {
            if let Some(peer) = server.peers.get_mut(&event.token().0) {
                peer.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                if event.is_writable() || event.is_error() {
                    server.hub.writable(peer.id);
                }
            }
        }
        server.read(now);
        server.hub.handle_timeouts(now);
        server.turn(now);
    }
}

struct Server {
    hub: Hub<fn(&Fact<'_>)>,
    sequence: Sequence,
    /// By the index of the session.
    peers: HashMap<usize, Peer>,
    accepted: u64,
    buffer: Vec<u8>,
}

struct Peer {
    id: SessionId,
    socket: TcpStream,
    /// Whether there may be something to read; mio says so only once.
    readable: bool,
}

impl Server {
    fn new() -> Self {
        // A restart begins a new epoch, so that no position is given twice.
        let epoch = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        let sequence = Sequence::new(u64::try_from(epoch).unwrap_or_default());
        let key = HashKey([0; 2].map(|_: u64| RandomState::new().hash_one(()))); // the system's randomness
        let watch: fn(&Fact<'_>) = |_| {}; // a log would be written here
        Self {
            hub: Hub::new(&Options::default(), key, sequence.position(), watch),
            sequence,
            peers: HashMap::new(),
            accepted: 0,
            buffer: vec![0; READ],
        }
    }

    /// Takes in a connection.
    fn join(&mut self, mut socket: TcpStream, peer: SocketAddr, registry: &Registry, now: Instant) {
        let rights = Rights {
            publish: peer.ip().to_canonical().is_loopback(),
        };
        self.accepted += 1; // what a log would call it
        let (number, hub) = (self.accepted, &mut self.hub);
        let session = match hub.sessions() {
            0..PEERS => hub.accept(number, peer, rights, now),
            full if full < PEERS + Admission::DECLINED => {
                hub.turn_away(number, peer, TurnedAway::Full.refusal(), now)
            }
            _ => None, // without being told
        };
        let Some(id) = session else {
            return;
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = registry.register(&mut socket, Token(id.index()), both) {
            eprintln!("mio_server: {error}");
            return hub.leave(id);
        }
        let _ = socket.set_nodelay(true); // slower without, but right
        let readable = true; // most requests have come with the connection
        let peer = Peer {
            id,
            socket,
            readable,
        };
        self.peers.insert(id.index(), peer);
    }

    /// Whether somebody may have something to say, and may say it.
    fn has_more(&self) -> bool {
        let mut peers = self.peers.values();
        peers.any(|peer| peer.readable && !self.hub.is_behind(peer.id))
    }

    /// Reads once from everybody who may have something to say: no one keeps the others waiting.
    fn read(&mut self, now: Instant) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let ready = self.peers.values().filter(|peer| peer.readable);
        for id in ready.map(|peer| peer.id).collect::<Vec<_>>() {
            if self.hub.is_behind(id) {
                continue; // who does not read its answers is not to ask for more
            }
            let Some(peer) = self.peers.get_mut(&id.index()) else {
                continue; // what another said has ended it
            };
            let kept = self.hub.take_unfinished(id, &mut buffer);
            let (count, is_end) = match peer.socket.read(&mut buffer[kept..]) {
                Ok(count) => (count, count == 0),
                Err(error) if error.kind() == ErrorKind::Interrupted => (0, false),
                Err(error) => {
                    peer.readable = false;
                    (0, error.kind() != ErrorKind::WouldBlock) // else the peer is gone
                }
            };
            peer.readable &= !is_end;
            self.receive(id, &mut buffer[..kept + count], now);
            if is_end {
                self.hub.receive_eof(id, now);
            }
        }
        self.buffer = buffer;
    }

    /// Does what bytes ask for.
    fn receive(&mut self, id: SessionId, mut bytes: &mut [u8], now: Instant) {
        while !bytes.is_empty() {
            let taken = self.hub.receive(id, bytes, now);
            bytes = &mut bytes[taken..];
            if !bytes.is_empty() {
                self.hub.hand_out(&mut self.sequence, now);
            }
            // Those that much is due to should not wait for the end of the turn.
            if self.hub.is_filling() {
                self.turn(now);
            }
            while let Some(id) = self.hub.poll_filling(now) {
                self.write(id);
            }
        }
    }

    /// The end of a turn: hands out what was published, and writes what is due.
    fn turn(&mut self, now: Instant) {
        self.hub.hand_out(&mut self.sequence, now);
        while let Some(id) = self.hub.poll_transmit(now) {
            self.write(id);
        }
    }

    fn write(&mut self, id: SessionId) {
        let Self { hub, peers, .. } = self;
        let Some(Peer { socket, .. }) = peers.get_mut(&id.index()) else {
            return;
        };
        loop {
            let chunks: Vec<_> = hub.chunks(id).take(VECTOR).map(IoSlice::new).collect();
            if chunks.is_empty() {
                break;
            }
            match socket.write_vectored(&chunks).map_err(|error| error.kind()) {
                Ok(count) => hub.sent(id, count),
                Err(ErrorKind::WouldBlock) => break, // mio says when it takes more
                Err(ErrorKind::Interrupted) => {}
                Err(_) => hub.write_failed(id), // what the peer has said is still to be read
            }
        }
        if hub.take_shutdown(id) {
            let _ = socket.shutdown(Shutdown::Write); // a peer that is gone cannot be told
        }
        if hub.is_over(id) {
            hub.leave(id);
            peers.remove(&id.index());
        }
    }
}
