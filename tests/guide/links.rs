//! That links within the repository lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use campanile_tests::tools;

use crate::{markdown, pages};

/// Pages beside those of the documentation.
const OTHERS: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "core/README.md",
    "examples/cortex-m/README.md",
];

/// Every relative link of every page leads to a file or folder, and with an anchor to a heading of a page.
pub(crate) fn check() {
    let mut pages = pages();
    pages.extend(OTHERS.iter().map(|page| (*page).to_owned()));
    let mut checked = 0;
    let mut broken = Vec::new();
    for page in pages {
        let file = tools::checkout().join(&page);
        for (line, target) in markdown::links(&read(&file)) {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue; // tests reach nobody outside
            }
            checked += 1;
            if let Err(why) = follow(&file, &target) {
                broken.push(format!("{page}:{line}: {target}: {why}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(checked > 100, "only {checked} links were found");
}

fn follow(page: &Path, target: &str) -> Result<(), &'static str> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = page.parent().unwrap_or(page);
    let file: PathBuf = if path.is_empty() {
        page.into()
    } else {
        folder.join(path)
    };
    if !file.exists() {
        return Err("there is no such file");
    }
    if !anchor.is_empty() && !markdown::anchors(&read(&file)).contains(anchor) {
        return Err("there is no such heading");
    }
    Ok(())
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a page of text")
}
