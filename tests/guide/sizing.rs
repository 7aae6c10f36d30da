//! The formula for memory in `docs/operating.md`, held against a daemon with so many clients. Its constants stand
//! in that page alone.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Instant;

use campanile_tests::{Daemon, PATIENCE, Program, Received, Wire};
use core::net::SocketAddr;
use core::time::Duration;

use crate::markdown;

/// The page with the constants.
const PAGE: &str = "docs/operating.md";

/// How many connections there are at first, and then once more: enough that what is measured is theirs.
const CONNECTIONS: usize = 3000;

/// How many subscriptions each of them then has, each to a value of its own.
const SUBSCRIPTIONS: usize = 8;

/// Threads that serve.
const SHARDS: usize = 2;

/// How many connections do not read, how many notifications are for each of them, and how long these are.
const WAITERS: usize = 100;
const WAITING: usize = 100;
const NOTIFICATION: usize = 1000;

/// By how much the formula may be off, in hundredths; the page says so.
const TOLERANCE: usize = 30;

/// The same for unoptimized code, which takes more room, and nobody serves with.
const UNOPTIMIZED_TOLERANCE: usize = 60;

/// How long the memory of a daemon that nobody talks to has to stay as it is before it is believed.
const REST: Duration = Duration::from_millis(500);

pub(crate) fn check() {
    // What waits must wait in the server, not in the kernel of this machine, which is ours alone.
    for buffers in ["tcp_wmem", "tcp_rmem"] {
        fs::write(format!("/proc/sys/net/ipv4/{buffers}"), "4096 4096 4096")
            .expect("the machine is ours");
    }
    let page = crate::read(PAGE);
    assert!(page.contains(&format!("more than {TOLERANCE} % off")));
    let rows = markdown::rows(&page);
    let constant = |name: &str| {
        let row = rows.iter().find(|(own, _)| own == name);
        let value =
            row.and_then(|(_, cells)| cells.first()?.replace(',', "").parse::<usize>().ok());
        value.unwrap_or_else(|| panic!("{PAGE} has no constant {name}"))
    };

    // The constants are those of this runtime, whatever the other tests run on; of the log, only what is needed.
    let shards = SHARDS.to_string();
    let own = ["--runtime", "smol", "--shards", &shards, "--log-rate", "1"];
    // These clients answer no ping.
    let (daemon, admin) = Daemon::with_admin(&[&own[..], &["--ping-interval", "1h"]].concat());
    let (at_start, resident) = daemon.footprint();
    if is_optimized() {
        assert_near("the base", resident, constant("base"));
    }
    let base = settled_memory(&daemon);
    let mut wires = Vec::new();
    for count in [CONNECTIONS, 2 * CONNECTIONS] {
        wires.resize_with(count, || daemon.connect());
        let grown = settled_memory(&daemon).saturating_sub(base);
        assert_near(
            &format!("{count} connections"),
            grown,
            count * constant("connection"),
        );
    }
    let (descriptors, _) = daemon.footprint();
    assert!(
        descriptors <= wires.len() + SHARDS + constant("descriptors"),
        "{descriptors} descriptors with {} connections, {at_start} without",
        wires.len()
    );

    let connected = settled_memory(&daemon);
    for (number, wire) in wires.iter_mut().enumerate() {
        subscribe(wire, number);
    }
    let subscribed = settled_memory(&daemon);
    let subscriptions = wires.len() * SUBSCRIPTIONS;
    let grown = subscribed.saturating_sub(connected);
    assert_near(
        &format!("{subscriptions} subscriptions"),
        grown,
        subscriptions * constant("subscription"),
    );

    // From now on nobody reads.
    publish(&daemon, wires.len());
    let waiting = outbox_bytes(admin);
    assert!(
        waiting > WAITERS * WAITING * NOTIFICATION / 2,
        "only {waiting} bytes wait"
    );
    let grown = settled_memory(&daemon).saturating_sub(subscribed);
    assert_near("what waits", grown, waiting);
}

/// Notifications for one connection in each, more than the kernel's buffers hold.
fn publish(daemon: &Daemon, connections: usize) {
    let filler = "x".repeat(NOTIFICATION);
    let mut publisher = daemon.connect_v1();
    for number in (0..connections).step_by(connections / WAITERS) {
        for _ in 0..WAITING {
            publisher.send_text(&format!(
                r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{{"order":"{number}-0"}}}},"data":"{filler}"}}}}"#
            ));
            let Received::Text(answer) = publisher.receive() else {
                panic!("a publication is answered");
            };
            assert!(answer.contains(r#""recipients":1}"#), "{answer}");
        }
    }
}

/// What waits for connections, as the server's own metric has it.
fn outbox_bytes(admin: SocketAddr) -> usize {
    let url = format!("http://{admin}/metrics");
    let page = Program::run(Command::new("curl").args(["-sSf", &url]));
    let page = String::from_utf8(page.output).expect("text");
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix("campanile_outbox_bytes "));
    value
        .and_then(|value| value.parse().ok())
        .expect("a number")
}

/// To [`SUBSCRIPTIONS`] values that nobody else has asked for.
fn subscribe(wire: &mut Wire, number: usize) {
    let subscriptions: Vec<_> = (0..SUBSCRIPTIONS)
        .map(|own| format!(r#"{{"package":"p","page":"q","filters":{{"values":{{"order":["{number}-{own}"]}}}}}}"#))
        .collect();
    wire.subscribe(&format!("[{}]", subscriptions.join(",")));
}

/// Whether the daemon is a release build.
fn is_optimized() -> bool {
    let folder = Daemon::binary().parent();
    folder.is_some_and(|folder| folder.ends_with("release"))
}

#[track_caller]
fn assert_near(what: &str, measured: usize, predicted: usize) {
    println!("{what}: {measured} bytes, and the formula says {predicted}");
    let off = measured.abs_diff(predicted);
    let tolerance = match is_optimized() {
        true => TOLERANCE,
        false => UNOPTIMIZED_TOLERANCE,
    };
    assert!(
        off * 100 <= predicted * tolerance,
        "{what} take {measured} bytes, and {PAGE} says {predicted}: mend its constants"
    );
}

/// The memory that is the daemon's alone, once it does not change any more. What it shares with other daemons, that
/// other tests start and end, would come and go with them.
fn settled_memory(daemon: &Daemon) -> usize {
    let start = Instant::now();
    let mut last = own_memory(daemon);
    loop {
        thread::sleep(REST);
        let now = own_memory(daemon);
        if now == last {
            return now;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "the memory does not come to rest: {now}"
        );
        last = now;
    }
}

fn own_memory(daemon: &Daemon) -> usize {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid())).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
    let kilobytes = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<usize>()
            .ok()
    });
    kilobytes.expect("a Linux that tells the anonymous part") * 1024
}
