//! Texts, numbers and their equality.

use proptest::{collection::vec as vec_of, prelude::*};

use super::{
    naive::{number_token, plain_decimal, plain_scalar, scalar_token},
    prelude::*,
};
use crate::notify::{
    MAX_NUMBER_LEN, Number, Scalar, Text,
    number::Run,
    raw::{RawString, Value},
};

fn text(contents: &str) -> Text<'_> {
    Text::new(RawString::trusted(
        contents.as_bytes(),
        contents.contains('\\'),
    ))
    .expect("Unicode text")
}

fn number(raw: &str) -> Number<'_> {
    Number::new(raw.as_bytes()).expect("a number of moderate length")
}

fn scalar(token: &str) -> Scalar<'_> {
    Scalar::try_from(Value::trusted(token.as_bytes())).expect("a comparable scalar")
}

/// The contents of a JSON string for `characters`, each escaped as its number says.
fn escape(characters: &[(char, u8)]) -> String {
    let mut contents = String::new();
    for &(character, form) in characters {
        let must = matches!(character, '"' | '\\' | '\0'..='\x1F');
        match form {
            0 if !must => contents.push(character),
            1 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    contents.push_str(&format!("\\u{unit:04X}"));
                }
            }
            2 if character == '/' => contents.push_str("\\/"),
            _ if must || form == 3 => {
                let quoted = serde_json::to_string(&character).expect("a string");
                contents.push_str(quoted.trim_start_matches('"').trim_end_matches('"'));
                if character == '"' {
                    contents.push('"');
                }
            }
            _ => contents.push(character),
        }
    }
    contents
}

fn characters() -> impl Strategy<Value = Vec<(char, u8)>> {
    let common: Vec<char> = "a/\"\\\0\n\u{7F}é€😀\u{FFFF}\u{10000}\u{10FFFF}"
        .chars()
        .collect();
    let character = prop_oneof![any::<char>(), proptest::sample::select(common)];
    vec_of((character, 0..4_u8), 0..12)
}

proptest! {
    #[test]
    fn a_text_reads_the_same_however_it_is_escaped(characters in characters()) {
        let expected: String = characters.iter().map(|&(character, _)| character).collect();
        let contents = escape(&characters);
        let text = text(&contents);
        prop_assert_eq!(text.to_string(), expected.as_str());
        prop_assert!(text.chars().eq(expected.chars()));
        prop_assert!(text.bytes().eq(expected.bytes()));
        prop_assert!(text == expected.as_str());
        prop_assert_eq!(text.is_empty(), expected.is_empty());
        prop_assert_eq!(text.as_raw(), contents.as_bytes());
        if let Some(bytes) = text.as_unescaped() {
            prop_assert_eq!(bytes, expected.as_bytes());
        }
    }

    #[test]
    fn texts_are_equal_exactly_when_their_characters_are(ours in characters(), theirs in characters()) {
        let plain = |characters: &[(char, u8)]| -> String {
            characters.iter().map(|&(character, _)| character).collect()
        };
        let again: Vec<(char, u8)> =
            ours.iter().map(|&(character, form)| (character, (form + 1) % 4)).collect();
        let (our_contents, their_contents) = (escape(&ours), escape(&theirs));
        let again = escape(&again);
        prop_assert_eq!(text(&our_contents), text(&again));
        let equal = plain(&ours) == plain(&theirs);
        prop_assert_eq!(text(&our_contents) == text(&their_contents), equal);
    }

    #[test]
    fn the_plain_text_of_a_number_is_that_of_the_naive_twin(raw in number_token()) {
        let expected = plain_decimal(&raw);
        prop_assert_eq!(number(&raw).to_string(), expected.as_str());
        prop_assert!(Scalar::Number(number(&raw)).canonical().eq(expected.bytes()));
        if let Some(plain) = number(&raw).as_plain() {
            prop_assert_eq!(plain, expected.as_bytes());
        }
    }

    #[test]
    fn a_number_is_too_long_exactly_when_its_plain_text_is(
        mantissa in "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?", exponent in -1100_i32..1100,
    ) {
        let raw = format!("{mantissa}e{exponent}");
        let expected = plain_decimal(&raw);
        match Number::new(raw.as_bytes()) {
            None => prop_assert!(expected.len() > MAX_NUMBER_LEN, "{}", expected.len()),
            Some(number) => {
                prop_assert!(expected.len() <= MAX_NUMBER_LEN, "{}", expected.len());
                prop_assert_eq!(number.to_string(), expected);
            }
        }
    }

    #[test]
    fn a_number_is_read_in_about_as_many_steps_as_it_was_written_in(raw in number_token()) {
        prop_assume!(Number::new(raw.as_bytes()).is_some());
        let number = number(&raw);
        prop_assert!(number.runs().count() <= raw.len() + 2);
        let bytes = number.runs().flat_map(|run| match run {
            Run::Byte(byte) => vec![byte],
            Run::Zeros(count) => vec![b'0'; count],
        });
        let text: Vec<u8> = bytes.collect();
        prop_assert_eq!(String::from_utf8(text).expect("digits"), number.to_string());
    }

    #[test]
    fn scalars_are_equal_exactly_when_the_naive_model_says_so(ours in scalar_token(), theirs in scalar_token()) {
        let naive = |token: &str| plain_scalar(&serde_json::from_str(token).expect("valid JSON"));
        let equal = naive(&ours) == naive(&theirs);
        prop_assert_eq!(scalar(&ours) == scalar(&theirs), equal);
        prop_assert_eq!(scalar(&ours).canonical().eq(scalar(&theirs).canonical()), equal);
        if let Some(bytes) = scalar(&ours).as_canonical() {
            prop_assert!(scalar(&ours).canonical().eq(bytes.iter().copied()));
        }
    }
}

#[test]
fn numbers_are_accepted_up_to_the_longest_plain_text() {
    let zeros = |count| "0".repeat(count);
    for (raw, fits) in [
        ("1".repeat(MAX_NUMBER_LEN), true),
        ("1".repeat(MAX_NUMBER_LEN + 1), false),
        (format!("1{}", zeros(MAX_NUMBER_LEN)), false),
        ("1e1023".to_owned(), true),
        ("1e1024".to_owned(), false),
        ("-1e1022".to_owned(), true),
        ("-1e1023".to_owned(), false),
        ("1e-1022".to_owned(), true),
        ("1e-1023".to_owned(), false),
        (format!("0.{}1e2001", zeros(2000)), true),
        (format!("1{}e-2000", zeros(2000)), true),
        (format!("1.{}", zeros(5000)), true),
        (format!("0.{}e5", zeros(5000)), true),
        ("0e99999999999999999999999999".to_owned(), true),
        ("1e99999999999999999999999999".to_owned(), false),
        ("1e-99999999999999999999999999".to_owned(), false),
        ("1e-9223372036854775808".to_owned(), false),
        ("1.7976931348623157e308".to_owned(), true),
        ("-2.2250738585072014e-308".to_owned(), true),
    ] {
        assert_eq!(Number::new(raw.as_bytes()).is_some(), fits, "{:.40}", raw);
    }
    assert_eq!(number(&format!("0.{}1e2001", zeros(2000))).to_string(), "1");
}

#[test]
fn zeros_that_were_not_written_take_one_step() {
    for raw in [
        "1e1000", "-1e-1000", "12e1000", "0.5e1000", "100e900", "0e9", "1.50",
    ] {
        let runs = number(raw).runs();
        assert!(runs.clone().count() <= raw.len(), "{raw}: {runs:?}");
    }
    assert_eq!(scalar("1e1000"), scalar("10.0e999"));
    assert_ne!(scalar("1e1000"), scalar("1e999"));
    assert_ne!(scalar("1e1000"), scalar("-1e1000"));
    assert_ne!(scalar("1e1000"), scalar("1e-1000"));
}

#[test]
fn lone_surrogates_are_no_unicode_text() {
    for contents in [
        "\\ud800",
        "\\udc00",
        "\\uDBFF\\u0041",
        "\\ud83d\\ud83d\\ude00",
        "\\ude00\\ud83d",
        "a\\ud83d",
        "\\ud83d\\n",
    ] {
        assert!(
            Text::new(RawString::trusted(contents.as_bytes(), true)).is_none(),
            "{contents}"
        );
    }
    assert_eq!(text("\\ud83d\\ude00"), text("😀"));
    assert_ne!(text("\\\\ud800").to_string(), "");
}

#[test]
fn display_writes_the_text_and_debug_keeps_it_on_one_line() {
    assert_eq!(text("a\\nb\\\"é").to_string(), "a\nb\"é");
    assert_eq!(
        format!("{:?}", text("a\\nb\\\"é\\u001b")),
        "\"a\\nb\\\"é\\u{1b}\""
    );
}

/// `char::escape_debug` looks things up in tables of core's, as `tests/panic-free/allowed` says.
#[test]
fn every_character_can_be_shown() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for characters in all.chunks(1 << 16) {
        let shown: String = characters.iter().flat_map(|c| c.escape_debug()).collect();
        let escaped = characters.iter().flat_map(|c| {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<Vec<_>>()
        });
        let escaped: String = escaped.collect();
        assert_eq!(format!("{:?}", text(&escaped)), format!("\"{shown}\""));
    }
}
