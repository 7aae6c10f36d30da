//! The daemon serves whatever becomes of its log.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
};

use campanile_tests::{Daemon, Wire};

/// More lines than a pipe holds, several times over.
const MANY: usize = 5_000;

#[test]
fn a_log_on_a_full_disk_does_not_stop_the_daemon() {
    let full = File::create("/dev/full").expect("Linux has it");
    let daemon = Logging::to(full.into());
    daemon.assert_serves();
}

#[test]
fn a_log_whose_reader_has_gone_does_not_stop_the_daemon() {
    let mut daemon = Logging::to(Stdio::piped());
    drop(daemon.child.stderr.take());
    daemon.assert_serves();
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_daemon() {
    let daemon = Logging::to(Stdio::piped());
    daemon.assert_serves();
}

struct Logging {
    child: Child,
    address: SocketAddr,
}

impl Logging {
    #[track_caller]
    fn to(log: Stdio) -> Self {
        let mut child = Daemon::command(&["--listen", "127.0.0.1:0", "--messages-per-minute", "0"])
            .args(["--log-rate", "0"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the daemon is ready");
        let address = line
            .split_once("ws://")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("an address in {line:?}"));
        Self { child, address }
    }

    /// Every subscription is a line of the log.
    #[track_caller]
    fn assert_serves(&self) {
        for _ in 0..2 {
            let mut wire = Wire::open(self.address);
            for _ in 0..MANY {
                wire.send_text(r#"{"sender":"client","subscriptions":[]}"#);
            }
            wire.send_text(r#"{"type":"ping"}"#);
            wire.expect_text(r#"{"type":"pong"}"#);
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The log's lines so far as JSON objects, when one of the event `last` has come.
#[track_caller]
fn objects(daemon: &Daemon, last: &str) -> Vec<serde_json::Value> {
    daemon.wait_for_log(&format!("\"event\":\"{last}\""));
    let log = daemon.log();
    let complete = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let objects = complete
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    objects.collect()
}

#[test]
fn where_standard_error_is_no_terminal_each_line_is_a_json_object() {
    for arguments in [["--log-format", "json"], ["--log-format", "auto"]] {
        let mut daemon = Daemon::with(&arguments);
        let mut wire = daemon.connect();
        wire.send_text(r#"{"sender":"client","subscriptions":[]}"#);
        wire.send_text("\u{1}\"");
        wire.expect_error("invalid_json");
        daemon
            .publish(r#"{"sender":"server","notification":{"package":"p\"\n\u0007","page":"é"}}"#);
        drop(wire);
        daemon.wait_for_logs("\"event\":\"disconnected\"", 2);
        daemon.signal("TERM");
        assert_eq!(daemon.wait_for_end(), Some(0));
        let objects = objects(&daemon, "ended");
        let find = |name: &str| {
            let found = objects.iter().find(|object| object["event"] == name);
            found.unwrap_or_else(|| panic!("{name} in {}", daemon.log()))
        };
        let notification = find("notification");
        assert_eq!(notification["package"], "p\"\n\u{7}");
        assert_eq!(notification["page"], "é");
        assert_eq!(notification["recipients"], 0);
        assert_eq!(notification["level"], "info");
        assert_eq!(find("listening")["address"], daemon.address().to_string());
        assert_eq!(find("subscribed")["subscriptions"], 0);
        assert_eq!(find("refused")["error"], "invalid_json");
        assert_eq!(find("ended")["connections"], 2);
        for object in &objects {
            let time = object["time"].as_str().expect("a time");
            assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        }
    }
}

#[test]
fn a_flood_is_cut_off_and_counted() {
    let daemon = Daemon::with(&["--log-format", "json", "--log-rate", "1"]);
    const FLOOD: u64 = 100;
    let mut wire = daemon.connect();
    for _ in 0..FLOOD {
        wire.send_text("x");
        wire.expect_error("invalid_json");
    }
    let objects = objects(&daemon, "left out");
    let refused = objects
        .iter()
        .filter(|object| object["event"] == "refused")
        .count();
    assert!(refused >= 10, "{}", daemon.log());
    let left_out = objects
        .iter()
        .find(|object| object["event"] == "left out")
        .expect("one");
    assert_eq!(left_out["like"], "refused");
    assert!(
        left_out["count"]
            .as_u64()
            .is_some_and(|count| count > 0 && count < FLOOD)
    );
}
