//! Walking over validated JSON against serde_json.

use proptest::prelude::*;
use serde_json::{Map, Value as Tree};

use super::{
    naive::{json, object_of, string_token},
    prelude::*,
};
use crate::notify::{
    Text,
    effective::try_each_effective,
    filter::EffectiveMembers,
    json::object,
    raw::{Kind, Value},
};

/// Rebuilds a tree by walking; of duplicates the last member wins.
fn rebuild(value: Value<'_>) -> Tree {
    match value.kind() {
        Kind::Object => Tree::Object(
            value
                .members()
                .map(|(name, value)| (Text::trusted(name).to_string(), rebuild(value)))
                .collect(),
        ),
        Kind::Array => Tree::Array(value.elements().map(rebuild).collect()),
        Kind::String => Tree::String(
            value
                .string()
                .and_then(Text::new)
                .expect("Unicode text")
                .to_string(),
        ),
        Kind::Number => serde_json::from_slice(value.as_bytes()).expect("a number"),
        Kind::True => Tree::Bool(true),
        Kind::False => Tree::Bool(false),
        Kind::Null => Tree::Null,
    }
}

/// A few names that often come again, escaped and not, and any other.
fn name_token() -> impl Strategy<Value = String> {
    let few = vec![
        r#""a""#,
        r#""\u0061""#,
        r#""é""#,
        r#""\u00e9""#,
        r#""""#,
        r#""aa""#,
    ];
    prop_oneof![
        proptest::sample::select(few).prop_map(str::to_owned),
        (0..200).prop_map(|name| format!(r#""k{name}""#)),
        string_token(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn walking_finds_what_serde_json_finds(text in object_of((string_token(), json()), 5)) {
        let mut members = Map::new();
        object(text.as_bytes(), |name, value| {
            members.insert(Text::trusted(name).to_string(), rebuild(value));
        })
        .expect("the generator makes valid JSON");
        let expected: Tree = serde_json::from_str(&text).expect("valid JSON");
        prop_assert_eq!(&Tree::Object(members), &expected);
        prop_assert_eq!(&rebuild(Value::trusted(text.as_bytes())), &expected);
    }

    #[test]
    fn the_members_that_count_are_those_of_the_naive_twin(
        text in object_of((name_token(), Just("1".to_owned())), 150),
    ) {
        let object = Value::trusted(text.as_bytes());
        let written = |(key, value): (Text<'_>, Value<'_>)| (key.to_string(), value.as_bytes().as_ptr());
        let mut found = Vec::new();
        let done = try_each_effective(object, |key, value| {
            found.push(written((key, value)));
            Ok::<(), ()>(())
        });
        prop_assert_eq!(done, Ok(()));
        let expected: Vec<_> = EffectiveMembers::new(object).map(written).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn walking_over_bytes_that_were_never_validated_ends(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for start in [&b"{"[..], b"[", b"\"", b""] {
            let text = [start, &bytes[..]].concat();
            let value = Value::trusted(&text);
            prop_assert!(value.members().count() + value.elements().count() <= text.len());
            if let Some(string) = value.string() {
                prop_assert!(string.units().count() <= text.len());
            }
        }
    }
}
