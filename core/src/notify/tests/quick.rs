//! The short cuts against their naive twins.

use proptest::{
    collection::vec as vec_of, prelude::*, sample::select, strategy::ValueTree as _,
    test_runner::TestRunner,
};

use super::{
    model::target_token,
    naive::{json, string_token},
    prelude::*,
    publisher_text,
    validator::{mutate, mutations},
};
use crate::notify::{
    Accepts, Limits, MAX_DEPTH, MAX_NUMBER_LEN, Message, Refusal, Scalar, Scalars, Text, Values,
    envelope::thoroughly,
    parse, quick,
    word::{is_escaped, skip_plain},
};

/// Something that was read from a text, as it is shown, and its place there, if it has one.
type Part = (String, Option<(usize, usize)>);

/// What there is in a message, in the order in which it is read.
fn parts(whole: &[u8], message: &Message<'_>) -> Vec<Part> {
    let span = |part: &[u8]| {
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr());
        let start = start.expect("a part of the text");
        assert!(start + part.len() <= whole.len(), "a part of the text");
        Some((start, part.len()))
    };
    let text = |text: Text<'_>| (format!("{text:?}"), span(text.as_raw()));
    let scalars = |scalars: Scalars<'_>| {
        let one = |scalar: Scalar<'_>| match scalar {
            Scalar::Text(string) => text(string),
            Scalar::Number(number) => (number.to_string(), span(number.as_raw())),
            Scalar::True | Scalar::False | Scalar::Null => (format!("{scalar:?}"), None),
        };
        scalars.iter().map(one).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    match message {
        Message::Ping => {}
        Message::Publication(notification) => {
            found.extend([text(notification.package()), text(notification.page())]);
            match notification.values() {
                Values::None => {}
                Values::Unkeyed(values) => found.extend(scalars(values)),
                Values::Keyed(values) => values.iter().for_each(|(key, values)| {
                    found.push(text(key));
                    found.extend(scalars(values));
                }),
            }
        }
        Message::Client(client) => {
            found.extend(client.token().map(text));
            if let Some(subscriptions) = client.subscriptions() {
                let len = format!("{} subscriptions", subscriptions.len());
                found.push((len, span(subscriptions.as_bytes())));
                for subscription in subscriptions {
                    found.extend([text(subscription.package()), text(subscription.page())]);
                    for constraint in subscription.constraints() {
                        found.extend(constraint.key.map(text));
                        match constraint.accepts {
                            Accepts::Any => found.push(("any".to_owned(), None)),
                            Accepts::OneOf(values) => found.extend(scalars(values)),
                        }
                    }
                }
            }
        }
    }
    found
}

/// The outcome of parsing, to be compared.
fn outcome(
    text: &[u8],
    parsed: Result<Message<'_>, Refusal>,
) -> Result<(String, Vec<Part>), Refusal> {
    parsed.map(|message| (format!("{message:?}"), parts(text, &message)))
}

/// One with short cuts is equal to one without, in verdict, offset and spans.
fn agree(text: &[u8], limits: &Limits) {
    let slow = outcome(text, thoroughly(text, limits));
    let shown = text.escape_ascii();
    assert_eq!(outcome(text, parse(text, limits)), slow, "{shown}");
    if let Some(message) = quick::message(text, limits) {
        assert_eq!(outcome(text, Ok(message)), slow, "{shown}");
    }
}

fn pair(
    name: &str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = (String, String)> {
    (Just(format!("\"{name}\"")), value)
}

fn list_of(elements: Vec<String>) -> String {
    format!("[{}]", elements.join(","))
}

/// A subscription or notification, now and then with an escape in a name, which takes no short cut.
fn target() -> impl Strategy<Value = String> {
    (target_token(), 0..6_u8).prop_map(|(target, escape)| match escape {
        0 => target,
        _ => target.replace("p\\u0061ge", "page"),
    })
}

/// A message, often a valid one: what one side needs and up to three members more, in any order.
fn messages() -> impl Strategy<Value = String> {
    let list = || vec_of(target(), 0..4).prop_map(list_of);
    let server = (
        pair("sender", Just(r#""server""#.to_owned())),
        pair("notification", target()),
    );
    let client = (
        pair("sender", Just(r#""client""#.to_owned())),
        pair("subscriptions", list()),
    );
    let needed = prop_oneof![
        server.prop_map(|(sender, notification)| vec![sender, notification]),
        client.prop_map(|(sender, subscriptions)| vec![sender, subscriptions]),
    ];
    let sender = select(&[r#""client""#, r#""server""#, r#""s\u0065rver""#, "1"][..]);
    let more = prop_oneof![
        1 => pair("sender", sender.prop_map(str::to_owned)),
        2 => pair("notification", target()),
        2 => pair("subscriptions", list()),
        2 => pair("token", string_token()),
        1 => pair("type", string_token()),
        1 => pair("notif\\u0069cation", target()),
        1 => pair("notification", json()),
        1 => pair("subscriptions", json()),
        4 => (string_token(), json()),
    ];
    (needed, vec_of(more, 0..4))
        .prop_map(|(needed, more)| [needed, more].concat())
        .prop_shuffle()
        .prop_map(|members| {
            let members = members
                .iter()
                .map(|(name, value)| format!("{name}: {value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(" ,"))
        })
}

fn small_limits() -> impl Strategy<Value = Limits> {
    (0..4_usize, 0..4_usize, 0..4_usize, 0..5_usize).prop_map(
        |(subscriptions, constraints, keys, values)| Limits {
            subscriptions,
            constraints,
            keys,
            values,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn parsing_with_short_cuts_equals_parsing_without(text in messages(), changes in mutations()) {
        agree(text.as_bytes(), &Limits::default());
        agree(&mutate(&text, &changes), &Limits::default());
    }

    #[test]
    fn limits_are_met_alike_with_short_cuts_and_without(text in messages(), limits in small_limits()) {
        agree(text.as_bytes(), &limits);
    }

    #[test]
    fn what_stands_for_itself_is_skipped_as_by_a_loop(
        bytes in vec_of(prop_oneof![9 => 0x20..=0xFF_u8, 1 => select(&b"\"\\\0\x1F"[..])], 0..70)
    ) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let naive = bytes.iter().position(special).unwrap_or(bytes.len());
        prop_assert_eq!(skip_plain(&bytes), &bytes[naive..]);
        prop_assert_eq!(is_escaped(&bytes), bytes.contains(&b'\\'));
    }
}

#[test]
fn the_generated_messages_often_take_the_short_cut_and_often_do_not() {
    let mut runner = TestRunner::deterministic();
    let quick = (0..1000).filter(|_| {
        let text = messages()
            .new_tree(&mut runner)
            .expect("a message")
            .current();
        quick::message(text.as_bytes(), &Limits::default()).is_some()
    });
    let quick = quick.count();
    assert!((100..900).contains(&quick), "{quick}");
}

#[test]
fn what_clients_and_publishers_usually_say_takes_the_short_cut() {
    let target = r#"{"package":"p","page":"q","filters":{"values":{"a":["2",3],"b":-4.5,"c":true}},"data":[{"\n":"\ud83d",
        "x":[[],{},null,1e5]}],"message":"Nouveau message reçu \u00e9"}"#;
    let limits = Limits::default();
    for text in [
        format!(r#"{{"sender":"server","notification":{target}}}"#),
        format!(" {{ \"notification\" : {target} , \"sender\" : \"server\" , \"id\" : [ ] }} "),
        format!(r#"{{"sender":"client","subscriptions":[{target},{target}]}}"#),
        r#"{"sender":"client","subscriptions":[],"token":"a.b.c"}"#.to_owned(),
        r#"{"sender":"client","token":"a.b.c"}"#.to_owned(),
    ] {
        assert!(quick::message(text.as_bytes(), &limits).is_some(), "{text}");
        agree(text.as_bytes(), &limits);
    }
}

#[test]
fn every_cut_of_a_message_is_refused_alike() {
    let text = r#"{"sender":"server","notification":{"package":"p","page":"é😀","filters":
        {"values":{"a":["2",3],"b":-4.5e+1}},"data":[{"\n":"\ud83d"},true,false,null,[0]]}}"#;
    let whole = text.as_bytes();
    let limits = Limits::default();
    for end in 0..whole.len() {
        agree(&whole[..end], &limits);
        assert!(quick::message(&whole[..end], &limits).is_none());
    }
    agree(whole, &limits);
}

#[test]
fn the_limit_on_depth_is_met_alike_wherever_something_is_nested() {
    let limits = Limits::default();
    let target = r#""package":"p","page":"q""#;
    let client =
        |members: &str| format!(r#"{{"sender":"client","subscriptions":[{{{target}{members}}}]}}"#);
    let texts = [
        (
            1,
            r#"{"sender":"client","subscriptions":[],"x":@}"#.to_owned(),
        ),
        (2, publisher_text(r#","data":@"#)),
        (3, publisher_text(r#","filters":{"x":@}"#)),
        (3, client(r#","data":@"#)),
        (4, client(r#","filters":{"x":@}"#)),
    ];
    for (outer, text) in texts {
        for levels in 120..130 {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let deep = [
                    open.repeat(levels - 1),
                    "[]".to_owned(),
                    close.repeat(levels - 1),
                ];
                let text = text.replace('@', &deep.concat());
                agree(text.as_bytes(), &limits);
                let is_quick = quick::message(text.as_bytes(), &limits).is_some();
                assert_eq!(is_quick, outer + levels <= MAX_DEPTH as usize, "{text}");
            }
        }
    }
}

#[test]
fn numbers_about_the_longest_that_is_allowed_are_judged_alike() {
    let limits = Limits::default();
    for len in MAX_NUMBER_LEN - 3..MAX_NUMBER_LEN + 4 {
        let digits = "1".repeat(len);
        for number in [
            digits.clone(),
            format!("-{digits}"),
            format!("0.{digits}"),
            digits + "e1",
        ] {
            let text = publisher_text(&format!(r#","filters":{{"values":{number}}}"#));
            agree(text.as_bytes(), &limits);
        }
    }
}

#[test]
fn of_duplicate_members_the_last_counts_for_the_short_cut_too() {
    let good = r#"{"package":"p","page":"q","filters":{"values":1}}"#;
    let limits = Limits::default();
    for text in [
        format!(r#"{{"sender":"client","sender":"server","notification":1,"notification":{good}}}"#),
        format!(r#"{{"sender":"server","notification":{good},"notification":1}}"#),
        format!(r#"{{"sender":"server","notification":{good},"notification":{{}}}}"#),
        r#"{"sender":"server","notification":{"package":1,"page":"q","package":"p","filters":{"values":1,"values":[2]}}}"#
            .to_owned(),
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":1},"filters":null}}"#
            .to_owned(),
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":1},"filters":{}}}"#
            .to_owned(),
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"a":[[]],"a":1}}}}"#
            .to_owned(),
        format!(r#"{{"sender":"client","subscriptions":[1],"subscriptions":[{good}]}}"#),
        format!(r#"{{"sender":"client","subscriptions":[{good}],"subscriptions":[1]}}"#),
    ] {
        agree(text.as_bytes(), &limits);
    }
}
