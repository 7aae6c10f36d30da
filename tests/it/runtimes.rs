//! The same on every runtime: a little of what the other tests do on one of them, which
//! `$CAMPANILE_RUNTIME` names.

use std::process::Command;

use campanile_tests::{Daemon, Program, Received, Wire};

use crate::{LAST, listener, publish_last, resubscribe};

const CHANNEL: &str = r#"{"package":"p","page":"q","filters":{"values":{"channel":["2","3"]}}}"#;
const NEWS: &str =
    r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":"2"}}}"#;

#[test]
fn smol_subscribes_publishes_limits_and_ends() {
    subscribes_publishes_limits_and_ends("smol");
}

#[test]
fn std_subscribes_publishes_limits_and_ends() {
    subscribes_publishes_limits_and_ends("std");
}

fn subscribes_publishes_limits_and_ends(runtime: &str) {
    let mut daemon = Daemon::on(runtime, &[]);
    let mut concerned = listener(&daemon, CHANNEL);
    let mut other = listener(&daemon, r#"{"package":"p","page":"other"}"#);
    daemon.publish(NEWS);
    let mut publisher = daemon.connect_v1();
    publisher.send_text(NEWS);
    let Received::Text(answer) = publisher.receive() else {
        panic!("an answer comes");
    };
    assert!(answer.contains(r#""recipients":1"#), "{answer}");
    for _ in 0..2 {
        concerned.expect_text(NEWS);
    }
    resubscribe(&mut concerned, "");
    daemon.publish(NEWS);
    publish_last(&daemon);
    concerned.expect_text(LAST);
    other.expect_text(LAST);

    drop(publisher);
    daemon.signal("TERM");
    for wire in [&mut concerned, &mut other] {
        wire.expect_error("shutting_down");
        wire.expect_close(1001);
    }
    assert_eq!(daemon.wait_for_end(), Some(0));

    let daemon = Daemon::on(runtime, &["--max-connections", "1"]);
    let _only = daemon.connect();
    let mut second = Wire::connect(daemon.address());
    second.send(Wire::handshake(daemon.address()).as_bytes());
    assert_eq!(second.expect_refusal().status, 503);
}

#[test]
fn a_runtime_that_there_is_not_is_named_with_those_that_there_are() {
    let mut command = Command::new(Daemon::binary());
    let ended = Program::run(command.args(["--runtime", "tokio"]));
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    for named in ["--runtime", "tokio", "smol", "std"] {
        assert!(ended.errors.contains(named), "{named} in {}", ended.errors);
    }
}
