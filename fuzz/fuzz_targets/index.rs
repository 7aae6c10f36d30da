//! Does every way of finding the recipients, in memory of whatever size, name those of a naive model?
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| campanile_fuzz::index(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    campanile_fuzz::replay_files(campanile_fuzz::index)
}
