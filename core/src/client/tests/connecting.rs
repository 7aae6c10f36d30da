use alloc::{
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::{num::NonZeroU32, time::Duration};

use proptest::prelude::*;

use super::{
    super::*,
    told,
    world::{Door, Link, SOME, World, notification, subscribed},
};

const SECOND: Duration = Duration::from_secs(1);

proptest! {
    #[test]
    fn each_attempt_comes_when_it_was_announced_and_within_its_bound(
        draws in prop::collection::vec(SOME.., 1..12),
    ) {
        let mut world = World::new(Options::new());
        world.door = Door::Closed;
        let mut bound = Backoff::BASE;
        for random in draws {
            world.random = random;
            let events = world.run();
            let [Event::Disconnected { cause: Cause::Unreachable(_), retry_in }] = &events[..] else {
                panic!("{events:?}");
            };
            prop_assert!(*retry_in <= bound);
            prop_assert_eq!(world.machine.deadline(), world.now.after(*retry_in));
            bound = (bound * 2).min(Backoff::CAP);
            world.sleep(*retry_in);
        }
    }

    #[test]
    fn however_bytes_are_cut_the_events_are_the_same(cut in 1..200_usize) {
        let [whole, pieces] = [usize::MAX, cut].map(|cut| {
            let mut world = World::new(Options::new());
            world.cut = cut;
            world.machine.subscribe(r#"{"package":"p","page":"q"}"#).unwrap();
            let mut events = world.run();
            world.says(&subscribed(1));
            for number in 2..30 {
                world.says(&notification(number));
            }
            world.closes(1001);
            events.extend(world.run());
            (told(&events), world.received, world.connections)
        });
        prop_assert_eq!(whole.0.len(), 31);
        prop_assert_eq!(whole, pieces);
    }
}

#[test]
fn the_count_of_failures_begins_anew_after_a_stable_connection_only() {
    for (lived, bound) in [
        (Backoff::STABLE, Backoff::BASE),
        (
            Backoff::STABLE - Duration::from_micros(1),
            Backoff::BASE * 4,
        ),
    ] {
        let mut world = World::new(Options::new());
        world.door = Door::Closed;
        world.pass(SECOND); // the first attempt, and the second
        world.door = Door::Open;
        world.pass(2 * SECOND);
        assert_eq!(world.connections, 1);
        world.sleep(lived);
        world.dies();
        let events = world.run();
        let Some(Event::Disconnected { retry_in, .. }) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(*retry_in, bound);
    }
}

#[test]
fn only_so_many_attempts_are_made() {
    for attempts in 1..4 {
        let mut world = World::new(Options {
            max_attempts: NonZeroU32::new(attempts),
            ..Options::new()
        });
        world.door = Door::Closed;
        let events = world.pass(100 * SECOND);
        assert_eq!(events.len() + 1, attempts as usize, "{events:?}");
        assert!(world.machine.is_over());
        let error = world.machine.take_error();
        assert!(
            matches!(error, Some(Error::GaveUp { attempts: made, .. }) if made == attempts),
            "{error:?}"
        );
        assert_eq!(world.machine.take_error(), None, "it is told once");
    }
}

#[test]
fn a_refusal_is_final_or_tried_again_by_its_status() {
    for (status, is_final) in [
        (301, true),
        (400, true),
        (401, true),
        (403, true),
        (404, true),
        (408, false),
        (425, false),
        (426, true),
        (429, false),
        (500, false),
        (502, false),
        (503, false),
        (200, false),
    ] {
        let mut world = World::new(Options::new());
        world.door = Door::Answers(format!("HTTP/1.1 {status} x\r\n\r\n"));
        let events = world.run();
        let cause = match (world.machine.take_error(), &events[..]) {
            (Some(Error::Fatal(cause)), []) if is_final => cause,
            (None, [Event::Disconnected { cause, .. }]) if !is_final => cause.clone(),
            other => panic!("{status}: {other:?}"),
        };
        assert!(
            matches!(cause, Cause::Refused { status: told, .. } if told == status),
            "{cause:?}"
        );
    }
}

#[test]
fn a_server_that_says_when_to_come_again_is_not_asked_before() {
    for (after, least) in [
        ("7", 7),
        ("0", 0),
        ("100000", Backoff::MAX_RETRY_AFTER.as_secs()),
        ("99999999999999999999", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("-1", 0),
    ] {
        let mut world = World::new(Options::new());
        world.random = SOME;
        world.door = Door::Answers(format!("HTTP/1.1 503 x\r\nRetry-After: {after}\r\n\r\n"));
        let events = world.run();
        let Some(Event::Disconnected { retry_in, .. }) = events.first() else {
            panic!("{events:?}");
        };
        assert_eq!(
            *retry_in,
            Duration::from_secs(least) + Duration::from_micros(1),
            "{after}"
        );
        if least > 0 {
            world.pass(*retry_in - Duration::from_micros(1));
            assert_eq!(world.connections, 1, "{after}");
        }
    }
}

#[test]
fn what_is_no_campanile_server_is_final() {
    let accepted = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: ";
    for (answer, error) in [
        ("SSH-2.0-OpenSSH_9.2\r\n".to_string(), "HTTP/1.1"),
        (format!("{accepted}no\r\n\r\n"), "Sec-WebSocket-Accept"),
    ] {
        let mut world = World::new(Options::new());
        world.door = Door::Answers(answer);
        assert!(world.run().is_empty());
        let Some(Error::Fatal(cause @ Cause::NotWebSocket(_))) = world.machine.take_error() else {
            panic!("{error}");
        };
        assert!(cause.to_string().contains(error), "{cause}");
    }
}

#[test]
fn a_close_is_final_or_the_client_comes_again_by_its_code() {
    for (code, is_final) in [
        (1000, false),
        (1001, false),
        (1002, true),
        (1003, true),
        (1007, true),
        (1008, true),
        (1009, false),
        (1010, true),
        (1011, false),
        (1012, false),
        (1013, false),
        (3000, false),
        (4399, false),
        (4401, true),
        (4499, true),
        (4500, false),
    ] {
        let mut world = World::new(Options::new());
        world.run();
        world.closes(code);
        let events = world.run();
        let cause = match (world.machine.take_error(), &events[..]) {
            (Some(Error::Fatal(cause)), []) if is_final => cause,
            (None, [Event::Disconnected { cause, .. }]) if !is_final => cause.clone(),
            other => panic!("{code}: {other:?}"),
        };
        let Cause::Closed { code: told, reason } = cause else {
            panic!("{cause:?}");
        };
        assert_eq!(
            (told.map(|told| told.get()), &*reason),
            (Some(code), "so it is")
        );
    }
}

#[test]
fn a_silent_server_is_given_up_and_come_back_to() {
    let mut world = World::new(Options::new());
    assert_eq!(told(&world.run()), ["connected"]);
    let config = Options::new().connection;
    // The server is there: its pongs count.
    assert!(world.pass(10 * config.ping_interval.unwrap()).is_empty());
    world.reads = false;
    let events = world.pass(config.ping_interval.unwrap() + config.pong_timeout);
    assert_eq!(told(&events)[0], "disconnected TimedOut(Life)");
    world.reads = true;
    let events = world.pass(Backoff::CAP);
    assert_eq!(told(&events), ["reconnected"]);
}

#[test]
fn each_part_of_connecting_has_its_time() {
    let mut world = World::new(Options::new());
    world.door = Door::Black;
    let events = world.pass(Options::CONNECT_TIME);
    assert_eq!(told(&events), ["disconnected TimedOut(Connecting)"]);
    world.door = Door::Answers("HTTP/1.1".into());
    let events = world.pass(Backoff::BASE + crate::handshake::HANDSHAKE_TIME);
    assert_eq!(told(&events), ["disconnected TimedOut(Handshake)"]);
}

#[test]
fn a_wrong_header_field_is_told_before_anything_is_sent() {
    let mut world = World::new(Options::new());
    world.machine.add_header("Host", "b");
    assert!(world.run().is_empty());
    let error = world.machine.take_error();
    assert!(matches!(error, Some(Error::BadOpening(_))), "{error:?}");
}

#[test]
fn a_token_is_shown_in_the_place_of_an_earlier_one() {
    let mut world = World::new(Options::new());
    world.machine.add_header("authorization", "Basic dTpw");
    world.machine.set_token("first");
    world.machine.set_token("second");
    assert!(!format!("{:?}", world.machine).contains("second"));
    let request = loop {
        match &world.link {
            Link::Shaking(request, _) if request.ends_with(b"\r\n\r\n") => break request,
            Link::Down | Link::Shaking(..) | Link::Up(_) | Link::Gone(_) => {
                assert!(world.step(), "it does not wait")
            }
        }
    };
    let request = String::from_utf8_lossy(request).to_ascii_lowercase();
    assert_eq!(request.matches("authorization: ").count(), 1, "{request}");
    assert!(
        request.contains("\r\nauthorization: bearer second\r\n"),
        "{request}"
    );
}

#[test]
fn a_client_that_is_closed_says_goodbye_and_ends_wherever_it_is() {
    let mut world = World::new(Options::new());
    world.run();
    let id = world
        .machine
        .publish(r#"{"package":"p","page":"q"}"#, world.now);
    world.run();
    world
        .machine
        .publish(r#"{"package":"p","page":"r"}"#, world.now)
        .unwrap();
    world.machine.close(world.now);
    assert_eq!(world.machine.subscribe("[]"), Err(SubscribeError::Over));
    assert_eq!(
        world
            .machine
            .publish(r#"{"package":"p","page":"r"}"#, world.now),
        Err(PublishError::Over)
    );
    let events = told(&world.run());
    assert_eq!(world.closed, Some(1000));
    assert_eq!(
        events,
        [
            "not published 1: NotSent(None)".to_string(),
            format!(
                "not published {}: Unknown(Lost(\"the server is gone without a word\"))",
                id.unwrap().number()
            ),
        ]
    );
    assert!(world.machine.is_over());
    assert_eq!(world.machine.take_error(), None);

    let doors = [Door::Closed, Door::Black, Door::Answers("HTTP".into())];
    for door in doors {
        let mut world = World::new(Options::new());
        world.door = door;
        world.run();
        world.machine.close(world.now);
        assert!(world.run().is_empty());
        assert!(world.machine.is_over());
    }
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let strays: Vec<_> = vec![subscribed(1), super::world::published(1)];
    for stray in strays {
        let mut world = World::new(Options::new());
        world.run();
        world.says(&stray);
        assert_eq!(told(&world.run()), ["disconnected OutOfTurn"]);
    }
}

#[test]
fn what_is_not_understood_is_handed_on() {
    let mut world = World::new(Options::new());
    world.run();
    for text in [
        "{}",
        r#"{"sender":"server","more":1}"#,
        r#"{"type":"pong"}"#,
    ] {
        world.says(text);
        assert_eq!(told(&world.run()), [format!("other {text}")]);
    }
}
