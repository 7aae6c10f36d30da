//! What happens to connections that go wrong, and to the daemon then: nothing.

use core::time::Duration;
use std::{net::TcpStream, process::Command, thread, time::Instant};

use campanile_core::hub::OutboxLimits;
use campanile_tests::{Daemon, Frame, Received, Wire, with_bystander};

use crate::{LAST, listener, publish_last};

const CHANNEL: &str = r#"{"package":"p","page":"q"}"#;

#[test]
fn ten_thousand_connections_that_come_and_go_leave_nothing_behind() {
    const ROUNDS: usize = 100;
    const AT_ONCE: usize = 100;
    /// What the daemon opens and starts only when it is needed first.
    const LATER: usize = 8;
    let daemon = Daemon::with(&["--log", "error"]);
    let at_rest = |descriptors: usize, threads: usize| {
        let start = Instant::now();
        loop {
            let (now_open, memory) = daemon.footprint();
            let now_running = daemon.threads();
            let is_at_rest = now_open <= descriptors && now_running <= threads;
            if is_at_rest || start.elapsed() > Duration::from_secs(10) {
                return (now_open, now_running, memory);
            }
            thread::sleep(Duration::from_millis(20));
        }
    };
    let idle = (daemon.footprint().0 + LATER, daemon.threads() + LATER);
    // Each begins when the one before is forgotten: what many need at once may be kept for as many.
    let round = || {
        let wires: Vec<_> = (0..AT_ONCE)
            .map(|index| {
                let filter = format!(r#"{{"values":{{"a":"{index}","b":[{index},true]}}}}"#);
                daemon.subscriber(&format!(
                    r#"[{{"package":"p{index}","page":"q","filters":{filter}}}]"#
                ))
            })
            .collect();
        drop(wires);
        at_rest(idle.0, idle.1)
    };
    // What is kept for the next ones is kept by now.
    for _ in 0..20 {
        round();
    }
    let (descriptors, threads, memory) = round();
    for _ in 0..ROUNDS {
        round();
    }
    let (descriptors_after, threads_after, memory_after) = at_rest(descriptors, threads);
    assert!(
        descriptors_after <= descriptors && threads_after <= threads,
        "{descriptors} descriptors and {threads} threads have become {descriptors_after} and {threads_after}"
    );
    // Fifty bytes of each connection would be more; the allocator's own ways are less.
    assert!(
        memory_after <= memory + ROUNDS * AT_ONCE * 50,
        "{memory} bytes have become {memory_after}"
    );
    // Nobody is left who could hear anything.
    let mut publisher = daemon.connect_v1();
    publisher.send_text(r#"{"sender":"server","notification":{"package":"p1","page":"q","filters":{"values":{"a":1,"b":1}}}}"#);
    let Received::Text(answer) = publisher.receive() else {
        panic!("an answer comes");
    };
    assert!(answer.contains(r#""recipients":0"#), "{answer}");
}

#[test]
fn clients_that_are_killed_in_the_middle_of_a_frame_do_not_hinder_the_others() {
    with_bystander(|daemon| {
        let address = daemon.address();
        // A process of its own, which opens a connection, sends half a frame and waits to be killed.
        let script = format!(
            "exec 3<>/dev/tcp/{}/{}; printf '%s' {} >&3; printf '\\x81\\xfe\\x01\\x00abcd1234' >&3; sleep 100",
            address.ip(),
            address.port(),
            quoted(&Wire::handshake(address)),
        );
        for _ in 0..5 {
            let mut child = Command::new("bash")
                .arg("-c")
                .arg(&script)
                .spawn()
                .expect("a shell");
            thread::sleep(Duration::from_millis(100));
            child.kill().expect("it waits");
            child.wait().expect("it is killed");
        }
        daemon.wait_for_logs("disconnected", 5);
    });
}

#[test]
fn connections_reset_during_a_fan_out_do_not_hinder_the_others() {
    with_bystander(|daemon| {
        let mut steady = listener(daemon, CHANNEL);
        for round in 0..20 {
            let doomed: Vec<_> = (0..20)
                .map(|_| daemon.subscriber(&format!("[{CHANNEL}]")))
                .collect();
            let mut publisher = daemon.connect_v1();
            let notification = format!(
                r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{}"}},"n":{round}}}"#,
                "x".repeat(5_000)
            );
            for _ in 0..10 {
                publisher.send_text(&notification);
            }
            // They have unread bytes, and so are reset and not closed (RFC 1122 section 4.2.2.13).
            drop(doomed);
            for _ in 0..10 {
                steady.expect_text(&notification);
                assert!(matches!(publisher.receive(), Received::Text(_)));
            }
        }
    });
}

#[test]
fn a_receiver_that_never_reads_costs_a_flooding_publisher_and_the_others_nothing() {
    with_bystander(|daemon| {
        let _deaf = daemon.subscriber(&format!("[{CHANNEL}]"));
        let (_, before) = daemon.footprint();
        let mut publisher = daemon.connect_v1();
        let notification = format!(
            r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{}"}}}}"#,
            "x".repeat(30_000)
        );
        for _ in 0..1_000 {
            publisher.send_text(&notification);
            assert!(matches!(publisher.receive(), Received::Text(_)));
        }
        daemon.wait_for_log("slow consumer");
        let (_, after) = daemon.footprint();
        let most = 4 * OutboxLimits::BYTES + 1024 * 1024;
        assert!(after <= before + most, "{before} bytes have become {after}");
    });
}

#[test]
fn a_flooding_client_does_not_starve_the_others() {
    with_bystander(|daemon| {
        let address = daemon.address();
        let floods: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || {
                    let mut wire = Wire::open(address);
                    // Data frames that are one message without an end; nothing answers them.
                    let frame = Frame::continuation("x".repeat(200)).unfinished().masked();
                    let start = Frame::text("x").unfinished().masked();
                    let flood = [start, frame.repeat(200)].concat();
                    while wire.try_send(&flood) {}
                })
            })
            .collect();
        let mut steady = listener(daemon, CHANNEL);
        for _ in 0..50 {
            publish_last(daemon);
            steady.expect_text(LAST);
        }
        for flood in floods {
            flood
                .join()
                .expect("the daemon closes it for too many fragments");
        }
    });
}

#[test]
fn clients_that_trickle_their_frames_and_closes_do_not_hinder_the_others() {
    with_bystander(|daemon| {
        let close = Frame::close(1000).masked();
        let message = Frame::text("x".repeat(200)).masked();
        let mut slow: Vec<_> = (0..20)
            .map(|_| (daemon.connect(), daemon.connect()))
            .collect();
        let mut steady = listener(daemon, CHANNEL);
        for at in 0..close.len() - 1 {
            for (closing, speaking) in &mut slow {
                closing.send(&close[at..=at]);
                speaking.send(&message[at..=at]);
            }
            publish_last(daemon);
            steady.expect_text(LAST);
        }
        for (mut closing, mut speaking) in slow {
            closing.send(&close[close.len() - 1..]);
            closing.expect_close(1000);
            speaking.send(&message[close.len() - 1..]);
            speaking.expect_error("invalid_json");
        }
    });
}

#[test]
fn a_client_that_stops_reading_in_its_close_is_cut_off() {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        wire.send_frame(&Frame::close(1000));
        // It neither reads the answer nor ends.
        daemon.wait_for_log("code=1000");
        let stream = TcpStream::connect(daemon.address()).expect("others are served");
        drop(stream);
    });
}

#[test]
fn a_daemon_that_is_out_of_descriptors_says_so_and_serves_on_when_some_are_free_again() {
    const DESCRIPTORS: usize = 40;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$@\""), "sh"]);
    command.arg(Daemon::binary());
    let daemon = Daemon::from_command(command.args(["--listen", "127.0.0.1:0"]));
    let mut steady = listener(&daemon, CHANNEL);
    // The kernel takes them in whether the daemon does or not.
    let crowd: Vec<_> = (0..2 * DESCRIPTORS)
        .map(|_| Wire::connect(daemon.address()))
        .collect();
    let line = daemon.wait_for_log("cannot accept connections");
    assert!(line.contains("os error 24"), "{line}");
    steady.synchronise();
    drop(crowd);
    publish_last(&daemon);
    steady.expect_text(LAST);
    // However often it was tried meanwhile.
    assert_eq!(daemon.log().matches("cannot accept").count(), 1);
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
