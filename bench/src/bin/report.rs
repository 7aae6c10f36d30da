//! Runs every benchmark and writes the results into `docs/benchmarks.md`:
//! `cargo run --release -p campanile-bench`. With `--quick` it prints them instead.

use std::{env, fs, process::ExitCode};

use campanile_bench::{insert, report};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

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
    let read = || fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"));
    // Whether there is a place for them, before minutes of measuring.
    insert(&read()?, "")?;
    let page = insert(&read()?, &report(quick)?)?;
    fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))?;
    eprintln!("report: written to {PAGE}");
    Ok(())
}
