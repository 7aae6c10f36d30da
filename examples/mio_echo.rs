//! An echo server on mio: one thread, one loop, nothing ever blocks but the wait for readiness.
//!
//! It drives `Buffered`, a connection with its buffers, from the first byte to the last. Nothing is
//! read while something is to be sent, so what a peer can make grow is bounded: one message on its
//! way in, and on the way out what one read has completed.
//!
//! `cargo run -p campanile-examples --example mio_echo -- 127.0.0.1:9001`

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::{collections::HashMap, env, net::Shutdown, time};

use campanile_core::Instant;
use campanile_core::conn::{Buffered, Config, Event, Server};
use campanile_core::handshake::Limits;
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

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001").parse();
    let mut listener = TcpListener::bind(address.map_err(io::Error::other)?)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    let (mut last, both) = (Token(0), Interest::READABLE | Interest::WRITABLE);
    poll.registry().register(&mut listener, last, both)?;
    let mut events = Events::with_capacity(PEERS);
    let mut peers = HashMap::new();
    let (start, mut now) = (time::Instant::now(), Instant::ZERO);
    loop {
        // The one timer is the earliest of all.
        let due = peers.values().filter_map(|peer: &Peer| peer.due(now)).min();
        match poll.poll(&mut events, due.map(|at| at.since(now))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => now = Instant::ZERO.after(start.elapsed()),
        }
        // Without being told, so that what failed, for want of descriptors say, is tried again.
        while let Ok((mut socket, _)) = listener.accept() {
            if peers.len() == PEERS {
                continue; // no room: the socket is dropped
            }
            last.0 += 1;
            if poll.registry().register(&mut socket, last, both).is_ok() {
                let _ = socket.set_nodelay(true); // slower without, but right
                let conn = Buffered::accept(&CONFIG, Limits::DEFAULT, now);
                let ready = true;
                peers.insert(
                    last,
                    Peer {
                        socket,
                        conn,
                        ready,
                    },
                );
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
    conn: Buffered<Server>,
    /// Whether the socket may have something to give or room to take; mio says so only once.
    ready: bool,
}

impl Peer {
    /// When it is to have a turn though the socket says nothing; `None` means never.
    fn due(&self, now: Instant) -> Option<Instant> {
        let ready = self.ready.then_some(now);
        ready.or_else(|| self.conn.poll_timeout())
    }

    /// Does what can be done now. `false`: it is over.
    fn turn(&mut self, now: Instant) -> bool {
        if self.conn.poll_timeout().is_some_and(|at| at <= now) {
            self.conn.handle_timeout(now);
            self.ready = true;
        }
        if self.ready
            && let Err(error) = self.step(now)
        {
            self.ready = error.kind() == ErrorKind::Interrupted;
            return self.ready || error.kind() == ErrorKind::WouldBlock; // else the peer is gone
        }
        !self.conn.is_over()
    }

    /// Sends what is queued, reads once, and sees what that means.
    fn step(&mut self, now: Instant) -> io::Result<()> {
        let Self { socket, conn, .. } = self;
        while !conn.is_over() && !conn.unsent().is_empty() {
            conn.sent(socket.write(conn.unsent())?);
        }
        if conn.take_shutdown() {
            let _ = socket.shutdown(Shutdown::Write); // a peer that is gone cannot be told
        }
        if conn.is_understood() && !conn.is_over() {
            match socket.read(conn.space())? {
                0 => conn.receive_eof(now),
                count => conn.received(count),
            }
        }
        // After an error, which the peer is told, there are no more events.
        let mut events = conn.messages(now);
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(message) = event {
                let _ = events.send(message.kind, message.bytes); // refused only when we close
            }
        }
        conn.release(); // what a large message took
        Ok(())
    }
}
