//! The admin address, and that its metrics are what happened.

use std::{
    env,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use campanile_tests::{
    Daemon, PATIENCE, Program,
    metrics::{ask, sample},
};

use crate::{LAST, listener, publish_last};

/// Waits until the samples are these: each shard shows its numbers at the end of a turn.
#[track_caller]
fn wait_for(address: SocketAddr, expected: &[(&str, f64)]) {
    let start = std::time::Instant::now();
    loop {
        let got: Vec<_> = expected
            .iter()
            .map(|(name, _)| (*name, sample(address, name)))
            .collect();
        if got == expected {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{got:?}, not {expected:?}");
        std::thread::sleep(core::time::Duration::from_millis(20));
    }
}

#[test]
fn what_happened_is_counted_whatever_the_number_of_shards() {
    // The runtime std has one hub, and measures no latencies.
    let is_std = env::var("CAMPANILE_RUNTIME").is_ok_and(|runtime| runtime == "std");
    for shards in ["1", "3"] {
        let (daemon, admin) = Daemon::with_admin(&["--shards", shards, "--max-message", "1000"]);
        let shards = if is_std { "1" } else { shards };
        let measures = f64::from(u8::from(!is_std));
        let mut wires: Vec<_> = (0..4)
            .map(|_| listener(&daemon, r#"{"package":"p","page":"q"}"#))
            .collect();
        let mut bad = daemon.connect();
        bad.send_text("{");
        let mut rude = daemon.connect();
        rude.send_text(&"x".repeat(1001));
        rude.expect_error("message_too_big");
        rude.expect_close(1009);
        for _ in 0..3 {
            publish_last(&daemon);
        }
        for wire in &mut wires {
            for _ in 0..3 {
                wire.expect_text(LAST);
            }
        }
        drop(wires.pop());
        daemon.wait_for_log("code=1006");
        wait_for(
            admin,
            &[
                ("campanile_notifications_total", 3.0),
                ("campanile_deliveries_total", 12.0),
                ("campanile_connections", 4.0),
                ("campanile_connections_accepted_total", 9.0),
                ("campanile_handshakes_total{result=\"opened\"}", 9.0),
                ("campanile_disconnections_total{cause=\"server\"}", 3.0),
                ("campanile_disconnections_total{cause=\"violation\"}", 1.0),
                ("campanile_disconnections_total{cause=\"gone\"}", 1.0),
                ("campanile_subscriptions", 6.0),
                // Whoever subscribes asks whether that is done.
                ("campanile_messages_received_total", 4.0 + 4.0 + 1.0 + 3.0),
                ("campanile_answers_total", 4.0 + 2.0),
                ("campanile_messages_refused_total{error=\"other\"}", 1.0),
                ("campanile_limits_hit_total{limit=\"message_size\"}", 1.0),
                ("campanile_protocol_violations_total", 1.0),
                ("campanile_outbox_bytes", 0.0),
                (
                    "campanile_publish_latency_seconds_count",
                    measures * 3.0 * shards.parse::<f64>().expect("a number"),
                ),
                ("campanile_shards", shards.parse().expect("a number")),
            ],
        );
        let sum = sample(admin, "campanile_publish_latency_seconds_sum");
        assert_eq!(sum > 0.0, !is_std, "{sum}");
        let sent = sample(admin, "campanile_sent_bytes_total");
        assert!(sent >= (12 * (LAST.len() + 2)) as f64, "{sent}");
    }
}

#[test]
fn what_waits_for_who_does_not_read_is_seen() {
    let (daemon, admin) = Daemon::with_admin(&[
        "--shards",
        "1",
        "--max-waiting-bytes",
        "100MB",
        "--max-waiting-messages",
        "1000000",
        "--max-message",
        "100000",
        "--publications-per-second",
        "0",
    ]);
    let slow = daemon.subscriber(r#"[{"package":"p","page":"q"}]"#);
    let text = "x".repeat(90_000);
    let notification = format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","message":"{text}"}}}}"#
    );
    // More than what a connection's thread writes may leave there for a moment.
    while sample(admin, "campanile_outbox_bytes") < 1e6 {
        daemon.publish(&notification);
    }
    assert_eq!(sample(admin, "campanile_outbox_connections"), 1.0);
    drop(slow);
    wait_for(
        admin,
        &[
            ("campanile_outbox_bytes", 0.0),
            ("campanile_outbox_connections", 0.0),
        ],
    );
}

#[test]
fn other_requests_are_answered_with_what_to_do() {
    let (_daemon, admin) = Daemon::with_admin(&[]);
    for (request, status, text) in [
        (
            "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "404",
            "/metrics",
        ),
        (
            "PUT /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "405",
            "GET or HEAD",
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "403",
            "IP address",
        ),
        ("GET /metrics HTTP/1.1\r\n\r\n", "400", "Host"),
        ("\r\n\r\nwhat?\r\n\r\n", "400", "HTTP"),
    ] {
        let answer = ask(admin, request.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains(text), "{answer}");
        assert!(
            !answer.to_lowercase().contains("access-control"),
            "{answer}"
        );
    }
    let flood = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b'x'; 20_000]].concat();
    assert!(ask(admin, &flood).starts_with("HTTP/1.1 431 "));
}

#[test]
fn who_says_nothing_takes_no_place_from_the_others_for_long_and_the_daemon_serves() {
    let (daemon, admin) = Daemon::with_admin(&[]);
    let silent: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(admin).expect("it listens"))
        .collect();
    daemon.publish(LAST);
    drop(silent);
    wait_for(
        admin_when_free(admin),
        &[("campanile_notifications_total", 1.0)],
    );
}

/// The address, when it answers again.
#[track_caller]
fn admin_when_free(admin: SocketAddr) -> SocketAddr {
    let start = std::time::Instant::now();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    loop {
        let mut socket = TcpStream::connect(admin).expect("it listens");
        let mut answer = String::new();
        let answered = socket.write_all(request.as_bytes()).is_ok()
            && socket.read_to_string(&mut answer).is_ok();
        if answered && answer.starts_with("HTTP/1.1 200 ") {
            return admin;
        }
        assert!(start.elapsed() < PATIENCE, "{answer}");
    }
}

#[test]
fn an_admin_address_that_was_asked_for_and_is_taken_keeps_the_daemon_from_starting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut command = Daemon::command(&["--listen", "127.0.0.1:0", "--admin-listen", &address]);
    let ended = Program::run(&mut command);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let expected = format!(
        "campanile: cannot listen on {address}: the address is in use; stop the other server, or choose \
         another address with --admin-listen, or do without metrics and status page: --admin-listen off\n"
    );
    assert_eq!(ended.errors, expected);
}

#[test]
fn without_being_asked_for_a_taken_one_is_only_told() {
    // Somebody has the default address from now on: this test, or whoever had it before.
    let _taken = TcpListener::bind("127.0.0.1:8001");
    let mut command = Daemon::command(&["--listen", "127.0.0.1:0"]);
    // An empty variable says nothing, so that the default is in force.
    let daemon = Daemon::from_command(command.env("CAMPANILE_ADMIN_LISTEN", ""));
    daemon.wait_for_log("no admin address");
    daemon.publish(LAST);
}
