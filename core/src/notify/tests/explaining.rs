//! Explanations: each row of the protocol's section 4 in words.

use proptest::prelude::*;

use super::{
    client_text, model::target_token, notification, parse_default, prelude::*, publisher_text,
    subscriptions,
};
use crate::notify::{Explanation, Limits, Message, Notification, Subscription, explain, matches};

/// The explanation for messages that differ from the plainest by these members.
fn said(subscribed: &str, published: &str) -> String {
    let (client, publisher) = (client_text(subscribed), publisher_text(published));
    let mut set = subscriptions(&client).into_iter();
    let subscription = set.next().expect("one subscription");
    let notification = notification(&publisher);
    let explanation = explain(&subscription, &notification);
    assert_eq!(
        explanation.is_match(),
        matches(&subscription, &notification),
        "{explanation}"
    );
    explanation.to_string()
}

#[track_caller]
fn assert_said(subscribed: &str, published: &str, expected: &str) {
    let filters = |values: &str| format!(r#","filters":{{"values":{values}}}"#);
    assert_eq!(said(&filters(subscribed), &filters(published)), expected);
}

#[test]
fn another_package_or_page_is_named_with_both() {
    assert_eq!(
        said("", r#","package":"P","page":"R""#),
        r#"does not match: at package the notification has "P", and the subscription wants "p""#
    );
    assert_eq!(
        said(r#","page":"q ""#, r#","filters":{"values":1}"#),
        r#"does not match: at page the notification has "q", and the subscription wants "q ""#
    );
}

#[test]
fn a_subscription_without_constraints_says_so() {
    assert_said(
        "true",
        r#"{"a":1}"#,
        "matches: the subscription has no constraints, and so accepts all of its package and page",
    );
}

#[test]
fn a_notification_without_values_says_so_and_what_is_asked_of_it() {
    assert_said(
        r#"{"channel":["2","3"],"site":true}"#,
        "[]",
        "does not match: the notification has no filters.values, and the subscription accepts \
         \"2\" or \"3\" at filters.values.channel; any value at filters.values.site",
    );
    assert_said(
        "2.0",
        "{}",
        "does not match: the notification has no filters.values, and the subscription accepts 2.0",
    );
}

#[test]
fn a_bare_value_names_what_accepts_it_or_all_that_do_not() {
    assert_said(
        r#"{"channel":["2","3","5"]}"#,
        "2",
        "matches: at filters.values the notification has 2, and the subscription accepts \
         \"2\", \"3\" or \"5\" at filters.values.channel",
    );
    assert_said(
        r#"["x","y"]"#,
        r#"["n","y"]"#,
        "matches: at filters.values the notification has \"y\", and the subscription accepts \"x\" or \"y\"",
    );
    assert_said(
        r#"{"channel":["2","3","5"],"severity":"high","off":[]}"#,
        r#"["4",true]"#,
        "does not match: at filters.values the notification has \"4\" and true, and the subscription \
         accepts \"2\", \"3\" or \"5\" at filters.values.channel; \"high\" at filters.values.severity; \
         nothing (its array is empty) at filters.values.off",
    );
    assert_said(
        r#""x""#,
        r#""y""#,
        "does not match: at filters.values the notification has \"y\", and the subscription accepts \"x\"",
    );
}

#[test]
fn with_keys_the_first_constraint_that_fails_is_named() {
    let subscribed = r#"{"alertType":["fire"],"severity":["high","critical"]}"#;
    assert_said(
        subscribed,
        r#"{"severity":"low","alertType":"fire"}"#,
        "does not match: at filters.values.severity the notification has \"low\", \
         and the subscription accepts \"high\" or \"critical\"",
    );
    assert_said(
        subscribed,
        r#"{"alertType":"fire"}"#,
        "does not match: the notification has no filters.values.severity, \
         and the subscription accepts \"high\" or \"critical\"",
    );
    assert_said(
        subscribed,
        r#"{"alertType":["flood","smoke"]}"#,
        "does not match: at filters.values.alertType the notification has \"flood\" and \"smoke\", \
         and the subscription accepts \"fire\"",
    );
    assert_said(
        r#"{"a":true}"#,
        r#"{"a":[]}"#,
        "does not match: at filters.values.a the notification has an empty array (no value), \
         and the subscription accepts any value",
    );
    assert_said(
        r#"{"a":[]}"#,
        r#"{"a":null}"#,
        "does not match: at filters.values.a the notification has null, \
         and the subscription accepts nothing (its array is empty)",
    );
}

#[test]
fn with_keys_a_match_names_each_constraint_and_its_value() {
    assert_said(
        r#"{"oee":true,"a":[1,"2"]}"#,
        r#"{"a":["n",2.0],"oee":85.50}"#,
        "matches: at filters.values.oee the notification has 85.50, and the subscription accepts any \
         value; at filters.values.a the notification has 2.0, and the subscription accepts 1 or \"2\"",
    );
}

#[test]
fn a_constraint_without_a_key_names_the_key_that_meets_it_or_all_that_do_not() {
    assert_said(
        r#"["1","2"]"#,
        r#"{"other":"9","any":["8","2"]}"#,
        "matches: at filters.values.any the notification has \"2\", \
         and the subscription accepts \"1\" or \"2\" at any key",
    );
    assert_said(
        "false",
        r#"{"a":"false","b":[],"c":[0,null]}"#,
        "does not match: the notification has \"false\" at filters.values.a; an empty array (no value) \
         at filters.values.b; 0 and null at filters.values.c, and the subscription accepts false \
         at any key",
    );
}

#[test]
fn an_overridden_value_is_not_mentioned() {
    assert_said(
        r#"{"a":"x","\u0061":"y"}"#,
        r#"{"a":"y","a":"x"}"#,
        "does not match: at filters.values.a the notification has \"x\", and the subscription accepts \"y\"",
    );
}

#[test]
fn long_texts_and_lists_are_shortened() {
    let long = "é".repeat(41);
    let list: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_said(
        &format!(r#"{{"a":[{}]}}"#, list.join(",")),
        &format!(r#"{{"a":["{long}",{}]}}"#, "9".repeat(41)),
        &format!(
            "does not match: at filters.values.a the notification has \"{}\"… and {}…, \
             and the subscription accepts 0, 1, 2, 3, 4, 5, 6, 7 or 12 more",
            "é".repeat(40),
            "9".repeat(40)
        ),
    );
    let eight = &list[..8];
    assert_said(
        &format!("[{}]", eight.join(",")),
        "8",
        "does not match: at filters.values the notification has 8, \
         and the subscription accepts 0, 1, 2, 3, 4, 5, 6 or 7",
    );
    assert_said(
        &format!(r#"{{"{long}":1}}"#),
        "{\"a\":1}",
        &format!(
            "does not match: the notification has no filters.values[\"{}\"…], and the subscription accepts 1",
            "é".repeat(40)
        ),
    );
    let keys: Vec<String> = (0..6)
        .map(|number| format!("\"k{number}\":{number}"))
        .collect();
    let six = format!("{{{}}}", keys.join(","));
    let explained = said(
        &format!(r#","filters":{{"values":{six}}}"#),
        &format!(r#","filters":{{"values":{six}}}"#),
    );
    assert!(explained.ends_with("accepts 3; and 2 more"), "{explained}");
}

#[test]
fn keys_that_are_no_words_are_quoted_and_what_a_terminal_would_obey_or_hide_is_escaped() {
    for (key, path) in [
        ("channel", "filters.values.channel"),
        ("alert-type_2", "filters.values.alert-type_2"),
        ("é", "filters.values.é"),
        ("", r#"filters.values[""]"#),
        ("a.b", r#"filters.values["a.b"]"#),
        ("a b", r#"filters.values["a b"]"#),
        ("a\\\"", r#"filters.values["a\""]"#),
        ("a\\u001b[2J", r#"filters.values["a\u001b[2J"]"#),
        ("a\u{202E}b", r#"filters.values["a\u202eb"]"#),
        ("a\u{A0}", r#"filters.values["a\u00a0"]"#),
        ("\u{E0041}", r#"filters.values["\udb40\udc41"]"#),
    ] {
        assert_said(
            &format!(r#"{{"{key}":true}}"#),
            r#"{"other":1}"#,
            &format!(
                "does not match: the notification has no {path}, and the subscription accepts any value"
            ),
        );
    }
    assert_said(
        r#""\\ \u0007 \u200b😀""#,
        r#""\ud83d\ude00\n""#,
        r#"does not match: at filters.values the notification has "😀\u000a", and the subscription accepts "\\ \u0007 \u200b😀""#,
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn an_explanation_says_match_exactly_when_there_is_one(subscribed in target_token(), published in target_token()) {
        let client = format!(r#"{{"sender":"client","subscriptions":[{subscribed}]}}"#);
        let publisher = format!(r#"{{"sender":"server","notification":{published}}}"#);
        let (Ok(Message::Client(client)), Ok(Message::Publication(notification))) =
            (parse_default(client.as_bytes()), parse_default(publisher.as_bytes()))
        else {
            return Ok(());
        };
        for subscription in client.subscriptions().into_iter().flatten() {
            let explanation = explain(&subscription, &notification);
            let is_match = matches(&subscription, &notification);
            prop_assert_eq!(explanation.is_match(), is_match, "{}", explanation);
            let said = explanation.to_string();
            prop_assert_eq!(said.starts_with("matches: "), is_match, "{}", said);
            prop_assert_eq!(said.starts_with("does not match: "), !is_match, "{}", said);
            prop_assert!(!said.contains(char::is_control), "{}", said);
        }
    }
}

#[test]
fn an_explanation_is_short_and_small_whatever_the_limits_allow() {
    let limits = Limits::default();
    let key = |number: usize| format!("{number}{}", "\u{202E}".repeat(100));
    let list = format!(
        "[{}]",
        vec![format!("\"{}\"", "\u{202E}".repeat(100)); 16].join(",")
    );
    let members: Vec<String> = (0..64)
        .map(|number| format!("\"{}\":{list}", key(number)))
        .collect();
    let widest = format!(
        r#"{{"package":"p","page":"q","filters":{{"values":{{{}}}}}}}"#,
        members.join(",")
    );
    let bare = r#"{"package":"p","page":"q","filters":{"values":1}}"#;
    let parse = |wanted: &str, found: &str| {
        let subscription = Subscription::parse(wanted.as_bytes(), &limits).expect("valid");
        let notification = Notification::parse(found.as_bytes(), &limits).expect("valid");
        explain(&subscription, &notification).to_string()
    };
    for (wanted, found) in [(&*widest, &*widest), (&widest, bare), (bare, &widest)] {
        let said = parse(wanted, found);
        assert!(said.len() < 16_384, "{}: {said}", said.len());
    }
    assert!(
        size_of::<Explanation<'_>>() <= 128,
        "{}",
        size_of::<Explanation<'_>>()
    );
}
