//! Are requests answered the same however their bytes are cut?
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| campanile_fuzz::http(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    campanile_fuzz::replay_files(campanile_fuzz::http)
}
