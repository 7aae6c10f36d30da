//! Compression with other implementations of RFC 7692: their clients with our server, our client with
//! their servers, with takeover and without, and with small windows.
//!
//! A trial whose tool is missing is ignored, and says so; with `CI=true` it fails instead.

use std::{
    env,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, ExitCode},
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
use campanile_tests::{Program, tools};
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
        let parts: [(&str, Part); 2] = [
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
