//! How fast a message is parsed: all of it checked, and package, page and values read.

mod messages;
mod ours;
mod peers;

use core::hint::black_box;

use campanile_core::notify::{self, Text};
use messages::{Kind, messages};
use simd_json::{prelude::Writable as _, tape};

use self::peers::SimdJson;
use crate::{
    Column, Options, Side, Table,
    harness::{Subject, add_row},
    options::bytes,
};

/// The table's title.
const TITLE: &str = "Parsing";

const KINDS: [Kind; 5] = [
    Kind::Notification(100),
    Kind::Notification(250),
    Kind::Notification(1 << 10),
    Kind::Notification(16 << 10),
    Kind::Subscriptions(10),
];

/// What was understood of a notification or of a subscription.
#[derive(Debug)]
struct Said<'a> {
    package: Name<'a>,
    page: Name<'a>,
    values: Shown<'a>,
}

#[derive(Debug)]
enum Name<'a> {
    Ours(Text<'a>),
    Theirs(&'a str),
}

/// The `values` of a filter, as each candidate has them.
#[derive(Debug)]
enum Shown<'a> {
    Values(notify::Values<'a>),
    Subscription(notify::Subscription<'a>),
    Json(&'a str),
    Tape(tape::Value<'a, 'a>),
    /// They were checked, and no more.
    Lost,
}

/// A way to parse a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    Core,
    SerdeJson,
    SerdeJsonOnce,
    SimdJson,
    SonicRs,
}

impl Candidate {
    /// In the order of the table's columns.
    const ALL: [Self; 5] = [
        Self::Core,
        Self::SerdeJson,
        Self::SerdeJsonOnce,
        Self::SimdJson,
        Self::SonicRs,
    ];

    const fn column(self) -> Column {
        let (name, side) = match self {
            Self::Core => ("core", Side::Judged),
            Self::SerdeJson => ("serde_json", Side::Peer),
            Self::SerdeJsonOnce => ("serde_json-once", Side::Peer),
            Self::SimdJson => ("simd-json", Side::Peer),
            Self::SonicRs => ("sonic-rs", Side::Peer),
        };
        Column { name, side }
    }

    /// Whether it leaves out work that the others do: keeping values with which one could match.
    const fn does_less(self) -> bool {
        matches!(self, Self::SerdeJsonOnce)
    }

    /// Parses all of `texts`, and tells `hear` of every target. The answer is whether all are valid.
    fn run<'t>(
        self,
        texts: impl Iterator<Item = &'t [u8]>,
        hear: &mut impl FnMut(Said<'_>),
    ) -> bool {
        fn all<'t>(
            mut texts: impl Iterator<Item = &'t [u8]>,
            mut parse: impl FnMut(&[u8]) -> bool,
        ) -> bool {
            texts.all(|text| parse(black_box(text)))
        }
        let mut simd_json = SimdJson::new();
        match self {
            Self::Core => all(texts, |text| ours::core(text, hear)),
            Self::SerdeJson => all(texts, |text| peers::serde_json(text, hear)),
            Self::SerdeJsonOnce => all(texts, |text| peers::serde_json_once(text, hear)),
            Self::SimdJson => all(texts, |text| simd_json.parse(text, hear)),
            Self::SonicRs => all(texts, |text| peers::sonic_rs(text, hear)),
        }
    }

    /// What it makes of one message; nothing if it refuses it.
    fn targets(self, text: &[u8]) -> Option<Vec<Target>> {
        let mut targets = Vec::new();
        let mut hear = |said: Said<'_>| targets.push(Target::from(said));
        self.run([text].into_iter(), &mut hear).then_some(targets)
    }
}

/// Measures, or runs the one candidate that `options` ask for.
///
/// # Errors
/// A candidate whose answers are wrong.
pub fn parse(options: &Options) -> Result<Vec<Table>, String> {
    let columns = Candidate::ALL.map(Candidate::column).to_vec();
    let mut table = Table::new(TITLE.to_owned(), columns);
    table.is_of_bytes = true;
    for kind in KINDS {
        let texts = messages(kind);
        let len = texts.iter().map(Vec::len).sum::<usize>() / texts.len();
        let (name, label) = match kind {
            Kind::Notification(_) => ("notification", format!("notification {}", bytes(len))),
            Kind::Subscriptions(count) => (
                "subscriptions",
                format!("{count} subscriptions, {}", bytes(len)),
            ),
        };
        if !options.wants(name, len, None) {
            continue;
        }
        agree(&texts).map_err(|why| format!("{TITLE}, {label}: {why}"))?;
        let units = options.messages(len);
        add_row(
            &mut table,
            options,
            Subject { label, len, units },
            &Candidate::ALL,
            Candidate::does_less,
            |candidate| {
                let texts = texts.iter().map(Vec::as_slice).cycle().take(units);
                black_box(candidate.run(texts, &mut |said| {
                    black_box(&said);
                }));
            },
        );
    }
    Ok(vec![table])
}

/// Whether every candidate understands every message alike.
fn agree(texts: &[Vec<u8>]) -> Result<(), String> {
    for text in texts {
        let expected = Candidate::SerdeJson.targets(text);
        for candidate in Candidate::ALL {
            let heard = candidate.targets(text);
            let same = match (&heard, &expected) {
                (Some(heard), Some(expected)) => {
                    heard.len() == expected.len()
                        && heard.iter().zip(expected).all(|(a, b)| a.agrees_with(b))
                }
                _ => false,
            };
            if !same {
                let text = String::from_utf8_lossy(text);
                return Err(format!("{candidate:?}: {heard:?} of {text}"));
            }
        }
    }
    Ok(())
}

/// What was said, to be compared.
#[derive(Debug, PartialEq)]
struct Target {
    package: String,
    page: String,
    /// Each key with the texts of its values; nothing where they were not kept.
    values: Option<Vec<(String, Vec<String>)>>,
}

impl Target {
    fn agrees_with(&self, other: &Self) -> bool {
        (&self.package, &self.page) == (&other.package, &other.page)
            && (self.values.is_none() || self.values == other.values)
    }
}

impl From<Said<'_>> for Target {
    fn from(said: Said<'_>) -> Self {
        let name = |name: Name<'_>| match name {
            Name::Ours(text) => text.to_string(),
            Name::Theirs(text) => text.to_owned(),
        };
        Self {
            package: name(said.package),
            page: name(said.page),
            values: match said.values {
                Shown::Values(values) => Some(ours::entries(values)),
                Shown::Subscription(subscription) => Some(ours::constraints(&subscription)),
                Shown::Json(json) => Some(entries(json)),
                Shown::Tape(value) => Some(entries(&value.encode())),
                Shown::Lost => None,
            },
        }
    }
}

/// The keys and values of a JSON text, one without a key under the empty one.
fn entries(json: &str) -> Vec<(String, Vec<String>)> {
    use serde_json::Value;
    let scalar = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let scalars = |value: &Value| match value.as_array() {
        Some(elements) => elements.iter().map(scalar).collect(),
        None => vec![scalar(value)],
    };
    let mut entries: Vec<_> = match serde_json::from_str(json) {
        Ok(Value::Object(members)) => members
            .iter()
            .map(|(key, value)| (key.clone(), scalars(value)))
            .collect(),
        Ok(value) => vec![(String::new(), scalars(&value))],
        Err(error) => vec![(error.to_string(), Vec::new())],
    };
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_candidates_understand_all_messages_alike() {
        for kind in KINDS {
            assert_eq!(agree(&messages(kind)), Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn all_candidates_check_what_they_skip() {
        let with = |data: &[u8]| {
            let front = br#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":1},"data":"#;
            [front, data, b"}}"].concat()
        };
        for candidate in Candidate::ALL {
            assert!(candidate.targets(&with(b"[1]")).is_some(), "{candidate:?}");
            for broken in [
                &b"[1,]"[..],
                b"tru",
                b"01",
                b"{\"a\"}",
                b"\"\\x\"",
                b"\"\n\"",
                b"\"\xFF\"",
                b"[}",
            ] {
                let answer = candidate.targets(&with(broken));
                assert_eq!(answer, None, "{candidate:?}, {}", broken.escape_ascii());
            }
        }
    }

    #[test]
    fn all_candidates_check_values() {
        for candidate in Candidate::ALL {
            for (values, valid) in [("[1,\"2\"]", true), ("[[1]]", false), ("{\"a\":{}}", false)] {
                let text = format!(
                    r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{values}}}}}}}"#
                );
                let heard = candidate.targets(text.as_bytes());
                assert_eq!(heard.is_some(), valid, "{candidate:?}, {values}");
            }
        }
    }

    #[test]
    fn a_message_that_is_understood_differently_is_noticed() {
        let refused = br#"{"sender":"server","notification":{}}"#.to_vec();
        assert!(agree(&[refused]).is_err());
        let target = |json: &str| {
            Target::from(Said {
                package: Name::Theirs("p"),
                page: Name::Theirs("q"),
                values: Shown::Json(json),
            })
        };
        assert!(target(r#"{"a":1,"b":2}"#).agrees_with(&target(r#"{"b":["2"],"a":1}"#)));
        assert!(!target(r#"{"a":1}"#).agrees_with(&target(r#"{"a":2}"#)));
    }
}
