//! Fuzz targets of the protocol core as ordinary functions.
//!
//! Each one takes any bytes and panics when the core breaks the promise that the target is about.
//! `cargo fuzz` runs them through the programs in `fuzz_targets/`, `cargo test` through
//! `tests/replay.rs`. The formats of the inputs are those of the functions' documentation; no
//! input is invalid, so that a fuzzer may change any byte.

mod buffered;
mod check;
mod covers;
mod deflate;
mod deflating_peers;
mod envelope;
mod handshake;
mod head;
mod http;
mod hub;
mod index;
mod inflate;
mod matching;
mod model;
mod number;
mod proxy;
mod receive_split;
mod script;
mod two_peers;
mod utf8;
mod wishes;

pub use covers::covers;
pub use deflate::deflate;
pub use deflating_peers::deflating_peers;
pub use envelope::envelope;
pub use handshake::handshake;
pub use head::head;
pub use http::http;
pub use hub::hub;
pub use index::index;
pub use inflate::inflate;
pub use matching::matching;
pub use proxy::proxy;
pub use receive_split::receive_split;
pub use two_peers::two_peers;
pub use utf8::utf8;

use std::{env, fs, process::ExitCode};

/// A target: panics if the core breaks its promise on these bytes.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its program and its corpus folder.
pub const TARGETS: [(&str, Target); 15] = [
    ("covers", covers),
    ("deflate", deflate),
    ("deflating_peers", deflating_peers),
    ("envelope", envelope),
    ("handshake", handshake),
    ("head", head),
    ("http", http),
    ("hub", hub),
    ("index", index),
    ("inflate", inflate),
    ("matching", matching),
    ("proxy", proxy),
    ("receive_split", receive_split),
    ("two_peers", two_peers),
    ("utf8", utf8),
];

/// The programs' `main` outside of a fuzzer: runs the files named as arguments through `target`,
/// and fails if there are none or one cannot be read.
#[must_use]
pub fn replay_files(target: Target) -> ExitCode {
    let mut paths = env::args_os().skip(1).peekable();
    if paths.peek().is_none() {
        eprintln!("No input to replay: name files as arguments, or run this with `cargo fuzz`.");
        return ExitCode::FAILURE;
    }
    for path in paths {
        match fs::read(&path) {
            Ok(data) => target(&data),
            Err(error) => {
                eprintln!("{} cannot be read: {error}.", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
