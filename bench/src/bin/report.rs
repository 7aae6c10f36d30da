//! Runs the benchmarks of the protocol and writes the results into `docs/benchmarks.md`:
//! `cargo run --release -p campanile-bench`. With `--quick` it prints them instead.

use std::{env, process::ExitCode};

use campanile_bench::{Part, report, write};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("report: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let quick = match env::args().nth(1).as_deref() {
        None => false,
        Some("--quick") => true,
        Some(other) => return Err(format!("there is no option {other}, only --quick")),
    };
    if quick {
        println!("{}", report(quick)?);
        return Ok(());
    }
    write(Part::PROTOCOL, || report(quick))
}
