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
        let mut child = Daemon::command()
            .args(["--listen", "127.0.0.1:0", "--messages-per-minute", "0"])
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
