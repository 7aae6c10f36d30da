//! Openings that are no opening handshake: how the daemon answers (RFC 6455 section 4.2), and that nobody else notices.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use campanile_tests::{Frame, PATIENCE, Response, Wire, with_bystander};

/// A request head of this length is over any limit that a server may have by default.
const TOO_LONG_HEAD: usize = 1024 * 1024;

#[test]
fn bytes_that_are_not_http_are_refused_with_400() {
    let openings: &[(&str, &[u8])] = &[
        (
            "a TLS client hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ),
        ("zeros", &[0; 64]),
        ("another protocol", b"hello\r\n\r\n"),
        ("a status line", b"HTTP/1.1 200 OK\r\n\r\n"),
        (
            "a frame without a handshake",
            &Frame::text("\u{80}".repeat(50)).masked(),
        ),
        (
            "a header without a colon",
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        ),
        (
            "a space before the colon",
            b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        ),
    ];
    for (what, bytes) in openings {
        let response = refused(what, bytes);
        assert_eq!(response.status, 400, "{what}: {response:?}");
    }
}

#[test]
fn a_key_that_is_not_one_of_16_bytes_is_refused_with_400() {
    let keys = [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25jZ!==",
        "dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ==",
    ];
    for key in keys {
        let response = refused_with(|handshake| handshake.replace("dGhlIHNhbXBsZSBub25jZQ==", key));
        assert_eq!(response.status, 400, "{key:?}: {response:?}");
    }
    let response = refused_with(|handshake| handshake.replace("Sec-WebSocket-Key", "X-Key"));
    assert_eq!(response.status, 400, "no key: {response:?}");
}

#[test]
fn who_is_refused_is_told_the_end_at_once_and_may_go_on_sending_for_a_moment() {
    with_bystander(|daemon| {
        let mut wire = Wire::connect(daemon.address());
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(wire.expect_refusal().status, 426);
        // The end came before the socket was dropped, which would meet this with a reset.
        for _ in 0..32 {
            wire.send(&[b'x'; 1024]); // less than is swallowed
        }
    });
}

#[test]
fn another_version_is_refused_with_426_and_the_one_that_is_spoken() {
    for version in ["8", "0", "14", "130", "013", ""] {
        let response = refused_with(|handshake| {
            handshake.replace("Version: 13", &format!("Version: {version}"))
        });
        assert_eq!(response.status, 426, "{version:?}: {response:?}");
        assert_eq!(response.header("sec-websocket-version"), "13");
    }
    let response =
        refused_with(|handshake| handshake.replace("Sec-WebSocket-Version", "X-Version"));
    assert_eq!(response.status, 426, "no version: {response:?}");
    assert_eq!(response.header("sec-websocket-version"), "13");
}

#[test]
fn a_request_that_is_no_upgrade_is_told_with_426_what_to_do() {
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        with_bystander(|daemon| {
            let mut wire = Wire::connect(daemon.address());
            wire.send(request.as_bytes());
            if request.starts_with("HEAD") {
                // An answer to HEAD has no body (RFC 9110 section 9.3.2).
                let answer = String::from_utf8(wire.read_to_end()).expect("text");
                assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
                assert!(answer.ends_with("\r\n\r\n"), "{answer}");
                return;
            }
            let response = wire.expect_refusal();
            assert_eq!(response.status, 426, "{response:?}");
            assert!(response.has_token("upgrade", "websocket"), "{response:?}");
            assert!(
                response.has_token("connection", "upgrade"),
                "RFC 9110 section 7.8: {response:?}"
            );
            assert!(
                response.body.contains("WebSocket") && response.body.contains("ws://"),
                "{response:?}"
            );
        });
    }
}

#[test]
fn a_head_without_end_is_refused_with_431() {
    with_bystander(|daemon| {
        let mut wire = Wire::connect(daemon.address());
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
        wire.try_send(&[b'x'; TOO_LONG_HEAD]);
        // A daemon that closes while our bytes are still under way resets the connection, and its
        // answer may be lost with it.
        let answer = String::from_utf8(wire.read_to_end()).expect("text");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
            "{answer}"
        );
        drop(wire);
        daemon.wait_for_log("status=431");
    });
}

#[test]
fn a_refusal_is_logged_as_one_even_when_the_peer_does_not_leave() {
    with_bystander(|daemon| {
        let mut wire = Wire::connect(daemon.address());
        wire.send(b"hello\r\n\r\n");
        wire.expect_refusal();
        let refused = daemon.wait_for_log("WARN handshake refused");
        assert!(
            refused.contains("peer=127.0.0.1:") && refused.contains("status=400"),
            "{refused}"
        );
    });
}

#[test]
fn a_trickled_handshake_is_served() {
    with_bystander(|daemon| {
        let mut wire = Wire::connect(daemon.address());
        let mut everything = Wire::handshake(daemon.address()).into_bytes();
        everything.extend(Frame::text(r#"{"type":"ping"}"#).masked());
        for byte in everything {
            wire.send(&[byte]);
            thread::sleep(Duration::from_millis(2));
        }
        wire.expect_upgrade();
        wire.expect_text(r#"{"type":"pong"}"#);
    });
}

#[test]
fn a_handshake_that_never_ends_is_cut_even_while_bytes_trickle_in() {
    with_bystander(|daemon| {
        let mut silent = Wire::connect(daemon.address());
        let mut trickling = Wire::connect(daemon.address());
        trickling.send(b"GET / HTTP/1.1\r\nX: ");
        let deadline = Instant::now() + PATIENCE;
        while trickling.try_send(b"x") {
            assert!(Instant::now() < deadline, "the handshake may last forever");
            thread::sleep(Duration::from_millis(100));
        }
        let last_words = silent.read_to_end();
        assert!(
            !last_words.starts_with(b"HTTP/1.1 101"),
            "an upgrade that nobody asked for"
        );
    });
}

/// What the daemon answers to `bytes` in place of a handshake.
#[track_caller]
fn refused(what: &str, bytes: &[u8]) -> Response {
    let mut response = None;
    with_bystander(|daemon| {
        let mut wire = Wire::connect(daemon.address());
        wire.send(bytes);
        response = Some(wire.expect_refusal());
    });
    let response = response.expect("the test has run");
    assert!(
        !response.body.trim().is_empty(),
        "a body that helps, for {what}"
    );
    response
}

/// What the daemon answers to a good handshake that `spoil` has been at.
#[track_caller]
fn refused_with(spoil: impl Fn(&str) -> String) -> Response {
    let good = Wire::handshake((Ipv4Addr::LOCALHOST, 8000).into());
    let spoilt = spoil(&good);
    assert_ne!(good, spoilt);
    refused(&spoilt, spoilt.as_bytes())
}
