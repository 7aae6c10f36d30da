//! The strict validator against serde_json; `corpus` has more of it.

use proptest::{array::uniform8, collection::vec as vec_of, prelude::*, sample::Index};

use super::{
    naive::{is_valid_object, json, object_of, string_token},
    prelude::*,
};
use crate::notify::{
    MAX_DEPTH,
    json::{Fault, Rule, object},
    word::first_special,
};

fn validate(text: &[u8]) -> Result<(), Fault> {
    object(text, |_, _| {})
}

fn wrap(value: &[u8]) -> Vec<u8> {
    [b"{\"a\":", value, b"}"].concat()
}

#[test]
fn each_broken_rule_is_reported_at_the_first_offending_byte() {
    for (text, offset, rule) in [
        (&b"\xEF\xBB\xBF{}"[..], 0, Rule::ByteOrderMark),
        (b"", 0, Rule::NotAnObject),
        (b"  ", 2, Rule::NotAnObject),
        (b" [1]", 1, Rule::NotAnObject),
        (b"\"a\"", 0, Rule::NotAnObject),
        (b"{\"a\":}", 5, Rule::ValueExpected),
        (b"{\"a\":tru}", 5, Rule::ValueExpected),
        (b"{\"a\":[1,]}", 8, Rule::ValueExpected),
        (b"{\"a\":1,}", 7, Rule::NameExpected),
        (b"{a:1}", 1, Rule::NameExpected),
        (b"{\"a\":{\"b\":1,}}", 12, Rule::NameExpected),
        (b"{\"a\" 1}", 5, Rule::ColonExpected),
        (b"{\"a\":1 \"b\":2}", 7, Rule::CommaOrBraceExpected),
        (b"{\"a\":01}", 6, Rule::CommaOrBraceExpected),
        (b"{\"a\":1", 6, Rule::CommaOrBraceExpected),
        (b"{\"a\":[1 2]}", 8, Rule::CommaOrBracketExpected),
        (b"{\"a\":[01]}", 7, Rule::CommaOrBracketExpected),
        (b"{\"a\":-}", 6, Rule::DigitExpected),
        (b"{\"a\":1.}", 7, Rule::DigitExpected),
        (b"{\"a\":1e+", 8, Rule::DigitExpected),
        (b"{\"a\":\"b", 7, Rule::UnterminatedString),
        (b"{\"a\":\"\\u12", 10, Rule::UnterminatedString),
        (b"{\"a\":\"b\nc\"}", 7, Rule::ControlCharacter),
        (b"{\"a\":\"12345678\x1F\"}", 14, Rule::ControlCharacter),
        (b"{\"a\":\"\\x\"}", 7, Rule::InvalidEscape),
        (b"{\"a\":\"\\u12x4\"}", 10, Rule::InvalidEscape),
        (b"{\"a\":\"b\xFFc\"}", 7, Rule::InvalidUtf8),
        (b"{\"a\":\"b\xE2\x82\"}", 7, Rule::InvalidUtf8),
        (b"{\"a\":\"b\xFFc\n\"}", 7, Rule::InvalidUtf8),
        (b"{\"a\":\"b\xC3", 7, Rule::InvalidUtf8),
        (b"{\"\xFF\":1}", 2, Rule::InvalidUtf8),
        (b"{} {}", 3, Rule::TrailingBytes),
        (b"{\"a\":1}\0", 7, Rule::TrailingBytes),
    ] {
        assert_eq!(
            validate(text),
            Err(Fault { offset, rule }),
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn containers_may_be_nested_up_to_the_limit_and_no_deeper() {
    let max = MAX_DEPTH as usize;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[0,", "]}]")] {
        let levels = open.matches(['[', '{']).count();
        let nested = |times: usize| {
            format!("{{\"a\":{}0{}}}", open.repeat(times), close.repeat(times)).into_bytes()
        };
        let times = (max - 1) / levels;
        assert_eq!(validate(&nested(times)), Ok(()), "{open}");
        let Err(fault) = validate(&nested(times + 1)) else {
            panic!("too deep: {open}")
        };
        assert_eq!(fault.rule, Rule::TooDeep);
        assert!(is_valid_object(&nested(times + 1)), "only too deep");
    }
    let flat = format!("{{\"a\":[{}[]]}}", "[[]],".repeat(1000));
    assert_eq!(
        validate(flat.as_bytes()),
        Ok(()),
        "depth is not a count of containers"
    );
}

#[test]
fn special_bytes_are_found_at_every_position_of_a_string() {
    for len in 0..40 {
        for at in 0..=len {
            let text = |special: &[u8]| {
                wrap(
                    &[
                        b"\"",
                        &vec![b'x'; at][..],
                        special,
                        &vec![b'x'; len - at],
                        b"\"",
                    ]
                    .concat(),
                )
            };
            for valid in [
                &b"\\n"[..],
                b"\\u0041",
                "é".as_bytes(),
                b"\x20",
                b"\x7F",
                b"!",
                b"#",
                b"[",
                b"]",
            ] {
                assert_eq!(
                    validate(&text(valid)),
                    Ok(()),
                    "{at} {len} {}",
                    valid.escape_ascii()
                );
            }
            for invalid in [
                &b"\x1F"[..],
                b"\0",
                b"\x80",
                b"\xFF",
                b"\xC3",
                b"\"",
                b"\\q",
            ] {
                assert!(
                    validate(&text(invalid)).is_err(),
                    "{at} {len} {}",
                    invalid.escape_ascii()
                );
            }
        }
    }
}

/// A change of one byte at a relative position.
#[derive(Clone, Debug)]
pub(super) enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
}

pub(super) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let byte = prop_oneof![
        3 => proptest::sample::select(&b"{}[],:\"\\u0123eE+-.tfn \n"[..]),
        1 => any::<u8>(),
    ];
    let mutation = (any::<Index>(), byte, 0..3_u8).prop_map(|(at, byte, kind)| match kind {
        0 => Mutation::Replace(at, byte),
        1 => Mutation::Insert(at, byte),
        _ => Mutation::Remove(at),
    });
    vec_of(mutation, 0..4)
}

pub(super) fn mutate(text: &str, mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for mutation in mutations {
        match mutation {
            Mutation::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Mutation::Replace(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Mutation::Remove(at) if !bytes.is_empty() => {
                bytes.remove(at.index(bytes.len()));
            }
            Mutation::Replace(..) | Mutation::Remove(_) => {}
        }
    }
    bytes
}

fn documents() -> impl Strategy<Value = Vec<u8>> {
    (object_of((string_token(), json()), 4), mutations())
        .prop_map(|(text, mutations)| mutate(&text, &mutations))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_on_mutated_texts_is_that_of_serde_json(text in documents()) {
        prop_assert_eq!(validate(&text).is_ok(), is_valid_object(&text), "{}", text.escape_ascii());
    }

    #[test]
    fn the_verdict_on_any_bytes_is_that_of_serde_json(bytes in vec_of(any::<u8>(), 0..40)) {
        let text = wrap(&[b"\"", &bytes[..], b"\""].concat());
        prop_assert_eq!(validate(&text).is_ok(), is_valid_object(&text), "{}", text.escape_ascii());
    }

    #[test]
    fn the_first_special_byte_of_a_word_is_that_of_a_loop(
        bytes in uniform8(prop_oneof![Just(b'"'), Just(b'\\'), 0x1E..0x24_u8, 0x5A..0x5F_u8, Just(0x80), any::<u8>()])
    ) {
        let naive = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        prop_assert_eq!(first_special(u64::from_le_bytes(bytes)), naive);
    }

    #[test]
    fn a_fault_depends_on_nothing_after_its_offset(text in documents()) {
        if let Err(fault) = validate(&text) {
            let upto = text.get(..fault.offset).expect("an offset inside of the text");
            if let Err(earlier) = validate(upto) {
                prop_assert_eq!(earlier.offset, fault.offset, "{}", text.escape_ascii());
            }
            let including = text.get(..=fault.offset).unwrap_or(upto);
            let again = validate(including).expect_err("the offending byte is in it");
            prop_assert_eq!(again.offset, fault.offset, "{}", text.escape_ascii());
        }
    }
}
