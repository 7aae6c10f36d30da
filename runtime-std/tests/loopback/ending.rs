//! How connections end: closing handshakes, violations, peers that vanish, fall silent or stall.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use campanile_core::{
    conn::{CloseCause, Config, Event, SendError, Violation},
    wire::{CloseCode, Kind, OpCode},
};
use campanile_std::Stream;

use crate::support::{
    KEY, LIMITS, PATIENCE, connect, echo, expect, finish, frame, read_to_end, server_and_raw,
    sockets,
};

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn either_side_closes_with_a_code_and_both_know_it() {
    for number in [1000, 1001, 1011, 3000, 4999] {
        let code = CloseCode::new(number).unwrap();
        for server_closes in [true, false] {
            let (client, server) = sockets();
            let serving = thread::spawn(move || {
                let mut stream = Stream::accept(server, &LIMITS).unwrap();
                if server_closes {
                    stream.close(code, "because").unwrap();
                }
                finish(&mut stream)
            });
            let mut stream = connect(client, &LIMITS).unwrap();
            if !server_closes {
                stream.close(code, "because").unwrap();
            }
            let start = Instant::now();
            let (here, there) = (finish(&mut stream), serving.join().unwrap());
            let (closer, closed) = if server_closes {
                (there, here)
            } else {
                (here, there)
            };
            assert_eq!(closer, Some(CloseCause::Local(code)));
            assert_eq!(closed, Some(CloseCause::Peer(Some(code))));
            // By the closing handshake, and not by its time running out.
            assert!(start.elapsed() < Config::CLOSE_TIMEOUT / 2);
            assert_eq!(stream.send(Kind::Text, b"late"), Err(SendError::Closing));
            assert!(!stream.fill().unwrap());
        }
    }
}

#[test]
fn the_reason_is_heard_and_messages_before_a_close_still_arrive() {
    let (client, server) = sockets();
    let serving = thread::spawn(move || {
        let mut stream = Stream::accept(server, &LIMITS).unwrap();
        stream.send(Kind::Text, b"last words").unwrap();
        stream.close(CloseCode::GOING_AWAY, "closing time").unwrap();
        assert_eq!(stream.close(CloseCode::NORMAL, ""), Err(SendError::Closing));
        finish(&mut stream)
    });
    let mut stream = connect(client, &LIMITS).unwrap();
    let mut heard = Vec::new();
    while stream.fill().unwrap() {
        for event in stream.events() {
            let event = event.unwrap();
            if let Event::Close(Some(close)) = event {
                heard.extend_from_slice(close.reason.as_bytes());
            } else if let Event::Data(data) = event {
                heard.extend_from_slice(data.bytes);
            }
        }
    }
    assert_eq!(heard, b"last wordsclosing time");
    assert_eq!(
        serving.join().unwrap(),
        Some(CloseCause::Local(CloseCode::GOING_AWAY))
    );
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let (stream, mut raw) = server_and_raw(&LIMITS);
    let echoing = thread::spawn(move || echo(stream));
    raw.write_all(&frame(OpCode::Close, true, Some(KEY), b""))
        .unwrap();
    // The server shuts its direction down first, then waits for ours.
    assert_eq!(read_to_end(&mut raw), frame(OpCode::Close, true, None, b""));
    drop(raw);
    let ended = echoing.join().unwrap().unwrap();
    assert_eq!(ended, Some(CloseCause::Peer(None)));
    assert_eq!(ended.unwrap().code(), 1005);
}

#[test]
fn a_violation_is_an_event_once_and_the_peer_is_told() {
    let (mut stream, mut raw) = server_and_raw(&LIMITS);
    raw.write_all(&frame(OpCode::Text, true, None, b"unmasked"))
        .unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    let mut seen = Vec::new();
    while stream.fill().unwrap() {
        seen.extend(stream.events().map(Result::unwrap_err));
    }
    assert_eq!(seen, [Violation::Unmasked]);
    assert_eq!(
        stream.closed_by(),
        Some(CloseCause::Violation(Violation::Unmasked))
    );
    let mut payload = 1002_u16.to_be_bytes().to_vec();
    payload.extend(Violation::Unmasked.reason().as_bytes());
    assert_eq!(
        read_to_end(&mut raw),
        frame(OpCode::Close, true, None, &payload)
    );
}

#[test]
fn a_message_over_the_limit_is_refused_with_1009() {
    let config = Config {
        max_message: 1000,
        ..Config::new()
    };
    let (client, server) = sockets();
    let serving = thread::spawn(move || echo(Stream::accept(server, &config).unwrap()));
    let mut stream = connect(client, &LIMITS).unwrap();
    stream.send(Kind::Binary, &[0; 1001]).unwrap();
    assert_eq!(
        finish(&mut stream),
        Some(CloseCause::Peer(Some(CloseCode::MESSAGE_TOO_BIG)))
    );
    assert_eq!(
        serving.join().unwrap().unwrap(),
        Some(CloseCause::Violation(Violation::MessageTooBig))
    );
}

#[test]
fn a_peer_that_vanishes_ends_the_connection() {
    let (mut stream, raw) = server_and_raw(&LIMITS);
    drop(raw);
    assert!(!stream.fill().unwrap());
    assert_eq!(stream.closed_by(), Some(CloseCause::Eof));
    assert!(!stream.fill().unwrap());
}

#[test]
fn a_reset_is_an_error_once() {
    let (mut stream, raw) = server_and_raw(&LIMITS);
    // What is dropped with unread bytes is reset.
    stream.send(Kind::Text, b"unread").unwrap();
    stream.flush().unwrap();
    assert_eq!(raw.peek(&mut [0]).unwrap(), 1);
    drop(raw);
    assert!(stream.fill().is_err());
    assert!(!stream.fill().unwrap());
}

#[test]
fn a_reset_while_closing_is_no_error() {
    let (mut stream, raw) = server_and_raw(&LIMITS);
    stream.close(CloseCode::NORMAL, "").unwrap();
    stream.flush().unwrap();
    assert_eq!(raw.peek(&mut [0]).unwrap(), 1);
    drop(raw);
    assert_eq!(
        finish(&mut stream),
        Some(CloseCause::Local(CloseCode::NORMAL))
    );
}

#[test]
fn a_silent_peer_is_pinged_and_then_counts_as_dead() {
    let config = Config {
        ping_interval: Some(SHORT),
        pong_timeout: SHORT,
        ..Config::new()
    };
    let start = Instant::now();
    let (mut stream, mut raw) = server_and_raw(&config);
    assert_eq!(finish(&mut stream), Some(CloseCause::Overdue));
    assert!(start.elapsed() >= 2 * SHORT && start.elapsed() < PATIENCE / 2);
    drop(stream);
    assert_eq!(read_to_end(&mut raw), frame(OpCode::Ping, true, None, b""));
}

#[test]
fn a_peer_that_answers_pings_lives() {
    let config = Config {
        ping_interval: Some(SHORT / 2),
        pong_timeout: 20 * SHORT,
        ..Config::new()
    };
    let (mut stream, mut raw) = server_and_raw(&config);
    let serving = thread::spawn(move || finish(&mut stream));
    for _ in 0..5 {
        expect(&mut raw, &frame(OpCode::Ping, true, None, b""));
        raw.write_all(&frame(OpCode::Pong, true, Some(KEY), b""))
            .unwrap();
    }
    raw.shutdown(Shutdown::Write).unwrap();
    assert_eq!(serving.join().unwrap(), Some(CloseCause::Eof));
}

#[test]
fn a_peer_that_ignores_a_close_is_not_waited_for() {
    let config = Config {
        close_timeout: SHORT,
        ..Config::new()
    };
    let (mut stream, mut raw) = server_and_raw(&config);
    stream.close(CloseCode::NORMAL, "").unwrap();
    // Nor is one that goes on talking.
    let talking = thread::spawn(move || {
        let text = frame(OpCode::Text, true, Some(KEY), b"and another thing");
        while raw.write_all(&text).is_ok() {
            thread::sleep(SHORT / 10);
        }
    });
    let start = Instant::now();
    assert_eq!(
        finish(&mut stream),
        Some(CloseCause::Local(CloseCode::NORMAL))
    );
    assert!(start.elapsed() >= SHORT && start.elapsed() < PATIENCE / 2);
    drop(stream);
    talking.join().unwrap();
}

#[test]
fn a_peer_that_does_not_read_cannot_hold_a_flush_for_ever() {
    let config = Config {
        ping_interval: Some(SHORT),
        pong_timeout: SHORT,
        ..Config::new()
    };
    let start = Instant::now();
    let (mut stream, mut raw) = server_and_raw(&config);
    // More than any socket holds.
    stream.send(Kind::Binary, &vec![0; 64 << 20]).unwrap();
    stream.flush().unwrap();
    assert!(start.elapsed() >= 2 * SHORT && start.elapsed() < PATIENCE / 2);
    assert_eq!(stream.closed_by(), Some(CloseCause::Overdue));
    assert!(!stream.fill().unwrap());
    drop(stream);
    // A part of it did arrive.
    assert_eq!(raw.read(&mut [0; 10]).unwrap(), 10);
}
