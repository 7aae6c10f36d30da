//! Sessions of the subprotocol `campanile.v1` (the protocol, sections 1, 5 and 6).

use campanile_tests::{Daemon, Received, Wire};
use serde_json::Value;

const SUBSCRIBE: &str = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":"r","page":"s"}]}"#;
const NOTIFICATION: &str =
    r#"{"sender":"server","notification":{"package":"p","page":"q","data":[1.0, "é"]},"type":"t"}"#;

#[test]
fn a_subscription_is_acknowledged_with_its_count_and_position() {
    let daemon = Daemon::start();
    let mut wire = daemon.connect_v1();
    wire.send_text(SUBSCRIBE);
    let first = subscribed(&mut wire, 2);
    wire.send_text(r#"{"sender":"client","subscriptions":[]}"#);
    assert_eq!(subscribed(&mut wire, 0), first, "nothing was published");
}

#[test]
fn a_publication_is_acknowledged_and_its_connection_stays_open() {
    let daemon = Daemon::start();
    let mut hearers: Vec<_> = (0..3)
        .map(|_| daemon.subscriber(r#"[{"package":"p","page":"q"}]"#))
        .collect();
    let mut publisher = daemon.connect_v1();
    let mut last = String::new();
    for _ in 0..3 {
        publisher.send_text(NOTIFICATION);
        let position = published(&mut publisher, 3);
        assert!(position > last, "{position} is not behind {last}");
        last = position;
        for hearer in &mut hearers {
            hearer.expect_text(NOTIFICATION);
        }
    }
    publisher.send_text(r#"{"type":"ping"}"#);
    publisher.expect_text(r#"{"type":"pong"}"#);
}

#[test]
fn a_v1_subscriber_hears_the_position_in_front_and_the_rest_byte_for_byte() {
    let daemon = Daemon::start();
    let mut subscriber = daemon.connect_v1();
    subscriber.send_text(SUBSCRIBE);
    let before = subscribed(&mut subscriber, 2);
    let mut classic = daemon.subscriber(r#"[{"package":"p","page":"q"}]"#);
    let spaced = format!(" \r\n{NOTIFICATION}\n");
    let mut publisher = daemon.connect_v1();
    for message in [NOTIFICATION, &spaced] {
        publisher.send_text(message);
        let position = published(&mut publisher, 2);
        assert!(position > before);
        let (_, rest) = message.split_once('{').expect("an object");
        subscriber.expect_text(&format!(r#"{{"position":"{position}",{rest}"#));
        classic.expect_text(message);
    }
}

#[test]
fn answers_come_in_the_order_of_the_messages_also_when_they_are_sent_at_once() {
    let daemon = Daemon::start();
    let mut wire = daemon.connect_v1();
    let broken = r#"{"sender":"server","notification":{}}"#;
    let ping = r#"{"type":"ping"}"#;
    for message in [
        NOTIFICATION,
        broken,
        NOTIFICATION,
        SUBSCRIBE,
        NOTIFICATION,
        ping,
        NOTIFICATION,
    ] {
        wire.send_text(message);
    }
    // From its place on it hears what it publishes itself; that may come before the answers, which
    // wait for everybody to have been given what was published.
    let mut answers = Vec::new();
    let mut heard = Vec::new();
    while answers.len() < 7 || heard.len() < 2 {
        let answer = answer(&mut wire);
        if answer["notification"].is_object() {
            heard.push(position_in(&answer));
        } else {
            answers.push(answer);
        }
    }
    let [first, broken, second, set, third, pong, fourth] = &answers[..] else {
        panic!("seven answers in {answers:?}");
    };
    assert_eq!(broken["error"]["code"], "invalid_notification");
    let [first, second] = [first, second].map(|answer| {
        assert_eq!(answer["published"]["recipients"], 0, "{answer}");
        position_in(&answer["published"])
    });
    assert!(second > first);
    assert_eq!(set["subscribed"]["count"], 2);
    assert_eq!(
        position_in(&set["subscribed"]),
        second,
        "it stands behind the second"
    );
    assert_eq!(pong["type"], "pong");
    let published = [third, fourth].map(|answer| {
        assert_eq!(answer["published"]["recipients"], 1, "{answer}");
        position_in(&answer["published"])
    });
    assert_eq!(heard, published);
}

#[test]
fn a_publication_may_not_bring_a_position_of_its_own() {
    let daemon = Daemon::start();
    let mut publisher = daemon.connect_v1();
    publisher.send_text(
        r#"{"sender":"server","position":"x","notification":{"package":"p","page":"q"}}"#,
    );
    let error = publisher.expect_error("invalid_message");
    assert_eq!(error["path"], "position");
    publisher.send_text(NOTIFICATION);
    published(&mut publisher, 0);
}

#[test]
fn a_v1_publisher_whose_message_is_refused_stays_connected() {
    let daemon = Daemon::start();
    let mut publisher = daemon.connect_v1();
    publisher.send_text(r#"{"sender":"server",}"#);
    publisher.expect_error("invalid_json");
    publisher.send_text(NOTIFICATION);
    published(&mut publisher, 0);
}

#[test]
fn notifications_of_many_publishers_reach_everybody_in_one_order_whatever_shard_they_are_on() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 50;
    let daemon = Daemon::with(&["--shards", "3"]);
    let mut subscribers: Vec<_> = (0..6)
        .map(|_| {
            let mut wire = daemon.connect_v1();
            wire.send_text(SUBSCRIBE);
            subscribed(&mut wire, 2);
            wire
        })
        .collect();
    let mut publishers: Vec<_> = (0..PUBLISHERS).map(|_| daemon.connect_v1()).collect();
    for _ in 0..EACH {
        for publisher in &mut publishers {
            publisher.send_text(NOTIFICATION);
        }
    }
    let mut positions = Vec::new();
    for publisher in &mut publishers {
        let own: Vec<_> = (0..EACH).map(|_| published(publisher, 6)).collect();
        assert!(own.is_sorted(), "answers are in order");
        positions.extend(own);
    }
    positions.sort();
    for subscriber in &mut subscribers {
        let heard: Vec<_> = (0..PUBLISHERS * EACH)
            .map(|_| {
                let Received::Text(text) = subscriber.receive() else {
                    panic!("a notification comes");
                };
                position_in(&serde_json::from_str(&text).expect("JSON"))
            })
            .collect();
        assert_eq!(heard, positions, "everything once, in the order of all");
    }
}

/// Asserts that the next thing is the answer to a subscription of so many; its position.
#[track_caller]
fn subscribed(wire: &mut Wire, count: usize) -> String {
    let answer = answer(wire);
    let subscribed = &answer["subscribed"];
    assert_eq!(subscribed["count"], count, "{answer}");
    position_in(subscribed)
}

/// Asserts that the next thing is the answer to a publication that so many hear; its position.
#[track_caller]
fn published(wire: &mut Wire, recipients: usize) -> String {
    let answer = answer(wire);
    let published = &answer["published"];
    assert_eq!(published["recipients"], recipients, "{answer}");
    position_in(published)
}

#[track_caller]
fn answer(wire: &mut Wire) -> Value {
    let Received::Text(text) = wire.receive() else {
        panic!("an answer comes");
    };
    let answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
    answer
}

#[track_caller]
fn position_in(answer: &Value) -> String {
    let position = answer["position"]
        .as_str()
        .unwrap_or_else(|| panic!("no position in {answer}"));
    assert!((1..=64).contains(&position.len()), "{position}");
    position.to_owned()
}
