//! A notification server on mio: one thread, one `Driver`, and a poll that waits for all sockets.
//!
//! Clients subscribe, whoever connects from this machine may publish too, and each notification goes to
//! those who want to hear it. What a socket does not take waits in the hub, which bounds it, and nothing
//! is read from it meanwhile.
//!
//! `cargo run -p campanile-examples --example mio_server -- 127.0.0.1:8000`

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::{collections::HashMap, env, net::Shutdown, time};

use campanile_core::Instant;
use campanile_core::hub::{AdmissionLimits, Fact, HashKey};
use campanile_core::server::{Driver, Options, Progress, Transport};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// The most connections at once; what a process may open of descriptors is the upper limit.
const PEERS: usize = 200;

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
    let mut options = Options::default();
    options.admission = AdmissionLimits {
        connections: PEERS,
        ..options.admission
    };
    let key = HashKey([0; 2].map(|_: u64| RandomState::new().hash_one(()))); // the system's randomness
    let epoch = time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() * 1000;
    let mut driver = Driver::new(options, key, epoch, |_: &Fact<'_>| {}); // a log would be written there
    let (mut events, mut sessions) = (Events::with_capacity(PEERS), HashMap::new());
    let start = time::Instant::now();
    loop {
        // Whoever waits for nothing but a turn has it at once; else the driver's one timer counts.
        let now = Instant::ZERO.after(start.elapsed());
        let due = driver.poll_timeout().map(|at| at.since(now));
        let due = driver.has_more().then_some(time::Duration::ZERO).or(due);
        match poll.poll(&mut events, due) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::ZERO.after(start.elapsed());
        // Without being told, so that what failed, for want of descriptors say, is tried again.
        while let Ok((socket, peer)) = listener.accept() {
            let _ = socket.set_nodelay(true); // slower without, but right
            let Some(id) = driver.join(Socket(socket), peer, now) else {
                continue;
            };
            let (token, both) = (Token(id.index()), Interest::READABLE | Interest::WRITABLE);
            if let Some(Socket(socket)) = driver.transport(id) {
                poll.registry().register(socket, token, both)?;
            }
            sessions.insert(token, id); // in the place of one that has left
        }
        for event in &events {
            if let Some(&id) = sessions.get(&event.token()) {
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    driver.readable(id);
                }
                if event.is_writable() || event.is_error() {
                    driver.writable(id);
                }
            }
        }
        driver.turn(now);
    }
}

struct Socket(TcpStream);

impl Transport for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        progress(|| self.0.read(buffer))
    }

    fn write(&mut self, chunks: &[&[u8]]) -> Progress {
        let slices: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        progress(|| self.0.write_vectored(&slices))
    }

    fn shutdown(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write); // a peer that is gone cannot be told
    }
}

fn progress(mut attempt: impl FnMut() -> io::Result<usize>) -> Progress {
    loop {
        match attempt().map_err(|error| error.kind()) {
            Ok(count) => return Progress::Done(count),
            Err(ErrorKind::WouldBlock) => return Progress::Blocked,
            Err(ErrorKind::Interrupted) => {}
            Err(_) => return Progress::Failed,
        }
    }
}
