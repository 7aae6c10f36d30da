//! Opening handshakes alone: `cargo run --release -p campanile-bench --bin handshake -- [--quick]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    campanile_bench::print("handshake", campanile_bench::handshake)
}
