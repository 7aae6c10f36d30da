//! How sessions begin and end: handshakes, rates, deadlines, draining.

use alloc::{format, string::String, vec, vec::Vec};
use core::time::Duration;

use super::world::{
    LISTENER, PUBLISHER, Seen, Told, World, address, publication, request, subscription,
};
use crate::{
    conn::Config,
    hub::{Options, Rate, TurnedAway, Version},
    notify::Limits,
};

const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;

/// How often deadlines are looked at, and more.
const TICK: u64 = 300;

fn response(world: &World, peer: usize) -> String {
    String::from_utf8_lossy(&world.peers[peer].bytes).into_owned()
}

fn failures(world: &World) -> Vec<String> {
    let seen = world.seen.borrow();
    let failures = seen.iter().filter_map(|seen| {
        if let Seen::HandshakeFailed(error) = seen {
            Some(error.clone())
        } else {
            None
        }
    });
    failures.collect()
}

#[test]
fn a_request_may_come_in_pieces_and_bytes_behind_it_are_heard() {
    for version in [Version::Classic, Version::V1] {
        for cut in [1, 7, 500] {
            let mut world = World::alone();
            let peer = world.connect(0, LISTENER);
            world.peers[peer].version = version;
            world.say_raw(peer, request(version).as_bytes());
            world.text(peer, PING);
            world.text(peer, PING);
            while !world.peers[peer].wire.is_empty() {
                world.carry(peer, cut);
            }
            world.flush(0);
            assert_eq!(world.texts(peer), [PONG, PONG]);
            assert_eq!(world.seen.borrow()[0], Seen::Connected(0, version));
        }
    }
}

#[test]
fn much_may_come_at_once_with_a_request() {
    let mut world = World::alone();
    let peer = world.connect(0, LISTENER);
    world.say_raw(peer, request(Version::Classic).as_bytes());
    // More than is read of a head at once; the head's buffer ends in the middle of a frame.
    let pings: Vec<Vec<u8>> = (0..60).map(|at| vec![at; 2 * usize::from(at)]).collect();
    for payload in &pings {
        world.say_ping(peer, payload);
    }
    world.text(peer, PING);
    world.carry(peer, usize::MAX);
    world.flush(0);
    let mut expected: Vec<Told> = pings.into_iter().map(Told::Pong).collect();
    expected.push(Told::Text(PONG.into()));
    assert_eq!(world.peers[peer].told, expected);
}

#[test]
fn who_does_not_ask_in_time_is_dropped() {
    for half in ["", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        let mut world = World::alone();
        let peer = world.connect(0, LISTENER);
        world.say_raw(peer, half.as_bytes());
        world.carry(peer, usize::MAX);
        world.wait(9_900);
        assert!(!world.peers[peer].gone);
        world.wait(TICK);
        assert!(world.peers[peer].gone);
        assert_eq!(failures(&world), ["TimedOut"]);
        assert_eq!(world.hubs[0].poll_timeout(), None);
    }
}

#[test]
fn who_is_refused_is_told_why_and_has_a_moment_to_read_it() {
    for ends in [false, true] {
        let mut world = World::alone();
        let peer = world.connect(0, LISTENER);
        world.say_raw(peer, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        world.carry(peer, usize::MAX);
        world.flush(0);
        assert!(response(&world, peer).starts_with("HTTP/1.1 4"));
        assert!(world.peers[peer].shut && !world.peers[peer].gone);
        world.say_raw(peer, &[b'x'; 1000]);
        world.carry(peer, usize::MAX);
        if ends {
            world.peers[peer].ended = true;
            world.carry(peer, usize::MAX);
            world.flush(0);
        } else {
            world.wait(1_000 + TICK);
        }
        assert!(world.peers[peer].gone);
        assert!(failures(&world)[0].starts_with("BadRequest"));
    }
}

#[test]
fn who_is_turned_away_learns_why() {
    for (why, status) in [(TurnedAway::Full, "503"), (TurnedAway::AddressFull, "429")] {
        let mut world = World::alone();
        let now = world.now;
        let id = world.hubs[0].turn_away(0, address(), why.refusal(), now);
        let peer = world.add(0, id.expect("there is room"), Version::Classic);
        world.say_raw(peer, request(Version::Classic).as_bytes());
        world.carry(peer, usize::MAX);
        world.flush(0);
        let response = response(&world, peer);
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{response}"
        );
        assert!(response.contains("Retry-After: 30"), "{response}");
        world.wait(1_000 + TICK);
        assert!(world.peers[peer].gone);
        assert_eq!(failures(&world), [format!("Declined({status})")]);
    }
}

#[test]
fn who_speaks_too_fast_is_told_and_who_goes_on_is_closed() {
    let rate = Rate {
        count: 1,
        period: Duration::from_secs(1),
        burst: 3,
    };
    let options = Options {
        messages: rate,
        publications: rate,
        ..Options::default()
    };
    for (version, rights, publishes) in [
        (Version::Classic, LISTENER, false),
        (Version::V1, PUBLISHER, false),
        (Version::V1, PUBLISHER, true),
    ] {
        let text = if publishes {
            publication(1, 0)
        } else {
            PING.into()
        };
        let mut world = World::new(1, &options);
        let peer = world.open(0, version, rights);
        for _ in 0..20 {
            world.text(peer, &text);
        }
        world.quiesce();
        let texts = world.texts(peer);
        let limited = texts
            .iter()
            .filter(|text| text.contains("rate_limited"))
            .count();
        assert_eq!((texts.len() - limited, limited), (4, 4), "{texts:?}");
        assert_eq!(world.close_code(peer), Some(1008));
    }
}

#[test]
fn publications_have_a_rate_of_their_own() {
    let slow = Rate {
        count: 1,
        period: Duration::from_secs(1),
        burst: 2,
    };
    let options = Options {
        messages: slow,
        publications: slow,
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let peer = world.open(0, Version::V1, PUBLISHER);
    for _ in 0..3 {
        world.text(peer, PING);
        world.text(peer, &publication(1, 0));
    }
    world.quiesce();
    assert_eq!(
        world
            .texts(peer)
            .iter()
            .filter(|text| text.contains("rate"))
            .count(),
        0
    );
    assert_eq!(world.sequence.position().sequence(), 3);
    // What has no right is not read, and counts as a message.
    let listener = world.open(0, Version::V1, LISTENER);
    for _ in 0..4 {
        world.text(listener, &publication(1, 0));
    }
    world.quiesce();
    let texts = world.texts(listener);
    assert_eq!(
        texts
            .iter()
            .filter(|text| text.contains("forbidden"))
            .count(),
        3
    );
    assert!(texts[3].contains("rate_limited"));
}

#[test]
fn other_rates_are_in_force_for_open_sessions_too_and_their_burst_is_whole_again() {
    let slow = Rate {
        count: 1,
        period: Duration::from_secs(60),
        burst: 1,
    };
    let options = Options {
        messages: slow,
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let peer = world.open(0, Version::Classic, LISTENER);
    let limited = |world: &World| {
        let texts = world.texts(peer);
        texts.iter().filter(|text| text.contains("rate")).count()
    };
    for _ in 0..3 {
        world.text(peer, PING);
    }
    world.quiesce();
    assert_eq!(limited(&world), 1);
    // What is not changed does not give anybody anything.
    world.hubs[0].reconfigure(&options);
    world.hubs[0].reconfigure(&Options {
        messages: Rate::per_second(5),
        ..options.clone()
    });
    for _ in 0..6 {
        world.text(peer, PING);
    }
    world.quiesce();
    assert_eq!(limited(&world), 1);
    world.hubs[0].reconfigure(&options);
    for _ in 0..3 {
        world.text(peer, PING);
    }
    world.quiesce();
    assert_eq!(limited(&world), 2);
    assert_eq!(world.close_code(peer), None);
}

#[test]
fn other_limits_on_content_are_in_force_for_open_sessions_and_other_times_for_later_ones() {
    let mut world = World::alone();
    let early = world.open(0, Version::V1, LISTENER);
    world.hubs[0].reconfigure(&Options {
        connection: Config {
            ping_interval: Some(Duration::from_secs(5)),
            ..Config::new()
        },
        message: Limits {
            subscriptions: 1,
            ..Limits::default()
        },
        ..Options::default()
    });
    let late = world.open(0, Version::V1, LISTENER);
    for peer in [early, late] {
        let two = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":"p","page":"r"}]}"#;
        world.text(peer, two);
        world.quiesce();
        assert!(world.texts(peer)[0].contains("too_many_subscriptions"));
    }
    world.wait(5_000 + TICK);
    let pinged = [early, late].map(|peer| world.peers[peer].told.contains(&Told::Ping));
    assert_eq!(pinged, [false, true]);
}

#[test]
fn subscriptions_that_wait_for_their_place_are_not_lost_when_limits_shrink() {
    let mut world = World::new(2, &Options::default());
    let peer = world.open(0, Version::V1, PUBLISHER);
    world.text(peer, &publication(1, 0));
    let two = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":"p","page":"r"}]}"#;
    world.text(peer, two);
    world.carry(peer, usize::MAX);
    for hub in &mut world.hubs {
        hub.reconfigure(&Options {
            message: Limits {
                subscriptions: 1,
                ..Limits::default()
            },
            ..Options::default()
        });
    }
    world.quiesce();
    let texts = world.texts(peer);
    assert!(
        texts[0].contains("published") && texts[1].contains("\"count\":2"),
        "{texts:?}"
    );
}

#[test]
fn idle_peers_are_pinged_and_dead_ones_dropped() {
    let mut world = World::alone();
    let [dead, alive] = [0; 2].map(|hub| world.open(hub, Version::Classic, LISTENER));
    world.wait(24_900);
    assert_eq!(world.peers[alive].told, []);
    world.wait(TICK);
    assert_eq!(world.peers[alive].told, [Told::Ping]);
    assert_eq!(world.peers[dead].told, [Told::Ping]);
    world.carry(alive, usize::MAX); // its pong
    world.wait(10_000 + TICK);
    assert!(world.peers[dead].gone && !world.peers[alive].gone);
    assert!(world.seen.borrow().contains(&Seen::Disconnected(0, 1006)));
    world.wait(15_000);
    assert_eq!(world.peers[alive].told, [Told::Ping, Told::Ping]);
}

#[test]
fn who_takes_bytes_again_lives_though_it_says_nothing() {
    let mut world = World::alone();
    let peer = world.open(0, Version::Classic, LISTENER);
    world.peers[peer].room = 0;
    world.wait(25_000 + TICK);
    world.wait(9_000);
    world.make_room(peer, usize::MAX);
    world.flush(0);
    world.wait(2_000);
    assert!(!world.peers[peer].gone);
}

#[test]
fn who_does_not_answer_a_close_is_dropped_in_time() {
    let mut world = World::alone();
    let peer = world.open(0, Version::Classic, PUBLISHER);
    world.text(peer, &publication(1, 0));
    world.carry(peer, usize::MAX);
    world.hand_out(0);
    world.flush(0);
    assert_eq!(world.close_code(peer), Some(1000));
    world.wait(4_900);
    assert!(!world.peers[peer].gone);
    world.wait(TICK);
    assert!(world.peers[peer].gone);
}

#[test]
fn draining_closes_all_over_the_window_and_declines_newcomers() {
    const SESSIONS: usize = 50;
    let mut world = World::alone();
    for _ in 0..SESSIONS {
        world.open(0, Version::V1, LISTENER);
    }
    let silent = world.connect(0, LISTENER);
    let now = world.now;
    world.hubs[0].drain(Duration::from_secs(1), now);
    let closed = |world: &World| {
        let peers = 0..SESSIONS;
        peers
            .filter(|peer| world.close_code(*peer) == Some(1001))
            .count()
    };
    let mut before = 0;
    for _ in 0..50 {
        world.wait(20);
        let now = closed(&world);
        assert!(
            now - before <= 3,
            "evenly, and not {} at once",
            now - before
        );
        before = now;
    }
    world.wait(20);
    assert_eq!(closed(&world), SESSIONS);
    assert!(world.texts(0)[0].contains("shutting_down"));
    assert!(world.peers[silent].gone);
    let late = world.connect(0, LISTENER);
    world.say_raw(late, request(Version::Classic).as_bytes());
    world.carry(late, usize::MAX);
    world.flush(0);
    assert!(response(&world, late).starts_with("HTTP/1.1 503 "));
    world.quiesce();
    world.wait(1_000 + TICK);
    assert_eq!(world.hubs[0].sessions(), 0);
}

#[test]
fn an_unfinished_message_is_kept_and_its_memory_given_back() {
    let mut world = World::alone();
    let peer = world.open(0, Version::V1, LISTENER);
    let text = subscription(&[1, 2, 3]);
    world.text(peer, &text);
    while !world.peers[peer].wire.is_empty() {
        world.carry(peer, 1);
    }
    world.flush(0);
    assert_eq!(world.texts(peer).len(), 1);
    let session = world.hubs[0].session(0).expect("it is there");
    assert!(session.partial.is_none() && session.answers.is_none() && session.outbox.is_none());
}

#[test]
fn pings_may_be_off() {
    let options = Options {
        connection: Config {
            ping_interval: None,
            ..Config::new()
        },
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let peer = world.open(0, Version::Classic, LISTENER);
    world.wait(1_000_000);
    assert!(!world.peers[peer].gone && world.peers[peer].told.is_empty());
}
