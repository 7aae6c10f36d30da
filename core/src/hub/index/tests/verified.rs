//! What may be verified for one subscriber.

use super::*;
use crate::notify::{ErrorCode, Refusal};

/// Two lists that multiply too much: four steps for it, one for each of its constraints.
const WIDE: &str = r#"{"a":[1,2,3,4,5,6,7,8,9],"b":[1,2,3,4,5,6,7,8,9]}"#;

fn index_of(verified: usize) -> Index {
    Index::new(
        KEY,
        IndexLimits {
            verified,
            ..IndexLimits::default()
        },
    )
}

fn try_set(index: &mut Index, subscriber: u32, list: &[&str]) -> Result<(), TooMuchToVerify> {
    let list: Vec<String> = list.iter().map(|values| target(values)).collect();
    let text = client(&list);
    let Ok(Message::Client(client)) = notify::parse(text.as_bytes(), &NO_LIMITS) else {
        panic!("{text}");
    };
    let done = index.replace(subscriber, &client.subscriptions().expect("a set"));
    index.check();
    done
}

#[test]
fn a_set_that_takes_too_many_steps_to_verify_is_refused_and_the_earlier_one_stands() {
    let mut index = index_of(12);
    assert_eq!(try_set(&mut index, 1, &[WIDE, WIDE]), Ok(()));
    assert_eq!(try_set(&mut index, 2, &[r#"{"a":7}"#, "7", WIDE]), Ok(()));
    let before = index.counters();
    assert_eq!(
        try_set(&mut index, 2, &[r#"{"c":1}"#, WIDE, WIDE, WIDE]),
        Err(TooMuchToVerify { limit: 12 })
    );
    assert_eq!(index.counters(), before);
    let news = target(r#"{"a":5,"b":6,"c":1}"#);
    assert_eq!(recipients(&mut index, &news), [1, 2]);
    assert_eq!(recipients(&mut index, &target(r#"{"a":7}"#)), [2]);
    // Nor is there anything of it for who had nothing.
    assert!(try_set(&mut index, 3, &[r#"{"d":1}"#, WIDE, WIDE, WIDE]).is_err());
    assert!(recipients(&mut index, &target(r#"{"d":1}"#)).is_empty());
    for subscriber in 1..3 {
        index.forget(subscriber);
    }
    assert_eq!(index.counters(), Counters::default());
}

#[test]
fn steps_are_counted_for_what_is_verified_and_for_nothing_else() {
    let long: Vec<String> = (0..100).map(|value| value.to_string()).collect();
    let long = long.join(",");
    let left_out = format!(r#"{{"a":[{long}],"b":[1,2]}}"#);
    let alone = format!("[{long}]");
    let limits = |shapes, tuples| IndexLimits {
        shapes,
        tuples,
        ..IndexLimits::default()
    };
    for (values, limits, steps) in [
        (r#"{"a":1,"b":2,"c":3}"#, limits(256, 4096), 0_usize),
        (&left_out, limits(256, 4096), 4 + 2 + 100 / 16),
        // Found by `a` alone, with a hint of `b`.
        (r#"{"a":1,"b":2,"c":3}"#, limits(0, 4096), 4 + 3),
        (r#"{"a":1,"b":true}"#, limits(0, 4096), 0),
        (&alone, limits(256, 4096), 0),
        (&alone, limits(256, 99), 4 + 12 + 100 / 16),
        // What has no values by key to be found by has none without keys either.
        (r#"{"a":1,"b":2}"#, limits(0, 0), 4 + 2 * 12),
    ] {
        for (verified, is_refused) in [(steps, false), (steps.wrapping_sub(1), true)] {
            let limits = IndexLimits { verified, ..limits };
            let mut index = Index::new(KEY, limits);
            let done = try_set(&mut index, 0, &[values]);
            assert_eq!(
                done.is_err(),
                is_refused && steps > 0,
                "{values} {verified}"
            );
        }
    }
}

#[test]
fn shapes_that_the_earlier_set_has_had_are_there_for_the_new_one() {
    let limits = IndexLimits {
        shapes: 2,
        verified: 0,
        ..IndexLimits::default()
    };
    let mut index = Index::new(KEY, limits);
    let many = |key: &str| format!(r#"{{"{key}":[{}],"z":1}}"#, "1,".repeat(40) + "2");
    let set = |one: &str, other: &str| [many(one), many(other)];
    let replace = |index: &mut Index, [one, other]: [String; 2]| try_set(index, 0, &[&one, &other]);
    assert_eq!(replace(&mut index, set("a", "b")), Ok(()));
    assert_eq!(replace(&mut index, set("c", "d")), Ok(()));
    assert_eq!(index.counters().overflowed, 0);
}

#[test]
fn the_refusal_says_what_is_too_much_and_what_to_do() {
    let refusal = Refusal::from(TooMuchToVerify { limit: 96 });
    assert_eq!(refusal.code(), ErrorCode::TooManySubscriptions);
    assert_eq!(refusal.path(), "subscriptions");
    let text = refusal.to_string();
    assert_eq!(
        text,
        "subscriptions take more than 96 steps to match, the server's limit; \
         send fewer, with fewer keys, or with a list for one key only"
    );
    assert_eq!(TooMuchToVerify { limit: 96 }.to_string(), text);
}
