//! Do two connections agree on what was said, whatever their users, the link and the clock do?
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| campanile_fuzz::deflate(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    campanile_fuzz::replay_files(campanile_fuzz::deflate)
}
