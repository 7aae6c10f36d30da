//! The configuration file: TOML, every key of which must be known.

use core::ops::Range;
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Given, Origin, Problems, SETTINGS, closest, refuse, table::SECTIONS, value::Kind};

/// The largest file that is read, in bytes: a hundred times what all settings with their comments
/// take. What is larger is something else, perhaps without an end.
const LARGEST: u64 = 1 << 20;

/// The values that a file gives; what is wrong with it is added to `problems`.
pub(super) fn read(path: &Path, problems: &mut Problems) -> Vec<Given> {
    match text(path) {
        Ok(text) => parse(path, &text, problems),
        Err(error) => {
            problems.push(format!(
                "the configuration file {} cannot be read: {error}; name another one with --config or \
                 CAMPANILE_CONFIG, or none",
                path.display()
            ));
            Vec::new()
        }
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut limited = File::open(path)?.take(LARGEST.saturating_add(1));
    if limited.read_to_string(&mut text)? as u64 > LARGEST {
        let reason = format!("it has more than {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}

fn parse(path: &Path, text: &str, problems: &mut Problems) -> Vec<Given> {
    let mut reader = Reader {
        path,
        text,
        given: Vec::new(),
        wrong: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => reader.read(table.get_ref(), ""),
        Err(error) => {
            // The parser's own words may have several lines.
            let reason = error.message().replace('\n', ", ");
            let span = error.span().unwrap_or_default();
            reader.complain(span, &format!("not valid TOML: {reason}"));
        }
    }
    let Reader {
        given, mut wrong, ..
    } = reader;
    // People read from top to bottom, and the parser's tables are in the order of their names.
    wrong.sort();
    problems.extend(wrong.into_iter().map(|(_, problem)| problem));
    given
}

struct Reader<'r> {
    path: &'r Path,
    text: &'r str,
    given: Vec<Given>,
    /// What is wrong, each with the byte at which it is.
    wrong: Vec<(usize, String)>,
}

impl Reader<'_> {
    /// Reads the file's own keys, or those of a section: there are no sections in a section.
    fn read(&mut self, table: &DeTable<'_>, section: &str) {
        for (key, value) in table {
            let name = key.get_ref();
            let full = if section.is_empty() {
                name.to_string()
            } else {
                format!("{section}.{name}")
            };
            let is_section = section.is_empty()
                && SECTIONS
                    .iter()
                    .any(|(known, ..)| !known.is_empty() && known == name);
            if let Some(at) = SETTINGS.iter().position(|setting| setting.key == full) {
                self.set(at, value);
            } else if is_section {
                match value.get_ref().as_table() {
                    Some(table) => self.read(table, &full),
                    None => self.complain(
                        value.span(),
                        &format!("`{full}` is a section; write its settings below [{full}]"),
                    ),
                }
            } else {
                let keys = SETTINGS.iter().map(|setting| setting.key);
                let sections = SECTIONS.iter().map(|(name, ..)| *name);
                let known = keys.chain(sections.filter(|name| !name.is_empty()));
                let hint = closest::hint(&full, known, "`");
                let shown = full.escape_debug();
                self.complain(key.span(), &format!("unknown key `{shown}`: {hint}"));
            }
        }
    }

    fn set(&mut self, at: usize, value: &Spanned<DeValue<'_>>) {
        let Some(setting) = SETTINGS.get(at) else {
            return;
        };
        let parsed = match value.get_ref() {
            DeValue::String(text) => setting.kind.parse(text).ok(),
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .and_then(|number| setting.kind.parse(&number.to_string()).ok()),
            DeValue::Array(items) => {
                let items = items.iter().map(|item| item.get_ref().as_str());
                let texts: Option<Vec<_>> = items.collect();
                texts.and_then(|texts| setting.kind.list(texts.into_iter()))
            }
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => {
                None
            }
        };
        match parsed {
            Some(value_of_kind) => {
                let (line, _) = self.place(value.span().start);
                let origin = Origin::File(self.path.to_owned(), line);
                self.given.push((at, value_of_kind, origin));
            }
            None => {
                let (wrong, place) = match wrong_item(setting.kind, value) {
                    Some(item) => (item, "an item of "),
                    None => (value, ""),
                };
                let shown = show(wrong, self.text);
                let reason = refuse(&format!("{place}`{}`", setting.key), &shown, setting);
                self.complain(wrong.span(), &reason);
            }
        }
    }

    fn complain(&mut self, span: Range<usize>, reason: &str) {
        let (line, column) = self.place(span.start);
        let problem = format!("{}:{line}:{column}: {reason}", self.path.display());
        self.wrong.push((span.start, problem));
    }

    /// The line and the column of a byte, both from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        (line, column.saturating_add(1))
    }
}

/// The first item of a list that may not be in it.
fn wrong_item<'v, 't>(
    kind: Kind,
    value: &'v Spanned<DeValue<'t>>,
) -> Option<&'v Spanned<DeValue<'t>>> {
    let is_list = matches!(kind, Kind::List(_));
    let items = value.get_ref().as_array().filter(|_| is_list)?;
    items.iter().find(|item| {
        let text = item.get_ref().as_str();
        text.is_none_or(|text| kind.list([text].into_iter()).is_none())
    })
}

/// A value as it stands in the file, or what it is where that is no single line.
fn show(value: &Spanned<DeValue<'_>>, text: &str) -> String {
    /// Longer ones are not shown.
    const SHOWN: usize = 80;
    match value.get_ref() {
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => match text.get(value.span()) {
            Some(raw) if raw.len() <= SHOWN && !raw.contains(char::is_control) => raw.to_owned(),
            _ => format!("a {} like that", value.get_ref().type_str()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Effective, Value};
    use proptest::prelude::*;

    fn read_text(text: &str) -> (Vec<Given>, Problems) {
        let mut problems = Problems::new();
        let given = parse(Path::new("c.toml"), text, &mut problems);
        (given, problems)
    }

    #[track_caller]
    fn assert_problems(text: &str, expected: &[&str]) {
        assert_eq!(read_text(text).1, expected, "{text}");
    }

    #[test]
    fn values_remember_their_lines() {
        let (given, problems) =
            read_text("shards = 2\r\n\n[limits] # é\nvalues = 0x1_0\nmessage_size = '1MiB'\n");
        assert_eq!(problems, Problems::new());
        let found: Vec<_> = given
            .into_iter()
            .map(|(at, value, origin)| (SETTINGS[at].key, value, origin.to_string()))
            .collect();
        // By their names.
        let expected = [
            (
                "limits.message_size",
                Value::Number(1 << 20),
                "c.toml:5".to_owned(),
            ),
            ("limits.values", Value::Number(16), "c.toml:4".to_owned()),
            ("shards", Value::Number(2), "c.toml:1".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn sections_may_be_written_in_any_form_of_toml() {
        for text in [
            "[limits]\nvalues = 3",
            "limits.values = 3",
            "limits = { values = 3 }",
            "\u{FEFF}\"limits\".'values' = \"3\"",
        ] {
            let (given, problems) = read_text(text);
            assert_eq!((given.len(), problems), (1, Problems::new()), "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_named_with_the_closest_known_one() {
        assert_problems(
            "[limits]\n  conections = 1\n[limts]\nvalues = 1\n[limits.values]\nx = 1\n",
            &[
                "c.toml:2:3: unknown key `limits.conections`: did you mean `limits.connections`?",
                "c.toml:3:2: unknown key `limts`: did you mean `limits`?",
                "c.toml:5:1: `limits.values` cannot be a table; allowed is a whole number from 0 to 4294967295",
            ],
        );
        assert_problems(
            "\"\\u001B[31m\" = 1\n",
            &[
                "c.toml:1:1: unknown key `\\u{1b}[31m`: `campanile check --defaults` lists all there are",
            ],
        );
        assert_problems(
            "limits = 3\n",
            &["c.toml:1:10: `limits` is a section; write its settings below [limits]"],
        );
    }

    #[test]
    fn wrong_values_are_shown_with_what_is_allowed() {
        assert_problems(
            "shards = -1\nlog.level = \"loud\"\nlimits.handshake_time = 1.5\nlimits.values = [\n1]\n",
            &[
                "c.toml:1:10: `shards` cannot be -1; allowed is a whole number from 0 to 1024",
                "c.toml:2:13: `log.level` cannot be \"loud\"; allowed is \"error\", \"warn\", \"info\" or \"debug\"",
                "c.toml:3:25: `limits.handshake_time` cannot be 1.5; allowed is a duration from 1ms to 1h, such \
                 as \"10s\"; a plain number is in seconds",
                "c.toml:4:17: `limits.values` cannot be an array; allowed is a whole number from 0 to 4294967295",
            ],
        );
    }

    #[test]
    fn the_item_of_a_list_that_is_wrong_is_named() {
        let (given, problems) = read_text("origins = []\nproxy.trusted = ['10.0.0.0/8', '::1']\n");
        assert_eq!((given.len(), problems), (2, Problems::new()));
        assert_problems(
            "admin.hosts = [\n  \"a.b\", 'a:1']\nproxy.trusted = [3]\n",
            &[
                "c.toml:2:10: an item of `admin.hosts` cannot be 'a:1'; allowed is a list of host names without a \
                 port, such as \"metrics.example.com\"",
                "c.toml:3:18: an item of `proxy.trusted` cannot be 3; allowed is a list of IP addresses and \
                 networks, such as \"10.0.0.0/8\" or \"::1\"; bits behind the prefix are zero",
            ],
        );
    }

    #[test]
    fn what_is_not_toml_is_refused_at_its_place() {
        for (text, place) in [
            ("shards = \n", "c.toml:1:10: not valid TOML: "),
            ("shards = 1\nshards = 2\n", "c.toml:2:1: not valid TOML: "),
            ("\n[limits\n", "c.toml:2:8: not valid TOML: "),
        ] {
            let (given, problems) = read_text(text);
            assert!(given.is_empty());
            assert_eq!(problems.len(), 1);
            assert!(problems[0].starts_with(place), "{problems:?}");
            assert_eq!(problems[0].lines().count(), 1);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([a-z_.]{1,12} ?= ?)?[\\PC\n]*") {
            let (given, _) = read_text(&text);
            let mut effective = Effective::default();
            effective.take(given);
            let _ = effective.configuration();
        }
    }
}
