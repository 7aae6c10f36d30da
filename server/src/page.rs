//! Pages of `docs/` that are made from tables in the code, in part.

use std::{env, fs, path::Path};

/// What a generated part begins behind; it goes on to the end of its page.
const BEGINNING: &str = "<!-- From here on it is made from the code; CONTRIBUTING says how. -->\n";

/// That the generated part of a page in `docs/` is `text`. With `CAMPANILE_DRAW=1` in the environment,
/// it is made so.
#[track_caller]
pub(crate) fn assert_generated(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let whole = fs::read_to_string(&path).expect("a page");
    let (before, generated) = whole.split_once(BEGINNING).expect("a generated part");
    if generated == text {
        return;
    }
    assert!(
        env::var_os("CAMPANILE_DRAW").is_some(),
        "docs/{page} is not what the code says; CAMPANILE_DRAW=1 cargo test -p campanile mends it. It \
         should go on with\n{text}"
    );
    fs::write(&path, [before, BEGINNING, text].concat()).expect("a page can be written");
}
