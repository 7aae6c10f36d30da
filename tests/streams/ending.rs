//! How connections end: violations, peers that vanish, fall silent or stall. Each with a stream in either
//! role.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use campanile_core::{
    conn::{CloseCause, Config, Event, Violation},
    wire::{CloseCode, Kind, OpCode},
};

use crate::support::{
    CLIENT, KEY, LIMITS, Mask, PATIENCE, Runtime, SERVER, Talk, client_and_raw, echo, expect,
    finish, frame, read_to_end, server_and_raw,
};

on_each_runtime! {
    a_close_without_a_code_is_answered_without_one
    the_reason_is_heard_and_messages_before_a_close_still_arrive
    a_violation_is_an_event_once_and_the_peer_is_told
    a_message_over_the_limit_is_refused_with_1009
    a_peer_that_vanishes_ends_the_connection
    a_reset_is_an_error_once_and_none_while_closing
    a_silent_peer_is_pinged_and_then_counts_as_dead
    a_peer_that_answers_pings_lives
    a_peer_that_ignores_a_close_is_not_waited_for
    a_peer_that_does_not_read_cannot_hold_a_flush_for_ever
}

const SHORT: Duration = Duration::from_millis(50);

/// A Close frame with a code.
fn close(mask: Mask, code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.as_bytes());
    frame(OpCode::Close, true, mask, &payload)
}

fn a_close_without_a_code_is_answered_without_one<R: Runtime>() {
    let (stream, mut raw) = server_and_raw::<R>(&LIMITS);
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

    let (stream, mut raw) = client_and_raw::<R>(&LIMITS);
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

fn the_reason_is_heard_and_messages_before_a_close_still_arrive<R: Runtime>() {
    fn hears((mut stream, mut raw): (impl Talk, TcpStream), (peer, _): (Mask, Mask)) {
        let mut bytes = frame(OpCode::Text, true, peer, b"last words");
        bytes.extend(close(peer, 1001, "closing time"));
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
        let code = Some(CloseCode::GOING_AWAY);
        assert_eq!(stream.closed_by(), Some(CloseCause::Peer(code)));
    }
    hears(server_and_raw::<R>(&LIMITS), SERVER);
    hears(client_and_raw::<R>(&LIMITS), CLIENT);
}

fn a_violation(
    (mut stream, mut raw): (impl Talk, TcpStream),
    (peer, ours): (Mask, Mask),
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

fn a_violation_is_an_event_once_and_the_peer_is_told<R: Runtime>() {
    let server = server_and_raw::<R>(&LIMITS);
    a_violation(server, (None, None), Violation::Unmasked);
    let client = client_and_raw::<R>(&LIMITS);
    a_violation(client, (Some(KEY), Some(KEY)), Violation::Masked);
}

fn a_message_over_the_limit_is_refused_with_1009<R: Runtime>() {
    fn refuses((mut stream, mut raw): (impl Talk, TcpStream), (peer, ours): (Mask, Mask)) {
        raw.write_all(&frame(OpCode::Binary, true, peer, &[0; 1001]))
            .unwrap();
        raw.shutdown(Shutdown::Write).unwrap();
        let violation = Violation::MessageTooBig;
        assert_eq!(finish(&mut stream), Some(CloseCause::Violation(violation)));
        expect(&mut raw, &close(ours, 1009, violation.reason()));
    }
    let config = Config {
        max_message: 1000,
        ..Config::new()
    };
    refuses(server_and_raw::<R>(&config), SERVER);
    refuses(client_and_raw::<R>(&config), CLIENT);
}

fn a_peer_that_vanishes_ends_the_connection<R: Runtime>() {
    fn ends((mut stream, raw): (impl Talk, TcpStream)) {
        drop(raw);
        assert!(!stream.fill().unwrap());
        assert_eq!(stream.closed_by(), Some(CloseCause::Eof));
        assert!(!stream.fill().unwrap());
    }
    ends(server_and_raw::<R>(&LIMITS));
    ends(client_and_raw::<R>(&LIMITS));
}

fn a_reset_is_an_error_once_and_none_while_closing<R: Runtime>() {
    fn is_reset((mut stream, raw): (impl Talk, TcpStream), closing: bool) {
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
    for closing in [false, true] {
        is_reset(server_and_raw::<R>(&LIMITS), closing);
        is_reset(client_and_raw::<R>(&LIMITS), closing);
    }
}

/// Connections of this patience soon give a peer up.
const IMPATIENT: Config = Config {
    ping_interval: Some(SHORT),
    pong_timeout: SHORT,
    ..Config::new()
};

fn a_silent_peer_is_pinged_and_then_counts_as_dead<R: Runtime>() {
    fn gives_up((mut stream, mut raw): (impl Talk, TcpStream), (_, ours): (Mask, Mask)) {
        assert_eq!(finish(&mut stream), Some(CloseCause::Overdue));
        drop(stream);
        assert_eq!(read_to_end(&mut raw), frame(OpCode::Ping, true, ours, b""));
    }
    let start = Instant::now();
    gives_up(server_and_raw::<R>(&IMPATIENT), SERVER);
    gives_up(client_and_raw::<R>(&IMPATIENT), CLIENT);
    assert!(start.elapsed() >= 4 * SHORT && start.elapsed() < PATIENCE / 2);
}

fn a_peer_that_answers_pings_lives<R: Runtime>() {
    fn lives(
        (mut stream, mut raw): (impl Talk + Send + 'static, TcpStream),
        (peer, ours): (Mask, Mask),
    ) {
        let listening = thread::spawn(move || finish(&mut stream));
        for _ in 0..5 {
            expect(&mut raw, &frame(OpCode::Ping, true, ours, b""));
            raw.write_all(&frame(OpCode::Pong, true, peer, b""))
                .unwrap();
        }
        raw.write_all(&close(peer, 1000, "")).unwrap();
        raw.shutdown(Shutdown::Write).unwrap();
        let code = Some(CloseCode::NORMAL);
        assert_eq!(listening.join().unwrap(), Some(CloseCause::Peer(code)));
    }
    let config = Config {
        ping_interval: Some(SHORT / 2),
        pong_timeout: 20 * SHORT,
        ..Config::new()
    };
    lives(server_and_raw::<R>(&config), SERVER);
    lives(client_and_raw::<R>(&config), CLIENT);
}

fn a_peer_that_ignores_a_close_is_not_waited_for<R: Runtime>() {
    let config = Config {
        close_timeout: SHORT,
        ..Config::new()
    };
    let (mut stream, mut raw) = server_and_raw::<R>(&config);
    stream.close(CloseCode::NORMAL, "").unwrap();
    // Nor is one that goes on talking.
    let talking = thread::spawn(move || {
        let text = frame(OpCode::Text, true, SERVER.0, b"and another thing");
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

fn a_peer_that_does_not_read_cannot_hold_a_flush_for_ever<R: Runtime>() {
    fn gives_up((mut stream, mut raw): (impl Talk, TcpStream)) {
        // More than any socket holds.
        stream.send(Kind::Binary, &vec![0; 64 << 20]).unwrap();
        stream.flush().unwrap();
        assert_eq!(stream.closed_by(), Some(CloseCause::Overdue));
        assert!(!stream.fill().unwrap());
        drop(stream);
        // A part of it did arrive.
        assert_eq!(raw.read(&mut [0; 10]).unwrap(), 10);
    }
    let start = Instant::now();
    gives_up(server_and_raw::<R>(&IMPATIENT));
    gives_up(client_and_raw::<R>(&IMPATIENT));
    assert!(start.elapsed() >= 4 * SHORT && start.elapsed() < PATIENCE / 2);
}
