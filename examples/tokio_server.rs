//! A notification server on tokio: a task for each connection, and one `Hub` behind a lock for all.
//!
//! Clients subscribe, whoever connects from this machine may publish too, and each notification goes to
//! those who want to hear it. A task waits for its socket alone; whoever has the lock writes to
//! everybody that something is due to, as far as their sockets take it without waiting. What they do
//! not take waits in the hub, which bounds it, and nothing is read from them meanwhile.
//!
//! `cargo run -p campanile-examples --example tokio_server -- 127.0.0.1:8000`

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use std::{collections::HashMap, env, net::SocketAddr};

use campanile_core::Instant;
use campanile_core::hub::{
    Admission, Fact, HashKey, Hub, Options, Rights, Sequence, SessionId, TurnedAway,
};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::{io::Interest, runtime, select, sync::Notify, time};

/// The most connections at once; what a process may open of descriptors is the upper limit.
const PEERS: usize = 200;

/// What is read at once: more than `MAX_LEFTOVER`, which may be in front of it.
const READ: usize = 8 * 1024;

/// How many chunks are handed to the kernel at once.
const VECTOR: usize = 64;

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let serve = serve(address.as_deref().unwrap_or("127.0.0.1:8000"));
    let mut runtime = runtime::Builder::new_current_thread(); // one of many threads would do as well
    runtime.enable_all().build()?.block_on(serve)
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let server = Arc::new(Mutex::new(Server::new()));
    loop {
        // The one timer of all sessions; a connection that is taken in sets it anew.
        let until = lock(&server).timeout().unwrap_or_else(far_future);
        match time::timeout_at(until, listener.accept()).await {
            Ok(Ok((socket, peer))) => join(&server, socket, peer),
            Ok(Err(error)) => {
                eprintln!("tokio_server: {error}");
                time::sleep(Duration::from_millis(100)).await; // what is short stays so for a while
            }
            Err(_) => {}
        }
        let mut server = lock(&server);
        let now = server.now();
        server.hub.handle_timeouts(now);
        server.turn(now);
    }
}

/// Takes in a connection.
fn join(shared: &Arc<Mutex<Server>>, socket: TcpStream, peer: SocketAddr) {
    let mut server = lock(shared);
    let now = server.now();
    let rights = Rights {
        publish: peer.ip().to_canonical().is_loopback(),
    };
    server.accepted += 1; // what a log would call it
    let (number, hub) = (server.accepted, &mut server.hub);
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
    let _ = socket.set_nodelay(true); // slower without, but right
    let (reader, writer) = socket.into_split();
    let (changed, writer) = (Arc::new(Notify::new()), Some(writer));
    let task = converse(Arc::clone(shared), id, reader, Arc::clone(&changed));
    server.peers.insert(id, Peer { writer, changed });
    tokio::spawn(task);
}

/// Waits for what a connection's socket does, until its session is over.
async fn converse(
    server: Arc<Mutex<Server>>,
    id: SessionId,
    reader: OwnedReadHalf,
    changed: Arc<Notify>,
) {
    let mut buffer = vec![0; READ];
    let mut ended = false;
    loop {
        let (is_over, is_behind) = {
            let hub = &lock(&server).hub;
            (hub.is_over(id), hub.is_behind(id))
        };
        if is_over {
            return;
        }
        let interest = if is_behind {
            Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        select! {
            _ = reader.ready(interest), if is_behind || !ended => {} // an error shows in what follows
            () = changed.notified() => continue,
        }
        let mut server = lock(&server);
        let now = server.now();
        if is_behind {
            server.hub.writable(id);
        } else {
            let kept = server.hub.take_unfinished(id, &mut buffer);
            let count = match reader.try_read(&mut buffer[kept..]) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    server.receive(id, &mut buffer[..kept], now);
                    continue;
                }
                Err(_) => 0, // the peer is gone
            };
            server.receive(id, &mut buffer[..kept + count], now);
            if count == 0 {
                ended = true;
                server.hub.receive_eof(id, now);
            }
        }
        server.turn(now);
    }
}

struct Server {
    hub: Hub<fn(&Fact<'_>)>,
    sequence: Sequence,
    peers: HashMap<SessionId, Peer>,
    accepted: u64,
    start: time::Instant,
}

struct Peer {
    /// Dropping it ends our direction of the connection.
    writer: Option<OwnedWriteHalf>,
    /// Its task has something else to wait for.
    changed: Arc<Notify>,
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
            start: time::Instant::now(),
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO.after(self.start.elapsed())
    }

    /// When time alone is a reason to go on.
    fn timeout(&self) -> Option<time::Instant> {
        let at = self.hub.poll_timeout()?;
        self.start.checked_add(at.since(Instant::ZERO))
    }

    /// Does what bytes ask for.
    fn receive(&mut self, id: SessionId, mut bytes: &mut [u8], now: Instant) {
        while !bytes.is_empty() {
            let taken = self.hub.receive(id, bytes, now);
            bytes = &mut bytes[taken..];
            self.turn(now);
        }
    }

    /// Hands out what was published, and writes what is due.
    fn turn(&mut self, now: Instant) {
        self.hub.hand_out(&mut self.sequence, now);
        while let Some(id) = self.hub.poll_transmit(now) {
            self.write(id);
        }
    }

    fn write(&mut self, id: SessionId) {
        let Self { hub, peers, .. } = self;
        let Some(peer) = peers.get_mut(&id) else {
            return;
        };
        let (was_behind, mut is_behind) = (hub.is_behind(id), false);
        while let Some(writer) = &peer.writer {
            let chunks: Vec<_> = hub.chunks(id).take(VECTOR).map(IoSlice::new).collect();
            if chunks.is_empty() {
                break;
            }
            match writer.try_write_vectored(&chunks) {
                Ok(count) => hub.sent(id, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    is_behind = true;
                    break;
                }
                Err(_) => hub.write_failed(id), // what the peer has said is still to be read
            }
        }
        if hub.take_shutdown(id) {
            peer.writer = None;
        }
        let is_over = hub.is_over(id);
        if is_over || is_behind != was_behind {
            peer.changed.notify_one();
        }
        if is_over {
            hub.leave(id);
            peers.remove(&id);
        }
    }
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For a timer that nothing is to wait for.
fn far_future() -> time::Instant {
    time::Instant::now() + Duration::from_secs(3600)
}
