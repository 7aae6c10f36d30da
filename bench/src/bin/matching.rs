//! The matching: `cargo run --release -p campanile-bench --bin matching -- [--quick]`.

use std::{alloc::System, process::ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what the candidates allocate. The other benchmarks do without, whose peers would pay for
/// it.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    campanile_bench::run_matching()
}
