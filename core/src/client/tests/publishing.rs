use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use proptest::prelude::*;

use super::{
    super::*,
    told,
    world::{Door, World, error, published, subscribed},
};

const NEWS: &str = r#"{"package":"p","page":"q"}"#;

fn message() -> String {
    format!(r#"{{"sender":"server","notification":{NEWS}}}"#)
}

proptest! {
    #[test]
    fn answers_are_matched_with_what_they_answer_by_their_order(
        asked in prop::collection::vec((any::<bool>(), any::<bool>()), 0..40),
    ) {
        let mut world = World::new(Options::new());
        world.run();
        let mut expected = Vec::new();
        let mut publications = 0;
        for (number, (publishes, is_refused)) in (0..).zip(&asked) {
            if *publishes {
                world.machine.publish(NEWS, world.now).unwrap();
            } else {
                world.machine.subscribe(NEWS).unwrap();
            }
            world.run();
            expected.push(match (publishes, is_refused) {
                (true, false) => format!("published {publications} at {number} to 2"),
                (true, true) => format!("not published {publications}: Refused(ServerError {{ code: \"forbidden\", message: \"no\", path: \"\" }})"),
                (false, false) => format!("subscribed 1 at {number}"),
                (false, true) => "refused forbidden: no".into(),
            });
            publications += u64::from(*publishes);
        }
        for (number, (publishes, is_refused)) in (0..).zip(&asked) {
            world.says(&match (publishes, is_refused) {
                (_, true) => error("forbidden"),
                (true, false) => published(number),
                (false, false) => subscribed(number),
            });
        }
        prop_assert_eq!(told(&world.run()), expected);
    }
}

#[test]
fn a_receipt_can_be_taken_before_its_turn() {
    let mut world = World::new(Options::new());
    world.run();
    let ids = [0; 3].map(|_| world.machine.publish(NEWS, world.now).unwrap());
    world.run();
    (1..=3).for_each(|position| world.says(&published(position)));
    while world.machine.take_outcome(ids[2]).is_none() {
        assert!(world.step());
    }
    assert_eq!(world.machine.take_outcome(ids[2]), None);
    assert_eq!(
        told(&world.run()),
        ["published 0 at 1 to 2", "published 1 at 2 to 2"]
    );
}

#[test]
fn what_was_sent_and_not_answered_is_unknown_and_not_sent_again() {
    let mut world = World::new(Options::new());
    world.run();
    world.machine.publish(NEWS, world.now).unwrap();
    world.run();
    assert_eq!(world.take_received(), [message()]);
    world.dies();
    let events = told(&world.run());
    assert!(
        events[0].starts_with("not published 0: Unknown("),
        "{events:?}"
    );
    assert!(events[1].starts_with("disconnected"), "{events:?}");
    assert_eq!(told(&world.come_back()), ["reconnected"]);
    assert!(world.take_received().is_empty());
}

#[test]
fn an_answer_that_does_not_come_makes_the_outcome_unknown() {
    let mut world = World::new(Options::new());
    world.run();
    world.machine.publish(NEWS, world.now).unwrap();
    let events = told(&world.pass(Options::ANSWER_TIME));
    assert_eq!(
        events,
        [
            "not published 0: Unknown(TimedOut(Answer))",
            "disconnected TimedOut(Answer)"
        ]
    );
}

#[test]
fn a_publication_waits_for_a_connection_and_not_for_ever() {
    let mut world = World::new(Options::new());
    world.door = Door::Closed;
    world.run();
    world.machine.publish(NEWS, world.now).unwrap();
    world.pass(Options::PUBLISH_TIME - Duration::from_micros(1));
    world.machine.publish(NEWS, world.now).unwrap();
    let events = told(&world.pass(Duration::from_micros(1)));
    assert_eq!(
        events,
        ["not published 0: NotSent(Some(Unreachable(\"refused\")))"]
    );
    world.door = Door::Open;
    assert_eq!(told(&world.come_back()), ["connected"]);
    assert_eq!(world.take_received(), [message()]);
}

#[test]
fn only_so_many_publications_and_bytes_of_them_wait() {
    let mut world = World::new(Options {
        max_waiting: 3,
        ..Options::new()
    });
    world.door = Door::Closed;
    world.run();
    let taken = |world: &mut World| world.machine.publish(NEWS, world.now).is_ok();
    assert_eq!([0; 4].map(|_| taken(&mut world)), [true, true, true, false]);
    world.door = Door::Open;
    world.pass(Backoff::BASE);
    assert!(taken(&mut world), "there is room again");

    let mut world = World::new(Options {
        max_waiting_bytes: 100,
        ..Options::new()
    });
    let long = format!(r#"{{"package":"p","page":"{}"}}"#, "x".repeat(200));
    world.machine.publish(&long, world.now).unwrap();
    assert_eq!(
        world.machine.publish(NEWS, world.now),
        Err(PublishError::TooMany)
    );
}

#[test]
fn only_a_window_of_publications_is_under_way() {
    let mut world = World::new(Options {
        window: 2,
        ..Options::new()
    });
    world.run();
    (0..5).for_each(|_| assert!(world.machine.publish(NEWS, world.now).is_ok()));
    world.run();
    assert_eq!(world.take_received().len(), 2);
    world.says(&published(1));
    world.run();
    assert_eq!(world.take_received().len(), 1);
}

#[test]
fn a_message_that_is_too_long_for_the_server_is_refused_and_the_client_comes_again() {
    let mut world = World::new(Options::new());
    world.run();
    (0..2).for_each(|_| assert!(world.machine.publish(NEWS, world.now).is_ok()));
    world.run();
    world.says(&error("message_too_big"));
    world.closes(1009);
    let events = told(&world.run());
    assert!(events[0].contains("Refused"), "{events:?}");
    assert!(events[1].contains("Unknown"), "{events:?}");
    assert!(events[2].starts_with("disconnected"), "{events:?}");
}

#[test]
fn who_was_not_driven_for_long_publishes_only_when_the_server_is_known_to_be_there() {
    let long = Duration::from_secs(60);
    // It is there: the publication goes out behind the ping.
    let mut world = World::new(Options::new());
    world.run();
    world.sleep(long);
    world.machine.publish(NEWS, world.now).unwrap();
    world.run();
    assert!(world.take_received().is_empty());
    world.pass(Duration::ZERO);
    assert_eq!(world.take_received(), [message()]);

    // It has gone meanwhile, with last words under way: the publication waits for the next connection.
    let mut world = World::new(Options::new());
    world.run();
    world.sleep(long);
    world.says(r#"{"last":"words"}"#);
    world.dies();
    world.machine.publish(NEWS, world.now).unwrap();
    let mut events = told(&world.pass(Duration::ZERO));
    events.extend(told(&world.come_back()));
    assert_eq!(events[0], r#"other {"last":"words"}"#);
    assert!(events[1].starts_with("disconnected"), "{events:?}");
    assert_eq!(events[2..], ["reconnected"]);
    assert_eq!(world.take_received(), [message()]);
}

#[test]
fn a_fatal_end_tells_what_became_of_each_publication() {
    let mut world = World::new(Options {
        window: 1,
        ..Options::new()
    });
    world.run();
    (0..2).for_each(|_| assert!(world.machine.publish(NEWS, world.now).is_ok()));
    world.run();
    world.closes(1008);
    let events = told(&world.run());
    assert!(
        events[0].starts_with("not published 0: Unknown(Closed"),
        "{events:?}"
    );
    assert!(
        events[1].starts_with("not published 1: NotSent(Some(Closed"),
        "{events:?}"
    );
    assert_eq!(events.len(), 2);
    assert!(matches!(world.machine.take_error(), Some(Error::Fatal(_))));
}
