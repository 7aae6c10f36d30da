//! Sending alone: `cargo run --release -p campanile-bench --bin send -- [--quick]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    campanile_bench::print("send", campanile_bench::send)
}
