//! HTTP on the daemon's port (the protocol, section 8), in hand-made bytes.

use std::net::{SocketAddr, TcpListener};

use campanile_tests::{Daemon, Program, Response, Wire, with_bystander};
use serde_json::Value;

use crate::{LAST, listener, publish_last};

const CHANNEL: &str = r#"{"package":"p","page":"q"}"#;
const NOTIFICATION: &str =
    r#" {"sender":"server","notification":{"package":"p","page":"q","data":[1.0, "é"]}}"#;
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn post(body: &str) -> String {
    format!(
        "POST /notifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[track_caller]
fn ask(wire: &mut Wire, request: &str) -> Response {
    wire.send(request.as_bytes());
    wire.expect_response()
}

fn json(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|_| panic!("{response:?}"))
}

#[test]
fn what_is_posted_is_heard_byte_for_byte_and_acknowledged_whatever_the_shards() {
    for shards in ["1", "3"] {
        let daemon = Daemon::with(&["--shards", shards]);
        let mut hearers: Vec<_> = (0..5).map(|_| listener(&daemon, CHANNEL)).collect();
        let mut wire = Wire::connect(daemon.address());
        let mut last = String::new();
        for _ in 0..20 {
            let response = ask(&mut wire, &post(NOTIFICATION));
            assert_eq!(response.status, 200, "{response:?}");
            assert_eq!(response.header("content-type"), "application/json");
            let answer = json(&response);
            assert_eq!(answer["recipients"], 5);
            let position = answer["position"].as_str().expect("text").to_owned();
            assert!(position > last, "{position} is not behind {last}");
            last = position;
        }
        for hearer in &mut hearers {
            for _ in 0..20 {
                hearer.expect_text(NOTIFICATION);
            }
        }
    }
}

#[test]
fn a_batch_has_an_answer_for_each_of_its_messages() {
    let daemon = Daemon::start();
    let mut hearer = listener(&daemon, CHANNEL);
    let mut wire = Wire::connect(daemon.address());
    let body = format!(r#"[{LAST},{{"sender":"server"}},{NOTIFICATION}]"#);
    let answer = json(&ask(&mut wire, &post(&body)));
    assert_eq!(answer.as_array().map(Vec::len), Some(3));
    assert_eq!(answer[0]["recipients"], 1);
    assert_eq!(answer[1]["error"]["code"], "invalid_message");
    assert_eq!(answer[1]["error"]["path"], "notification");
    assert_eq!(answer[2]["recipients"], 1);
    hearer.expect_text(LAST);
    hearer.expect_text(NOTIFICATION.trim());
}

#[test]
fn a_connection_may_ask_again_and_again_and_open_a_websocket_in_the_end() {
    let daemon = Daemon::start();
    let mut wire = Wire::connect(daemon.address());
    for _ in 0..3 {
        assert_eq!(ask(&mut wire, HEALTH).body, "ok\n");
        assert_eq!(ask(&mut wire, &post("{")).status, 400);
    }
    wire.send(Wire::handshake(daemon.address()).as_bytes());
    wire.expect_upgrade();
    wire.synchronise();
}

#[test]
fn requests_may_come_all_at_once_or_byte_by_byte() {
    let daemon = Daemon::start();
    let chunked = format!(
        "POST /notifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{LAST}\r\n0\r\n\r\n",
        LAST.len()
    );
    let all = [post(LAST), HEALTH.into(), chunked, post("[]")].concat();
    let mut wire = Wire::connect(daemon.address());
    let mut check = |send: &dyn Fn(&mut Wire)| {
        send(&mut wire);
        assert_eq!(json(&wire.expect_response())["recipients"], 0);
        assert_eq!(wire.expect_response().body, "ok\n");
        assert_eq!(json(&wire.expect_response())["recipients"], 0);
        assert_eq!(wire.expect_response().body, "[]");
    };
    check(&|wire| wire.send(all.as_bytes()));
    check(&|wire| all.bytes().for_each(|byte| wire.send(&[byte])));
}

#[test]
fn refusals_are_problems_and_end_the_connection_where_the_rest_is_in_doubt() {
    let cases = [
        (post(LAST).replace("application/json", "text/plain"), 415),
        (
            post(LAST).replace("\r\n\r\n", "\r\nOrigin: http://localhost\r\n\r\n"),
            403,
        ),
        (post(LAST).replace("POST", "PUT"), 405),
        (post(LAST).replace("/notifications", "/notification"), 404),
        (
            post(LAST).replace("Content-Length: ", "Content-Length: 9999"),
            413,
        ),
        (
            post(LAST).replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
        ),
        (
            post(LAST).replace("\r\n\r\n", "\r\nExpect: more\r\n\r\n"),
            417,
        ),
    ];
    for (request, status) in cases {
        with_bystander(|daemon| {
            let mut hearer = listener(daemon, "");
            let mut wire = Wire::connect(daemon.address());
            // What is behind it is not heard.
            wire.send(request.as_bytes());
            wire.send(post(LAST).as_bytes());
            let response = wire.expect_response();
            assert_eq!(response.status, status, "{request}: {response:?}");
            let media = response.header("content-type");
            assert_eq!(media, "application/problem+json");
            assert_eq!(json(&response)["status"], status);
            assert!(response.has_token("connection", "close"), "{response:?}");
            assert_eq!(wire.read_to_end(), b"");
            hearer.synchronise();
            daemon.wait_for_log(&format!("status={status}"));
        });
    }
}

#[test]
fn who_waits_for_a_100_gets_one() {
    let daemon = Daemon::start();
    let mut wire = Wire::connect(daemon.address());
    let request = post(LAST).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    wire.send(format!("{head}\r\n\r\n").as_bytes());
    assert_eq!(wire.expect_response().status, 100);
    wire.send(body.as_bytes());
    assert_eq!(wire.expect_response().status, 200);
}

#[test]
fn a_body_that_never_ends_is_cut_off_and_nobody_else_notices() {
    with_bystander(|daemon| {
        let mut silent = Wire::connect(daemon.address());
        let head = post(LAST).replace(LAST, "");
        silent.send(head.as_bytes());
        assert_eq!(silent.expect_response().status, 408);
        assert_eq!(silent.read_to_end(), b"");
    });
}

#[test]
fn a_publisher_that_leaves_at_once_has_published() {
    let daemon = Daemon::start();
    let mut hearer = listener(&daemon, CHANNEL);
    let mut wire = Wire::connect(daemon.address());
    wire.send(post(NOTIFICATION).as_bytes());
    drop(wire);
    hearer.expect_text(NOTIFICATION);
    // Or ends its direction, and reads on.
    let mut wire = Wire::connect(daemon.address());
    wire.send(post(NOTIFICATION).as_bytes());
    wire.finish_sending();
    assert_eq!(json(&wire.expect_response())["recipients"], 1);
    assert_eq!(wire.read_to_end(), b"");
    hearer.expect_text(NOTIFICATION);
    publish_last(&daemon);
    hearer.expect_text(LAST);
}

#[test]
fn a_full_daemon_says_so_and_that_it_lives() {
    let daemon = Daemon::with(&["--max-connections", "1"]);
    let _only = daemon.connect();
    for (request, status) in [(HEALTH, 200), (&post(LAST), 503)] {
        let mut wire = Wire::connect(daemon.address());
        let response = ask(&mut wire, request);
        assert_eq!(response.status, status);
        if status == 503 {
            assert_eq!(response.header("retry-after"), "30");
        }
        assert_eq!(wire.read_to_end(), b"");
    }
}

#[test]
fn publications_over_the_rate_are_told_when_to_come_again() {
    let daemon = Daemon::with(&["--publications-per-second", "1"]);
    let mut wire = Wire::connect(daemon.address());
    let statuses: Vec<_> = (0..4)
        .map(|_| {
            let response = ask(&mut wire, &post(LAST));
            if response.status == 429 {
                let seconds = response.header("retry-after").parse::<u64>();
                assert!(seconds.is_ok_and(|seconds| seconds > 0), "{response:?}");
                assert_eq!(json(&response)["code"], "rate_limited");
            }
            response.status
        })
        .collect();
    assert!(statuses.starts_with(&[200, 200]), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn requests_are_counted_and_the_end_of_the_daemon_ends_connections_that_wait() {
    let mut daemon = Daemon::start();
    let mut wire = Wire::connect(daemon.address());
    assert_eq!(ask(&mut wire, &post(LAST)).status, 200);
    assert_eq!(ask(&mut wire, &post("{")).status, 400);
    daemon.wait_for_log("request refused");
    daemon.signal("TERM");
    assert_eq!(wire.read_to_end(), b"");
    assert_eq!(daemon.wait_for_end(), Some(0));
    let log = daemon.log();
    assert!(
        log.contains("notifications=1") && log.contains("http_requests=2 http_errors=1"),
        "{log}"
    );
    assert!(!log.contains("handshake refused"), "{log}");
    assert!(!log.contains("handshake failed"), "{log}");
}

#[test]
fn the_health_command_tells_who_is_well_from_who_is_full_silent_or_not_there() {
    let health = |arguments: &[&str], address: SocketAddr| {
        let mut command = Daemon::command(&["health"]);
        command.args(arguments).arg(address.to_string());
        let ended = Program::run(&mut command);
        (ended.status.code(), ended.errors)
    };
    let daemon = Daemon::with(&["--max-connections", "1"]);
    for arguments in [&[][..], &["--ready"]] {
        assert_eq!(
            health(arguments, daemon.address()),
            (Some(0), String::new())
        );
    }
    let _only = daemon.connect();
    let (code, errors) = health(&["--ready"], daemon.address());
    assert_eq!(code, Some(1));
    assert!(errors.contains("503"), "{errors}");

    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let is_told = |address: SocketAddr| {
        let (code, errors) = health(&[], address);
        assert_eq!(code, Some(1));
        let expected = format!("GET /healthz of {address} was not answered: ");
        assert!(errors.contains(&expected), "{errors}");
    };
    is_told(address);
    drop(silent);
    is_told(address);
}
