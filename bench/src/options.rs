//! The command line that the benchmarks share.

use campanile_core::wire::Kind;

use crate::WHOLE;

/// How to call a benchmark.
pub const USAGE: &str = "\
    [--quick] [--kind text|binary] [--message BYTES] [--pieces whole|BYTES]\n    \
    [--workload NAME] [--subscriptions N] [--only CANDIDATE [--iterations N]]\n\
    --quick       few rounds and little traffic: whether it runs\n\
    --kind, --message, --pieces\n              \
    only the rows with these\n\
    --only        runs one candidate N times and measures nothing: for callgrind";

/// What is to be measured.
#[derive(Debug)]
pub struct Options {
    /// Few rounds and little traffic.
    pub quick: bool,
    /// Run just this candidate, and measure nothing.
    pub only: Option<String>,
    /// How often then.
    pub iterations: usize,
    kind: Option<String>,
    message: Option<usize>,
    pieces: Option<usize>,
    /// Only this workload of the matching.
    pub workload: Option<String>,
    /// Only this many subscriptions.
    pub subscriptions: Option<usize>,
}

impl Options {
    /// Everything is to be measured.
    pub(crate) const fn all(quick: bool) -> Self {
        Self {
            quick,
            only: None,
            iterations: 1,
            kind: None,
            message: None,
            pieces: None,
            workload: None,
            subscriptions: None,
        }
    }

    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::all(false);
        while let Some(name) = arguments.next() {
            if name == "--quick" {
                options.quick = true;
                continue;
            }
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--only" => options.only = Some(value()?),
                "--iterations" => options.iterations = number(&value()?)?,
                "--kind" => options.kind = Some(value()?),
                "--message" => options.message = Some(number(&value()?)?),
                "--workload" => options.workload = Some(value()?),
                "--subscriptions" => options.subscriptions = Some(number(&value()?)?),
                "--pieces" => {
                    let value = value()?;
                    options.pieces = Some(match value.as_str() {
                        "whole" => WHOLE,
                        bytes => number(bytes)?,
                    });
                }
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(options)
    }

    /// Whether a row with these is wanted; `None` where a row has no such thing.
    #[must_use]
    pub fn wants(&self, kind: &str, message: usize, pieces: Option<usize>) -> bool {
        self.kind.as_ref().is_none_or(|wanted| wanted == kind)
            && self.message.is_none_or(|wanted| wanted == message)
            && (pieces.is_none() || self.pieces.is_none_or(|wanted| Some(wanted) == pieces))
    }

    /// How often each candidate takes its turn.
    #[must_use]
    pub const fn rounds(&self) -> usize {
        if self.quick { 5 } else { 61 }
    }

    /// How many messages of this length are enough to time, and few enough to wait for. Setting a
    /// connection up is part of the time, and must be a small part.
    #[must_use]
    pub fn messages(&self, len: usize) -> usize {
        let (bytes, least) = if self.quick {
            (256 << 10, 16)
        } else {
            (4 << 20, 32)
        };
        (bytes / len).max(least)
    }
}

fn number(digits: &str) -> Result<usize, String> {
    let number = digits.parse();
    number.map_err(|_| format!("{digits} is not a number that fits"))
}

/// As the command line and the tables have it.
pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Binary => "binary",
    }
}

/// A length to read: `250 B`, `16 KiB`, `1 MiB`.
pub(crate) fn bytes(len: usize) -> String {
    match len {
        0..0x400 => format!("{len} B"),
        0x400..0x10_0000 => format!("{} KiB", len >> 10),
        _ => format!("{} MiB", len >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_row_is_wanted_unless_something_else_was_asked_for() {
        let all = parse("--quick").unwrap();
        assert!(all.quick && all.wants("text", 16, Some(WHOLE)));
        let some = parse("--kind text --message 64 --pieces 1460").unwrap();
        assert!(some.wants("text", 64, Some(1460)) && some.wants("text", 64, None));
        assert!(!some.wants("binary", 64, Some(1460)));
        assert!(!some.wants("text", 16, Some(1460)));
        assert!(!some.wants("text", 64, Some(WHOLE)));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for line in ["--fast", "--only", "--iterations many", "--pieces 1e3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
