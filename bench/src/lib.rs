//! Side-by-side benchmarks of Campanile and its peers.
//!
//! Candidates are run in turns within one process, so that whatever else the machine does hits all
//! of them alike, and the median over the rounds is what counts. Before anything is timed, all
//! candidates must have given the same answers.

use std::{env, process::ExitCode};

mod handshake;
mod harness;
mod matching;
mod options;
mod parse;
mod receive;
mod report;
mod send;
mod table;
mod traffic;
mod transport;

pub use handshake::handshake;
pub use matching::{check_matching, run_matching};
pub use options::{Options, USAGE};
pub use parse::parse;
pub use receive::receive;
pub use report::{Part, report, write};
pub use send::send;
pub use table::{Cell, Column, Row, Side, Table, Verdict};
use traffic::mask_into;
pub use traffic::{Checksum, Lengths, Sink, Traffic};
pub use transport::{Pieces, WHOLE};

/// The whole of a program that prints one benchmark's tables.
#[must_use]
pub fn print(
    name: &str,
    benchmark: impl FnOnce(&Options) -> Result<Vec<Table>, String>,
) -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{name}: {why}\nusage: {name} {USAGE}");
            return ExitCode::from(2);
        }
    };
    let tables = match benchmark(&options) {
        Ok(tables) => tables,
        Err(why) => {
            eprintln!("{name}: {why}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(only) = &options.only
        && tables.iter().all(|table| table.column(only).is_none())
    {
        eprintln!("{name}: there is no candidate {only}; the tables' columns are their names");
        return ExitCode::from(2);
    }
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        println!("{}{}", table.markdown(), table.throughput());
    }
    ExitCode::SUCCESS
}
