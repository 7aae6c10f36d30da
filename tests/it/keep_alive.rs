//! The daemon's own pings.

use std::thread;

use campanile_tests::{Daemon, Received};

use crate::{LAST, publish_last};

#[test]
#[ignore = "takes 35 s, the daemon's own time for a dead peer"]
fn a_peer_that_answers_no_ping_is_dropped_and_one_that_does_stays() {
    let daemon = Daemon::start();
    let mut alive = daemon.subscriber(r#"[{"package":"test","page":"last"}]"#);
    let mut dead = daemon.connect();
    let living = thread::spawn(move || alive.receive());
    let ping = dead.receive_frame().expect("a ping");
    assert_eq!(ping.opcode, 0x9, "{ping:?}");
    while dead.receive_frame().is_some() {}
    publish_last(&daemon);
    assert_eq!(
        living.join().expect("no panic"),
        Received::Text(LAST.to_owned())
    );
}
