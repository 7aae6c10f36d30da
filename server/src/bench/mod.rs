//! `campanile bench`: a server under load, with every delivery checked.

mod arguments;
mod board;
mod client;
mod ledger;
mod message;
mod plan;
mod process;
mod progress;
mod publisher;
mod report;
mod run;
mod subscriber;
mod target;
mod transport;

use std::process::ExitCode;

pub(crate) use arguments::{BenchArguments, EXAMPLES};
pub(crate) use progress::Progress;

use crate::{WRONG, complain};

/// The results are on standard output, what is wrong on standard error, and the verdict is in the exit
/// code, which `campanile bench --help` lists.
pub(crate) fn run(arguments: &BenchArguments) -> ExitCode {
    crate::descriptors::raise_limit();
    match run::Run::prepare(arguments) {
        Ok(run) => run.execute(),
        Err(reason) => {
            complain(&reason);
            ExitCode::from(WRONG)
        }
    }
}
