//! Parsing alone: `cargo run --release -p campanile-bench --bin parse -- [--quick]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    campanile_bench::print("parse", campanile_bench::parse)
}
