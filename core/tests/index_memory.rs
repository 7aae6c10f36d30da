//! What the index takes from the allocator: nothing while matching, so much for a subscription, and
//! all of it back.
#![cfg(feature = "alloc")]

use allocation_counter::measure;
use campanile_core::{
    hub::index::{HashKey, Index, IndexLimits},
    notify::{Limits, Message, Notification, parse},
};

fn index() -> Index {
    Index::new(HashKey([3, 4]), IndexLimits::default())
}

/// More values than are allowed by default.
const UNLIMITED: Limits = Limits {
    subscriptions: usize::MAX,
    constraints: usize::MAX,
    keys: usize::MAX,
    values: usize::MAX,
};

fn subscribe(index: &mut Index, subscriber: u32, values: &str) {
    subscribe_to(index, subscriber, values, &Limits::default());
}

fn subscribe_to(index: &mut Index, subscriber: u32, values: &str, limits: &Limits) {
    let text = format!(
        r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{values}}}}}]}}"#
    );
    enter_within(index, subscriber, &text, limits);
}

fn enter(index: &mut Index, subscriber: u32, text: &str) {
    enter_within(index, subscriber, text, &Limits::default());
}

fn enter_within(index: &mut Index, subscriber: u32, text: &str, limits: &Limits) {
    match parse(text.as_bytes(), limits) {
        Ok(Message::Client(client)) => {
            let set = client.subscriptions().expect("a set");
            index.replace(subscriber, &set).expect("not too much");
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn publication(values: &str) -> String {
    format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{values}}}}}}}"#
    )
}

fn notification(text: &str) -> Notification<'_> {
    match parse(text.as_bytes(), &Limits::default()) {
        Ok(Message::Publication(notification)) => notification,
        other => panic!("{text}: {other:?}"),
    }
}

/// Five channels of a thousand.
fn channels(subscriber: u32) -> String {
    let channel = |at: u32| format!(r#""{}""#, subscriber.wrapping_mul(at * 7 + 1) % 1000);
    format!(
        r#"{{"channel":[{}]}}"#,
        [0, 1, 2, 3, 4].map(channel).join(",")
    )
}

#[test]
fn matching_allocates_nothing_once_it_has_seen_a_notification_as_long() {
    let mut index = index();
    for subscriber in 0..500 {
        subscribe(&mut index, 8 * subscriber, &channels(subscriber));
        subscribe(
            &mut index,
            8 * subscriber + 1,
            r#"{"a":1,"b":[1,2,3],"c":true}"#,
        );
        subscribe(&mut index, 8 * subscriber + 2, &format!("[{subscriber},5]"));
        // Lists that multiply too much, so that one is verified.
        subscribe(
            &mut index,
            8 * subscriber + 3,
            r#"{"a":[1,2,3,4,5,6,7,8,9],"b":[1,2,3,4,5,6,7,8,9]}"#,
        );
        subscribe(&mut index, 8 * subscriber + 4, "[]");
    }
    let long = [
        r#"{"a":[1,2,3,4,5],"b":[1,2,3],"c":["x","y"],"channel":"5","a":[1,2,3,4,5]}"#,
        r#"["1","2","3","4","5","6","7","8","9","10","11","12","13"]"#,
    ];
    for text in long.map(publication) {
        assert!(index.recipients(&notification(&text)).len() > 500);
    }
    let shorter = [
        r#"{"channel":"7"}"#,
        // An object is no value, but an overridden one does no harm.
        r#"{"a":1,"b":2,"c":{},"c":0}"#,
        r#"{"a":1,"b":3,"c":null}"#,
        r#"{"a":[5,1],"b":9}"#,
        r#"{"x":5}"#,
        "5",
        "[1,2,3]",
        "null",
    ];
    for values in shorter {
        let text = publication(values);
        let notification = notification(&text);
        let mut recipients = 0;
        let taken = measure(|| recipients = index.recipients(&notification).len());
        assert!(recipients >= 500, "{text}: {recipients}");
        assert_eq!(taken.count_total, 0, "{text}: {taken:?}");
    }
}

#[test]
fn numbers_that_stand_for_many_digits_take_a_small_multiple_of_the_message() {
    // As many different numbers as a message of 64 KiB has room for, each as short as it can be.
    let numbers: Vec<String> = (1..20)
        .filter(|digits| digits % 10 != 0)
        .flat_map(|digits| {
            (20..1000)
                .flat_map(move |zeros| [format!("{digits}e{zeros}"), format!("{digits}e-{zeros}")])
        })
        .take(9000)
        .collect();
    // Each of them by its tuple, and too many for that; with a shape and without.
    let lists = [numbers[..4000].join(","), numbers.join(",")];
    for shapes in [IndexLimits::SHAPES, 0] {
        for list in &lists {
            for values in [
                format!("[{list}]"),
                format!(r#"{{"a":[{list}]}}"#),
                format!(r#"{{"a":[{list}],"b":[1,2]}}"#),
            ] {
                let limits = IndexLimits {
                    shapes,
                    verified: usize::MAX,
                    ..IndexLimits::default()
                };
                let mut kept = Index::new(HashKey([3, 4]), limits);
                // What is reused from one subscriber to the next is not what this one takes.
                subscribe_to(&mut kept, 0, &values, &UNLIMITED);
                kept.forget(0);
                let taken = measure(|| subscribe_to(&mut kept, 0, &values, &UNLIMITED));
                let times = taken.bytes_current / i64::try_from(values.len()).unwrap();
                assert!(times <= 20, "{times} times {} bytes", values.len());

                let number = &numbers[3999];
                for (news, heard) in [(number.as_str(), 1), ("7e-999", 0), ("7e19", 0)] {
                    let text = publication(&format!(r#"{{"a":{news},"b":2}}"#));
                    let notification = notification(&text);
                    assert_eq!(kept.recipients(&notification).len(), heard, "{news}");
                }
            }
        }
    }
}

#[test]
fn values_that_are_repeated_in_many_tuples_take_less_than_a_megabyte() {
    let list = |at: usize, name: char, count: usize, len: usize| {
        let value = |of: usize| format!("\"{name}{at}{of}{}\"", "x".repeat(len));
        (0..count).map(value).collect::<Vec<_>>().join(",")
    };
    // How many subscriptions; how many values of each key; and how long they and one more are.
    for (count, a, b, len, longest) in [
        (128, 16, 1, 0, 200),
        (128, 4, 4, 0, 200),
        (64, 64, 8, 0, 400),
        (64, 4, 8, 60, 1),
        (64, 32, 1, 0, 100),
        (1, 64, 1, 0, 60_000),
    ] {
        let target = |at: usize| {
            let (a, b) = (list(at, 'a', a, len), list(at, 'b', b, len));
            let long = "x".repeat(longest);
            format!(
                r#"{{"package":"p","page":"q","filters":{{"values":{{"a":[{a}],"b":[{b}],"c":"{long}{at}"}}}}}}"#
            )
        };
        let targets: Vec<_> = (0..count).map(target).collect();
        let text = format!(
            r#"{{"sender":"client","subscriptions":[{}]}}"#,
            targets.join(",")
        );
        assert!(text.len() < 1 << 16, "{} bytes", text.len());
        let limits = IndexLimits {
            verified: usize::MAX,
            ..IndexLimits::default()
        };
        let mut index = Index::new(HashKey([3, 4]), limits);
        let taken = measure(|| enter(&mut index, 0, &text));
        assert!(
            taken.bytes_current < 1_000_000,
            "{} bytes of {}",
            taken.bytes_current,
            text.len()
        );
    }
}

#[test]
fn a_subscription_takes_at_most_160_or_200_bytes_and_gives_all_of_them_back() {
    const SUBSCRIBERS: u32 = 20_000;
    let users = |subscriber| format!(r#"{{"user":"{subscriber}"}}"#);
    let two = |subscriber: u32| {
        format!(
            r#"{{"kind":"{}","level":"{}"}}"#,
            subscriber % 90,
            subscriber % 7
        )
    };
    // One to three of 64 keys: more shapes than there may be, so that most are verified.
    let hostile = |subscriber: u32| {
        let key = |at: u32| subscriber.wrapping_mul(2 * at + 5) / (at + 1) % 64;
        let value = |at: u32| subscriber.wrapping_mul(2 * at + 3) % 97;
        let constraint = |at: u32| format!(r#""k{}":"{}""#, key(at), value(at));
        let constraints: Vec<String> = (0..=subscriber % 3).map(constraint).collect();
        format!("{{{}}}", constraints.join(","))
    };
    let makers: [(&dyn Fn(u32) -> String, i64); 4] = [
        (&users, 160),
        (&channels, 160),
        (&two, 160),
        (&hostile, 200),
    ];
    for (values, most) in makers {
        let mut kept = None;
        let taken = measure(|| {
            let mut index = index();
            for subscriber in 0..SUBSCRIBERS {
                subscribe(&mut index, subscriber, &values(subscriber));
            }
            kept = Some(index);
        });
        let bytes = taken.bytes_current / i64::from(SUBSCRIBERS);
        assert!(
            (20..=most).contains(&bytes),
            "{bytes} bytes for {}",
            values(2)
        );

        let mut index = kept.take().expect("just made");
        let left = measure(|| {
            for subscriber in 0..SUBSCRIBERS {
                index.forget(subscriber);
            }
        });
        let bytes = taken.bytes_current + left.bytes_current;
        assert!(bytes < 4096, "{bytes} bytes are left");
    }
}

#[test]
fn what_is_left_of_a_crowd_that_is_forgotten_is_in_proportion_to_who_remains() {
    const CROWD: u32 = 300;
    let one = |page: u32, values: &str| {
        format!(r#"{{"package":"p","page":"{page}","filters":{{"values":{values}}}}}"#)
    };
    let set = |list: Vec<String>| {
        format!(
            r#"{{"sender":"client","subscriptions":[{}]}}"#,
            list.join(",")
        )
    };
    // What each of the crowd asks for, and in how many pages somebody remains.
    type Maker<'m> = &'m dyn Fn(u32) -> String;
    let keys: Maker<'_> = &|at| one(0, &format!(r#"{{"k{at}":1,"l{at}":[2,3]}}"#));
    let lone_keys: Maker<'_> = &|at| one(0, &format!(r#"{{"k{at}":1}}"#));
    let shapes: Maker<'_> = &|at| one(at % 50, &format!(r#"{{"k{at}":1,"l{at}":true}}"#));
    let pages: Maker<'_> = &|at| one(at, r#"{"k":1}"#);
    let values: Maker<'_> = &|at| one(0, &format!(r#"{{"k":[{at},"{at}x"],"l":{at}}}"#));
    for (name, wish, remaining) in [
        ("keys", keys, 1),
        ("keys beyond the shapes", lone_keys, 1),
        ("shapes", shapes, 50),
        ("pages", pages, 1),
        ("values", values, 1),
    ] {
        // They come before and after the ones who remain.
        let text = |subscriber: u32| {
            set((0..100)
                .map(|at| wish(100 * subscriber + at))
                .collect::<Vec<_>>())
        };
        let friends: Vec<_> = (0..remaining)
            .map(|page| one(page, r#"{"friend":1,"of":2}"#))
            .collect();
        let friends = set(friends);
        // Those beyond the shapes are more than one may have verified.
        let limits = IndexLimits {
            verified: usize::MAX,
            ..IndexLimits::default()
        };
        let mut index = Index::new(HashKey([3, 4]), limits);
        let taken = measure(|| {
            for subscriber in 1..CROWD {
                enter(&mut index, subscriber, &text(subscriber));
            }
            enter(&mut index, 0, &friends);
            for subscriber in CROWD..CROWD + 5 {
                enter(&mut index, subscriber, &text(subscriber));
            }
        });
        let gone = measure(|| {
            for subscriber in 1..CROWD + 5 {
                index.forget(subscriber);
            }
        });
        let left = taken.bytes_current + gone.bytes_current;
        // What is reused for the next set is bounded by what one message has room for.
        let most = 40_000 + 2500 * i64::from(remaining);
        assert!(
            left <= most && taken.bytes_current > 20 * left,
            "{name}: {left} of {} bytes are left",
            taken.bytes_current
        );
        assert_eq!(index.counters().subscriptions, remaining as usize);
        let text = publication(r#"{"friend":1,"of":2}"#).replace(r#""q""#, r#""0""#);
        assert_eq!(index.recipients(&notification(&text)), [0]);
    }
}
