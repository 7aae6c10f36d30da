//! The same bytes through Campanile and through other implementations of RFC 6455.
//!
//! [`streams`] has the bytes: the vectors of the core, and streams that are made up from a seed.
//! [`ours`] says what the core hears of one. `tests/tungstenite.rs` compares that with tungstenite;
//! the program `verdicts` prints it for `compare_wsproto.py`. What may differ, and why, is in
//! `docs/differences.md`; both hold that document against what they see.

mod made;
mod outcome;
// What is behind a vector's arrow is for the core's own tests.
#[allow(dead_code)]
#[path = "../../../core/src/conn/tests/vectors/script.rs"]
mod script;
mod stream;

pub use outcome::{End, Heard, Ours, Outcome, ours};
pub use stream::{Stream, streams};

/// The document of the differences.
pub const DOCUMENT: &str = include_str!("../../../docs/differences.md");

/// The names of the classes in the document's table about this implementation, in order.
///
/// # Panics
/// If the document has no such section.
#[must_use]
pub fn documented(implementation: &str) -> Vec<&'static str> {
    let title = format!("\n## {implementation}");
    let (_, section) = DOCUMENT.split_once(&title).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let name = |line: &'static str| line.strip_prefix("| `")?.split('`').next();
    section.lines().filter_map(name).collect()
}
