//! Frames and messages that break a rule: how the daemon answers (the protocol, section 5; RFC 6455), and that
//! nobody else notices.

use campanile_core::conn::Config;
use campanile_core::notify::Limits;
use campanile_tests::{Daemon, Frame, Received, Wire, error_in, with_bystander};
use serde_json::Value;

use crate::{LAST, listener, publish_last};

const CHANNEL: &str = r#"{"package":"p","page":"q"}"#;
const NOTIFICATION: &str = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;

#[test]
fn broken_frames_are_a_protocol_error() {
    let frames: &[(&str, Vec<u8>)] = &[
        ("not masked", Frame::text(NOTIFICATION).unmasked()),
        ("an unmasked ping", Frame::ping("").unmasked()),
        (
            "RSV1",
            Frame {
                rsv: 4,
                ..Frame::text(NOTIFICATION)
            }
            .masked(),
        ),
        (
            "RSV2",
            Frame {
                rsv: 2,
                ..Frame::text(NOTIFICATION)
            }
            .masked(),
        ),
        (
            "RSV3",
            Frame {
                rsv: 1,
                ..Frame::text(NOTIFICATION)
            }
            .masked(),
        ),
        (
            "RSV1 on a ping",
            Frame {
                rsv: 4,
                ..Frame::ping("")
            }
            .masked(),
        ),
        ("a ping in fragments", Frame::ping("").unfinished().masked()),
        (
            "a close in fragments",
            Frame::close(1000).unfinished().masked(),
        ),
        ("a ping of 126 bytes", Frame::ping([0; 126]).masked()),
        (
            "a continuation of nothing",
            Frame::continuation("x").masked(),
        ),
        (
            "a text inside of a text",
            [
                Frame::text("{").unfinished().masked(),
                Frame::text("}").masked(),
            ]
            .concat(),
        ),
        (
            "a binary inside of a text",
            [
                Frame::text("{").unfinished().masked(),
                Frame::binary("}").masked(),
            ]
            .concat(),
        ),
        ("125 bytes in the 16-bit form", vec![0x81, 0xfe, 0, 125]),
        (
            "65,535 bytes in the 64-bit form",
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        ),
        (
            "a length with the highest bit",
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("a close with half a code", Frame::new(0x8, [3]).masked()),
    ];
    for (what, bytes) in frames {
        closed_after(what, bytes, 1002);
    }
}

#[test]
fn reserved_opcodes_are_a_protocol_error() {
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        closed_after(
            &format!("the opcode {opcode:#x}"),
            &Frame::new(opcode, "").masked(),
            1002,
        );
    }
}

#[test]
fn close_codes_that_nobody_may_send_are_a_protocol_error() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 0xffff] {
        closed_after(
            &format!("the close code {code}"),
            &Frame::close(code).masked(),
            1002,
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_closed_with_1007_as_early_as_it_shows() {
    let inside = |bytes: &[u8]| [b"{\"x\":\"".as_slice(), bytes, b"\"}"].concat();
    let whole: &[(&str, &[u8])] = &[
        ("a byte that is never used", b"\xff"),
        ("a lone continuation byte", b"\x80"),
        ("an overlong slash", b"\xc0\xaf"),
        ("an overlong NUL of three bytes", b"\xe0\x80\x80"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("a character that breaks off", b"\xe2\x82"),
    ];
    for (what, bytes) in whole {
        closed_after(what, &Frame::text(inside(bytes)).masked(), 1007);
        closed_after(
            &format!("{what}, in an unfinished message"),
            &Frame::text(inside(bytes)).unfinished().masked(),
            1007,
        );
    }
    closed_after(
        "a message that ends inside of a character",
        &Frame::text(b"\"\xe2\x82".as_slice()).masked(),
        1007,
    );
    let cut = [
        Frame::text(b"\"\xf0\x9f".as_slice()).unfinished().masked(),
        Frame::continuation(b"\x94\"".as_slice()).masked(),
    ];
    closed_after("a character that stays cut in two", &cut.concat(), 1007);
    closed_after(
        "a close reason that is not UTF-8",
        &Frame::new(0x8, b"\x03\xe8\xff".as_slice()).masked(),
        1007,
    );
}

#[test]
fn a_binary_message_is_closed_with_1003() {
    closed_after(
        "a binary message",
        &Frame::binary(NOTIFICATION).masked(),
        1003,
    );
    closed_after("an empty binary message", &Frame::binary("").masked(), 1003);
}

#[test]
fn what_is_not_json_is_an_error_with_the_offset_and_the_connection_stays_open() {
    // The message, and where the first byte is that cannot be.
    let messages = [
        ("", 0),
        ("x", 0),
        (" \t\n[1]", 3),
        ("null", 0),
        (r#""text""#, 0),
        ("{", 1),
        (r#"{"sender":"client","subscriptions":[}"#, 36),
        (r#"{"sender":"client","subscriptions":[],}"#, 38),
        (r#"{"sender":"client","subscriptions":[]}}"#, 38),
        (r#"{"sender":"client","subscriptions":[]} {}"#, 39),
        (r#"{"sender":'client'}"#, 10),
        (r#"{"sender":"client","x":NaN}"#, 23),
        ("{\"sender\":\"cli\nent\"}", 14),
        ("\u{feff}{}", 0),
    ];
    with_bystander(|daemon| {
        let mut wire = listener(daemon, CHANNEL);
        for (message, offset) in messages {
            wire.send_text(message);
            let error = wire.expect_error("invalid_json");
            assert!(
                numbers_in(&error["message"]).contains(&offset),
                "the offset {offset} of {message:?} in {error}"
            );
            wire.synchronise();
        }
        assert_still_subscribed(daemon, &mut wire);
    });
}

#[test]
fn what_is_json_but_not_strictly_is_an_error() {
    let messages = [
        r#"{"sender":"client","subscriptions":[],"x":01}"#,
        r#"{"sender":"client","subscriptions":[],"x":1.}"#,
        r#"{"sender":"client","subscriptions":[],"x":.5}"#,
        r#"{"sender":"client","subscriptions":[],"x":+1}"#,
        r#"{"sender":"client","subscriptions":[],"x":0x1}"#,
        r#"{"sender":"client","subscriptions":[],"x":"\x41"}"#,
        r#"{"sender":"client","subscriptions":[],"x":"\u12"}"#,
        r#"{"sender":"client","subscriptions":[],"x":True}"#,
        r#"{"sender":"client","subscriptions":[],"x":[1,]}"#,
        r#"{"sender":"client","subscriptions":[] /* none */}"#,
        r#"{"sender":"client","subscriptions":[],x:1}"#,
        "{\"sender\":\"client\",\"subscriptions\":[],\"x\":\"\t\"}",
        "{\"sender\":\"client\",\"subscriptions\":[]}\0",
        "{\"sender\":\"client\",\u{a0}\"subscriptions\":[]}",
    ];
    with_bystander(|daemon| {
        let mut wire = listener(daemon, CHANNEL);
        for message in messages {
            wire.send_text(message);
            wire.expect_error("invalid_json");
        }
        assert_still_subscribed(daemon, &mut wire);
    });
}

#[test]
fn a_publisher_whose_message_is_not_json_gets_the_error_and_is_closed_with_1007() {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        wire.send_text(r#"{"sender":"server","notification":{"package":"p","page":"q",}}"#);
        let error = wire.expect_error("invalid_json");
        assert!(
            numbers_in(&error["message"]).contains(&60),
            "the offset 60 in {error}"
        );
        wire.expect_close(1007);
    });
}

#[test]
fn a_message_of_wrong_form_is_an_error_that_names_the_member_and_the_connection_stays_open() {
    let messages = [
        // Nobody known has sent it.
        ("{}", "invalid_message", "sender"),
        (
            r#"{"sender":"robot","subscriptions":[]}"#,
            "invalid_message",
            "sender",
        ),
        (
            r#"{"sender":"Client","subscriptions":[]}"#,
            "invalid_message",
            "sender",
        ),
        (
            r#"{"sender":["client"],"subscriptions":[]}"#,
            "invalid_message",
            "sender",
        ),
        (
            r#"{"sender":null,"subscriptions":[]}"#,
            "invalid_message",
            "sender",
        ),
        (r#"{"type":"pong"}"#, "invalid_message", "sender"),
        // The mobile client's command, sent here by mistake.
        (
            r#"{"sender":"client","cmd":["reload"]}"#,
            "invalid_message",
            "subscriptions",
        ),
        (
            r#"{"sender":"client","subscriptions":{}}"#,
            "invalid_message",
            "subscriptions",
        ),
        (
            r#"{"sender":"client","subscriptions":null}"#,
            "invalid_message",
            "subscriptions",
        ),
        (r#"{"sender":"server"}"#, "invalid_message", "notification"),
        (
            r#"{"sender":"server","notification":[]}"#,
            "invalid_message",
            "notification",
        ),
        (
            r#"{"sender":"server","notification":"p/q"}"#,
            "invalid_message",
            "notification",
        ),
        // Subscriptions.
        (
            r#"{"sender":"client","subscriptions":["p"]}"#,
            "invalid_subscription",
            "subscriptions[0]",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p"}]}"#,
            "invalid_subscription",
            "subscriptions[0].page",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":7,"page":"q"}]}"#,
            "invalid_subscription",
            "subscriptions[1].package",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p","page":"q","filters":7}]}"#,
            "invalid_subscription",
            "subscriptions[0].filters",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p","page":"q","filters":{"values":{"channel":["2",["3"]]}}}]}"#,
            "invalid_subscription",
            "subscriptions[0].filters.values.channel[1]",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p","page":"q","filters":{"values":{"channel":{}}}}]}"#,
            "invalid_subscription",
            "subscriptions[0].filters.values.channel",
        ),
        // Notifications.
        (
            r#"{"sender":"server","notification":{}}"#,
            "invalid_notification",
            "notification.package",
        ),
        (
            r#"{"sender":"server","notification":{"package":"p","page":null}}"#,
            "invalid_notification",
            "notification.page",
        ),
        (
            r#"{"sender":"server","notification":{"package":"p","page":"q","filters":true}}"#,
            "invalid_notification",
            "notification.filters",
        ),
        (
            r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"a":[{}]}}}}"#,
            "invalid_notification",
            "notification.filters.values.a[0]",
        ),
    ];
    with_bystander(|daemon| {
        let mut wire = listener(daemon, CHANNEL);
        for (message, code, path) in messages {
            wire.send_text(message);
            let error = wire.expect_error(code);
            assert_eq!(
                error["path"], path,
                "the path of {error}, the answer to {message}"
            );
            wire.synchronise();
        }
        assert_still_subscribed(daemon, &mut wire);
    });
}

#[test]
fn deep_nesting_does_no_harm() {
    with_bystander(|daemon| {
        let mut wire = listener(daemon, CHANNEL);
        for opening in ["[", r#"{"a":"#] {
            wire.send_text(&format!(
                r#"{{"sender":"client","x":{}"#,
                opening.repeat(10_000)
            ));
            wire.expect_error("invalid_json");
        }
        assert_still_subscribed(daemon, &mut wire);
    });
}

#[test]
fn one_subscription_too_many_is_an_error_and_the_earlier_set_stands() {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        let subscriptions = |count: usize| {
            let others = r#"{"package":"x","page":"y"},"#.repeat(count - 2);
            format!(r#"[{others}{CHANNEL},{{"package":"test","page":"last"}}]"#)
        };
        wire.subscribe(&subscriptions(Limits::SUBSCRIPTIONS));
        assert_still_subscribed(daemon, &mut wire);
        let too_many =
            subscriptions(Limits::SUBSCRIPTIONS + 1).replace(r#""page":"q""#, r#""page":"r""#);
        wire.send_text(&format!(
            r#"{{"sender":"client","subscriptions":{too_many}}}"#
        ));
        wire.expect_error("too_many_subscriptions");
        assert_still_subscribed(daemon, &mut wire);
    });
}

#[test]
fn a_message_that_announces_too_many_bytes_is_an_error_and_closed_with_1009() {
    for length in [Config::MAX_MESSAGE + 1, 1 << 40, i64::MAX.unsigned_abs()] {
        with_bystander(|daemon| {
            let mut wire = daemon.connect();
            // The head alone: a daemon that waits for the rest, or makes room for it, is refuted.
            let mut head = vec![0x81, 0xff];
            head.extend(length.to_be_bytes());
            head.extend([1, 2, 3, 4]);
            wire.send(&head);
            wire.expect_error("message_too_big");
            wire.expect_close(1009);
        });
    }
}

#[test]
fn a_message_that_grows_too_long_by_fragments_is_an_error_and_closed_with_1009() {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        let part = vec![b'x'; 16 * 1024];
        let parts = usize::try_from(Config::MAX_MESSAGE).expect("a length in memory") / part.len();
        wire.send_frame(&Frame::text(part.as_slice()).unfinished());
        for _ in 1..parts {
            wire.send_frame(&Frame::continuation(part.as_slice()).unfinished());
        }
        wire.send_frame(&Frame::ping("so far, so good"));
        assert_eq!(wire.receive(), Received::Pong(b"so far, so good".to_vec()));
        wire.send_frame(&Frame::continuation("x").unfinished());
        wire.expect_error("message_too_big");
        wire.expect_close(1009);
    });
}

#[test]
fn a_message_in_too_many_fragments_is_closed_with_1008() {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        let mut first = Frame::text(r#"{"type":"ping"}"#).unfinished().masked();
        // Empty ones count as well.
        for _ in 2..Config::MAX_FRAGMENTS {
            first.extend(Frame::continuation("").unfinished().masked());
        }
        wire.send(&[first.clone(), Frame::continuation("").masked()].concat());
        wire.expect_text(r#"{"type":"pong"}"#);
        wire.send(&first);
        wire.send_frame(&Frame::continuation("").unfinished());
        wire.send_frame(&Frame::continuation(""));
        wire.expect_close(1008);
    });
}

#[test]
fn a_flood_of_pings_is_closed_with_1008() {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        let flood = usize::from(Config::CONTROL_BURST) + 10 * usize::from(Config::CONTROL_RATE);
        wire.send(&Frame::ping("").masked().repeat(flood));
        // A pong that was not yet sent may have been replaced by the next (RFC 6455 section 5.5.3).
        let after_pongs = (0..=flood)
            .map(|_| wire.receive())
            .find(|received| *received != Received::Pong(vec![]));
        assert!(
            matches!(after_pongs, Some(Received::Close(1008, _))),
            "{after_pongs:?}"
        );
    });
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_cut() {
    with_bystander(|daemon| {
        let mut publisher = daemon.connect();
        publisher.send_text(NOTIFICATION);
        assert!(matches!(publisher.receive(), Received::Close(1000, _)));
        publisher.expect_end();
        let mut violator = daemon.connect();
        violator.send_frame(&Frame::new(0x3, ""));
        assert!(matches!(violator.receive(), Received::Close(1002, _)));
        violator.expect_end();
    });
}

#[test]
fn peers_that_vanish_at_any_moment_do_not_hinder_the_others() {
    with_bystander(|daemon| {
        let mut subscriber = listener(daemon, CHANNEL);
        let handshake = Wire::handshake(daemon.address()).into_bytes();
        let frame = Frame::text(format!(
            r#"{{"sender":"client","subscriptions":[{CHANNEL}]}}"#
        ))
        .masked();
        let session = [handshake, frame].concat();
        for cut in (0..=session.len()).step_by(7) {
            Wire::connect(daemon.address()).send(&session[..cut]);
        }
        // Gone with a subscription in force, in order and by a reset.
        drop(daemon.subscriber(&format!("[{CHANNEL}]")));
        let mut resetting = daemon.subscriber(&format!("[{CHANNEL}]"));
        resetting.send_text(r#"{"type":"ping"}"#);
        resetting.wait_for_unread_bytes();
        drop(resetting);
        assert_still_subscribed(daemon, &mut subscriber);
    });
}

#[test]
fn a_subscriber_that_reads_nothing_is_closed_with_1013_and_does_not_hinder_the_others() {
    with_bystander(|daemon| {
        let mut stuck = daemon.subscriber(&format!("[{CHANNEL}]"));
        let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
        // More than the kernel's buffers of both ends hold, so that the daemon cannot get rid of it.
        let messages: Vec<_> = (0..300)
            .map(|index| {
                let fill = "x".repeat(60_000);
                format!(r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{index}{fill}"}}}}"#)
            })
            .collect();
        for message in &messages {
            daemon.publish(message);
            subscriber.expect_text(message);
        }
        // What it was given before that is without a gap. Whether it still sees the error and the close
        // depends on how soon it reads.
        daemon.wait_for_log("slow consumer");
        daemon.wait_for_log("code=1013");
        for expected in &messages {
            let received = stuck.receive();
            if received != Received::Text(expected.clone()) {
                let ends = match &received {
                    Received::Text(text) => {
                        error_in(text).is_some_and(|error| error["code"] == "slow_consumer")
                    }
                    Received::Close(code, _) => *code == 1013,
                    Received::End => true,
                    Received::Binary(_) | Received::Pong(_) | Received::CloseWithoutCode => false,
                };
                assert!(ends, "a gap, or a message twice: {received:?}");
                break;
            }
        }
    });
}

/// Asserts that `bytes`, after a good handshake, are answered by a close with `code` and nothing before it.
#[track_caller]
fn closed_after(what: &str, bytes: &[u8], code: u16) {
    with_bystander(|daemon| {
        let mut wire = daemon.connect();
        wire.send(bytes);
        println!("{what}: a close with {code} must follow");
        wire.expect_close(code);
    });
}

/// Asserts that a [`listener`] to [`CHANNEL`] has heard nothing yet and still is one.
#[track_caller]
fn assert_still_subscribed(daemon: &Daemon, wire: &mut Wire) {
    daemon.publish(NOTIFICATION);
    publish_last(daemon);
    wire.expect_text(NOTIFICATION);
    wire.expect_text(LAST);
}

/// All decimal numbers in a JSON string.
fn numbers_in(text: &Value) -> Vec<usize> {
    let text = text.as_str().unwrap_or_default();
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}
