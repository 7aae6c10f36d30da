//! Clients behind proxies, as the daemon's log, limits and rights see them.

use core::net::Ipv4Addr;
use std::fs;

use campanile_tests::{Daemon, Received, Wire};

use crate::LAST;

/// The proxy, and others that connect themselves.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

const BY_PROTOCOL: &[&str] = &[
    "--proxy-trusted",
    "127.0.1.1,10.0.0.0/8",
    "--proxy-protocol",
    "on",
];
const BY_HEADER: &[&str] = &[
    "--proxy-trusted",
    "127.0.1.1,10.0.0.0/8",
    "--proxy-headers",
    "x-forwarded-for",
];

/// The opening handshake with one more header field.
fn handshake_with(daemon: &Daemon, field: &str) -> String {
    let request = Wire::handshake(daemon.address());
    format!("{}\r\n{field}\r\n\r\n", request.trim_end())
}

/// A header of version 2 that names an IPv4 client, with something beside the addresses.
fn version_2(client: [u8; 4]) -> Vec<u8> {
    let more = [0x04, 0, 3, 1, 2, 3];
    let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12";
    [
        head,
        &client[..],
        &[127, 0, 0, 1],
        &[0x9C, 0x40, 0, 80],
        &more,
    ]
    .concat()
}

/// What a proxy sends for this client before anything else, and then its handshake, in the two versions and
/// in the header field.
fn introductions(daemon: &Daemon, by_header: bool, client: [u8; 4]) -> Vec<Vec<u8>> {
    let address = Ipv4Addr::from(client);
    let request = Wire::handshake(daemon.address());
    if by_header {
        let field = format!("X-Forwarded-For: 6.6.6.6, {address}, 10.0.0.1");
        return vec![handshake_with(daemon, &field).into_bytes()];
    }
    let line = format!("PROXY TCP4 {address} 127.0.0.1 40000 80\r\n{request}");
    vec![
        line.into_bytes(),
        [version_2(client), request.into_bytes()].concat(),
    ]
}

#[test]
fn the_log_and_the_limits_see_the_client_behind_a_proxy() {
    for (arguments, by_header) in [(BY_PROTOCOL, false), (BY_HEADER, true)] {
        let limit = ["--max-connections-per-address", "1"];
        let daemon = Daemon::with(&[arguments, &limit].concat());
        for (at, said) in introductions(&daemon, by_header, [127, 0, 0, 2])
            .into_iter()
            .enumerate()
        {
            let mut first = Wire::connect_from(PROXY, daemon.address());
            first.send(&said);
            first.expect_upgrade();
            first.synchronise();
            daemon.wait_for_logs("peer=127.0.0.2:", 2 * at + 1);
            // Another one of the same client, and one of another client.
            let mut second = Wire::connect_from(PROXY, daemon.address());
            second.send(&said);
            assert_eq!(second.expect_refusal().status, 429);
            daemon.wait_for_logs("connection declined peer=127.0.0.2:", at + 1);
            let mut other = Wire::connect_from(PROXY, daemon.address());
            other.send(&introductions(&daemon, by_header, [127, 0, 0, 3])[0]);
            other.expect_upgrade();
            other.synchronise();
            drop((first, other));
            daemon.wait_for_logs("disconnected", 2 * at + 2);
        }
    }
}

#[test]
fn a_client_behind_a_proxy_may_not_publish_though_it_seems_to_be_beside_the_server() {
    for (arguments, by_header) in [(BY_PROTOCOL, false), (BY_HEADER, true)] {
        let daemon = Daemon::with(arguments);
        for said in introductions(&daemon, by_header, [127, 0, 0, 1]) {
            let mut wire = Wire::connect_from(PROXY, daemon.address());
            wire.send(&said);
            wire.expect_upgrade();
            wire.send_text(LAST);
            wire.expect_error("forbidden");
            wire.expect_close(1008);
        }
        // The back end may, which does not come through it.
        daemon.publish(LAST);
    }
}

#[test]
fn what_a_stranger_says_of_itself_is_not_believed() {
    let daemon = Daemon::with(BY_PROTOCOL);
    for said in introductions(&daemon, false, [10, 0, 0, 1]) {
        let mut wire = Wire::connect_from(STRANGER, daemon.address());
        wire.send(&said);
        assert_eq!(wire.expect_refusal().status, 400);
    }
    let daemon = Daemon::with(BY_HEADER);
    let mut wire = Wire::connect_from(STRANGER, daemon.address());
    wire.send(&introductions(&daemon, true, [10, 0, 0, 1])[0]);
    wire.expect_upgrade();
    wire.synchronise();
    daemon.wait_for_log("connected connection=1 peer=127.0.0.9:");
}

#[test]
fn a_proxy_has_to_say_who_its_client_is() {
    let daemon = Daemon::with(BY_PROTOCOL);
    let mut wire = Wire::connect_from(PROXY, daemon.address());
    wire.send(Wire::handshake(daemon.address()).as_bytes());
    assert_eq!(wire.receive(), Received::End);
    daemon.wait_for_log("WARN proxy header refused peer=127.0.1.1:");

    let daemon = Daemon::with(BY_HEADER);
    let mut wire = Wire::connect_from(PROXY, daemon.address());
    wire.send(handshake_with(&daemon, "X-Forwarded-For: unknown").as_bytes());
    let response = wire.expect_refusal();
    assert_eq!(response.status, 400);
    assert!(response.body.contains("X-Forwarded-For"), "{response:?}");
    daemon.wait_for_log("WARN forwarding refused peer=127.0.1.1:");
}

#[test]
fn a_proxy_header_that_trickles_is_cut_off_like_a_handshake() {
    let daemon = Daemon::with(&[BY_PROTOCOL, &["--handshake-time", "1"]].concat());
    let mut wire = Wire::connect_from(PROXY, daemon.address());
    wire.send(b"PROXY TCP4 ");
    wire.expect_end();
    let mut whole = Wire::connect_from(PROXY, daemon.address());
    // A byte at a time, but all of them.
    for byte in &introductions(&daemon, false, [192, 0, 2, 1])[1] {
        whole.send(&[*byte]);
    }
    whole.expect_upgrade();
    daemon.wait_for_log("peer=192.0.2.1:40000");
}

#[test]
fn a_local_proxy_that_is_not_configured_takes_the_right_to_publish_away_and_is_warned_of() {
    let daemon = Daemon::with(&["--shards", "1"]);
    for _ in 0..2 {
        let mut wire = Wire::connect(daemon.address());
        wire.send(handshake_with(&daemon, "X-Forwarded-For: 192.0.2.1").as_bytes());
        wire.expect_upgrade();
        wire.send_text(LAST);
        wire.expect_error("forbidden");
        wire.expect_close(1008);
    }
    let warning = daemon.wait_for_log("WARN unknown proxy peer=127.0.0.1:");
    assert!(warning.contains("proxy.trusted"), "{warning}");
    daemon.publish(LAST);
    assert_eq!(daemon.log().matches("unknown proxy").count(), 1);
}

#[test]
fn other_proxies_are_believed_after_a_reload() {
    let file = std::env::temp_dir().join(format!("campanile-proxies-{}.toml", std::process::id()));
    fs::write(&file, "").expect("a temporary file");
    let daemon = Daemon::with(&["--config", file.to_str().expect("text")]);
    let said = introductions(&daemon, true, [192, 0, 2, 1]).remove(0);
    let connect = || {
        let mut wire = Wire::connect_from(PROXY, daemon.address());
        wire.send(&said);
        wire.expect_upgrade();
        wire.synchronise();
        wire
    };
    let mut before = connect();
    daemon.wait_for_log("connected connection=1 peer=127.0.1.1:");
    let text =
        "proxy = { trusted = [\"127.0.1.1\", \"10.0.0.0/8\"], headers = \"x-forwarded-for\" }\n";
    fs::write(&file, text).expect("a temporary file");
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    // Every thread has heard of it when it has done something since.
    let mut after = connect();
    while !daemon.log().contains("peer=192.0.2.1:0") {
        after = connect();
    }
    after.synchronise();
    before.synchronise();
    fs::remove_file(&file).expect("it is ours");
}
