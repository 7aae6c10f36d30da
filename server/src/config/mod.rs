//! The configuration: from flags, environment variables and a file, in this order of precedence.
//!
//! [`SETTINGS`] has every setting. A value remembers where it comes from, and what is wrong names the
//! place, the reason and the remedy.

mod access;
mod closest;
mod compression;
mod environment;
mod file;
mod flags;
mod print;
mod runtime;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use core::fmt;
use std::{path::PathBuf, sync::Arc};

use campanile_core::{hub::Authority, server::Options};

pub(crate) use flags::Flags;
pub(crate) use print::{print_defaults, print_effective};
pub(crate) use runtime::Runtime;
pub(crate) use table::{Applies, Configuration, SETTINGS, Setting};
pub(crate) use value::{Choice, Named, Value};

use crate::auth::Keys;

/// Where values come from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    flags: Flags,
    variables: environment::Variables,
}

/// The value of every setting, by its place in [`SETTINGS`], and where each comes from.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    values: Vec<(Value, Origin)>,
    /// Of the files that they name.
    keys: Option<Arc<Keys>>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// A file, and the line in it.
    File(PathBuf, usize),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A setting that another value is wanted for.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) setting: &'static Setting,
    pub(crate) from: Value,
    pub(crate) to: Value,
}

/// A value that some source gives: the setting's place in the table, the value, and where it stands.
type Given = (usize, Value, Origin);

/// What is wrong, a line each.
pub(crate) type Problems = Vec<String>;

impl Sources {
    /// The command line's flags and this process's environment; the file is what these name.
    pub(crate) fn new(flags: Flags) -> Self {
        Self {
            flags,
            variables: environment::Variables::of_process(),
        }
    }

    /// The file that the command line names, or else the environment.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.flags.file.as_ref().or(self.variables.file.as_ref())
    }

    /// Reads everything, the file anew, and the keys that it names.
    ///
    /// # Errors
    /// All that is wrong, in the file first.
    pub(crate) fn load(&self) -> Result<Effective, Problems> {
        let mut problems = Problems::new();
        let mut effective = Effective::default();
        if let Some(path) = self.file() {
            effective.take(file::read(path, &mut problems));
        }
        effective.take(self.variables.values(&mut problems));
        effective.take(self.flags.values());
        if problems.is_empty() {
            let keys = Keys::load(&effective.configuration().auth, &mut problems);
            effective.keys = keys.map(Arc::new);
        }
        if problems.is_empty() {
            Ok(effective)
        } else {
            Err(problems)
        }
    }
}

impl Default for Effective {
    fn default() -> Self {
        let defaults = SETTINGS.iter().map(Setting::default_value);
        Self {
            values: defaults.map(|value| (value, Origin::Default)).collect(),
            keys: None,
        }
    }
}

impl Effective {
    /// Values that go before those that are there.
    fn take(&mut self, given: Vec<Given>) {
        for (at, value, origin) in given {
            if let Some(place) = self.values.get_mut(at) {
                *place = (value, origin);
            }
        }
    }

    /// Each setting with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Setting, Value, &Origin)> {
        let values = SETTINGS.iter().zip(&self.values);
        values.map(|(setting, (value, origin))| (setting, value.clone(), origin))
    }

    /// Takes what is wanted, but for settings that only change with a restart. Tells what differed.
    pub(crate) fn adopt(&mut self, wanted: Self) -> Vec<Change> {
        self.keys = wanted.keys;
        let mut changes = Vec::new();
        let places = SETTINGS.iter().zip(&mut self.values);
        for ((setting, own), wanted) in places.zip(wanted.values) {
            if own.0 != wanted.0 {
                changes.push(Change {
                    setting,
                    from: own.0.clone(),
                    to: wanted.0.clone(),
                });
            }
            if own.0 == wanted.0 || setting.applies != Applies::Restart {
                *own = wanted;
            }
        }
        changes
    }

    /// The keys of tokens, if there are any.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }

    /// Other keys are in force from now on, or the same ones with other things revoked.
    pub(crate) fn set_keys(&mut self, keys: Keys) {
        self.keys = Some(Arc::new(keys));
    }

    /// How to serve.
    pub(crate) fn options(&self) -> Options {
        let mut options = self.configuration().options();
        let keys = self.keys.clone();
        options.hub.authority = keys.map(|keys| keys as Arc<dyn Authority>);
        options
    }

    /// What the values come to.
    pub(crate) fn configuration(&self) -> Configuration {
        let mut all = Configuration::default();
        for (setting, value, _) in self.iter() {
            (setting.slot)(&mut all).set(value);
        }
        all
    }
}

/// How a value is refused, `place` being what to look at.
fn refuse(place: &str, value: &str, setting: &Setting) -> String {
    format!(
        "{place} cannot be {value}; allowed is {}",
        setting.kind.allowed()
    )
}
