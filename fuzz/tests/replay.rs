//! Runs every target on its corpus and on pseudo-random inputs, without a fuzzer.

use std::{collections::BTreeSet, fs, panic, path::Path};

use campanile_fuzz::TARGETS;

/// Enough to reach most code of most targets, and done in seconds without optimisation.
const RANDOM_INPUTS: u64 = 3_000;

/// Seeds are read by people and kept for ever.
const LARGEST_SEED: usize = 1024;

#[test]
fn every_input_of_the_corpus_keeps_the_promise_of_its_target() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let mut count = 0;
        for entry in fs::read_dir(&folder).expect("every target has a corpus") {
            let path = entry.expect("the folder can be read").path();
            let data = fs::read(&path).expect("every seed can be read");
            assert!(
                data.len() <= LARGEST_SEED,
                "{} is too large",
                path.display()
            );
            if panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{name} fails on {}", path.display());
            }
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }
}

#[test]
fn pseudo_random_inputs_keep_the_promise_of_every_target() {
    for (name, target) in TARGETS {
        for seed in 0..RANDOM_INPUTS {
            let data = pseudo_random(seed);
            if panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{name} fails on seed {seed}: {}", data.escape_ascii());
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_every_folder_of_seeds_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let listed = |folder: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(folder).expect("the folder exists");
        let stems = entries.map(|entry| {
            let path = entry.expect("the folder can be read").path();
            let stem = path.file_stem().expect("every entry has a name");
            stem.to_string_lossy().into_owned()
        });
        stems.collect()
    };
    assert_eq!(listed("fuzz_targets"), names);
    assert_eq!(listed("corpus"), names);
}

/// Bytes that differ in length and, since most formats begin with choices, favour small values.
fn pseudo_random(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        // Xorshift: enough to vary, and the same everywhere.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [.., high] = state.to_le_bytes();
        high
    };
    let len = usize::from(next());
    let small = next();
    (0..len)
        .map(|_| if next() < small { next() % 8 } else { next() })
        .collect()
}
