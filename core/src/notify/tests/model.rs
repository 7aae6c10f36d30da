//! Parsing and matching against a naive model of the protocol over `serde_json::Value`.

use proptest::{
    option, prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner,
};
use serde_json::{Map, Value};

use super::{
    matches,
    naive::{Plain, array_of, json, object_of, plain_scalar, scalar_token},
    parse_default,
    prelude::*,
};
use crate::notify::{ErrorCode, Message};

/// A filter's values on either side.
#[derive(Debug)]
enum Model {
    Nothing,
    Unkeyed(Vec<Plain>),
    /// `None` for a subscription's wildcard.
    Keyed(Vec<(String, Option<Vec<Plain>>)>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Subscription,
    Notification,
}

/// The scalars of a scalar or an array; the paths of what is neither go to `errors`.
fn scalars(value: &Value, path: &str, errors: &mut Vec<String>) -> Vec<Plain> {
    let named: Vec<(String, &Value)> = match value.as_array() {
        Some(elements) => elements
            .iter()
            .enumerate()
            .map(|(i, element)| (format!("{path}[{i}]"), element))
            .collect(),
        None => vec![(path.to_owned(), value)],
    };
    let mut found = Vec::new();
    for (path, value) in named {
        match plain_scalar(value) {
            Some(scalar) => found.push(scalar),
            None => errors.push(path),
        }
    }
    found
}

/// Reads a subscription or notification; the paths of everything wrong with it are the error.
fn model(object: &Map<String, Value>, side: Side, path: &str) -> Result<Model, Vec<String>> {
    let mut errors = Vec::new();
    for name in ["package", "page"] {
        if !object.get(name).is_some_and(Value::is_string) {
            errors.push(format!("{path}.{name}"));
        }
    }
    let values = match object.get("filters") {
        None | Some(Value::Null) => &Value::Null,
        Some(Value::Array(elements)) if elements.is_empty() => &Value::Null,
        Some(Value::Object(filters)) => filters.get("values").unwrap_or(&Value::Null),
        Some(_) => {
            errors.push(format!("{path}.filters"));
            &Value::Null
        }
    };
    let path = format!("{path}.filters.values");
    let model = match values {
        Value::Null => Model::Nothing,
        Value::Array(elements) if elements.is_empty() => Model::Nothing,
        Value::Object(members) if members.is_empty() => Model::Nothing,
        Value::Bool(true) if side == Side::Subscription => Model::Nothing,
        Value::Object(members) => Model::Keyed(
            members
                .iter()
                .map(|(key, value)| {
                    let accepted = scalars(value, &format!("{path}.{key}"), &mut errors);
                    let is_wildcard = side == Side::Subscription && value == &Value::Bool(true);
                    (key.clone(), (!is_wildcard).then_some(accepted))
                })
                .collect(),
        ),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Model::Unkeyed(scalars(values, &path, &mut errors))
        }
    };
    if errors.is_empty() {
        Ok(model)
    } else {
        Err(errors)
    }
}

/// A valid subscription or notification, read by itself.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub(crate) struct Target {
    names: [Option<Value>; 2],
    values: Model,
}

/// Reads a subscription or notification; nothing if it is not valid.
#[cfg(feature = "alloc")]
pub(crate) fn read(text: &str, side: Side) -> Option<Target> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    Some(Target {
        names: ["package", "page"].map(|name| object.get(name).cloned()),
        values: model(&object, side, "").ok()?,
    })
}

/// Whether the one is to be delivered for the other.
#[cfg(feature = "alloc")]
pub(crate) fn meets(subscribed: &Target, published: &Target) -> bool {
    subscribed.names == published.names && model_matches(&subscribed.values, &published.values)
}

fn accepts(accepted: Option<&Vec<Plain>>, values: &[Plain]) -> bool {
    values
        .iter()
        .any(|value| accepted.is_none_or(|accepted| accepted.contains(value)))
}

fn model_matches(subscribed: &Model, published: &Model) -> bool {
    let constraints: Vec<(Option<&String>, Option<&Vec<Plain>>)> = match subscribed {
        Model::Nothing => vec![],
        Model::Unkeyed(accepted) => vec![(None, Some(accepted))],
        Model::Keyed(members) => members
            .iter()
            .map(|(key, accepted)| (Some(key), accepted.as_ref()))
            .collect(),
    };
    if constraints.is_empty() {
        return true;
    }
    match published {
        Model::Nothing => false,
        Model::Unkeyed(values) => constraints
            .iter()
            .any(|(_, accepted)| accepts(*accepted, values)),
        Model::Keyed(members) => constraints.iter().all(|(key, accepted)| {
            members
                .iter()
                .filter(|(name, _)| key.is_none_or(|key| key == name))
                .any(|(_, values)| accepts(*accepted, values.as_ref().expect("no wildcards here")))
        }),
    }
}

fn key_token() -> impl Strategy<Value = String> {
    select(&[r#""a""#, r#""\u0061""#, r#""b""#, r#""channel""#, r#""""#][..])
        .prop_map(str::to_owned)
}

fn values_token() -> impl Strategy<Value = String> {
    let by_key = prop_oneof![
        4 => scalar_token(),
        4 => array_of(scalar_token(), 3),
        2 => Just("true".to_owned()),
        1 => json(),
    ];
    prop_oneof![
        1 => select(&["null", "{}", "[]", "true", "[ ]", "{ }"][..]).prop_map(str::to_owned),
        3 => scalar_token(),
        3 => array_of(scalar_token(), 4),
        8 => object_of((key_token(), by_key), 4),
        1 => json(),
    ]
}

fn filters_token() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        8 => values_token().prop_map(|values| (r#""values""#.to_owned(), values)),
        1 => values_token().prop_map(|values| (r#""v\u0061lues""#.to_owned(), values)),
        1 => json().prop_map(|other| (r#""other""#.to_owned(), other)),
    ];
    prop_oneof![
        12 => object_of(member, 2),
        1 => select(&["null", "[]"][..]).prop_map(str::to_owned),
        1 => json(),
    ]
}

/// A subscription or notification, mostly valid, of mostly one package and page.
pub(super) fn target_token() -> impl Strategy<Value = String> {
    let name = |common: &'static str, escaped: &'static str| {
        prop_oneof![
            30 => Just(Some(common.to_owned())),
            2 => Just(Some(escaped.to_owned())),
            1 => json().prop_map(Some),
            1 => Just(None),
        ]
    };
    let names = (name(r#""p""#, r#""\u0070""#), name(r#""q""#, r#""\u0071""#));
    (
        names,
        option::weighted(0.9, filters_token()),
        option::of(json()),
        0_usize..4,
    )
        .prop_map(|((package, page), filters, data, order)| {
            let mut members = vec![
                package.map(|value| format!(r#""package":{value}"#)),
                page.map(|value| format!(r#""p\u0061ge":{value}"#)),
                filters.map(|value| format!(r#""filters":{value}"#)),
                data.map(|value| format!(r#""data":{value}"#)),
            ];
            members.rotate_left(order);
            let members: Vec<String> = members.into_iter().flatten().collect();
            format!("{{{}}}", members.join(", "))
        })
}

/// Whether `path`, unless it is cut, is one of these.
fn names_one_of(path: &str, paths: &[String]) -> bool {
    match path.strip_suffix('…') {
        Some(start) => paths.iter().any(|whole| whole.starts_with(start)),
        None => paths.iter().any(|whole| whole == path),
    }
}

/// Judges both messages with the parser and with the model. Gives whether they match, if both are
/// valid.
fn compare(subscribed: &str, published: &str) -> Result<Option<bool>, TestCaseError> {
    let client = format!(r#"{{"sender":"client","subscriptions":[{subscribed}]}}"#);
    let publisher = format!(r#"{{"type":"any","notification":{published},"sender":"server"}}"#);
    let object = |text| {
        serde_json::from_str::<Map<String, Value>>(text).expect("the generator makes objects")
    };
    let (subscribed, published) = (object(subscribed), object(published));

    let subscription_model = model(&subscribed, Side::Subscription, "subscriptions[0]");
    let parsed_client = parse_default(client.as_bytes());
    if let (Err(refusal), Err(paths)) = (&parsed_client, &subscription_model) {
        prop_assert_eq!(refusal.code(), ErrorCode::InvalidSubscription);
        prop_assert!(
            names_one_of(refusal.path(), paths),
            "{} {:?}",
            refusal.path(),
            paths
        );
        prop_assert!(!refusal.from_publisher());
    }
    let notification_model = model(&published, Side::Notification, "notification");
    let parsed_publisher = parse_default(publisher.as_bytes());
    if let (Err(refusal), Err(paths)) = (&parsed_publisher, &notification_model) {
        prop_assert_eq!(refusal.code(), ErrorCode::InvalidNotification);
        prop_assert!(
            names_one_of(refusal.path(), paths),
            "{} {:?}",
            refusal.path(),
            paths
        );
        prop_assert!(refusal.from_publisher());
    }
    prop_assert_eq!(
        parsed_client.is_ok(),
        subscription_model.is_ok(),
        "{} {:?}",
        client,
        parsed_client
    );
    prop_assert_eq!(
        parsed_publisher.is_ok(),
        notification_model.is_ok(),
        "{} {:?}",
        publisher,
        parsed_publisher
    );

    let (Ok(subscription_model), Ok(notification_model)) = (subscription_model, notification_model)
    else {
        return Ok(None);
    };
    let (Ok(Message::Client(client)), Ok(Message::Publication(notification))) =
        (parsed_client, parsed_publisher)
    else {
        return Err(TestCaseError::fail("parsed as another kind of message"));
    };
    let subscriptions = client.subscriptions();
    let subscriptions = subscriptions.ok_or_else(|| TestCaseError::fail("no subscriptions"))?;
    let expected = subscribed.get("package") == published.get("package")
        && subscribed.get("page") == published.get("page")
        && model_matches(&subscription_model, &notification_model);
    prop_assert_eq!(matches(&subscriptions, &notification), expected);
    Ok(Some(expected))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn parsing_and_matching_agree_with_the_naive_model(subscribed in target_token(), published in target_token()) {
        compare(&subscribed, &published)?;
    }
}

#[test]
fn the_generated_messages_are_often_valid_and_both_match_and_differ() {
    let mut runner = TestRunner::deterministic();
    let strategy = (target_token(), target_token());
    let (mut matching, mut differing, mut refused) = (0, 0, 0);
    for _ in 0..500 {
        let (subscribed, published) = strategy.new_tree(&mut runner).expect("a case").current();
        match compare(&subscribed, &published).expect("agreement") {
            Some(true) => matching += 1,
            Some(false) => differing += 1,
            None => refused += 1,
        }
    }
    let counts = [matching, differing, refused];
    assert!(
        counts.iter().all(|&count| count > 50),
        "matching, differing, refused: {counts:?}"
    );
}
