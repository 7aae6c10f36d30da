//! Independent implementations, slow and plain, and generators of JSON texts.

use proptest::{collection::vec as vec_of, prelude::*, sample::select};
use serde_json::Value;

use super::prelude::*;

/// The plain decimal text of a JSON number, by moving characters about.
pub(super) fn plain_decimal(number: &str) -> String {
    let (negative, magnitude) = match number.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, number),
    };
    let lower = magnitude.to_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut before: Vec<char> = whole.chars().collect();
    let mut after: Vec<char> = fraction.chars().collect();
    let exponent: i64 = exponent.parse().expect("a small exponent");
    for _ in 0..exponent {
        before.push(if after.is_empty() {
            '0'
        } else {
            after.remove(0)
        });
    }
    for _ in exponent..0 {
        after.insert(0, before.pop().unwrap_or('0'));
    }
    let before: String = before.into_iter().collect();
    let after: String = after.into_iter().collect();
    let before = before.trim_start_matches('0');
    let after = after.trim_end_matches('0');
    let before = if before.is_empty() { "0" } else { before };
    let text = if after.is_empty() {
        before.to_owned()
    } else {
        format!("{before}.{after}")
    };
    if negative && text != "0" {
        format!("-{text}")
    } else {
        text
    }
}

/// A scalar as something that is equal when section 4 says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Literal(&'static str),
    Text(String),
}

pub(super) fn plain_scalar(value: &Value) -> Option<Plain> {
    Some(match value {
        Value::Null => Plain::Literal("null"),
        Value::Bool(true) => Plain::Literal("true"),
        Value::Bool(false) => Plain::Literal("false"),
        Value::Number(number) => Plain::Text(plain_decimal(&number.to_string())),
        Value::String(text) => Plain::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// Whether `text` is a strict RFC 8259 object: serde_json's verdict on the grammar, and the
/// standard library's on UTF-8, which serde_json does not check in what it ignores.
pub(super) fn is_valid_object(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
        && text.trim_ascii_start().starts_with(b"{")
}

/// Tokens of strings with few distinct texts, so that equal ones are frequent.
pub(super) fn string_token() -> impl Strategy<Value = String> {
    const COMMON: &[&str] = &[
        r#""2""#,
        r#""\u0032""#,
        r#""2.0""#,
        r#""a""#,
        r#""\u0061""#,
        r#""85.5""#,
        r#""true""#,
        r#""null""#,
        r#""""#,
        r#""é""#,
        r#""\u00E9""#,
        r#""😀""#,
        r#""\ud83d\ude00""#,
        r#""\\\"\/\b\f\n\r\t""#,
        r#""\u0000""#,
        r#""1000""#,
    ];
    prop_oneof![
        6 => select(COMMON).prop_map(str::to_owned),
        1 => "[a-zé😀 ]{0,20}".prop_map(|text| format!("\"{text}\"")),
    ]
}

/// Tokens of numbers in various forms with few distinct values.
pub(super) fn number_token() -> impl Strategy<Value = String> {
    const COMMON: &[&str] = &[
        "2",
        "2.0",
        "2e0",
        "20e-1",
        "0.2E+1",
        "0",
        "-0",
        "0.0e7",
        "85.5",
        "85.50",
        "855e-1",
        "1e3",
        "1000",
        "1E+03",
        "9007199254740993",
        "9007199254740992",
        "-2",
        "-20E-1",
    ];
    prop_oneof![
        3 => select(COMMON).prop_map(str::to_owned),
        1 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
    ]
}

pub(crate) fn scalar_token() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => string_token(),
        3 => number_token(),
        1 => select(&["true", "false", "null"][..]).prop_map(str::to_owned),
    ]
}

/// Spaces, mostly none.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![5 => Just(String::new()), 1 => "[ \t\r\n]{1,9}"]
}

pub(crate) fn array_of(
    element: impl Strategy<Value = String>,
    len: usize,
) -> impl Strategy<Value = String> {
    (vec_of((space(), element), 0..=len), space()).prop_map(|(elements, end)| {
        let elements: Vec<String> = elements
            .into_iter()
            .map(|(space, element)| space + &element)
            .collect();
        format!("[{}{end}]", elements.join(","))
    })
}

pub(crate) fn object_of(
    member: impl Strategy<Value = (String, String)>,
    len: usize,
) -> impl Strategy<Value = String> {
    (vec_of((space(), member), 0..=len), space()).prop_map(|(members, end)| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(space, (name, value))| format!("{space}{name}{space}:{space}{value}"))
            .collect();
        format!("{{{}{end}}}", members.join(","))
    })
}

/// Any JSON text, a few levels deep, with duplicate members.
pub(crate) fn json() -> impl Strategy<Value = String> {
    scalar_token().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            array_of(inner.clone(), 6),
            object_of((string_token(), inner), 6)
        ]
    })
}
