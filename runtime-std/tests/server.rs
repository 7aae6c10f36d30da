//! The server in this process: what of it can be seen only from inside.

// `clippy.toml` allows it in tests, and does not see that their helpers are tests too.
#![allow(clippy::unwrap_used)]

use core::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Instant,
};

use campanile_core::{
    conn::{Client, CloseCause, Config, Event},
    handshake::Opening,
    hub,
    wire::Kind,
};
use campanile_std::{
    HashedMasks, Stream,
    server::{self, Control, Counters, Fact, Options},
};

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

const SUBSCRIPTION: &str = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}"#;

const PING: &str = r#"{"type":"ping"}"#;

/// The threads of a process are counted: one server at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Server {
    address: SocketAddr,
    counters: Arc<Counters>,
    /// What ended sessions.
    ended: mpsc::Receiver<CloseCause>,
    stop: mpsc::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
    _alone: MutexGuard<'static, ()>,
}

impl Server {
    fn start(options: Options) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(threads(), [""; 0]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let counters = Arc::new(Counters::default());
        let observer = {
            let counters = Arc::clone(&counters);
            move |fact: &Fact<'_>| {
                counters.count(fact);
                if let Fact::Session(hub::Fact::Disconnected { cause, .. }) = fact {
                    let _ = end.send(*cause);
                }
            }
        };
        let serving = thread::spawn(move || {
            server::serve(listener, options, observer, |_| {
                let _ = stopped.recv();
            })
        });
        Self {
            address,
            counters,
            ended,
            stop,
            serving,
            _alone: alone,
        }
    }

    fn connect(&self) -> Stream<TcpStream, Client<HashedMasks>> {
        let socket = TcpStream::connect(self.address).unwrap();
        let opening = Opening::new("localhost", "/");
        Stream::connect(socket, &opening, HashedMasks::new(), &Config::new()).unwrap()
    }

    /// A client whose subscription is in force, and whose socket is read no more.
    fn deaf(&self) -> Stream<TcpStream, Client<HashedMasks>> {
        let mut client = self.connect();
        send(&mut client, SUBSCRIPTION);
        send(&mut client, PING);
        assert_eq!(next_text(&mut client).unwrap(), r#"{"type":"pong"}"#);
        client
    }

    fn publish(&self, message: &str) {
        let mut publisher = self.connect();
        send(&mut publisher, message);
        assert_eq!(next_text(&mut publisher), None);
    }

    /// Publishes so much that whoever reads nothing of it has no room left.
    fn flood(&self) {
        let fill = "x".repeat(60_000);
        for _ in 0..200 {
            self.publish(&format!(
                r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{fill}"}}}}"#
            ));
        }
    }

    fn counter(&self, name: &str) -> u64 {
        let mut counters = self.counters.iter();
        counters.find(|(own, _)| *own == name).unwrap().1
    }

    /// Has the server end; nothing of it is left then.
    fn end(self) {
        self.stop.send(()).unwrap();
        self.serving.join().unwrap().unwrap();
        // What the system still has to do for one that has ended takes no part in anything.
        wait_until(|| threads().is_empty());
        assert!(TcpStream::connect(self.address).is_err());
    }
}

fn send(client: &mut Stream<TcpStream, Client<HashedMasks>>, message: &str) {
    client.send(Kind::Text, message.as_bytes()).unwrap();
    client.flush().unwrap();
}

/// The next message; `None` when the connection is over.
fn next_text(client: &mut Stream<TcpStream, Client<HashedMasks>>) -> Option<String> {
    while client.fill().unwrap() {
        for event in client.messages() {
            if let Event::Data(message) = event.unwrap() {
                return Some(String::from_utf8(message.bytes.to_vec()).unwrap());
            }
        }
    }
    None
}

/// The names of those of this process's threads that are a server's.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux has it");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let own = ["time", "accept", "reader", "writer"];
    names
        .map(|name| name.trim_end().to_owned())
        .filter(|name| own.contains(&name.as_str()))
        .collect()
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it does not become so");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_ends_closes_everybody_and_leaves_no_thread_behind() {
    let server = Server::start(Options::default());
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let _silent = TcpStream::connect(server.address).unwrap();
    wait_until(|| threads().len() == 2 + 2 * 21);
    let closing = thread::spawn(move || {
        for client in &mut clients {
            let error = next_text(client).unwrap();
            assert!(error.contains("shutting_down"), "{error}");
            assert_eq!(next_text(client), None);
            assert_eq!(client.closed_by().unwrap().code(), 1001);
        }
    });
    server.end();
    closing.join().unwrap();
}

#[test]
fn a_server_that_nobody_came_to_ends() {
    Server::start(Options::default()).end();
}

#[test]
fn connections_that_have_come_and_gone_leave_no_thread_behind() {
    let server = Server::start(Options::default());
    for _ in 0..50 {
        let mut client = server.connect();
        send(&mut client, PING);
        assert!(next_text(&mut client).is_some());
    }
    wait_until(|| threads().len() == 2);
    server.end();
}

#[test]
fn who_takes_nothing_and_answers_no_ping_is_cut_off_in_time() {
    let mut options = Options::default();
    options.hub.connection.ping_interval = Some(Duration::from_millis(200));
    options.hub.connection.pong_timeout = Duration::from_millis(500);
    // So much may wait that it is no slow consumer.
    options.hub.outbox.bytes = usize::MAX;
    options.hub.outbox.frames = usize::MAX;
    let server = Server::start(options);
    let deaf = server.deaf();
    server.flood();
    wait_until(|| {
        server
            .ended
            .try_iter()
            .any(|cause| cause == CloseCause::Overdue)
    });
    wait_until(|| threads().len() == 2);
    assert_eq!(server.counter("slow_consumers"), 0);
    drop(deaf);
    server.end();
}

#[test]
fn who_takes_nothing_does_not_keep_the_server_from_ending() {
    let options = Options {
        drain_window: Duration::ZERO,
        drain_grace: Duration::from_millis(200),
        ..Options::default()
    };
    let server = Server::start(options);
    let _deaf = server.deaf();
    server.flood();
    wait_until(|| server.counter("slow_consumers") == 1);
    server.end();
}

#[test]
fn a_turn_waits_for_who_hangs_with_the_hub() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, hangs) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let observer = |fact: &Fact<'_>| {
        if let Fact::Session(hub::Fact::Connected { .. }) = fact {
            tell.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
        }
    };
    let is_open = AtomicBool::new(false);
    let attend = |control: Control<'_>| {
        control.turn();
        let connecting = thread::spawn(move || {
            let socket = TcpStream::connect(address).unwrap();
            let opening = Opening::new("localhost", "/");
            Stream::connect(socket, &opening, HashedMasks::new(), &Config::new()).unwrap()
        });
        hangs.recv().unwrap();
        thread::scope(|threads| {
            threads.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                is_open.store(true, Ordering::SeqCst);
                open.send(()).unwrap();
            });
            control.turn();
            assert!(is_open.load(Ordering::SeqCst));
        });
        drop(connecting.join().unwrap());
    };
    server::serve(listener, Options::default(), observer, attend).unwrap();
    wait_until(|| threads().is_empty());
}
