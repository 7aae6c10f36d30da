//! In which order a session is told things, and what of it is heard.

use alloc::{format, vec::Vec};

use super::world::{LISTENER, PUBLISHER, Seen, Told, World, publication, subscription};
use crate::{
    hub::{Batch, Options, Rate, Version},
    wire::Kind,
};

const PING: &str = r#"{"type":"ping"}"#;

/// What each text is about, in a word.
fn words<'t>(texts: &[&'t str]) -> Vec<&'t str> {
    let word = |text: &&'t str| {
        let known = [
            "subscribed",
            "published",
            "pong",
            "rate_limited",
            "shutting_down",
            "message_too_big",
            "notification",
        ];
        let known = known.into_iter().find(|word| text.contains(word));
        known.unwrap_or(text)
    };
    texts.iter().map(word).collect()
}

#[test]
fn acknowledgements_come_in_the_order_of_the_messages() {
    for hubs in [1, 2] {
        let mut world = World::new(hubs, &Options::default());
        let peer = world.open(0, Version::V1, PUBLISHER);
        world.text(peer, &publication(1, 0));
        world.text(peer, &subscription(&[1]));
        world.text(peer, &publication(2, 1));
        world.text(peer, PING);
        world.text(peer, &subscription(&[2]));
        world.text(peer, "{");
        world.text(peer, &publication(1, 2));
        world.quiesce();
        let mut words = words(&world.texts(peer));
        let refusal = words.remove(5);
        assert!(refusal.contains("invalid_json"), "{refusal}");
        let expected = [
            "published",
            "subscribed",
            "published",
            "pong",
            "subscribed",
            "published",
        ];
        assert_eq!(words, expected);
    }
}

#[test]
fn acknowledgements_keep_their_order_when_batches_are_on_their_way() {
    let mut world = World::new(2, &Options::default());
    let peer = world.open(0, Version::V1, PUBLISHER);
    for (text, placed) in [
        (publication(1, 0), true),
        (subscription(&[1]), false),
        (PING.into(), false),
        (publication(1, 1), true),
        (subscription(&[2]), false),
    ] {
        world.text(peer, &text);
        world.carry(peer, usize::MAX);
        if placed {
            assert!(world.place(0));
        }
    }
    // The other hub is late.
    while world.deliver(0) {}
    world.flush(0);
    assert_eq!(words(&world.texts(peer)), ["notification"]);
    while world.deliver(1) {}
    while world.settle(0) {}
    world.flush(0);
    let words = words(&world.texts(peer));
    assert_eq!(
        words,
        [
            "notification",
            "published",
            "subscribed",
            "pong",
            "published",
            "subscribed"
        ]
    );
}

#[test]
fn a_set_answered_at_its_place_does_not_overtake_and_names_that_place() {
    let mut world = World::new(2, &Options::default());
    let [here, there] = [0, 1].map(|hub| world.open(hub, Version::V1, PUBLISHER));
    world.text(here, &publication(1, 0));
    world.carry(here, usize::MAX);
    world.place(0);
    world.text(here, &subscription(&[1]));
    world.carry(here, usize::MAX);
    // Placed behind the batch of this hub, and so behind the set.
    world.text(there, &publication(1, 1));
    world.carry(there, usize::MAX);
    world.place(1);
    world.quiesce();
    let texts = world.texts(here);
    // It was met before it could be answered, behind the answer to the publication.
    assert_eq!(words(&texts), ["notification", "published", "subscribed"]);
    assert!(texts[2].contains("000000000007-000000000001"), "{texts:?}");
}

#[test]
fn the_answer_to_a_close_comes_behind_the_acknowledgements_and_nothing_comes_behind_it() {
    for hubs in [1, 2] {
        let mut world = World::new(hubs, &Options::default());
        let peer = world.open(0, Version::V1, PUBLISHER);
        world.text(peer, &publication(1, 0));
        world.text(peer, &subscription(&[1]));
        world.say_close(peer);
        world.quiesce();
        assert_eq!(words(&world.texts(peer)), ["published", "subscribed"]);
        assert_eq!(world.close_code(peer), Some(1000));
        assert!(world.peers[peer].gone);
    }
}

#[test]
fn a_set_that_waits_is_answered_in_front_of_a_close() {
    let mut world = World::alone();
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let peer = world.open(0, Version::V1, LISTENER);
    world.text(publisher, &publication(1, 0));
    world.carry(publisher, usize::MAX);
    world.text(peer, &subscription(&[1]));
    world.say_close(peer);
    world.carry(peer, usize::MAX);
    world.quiesce();
    assert!(world.peers[peer].gone);
    assert_eq!(words(&world.texts(peer)), ["subscribed"]);
    assert_eq!(world.close_code(peer), Some(1000));
}

#[test]
fn a_violation_is_told_behind_the_acknowledgements() {
    let mut world = World::alone();
    let peer = world.open(0, Version::V1, PUBLISHER);
    world.text(peer, &publication(1, 0));
    world.say_raw(peer, &[0x81, 0xFF, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    world.quiesce();
    assert_eq!(words(&world.texts(peer)), ["published", "message_too_big"]);
    assert_eq!(world.close_code(peer), Some(1009));
}

#[test]
fn draining_comes_behind_the_acknowledgements() {
    let mut world = World::new(2, &Options::default());
    let peer = world.open(0, Version::V1, PUBLISHER);
    let classic = world.open(0, Version::Classic, PUBLISHER);
    for peer in [peer, classic] {
        world.text(peer, &publication(1, 0));
        world.carry(peer, usize::MAX);
    }
    world.place(0);
    world.hubs[0].drain(core::time::Duration::ZERO, world.now);
    world.hubs[0].handle_timeouts(world.now);
    world.flush(0);
    // Nothing more is heard of who is going to be closed.
    world.text(peer, PING);
    world.quiesce();
    assert_eq!(words(&world.texts(peer)), ["published", "shutting_down"]);
    assert_eq!(world.close_code(peer), Some(1001));
    assert_eq!(world.texts(classic), [""; 0]);
    assert_eq!(world.close_code(classic), Some(1000));
}

#[test]
fn a_classic_publisher_is_closed_behind_what_it_hears_and_not_heard_again() {
    let mut world = World::alone();
    let peer = world.open(0, Version::Classic, PUBLISHER);
    let news = publication(1, 0);
    world.text(peer, &subscription(&[1]));
    world.text(peer, &news);
    world.text(peer, &publication(1, 1));
    world.text(peer, PING);
    world.quiesce();
    let told = [Told::Text(news), Told::Close(Some(1000))];
    assert_eq!(world.peers[peer].told, told);
    assert_eq!(world.sequence.position().sequence(), 1);
    assert!(world.peers[peer].gone);
}

#[test]
fn a_publisher_that_is_gone_at_once_was_heard() {
    for fails in [false, true] {
        let mut world = World::alone();
        let listener = world.open(0, Version::Classic, LISTENER);
        world.text(listener, &subscription(&[1]));
        world.quiesce();
        let peer = world.open(0, Version::Classic, PUBLISHER);
        world.say_ping(peer, b"?");
        world.carry(peer, usize::MAX);
        world.peers[peer].fails = fails;
        world.flush(0);
        world.text(peer, &publication(1, 0));
        world.peers[peer].ended = true;
        world.quiesce();
        assert_eq!(world.texts(listener), [publication(1, 0)], "{fails}");
        assert!(world.peers[peer].gone);
        assert_eq!(world.hubs[0].sessions(), 1);
    }
}

#[test]
fn bytes_behind_a_request_are_heard_however_much_waits_to_be_handed_out() {
    let mut world = World::alone();
    let publisher = world.open(0, Version::V1, PUBLISHER);
    // All but one of what a batch may have.
    for id in 1..Batch::PUBLICATIONS {
        world.text(publisher, &publication(2, id));
    }
    world.carry(publisher, usize::MAX);
    let peer = world.connect(0, PUBLISHER);
    world.peers[peer].version = Version::V1;
    world.say_raw(peer, super::world::request(Version::V1).as_bytes());
    world.text(peer, &subscription(&[1]));
    for id in 0..5 {
        world.text(peer, &publication(1, id));
    }
    world.carry(peer, usize::MAX);
    world.quiesce();
    let told = words(&world.texts(peer));
    assert_eq!(
        told.iter().filter(|word| **word == "notification").count(),
        5
    );
    assert_eq!(told.iter().filter(|word| **word == "published").count(), 5);
}

#[test]
fn large_publications_fill_a_batch_and_bytes_behind_a_request_are_heard_all_the_same() {
    let mut world = World::alone();
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let long = publication(2, 0).replace(
        "\"data\":0",
        &format!("\"data\":\"{}\"", "x".repeat(60_000)),
    );
    world.text(publisher, &long);
    world.text(publisher, &long);
    world.carry(publisher, usize::MAX);
    let peer = world.connect(0, PUBLISHER);
    world.peers[peer].version = Version::V1;
    world.say_raw(peer, super::world::request(Version::V1).as_bytes());
    for _ in 0..3 {
        world.text(peer, PING);
    }
    world.carry(peer, usize::MAX);
    world.quiesce();
    assert_eq!(words(&world.texts(peer)), ["pong"; 3]);
}

#[test]
fn what_waits_behind_a_publication_is_bounded() {
    let options = Options {
        messages: Rate::UNLIMITED,
        ..Options::default()
    };
    let mut world = World::new(2, &options);
    let peer = world.open(0, Version::V1, PUBLISHER);
    world.text(peer, &publication(1, 0));
    world.carry(peer, usize::MAX);
    world.place(0);
    world.deliver(0); // and the other hub hangs
    let mut sent = 0;
    for _ in 0..20_000 {
        world.text(peer, PING);
        sent += 1;
    }
    world.carry(peer, usize::MAX);
    world.quiesce();
    let texts = world.texts(peer);
    assert!(texts.len() < sent / 2, "{}", texts.len());
    assert_eq!(words(&texts).last(), Some(&"rate_limited"));
    assert_eq!(world.close_code(peer), Some(1008));
}

#[test]
fn a_busy_publisher_that_asks_much_is_answered_when_its_hub_hands_out_in_time() {
    let options = Options {
        messages: Rate::UNLIMITED,
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let peer = world.open(0, Version::V1, PUBLISHER);
    for id in 0..20 {
        world.text(peer, &publication(1, id));
        for _ in 0..1_000 {
            world.text(peer, PING);
        }
    }
    world.carry(peer, usize::MAX);
    world.quiesce();
    assert_eq!(world.texts(peer).len(), 20 * 1_001);
}

#[test]
fn a_place_that_is_taken_again_at_once_is_served() {
    let mut world = World::alone();
    let first = world.open(0, Version::Classic, LISTENER);
    world.text(first, PING);
    world.carry(first, usize::MAX);
    let now = world.now;
    // The driver finds it gone while it writes.
    assert_eq!(
        world.hubs[0].poll_transmit(now),
        Some(world.peers[first].id)
    );
    world.hubs[0].leave(world.peers[first].id);
    world.peers[first].gone = true;
    let second = world.connect(0, LISTENER);
    assert_eq!(
        world.peers[second].id.index(),
        world.peers[first].id.index()
    );
    world.say_raw(second, super::world::request(Version::Classic).as_bytes());
    world.text(second, PING);
    world.carry(second, usize::MAX);
    world.flush(0);
    assert_eq!(world.texts(second), [r#"{"type":"pong"}"#]);
    // Its predecessor's name means nothing.
    let old = world.peers[first].id;
    let hub = &mut world.hubs[0];
    assert!(hub.is_over(old));
    hub.write_failed(old);
    hub.writable(old);
    hub.sent(old, 100);
    hub.receive_eof(old, now);
    hub.leave(old);
    assert_eq!(hub.receive(old, &mut [0x88; 9], now), 9);
    assert_eq!(hub.chunks(old).count(), 0);
    assert!(!hub.take_shutdown(old));
    assert_eq!(hub.sessions(), 1);
    world.text(second, PING);
    world.quiesce();
    assert_eq!(world.texts(second).len(), 2);
}

#[test]
fn binary_and_forbidden_messages_end_a_session_and_what_follows_is_not_heard() {
    for (version, kind, text, code) in [
        (Version::V1, Kind::Binary, publication(1, 0), Some(1003)),
        (
            Version::Classic,
            Kind::Binary,
            publication(1, 0),
            Some(1003),
        ),
        (Version::Classic, Kind::Text, publication(1, 0), Some(1008)),
        (
            Version::Classic,
            Kind::Text,
            r#"{"sender":"server","notification":{"#.into(),
            Some(1007),
        ),
        (Version::V1, Kind::Text, publication(1, 0), None),
    ] {
        let mut world = World::alone();
        let peer = world.open(0, version, LISTENER);
        world.say(peer, kind, text.as_bytes());
        world.text(peer, PING);
        world.quiesce();
        let pongs = usize::from(code.is_none());
        let told = words(&world.texts(peer));
        assert_eq!(told.iter().filter(|word| **word == "pong").count(), pongs);
        assert_eq!(world.close_code(peer), code);
        assert_eq!(world.sequence.position().sequence(), 0);
        let refused = |seen: &Seen| matches!(seen, Seen::Refused(..));
        let refusals = world
            .seen
            .borrow()
            .iter()
            .filter(|seen| refused(seen))
            .count();
        assert_eq!(refusals, usize::from(kind == Kind::Text));
    }
}
