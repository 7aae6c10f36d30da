//! What subscriptions cost, what is counted, and that memory comes back.

use super::*;
use crate::hub::index::{
    cohort::{Candidate, Cohort},
    partition::Kind,
};

fn channels(list: impl IntoIterator<Item = u32>) -> String {
    let list: Vec<String> = list
        .into_iter()
        .map(|channel| channel.to_string())
        .collect();
    target(&format!(r#"{{"channel":[{}]}}"#, list.join(",")))
}

/// How much room there is, used or not, but for the list of subscribers, whose numbers stay.
fn capacities(index: &Index) -> [usize; 3] {
    let tables = index.store.partitions.iter().flat_map(|(_, partition)| {
        (partition.tables.iter()).map(|(_, table)| table.cohorts.capacity())
    });
    [
        index.store.cohorts.capacity(),
        index.store.partitions.capacity(),
        tables.sum(),
    ]
}

#[test]
fn counters_tell_what_is_there_and_return_to_zero() {
    let mut index = Index::new(
        KEY,
        IndexLimits {
            shapes: 2,
            expansion: 4,
            ..IndexLimits::default()
        },
    );
    let list = [
        channels([1, 2, 3]),
        channels([2]),
        // Two lists that multiply to more than four: one is left out.
        target(r#"{"a":[1,2,3],"b":[4,5]}"#),
        // The third shape.
        target(r#"{"c":1}"#),
        r#"{"package":"other","page":"q"}"#.to_string(),
    ];
    replace(&mut index, 7, &list);
    assert_eq!(
        index.counters(),
        Counters {
            subscriptions: 5,
            partitions: 2,
            shapes: 2,
            // Three channels; `b`; the values 1 to 5 without a key; `c`, whose value is among
            // these; and everything of the other package.
            cohorts: 3 + 2 + 5 + 1 + 1,
            tuples: 3 + 2 + 5 + 1 + 1,
            left_out: 1,
            overflowed: 1,
            lost: 0,
        }
    );
    index.forget(7);
    assert_eq!(index.counters(), Counters::default());
    index.check();
}

#[test]
fn replacing_a_set_leaves_nothing_of_the_earlier_one() {
    let mut index = Index::new(KEY, IndexLimits::default());
    replace(&mut index, 1, &[channels([1, 2]), target("9")]);
    replace(&mut index, 2, &[channels([2])]);
    replace(&mut index, 1, &[channels([3])]);
    assert!(recipients(&mut index, &target(r#"{"channel":1}"#)).is_empty());
    assert_eq!(recipients(&mut index, &target(r#"{"channel":2}"#)), [2]);
    assert_eq!(recipients(&mut index, &target("3")), [1]);
    assert!(recipients(&mut index, &target("9")).is_empty());
    replace(&mut index, 1, &[]);
    index.forget(5);
    assert!(recipients(&mut index, &target("3")).is_empty());
    assert_eq!(index.counters().subscriptions, 1);
}

#[test]
fn a_list_of_its_own_is_expanded_and_only_lists_that_multiply_are_left_out() {
    let limits = IndexLimits {
        verified: usize::MAX,
        ..IndexLimits::default()
    };
    let mut index = Index::new(KEY, limits);
    replace(&mut index, 0, &[channels(0..1000)]);
    assert_eq!(index.counters().left_out, 0);
    assert_eq!(index.counters().tuples, 1000);
    replace(&mut index, 0, &[channels(0..5000)]);
    assert_eq!(index.counters().left_out, 1);
    assert!(index.counters().tuples <= 2);
    assert_eq!(recipients(&mut index, &target(r#"{"channel":4999}"#)), [0]);
    assert!(recipients(&mut index, &target(r#"{"channel":5000}"#)).is_empty());
    assert_eq!(recipients(&mut index, &target("4999")), [0]);
    assert!(recipients(&mut index, &target("5000")).is_empty());
}

#[test]
fn values_that_are_listed_twice_do_not_multiply() {
    let mut index = Index::new(KEY, IndexLimits::default());
    let nine = "[1,2,3,4,5,6,7,8,9]";
    let text = format!(r#"{{"a":[1,1.0,"1",1e0,"1",1,1,1],"b":{nine}}}"#);
    replace(&mut index, 0, &[target(&text)]);
    assert_eq!(index.counters().left_out, 0);
    // With keys and without.
    assert_eq!(index.counters().tuples, 9 + 9);
}

#[test]
fn a_long_text_is_not_kept_for_each_value_of_another_key() {
    let mut index = Index::new(KEY, IndexLimits::default());
    let list: Vec<String> = (0..60).map(|value| value.to_string()).collect();
    let list = list.join(",");
    let long = "x".repeat(1000);
    let wish = |text: &str| target(&format!(r#"{{"a":[{list}],"b":"{text}"}}"#));
    let news = |text: &str| target(&format!(r#"{{"a":7,"b":"{text}"}}"#));
    for (text, left_out) in [("x", 0), (&long, 1)] {
        replace(&mut index, 0, &[wish(text)]);
        assert_eq!(index.counters().left_out, left_out);
        let cohorts = index.store.cohorts.iter();
        let bytes: usize = cohorts
            .map(|(_, cohort)| cohort.tuple.as_bytes().len())
            .sum();
        assert!(bytes < 2500, "{bytes}");
        assert_eq!(recipients(&mut index, &news(text)), [0]);
        assert!(recipients(&mut index, &news("y")).is_empty());
    }
    // Alone it does not multiply.
    replace(
        &mut index,
        0,
        &[target(&format!(r#"{{"a":1,"b":"{long}"}}"#))],
    );
    assert_eq!(index.counters().left_out, 0);
}

#[test]
fn who_is_verified_twice_hears_once() {
    let mut index = Index::new(KEY, IndexLimits::default());
    let nine = "[1,2,3,4,5,6,7,8,9]";
    let text = |more: &str| target(&format!(r#"{{"a":{nine},"b":{nine},{more}}}"#));
    let set = [
        text(r#""any":true"#),
        text(r#""any":true,"c":1"#),
        text(r#""any":true"#),
    ];
    replace(&mut index, 4, &set);
    assert_eq!(index.counters().left_out, 3);
    for news in [
        "5",
        "[5,6]",
        "77",
        r#"{"a":5,"b":6,"any":0}"#,
        r#"{"a":[5,6],"b":6,"c":1,"any":0}"#,
    ] {
        assert_eq!(recipients(&mut index, &target(news)), [4], "{news}");
    }
    assert!(recipients(&mut index, &target(r#"{"a":5,"b":10,"any":0}"#)).is_empty());
    assert!(recipients(&mut index, &target(r#"{"a":5,"b":6}"#)).is_empty());
}

#[test]
fn who_accepts_anything_is_met_without_keys_in_one_cohort_however_many_tuples_it_has() {
    let mut index = Index::new(KEY, IndexLimits::default());
    let list: Vec<String> = (0..1000).map(|value| value.to_string()).collect();
    let wide = target(&format!(r#"{{"any":true,"a":[{}]}}"#, list.join(",")));
    for subscriber in 0..3 {
        replace(&mut index, subscriber, &[wide.clone(), wide.clone()]);
    }
    let (_, partition) = index.store.partitions.iter().next().expect("one");
    let table = partition.table(&Kind::AnyScalar).expect("a table");
    let table = partition.tables.get(table).expect("a table");
    assert_eq!(table.cohorts.len(), 1);
    assert_eq!(index.counters().tuples, 3 * (1000 + 1));
    assert_eq!(recipients(&mut index, &target("5000")), [0, 1, 2]);
}

#[test]
fn many_long_arrays_cost_no_more_than_there_are_cohorts() {
    let mut index = Index::new(KEY, IndexLimits::default());
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let values = |value: &str| {
        let members = keys.map(|key| format!(r#""{key}":{value}"#));
        target(&format!("{{{}}}", members.join(",")))
    };
    replace(&mut index, 0, &[values("7")]);
    replace(&mut index, 1, &[values("70"), values("7")]);
    replace(&mut index, 2, &[values("170")]);
    // To try 100 values of each of eight keys would take until the end of the world.
    let list: Vec<String> = (0..100).map(|value| value.to_string()).collect();
    let news = values(&format!("[{}]", list.join(",")));
    assert_eq!(recipients(&mut index, &news), [0, 1]);
}

#[test]
fn beyond_the_shapes_a_subscription_is_where_the_fewest_others_are() {
    let mut index = Index::new(
        KEY,
        IndexLimits {
            shapes: 0,
            ..IndexLimits::default()
        },
    );
    for subscriber in 0..20 {
        replace(
            &mut index,
            subscriber,
            &[target(&format!(
                r#"{{"tenant":1,"room":{subscriber},"any":true}}"#
            ))],
        );
    }
    let (_, partition) = index.store.partitions.iter().next().expect("one");
    let table = partition.table(&Kind::Access).expect("a table");
    let table = partition.tables.get(table).expect("a table");
    // The first one had no reason to prefer either.
    assert!(table.cohorts.len() >= 20, "{}", table.cohorts.len());
    assert_eq!(
        recipients(&mut index, &target(r#"{"tenant":1,"room":7,"any":0}"#)),
        [7]
    );
}

#[test]
fn what_the_tuple_and_the_hint_say_is_not_verified() {
    let no_shapes = IndexLimits {
        shapes: 0,
        ..IndexLimits::default()
    };
    // What is subscribed to; how many words are kept for it; how many candidates there are, and how
    // many of them are verified.
    let cases = [
        (r#"{"a":1}"#, 0, 0, 0),
        (r#"{"a":[1,2,3]}"#, 0, 0, 0),
        (r#"{"a":true}"#, 0, 0, 0),
        // Only the keys, which are used.
        (r#"{"a":1,"b":true}"#, 2 + 2 + 2, 1, 0),
        (r#"{"a":true,"b":true}"#, 2 + 2 + 2, 1, 0),
        // One of both values with its hash and its end.
        (r#"{"a":1,"b":1}"#, 2 + 2 + (2 + 2 + 1), 1, 1),
        // Nobody else has either key, and one tuple is less than two.
        (r#"{"a":[1,2],"b":true}"#, 2 + (2 + 2 * 2 + 2) + 2, 1, 1),
        (r#"{"a":1,"b":true,"c":true}"#, 2 + 2 + 2 + 2, 1, 1),
    ];
    for (values, words, candidates, verified) in cases {
        let mut index = Index::new(KEY, no_shapes);
        replace(&mut index, 0, &[target(values)]);
        assert_eq!(index.counters().overflowed, 1, "{values}");
        assert_eq!(index.subscribers.words(0), words, "{values}");
        let cohorts = index.store.cohorts.iter();
        let found: Vec<_> = cohorts
            .flat_map(|(_, cohort)| cohort.members.checked())
            .collect();
        assert_eq!(found.len(), candidates, "{values}");
        let wishes = found.iter().filter(|it| it.wish != Candidate::SAID);
        assert_eq!(wishes.count(), verified, "{values}");
        for (news, is_met) in [
            (r#"{"a":1,"b":1,"c":1}"#, true),
            (r#"{"a":1,"b":1}"#, !values.contains('c')),
            (r#"{"a":1,"b":[],"c":1}"#, !values.contains('b')),
            (r#"{"a":5,"b":1,"c":1}"#, values.contains(r#""a":true"#)),
            (r#"{"b":1,"c":1}"#, false),
        ] {
            let expected: &[u32] = if is_met { &[0] } else { &[] };
            let heard = recipients(&mut index, &target(news));
            assert_eq!(heard, expected, "{values} {news}");
        }
    }
}

#[test]
fn a_text_is_verified_to_its_end_where_words_are_filled() {
    let mut index = index_with(
        IndexLimits {
            shapes: 0,
            ..IndexLimits::default()
        },
        0,
    );
    let texts = [
        "",
        "1",
        "12",
        "123",
        r"123\u0000",
        "1234",
        "12345",
        r"12345\u0000\u0000",
        "123é",
    ];
    // Each is found by its own `a`, so that it is `b` that is verified.
    for (subscriber, text) in (0..).zip(texts) {
        let wish = format!(r#"{{"a":{subscriber},"b":"{text}"}}"#);
        replace(&mut index, subscriber, &[target(&wish)]);
    }
    for (subscriber, text) in (0..).zip(texts) {
        let news = target(&format!(r#"{{"a":[0,1,2,3,4,5,6,7,8],"b":"{text}"}}"#));
        assert_eq!(recipients(&mut index, &news), [subscriber], "{text}");
    }
}

#[test]
fn a_list_that_is_found_by_its_key_alone_is_verified() {
    let limits = IndexLimits {
        shapes: 0,
        expansion: 0,
        tuples: 1,
        ..IndexLimits::default()
    };
    for values in [
        r#"{"a":[1,2,3]}"#,
        r#"{"a":[1,2,3],"b":true}"#,
        r#"{"b":true,"a":[1,2,3]}"#,
    ] {
        let mut index = Index::new(KEY, limits);
        replace(&mut index, 0, &[target(values)]);
        let heard = |index: &mut Index, a: u32| {
            recipients(index, &target(&format!(r#"{{"a":{a},"b":0}}"#)))
        };
        assert_eq!(heard(&mut index, 2), [0], "{values}");
        assert!(heard(&mut index, 9).is_empty(), "{values}");
    }
}

#[test]
fn memory_comes_back_when_most_have_left() {
    for pages in [1, 3000] {
        let mut index = Index::new(KEY, IndexLimits::default());
        let set = |subscriber: u32| {
            let page = subscriber % pages;
            [format!(
                r#"{{"package":"p","page":"{page}","filters":{{"values":{{"user":{subscriber}}}}}}}"#
            )]
        };
        for subscriber in 0..3000 {
            assert!(try_replace(&mut index, subscriber, &set(subscriber)));
        }
        let full = capacities(&index);
        // Every fiftieth stays, so that nothing is empty as a whole.
        for subscriber in (0..3000).filter(|subscriber| subscriber % 50 != 3) {
            index.forget(subscriber);
        }
        index.check();
        let left = capacities(&index);
        for (full, left) in full.into_iter().zip(left) {
            assert!(left <= (full / 4).max(256), "{full} {left}");
        }
        for subscriber in (3..3000).step_by(50) {
            let set = &set(subscriber)[0];
            assert_eq!(recipients(&mut index, set), [subscriber]);
            index.forget(subscriber);
        }
        assert_eq!(index.counters(), Counters::default());
        assert!(capacities(&index).iter().all(|&left| left <= 4));
        assert!(index.subscribers.capacity() <= 4);
    }
}

#[test]
fn a_crowd_is_not_moved_to_close_a_gap_before_enough_was_taken_out() {
    let mut index = Index::new(KEY, IndexLimits::default());
    for subscriber in 0..300 {
        replace(&mut index, subscriber, &[channels([subscriber])]);
    }
    for subscriber in 300..900 {
        assert!(try_replace(&mut index, subscriber, &[channels([1000])]));
    }
    let crowd = |index: &Index| index.subscribers.entry(899, 0).unwrap().cohort;
    assert_eq!(crowd(&index), 300);
    for subscriber in 0..140 {
        index.forget(subscriber);
    }
    assert_eq!(crowd(&index), 300, "too early");
    for subscriber in 140..300 {
        index.forget(subscriber);
    }
    assert!(crowd(&index) < 300, "not at all");
    index.check();
    assert_eq!(recipients(&mut index, &target("1000")).len(), 600);
}

#[test]
fn a_crowd_is_moved_once_and_far_whatever_was_paid_before() {
    let mut index = Index::new(KEY, IndexLimits::default());
    for _ in 0..20 {
        replace(&mut index, 0, &[channels(0..1000)]);
    }
    for subscriber in 1..600 {
        assert!(try_replace(&mut index, subscriber, &[channels([5000])]));
    }
    let crowd = |index: &Index| {
        index
            .subscribers
            .entries(599)
            .next()
            .map(|entry| entry.cohort)
    };
    assert_eq!(crowd(&index), Some(1000));
    index.forget(0);
    // What was paid is enough for a hundred moves by one place each.
    assert_eq!(crowd(&index), Some(0));
    assert_eq!(index.credit, 599);
    index.check();
    assert_eq!(recipients(&mut index, &target("5000")).len(), 599);
}

#[test]
fn marks_survive_the_end_of_the_count() {
    let mut index = Index::new(KEY, IndexLimits::default());
    for subscriber in 0..3 {
        replace(&mut index, subscriber, &[target("1"), target("2")]);
    }
    let news = target("[1,2]");
    // The marks of the first one are those of the first one after the end, too.
    assert_eq!(recipients(&mut index, &news), [0, 1, 2]);
    index.matching.heard.now = u32::MAX - 1;
    recipients(&mut index, &target("3"));
    for _ in 0..3 {
        assert_eq!(recipients(&mut index, &news), [0, 1, 2]);
    }
    assert_eq!(index.matching.heard.now, 3);
}

#[test]
fn a_cohort_is_small() {
    assert!(size_of::<Cohort>() <= 64);
    assert!(size_of::<Candidate>() <= 20);
    assert!(size_of::<Subscriber>() <= 32);
}
