use alloc::{format, string::String};
use core::time::Duration;

use super::{
    super::*,
    told,
    world::{World, error, notification, subscribed},
};

const A: &str = r#"{"package":"p","page":"a"}"#;
const B: &str = r#"{"package":"p","page":"b"}"#;

fn message(subscription: &str) -> String {
    format!(r#"{{"sender":"client","subscriptions":[{subscription}]}}"#)
}

/// A client whose subscription `A` stands.
fn listener() -> World {
    let mut world = World::new(Options::new());
    world.machine.subscribe(A).unwrap();
    assert_eq!(told(&world.run()), ["connected"]);
    assert_eq!(world.take_received(), [message(A)]);
    world.says(&subscribed(7));
    assert_eq!(told(&world.run()), ["subscribed 1 at 7"]);
    world
}

#[test]
fn notifications_are_told_in_order_and_word_for_word() {
    let mut world = listener();
    let texts: alloc::vec::Vec<_> = (8..20).map(notification).collect();
    texts.iter().for_each(|text| world.says(text));
    let heard = world.run();
    assert_eq!(heard.len(), texts.len());
    for (number, (event, text)) in (8..).zip(heard.into_iter().zip(texts)) {
        let Event::Notification(delivery) = event else {
            panic!("{event:?}");
        };
        assert_eq!(delivery.text(), text);
        let read = delivery.read().unwrap();
        assert_eq!(read.notification().page(), "q");
        assert_eq!(read.data(), Some(format!("{number}").as_bytes()));
        assert_eq!(delivery.into_text(), text);
    }
}

#[test]
fn what_was_heard_before_the_end_is_told_before_it() {
    let mut world = listener();
    world.says(&notification(8));
    world.dies();
    let events = told(&world.run());
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], "heard 8");
}

#[test]
fn after_a_loss_the_set_that_stood_is_asked_for_before_anything_else() {
    let mut world = listener();
    world.dies();
    world.run();
    world.machine.publish(A, world.now).unwrap();
    assert!(world.come_back().is_empty());
    assert_eq!(
        world.take_received(),
        [
            message(A),
            format!(r#"{{"sender":"server","notification":{A}}}"#)
        ]
    );
    world.says(&subscribed(9));
    world.says(&notification(10));
    assert_eq!(told(&world.run()), ["reconnected", "heard 10"]);
}

#[test]
fn a_set_that_was_not_answered_is_asked_for_behind_the_one_that_stood() {
    let mut world = listener();
    world.machine.subscribe(B).unwrap();
    world.run();
    assert_eq!(world.take_received(), [message(B)]);
    world.dies();
    world.come_back();
    assert_eq!(world.take_received(), [message(A), message(B)]);
    world.says(&subscribed(1));
    world.says(&subscribed(2));
    assert_eq!(told(&world.run()), ["reconnected", "subscribed 1 at 2"]);
    world.dies();
    world.come_back();
    assert_eq!(world.take_received(), [message(B)]);
}

#[test]
fn of_sets_that_were_not_sent_the_last_one_counts() {
    let mut world = listener();
    world.machine.subscribe(B).unwrap();
    world.run();
    world.take_received();
    world.dies();
    world.run();
    for set in [B, A, "[]"] {
        world.machine.subscribe(set).unwrap();
    }
    world.come_back();
    assert_eq!(world.take_received(), [message(A), message("")]);
}

#[test]
fn a_refused_set_leaves_the_earlier_one_standing() {
    let mut world = listener();
    world.machine.subscribe(B).unwrap();
    world.run();
    world.says(&error("too_many_subscriptions"));
    assert_eq!(told(&world.run()), ["refused too_many_subscriptions: no"]);
    world.take_received();
    world.dies();
    world.come_back();
    assert_eq!(world.take_received(), [message(A)]);
}

#[test]
fn a_client_is_never_deaf_in_silence() {
    let mut world = listener();
    world.dies();
    world.come_back();
    world.says(&error("rate_limited"));
    let events = told(&world.run());
    assert!(events[0].starts_with("disconnected Deaf"), "{events:?}");
    world.come_back();
    world.says(&error("too_many_subscriptions"));
    assert!(world.run().is_empty());
    let error = world.machine.take_error();
    assert!(
        matches!(error, Some(Error::Fatal(Cause::Deaf(_)))),
        "{error:?}"
    );
}

#[test]
fn a_set_that_is_never_answered_ends_the_connection() {
    let mut world = listener();
    world.machine.subscribe(B).unwrap();
    let events = world.pass(Options::ANSWER_TIME);
    assert_eq!(told(&events), ["disconnected TimedOut(Answer)"]);
}

#[test]
fn why_the_server_closes_is_told_in_its_words() {
    let mut world = listener();
    world.says(&error("slow_consumer"));
    world.closes(1013);
    let events = told(&world.run());
    assert!(events[0].contains("slow_consumer: no"), "{events:?}");
}

#[test]
fn who_takes_no_events_is_read_for_no_more() {
    let mut world = World::new(Options {
        max_unread_bytes: 10_000,
        ..Options::new()
    });
    world.run();
    for number in 0..1000 {
        world.says(&notification(number));
    }
    // Without taking events, but one step before too much waits.
    let mut steps = 0;
    while world.machine.poll(world.now, || 0) == Step::Read {
        world.step();
        steps += 1;
        assert!(steps < 100);
    }
    assert_eq!(world.machine.poll(world.now, || 0), Step::Take);
    assert_eq!(world.run().len(), 1000);
    assert!(world.pass(Duration::from_secs(1)).is_empty());
}
