//! The last lines of the log, kept for the status page.
//!
//! The thread that writes the log keeps them: whoever causes an event does not wait for that.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::events;

/// How many lines are kept: some screens full, and more than a person reads between two looks.
const LINES: usize = 256;

/// How much of a line is kept, in bytes. Few are longer than 200; with so many lines it is a quarter of a
/// megabyte at most.
const LINE: usize = 1024;

/// The last lines.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// How many there were before the first one that is kept.
    before: u64,
    kept: VecDeque<Box<[u8]>>,
}

/// An event, as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Counted from 1 on.
    pub(crate) number: u64,
    pub(crate) time: String,
    /// A level's name, or nothing where it is not known.
    pub(crate) level: String,
    /// The event's name, or nothing where it is not known.
    pub(crate) event: String,
    /// The fields, each as `name=value`.
    pub(crate) fields: String,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: &[u8]) {
        let line = line.trim_ascii_end();
        let line = line.get(..line.len().min(LINE)).unwrap_or_default();
        let mut lines = self.lock();
        if lines.kept.len() >= LINES {
            lines.kept.pop_front();
            lines.before = lines.before.saturating_add(1);
        }
        lines.kept.push_back(line.into());
    }

    /// The events behind that of this `number`, as far as they are kept, the oldest first.
    pub(crate) fn after(&self, number: u64) -> Vec<Told> {
        let lines = self.lock();
        let first = lines.before.saturating_add(1);
        let known = usize::try_from(number.saturating_sub(lines.before)).unwrap_or(usize::MAX);
        let lines: Vec<_> = (first..)
            .zip(&lines.kept)
            .skip(known)
            .map(|(number, line)| (number, line.clone()))
            .collect();
        // The log's thread does not wait for what follows.
        let told = lines.iter().map(|(number, line)| told(*number, line));
        told.collect()
    }
}

/// Passes lines on, and keeps them.
pub(super) struct Keeping<W> {
    pub(super) recent: std::sync::Arc<Recent>,
    pub(super) out: W,
}

impl<W: Write> Write for Keeping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Each line comes in one piece.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.recent.note(line);
        self.out.write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What a line says, in whichever [form](super::form) it is.
fn told(number: u64, line: &[u8]) -> Told {
    let text = String::from_utf8_lossy(line);
    if let Ok(Value::Object(mut members)) = serde_json::from_slice(line) {
        let mut take = |name: &str| members.remove(name).as_ref().map(plain).unwrap_or_default();
        let (time, level, event) = (take("time"), take("level"), take("event"));
        let fields = members
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)));
        return Told {
            number,
            time,
            level,
            event,
            fields: fields.collect::<Vec<_>>().join(" "),
        };
    }
    // Text, coloured where the log goes to a terminal; or JSON that was cut.
    let text = anstream::adapter::strip_str(&text).to_string();
    let (time, rest) = text.split_once(' ').unwrap_or(("", &text));
    let (level, rest) = rest.trim_start().split_once(' ').unwrap_or(("", rest));
    let names = events::EVENTS.iter().map(|event| event.name);
    let longest = names
        .filter(|name| {
            let behind = rest.strip_prefix(*name);
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(' '))
        })
        .max_by_key(|name| name.len());
    match longest {
        Some(event) => Told {
            number,
            time: time.to_owned(),
            level: level.to_ascii_lowercase(),
            event: event.to_owned(),
            fields: rest
                .get(event.len()..)
                .unwrap_or_default()
                .trim()
                .to_owned(),
        },
        None => Told {
            number,
            time: String::new(),
            level: String::new(),
            event: String::new(),
            fields: text,
        },
    }
}

/// A text without its quotes, and everything else as JSON has it.
fn plain(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_from_text_from_colours_and_from_json() {
        let expected = Told {
            number: 1,
            time: "2026-01-02T03:04:05.6Z".to_owned(),
            level: "warn".to_owned(),
            event: "connection declined".to_owned(),
            fields: "peer=127.0.0.1:1 reason=full".to_owned(),
        };
        for line in [
            "2026-01-02T03:04:05.6Z  WARN connection declined peer=127.0.0.1:1 reason=full\n",
            "\u{1b}[2m2026-01-02T03:04:05.6Z\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m connection declined \
             \u{1b}[3mpeer\u{1b}[0m\u{1b}[2m=\u{1b}[0m127.0.0.1:1 reason=full\n",
            r#"{"time":"2026-01-02T03:04:05.6Z","level":"warn","event":"connection declined","peer":"127.0.0.1:1","reason":"full"}"#,
        ] {
            let recent = Recent::default();
            recent.note(line.as_bytes());
            assert_eq!(recent.after(0), std::slice::from_ref(&expected), "{line}");
        }
    }

    #[test]
    fn a_flood_of_long_lines_takes_no_more_than_there_is_room_for() {
        let recent = Recent::default();
        let long = "x".repeat(10 * LINE);
        for _ in 0..10 * LINES {
            recent.note(long.as_bytes());
        }
        let lines = recent.lock();
        let bytes: usize = lines.kept.iter().map(|line| line.len()).sum();
        assert_eq!((lines.kept.len(), bytes), (LINES, LINES * LINE));
        assert!(lines.kept.capacity() <= 2 * LINES);
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let recent = Recent::default();
        for number in 1..=LINES + 10 {
            recent.note(format!("line {number}").as_bytes());
        }
        let numbers = |after| -> Vec<u64> {
            let told = recent.after(after);
            told.iter().map(|told| told.number).collect()
        };
        let all = numbers(0);
        assert_eq!((all.first(), all.len()), (Some(&11), LINES));
        let last = LINES as u64 + 10;
        assert_eq!(numbers(last - 2), [last - 1, last]);
        assert_eq!(numbers(last), [0; 0]);
        assert_eq!(numbers(u64::MAX), [0; 0]);
        assert_eq!(recent.after(last - 1)[0].fields, format!("line {last}"));
    }
}
