//! What the daemon lets its peers do, where the command line says so: each limit from both sides.

use core::time::Duration;
use std::thread;

use campanile_tests::{Daemon, Frame, Received, Wire};

use crate::{LAST, listener, publish_last};

const CHANNEL: &str = r#"{"package":"p","page":"q"}"#;
const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;

#[test]
fn connections_beyond_the_limit_are_declined_with_503_until_one_leaves() {
    let daemon = Daemon::with(&["--max-connections", "2"]);
    let first = daemon.connect();
    let mut second = daemon.connect();
    let mut third = Wire::connect(daemon.address());
    third.send(Wire::handshake(daemon.address()).as_bytes());
    let response = third.expect_refusal();
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), "30");
    assert!(
        response.body.contains("limit on connections"),
        "{response:?}"
    );
    daemon.wait_for_log("connection declined");
    second.synchronise();
    drop(first);
    daemon.wait_for_log("disconnected");
    let mut fourth = daemon.connect();
    fourth.synchronise();
}

#[test]
fn loopback_addresses_are_no_client_of_whom_there_may_be_too_many() {
    let daemon = Daemon::with(&["--max-connections-per-address", "1"]);
    let mut wires = [daemon.connect(), daemon.connect()];
    for wire in &mut wires {
        wire.synchronise();
    }
}

#[test]
fn messages_over_the_rate_are_dropped_with_an_error_and_a_flood_is_closed_with_1008() {
    let daemon = Daemon::with(&["--messages-per-minute", "5"]);
    let mut wire = daemon.connect();
    for _ in 0..6 {
        wire.send_text(PING);
        wire.expect_text(PONG);
    }
    for _ in 0..5 {
        wire.send_text(PING);
        wire.expect_error("rate_limited");
    }
    wire.send_text(PING);
    wire.expect_error("rate_limited");
    wire.expect_close(1008);
    // Others have a rate of their own.
    daemon.connect().synchronise();
}

#[test]
fn publications_have_a_rate_of_their_own() {
    let daemon = Daemon::with(&[
        "--messages-per-minute",
        "1",
        "--publications-per-second",
        "3",
    ]);
    let mut publisher = daemon.connect_v1();
    let mut refused = 0;
    for _ in 0..6 {
        publisher.send_text(LAST);
        let Received::Text(answer) = publisher.receive() else {
            panic!("an answer comes");
        };
        let is_refused = answer.contains("rate_limited");
        assert!(is_refused || answer.contains("published"), "{answer}");
        refused += usize::from(is_refused);
    }
    assert!(refused > 0, "six at once are more than three a second");
    // What is no publication is counted apart.
    publisher.synchronise();
}

#[test]
fn a_message_longer_than_the_limit_is_closed_with_1009() {
    let daemon = Daemon::with(&["--max-message", "100"]);
    let mut wire = daemon.connect();
    let fill = " ".repeat(100 - PING.len());
    wire.send_text(&format!("{PING}{fill}"));
    wire.expect_text(PONG);
    wire.send_frame(&Frame::text(format!("{PING}{fill} ")));
    wire.expect_error("message_too_big");
    wire.expect_close(1009);
}

#[test]
fn subscriptions_and_values_beyond_the_limits_are_refused_and_the_earlier_set_stands() {
    let daemon = Daemon::with(&["--max-subscriptions", "2", "--max-values", "3"]);
    let mut wire = listener(&daemon, CHANNEL);
    let three = [CHANNEL; 3].join(",");
    wire.send_text(&format!(
        r#"{{"sender":"client","subscriptions":[{three}]}}"#
    ));
    wire.expect_error("too_many_subscriptions");
    wire.send_text(r#"{"sender":"client","subscriptions":[{"package":"p","page":"q","filters":{"values":[1,2,3,4]}}]}"#);
    wire.expect_error("invalid_subscription");
    publish_last(&daemon);
    wire.expect_text(LAST);
}

#[test]
fn an_opening_handshake_that_takes_too_long_is_cut_off() {
    let daemon = Daemon::with(&["--handshake-time", "1"]);
    let mut silent = Wire::connect(daemon.address());
    let mut slow = Wire::connect(daemon.address());
    let request = Wire::handshake(daemon.address());
    // A byte now and then is no sign of good will.
    for byte in request.as_bytes().iter().take(20) {
        if !slow.try_send(&[*byte]) {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    slow.expect_end();
    silent.expect_end();
    daemon.connect().synchronise();
}

#[test]
fn more_messages_than_may_wait_for_a_client_that_does_not_read_close_it() {
    let daemon = Daemon::with(&[
        "--max-waiting-messages",
        "4",
        "--max-waiting-bytes",
        "1000000000",
    ]);
    let _stuck = daemon.subscriber(&format!("[{CHANNEL}]"));
    let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    flood(&daemon, &mut subscriber);
    daemon.wait_for_log("slow consumer");
    daemon.wait_for_log("code=1013");
}

#[test]
fn a_slow_consumer_loses_the_oldest_where_that_is_the_policy_and_stays() {
    let daemon = Daemon::with(&["--slow-consumers", "drop-oldest"]);
    let mut stuck = daemon.subscriber(&format!("[{CHANNEL}]"));
    let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    let last = flood(&daemon, &mut subscriber);
    daemon.wait_for_log("dropped the oldest");
    // It gets whole messages, in order, the latest among them, and not all.
    let mut heard = Vec::new();
    loop {
        let Received::Text(text) = stuck.receive() else {
            panic!("it stays connected");
        };
        let number = number_in(&text);
        heard.push(number);
        if number == last {
            break;
        }
    }
    assert!(heard.is_sorted_by(|a, b| a < b), "in order, each once");
    assert!(heard.len() < last, "something was dropped");
    stuck.synchronise();
}

/// Publishes messages of 60 kB, all of which `subscriber` reads, until there is enough for any kernel's
/// buffers; the number of the last.
#[track_caller]
fn flood(daemon: &Daemon, subscriber: &mut Wire) -> usize {
    let fill = "x".repeat(60_000);
    let mut last = 0;
    for number in 0..300 {
        let message = format!(
            r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{fill}"}},"n":{number}}}"#
        );
        daemon.publish(&message);
        subscriber.expect_text(&message);
        last = number;
    }
    last
}

#[track_caller]
fn number_in(text: &str) -> usize {
    let message: serde_json::Value = serde_json::from_str(text).expect("a whole message");
    let number = message["n"].as_u64().expect("its number");
    usize::try_from(number).expect("a small one")
}
