//! Compression with other implementations of RFC 7692: their clients with our server and with the
//! daemon, our client with their servers, with takeover and without, and with small windows; and a browser
//! with the daemon.
//!
//! A trial whose tool is missing is ignored, and says so; with `CI=true` it fails instead.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{self, Command, ExitCode},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use campanile_core::{
    conn::{CloseCause, Config, Event, Role},
    deflate::{Agreed, Settings, WindowBits},
    handshake::Opening,
    wire::{CloseCode, Kind},
};
use campanile_std::{HashedMasks, Stream};
use campanile_tests::{Daemon, Program, hex, tools};
use libtest_mimic::{Arguments, Failed, Trial};

/// Whether there is takeover, and the bits of the windows, for both directions.
const MODES: [(bool, u8); 4] = [(true, 15), (false, 15), (true, 9), (false, 10)];

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The messages of these trials are larger than notifications.
const LIMITS: Config = Config {
    max_message: 1 << 20,
    ..Config::new()
};

/// How another implementation is run: the program, and its script.
type Run = fn() -> Command;

/// What is done with it.
type Part = fn(Run);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing_is_failure = env::var("CI").is_ok_and(|value| value == "true");
    let peers: [(&str, Result<PathBuf, String>, Run); 2] = [
        ("node_ws", tools::node_with("ws"), node_ws),
        ("python_websockets", tools::python_with_websockets(), python),
    ];
    let mut skipped = Vec::new();
    let mut trials = Vec::new();
    for (name, tool, run) in peers {
        let missing = tool.err();
        let ignored = missing.is_some() && !missing_is_failure;
        if let (Some(why), true) = (&missing, ignored) {
            skipped.push(format!(
                "skipped compression with {name}: {why}; install it with: sh tests/clients/install.sh"
            ));
        }
        let parts: [(&str, Part); 3] = [
            ("the_daemon_and_a_client_of", the_daemon),
            ("a_server_of_ours_and_a_client_of", our_server),
            ("a_client_of_ours_and_a_server_of", our_client),
        ];
        for (part, play) in parts {
            let missing = missing.clone();
            let trial = Trial::test(format!("{part}_{name}"), move || match missing {
                None => {
                    play(run);
                    Ok(())
                }
                Some(why) => Err(Failed::from(why)),
            });
            trials.push(trial.with_ignored_flag(ignored));
        }
    }
    let missing = tools::chromium()
        .and_then(|_| tools::node_with("playwright-core"))
        .err();
    let ignored = missing.is_some() && !missing_is_failure;
    if let (Some(why), true) = (&missing, ignored) {
        skipped.push(format!(
            "skipped compression with a browser: {why}; install it with: sh tests/clients/install.sh"
        ));
    }
    let parts: [(&str, fn()); 2] = [
        ("the_daemon_and_a_browser", || {
            a_browser(false);
            a_browser(true);
        }),
        ("a_server_of_ours_and_a_browser", small_windows_in_a_browser),
    ];
    for (part, play) in parts {
        let missing = missing.clone();
        let trial = Trial::test(part, move || match missing {
            None => {
                play();
                Ok(())
            }
            Some(why) => Err(Failed::from(why)),
        });
        trials.push(trial.with_ignored_flag(ignored));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        skipped.iter().for_each(|line| eprintln!("{line}"));
    }
    conclusion.exit_code()
}

fn node_ws() -> Command {
    let mut command = Command::new(tools::node_with("ws").expect("it was found"));
    command.env("NODE_PATH", tools::node_modules());
    command.arg(tools::clients().join("deflate.cjs"));
    command
}

fn python() -> Command {
    let mut command = Command::new(tools::python_with_websockets().expect("it was found"));
    command.arg(tools::clients().join("deflate.py"));
    command
}

fn settings(takeover: bool, window: u8) -> Settings {
    let window = WindowBits::new(window).expect("8 to 15");
    Settings {
        send_window: window,
        receive_window: window,
        send_takeover: takeover,
        receive_takeover: takeover,
        threshold: 0,
        larger_too: takeover,
        ..Settings::server()
    }
}

fn check(agreed: Option<Agreed>, takeover: bool, window: u8) {
    let agreed = agreed.expect("compression is agreed on");
    for direction in [agreed.server, agreed.client] {
        assert_eq!(direction.takeover, takeover);
        assert_eq!(direction.window.get(), window);
    }
}

fn our_server(run: Run) {
    for (takeover, window) in MODES {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("ws://{}", listener.local_addr().expect("it is bound"));
        let echoing = thread::spawn(move || {
            let (socket, _) = listener.accept().expect("a client comes");
            // Ours takes what the client asks for.
            let all = settings(true, 15);
            let stream = Stream::accept_deflating(patient(socket), &LIMITS, &all);
            let mut stream = stream.expect("it is a WebSocket's");
            let agreed = stream.deflate();
            let heard = echo(&mut stream);
            (agreed, heard, stream.closed_by())
        });
        let mut command = run();
        command.args(["client", &url, &takeover.to_string(), &window.to_string()]);
        let ended = Program::run(&mut command);
        let (agreed, heard, closed) = echoing.join().expect("the echo ends");
        assert!(ended.status.success(), "{takeover} {window}: {ended:?}");
        check(agreed, takeover, window);
        assert!(heard >= 11, "{heard} messages");
        assert_eq!(closed, Some(CloseCause::Peer(Some(CloseCode::NORMAL))));
        // Where the client says so, what was on the wire is less than what was said.
        let output = String::from_utf8_lossy(&ended.output).into_owned();
        let figures: Vec<u64> = output
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        if let [said, written, read] = figures[..] {
            assert!(written < said / 2 && read < said / 2, "{output}");
        }
    }
}

/// The daemon never refers to earlier messages of its own, and lets clients do so where it was told to.
fn the_daemon(run: Run) {
    for (takeover, window) in MODES {
        let arguments = ["--compression", "on", "--max-message", "1048576"];
        let more: &[&str] = if takeover {
            &["--compression-client-takeover", "on"]
        } else {
            &[]
        };
        let daemon = Daemon::with(&[&arguments[..], more].concat());
        let mut command = run();
        command.args(["daemon", &daemon.url()]);
        command.args([takeover.to_string(), window.to_string()]);
        let ended = Program::run(&mut command);
        assert!(ended.status.success(), "{takeover} {window}: {ended:?}");
        let output = String::from_utf8_lossy(&ended.output).into_owned();
        assert!(output.contains("server_no_context_takeover"), "{output}");
        let refuses = output.contains("client_no_context_takeover");
        assert_eq!(refuses, !takeover, "{output}");
        let figures: Vec<u64> = output
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        if let [said, written, read] = figures[..] {
            assert!(written < said / 2 && read < said / 2, "{output}");
        }
    }
}

/// Chromium compresses and inflates as it always does, which is seen on the wire between the two; it
/// refers to its earlier messages where it may.
fn a_browser(takeover: bool) {
    let subscription = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}"#;
    let file = written("daemon", subscription);
    let takes = if takeover { "on" } else { "off" };
    let arguments = [
        "--compression",
        "on",
        "--compression-client-takeover",
        takes,
    ];
    let daemon = Daemon::with(&arguments);
    let tap = Tap::before(daemon.address());
    let mut browser = browse(&tap.url(), &file);
    assert_eq!(browser.next_line(), "ready");
    let all = [1, 100, 1500, 2, 101].map(news);
    for news in &all {
        daemon.publish(news);
        let line = browser.next_line();
        assert_eq!(line, format!("message {}", hex(news.as_bytes())));
    }
    browser.finish();
    let _ = fs::remove_file(&file);

    let (asked, said) = tap.recorded(0);
    assert!(
        asked.contains(
            "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        ),
        "{asked}"
    );
    let (answered, heard) = tap.recorded(1);
    let agreed = if takeover {
        ""
    } else {
        "; client_no_context_takeover"
    };
    assert!(
        answered.contains(&format!(
            "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover{agreed}\r\n"
        )),
        "{answered}"
    );
    assert!(said.iter().any(|frame| frame.compressed), "{said:?}");
    // The pong and the short ones as they are, the long ones compressed.
    let compressed: Vec<bool> = heard.iter().map(|frame| frame.compressed).collect();
    assert_eq!(compressed, [false, false, true, true, false, true]);
    let long = heard
        .iter()
        .zip([0].into_iter().chain(all.iter().map(String::len)));
    for (frame, len) in long.filter(|(frame, _)| frame.compressed) {
        assert!(frame.len * 3 < len, "{} bytes of {len}", frame.len);
    }
}

/// Chromium keeps its distances within a small window where that is agreed on, or our inflater, which
/// has no more memory than that, would not understand it; and it understands ours.
fn small_windows_in_a_browser() {
    let pages: Vec<String> = (0..120_u32)
        .map(|i| format!(r#"{{"package":"p","page":"page {}"}}"#, i * 7919 % 1000))
        .collect();
    let subscription = format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        pages.join(",")
    );
    let file = written("windows", &subscription);
    for (takeover, window) in MODES {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let tap = Tap::before(listener.local_addr().expect("it is bound"));
        let mut browser = browse(&tap.url(), &file);
        let (socket, _) = listener.accept().expect("the browser comes");
        let ours = settings(takeover, window);
        let stream = Stream::accept_deflating(patient(socket), &LIMITS, &ours);
        let mut stream = stream.expect("it is a WebSocket's");
        check(stream.deflate(), takeover, window);
        assert_eq!(next_message(&mut stream).1, subscription.as_bytes());
        assert_eq!(next_message(&mut stream).1, br#"{"type":"ping"}"#);
        let pong = br#"{"type":"pong"}"#;
        say(&mut stream, pong);
        assert_eq!(browser.next_line(), "ready");
        let all = [1, 100, 1500, 1, 100].map(news);
        for news in &all {
            say(&mut stream, news.as_bytes());
            let line = browser.next_line();
            assert_eq!(line, format!("message {}", hex(news.as_bytes())));
        }
        browser.finish();

        let bits = if window == 15 {
            String::new()
        } else {
            format!("; server_max_window_bits={window}; client_max_window_bits={window}")
        };
        let (answered, heard) = tap.recorded(1);
        for parameter in bits.split("; ").filter(|parameter| !parameter.is_empty()) {
            assert!(answered.contains(parameter), "{parameter} in {answered}");
        }
        let [_, heard @ ..] = &heard[..] else {
            panic!("the pong went first");
        };
        assert!(heard.iter().all(|frame| frame.compressed), "{heard:?}");
        assert_eq!(heard.len(), all.len());
        let is_less = heard[3].len < heard[0].len;
        assert_eq!(is_less, takeover, "where it was said before: {heard:?}");
        let (_, said) = tap.recorded(0);
        let first = said.first().expect("the subscription was sent");
        assert!(
            first.compressed && first.len * 2 < subscription.len(),
            "{said:?}"
        );
    }
    let _ = fs::remove_file(&file);
}

/// A file that a browser's subscription is read from.
fn written(name: &str, subscription: &str) -> PathBuf {
    let file = env::temp_dir().join(format!("campanile-{}-compression-{name}", process::id()));
    fs::write(&file, subscription).expect("there is room");
    file
}

/// Chromium, with a page that subscribes and shows what it hears.
fn browse(url: &str, subscription: &Path) -> Program {
    let mut command = Command::new(tools::node_with("playwright-core").expect("it was found"));
    command.env("NODE_PATH", tools::node_modules());
    command.arg(tools::clients().join("browser.cjs"));
    command.arg(tools::chromium().expect("it was found"));
    command.args([url, subscription.to_str().expect("it is text")]);
    Program::start(&mut command)
}

/// A notification of so many rows.
fn news(rows: u32) -> String {
    let row = |i: u32| format!(r#"{{"id":{},"name":"café {i}"}}"#, i * 7919 % 1000);
    let rows: Vec<String> = (0..rows).map(row).collect();
    let rows = rows.join(",");
    format!(r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":[{rows}]}}}}"#)
}

/// A proxy that records what goes through it, for one connection.
struct Tap {
    port: u16,
    /// What the client said, and what the server said.
    sides: [Arc<Mutex<Vec<u8>>>; 2],
}

/// A data frame on the wire.
#[derive(Debug)]
struct OnWire {
    compressed: bool,
    len: usize,
}

impl Tap {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let sides = [0, 1].map(|_| Arc::new(Mutex::new(Vec::new())));
        let [said, heard] = sides.clone();
        thread::spawn(move || {
            let (client, _) = listener.accept().expect("a client comes");
            let server = TcpStream::connect(server).expect("the daemon listens");
            let copy = |from: &TcpStream, to: &TcpStream, record: Arc<Mutex<Vec<u8>>>| {
                let [mut from, mut to] = [from, to].map(|socket| socket.try_clone().expect("room"));
                move || {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        // Before it is passed on: who has heard it may look here.
                        record
                            .lock()
                            .expect("nobody panics")
                            .extend(&bytes[..count]);
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                }
            };
            thread::spawn(copy(&client, &server, said));
            copy(&server, &client, heard)();
        });
        Self { port, sides }
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The head of one side, and its data frames behind it.
    fn recorded(&self, side: usize) -> (String, Vec<OnWire>) {
        let bytes = self.sides[side].lock().expect("nobody panics").clone();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, mut rest) = bytes.split_at(end.expect("it has a head") + 4);
        let mut frames = Vec::new();
        while let [first, second, behind @ ..] = rest {
            let (size, masked) = (second & 0x7F, second & 0x80 != 0);
            let (len, behind) = match (size, behind) {
                (126, [a, b, behind @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), behind),
                (126.., _) => panic!("no frame here is that long"),
                (len, behind) => (usize::from(len), behind),
            };
            rest = &behind[len + if masked { 4 } else { 0 }..];
            if first & 0x0F < 8 {
                let compressed = first & 0x40 != 0;
                frames.push(OnWire { compressed, len });
            }
        }
        (String::from_utf8_lossy(head).into_owned(), frames)
    }
}

fn our_client(run: Run) {
    for (takeover, window) in MODES {
        let mut command = run();
        command.args(["server", &takeover.to_string(), &window.to_string()]);
        let mut program = Program::start(&mut command);
        let port: u16 = program.next_line().parse().expect("it prints its port");
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let opening = Opening::new("localhost", "/");
        let ours = settings(takeover, window);
        let masks = HashedMasks::new();
        let stream = Stream::connect_deflating(patient(socket), &opening, masks, &LIMITS, &ours);
        let mut stream = stream.expect("it is a WebSocket server");
        check(stream.deflate(), takeover, window);
        for (kind, message) in messages() {
            stream.send(kind, &message).expect("it is open");
            assert_eq!(next_message(&mut stream), (kind, message));
        }
        stream.close(CloseCode::NORMAL, "").expect("it is open");
        while stream.fill().expect("the server closes in order") {
            stream.messages().for_each(drop);
        }
        program.close_input();
        program.wait();
    }
}

fn messages() -> Vec<(Kind, Vec<u8>)> {
    let rows = |count: u32| {
        let row = |i: u32| format!(r#"{{"id":{},"name":"café {i}"}},"#, i * 7919 % 1000);
        (0..count).map(row).collect::<String>().into_bytes()
    };
    let noise = (0..5000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    vec![
        (Kind::Text, Vec::new()),
        (Kind::Text, b"a".to_vec()),
        (Kind::Text, rows(1)),
        (Kind::Text, rows(1)),
        (Kind::Binary, noise.collect()),
        (Kind::Text, rows(1000)),
        (Kind::Binary, rows(100)),
        (Kind::Text, Vec::new()),
        (Kind::Text, rows(30)),
    ]
}

/// A socket that does not wait for ever.
fn patient(socket: TcpStream) -> TcpStream {
    socket.set_nodelay(true).expect("it is a socket");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("it is a socket");
    socket
}

/// Sends every message back until the connection is over; how many there were.
fn echo<R: Role>(stream: &mut Stream<TcpStream, R>) -> usize {
    let mut count = 0;
    while stream.fill().expect("the transport holds") {
        let mut events = stream.messages();
        while let Some(event) = events.next() {
            if let Event::Data(message) = event.expect("the peer keeps to the rules") {
                count += 1;
                events
                    .send(message.kind, message.bytes)
                    .expect("it is open");
            }
        }
    }
    count
}

fn say<R: Role>(stream: &mut Stream<TcpStream, R>, text: &[u8]) {
    stream.send(Kind::Text, text).expect("it is open");
    stream.flush().expect("the transport holds");
}

fn next_message<R: Role>(stream: &mut Stream<TcpStream, R>) -> (Kind, Vec<u8>) {
    while stream.fill().expect("the transport holds") {
        for event in stream.messages() {
            if let Event::Data(message) = event.expect("the peer keeps to the rules") {
                return (message.kind, message.bytes.to_vec());
            }
        }
    }
    panic!("no message, but {:?}", stream.closed_by());
}
