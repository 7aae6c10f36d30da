//! The verdicts on a corpus of JSON, ours and serde_json's; `corpus.txt` explains its language.

use serde_json::Value as Tree;

use super::{naive::is_valid_object, prelude::*};
use crate::notify::{Limits, MAX_DEPTH, envelope::thoroughly, json::object, parse};

const CORPUS: &str = include_str!("corpus.txt");

/// Where serde_json's verdict on the tree of a text is another one than ours, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "i_y_surrogate_",
        "it has to make a string of it; we pass it on as it was written",
    ),
    (
        "i_y_depth_128_levels",
        "its limit is 127 levels, and ours 128",
    ),
    (
        "i_n_document_",
        "it takes any value for a whole text; our messages are objects",
    ),
];

struct Case {
    name: &'static str,
    text: Vec<u8>,
}

impl Case {
    fn is_valid(&self) -> bool {
        self.name.starts_with("y_") || self.name.starts_with("i_y_")
    }

    fn is_document(&self) -> bool {
        self.name.contains("_document_")
    }

    /// The text as a message that is valid if the text is: whole, or as the value of a member.
    fn message(&self) -> Vec<u8> {
        if self.is_document() {
            self.text.clone()
        } else {
            self.between("{\"a\":", "}")
        }
    }

    fn between(&self, front: &str, back: &str) -> Vec<u8> {
        [front.as_bytes(), &self.text, back.as_bytes()].concat()
    }

    fn is_exception(&self) -> bool {
        let mut names = EXCEPTIONS.iter().map(|(name, _)| name);
        names.any(|name| self.name.starts_with(name))
    }
}

fn cases() -> Vec<Case> {
    let lines = CORPUS.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, text) = line.split_once(' ').expect("a name and a text");
            let text = written_out(text);
            Case { name, text }
        })
        .collect()
}

/// `%XX` and `%N(unit)` replaced by what they stand for.
fn written_out(text: &str) -> Vec<u8> {
    let Some((before, after)) = text.split_once('%') else {
        return text.as_bytes().to_vec();
    };
    let repeated = || {
        let (times, rest) = after.split_once('(')?;
        let (unit, rest) = rest.split_once(')')?;
        Some((written_out(unit).repeat(times.parse().ok()?), rest))
    };
    let (bytes, rest) = repeated().unwrap_or_else(|| {
        let (digits, rest) = after.split_at(2);
        let byte = u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
        (vec![byte], rest)
    });
    [before.as_bytes(), &bytes, &written_out(rest)].concat()
}

fn is_valid(text: &[u8]) -> bool {
    object(text, |_, _| {}).is_ok()
}

#[test]
fn the_language_of_the_corpus_is_understood() {
    assert_eq!(written_out("a%41%2(b%43)%0(x)%201"), b"aAbCbC 1");
    let cases = cases();
    for (i, case) in cases.iter().enumerate() {
        let prefixes = ["y_", "n_", "i_y_", "i_n_"];
        assert!(prefixes.iter().any(|prefix| case.name.starts_with(prefix)));
        assert!(cases[..i].iter().all(|earlier| earlier.name != case.name));
    }
    assert!(cases.len() > 300, "{}", cases.len());
}

#[test]
fn our_verdict_on_each_text_is_that_of_the_corpus() {
    for case in cases() {
        assert_eq!(is_valid(&case.message()), case.is_valid(), "{}", case.name);
    }
}

#[test]
fn our_verdict_on_each_text_is_that_of_serde_json_with_few_exceptions() {
    for case in cases() {
        let text = case.message();
        let theirs = serde_json::from_slice::<Tree>(&text).is_ok();
        // Where it skips, it accepts lone surrogates and any depth, too.
        let skipping = is_valid_object(&text);
        let is_too_deep = case.name.starts_with("i_n_depth_");
        assert_eq!(skipping != case.is_valid(), is_too_deep, "{}", case.name);
        assert_eq!(
            theirs != case.is_valid(),
            case.is_exception(),
            "{}",
            case.name
        );
    }
    for (name, why) in EXCEPTIONS {
        let is_used = cases().iter().any(|case| case.name.starts_with(name));
        assert!(is_used, "nothing is called {name}: {why}");
    }
}

#[test]
fn the_verdict_is_the_same_wherever_in_a_message_the_text_stands() {
    let limits = Limits::default();
    let target = r#""package":"p","page":"q","filters":{"values":[1]}"#;
    let publication = format!(r#"{{"sender":"server","notification":{{{target}"#);
    let client = format!(r#"{{"sender":"client","subscriptions":[{{{target}"#);
    for case in cases().iter().filter(|case| !case.is_document()) {
        // How many levels deeper the text is than in the message of the corpus.
        for (deeper, front, middle, back) in [
            (0, &publication, r#"},"data":"#, "}"),
            (0, &client, r#"}],"x":"#, r#","y":"z"}"#),
            (0, &client, r#"}],"x":"#, " \n}"),
            (1, &publication, r#","data":"#, "}}"),
            (1, &client, r#"}],"x":[0,"#, "]}"),
            (2, &client, r#"}],"x":[0,{"b":"#, "}]}"),
            (2, &client, r#","data":"#, "}]}"),
        ] {
            let front = front.clone() + middle;
            if case.name.contains("_levels") && deeper > 0 {
                continue; // the verdict is about the levels
            }
            let text = case.between(&front, back);
            let ours = parse(&text, &limits);
            let shown = || format!("{} in {front}…{back}: {ours:?}", case.name);
            assert_eq!(ours.is_ok(), case.is_valid(), "{}", shown());
            let slow = thoroughly(&text, &limits);
            assert_eq!(ours.as_ref().err(), slow.as_ref().err(), "{}", shown());
        }
    }
}

#[test]
fn a_valid_message_that_is_cut_is_invalid_unless_only_white_space_was_cut_off() {
    for case in cases() {
        let text = case.message();
        if !case.is_valid() || text.len() > 2000 {
            continue;
        }
        for end in 0..text.len() {
            let (front, cut) = text.split_at(end);
            let is_space = cut.iter().all(|byte| b" \t\n\r".contains(byte));
            assert_eq!(is_valid(front), is_space, "{} cut at {end}", case.name);
            assert_eq!(
                is_valid_object(front),
                is_space,
                "{}: serde_json",
                case.name
            );
            assert!(is_space || parse(front, &Limits::default()).is_err());
        }
    }
}

#[test]
fn the_deepest_text_of_the_corpus_is_as_deep_as_is_allowed() {
    let deepest = |prefix: &str| {
        let cases = cases();
        let names = cases.iter().map(|case| case.name);
        let depths = names.filter_map(|name| {
            let levels = name.strip_prefix(prefix)?.split('_').next()?;
            levels.parse::<u32>().ok()
        });
        depths.collect::<Vec<_>>()
    };
    assert_eq!(deepest("i_y_depth_").iter().max(), Some(&MAX_DEPTH));
    assert_eq!(deepest("i_n_depth_").iter().min(), Some(&(MAX_DEPTH + 1)));
}
