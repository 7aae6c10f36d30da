//! Many connections at once.

use std::fs;

use campanile_tests::Daemon;

use crate::{LAST, listener, publish_last};

/// How many connections the test wants.
const CONNECTIONS: usize = 1000;

/// The file descriptors left to everything else in this process: the tests beside this one.
const OTHER_DESCRIPTORS: usize = 250;

/// Every third connection is in the channel of the notification.
const CHANNELS: usize = 3;

#[test]
fn one_notification_reaches_exactly_the_right_ones_of_a_thousand_connections() {
    let daemon = Daemon::start();
    let mut wires: Vec<_> = (0..affordable_connections())
        .map(|index| {
            let channel = index % CHANNELS;
            listener(
                &daemon,
                &format!(r#"{{"package":"p","page":"q","filters":{{"values":{{"channel":"{channel}"}}}}}}"#),
            )
        })
        .collect();
    let notification =
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":1}}}"#;
    daemon.publish(notification);
    publish_last(&daemon);
    for (index, wire) in wires.iter_mut().enumerate() {
        if index % CHANNELS == 1 {
            wire.expect_text(notification);
        }
        wire.expect_text(LAST);
    }
    let recipients = (0..wires.len())
        .filter(|index| index % CHANNELS == 1)
        .count();
    let heard = daemon.wait_for_logs(" notification ", 1);
    assert!(
        heard.ends_with(&format!("recipients={recipients}")),
        "{heard}"
    );

    let gone = wires.len();
    drop(wires);
    // The two publishers are gone as well.
    daemon.wait_for_logs("disconnected", gone + 2);
    let mut wire = listener(&daemon, r#"{"package":"p","page":"q"}"#);
    daemon.publish(notification);
    wire.expect_text(notification);
    let heard = daemon.wait_for_logs(" notification ", 3);
    assert!(heard.ends_with("recipients=1"), "{heard}");
}

/// [`CONNECTIONS`], or what the limit on open files leaves. Raising the limit is up to whoever runs the tests.
fn affordable_connections() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft_limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(usize::MAX);
    let affordable = CONNECTIONS.min(soft_limit.saturating_sub(OTHER_DESCRIPTORS));
    if affordable < CONNECTIONS {
        eprintln!(
            "only {affordable} connections: this shell allows {soft_limit} open files (raise it: ulimit -n 4096)"
        );
    }
    assert!(
        affordable >= 2 * CHANNELS,
        "{soft_limit} open files are too few to test anything"
    );
    affordable
}
