//! Each row of the protocol's table in section 4, and of section 9 where it is about matching.

use super::*;

/// Whether the index brings them together, with any limits and any hashes.
fn meets(subscription: &str, notification: &str) -> bool {
    let verdicts = all_limits().map(|limits| {
        [u64::MAX, 0].map(|bits| {
            let mut index = index_with(limits, bits);
            replace(&mut index, 3, &[subscription.to_string()]);
            match recipients(&mut index, notification)[..] {
                [] => false,
                [3] => true,
                ref others => panic!("{others:?}"),
            }
        })
    });
    let [[verdict, ..], ..] = verdicts;
    assert_eq!(verdicts, [[verdict; 2]; 4], "{subscription} {notification}");
    verdict
}

fn values_meet(subscribed: &str, published: &str) -> bool {
    meets(&target(subscribed), &target(published))
}

#[test]
fn package_and_page_are_equal_byte_for_byte() {
    let named = |package, page| format!(r#"{{"package":{package},"page":{page}}}"#);
    let pq = named(r#""p""#, r#""q""#);
    assert!(meets(&pq, &named(r#""\u0070""#, r#""q""#)));
    assert!(!meets(&pq, &named(r#""P""#, r#""q""#)));
    assert!(!meets(&pq, &named(r#""p""#, r#""q ""#)));
    assert!(!meets(
        &named(r#""pq""#, r#""""#),
        &named(r#""p""#, r#""q""#)
    ));
    assert!(!meets(&pq, &named(r#""q""#, r#""p""#)));
}

#[test]
fn a_subscription_without_values_matches_every_notification_of_its_package_and_page() {
    for subscribed in ["null", "{}", "[]", "true"] {
        for published in ["null", "{}", "[]", "true", "2", r#"{"a":2}"#, r#"{"a":[]}"#] {
            assert!(values_meet(subscribed, published));
        }
    }
    assert!(meets(r#"{"package":"p","page":"q"}"#, &target("2")));
    assert!(meets(
        r#"{"package":"p","page":"q","filters":[]}"#,
        r#"{"package":"p","page":"q"}"#
    ));
}

#[test]
fn true_accepts_any_value_an_array_one_of_its_scalars_and_a_scalar_an_equal_one() {
    assert!(values_meet(r#"{"oee":true}"#, r#"{"oee":85.5}"#));
    assert!(values_meet(r#"{"oee":true}"#, r#"{"oee":null}"#));
    assert!(!values_meet(r#"{"oee":true}"#, r#"{"other":85.5}"#));
    assert!(values_meet(r#"{"a":["x","y"]}"#, r#"{"a":"y"}"#));
    assert!(!values_meet(r#"{"a":["x","y"]}"#, r#"{"a":"z"}"#));
    assert!(values_meet(r#"{"a":"x"}"#, r#"{"a":"x"}"#));
    assert!(!values_meet(r#"{"a":"x"}"#, r#"{"a":"xx"}"#));
    assert!(!values_meet(r#"{"a":[]}"#, r#"{"a":"x"}"#));
    assert!(!values_meet(r#"{"a":[],"b":1}"#, r#"{"a":"x","b":1}"#));
    assert!(!values_meet(r#"{"a":[]}"#, "1"));
}

#[test]
fn a_scalar_or_an_array_is_a_constraint_without_a_key_which_any_value_meets() {
    assert!(values_meet("2", r#"{"a":1,"b":2}"#));
    assert!(values_meet("[3,2]", r#"{"a":[1,2]}"#));
    assert!(!values_meet("2", r#"{"a":1}"#));
    assert!(values_meet("2", "2"));
    assert!(!values_meet("2", "3"));
    assert!(values_meet("false", r#"{"a":false}"#));
}

#[test]
fn every_key_that_is_constrained_must_be_there_and_accepted_and_others_do_not_matter() {
    let subscribed = r#"{"alertType":["fire"],"severity":["high","critical"]}"#;
    assert!(values_meet(
        subscribed,
        r#"{"alertType":"fire","severity":"high","site":9}"#
    ));
    assert!(!values_meet(subscribed, r#"{"alertType":"fire"}"#));
    assert!(!values_meet(
        subscribed,
        r#"{"alertType":"fire","severity":"low"}"#
    ));
    assert!(!values_meet(
        subscribed,
        r#"{"alertType":"high","severity":"fire"}"#
    ));
}

#[test]
fn a_scalar_is_met_when_any_constraint_accepts_it_whatever_its_key() {
    assert!(values_meet(r#"{"channel":["2","3","5"]}"#, r#""2""#));
    assert!(values_meet(r#"{"channel":["2","3","5"]}"#, "2"));
    assert!(values_meet(r#"{"a":1,"b":2}"#, "2"));
    assert!(values_meet(r#"{"a":[],"b":2}"#, "2"));
    assert!(values_meet(r#"{"a":[],"b":true}"#, "2"));
    assert!(values_meet(r#"{"a":1,"b":true}"#, "2"));
    assert!(!values_meet(r#"{"a":1,"b":2}"#, "3"));
    assert!(!values_meet(r#"{"a":1}"#, "3"));
}

#[test]
fn an_array_in_a_notification_is_accepted_when_one_of_its_elements_is() {
    assert!(values_meet(r#"{"a":2,"b":3}"#, r#"{"a":[1,2],"b":[3,4]}"#));
    assert!(!values_meet(r#"{"a":2,"b":5}"#, r#"{"a":[1,2],"b":[3,4]}"#));
    assert!(values_meet(r#"{"a":2}"#, "[1,2]"));
    assert!(!values_meet(r#"{"a":true}"#, r#"{"a":[]}"#));
    assert!(!values_meet("2", r#"{"a":[],"b":[1]}"#));
}

#[test]
fn a_notification_without_values_matches_only_subscriptions_without_constraints() {
    for published in ["null", "{}", "[]"] {
        for subscribed in [
            "2",
            "[null]",
            r#"{"a":true}"#,
            r#"{"a":[]}"#,
            r#"{"a":1,"b":[2]}"#,
        ] {
            assert!(!values_meet(subscribed, published));
        }
    }
}

#[test]
fn scalars_are_equal_by_text_by_decimal_value_and_across_both_where_the_text_is_plain() {
    let equal = [
        ("2", "2.0"),
        ("2", "2e0"),
        (r#""2""#, "2.0"),
        (r#""85.5""#, "85.50"),
        (r#""é""#, r#""\u00e9""#),
        (r#""😀""#, r#""\ud83d\ude00""#),
        ("-0", "0"),
        ("true", "true"),
        ("null", "null"),
    ];
    let different = [
        (r#""2.0""#, "2"),
        ("9007199254740993", "9007199254740992"),
        ("false", "null"),
        ("false", r#""false""#),
        ("true", r#""true""#),
        ("null", "0"),
        (r#""""#, "null"),
        (r#""e\u0301""#, r#""é""#),
    ];
    let by_key = |value| format!(r#"{{"a":[{value}]}}"#);
    for (pairs, verdict) in [(&equal[..], true), (&different[..], false)] {
        for &(one, other) in pairs {
            assert_eq!(values_meet(&by_key(one), &by_key(other)), verdict);
            assert_eq!(values_meet(&format!("[{one}]"), &by_key(other)), verdict);
            assert_eq!(values_meet(&by_key(other), &by_key(one)), verdict);
            assert_eq!(values_meet(&by_key(one), &format!("[{other}]")), verdict);
        }
    }
}

#[test]
fn of_duplicate_keys_the_last_one_counts_on_both_sides() {
    assert!(values_meet(r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#));
    assert!(!values_meet(r#"{"a":1,"\u0061":2}"#, r#"{"a":1}"#));
    assert!(values_meet(r#"{"a":2}"#, r#"{"a":1,"b":0,"\u0061":2}"#));
    assert!(!values_meet(r#"{"a":1}"#, r#"{"a":1,"b":0,"\u0061":2}"#));
    // What is overridden is no value of any key, whatever it is.
    assert!(!values_meet("1", r#"{"a":1,"a":2}"#));
    let overridden = r#"{"a":{"deep":[1]},"a":[1e999999999,"\ud800"],"a":2}"#;
    assert!(values_meet("2", overridden));
    assert!(values_meet(r#"{"a":2}"#, overridden));
}

#[test]
fn long_values_with_many_zeros_are_told_apart_by_how_many_there_are() {
    let zeros = |count| "0".repeat(count);
    // Around the length from which runs are shortened, and far beyond it.
    for count in [3, 4, 38, 39, 40, 41, 42, 127, 128, 1000] {
        for (text, number, other) in [
            (
                format!("1{}", zeros(count)),
                format!("1e{count}"),
                format!("1e{}", count + 1),
            ),
            (
                format!("-0.{}7", zeros(count)),
                format!("-7e-{}", count + 1),
                format!("7e-{}", count + 1),
            ),
            (
                format!("x{}", zeros(count)),
                format!(r#""x{}""#, zeros(count)),
                format!(r#""x{}""#, zeros(count + 1)),
            ),
        ] {
            let mut index = Index::new(KEY, IndexLimits::default());
            replace(&mut index, 0, &[target(&format!(r#"{{"a":"{text}"}}"#))]);
            replace(&mut index, 1, &[target(&format!(r#"{{"a":{number}}}"#))]);
            let hear = |index: &mut Index, value: &str| {
                recipients(index, &target(&format!(r#"{{"a":{value}}}"#)))
            };
            assert_eq!(hear(&mut index, &number), [0, 1], "{number}");
            assert_eq!(hear(&mut index, &format!(r#""{text}""#)), [0, 1], "{text}");
            assert!(hear(&mut index, &other).is_empty(), "{other}");
        }
    }
}
