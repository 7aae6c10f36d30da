//! The notification server, on blocking sockets.
//!
//! [`serve`] gives each connection two threads with small stacks, one that reads and one that writes,
//! and all of them one hub behind a lock. Nobody waits for a socket while the hub is locked: what is due
//! to a connection goes to a pipe of its own, and what that has no room for waits in the hub's
//! outbox, whose limits apply. So whoever does not read holds up a thread of its own, and nobody else.
//!
//! It is for a few thousand clients, and for programs without an executor; more are better off
//! with `campanile-smol`, where a connection costs no thread.
//!
//! ```
//! use std::{net::TcpListener, sync::mpsc, thread};
//!
//! use campanile_std::server::{self, Options};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! println!("serving on ws://{}", listener.local_addr()?);
//! let (end, ended) = mpsc::channel::<()>();
//! let serving = thread::spawn(move || {
//!     let observer = |fact: &server::Fact<'_>| println!("{fact:?}");
//!     server::serve(listener, Options::default(), observer, |_| {
//!         let _ = ended.recv();
//!     })
//! });
//! end.send(())?; // at once, since this is an example
//! serving.join().expect("no panic")?;
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod accept;
mod connection;
mod pipe;
mod state;

use core::{
    fmt,
    hash::{BuildHasher as _, Hasher as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use std::{
    hash::RandomState,
    io,
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, Scope, ScopedJoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};

pub use campanile_core::server::{Counters, Fact, Meter, Options, Publishers};
use campanile_core::{
    hub::{Announced, HashKey, Hub, Inspection},
    notify::Refusal,
};

use crate::clock::Clock;
use state::{State, Watch};

/// The stack of each thread: what the hub needs in a debug build, and the observer, several times over.
/// What is not used of it costs address space and no memory.
const STACK: usize = 256 * 1024;

/// How long the attempt takes at most to wake the thread that accepts, and how long it may take to end
/// before the next one.
const WAKE: Duration = Duration::from_secs(1);
const WAKE_PAUSE: Duration = Duration::from_millis(5);

/// What all threads share.
struct Server<'o> {
    observer: Observer<'o>,
    clock: Clock,
    state: Mutex<State<'o>>,
    /// Time matters again: somebody has come, or the server ends.
    woken: Condvar,
    is_stopping: AtomicBool,
}

/// Who is told what happens.
type Observer<'o> = &'o (dyn Fn(&Fact<'_>) + Send + Sync + 'o);

/// Changes how a server serves, and tells what it does, meanwhile.
pub struct Control<'s> {
    server: &'s dyn Controlled,
    meter: Arc<Meter>,
}

/// What can be asked of a server, whatever its observer borrows.
trait Controlled {
    fn reconfigure(&self, options: Options);
    fn turn(&self);
    fn inspect(&self, look: &mut dyn FnMut(Inspection<'_>));
    fn announce(&self, message: &str) -> Result<Announced, Refusal>;
}

impl Controlled for Server<'_> {
    fn reconfigure(&self, options: Options) {
        self.lock().reconfigure(options);
    }

    fn turn(&self) {
        drop(self.lock());
    }

    fn inspect(&self, look: &mut dyn FnMut(Inspection<'_>)) {
        look(self.lock().hub.inspect());
    }

    fn announce(&self, message: &str) -> Result<Announced, Refusal> {
        self.lock().announce(message, self.clock.now())
    }
}

impl Control<'_> {
    /// From now on `options` are in force. Connections stay, and the limits on messages and on what may
    /// wait are theirs too ([`Hub::reconfigure`]); times and the size of messages are those of
    /// connections that come later.
    pub fn reconfigure(&self, options: Options) {
        self.server.reconfigure(options);
    }

    /// Looks at the hub, which is locked meanwhile: whoever looks at many sessions should come back for
    /// some at a time.
    pub fn inspect(&self, look: impl FnOnce(Inspection<'_>)) {
        let mut look = Some(look);
        self.server.inspect(&mut |inspection| {
            if let Some(look) = look.take() {
                look(inspection);
            }
        });
    }

    /// Publishes a publisher's `message` of the server's own, whose [`Fact`] has the connection
    /// [`Hub::OWN`]. Tells what became of it.
    ///
    /// # Errors
    /// The message is refused, as it would be if a publisher had sent it, or is none of a publisher's.
    pub fn announce(&self, message: &str) -> Result<Announced, Refusal> {
        self.server.announce(message)
    }

    /// Waits until the hub is free for a moment: while a thread hangs with it, that is for ever.
    pub fn turn(&self) {
        self.server.turn();
    }

    /// Where the server shows what it does and holds, but for the latencies.
    #[must_use]
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

impl fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// Serves on `listener`, in threads of its own, and tells `observer` what happens, who must be quick:
/// the hub is locked meanwhile. `attend` is called in this thread, with the means to change the options
/// meanwhile; when it returns, the server accepts no more connections, closes those that there are, and
/// returns; no thread is left then.
///
/// The thread that accepts is woken by a connection to the listener's own address; where nobody can
/// connect to that from here, it ends when the next client comes.
///
/// # Errors
/// The system refuses a thread, or to tell the listener's address.
pub fn serve(
    listener: TcpListener,
    options: Options,
    observer: impl Fn(&Fact<'_>) + Send + Sync,
    attend: impl FnOnce(Control<'_>),
) -> io::Result<()> {
    let local = listener.local_addr()?;
    listener.set_nonblocking(false)?;
    let server = Server::new(options, &observer);
    let server = &server;
    thread::scope(|threads| {
        spawn(threads, "time", || server.keep_time())?;
        let accepting = spawn(threads, "accept", move || {
            accept::run(server, &listener, threads);
        });
        if let Ok(accepting) = &accepting {
            let meter = Arc::clone(&server.lock().meter);
            attend(Control { server, meter });
            (server.observer)(&Fact::Draining);
            server.stop_accepting(local, accepting);
        }
        server.drain();
        accepting.map(drop)
    })
}

fn spawn<'scope>(
    threads: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, ()>> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.stack_size(STACK).spawn_scoped(threads, run)
}

impl<'o> Server<'o> {
    fn new(options: Options, observer: Observer<'o>) -> Self {
        Self {
            observer,
            clock: Clock::start(),
            state: Mutex::new(State::new(options, observer)),
            woken: Condvar::new(),
            is_stopping: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'o>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the hub, and what follows from it.
    fn turn(&self, act: impl FnOnce(&mut Hub<Watch<'o>>)) {
        let mut state = self.lock();
        act(&mut state.hub);
        state.flush(self.clock.now());
    }

    /// Tells the hub the time, until the server has ended.
    fn keep_time(&self) {
        let mut state = self.lock();
        loop {
            let Some(next) = state.time(self.clock.now()) else {
                return;
            };
            let wait = next.map_or(Duration::MAX, |at| self.clock.until(at));
            let woken = self.woken.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until nobody accepts any more.
    fn stop_accepting(&self, mut local: SocketAddr, accepting: &ScopedJoinHandle<'_, ()>) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if local.ip().is_unspecified() {
            local.set_ip(match local {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        while !accepting.is_finished() {
            drop(TcpStream::connect_timeout(&local, WAKE));
            thread::sleep(WAKE_PAUSE);
        }
    }

    /// Closes everybody.
    fn drain(&self) {
        self.lock().drain(self.clock.now());
        self.woken.notify_one();
    }
}

/// What the standard library's own tables are keyed with, which comes from the system.
fn random_key() -> HashKey {
    HashKey([0; 2].map(|_: u64| RandomState::new().build_hasher().finish()))
}

/// Milliseconds since 1970; anything where the clock is before that.
fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
