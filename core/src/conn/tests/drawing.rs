//! The drawings of a connection's life are those of its table of transitions.
//!
//! After a change of the table, `CAMPANILE_DRAW=1 cargo test -p campanile-core drawings` draws them
//! anew.

use std::{env, format, fs, path::Path};

use super::*;
use crate::conn::state::{Duty, Signal, TRANSITIONS};

const fn signal_in_words(signal: Signal) -> &'static str {
    match signal {
        Signal::LocalClose => "we close",
        Signal::PeerClose => "the peer closes",
        Signal::Violation => "the peer breaks a rule",
        Signal::Eof => "the bytes end",
        Signal::Overdue => "the peer is overdue",
    }
}

const fn duty_in_words(duty: Duty) -> &'static str {
    match duty {
        Duty::Nothing => "nothing",
        Duty::Await => "send a Close, wait for the peer's",
        Duty::CloseAndShutDown => "send a Close, shut our direction down (*)",
        Duty::ShutDown => "shut our direction down (*)",
        Duty::Disconnect => "send what is queued, drop the transport",
        Duty::Abort => "drop the transport at once",
    }
}

/// The transitions that change or demand something.
fn moves() -> impl Iterator<Item = (State, &'static str, State, &'static str)> {
    let moves = TRANSITIONS
        .iter()
        .filter(|(from, _, to, duty)| from != to || *duty != Duty::Nothing);
    moves.map(|&(from, signal, to, duty)| (from, signal_in_words(signal), to, duty_in_words(duty)))
}

/// For the documentation of `State`.
fn table() -> String {
    let mut drawing = String::from("```text\n");
    let mut row = |from: &str, signal: &str, to: &str, duty: &str| {
        let line = format!("{from:<9} {signal:<23} {to:<9} {duty}");
        drawing.push_str(line.trim_end());
        drawing.push('\n');
    };
    row("state", "when", "next", "what we do");
    for (from, signal, to, duty) in moves() {
        row(&format!("{from:?}"), signal, &format!("{to:?}"), duty);
    }
    drawing.push_str("```\n");
    drawing
}

/// For the folder of documents.
fn diagram() -> String {
    let mut drawing = String::from("```mermaid\nstateDiagram-v2\n    [*] --> Open\n");
    for (from, signal, to, duty) in moves() {
        drawing.push_str(&format!("    {from:?} --> {to:?}: {signal} / {duty}\n"));
    }
    drawing.push_str("    Closed --> [*]\n```\n");
    drawing
}

#[test]
fn the_drawings_are_those_of_the_table_of_transitions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, drawing) in [
        ("core/src/conn/state.md", table()),
        ("docs/state-machine.md", diagram()),
    ] {
        let path = root.join(path);
        let text = fs::read_to_string(&path).expect("a file with a drawing");
        let start = text.find("```").expect("a drawing");
        let end = text.rfind("```\n").expect("the end of a drawing") + "```\n".len();
        if text[start..end] == drawing {
            continue;
        }
        if env::var_os("CAMPANILE_DRAW").is_some() {
            let text = [&text[..start], &drawing, &text[end..]].concat();
            fs::write(&path, text).expect("a drawing can be written");
        } else {
            panic!("{} should have\n{drawing}", path.display());
        }
    }
}
