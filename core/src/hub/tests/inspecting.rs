//! What who runs a hub sees of it, and publishes by it.

use alloc::{string::String, vec::Vec};

use super::world::{LISTENER, PUBLISHER, Seen, World, address, publication, subscription};
use crate::{
    hub::{Options, Standing, Version},
    notify::{Limits, Message, parse},
};

/// The places of those who would hear this.
fn recipients(world: &mut World, hub: usize, message: &str) -> Vec<usize> {
    let Ok(Message::Publication(notification)) = parse(message.as_bytes(), &Limits::default())
    else {
        panic!("{message} is a publication");
    };
    world.hubs[hub].inspect().recipients(&notification)
}

#[test]
fn sessions_are_seen_in_the_order_of_their_places_with_what_they_have() {
    let mut world = World::alone();
    let classic = world.open(0, Version::Classic, LISTENER);
    let opening = world.connect(0, LISTENER);
    let v1 = world.open(0, Version::V1, LISTENER);
    world.text(classic, &subscription(&[1, 2]));
    world.quiesce();
    let gone = world.open(0, Version::V1, LISTENER);
    world.say_close(gone);
    world.quiesce();
    let inspection = world.hubs[0].inspect();
    let seen: Vec<_> = (inspection.sessions(0))
        .map(|session| {
            (
                session.connection(),
                session.standing(),
                session.subscriptions(),
            )
        })
        .collect();
    let expected = [
        (classic as u64, Standing::Open(Version::Classic), 1),
        (opening as u64, Standing::Opening, 0),
        (v1 as u64, Standing::Open(Version::V1), 0),
    ];
    assert_eq!(seen, expected);
    let second = inspection.sessions(1).next().expect("there are three");
    assert_eq!((second.place(), second.peer()), (1, address()));
    assert_eq!(inspection.sessions(3).count(), 0);
    assert!(inspection.session(3).is_none());
    let first = inspection.session(0).expect("it is there");
    let mut text = String::new();
    assert!(first.describe(&mut text, 1_000));
    assert!(
        text.contains(r#""package":"p""#) && text.contains(r#""c":["#),
        "{text}"
    );
}

#[test]
fn what_waits_for_a_session_is_seen() {
    let mut world = World::alone();
    let listener = world.open(0, Version::Classic, LISTENER);
    let publisher = world.open(0, Version::V1, PUBLISHER);
    world.text(listener, &subscription(&[1]));
    world.quiesce();
    world.peers[listener].room = 0;
    world.text(publisher, &publication(1, 0));
    world.carry(publisher, usize::MAX);
    world.hand_out(0);
    world.flush(0);
    let waiting = world.hubs[0].load().waiting_bytes;
    let seen = world.hubs[0]
        .inspect()
        .session(0)
        .map(|session| session.waiting());
    assert!(waiting > 0);
    assert_eq!(seen, Some(waiting));
}

#[test]
fn who_would_hear_a_notification_is_who_hears_it() {
    for hubs in [1, 2] {
        let mut world = World::new(hubs, &Options::default());
        let listeners: Vec<_> = (0..6)
            .map(|at| world.open(at % hubs, Version::Classic, LISTENER))
            .collect();
        for (at, peer) in listeners.iter().enumerate() {
            let channels: &[u8] = if at % 3 == 0 { &[1, 2] } else { &[2] };
            world.text(*peer, &subscription(channels));
        }
        world.quiesce();
        for (channel, expected) in [(1, 2), (2, 6), (3, 0)] {
            let message = publication(channel, 0);
            let mut found = 0;
            for hub in 0..hubs {
                found += recipients(&mut world, hub, &message).len();
            }
            assert_eq!(found, expected);
            let before: usize = listeners.iter().map(|peer| world.texts(*peer).len()).sum();
            assert_eq!(world.hubs[0].announce(&message), Ok(()));
            world.quiesce();
            let announced = world.hubs[0].poll_announced().expect("it was handed out");
            assert_eq!(announced.recipients, expected as u64);
            assert_eq!(world.hubs[0].poll_announced(), None);
            let after: usize = listeners.iter().map(|peer| world.texts(*peer).len()).sum();
            assert_eq!(after - before, expected);
            let published = Seen::Published {
                position: announced.position,
                recipients: expected as u64,
            };
            assert_eq!(world.seen.borrow().last(), Some(&published));
        }
    }
}

#[test]
fn an_announcement_that_is_no_publication_is_refused() {
    let mut world = World::alone();
    for (message, code) in [
        (r#"{"type":"ping"}"#, "invalid_message"),
        (&*subscription(&[1]), "invalid_message"),
        (
            r#"{"sender":"server","notification":{"package":"p"}}"#,
            "invalid_notification",
        ),
        ("{", "invalid_json"),
    ] {
        let refusal = world.hubs[0].announce(message).expect_err("it is none");
        assert_eq!(refusal.code().as_str(), code, "{message}");
    }
    world.quiesce();
    assert_eq!(world.hubs[0].poll_announced(), None);
    assert_eq!(world.hubs[0].published(), 0);
}

#[test]
fn a_session_that_asks_by_http_is_seen_to() {
    let mut world = World::alone();
    let peer = world.connect(0, LISTENER);
    world.say_raw(
        peer,
        b"POST /notifications HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    );
    world.carry(peer, usize::MAX);
    let inspection = world.hubs[0].inspect();
    let standing = inspection.session(0).map(|session| session.standing());
    assert_eq!(standing, Some(Standing::Http));
}
