//! Consumers that do not take what waits for them.

use alloc::vec::Vec;

use super::world::{LISTENER, PUBLISHER, Seen, Told, World, publication, subscription};
use crate::hub::{Options, OutboxLimits, SlowPolicy, Version};

fn world(policy: SlowPolicy) -> (World, [usize; 3]) {
    let options = Options {
        outbox: OutboxLimits {
            bytes: 1_000,
            frames: 5,
            policy,
        },
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let peers = [0, 1, 2].map(|at| {
        let rights = if at == 2 { PUBLISHER } else { LISTENER };
        let peer = world.open(0, Version::V1, rights);
        if at < 2 {
            world.text(peer, &subscription(&[1]));
        }
        peer
    });
    world.quiesce();
    (world, peers)
}

fn publish(world: &mut World, publisher: usize, ids: core::ops::Range<usize>) {
    for id in ids {
        world.text(publisher, &publication(1, id));
        world.carry(publisher, usize::MAX);
        world.hand_out(0);
        world.flush(0);
    }
}

/// The numbers of the notifications that were told.
fn numbers(world: &World, peer: usize) -> Vec<usize> {
    let texts = world.texts(peer);
    let numbers = texts.iter().filter_map(|text| {
        let (_, number) = text.split_once("\"data\":")?;
        number.trim_end_matches('}').parse().ok()
    });
    numbers.collect()
}

#[test]
fn a_slow_consumer_is_closed_behind_a_last_word_and_others_notice_nothing() {
    // Nothing, the half of a frame, and one frame and a half of the next.
    for room in [0, 70, 200] {
        let (mut world, [slow, fast, publisher]) = world(SlowPolicy::Disconnect);
        world.peers[slow].room = room;
        publish(&mut world, publisher, 0..12);
        assert!(world.seen.borrow().contains(&Seen::SlowConsumer(0)));
        let load = world.hubs[0].load();
        assert!(load.behind == 1 && load.waiting_bytes > 0, "{load:?}");
        assert_eq!(numbers(&world, fast), (0..12).collect::<Vec<_>>());
        world.make_room(slow, usize::MAX);
        world.flush(0);
        let heard = numbers(&world, slow);
        // What was begun is finished, and nothing else comes before the last word.
        assert_eq!(
            heard,
            (0..room.div_ceil(130).min(2)).collect::<Vec<_>>(),
            "{room}"
        );
        let texts = world.texts(slow);
        assert!(texts.last().expect("a last word").contains("slow_consumer"));
        assert_eq!(world.close_code(slow), Some(1013));
        world.quiesce();
        assert!(world.peers[slow].gone && !world.peers[fast].gone);
        assert_eq!(world.hubs[0].counters().subscriptions, 1);
    }
}

#[test]
fn a_slow_consumer_that_reads_no_more_is_dropped_in_time() {
    let (mut world, [slow, ..]) = world(SlowPolicy::Disconnect);
    world.peers[slow].room = 3;
    publish(&mut world, 2, 0..12);
    world.wait(5_300);
    assert!(world.peers[slow].gone);
}

#[test]
fn or_it_loses_the_oldest_and_keeps_its_answers() {
    for room in [0, 70] {
        let (mut world, [slow, fast, publisher]) = world(SlowPolicy::DropOldest);
        world.peers[slow].room = room;
        publish(&mut world, publisher, 0..6);
        world.text(slow, r#"{"type":"ping"}"#);
        world.carry(slow, usize::MAX);
        publish(&mut world, publisher, 6..20);
        assert_eq!(numbers(&world, fast), (0..20).collect::<Vec<_>>());
        world.make_room(slow, usize::MAX);
        world.flush(0);
        let heard = numbers(&world, slow);
        assert!(heard.ends_with(&[17, 18, 19]), "{heard:?}");
        assert_eq!(heard.contains(&0), room > 0, "{heard:?}");
        assert!(heard.is_sorted() && heard.len() <= 5, "{heard:?}");
        let dropped = world
            .seen
            .borrow()
            .iter()
            .map(|seen| {
                if let Seen::Dropped(0, count) = seen {
                    *count
                } else {
                    0
                }
            })
            .sum::<usize>();
        assert_eq!(dropped + heard.len(), 20);
        assert!(world.texts(slow).contains(&r#"{"type":"pong"}"#));
        // It goes on as if nothing had been.
        publish(&mut world, publisher, 20..22);
        assert!(numbers(&world, slow).ends_with(&[20, 21]));
        assert!(!world.peers[slow].told.contains(&Told::Close(Some(1013))));
    }
}

#[test]
fn who_only_asks_and_never_reads_is_slow_too() {
    for policy in [SlowPolicy::Disconnect, SlowPolicy::DropOldest] {
        let (mut world, [slow, ..]) = world(policy);
        world.peers[slow].room = 0;
        // Answers of 17 bytes, of which 1,000 may wait: their number does not matter.
        for round in 0..70 {
            world.text(slow, r#"{"type":"ping"}"#);
            world.carry(slow, usize::MAX);
            world.flush(0);
            let is_slow = world.seen.borrow().contains(&Seen::SlowConsumer(0));
            assert_eq!(is_slow, round * 17 + 17 > 1_000, "{round}");
            if is_slow {
                break;
            }
            assert!(world.hubs[0].is_behind(world.peers[slow].id));
        }
        assert!(world.seen.borrow().contains(&Seen::SlowConsumer(0)));
    }
}

#[test]
fn one_frame_may_always_wait_however_long_it_is() {
    let (mut world, [slow, fast, publisher]) = world(SlowPolicy::Disconnect);
    world.peers[slow].room = 10;
    let long = "x".repeat(5_000);
    let news = publication(1, 0).replace("\"data\":0", &alloc::format!("\"data\":\"{long}\""));
    world.text(publisher, &news);
    world.carry(publisher, usize::MAX);
    world.hand_out(0);
    world.flush(0);
    world.make_room(slow, usize::MAX);
    world.flush(0);
    assert_eq!(world.texts(slow), world.texts(fast));
    assert!(!world.seen.borrow().contains(&Seen::SlowConsumer(0)));
}

#[test]
fn nothing_follows_a_frame_whose_rest_was_lost() {
    let (mut world, [slow, _, publisher]) = world(SlowPolicy::Disconnect);
    world.peers[slow].room = 50;
    publish(&mut world, publisher, 0..2);
    let before = world.peers[slow].bytes.len();
    world.peers[slow].fails = true;
    world.make_room(slow, usize::MAX);
    world.flush(0);
    publish(&mut world, publisher, 2..20);
    world.text(slow, r#"{"type":"ping"}"#);
    world.carry(slow, usize::MAX);
    world.flush(0);
    world.peers[slow].fails = false;
    world.wait(100);
    assert_eq!(world.peers[slow].bytes.len(), before);
    assert_eq!(world.hubs[0].chunks(world.peers[slow].id).count(), 0);
    world.peers[slow].ended = true;
    world.quiesce();
    assert!(world.peers[slow].gone);
}
