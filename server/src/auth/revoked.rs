//! Subjects and tokens that count no longer.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
};

/// What is revoked.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    subjects: HashSet<String>,
    ids: HashSet<String>,
}

/// The largest list that is read, in bytes: half a million names. Tokens that have expired need not be in
/// it.
const LARGEST: u64 = 16 << 20;

impl Revoked {
    /// Reads lists, each line of which is `sub` or `jti` and the value of that claim; `#` begins a
    /// comment.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn load(files: &[String]) -> Result<Self, String> {
        let mut all = Self::default();
        for file in files {
            let mut text = String::new();
            let read = File::open(file).and_then(|file| {
                file.take(LARGEST.saturating_add(1))
                    .read_to_string(&mut text)
            });
            read.map_err(|error| {
                format!("the list of what is revoked, {file}, cannot be read: {error}; correct auth.revoked")
            })?;
            if text.len() as u64 > LARGEST {
                return Err(format!(
                    "the list of what is revoked, {file}, has more than {LARGEST} bytes; take out what \
                     has expired"
                ));
            }
            all.read(file, &text)?;
        }
        Ok(all)
    }

    fn read(&mut self, file: &str, text: &str) -> Result<(), String> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let set = match line.split_once(char::is_whitespace) {
                Some(("sub", value)) => Some((&mut self.subjects, value)),
                Some(("jti", value)) => Some((&mut self.ids, value)),
                _ => None,
            };
            let Some((set, value)) = set else {
                return Err(format!(
                    "{file}:{}: not a line of a list of what is revoked; write `sub` and a subject, or \
                     `jti` and the id of a token",
                    at.saturating_add(1)
                ));
            };
            set.insert(value.trim_start().to_owned());
        }
        Ok(())
    }

    pub(super) fn has(&self, subject: Option<&str>, id: Option<&str>) -> bool {
        subject.is_some_and(|subject| self.subjects.contains(subject))
            || id.is_some_and(|id| self.ids.contains(id))
    }
}

/// Tells whether files have changed, without reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<Option<(i64, i64, u64, u64)>>);

impl Stamps {
    /// Of these files now.
    pub(crate) fn of(files: &[String]) -> Self {
        let stamp = |file: &String| {
            let of = fs::metadata(file).ok()?;
            Some((of.mtime(), of.mtime_nsec(), of.size(), of.ino()))
        };
        Self(files.iter().map(stamp).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_subjects_and_ids_line_by_line() {
        let mut all = Revoked::default();
        let text = "# gone\n\nsub alice\n  jti  4f-2 \r\nsub bob and more\n";
        assert_eq!(all.read("r", text), Ok(()));
        assert!(all.has(Some("alice"), None));
        assert!(all.has(Some("x"), Some("4f-2")));
        assert!(all.has(Some("bob and more"), None));
        assert!(!all.has(Some("4f-2"), Some("alice")));
        assert!(!all.has(None, None));
    }

    #[test]
    fn what_is_no_line_of_a_list_is_refused_at_its_place() {
        for text in ["sub a\nalice\n", "\nsub\n", "#\nid x"] {
            let problem = Revoked::default().read("r", text).expect_err("it is wrong");
            assert!(problem.starts_with("r:2: "), "{problem}");
        }
    }
}
