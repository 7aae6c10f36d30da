//! Canonical forms: what they say, when they are equal, and how much memory they take.

use core::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec as vec_of, prelude::*};

use super::{
    client_text,
    model::target_token,
    naive::array_of,
    notification, parse_default,
    prelude::*,
    publisher_text, subscriptions,
    ways::{compiled_notification, compiled_set},
};
use crate::notify::{
    Accepts, CompiledNotification, CompiledSubscriptions, Message, Notification, Scalars,
    Subscription, Subscriptions, Values,
    compiled::{Filter, SHORTEST_RUN, Set, ZEROS, sort, split_length},
};

/// What a filter says; `None` is the wildcard. The naive twin of a form's values.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Unkeyed(Option<BTreeSet<Vec<u8>>>),
    Keyed(BTreeMap<Vec<u8>, Option<BTreeSet<Vec<u8>>>>),
}

type Whole = (Vec<u8>, Vec<u8>, Said);

fn scalars(scalars: Scalars<'_>) -> BTreeSet<Vec<u8>> {
    scalars
        .iter()
        .map(|scalar| scalar.canonical().collect())
        .collect()
}

fn said_by(subscription: &Subscription<'_>) -> Whole {
    let mut keyed = BTreeMap::new();
    let mut unkeyed = None;
    for constraint in subscription.constraints() {
        let accepted = match constraint.accepts {
            Accepts::Any => None,
            Accepts::OneOf(list) => Some(scalars(list)),
        };
        match constraint.key {
            None => unkeyed = Some(accepted),
            Some(key) => assert!(keyed.insert(key.bytes().collect(), accepted).is_none()),
        }
    }
    let said = match unkeyed {
        Some(accepted) => Said::Unkeyed(accepted),
        None if keyed.is_empty() => Said::Nothing,
        None => Said::Keyed(keyed),
    };
    let (package, page) = (subscription.package(), subscription.page());
    (package.bytes().collect(), page.bytes().collect(), said)
}

fn said_by_notification(notification: &Notification<'_>) -> Whole {
    let said = match notification.values() {
        Values::None => Said::Nothing,
        Values::Unkeyed(list) => Said::Unkeyed(Some(scalars(list))),
        Values::Keyed(keyed) => Said::Keyed(
            keyed
                .iter()
                .map(|(key, list)| (key.bytes().collect(), Some(scalars(list))))
                .collect(),
        ),
    };
    let (package, page) = (notification.package(), notification.page());
    (package.bytes().collect(), page.bytes().collect(), said)
}

/// What a form says, and that it says it in its order and once.
fn read(package: &[u8], page: &[u8], filter: Filter<'_>) -> Whole {
    let said = match filter {
        Filter::None => Said::Nothing,
        Filter::Unkeyed(set) => Said::Unkeyed(read_set(set)),
        Filter::Keyed(rows) => {
            let rows: Vec<_> = rows.collect();
            assert!(
                rows.windows(2).all(|pair| pair[0].0 < pair[1].0),
                "sorted keys"
            );
            Said::Keyed(
                rows.into_iter()
                    .map(|(key, set)| (key.to_vec(), read_set(set)))
                    .collect(),
            )
        }
    };
    (package.to_vec(), page.to_vec(), said)
}

fn read_set(set: Set<'_>) -> Option<BTreeSet<Vec<u8>>> {
    let Set::OneOf(texts) = set else {
        return None;
    };
    let texts: Vec<_> = texts.collect();
    assert!(
        texts.windows(2).all(|pair| pair[0] < pair[1]),
        "sorted scalars"
    );
    Some(texts.into_iter().map(lengthen).collect())
}

/// The canonical bytes of a scalar whose runs of zeros were shortened.
fn lengthen(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut long = Vec::new();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == ZEROS {
            let (count, behind) = split_length(rest).expect("a length");
            assert!(count >= SHORTEST_RUN);
            rest = behind;
            long.extend(vec![b'0'; count]);
        } else {
            long.push(byte);
        }
    }
    long
}

fn check_set(set: &Subscriptions<'_>) -> CompiledSubscriptions<Vec<u8>> {
    let compiled = compiled_set(set);
    let read: Vec<Whole> = compiled
        .iter()
        .map(|one| read(one.package(), one.page(), one.form().filter()))
        .collect();
    let expected: Vec<Whole> = set.iter().map(|one| said_by(&one)).collect();
    assert_eq!(read, expected);
    let half_as_long_again = set.as_bytes().len() * 3 / 2;
    assert!(
        compiled.size() <= half_as_long_again,
        "{set:?}: {}",
        compiled.size()
    );
    compiled
}

fn check_notification(notification: &Notification<'_>) -> CompiledNotification<Vec<u8>> {
    let compiled = compiled_notification(notification);
    assert_eq!(
        read(
            compiled.package(),
            compiled.page(),
            compiled.form().filter()
        ),
        said_by_notification(notification)
    );
    compiled
}

fn set_of(text: &str) -> Option<Subscriptions<'_>> {
    match parse_default(text.as_bytes()) {
        Ok(Message::Client(client)) => client.subscriptions(),
        _ => None,
    }
}

fn notification_of(text: &str) -> Option<Notification<'_>> {
    match parse_default(text.as_bytes()) {
        Ok(Message::Publication(notification)) => Some(notification),
        _ => None,
    }
}

fn filters(values: &str) -> String {
    format!(r#","filters":{{"values":{values}}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_compiled_set_says_what_its_text_says_and_equals_those_that_say_the_same(
        one in array_of(target_token(), 3), other in array_of(target_token(), 3),
    ) {
        let texts = [one, other].map(|set| format!(r#"{{"sender":"client","subscriptions":{set}}}"#));
        if let [Some(one), Some(other)] = [set_of(&texts[0]), set_of(&texts[1])] {
            let said = |set: &Subscriptions<'_>| set.iter().map(|one| said_by(&one)).collect::<Vec<_>>();
            prop_assert_eq!(check_set(&one) == check_set(&other), said(&one) == said(&other));
        }
    }

    #[test]
    fn a_compiled_notification_says_what_its_text_says_and_equals_those_that_say_the_same(
        one in target_token(), other in target_token(),
    ) {
        let texts = [one, other].map(|it| format!(r#"{{"sender":"server","notification":{it}}}"#));
        if let [Some(one), Some(other)] = [notification_of(&texts[0]), notification_of(&texts[1])] {
            let same = said_by_notification(&one) == said_by_notification(&other);
            prop_assert_eq!(check_notification(&one) == check_notification(&other), same);
        }
    }

    #[test]
    fn any_memory_is_either_enough_or_refused_with_what_is_needed(
        set in array_of(target_token(), 3), news in target_token(), len in 0_usize..200,
    ) {
        let mut memory = vec![0; len];
        let text = format!(r#"{{"sender":"client","subscriptions":{set}}}"#);
        if let Some(set) = set_of(&text) {
            match set.compile(&mut memory) {
                Ok(compiled) => assert_eq!(compiled.as_bytes(), compiled_set(&set).as_bytes()),
                Err(error) => prop_assert!(error.needed > len),
            }
        }
        let text = format!(r#"{{"sender":"server","notification":{news}}}"#);
        if let Some(notification) = notification_of(&text) {
            match notification.compile(&mut memory) {
                Ok(compiled) => assert_eq!(compiled.as_bytes(), compiled_notification(&notification).as_bytes()),
                Err(error) => prop_assert!(error.needed > len),
            }
        }
    }

    #[test]
    fn heapsort_sorts_as_the_standard_library_does_in_few_comparisons(items in vec_of(0_u16..300, 0..600)) {
        let (mut ours, mut theirs) = (items.clone(), items);
        let comparisons = Cell::new(0_u32);
        sort(&mut ours, |one, other| {
            comparisons.set(comparisons.get() + 1);
            one < other
        });
        theirs.sort_unstable();
        let len = u32::try_from(ours.len()).expect("few");
        prop_assert!(comparisons.get() <= 2 * len * (len.max(1).ilog2() + 2));
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn reading_bytes_that_are_no_form_ends(bytes in vec_of(any::<u8>(), 0..64), others in vec_of(any::<u8>(), 0..64)) {
        let (set, news) = (CompiledSubscriptions::trusted(&bytes), CompiledNotification::trusted(&others));
        prop_assert!(set.iter().count() <= bytes.len());
        let _ = set.matches(&news);
        let _ = CompiledSubscriptions::trusted(&others).matches(&CompiledNotification::trusted(&bytes));
    }
}

#[test]
fn the_same_wish_written_otherwise_has_the_same_form() {
    let plain = client_text(&filters(r#"{"a":["1000000","x"],"b":true}"#));
    let other = r#"{"sender":"client","subscriptions": [ {"filters":{"values":1,
        "v\u0061lues":{"b":"n","\u0061":[ 1e6,"x",1000000.0,"\u0078" ],"a":["x",1E+6],"b":true}},
        "data":7,"page":"q","package":"\u0070"} ]}"#;
    assert_eq!(
        check_set(&subscriptions(&plain)),
        check_set(&subscriptions(other))
    );
    let differs = client_text(&filters(r#"{"a":["100000","x"],"b":true}"#));
    assert_ne!(
        check_set(&subscriptions(&plain)),
        check_set(&subscriptions(&differs))
    );
}

#[test]
fn numbers_of_many_zeros_take_few_bytes() {
    let list: Vec<String> = (0..1024).map(|i| format!("1e{}", i)).collect();
    let text = client_text(&filters(&format!("[{}]", list[..1000].join(","))));
    check_set(&subscriptions(&text));
    let list: Vec<String> = (0..500)
        .map(|i| format!("1000000001e{},-7e-{}", i, i + 500))
        .collect();
    let text = client_text(&filters(&format!("[{}]", list.join(","))));
    check_set(&subscriptions(&text));
    let zeros = format!(
        r#"{{"a":"{}","b":"{}1"}}"#,
        "0".repeat(5000),
        "0".repeat(300)
    );
    assert!(check_set(&subscriptions(&client_text(&filters(&zeros)))).size() < 30);
}

#[test]
fn a_member_that_a_later_one_overrides_may_be_what_no_form_holds() {
    let members = r#"{"a":{},"a":[[],"x",{}],"a":1e9999,"a":[1e999999999999,2],"a":"y"}"#;
    let compiled = check_set(&subscriptions(&client_text(&filters(members))));
    assert_eq!(
        compiled,
        check_set(&subscriptions(&client_text(&filters(r#"{"a":["y"]}"#))))
    );
    check_notification(&notification(&publisher_text(&filters(members))));
}

#[test]
fn texts_of_all_lengths_are_kept_whole() {
    for len in [0, 1, 126, 127, 128, 129, 16_382, 16_383, 16_384, 40_000] {
        let text = "é".repeat(len / 2) + if len % 2 == 0 { "" } else { "x" };
        let members = format!(
            r#","page":"{text}","filters":{{"values":{{"{text}":["{text}","{text}"],"b":"{text}"}}}}"#
        );
        check_set(&subscriptions(&client_text(&members)));
        check_notification(&notification(&publisher_text(&members)));
        // With duplicates left out the whole may take a shorter length than was thought.
        for times in [2, 130] {
            let list = vec![format!("\"{}\"", "x".repeat(len.min(100))); times].join(",");
            let values = filters(&format!("[{list}]"));
            let one = format!(r#"{{"package":"p","page":"q"{values}}}"#);
            let set = format!(r#"{{"sender":"client","subscriptions":[{one},{one}]}}"#);
            check_set(&subscriptions(&set));
        }
    }
}

#[cfg(feature = "alloc")]
#[test]
fn a_form_on_the_heap_outlives_its_text_in_no_byte_too_many() {
    let text = client_text(&filters(r#"{"a":["x","y","x"]}"#));
    let owned = subscriptions(&text).compile_owned();
    let expected = compiled_set(&subscriptions(&text));
    drop(text);
    assert_eq!(owned.as_bytes(), expected.as_bytes());
    assert_eq!(owned.size(), expected.size());
    let text = publisher_text(&filters(r#"{"a":"x"}"#));
    let news = notification(&text).compile_owned();
    assert!(owned.matches(&news));
    assert!(owned.clone() == owned);
    assert_eq!(
        news.as_bytes(),
        compiled_notification(&notification(&text)).as_bytes()
    );
}

#[test]
fn too_small_a_memory_is_told_in_words() {
    let text = client_text("");
    let error = subscriptions(&text)
        .compile(&mut [0; 3])
        .expect_err("too small");
    assert_eq!(error.needed, 5);
    assert_eq!(
        error.to_string(),
        "the memory is too small for the canonical form; it needs 5 bytes"
    );
}
