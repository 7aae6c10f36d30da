//! How connections end: violations, peers that vanish, fall silent or stall.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use campanile_core::{
    conn::{CloseCause, Config, Event, Violation},
    wire::{CloseCode, Kind, OpCode},
};

use crate::support::{
    KEY, LIMITS, PATIENCE, Talk, client_and_raw, echo, expect, finish, frame, read_to_end,
    server_and_raw,
};

const SHORT: Duration = Duration::from_millis(50);

/// A Close frame with a code, as our side sends it.
fn close(mask: Option<[u8; 4]>, code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.as_bytes());
    frame(OpCode::Close, true, mask, &payload)
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
    assert_eq!(
        echoing.join().unwrap().unwrap(),
        Some(CloseCause::Peer(None))
    );

    let (stream, mut raw) = client_and_raw(&LIMITS);
    raw.write_all(&frame(OpCode::Close, true, None, b""))
        .unwrap();
    // A client waits for the server to end first (RFC 6455, section 7.1.1).
    raw.shutdown(Shutdown::Write).unwrap();
    assert_eq!(echo(stream).unwrap(), Some(CloseCause::Peer(None)));
    assert_eq!(
        read_to_end(&mut raw),
        frame(OpCode::Close, true, Some(KEY), b"")
    );
}

#[test]
fn the_reason_is_heard_and_messages_before_a_close_still_arrive() {
    let (mut stream, mut raw) = client_and_raw(&LIMITS);
    let mut bytes = frame(OpCode::Text, true, None, b"last words");
    bytes.extend(close(None, 1001, "closing time"));
    raw.write_all(&bytes).unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
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
        stream.closed_by(),
        Some(CloseCause::Peer(Some(CloseCode::GOING_AWAY)))
    );
}

fn a_violation(
    (mut stream, mut raw): (impl Talk, std::net::TcpStream),
    (peer, ours): (Option<[u8; 4]>, Option<[u8; 4]>),
    violation: Violation,
) {
    raw.write_all(&frame(OpCode::Text, true, peer, b"!"))
        .unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    let mut seen = Vec::new();
    while stream.fill().unwrap() {
        seen.extend(stream.events().map(Result::unwrap_err));
    }
    assert_eq!(seen, [violation]);
    assert_eq!(stream.closed_by(), Some(CloseCause::Violation(violation)));
    drop(stream);
    let told = close(ours, 1002, violation.reason());
    assert_eq!(read_to_end(&mut raw), told);
}

#[test]
fn a_violation_is_an_event_once_and_the_peer_is_told() {
    a_violation(server_and_raw(&LIMITS), (None, None), Violation::Unmasked);
    let masked = (Some(KEY), Some(KEY));
    a_violation(client_and_raw(&LIMITS), masked, Violation::Masked);
}

#[test]
fn a_message_over_the_limit_is_refused_with_1009() {
    let config = Config {
        max_message: 1000,
        ..Config::new()
    };
    let (mut stream, mut raw) = client_and_raw(&config);
    raw.write_all(&frame(OpCode::Binary, true, None, &[0; 1001]))
        .unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    let violation = Violation::MessageTooBig;
    assert_eq!(finish(&mut stream), Some(CloseCause::Violation(violation)));
    let told = close(Some(KEY), 1009, violation.reason());
    expect(&mut raw, &told);
}

#[test]
fn a_peer_that_vanishes_ends_the_connection() {
    let (mut stream, raw) = client_and_raw(&LIMITS);
    drop(raw);
    assert!(!stream.fill().unwrap());
    assert_eq!(stream.closed_by(), Some(CloseCause::Eof));
    assert!(!stream.fill().unwrap());
}

#[test]
fn a_reset_is_an_error_once_and_none_while_closing() {
    for closing in [false, true] {
        let (mut stream, raw) = client_and_raw(&LIMITS);
        // What is dropped with unread bytes is reset.
        stream.send(Kind::Text, b"unread").unwrap();
        if closing {
            stream.close(CloseCode::NORMAL, "").unwrap();
        }
        stream.flush().unwrap();
        assert_eq!(raw.peek(&mut [0]).unwrap(), 1);
        drop(raw);
        assert_eq!(stream.fill().is_err(), !closing);
        assert!(!stream.fill().unwrap());
    }
}

#[test]
fn a_silent_peer_is_pinged_and_then_counts_as_dead() {
    let config = Config {
        ping_interval: Some(SHORT),
        pong_timeout: SHORT,
        ..Config::new()
    };
    let start = Instant::now();
    let (mut stream, mut raw) = client_and_raw(&config);
    assert_eq!(finish(&mut stream), Some(CloseCause::Overdue));
    assert!(start.elapsed() >= 2 * SHORT && start.elapsed() < PATIENCE / 2);
    drop(stream);
    let ping = frame(OpCode::Ping, true, Some(KEY), b"");
    assert_eq!(read_to_end(&mut raw), ping);
}

#[test]
fn a_peer_that_answers_pings_lives() {
    let config = Config {
        ping_interval: Some(SHORT / 2),
        pong_timeout: 20 * SHORT,
        ..Config::new()
    };
    let (mut stream, mut raw) = client_and_raw(&config);
    let listening = thread::spawn(move || finish(&mut stream));
    let ping = frame(OpCode::Ping, true, Some(KEY), b"");
    for _ in 0..5 {
        expect(&mut raw, &ping);
        raw.write_all(&frame(OpCode::Pong, true, None, b""))
            .unwrap();
    }
    raw.write_all(&close(None, 1000, "")).unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        listening.join().unwrap(),
        Some(CloseCause::Peer(Some(CloseCode::NORMAL)))
    );
}

#[test]
fn a_peer_that_does_not_read_cannot_hold_a_flush_for_ever() {
    let config = Config {
        ping_interval: Some(SHORT),
        pong_timeout: SHORT,
        ..Config::new()
    };
    let start = Instant::now();
    let (mut stream, mut raw) = client_and_raw(&config);
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
