//! What every example does, whatever it runs on: one list of behaviours, one trial for each of them
//! and each example.
//!
//! The clients are the hand-made one of the integration tests, tungstenite, and for the notification
//! servers node's ws, without which its trials are skipped (with `CI=true`, they fail). The trials that wait
//! for a silent peer to be given up take up to a minute and are run with `--ignored` only.

use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, thread};

use campanile_core::conn::Violation;
use campanile_tests::{Daemon, Frame, PATIENCE, Received, Wire};
use libtest_mimic::{Arguments, Trial};
use tungstenite::{Message, WebSocket, protocol::frame::coding::CloseCode};

/// The echo servers.
const EXAMPLES: [&str; 4] = ["bare_echo", "std_echo", "mio_echo", "tokio_echo"];

/// How many connections an example takes at once.
const PEERS: usize = 200;

/// The largest message that an example takes.
const MAX_MESSAGE: u64 = 16 << 20;

/// The most fragments of one message.
const MAX_FRAGMENTS: usize = 1 << 17;

type Behaviour = (&'static str, fn(&Daemon));

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

mod notifications; // behind the macro, which it uses

const BEHAVIOURS: &[Behaviour] = behaviours![
    a_message_of_any_length_comes_back,
    fragments_come_back_as_one_message,
    bytes_may_come_one_by_one,
    a_frame_may_be_cut_anywhere,
    a_frame_may_come_with_the_request,
    a_ping_is_answered,
    a_ping_between_fragments_is_answered,
    a_close_is_answered_with_its_code,
    what_comes_behind_a_close_is_swallowed,
    a_broken_rule_is_answered_with_its_code_and_reason,
    a_close_frame_arrives_under_bytes_that_still_come,
    a_wrong_request_gets_its_status,
    who_is_refused_may_go_on_sending_for_a_moment,
    a_peer_that_only_listens_still_gets_its_answers,
    a_peer_may_leave_at_any_byte,
    many_clients_are_served_at_once,
    who_does_not_read_holds_up_nobody_else,
    only_so_many_are_served_at_once,
    a_client_of_somebody_else_is_served,
];

const SLOW_BEHAVIOURS: &[Behaviour] = behaviours![who_falls_silent_is_given_up];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for example in EXAMPLES {
        for (behaviours, slow) in [(BEHAVIOURS, false), (SLOW_BEHAVIOURS, true)] {
            for &(name, behaviour) in behaviours {
                let trial = Trial::test(format!("{example}::{name}"), move || {
                    behaviour(&start(example));
                    Ok(())
                });
                trials.push(trial.with_ignored_flag(slow));
            }
        }
    }
    let (more, skipped) = notifications::trials();
    trials.extend(more);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        skipped.iter().for_each(|line| eprintln!("{line}"));
    }
    conclusion.exit_code()
}

/// The example as a process, which must still run, and not have panicked, when this is dropped.
fn start(example: &str) -> Daemon {
    // `cargo test` builds the examples of a package before it runs the tests.
    let mut path: PathBuf = env::current_exe().expect("the path of this test");
    path.pop();
    path.set_file_name("examples");
    path.push(format!("{example}{}", env::consts::EXE_SUFFIX));
    Daemon::from_command(Command::new(path).arg("127.0.0.1:0"))
}

fn a_message_of_any_length_comes_back(daemon: &Daemon) {
    let mut wire = daemon.connect();
    // Around the forms of a length, and around the buffers of the examples (8 and 64 KiB).
    let limits = [0, 125, 126, 8192, 65_535, 65_536, 200_000];
    for length in limits.into_iter().flat_map(|limit| [limit, limit + 1]) {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        wire.send_frame(&Frame::binary(bytes.clone()));
        assert!(wire.receive() == Received::Binary(bytes), "{length} bytes");
        let text: String = "aé€🔔".chars().cycle().take(length / 3).collect();
        wire.send_text(&text);
        wire.expect_text(&text);
    }
}

fn fragments_come_back_as_one_message(daemon: &Daemon) {
    let mut wire = daemon.connect();
    let (start, end) = "fü".as_bytes().split_at(2); // in the middle of a character
    for _ in 0..2 {
        wire.send_frame(&Frame::text(start).unfinished());
        wire.send_frame(&Frame::continuation("").unfinished());
        wire.send_frame(&Frame::continuation(end).unfinished());
        wire.send_frame(&Frame::continuation(""));
        wire.expect_text("fü");
    }
}

fn bytes_may_come_one_by_one(daemon: &Daemon) {
    let mut wire = Wire::connect(daemon.address());
    let mut bytes = Wire::handshake(daemon.address()).into_bytes();
    bytes.extend(Frame::text("Hel").unfinished().masked());
    bytes.extend(Frame::continuation("lo").masked());
    bytes.extend(Frame::ping("ping").masked());
    for byte in bytes {
        wire.send(&[byte]);
    }
    wire.expect_upgrade();
    wire.expect_text("Hello");
    assert_eq!(wire.receive(), Received::Pong(b"ping".to_vec()));
}

fn a_frame_may_be_cut_anywhere(daemon: &Daemon) {
    let mut wire = daemon.connect();
    let (first, second) = (Frame::text("first"), Frame::binary([7; 300]));
    for at in 1..second.masked().len() {
        let bytes = [first.masked(), second.masked()].concat();
        let (now, later) = bytes.split_at(first.masked().len() + at);
        wire.send(now);
        wire.expect_text("first");
        wire.send(later);
        assert_eq!(
            wire.receive(),
            Received::Binary(vec![7; 300]),
            "cut at {at}"
        );
    }
}

fn a_frame_may_come_with_the_request(daemon: &Daemon) {
    let mut wire = Wire::connect(daemon.address());
    let mut bytes = Wire::handshake(daemon.address()).into_bytes();
    bytes.extend(Frame::text("at once").masked());
    wire.send(&bytes);
    wire.expect_upgrade();
    // Not only when a ping is due.
    assert_eq!(wire.receive_frame(), Some(Frame::text("at once")));
}

fn a_ping_is_answered(daemon: &Daemon) {
    let mut wire = daemon.connect();
    for payload in [vec![], b"ping".to_vec(), vec![0xff; 125]] {
        wire.send_frame(&Frame::ping(payload.clone()));
        assert_eq!(wire.receive(), Received::Pong(payload));
    }
}

fn a_ping_between_fragments_is_answered(daemon: &Daemon) {
    let mut wire = daemon.connect();
    wire.send_frame(&Frame::text("Hel").unfinished());
    wire.send_frame(&Frame::ping("now"));
    // An example may send what it has of the message before; the pong does not wait for the rest.
    let mut echo = Vec::new();
    loop {
        let frame = wire.receive_frame().expect("a pong");
        if frame == Frame::pong("now") {
            break;
        }
        assert!(!frame.fin, "{frame:?} before the message was complete");
        echo.extend(frame.payload);
    }
    wire.send_frame(&Frame::continuation("lo"));
    let frame = wire.receive_frame().expect("the echo");
    assert!(frame.fin, "{frame:?}");
    echo.extend(frame.payload);
    assert_eq!(echo, b"Hello");
}

fn a_close_is_answered_with_its_code(daemon: &Daemon) {
    for code in [1000, 1001, 3000, 4999] {
        let mut wire = daemon.connect();
        wire.send_frame(&Frame::close(code));
        assert_eq!(wire.receive(), Received::Close(code, String::new()));
        wire.expect_end();
    }
    let mut wire = daemon.connect();
    wire.send_frame(&Frame::new(8, ""));
    assert_eq!(wire.receive(), Received::CloseWithoutCode);
    wire.expect_end();
}

fn what_comes_behind_a_close_is_swallowed(daemon: &Daemon) {
    let mut wire = daemon.connect();
    let mut bytes = Frame::close(1000).masked();
    bytes.extend(Frame::text("not heard").masked());
    wire.send(&bytes);
    assert_eq!(wire.receive(), Received::Close(1000, String::new()));
    wire.send_frame(&Frame::ping("not answered"));
    wire.expect_end();
    // What ended is what we hear: we are heard for seconds more, and not met with a reset.
    for _ in 0..3 {
        wire.send(b"more");
    }
}

fn a_broken_rule_is_answered_with_its_code_and_reason(daemon: &Daemon) {
    let head = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), b"mask"].concat();
    let reserved = Frame {
        rsv: 4,
        ..Frame::text("")
    };
    let fragments = [
        Frame::text("").unfinished(),
        Frame::continuation("").unfinished(),
    ];
    let [first, more] = fragments.map(|frame| frame.masked());
    let cases = [
        (Frame::text("").unmasked(), 1002, Violation::Unmasked),
        (reserved.masked(), 1002, Violation::ReservedBits),
        (Frame::new(3, "").masked(), 1002, Violation::ReservedOpcode),
        (
            Frame::continuation("").masked(),
            1002,
            Violation::UnexpectedContinuation,
        ),
        (
            Frame::ping([0; 126]).masked(),
            1002,
            Violation::OversizedControl,
        ),
        (
            Frame::close(1005).masked(),
            1002,
            Violation::InvalidCloseCode,
        ),
        (
            Frame::text(b"caf\xe9!").masked(),
            1007,
            Violation::InvalidUtf8,
        ),
        (head(MAX_MESSAGE + 1), 1009, Violation::MessageTooBig),
        (
            [first, more.repeat(MAX_FRAGMENTS)].concat(),
            1008,
            Violation::TooManyFragments,
        ),
        (
            Frame::pong("").masked().repeat(200),
            1008,
            Violation::ControlFlood,
        ),
    ];
    for (bytes, code, violation) in cases {
        let mut wire = daemon.connect();
        wire.send(&bytes);
        assert_eq!(
            next_close(&mut wire),
            (code, violation.reason().into()),
            "{violation:?}"
        );
        // Who failed the connection waits for the end of what is sent to it.
        assert!(
            wire.receive_frame().is_none(),
            "nothing follows a close frame"
        );
        wire.finish_sending();
    }
}

/// The code and the reason of the close frame; a piece of an echo may come before it.
fn next_close(wire: &mut Wire) -> (u16, String) {
    loop {
        let frame = wire.receive_frame().expect("a close frame");
        if frame.opcode != 8 {
            assert!(!frame.fin, "{frame:?} is no answer to a broken rule");
            continue;
        }
        let (code, reason) = frame.payload.split_first_chunk().expect("a code");
        let reason = String::from_utf8(reason.to_vec()).expect("a reason in UTF-8");
        return (u16::from_be_bytes(*code), reason);
    }
}

fn a_close_frame_arrives_under_bytes_that_still_come(daemon: &Daemon) {
    let mut wire = daemon.connect();
    wire.send(&Frame::text("").unmasked());
    // A socket that was dropped with unread bytes would be reset, and the close frame lost with it.
    for _ in 0..64 {
        assert!(wire.try_send(&[0; 16 * 1024]), "it is read to its end");
    }
    assert_eq!(next_close(&mut wire).0, 1002);
    wire.finish_sending();
    wire.expect_end();
}

fn a_wrong_request_gets_its_status(daemon: &Daemon) {
    let good = Wire::handshake(daemon.address());
    let cookies = format!("Cookie: {}\r\n\r\n", "x".repeat(10_000));
    let cases = [
        (good.replace("Upgrade: websocket\r\n", ""), 426),
        (good.replace("Version: 13", "Version: 8"), 426),
        (good.replace("GET", "POST"), 405),
        (good.replace("HTTP/1.1", "HTTP/2.0"), 505),
        (good.replace("Sec-WebSocket-Key", "X-Key"), 400),
        (good.replace("Connection: Upgrade\r\n", ""), 400),
        (good.replace("\r\n\r\n", &format!("\r\n{cookies}")), 431),
        (
            good.replace("\r\n\r\n", &"\r\na: b".repeat(100)) + "\r\n\r\n",
            431,
        ),
        ("\u{16}\u{3}\u{1} a TLS client says hello".into(), 400),
    ];
    for (request, status) in cases {
        let mut wire = Wire::connect(daemon.address());
        wire.send(request.as_bytes());
        let response = wire.expect_refusal();
        assert_eq!(response.status, status, "{request:?}");
        assert!(!response.body.is_empty(), "{response:?}");
    }
}

fn who_is_refused_may_go_on_sending_for_a_moment(daemon: &Daemon) {
    let request = Wire::handshake(daemon.address()).replace("GET", "POST");
    let mut wire = Wire::connect(daemon.address());
    wire.send(request.as_bytes());
    assert_eq!(wire.expect_refusal().status, 405);
    // What ended is what we hear; a socket that was dropped would meet this with a reset.
    for _ in 0..32 {
        wire.send(&[b'x'; 1024]); // less than is swallowed
    }
}

fn a_peer_that_only_listens_still_gets_its_answers(daemon: &Daemon) {
    let mut wire = Wire::connect(daemon.address());
    let mut bytes = Wire::handshake(daemon.address()).into_bytes();
    bytes.extend(Frame::text("last words").masked());
    wire.send(&bytes);
    wire.finish_sending();
    wire.expect_upgrade();
    wire.expect_text("last words");
    wire.expect_end();
}

fn a_peer_may_leave_at_any_byte(daemon: &Daemon) {
    let mut bytes = Wire::handshake(daemon.address()).into_bytes();
    bytes.extend(Frame::text("Hel").unfinished().masked());
    bytes.extend(Frame::close(1000).masked());
    for end in (0..bytes.len()).step_by(7) {
        let mut wire = Wire::connect(daemon.address());
        wire.send(&bytes[..end]);
        drop(wire); // with an answer unread, sometimes: that is a reset
    }
    a_frame_may_come_with_the_request(daemon);
}

fn many_clients_are_served_at_once(daemon: &Daemon) {
    let mut wires: Vec<_> = (0..100).map(|_| daemon.connect()).collect();
    for round in 0..3 {
        for (index, wire) in wires.iter_mut().enumerate() {
            wire.send_text(&format!("{index} in {round}"));
        }
        for (index, wire) in wires.iter_mut().enumerate().rev() {
            wire.expect_text(&format!("{index} in {round}"));
        }
    }
}

fn who_does_not_read_holds_up_nobody_else(daemon: &Daemon) {
    let deaf = deaf(daemon);
    let mut wire = daemon.connect();
    wire.send_text("and I?");
    wire.expect_text("and I?");
    drop(deaf);
}

/// A client that sends what it can and reads nothing: the echoes fill every buffer on the way back.
fn deaf(daemon: &Daemon) -> TcpStream {
    let mut deaf = socket(daemon);
    deaf.write_all(Wire::handshake(daemon.address()).as_bytes())
        .expect("a request is taken");
    deaf.read_exact(&mut [0; 12]).expect("an answer");
    deaf.set_write_timeout(Some(Duration::from_millis(300)))
        .expect("above zero");
    let message = Frame::binary([0; 64 * 1024]).masked();
    while deaf.write_all(&message).is_ok() {}
    deaf
}

fn only_so_many_are_served_at_once(daemon: &Daemon) {
    let mut wires: Vec<_> = (0..PEERS).map(|_| daemon.connect()).collect();
    let mut refused = Wire::connect(daemon.address());
    refused.try_send(Wire::handshake(daemon.address()).as_bytes());
    refused.expect_end();
    for wire in &mut wires {
        wire.send_text("all here");
        wire.expect_text("all here");
    }
    // Who leaves makes room, as soon as that is noticed.
    drop(wires.pop());
    let deadline = Instant::now() + PATIENCE;
    while tungstenite::client(daemon.url(), socket(daemon)).is_err() {
        assert!(Instant::now() < deadline, "there is still no room");
        thread::sleep(Duration::from_millis(10));
    }
}

fn a_client_of_somebody_else_is_served(daemon: &Daemon) {
    let (mut client, _) = tungstenite::client(daemon.url(), socket(daemon)).expect("a handshake");
    let messages = [
        Message::text(""),
        Message::text("reçu 🔔"),
        Message::text("x".repeat(100_000)),
        Message::binary(vec![0xff; 70_000]),
    ];
    for message in messages {
        client.send(message.clone()).expect("it is taken");
        assert!(read(&mut client) == message);
    }
    client
        .send(Message::Ping("hi".into()))
        .expect("it is taken");
    assert_eq!(read(&mut client), Message::Pong("hi".into()));
    client.close(None).expect("it is open");
    assert_eq!(read(&mut client), Message::Close(None));
    let error = client.read().expect_err("it is over");
    assert!(
        matches!(error, tungstenite::Error::ConnectionClosed),
        "{error}"
    );

    let (mut client, _) = tungstenite::client(daemon.url(), socket(daemon)).expect("a handshake");
    let unmasked = Frame::text("").unmasked();
    client.get_mut().write_all(&unmasked).expect("it is taken");
    let Message::Close(Some(close)) = read(&mut client) else {
        panic!("no close frame with a code");
    };
    assert_eq!(close.code, CloseCode::Protocol);
}

fn read(client: &mut WebSocket<TcpStream>) -> Message {
    client.read().expect("a message")
}

/// A socket of a client, no operation of which waits longer than [`PATIENCE`].
fn socket(daemon: &Daemon) -> TcpStream {
    let socket = TcpStream::connect(daemon.address()).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("above zero");
    socket
        .set_write_timeout(Some(PATIENCE))
        .expect("above zero");
    socket
}

fn who_falls_silent_is_given_up(daemon: &Daemon) {
    let handshake = Wire::handshake(daemon.address());
    // Each waits in a thread of its own, since any of them may be the last.
    thread::scope(|scope| {
        scope.spawn(|| {
            // 10 s for the request, however it trickles.
            Wire::connect(daemon.address()).expect_end();
        });
        scope.spawn(|| {
            let mut wire = Wire::connect(daemon.address());
            for byte in handshake.bytes().cycle().take(100) {
                if !wire.try_send(&[byte]) {
                    return;
                }
                thread::sleep(Duration::from_millis(200));
            }
            panic!("a request may take 20 s");
        });
        scope.spawn(|| {
            // 1 s to read a refusal.
            let mut socket = socket(daemon);
            socket
                .write_all(b"no request\r\n\r\n")
                .expect("it is taken");
            socket
                .read_to_end(&mut Vec::new())
                .expect("a refusal, and the end");
            wait_for_reset(&mut socket, PATIENCE);
        });
        scope.spawn(|| {
            // 5 s for the end behind a closing handshake.
            let mut socket = socket(daemon);
            socket.write_all(handshake.as_bytes()).expect("it is taken");
            socket
                .write_all(&Frame::close(1000).masked())
                .expect("it is taken");
            socket
                .read_to_end(&mut Vec::new())
                .expect("a close frame, and the end");
            wait_for_reset(&mut socket, PATIENCE);
        });
        scope.spawn(|| {
            // 25 s to a ping, and 10 s for its pong.
            let mut wire = daemon.connect();
            assert_eq!(wire.receive_frame(), Some(Frame::ping("")));
            assert_eq!(wire.receive_frame(), None);
        });
        scope.spawn(|| {
            // The same for one who does not read: bytes that are not taken are no sign of life.
            wait_for_reset(&mut deaf(daemon), 4 * PATIENCE);
        });
        scope.spawn(|| {
            // Who answers is kept.
            let mut wire = daemon.connect();
            let ping = wire.receive_frame().expect("a ping");
            wire.send_frame(&Frame::pong(ping.payload));
            thread::sleep(Duration::from_secs(15));
            wire.send_text("still here");
            wire.expect_text("still here");
        });
    });
}

/// Waits until the other end is gone for good, which a write meets with a reset.
fn wait_for_reset(socket: &mut TcpStream, patience: Duration) {
    let deadline = Instant::now() + patience;
    loop {
        match socket.write(b"x").map_err(|error| error.kind()) {
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return,
            Ok(_) | Err(ErrorKind::WouldBlock) => thread::sleep(Duration::from_millis(100)),
            Err(other) => panic!("{other}"),
        }
        assert!(Instant::now() < deadline, "it is still there");
    }
}
