//! Is what a proxy says of its client read as the standard library would, whatever comes in pieces?
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| campanile_fuzz::proxy(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    campanile_fuzz::replay_files(campanile_fuzz::proxy)
}
