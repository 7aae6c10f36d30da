//! Messages that are made to hurt: deep, long, repetitive.

use core::time::Duration;
use std::{thread, time::Instant};

use super::{matches, parse_default, prelude::*, publisher_text};
use crate::notify::{ErrorCode, Limits, Message, parse};

/// Enough for a loaded machine and a build without optimisation; quadratic work would take minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `attack` with a stack too small for any recursion over the input, and within [`PATIENCE`].
fn survive(attack: impl FnOnce() + Send + 'static) {
    let started = Instant::now();
    let run = thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(attack)
        .expect("a thread");
    run.join().expect("no panic");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

fn code_of(text: &[u8]) -> Option<ErrorCode> {
    parse_default(text).err().map(|refusal| refusal.code())
}

const MEBIBYTE: usize = 1 << 20;

#[test]
fn a_mebibyte_of_brackets_is_refused_at_the_depth_limit() {
    survive(|| {
        for unit in ["[", "{\"a\":", "[{\"a\":"] {
            let text = format!("{{\"data\":{}", unit.repeat(MEBIBYTE / unit.len()));
            let refusal = parse_default(text.as_bytes()).expect_err("too deep");
            assert_eq!(refusal.code(), ErrorCode::InvalidJson);
            assert!(
                refusal.to_string().contains("more than 128 nested"),
                "{refusal}"
            );
        }
        assert_eq!(code_of(&vec![b'['; MEBIBYTE]), Some(ErrorCode::InvalidJson));
        assert_eq!(code_of(&vec![b'{'; MEBIBYTE]), Some(ErrorCode::InvalidJson));
    });
}

#[test]
fn duplicate_members_cost_linear_time_where_names_are_known() {
    survive(|| {
        let senders = r#""sender":"client","#.repeat(MEBIBYTE / 18);
        let top = format!("{{{senders}\"sender\":\"client\",\"subscriptions\":[]}}");
        assert_eq!(code_of(top.as_bytes()), None);
        let pages = r#""page":"x","#.repeat(MEBIBYTE / 11);
        let inner = format!(
            r#"{{"sender":"client","subscriptions":[{{{pages}"package":"p","page":"q"}}]}}"#
        );
        assert_eq!(code_of(inner.as_bytes()), None);
        let values = r#""values":[1,2],"#.repeat(MEBIBYTE / 15);
        let filters = publisher_text(&format!(r#","filters":{{{values}"values":1}}"#));
        assert_eq!(code_of(filters.as_bytes()), None);
    });
}

#[test]
fn duplicate_keys_are_refused_when_they_are_too_many() {
    survive(|| {
        let same = r#""a":1,"#.repeat(64 * 1024 / 6);
        let different: String = (0..10_000).map(|i| format!("\"{i}\":1,")).collect();
        for keys in [same, different] {
            let text = publisher_text(&format!(r#","filters":{{"values":{{{keys}"a":1}}}}"#));
            assert_eq!(
                code_of(text.as_bytes()),
                Some(ErrorCode::InvalidNotification)
            );
        }
    });
}

#[test]
fn as_many_keys_as_are_allowed_are_checked_and_matched_in_bounded_time() {
    survive(|| {
        let limits = Limits::default();
        // Long keys that differ at their end, each twice, so that every comparison is made in full.
        let members = |keys: usize, first: &str, second: &str| {
            let half = |value: &str| {
                (0..keys / 2)
                    .map(|i| format!("\"{}{i:03}\":\"{value}\"", "k".repeat(200)))
                    .collect::<Vec<_>>()
                    .join(",")
            };
            format!("{{{},{}}}", half(first), half(second))
        };
        let publisher = publisher_text(&format!(
            r#","filters":{{"values":{}}}"#,
            members(limits.keys, "x", "y")
        ));
        let client = |values: &str| {
            format!(
                r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{values}}}}}]}}"#
            )
        };
        for (values, expected) in [
            (r#""x""#.to_owned(), false),
            (members(limits.constraints, "n", "y"), true),
        ] {
            let client = client(&values);
            let (Ok(Message::Client(client)), Ok(Message::Publication(notification))) = (
                parse(client.as_bytes(), &limits),
                parse(publisher.as_bytes(), &limits),
            ) else {
                panic!("both are valid");
            };
            let subscriptions = client.subscriptions().expect("a set");
            assert_eq!(matches(&subscriptions, &notification), expected);
        }
    });
}

#[test]
fn long_strings_numbers_and_runs_of_white_space_pass_in_linear_time() {
    survive(|| {
        for filler in [
            format!("\"{}\"", "x".repeat(MEBIBYTE)),
            format!("\"{}\"", "\\u0041".repeat(MEBIBYTE / 6)),
            format!("\"{}\"", "é".repeat(MEBIBYTE / 2)),
            "9".repeat(MEBIBYTE),
            format!("1e{}", "9".repeat(MEBIBYTE)),
            format!("[{}0]", "[],".repeat(MEBIBYTE / 3)),
            " ".repeat(MEBIBYTE) + "0",
        ] {
            let text = publisher_text(&format!(r#","data":{filler}"#));
            assert_eq!(code_of(text.as_bytes()), None);
        }
    });
}

#[test]
fn huge_exponents_cost_nothing_where_they_are_interpreted() {
    survive(|| {
        let digits = "9".repeat(MEBIBYTE);
        for number in [
            format!("1e{digits}"),
            format!("1e-{digits}"),
            format!("-0.1E+{digits}"),
            digits.clone(),
        ] {
            let text = publisher_text(&format!(r#","filters":{{"values":{number}}}"#));
            assert_eq!(
                code_of(text.as_bytes()),
                Some(ErrorCode::InvalidNotification)
            );
        }
        let zero = publisher_text(&format!(r#","filters":{{"values":0e{digits}}}"#));
        assert_eq!(code_of(zero.as_bytes()), None);
    });
}
