//! How the daemon ends.

use core::time::Duration;
use std::{thread, time::Instant};

use campanile_tests::{Daemon, Received, Wire};

use crate::{LAST, listener};

#[test]
fn a_daemon_that_is_told_to_end_closes_everybody_with_1001_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::with(&["--shards", "2"]);
        let mut wires: Vec<_> = (0..10).map(|_| listener(&daemon, "")).collect();
        // One that has said nothing yet.
        let mut silent = Wire::connect(daemon.address());
        daemon.signal(signal);
        for wire in &mut wires {
            wire.expect_error("shutting_down");
            wire.expect_close(1001);
        }
        silent.expect_end();
        assert_eq!(daemon.wait_for_end(), Some(0), "{signal}");
        assert!(daemon.log().contains("shutting down"));
        assert!(
            daemon.log().contains("ended connections=10 "),
            "{}",
            daemon.log()
        );
    }
}

#[test]
fn what_was_published_before_the_end_is_delivered_before_it() {
    let mut daemon = Daemon::start();
    let mut wire = listener(&daemon, "");
    let mut publisher = daemon.connect_v1();
    const MANY: usize = 500;
    for _ in 0..MANY {
        publisher.send_text(LAST);
    }
    for _ in 0..MANY {
        assert!(matches!(publisher.receive(), Received::Text(_)));
    }
    daemon.signal("TERM");
    for _ in 0..MANY {
        wire.expect_text(LAST);
    }
    wire.expect_error("shutting_down");
    wire.expect_close(1001);
    drop(publisher);
    assert_eq!(daemon.wait_for_end(), Some(0));
}

#[test]
fn nobody_is_accepted_any_more_when_the_daemon_ends() {
    let mut daemon = Daemon::start();
    // It does not answer the close, and so the daemon waits for it.
    let mut stubborn = daemon.connect();
    daemon.signal("TERM");
    stubborn.expect_error("shutting_down");
    assert!(std::net::TcpStream::connect(daemon.address()).is_err());
    drop(stubborn);
    assert_eq!(daemon.wait_for_end(), Some(0));
}

#[test]
fn who_does_not_answer_the_close_does_not_keep_the_daemon_for_ever() {
    let mut daemon = Daemon::with(&["--drain", "0"]);
    let _stubborn = daemon.connect();
    daemon.signal("TERM");
    assert_eq!(daemon.wait_for_end(), Some(0));
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    let mut daemon = Daemon::start();
    let mut stubborn = daemon.connect();
    daemon.signal("TERM");
    stubborn.expect_error("shutting_down");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_for_end(), Some(1));
}

#[test]
fn a_thread_that_has_nobody_left_holds_up_no_publication_of_another() {
    const SHARDS: usize = 8;
    let shards = SHARDS.to_string();
    // Nothing else ends them.
    let patient = ["--drain-grace", "10m", "--ping-interval", "0"];
    let mut daemon = Daemon::with(&[&["--shards", &shards][..], &patient].concat());
    // Connections go to the threads by turns: those of one stay.
    let mut others: Vec<_> = (0..20 * SHARDS).map(|_| Some(daemon.connect())).collect();
    let gone = |at: &usize| !at.is_multiple_of(SHARDS);
    for at in (0..others.len()).filter(gone) {
        others[at] = None;
    }
    daemon.wait_for_logs("disconnected", 20 * (SHARDS - 1));
    let mut publisher = daemon.connect_v1();
    let publishing = thread::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) && publisher.try_send(&text(LAST)) {}
    });
    daemon.signal("TERM");
    daemon.wait_for_log("shutting down");
    publishing.join().expect("it publishes");
    drop(others);
    assert_eq!(daemon.wait_for_end(), Some(0));
}

/// A client's frame.
fn text(message: &str) -> Vec<u8> {
    let len = u8::try_from(message.len()).expect("it is short");
    assert!(len < 126);
    [&[0x81, 0x80 | len, 0, 0, 0, 0], message.as_bytes()].concat()
}
