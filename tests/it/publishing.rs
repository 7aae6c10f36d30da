//! Who hears a notification, and what becomes of its publisher (the protocol, sections 2 to 5).

use core::net::Ipv6Addr;
use std::net::TcpListener;

use campanile_core::conn::Config;
use campanile_tests::{Daemon, Frame, Received, Wire, with_bystander};

use crate::{LAST, listener, publish_last, resubscribe};

const CHANNEL: &str = r#"{"package":"p","page":"q"}"#;
const NOTIFICATION: &str = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;

#[test]
fn the_quick_start_of_the_protocol_works_to_the_letter() {
    let daemon = Daemon::start();
    let mut subscriber = daemon.connect();
    subscriber.send_text(
        r#"{"sender":"client","subscriptions":[
  {"package":"amaiia_msg_srv","page":"messages",
   "filters":{"values":{"channel":["2","3","5"]}}}]}"#,
    );
    subscriber.synchronise();
    let notification = r#"{"sender":"server","notification":{
  "package":"amaiia_msg_srv","page":"messages",
  "filters":{"values":"2"},
  "data":{"messageId":"12345","channelId":"2"},
  "message":"Nouveau message reçu"}}"#;
    daemon.publish(notification);
    subscriber.expect_text(notification);
}

#[test]
fn a_notification_arrives_byte_for_byte() {
    let daemon = Daemon::start();
    let mut subscriber = listener(&daemon, CHANNEL);
    let large = format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{}"}}}}"#,
        "0123456789abcdé\\n".repeat(60_000 / 17)
    );
    let messages = [
        NOTIFICATION,
        // White space of all four kinds, at every place where the grammar has it.
        "\r\n\t { \"sender\" :\"server\" ,\n\"notification\"\t: { \"package\":\r\"p\" , \"page\" : \"q\" } } \n",
        // The members in an order of the publisher's, and members that the protocol does not name.
        r#"{"z":[1,{"y":null}],"notification":{"data":{"b":1,"a":2},"page":"q","package":"p"},"type":"t","sender":"server"}"#,
        // Escapes that a reader may write in another way, also inside the names that are interpreted.
        r#"{"sender":"server","notification":{"p\u0061ckage":"\u0070","page":"q","data":"\/ \u00e9 \ud83d\udd14 \u0000 \""}}"#,
        // Text outside of ASCII: two, three and four bytes, a combining mark, and a mark that must not be normalised.
        "{\"sender\":\"server\",\"notification\":{\"package\":\"p\",\"page\":\"q\",\"message\":\"reçu — e\u{301} 🔔 \u{feff}\u{2028}\"}}",
        // Numbers that do not survive a floating point type.
        r#"{"sender":"server","notification":{"package":"p","page":"q","data":[9007199254740993,1.0,1e2,-0,1E400]}}"#,
        // Lone surrogates are grammatical where nobody has to interpret them (RFC 8259 section 8.2).
        r#"{"sender":"server","notification":{"package":"p","page":"q","data":"\ud800"}}"#,
        // The same member twice.
        r#"{"sender":"server","notification":{"package":"p","page":"q","data":1,"data":2}}"#,
        &large,
    ];
    for message in messages {
        daemon.publish(message);
        subscriber.expect_text(message);
    }
    publish_last(&daemon);
    subscriber.expect_text(LAST);
}

#[test]
fn notifications_of_every_length_form_arrive() {
    let daemon = Daemon::start();
    let mut subscriber = listener(&daemon, CHANNEL);
    // Around the lengths at which the head of a frame changes its form (RFC 6455 section 5.2), and the
    // longest that is accepted.
    let longest = usize::try_from(Config::MAX_MESSAGE).expect("a length in memory");
    for length in [124, 125, 126, 127, 128, 65_534, 65_535, longest] {
        let fill = "x".repeat(
            length
                - r#"{"sender":"server","notification":{"package":"p","page":"q"},"x":""}"#.len(),
        );
        let message = format!(
            r#"{{"sender":"server","notification":{{"package":"p","page":"q"}},"x":"{fill}"}}"#
        );
        assert_eq!(message.len(), length);
        daemon.publish(&message);
        subscriber.expect_text(&message);
    }
}

#[test]
fn a_connection_hears_a_notification_once_however_many_of_its_subscriptions_match() {
    let daemon = Daemon::start();
    let mut subscriber = listener(
        &daemon,
        r#"{"package":"p","page":"q"},{"package":"p","page":"q"},
           {"package":"p","page":"q","filters":{"values":{"channel":true}}},
           {"package":"p","page":"q","filters":{"values":{"channel":["2","3"]}}},
           {"package":"p","page":"q","filters":{"values":2}}"#,
    );
    let notification = r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"channel":"2"}}}}"#;
    daemon.publish(notification);
    publish_last(&daemon);
    subscriber.expect_text(notification);
    subscriber.expect_text(LAST);
}

#[test]
fn a_notification_goes_only_where_it_matches() {
    // Subscription's filters, notification's filters, whether they meet; `-` stands for no filters.
    // The examples of section 4 first, then its rows.
    let table = [
        (
            r#"{"values":{"channel":["2","3","5"]}}"#,
            r#"{"values":"2"}"#,
            true,
        ),
        (
            r#"{"values":{"channel":["2","3","5"]}}"#,
            r#"{"values":2}"#,
            true,
        ),
        (
            r#"{"values":{"channel":["2","3","5"]}}"#,
            r#"{"values":{"channel":"2"}}"#,
            true,
        ),
        (
            r#"{"values":{"channel":["2","3","5"]}}"#,
            r#"{"values":{"channel":"4"}}"#,
            false,
        ),
        (
            r#"{"values":{"oee":true}}"#,
            r#"{"values":{"oee":85.5}}"#,
            true,
        ),
        (
            r#"{"values":{"alertType":["fire"],"severity":["high","critical"]}}"#,
            r#"{"values":{"alertType":"fire","severity":"high"}}"#,
            true,
        ),
        (
            r#"{"values":{"alertType":["fire"],"severity":["high","critical"]}}"#,
            r#"{"values":{"alertType":"fire"}}"#,
            false,
        ),
        ("-", "-", true),
        ("-", r#"{"values":{"a":1}}"#, true),
        (r#"{"values":{}}"#, r#"{"values":"2"}"#, true),
        (r#"{"values":[]}"#, r#"{"values":"2"}"#, true),
        (r#"{"values":true}"#, r#"{"values":"2"}"#, true),
        (r#"{"values":null}"#, r#"{"values":"2"}"#, true),
        ("{}", r#"{"values":"2"}"#, true),
        (r#"{"values":{"a":1}}"#, "-", false),
        (r#"{"values":{"a":true}}"#, "{}", false),
        (r#"{"values":{"a":[]}}"#, r#"{"values":{"a":1}}"#, false),
        (r#"{"values":{"a":1}}"#, r#"{"values":{"a":1,"b":2}}"#, true),
        (
            r#"{"values":{"a":1,"b":2}}"#,
            r#"{"values":{"a":1}}"#,
            false,
        ),
        (r#"{"values":{"a":1}}"#, r#"{"values":{"b":1}}"#, false),
        (r#"{"values":"2"}"#, r#"{"values":{"a":1,"b":"2"}}"#, true),
        (r#"{"values":["2","3"]}"#, r#"{"values":"3"}"#, true),
        (r#"{"values":{"a":1}}"#, r#"{"values":{"a":[3,1]}}"#, true),
        (r#"{"values":{"a":1}}"#, r#"{"values":{"a":[]}}"#, false),
        (r#"{"values":{"a":2}}"#, r#"{"values":{"a":2.0}}"#, true),
        (r#"{"values":{"a":2}}"#, r#"{"values":{"a":2e0}}"#, true),
        (r#"{"values":{"a":"2"}}"#, r#"{"values":{"a":2.0}}"#, true),
        (r#"{"values":{"a":"2.0"}}"#, r#"{"values":{"a":2}}"#, false),
        (
            r#"{"values":{"a":"85.5"}}"#,
            r#"{"values":{"a":85.50}}"#,
            true,
        ),
        (
            r#"{"values":{"a":9007199254740993}}"#,
            r#"{"values":{"a":9007199254740992}}"#,
            false,
        ),
        (
            r#"{"values":{"a":false}}"#,
            r#"{"values":{"a":"false"}}"#,
            false,
        ),
        (r#"{"values":{"a":null}}"#, r#"{"values":{"a":null}}"#, true),
        (
            r#"{"values":{"a":[true]}}"#,
            r#"{"values":{"a":true}}"#,
            true,
        ),
        (r#"{"values":{"a":[true]}}"#, r#"{"values":{"a":1}}"#, false),
        (
            r#"{"values":{"a":"caf\u00e9"}}"#,
            r#"{"values":{"\u0061":"café"}}"#,
            true,
        ),
        (
            r#"{"values":{"a":"Fire"}}"#,
            r#"{"values":{"a":"fire"}}"#,
            false,
        ),
    ];
    let daemon = Daemon::start();
    let filters = |filters: &str| {
        if filters == "-" {
            String::new()
        } else {
            format!(r#","filters":{filters}"#)
        }
    };
    // One page per row keeps the rows apart on one daemon.
    let mut listeners: Vec<_> = table
        .iter()
        .enumerate()
        .map(|(row, (subscribed, _, _))| {
            listener(
                &daemon,
                &format!(
                    r#"{{"package":"table","page":"{row}"{}}}"#,
                    filters(subscribed)
                ),
            )
        })
        .collect();
    let notifications: Vec<_> = table
        .iter()
        .enumerate()
        .map(|(row, (_, notified, _))| {
            format!(
                r#"{{"sender":"server","notification":{{"package":"table","page":"{row}"{}}}}}"#,
                filters(notified)
            )
        })
        .collect();
    for notification in &notifications {
        daemon.publish(notification);
    }
    publish_last(&daemon);
    for ((row, notification), listener) in table.iter().zip(notifications).zip(&mut listeners) {
        let expected = if row.2 {
            vec![notification.as_str(), LAST]
        } else {
            vec![LAST]
        };
        let heard = heard_until_last(listener);
        assert_eq!(heard, expected, "the row {row:?}");
    }
}

#[test]
fn package_and_page_are_compared_byte_for_byte() {
    let daemon = Daemon::start();
    let others = [
        ("p", "Q"),
        ("P", "q"),
        ("q", "p"),
        ("p", "q "),
        ("p", ""),
        ("", "q"),
        ("pq", ""),
        ("p", "qq"),
        ("p*", "*"),
        ("*", "*"),
    ];
    let mut others: Vec<_> = others
        .iter()
        .map(|(package, page)| {
            listener(
                &daemon,
                &format!(r#"{{"package":"{package}","page":"{page}"}}"#),
            )
        })
        .collect();
    let mut same = listener(&daemon, CHANNEL);
    daemon.publish(NOTIFICATION);
    publish_last(&daemon);
    assert_eq!(heard_until_last(&mut same), [NOTIFICATION, LAST]);
    for other in &mut others {
        assert_eq!(heard_until_last(other), [LAST]);
    }
}

#[test]
fn a_publisher_that_subscribed_too_hears_itself_and_is_then_closed_with_1000() {
    let daemon = Daemon::start();
    let mut publisher = daemon.subscriber(&format!("[{CHANNEL}]"));
    publisher.send_text(NOTIFICATION);
    publisher.expect_text(NOTIFICATION);
    publisher.expect_close(1000);
}

#[test]
fn a_publisher_whose_notification_reaches_nobody_is_closed_with_1000_as_well() {
    let daemon = Daemon::start();
    daemon.publish(NOTIFICATION);
}

#[test]
fn a_publisher_is_closed_only_after_everybody_can_hear_it() {
    let daemon = Daemon::start();
    let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    daemon.publish(NOTIFICATION);
    // A new connection cannot overtake what the closed publisher said.
    daemon.publish(&NOTIFICATION.replace("server\"", "server\",\"second\":true"));
    subscriber.expect_text(NOTIFICATION);
    subscriber.expect_text(&NOTIFICATION.replace("server\"", "server\",\"second\":true"));
}

#[test]
fn a_notification_in_fragments_arrives_whole() {
    let daemon = Daemon::start();
    let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    let message =
        r#"{"sender":"server","notification":{"package":"p","page":"q","message":"reçu 🔔"}}"#;
    let mut publisher = daemon.connect();
    // Every byte a fragment, so that characters are cut as well, and a ping between any two.
    let (first, rest) = message.as_bytes().split_first().expect("not empty");
    publisher.send_frame(&Frame::text([*first]).unfinished());
    for byte in rest {
        publisher.send_frame(&Frame::continuation([*byte]).unfinished());
    }
    publisher.send_frame(&Frame::ping("between"));
    assert_eq!(publisher.receive(), Received::Pong(b"between".to_vec()));
    publisher.send_frame(&Frame::continuation([]));
    publisher.expect_close(1000);
    subscriber.expect_text(message);
}

#[test]
fn a_new_list_replaces_the_whole_set_and_an_empty_one_unsubscribes() {
    let daemon = Daemon::start();
    let mut wire = listener(&daemon, CHANNEL);
    let other = r#"{"sender":"server","notification":{"package":"p","page":"other"}}"#;
    let publish_both = || {
        daemon.publish(NOTIFICATION);
        daemon.publish(other);
        publish_last(&daemon);
    };
    publish_both();
    assert_eq!(heard_until_last(&mut wire), [NOTIFICATION, LAST]);
    resubscribe(&mut wire, r#"{"package":"p","page":"other"}"#);
    publish_both();
    assert_eq!(heard_until_last(&mut wire), [other, LAST]);
    wire.subscribe("[]");
    publish_both();
    wire.synchronise();
    resubscribe(&mut wire, "");
    publish_last(&daemon);
    assert_eq!(heard_until_last(&mut wire), [LAST]);
}

#[test]
fn a_publisher_that_sends_everything_in_one_write_and_leaves_without_reading_is_heard() {
    with_bystander(|daemon| {
        let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
        for _ in 0..20 {
            let mut publisher = Wire::connect(daemon.address());
            let mut everything = Wire::handshake(daemon.address()).into_bytes();
            everything.extend(Frame::text(NOTIFICATION).masked());
            publisher.send(&everything);
            drop(publisher);
            subscriber.expect_text(NOTIFICATION);
        }
    });
}

#[test]
fn a_publisher_that_ends_its_direction_of_the_stream_is_heard_and_closed_with_1000() {
    let daemon = Daemon::start();
    let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    let mut publisher = daemon.connect();
    publisher.send_text(NOTIFICATION);
    publisher.finish_sending();
    publisher.expect_close(1000);
    subscriber.expect_text(NOTIFICATION);
}

#[test]
fn a_publisher_that_resets_the_connection_after_its_frame_is_heard() {
    with_bystander(|daemon| {
        let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
        for _ in 0..20 {
            let mut publisher = Wire::connect(daemon.address());
            publisher.send(Wire::handshake(daemon.address()).as_bytes());
            publisher.wait_for_unread_bytes();
            publisher.send_frame(&Frame::text(NOTIFICATION));
            drop(publisher);
            subscriber.expect_text(NOTIFICATION);
        }
    });
}

#[test]
fn half_a_notification_is_none() {
    with_bystander(|daemon| {
        let mut subscriber = listener(daemon, CHANNEL);
        let frame = Frame::text(NOTIFICATION).masked();
        for cut in [1, 2, 5, frame.len() / 2, frame.len() - 1] {
            let mut publisher = daemon.connect();
            publisher.send(&frame[..cut]);
            drop(publisher);
        }
        let mut publisher = daemon.connect();
        publisher.send_frame(&Frame::text(NOTIFICATION).unfinished());
        drop(publisher);
        publish_last(daemon);
        subscriber.expect_text(LAST);
    });
}

#[test]
fn more_replies_than_may_wait_are_all_sent_to_a_peer_that_reads_them() {
    let daemon = Daemon::with(&["--messages-per-minute", "0"]);
    let mut wire = daemon.connect();
    let count = 1_000;
    let ping = Frame::text(r#"{"type":"ping"}"#).masked();
    wire.send(&ping.repeat(count));
    for _ in 0..count {
        wire.expect_text(r#"{"type":"pong"}"#);
    }
}

#[test]
fn a_keep_alive_message_is_answered() {
    let daemon = Daemon::start();
    let mut wire = daemon.connect();
    wire.send_text(r#"{"type":"ping"}"#);
    wire.expect_text(r#"{"type":"pong"}"#);
    wire.send_text(" { \"id\": 7, \"type\" : \"p\\u0069ng\" }\n");
    wire.expect_text(r#"{"type":"pong"}"#);
}

#[test]
fn a_ping_is_answered_with_its_own_payload_however_its_bytes_are_cut() {
    let daemon = Daemon::start();
    let mut wire = daemon.connect();
    let longest: Vec<u8> = (0..125).map(|index| index * 2 + 1).collect();
    for payload in [Vec::new(), vec![0], longest] {
        let frame = Frame::ping(payload.clone());
        wire.send_frame(&frame);
        assert_eq!(wire.receive(), Received::Pong(payload.clone()));
        for byte in frame.masked() {
            wire.send(&[byte]);
        }
        assert_eq!(wire.receive(), Received::Pong(payload));
    }
    // A pong that nobody asked for is legal and gets no answer (RFC 6455 section 5.5.3).
    wire.send_frame(&Frame::pong("unasked"));
    wire.synchronise();
}

#[test]
fn a_close_is_answered_with_its_own_code() {
    let daemon = Daemon::start();
    for code in [1000, 1001, 3000, 4999] {
        let mut wire = daemon.subscriber(&format!("[{CHANNEL}]"));
        wire.send_frame(&Frame::close(code));
        assert_eq!(wire.receive(), Received::Close(code, String::new()));
        wire.expect_end();
    }
    let mut wire = daemon.connect();
    wire.send_frame(&Frame::new(0x8, []));
    let answer = wire.receive();
    assert!(
        matches!(
            answer,
            Received::CloseWithoutCode | Received::Close(1000, _)
        ),
        "{answer:?}"
    );
    wire.expect_end();
}

#[test]
fn the_log_says_who_subscribed_and_how_many_heard() {
    let daemon = Daemon::start();
    let subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    let connected = daemon.wait_for_log("INFO connected connection=");
    assert!(connected.contains("peer=127.0.0.1:"), "{connected}");
    let subscribed = daemon.wait_for_log("INFO subscribed connection=");
    assert!(subscribed.contains("subscriptions=1"), "{subscribed}");
    daemon.publish(NOTIFICATION);
    let notification = daemon.wait_for_log("INFO notification connection=");
    let bytes = format!("bytes={}", NOTIFICATION.len());
    for fact in [
        r#"package="p""#,
        r#"page="q""#,
        bytes.as_str(),
        "recipients=1",
    ] {
        assert!(
            notification.split(' ').any(|word| word == fact),
            "{fact} in {notification}"
        );
    }
    let disconnected = daemon.wait_for_log("INFO disconnected connection=");
    assert!(disconnected.contains("code=1000"), "{disconnected}");
    drop(subscriber);
    daemon.wait_for_logs("INFO disconnected connection=", 2);
}

#[test]
fn a_peer_cannot_forge_lines_of_the_log() {
    let daemon = Daemon::start();
    let texts = [
        r"\nFORGED",
        r"\r\nFORGED",
        r"\u001b[2JFORGED",
        r"\u2028FORGED",
    ];
    for forged in texts {
        daemon.publish(&format!(
            r#"{{"sender":"server","notification":{{"package":"{forged}","page":"{forged}"}}}}"#
        ));
        let mut wire = daemon.connect();
        wire.send_text(&format!(r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{{"{forged}":{{}}}}}}}}]}}"#));
        wire.expect_error("invalid_subscription");
    }
    daemon.wait_for_logs("notification", texts.len());
    daemon.wait_for_logs("refused", texts.len());
    let log = daemon.log();
    for line in log
        .split(['\n', '\r', '\u{2028}'])
        .filter(|line| !line.is_empty())
    {
        assert!(
            line.starts_with("20")
                && (line.contains("connection=") || line.contains(" INFO listening address=")),
            "{line:?} in\n{log}"
        );
        assert!(
            !line.contains('\u{1b}'),
            "an escape for the terminal in {line:?}"
        );
    }
}

#[test]
fn publishing_over_the_ipv6_loopback_address_and_over_a_dual_stack_socket_is_publishing_from_loopback()
 {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    // On a socket for both families, an IPv4 peer has the address ::ffff:127.0.0.1.
    let daemon = Daemon::listening_on("[::]:0");
    let mut subscriber = daemon.subscriber(&format!("[{CHANNEL}]"));
    daemon.publish(NOTIFICATION);
    subscriber.expect_text(NOTIFICATION);
    let mut publisher = Wire::open((Ipv6Addr::LOCALHOST, daemon.address().port()).into());
    publisher.send_text(NOTIFICATION);
    publisher.expect_close(1000);
    subscriber.expect_text(NOTIFICATION);
}

/// Everything that a [`listener`] hears, up to and with [`LAST`].
#[track_caller]
fn heard_until_last(listener: &mut Wire) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|message| message != LAST) {
        let received = listener.receive();
        let Received::Text(text) = received else {
            panic!(
                "expected a notification or the last one, but received {received:?} after {heard:?}"
            );
        };
        heard.push(text);
    }
    heard
}
