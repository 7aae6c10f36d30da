//! That the settings and metrics which pages name are there.

use std::collections::HashSet;

use crate::{markdown, pages, read};

/// What begins like a metric and is a package.
const PACKAGES: &[&str] = &["campanile_smol", "campanile_std", "campanile_core"];

/// Every setting named as `section.key`, and every metric, is on the page that is made from the code.
pub(crate) fn check() {
    let (sections, settings) = settings();
    let metrics: HashSet<_> = markdown::rows(&read("docs/metrics.md"))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let mut checked = 0;
    let mut unknown = Vec::new();
    for page in pages() {
        for (line, code) in markdown::code(&read(&page)) {
            let words = code.split(|character: char| {
                !character.is_ascii_lowercase() && !"./_".contains(character)
            });
            for word in words.filter(|word| !word.is_empty()) {
                let is_setting = word
                    .split_once('.')
                    .is_some_and(|(section, _)| sections.contains(section));
                let is_metric = word.starts_with("campanile_") && !PACKAGES.contains(&word);
                checked += usize::from(is_setting || is_metric);
                // Of a histogram, a page may name a part.
                let base = ["_count", "_sum", "_bucket"]
                    .iter()
                    .find_map(|part| word.strip_suffix(part));
                let is_known = if is_setting {
                    settings.contains(word)
                } else {
                    metrics.contains(base.unwrap_or(word))
                };
                if (is_setting || is_metric) && !is_known {
                    unknown.push(format!("{page}:{line}: {word}"));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "nobody knows\n{}", unknown.join("\n"));
    assert!(checked > 50, "only {checked} names were found");
}

/// The sections of the configuration, and its settings as `section.key`.
fn settings() -> (HashSet<String>, HashSet<String>) {
    let page = read("docs/configuration.md");
    let (mut sections, mut settings) = (HashSet::new(), HashSet::new());
    let parts = page.split("\n## `[").skip(1);
    for part in parts {
        let (section, table) = part.split_once("]`").expect("a heading of a section");
        sections.insert(section.to_owned());
        let keys = markdown::rows(table).into_iter();
        settings.extend(keys.map(|(key, _)| format!("{section}.{key}")));
    }
    (sections, settings)
}
