//! Receiving alone: `cargo run --release -p campanile-bench --bin receive -- [--quick]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    campanile_bench::print("receive", campanile_bench::receive)
}
