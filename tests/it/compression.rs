//! Compression as the command line has it, and what a hostile client can do with it.

use campanile_tests::{Daemon, Frame, Wire};

use crate::{listener, publish_last};

const SUBSCRIPTION: &str = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":"test","page":"last"}]}"#;

/// A client that offers compression as browsers do; whether the daemon agrees.
fn offer(daemon: &Daemon) -> (Wire, bool) {
    let mut wire = Wire::connect(daemon.address());
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let request = Wire::handshake(daemon.address());
    let request = request
        .strip_suffix("\r\n")
        .expect("it ends with an empty line");
    wire.send(format!("{request}{offer}").as_bytes());
    let head = wire.receive_head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let answer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                  client_no_context_takeover\r\n";
    let agrees = head.contains(answer);
    assert_eq!(agrees, head.contains("permessage-deflate"), "{head}");
    (wire, agrees)
}

/// A publication with so many bytes.
fn news(len: usize) -> String {
    let around = r#"{"sender":"server","notification":{"package":"p","page":"q","data":""}}"#;
    let filling = "ding dong ".chars().cycle().take(len - around.len());
    around.replace("\"\"", &format!("\"{}\"", filling.collect::<String>()))
}

#[test]
fn who_asks_for_compression_gets_it_if_the_command_line_says_so() {
    for (arguments, expected) in [
        (&[][..], false),
        (&["--compression", "off"], false),
        (&["--compression", "on"], true),
    ] {
        let daemon = Daemon::with(arguments);
        let (mut wire, agrees) = offer(&daemon);
        assert_eq!(agrees, expected, "{arguments:?}");
        // What is not compressed is heard as ever.
        wire.synchronise();
    }
}

#[test]
fn notifications_from_the_threshold_on_are_compressed() {
    let on = ["--compression", "on"];
    for (arguments, threshold) in [
        (&[][..], 512),
        (&["--compression-threshold", "1000"], 1000),
        (&["--compression-level", "1"], 512),
    ] {
        let daemon = Daemon::with(&[&on[..], arguments].concat());
        let (mut wire, _) = offer(&daemon);
        wire.expect_compression();
        wire.send_text(SUBSCRIPTION);
        wire.synchronise();
        let mut plain = listener(&daemon, r#"{"package":"p","page":"q"}"#);
        for (len, rsv) in [(threshold - 1, 0), (threshold, 4), (threshold + 500, 4)] {
            let news = news(len);
            daemon.publish(&news);
            let frame = wire.receive_frame().expect("the connection is open");
            assert_eq!((frame.rsv, frame.opcode), (rsv, Frame::TEXT), "{len} bytes");
            assert_eq!(frame.payload.len() < len / 4, rsv != 0);
            plain.expect_text(&news);
        }
    }
}

#[test]
fn a_compressed_message_that_becomes_too_large_ends_its_own_connection_alone() {
    let daemon = Daemon::with(&["--compression", "on"]);
    let mut bystander = listener(&daemon, r#"{"package":"p","page":"q"}"#);
    let (mut wire, _) = offer(&daemon);
    // What zlib makes of millions of braces: each byte behind the first ones becomes a thousand.
    let mut payload = hex_bytes("ecc1010100000082a0e19e6f484001");
    payload.resize(2_000, 0);
    let mut bomb = Frame::text(payload);
    bomb.rsv = 4;
    wire.send_frame(&bomb);
    wire.expect_error("message_too_big");
    wire.expect_close(1009);
    publish_last(&daemon);
    bystander.expect_text(crate::LAST);
}

#[test]
fn compression_that_was_not_agreed_on_is_a_violation() {
    let daemon = Daemon::start();
    let (mut wire, _) = offer(&daemon);
    let mut frame = Frame::text([0x00]);
    frame.rsv = 4;
    wire.send_frame(&frame);
    wire.expect_close(1002);
}

#[test]
fn a_level_that_there_is_not_is_refused() {
    let mut command = std::process::Command::new(Daemon::binary());
    command.args(["--compression", "on", "--compression-level", "10"]);
    let ended = campanile_tests::Program::run(&mut command);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(ended.errors.contains("--compression-level"), "{ended:?}");
}

fn hex_bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pair = |pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|it| pair(it).expect("digits")).collect()
}
