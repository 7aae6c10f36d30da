//! Does a grant cover a subscription exactly when no notification meets the one and not the other?
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| campanile_fuzz::covers(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    campanile_fuzz::replay_files(campanile_fuzz::covers)
}
