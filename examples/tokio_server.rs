//! A notification server on tokio: a task for each connection, and one `Driver` behind a lock for all.
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
use std::{env, time::Duration, time::UNIX_EPOCH};

use campanile_core::hub::{AdmissionLimits, HashKey, SessionId};
use campanile_core::server::{Driver, Interest, Options, Progress, Transport};
use campanile_core::{Instant, hub::Fact};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::{net::TcpListener, runtime, select, sync::watch, time};

/// The most connections at once; what a process may open of descriptors is the upper limit.
const PEERS: usize = 200;

type Shared = Arc<Mutex<Driver<Socket>>>;

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let serve = serve(address.as_deref().unwrap_or("127.0.0.1:8000"));
    let mut runtime = runtime::Builder::new_current_thread(); // one of many threads would do as well
    runtime.enable_all().build()?.block_on(serve)
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let start = time::Instant::now();
    let mut options = Options::default();
    options.admission = AdmissionLimits {
        connections: PEERS,
        ..options.admission
    };
    let key = HashKey([0; 2].map(|_: u64| RandomState::new().hash_one(()))); // the system's randomness
    let epoch = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() * 1000;
    let driver = Driver::new(options, key, epoch, |_: &Fact<'_>| {}); // a log would be written there
    let shared = Shared::new(Mutex::new(driver));
    loop {
        // The one timer of all sessions; a connection that is taken in sets it anew.
        let due = lock(&shared).poll_timeout();
        let due = due.and_then(|at| start.checked_add(at.since(Instant::ZERO)));
        let due = due.unwrap_or_else(|| time::Instant::now() + Duration::from_secs(3600));
        let accepted = time::timeout_at(due, listener.accept()).await;
        let now = Instant::ZERO.after(start.elapsed());
        match accepted {
            Ok(Ok((stream, peer))) => {
                let _ = stream.set_nodelay(true); // slower without, but right
                let (reader, writer) = stream.into_split();
                let (reader, (waits, interest)) =
                    (Arc::new(reader), watch::channel(Interest::Readable));
                let socket = Socket {
                    reader: Arc::clone(&reader),
                    writer: Some(writer),
                    waits,
                };
                if let Some(id) = lock(&shared).join(socket, peer, now) {
                    tokio::spawn(converse(Arc::clone(&shared), id, reader, interest, start));
                }
            }
            Ok(Err(error)) => {
                eprintln!("tokio_server: {error}");
                time::sleep(Duration::from_millis(100)).await; // what is short stays so for a while
            }
            Err(_) => {} // it is time
        }
        lock(&shared).turn(now);
    }
}

/// Waits for what a connection's socket does, until its session is over.
async fn converse(
    shared: Shared,
    id: SessionId,
    reader: Arc<OwnedReadHalf>,
    mut interest: watch::Receiver<Interest>,
    start: time::Instant,
) {
    loop {
        let waits = *interest.borrow_and_update();
        let ready = match waits {
            Interest::Writable => tokio::io::Interest::WRITABLE,
            Interest::Readable | Interest::Nothing => tokio::io::Interest::READABLE,
        };
        select! {
            changed = interest.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return, // the driver has dropped its part
            },
            _ = reader.ready(ready), if waits != Interest::Nothing => {} // an error shows in what follows
        }
        let mut driver = lock(&shared);
        match waits {
            Interest::Writable => driver.writable(id),
            Interest::Readable | Interest::Nothing => driver.readable(id),
        }
        driver.turn(Instant::ZERO.after(start.elapsed()));
    }
}

struct Socket {
    reader: Arc<OwnedReadHalf>,
    /// Dropping it ends our direction of the connection.
    writer: Option<OwnedWriteHalf>,
    waits: watch::Sender<Interest>,
}

impl Transport for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        progress(self.reader.try_read(buffer))
    }

    fn write(&mut self, chunks: &[&[u8]]) -> Progress {
        let slices: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let writer = self.writer.as_ref();
        writer.map_or(Progress::Failed, |writer| {
            progress(writer.try_write_vectored(&slices))
        })
    }

    fn shutdown(&mut self) {
        self.writer = None;
    }

    fn wait_for(&mut self, interest: Interest) {
        self.waits.send_replace(interest);
    }
}

fn progress(result: io::Result<usize>) -> Progress {
    match result {
        Ok(count) => Progress::Done(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Blocked,
        Err(_) => Progress::Failed,
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Driver<Socket>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
