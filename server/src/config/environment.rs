//! The environment variables.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use crate::{auth::SECRET, client::TOKEN};

use super::{Given, Origin, Problems, SETTINGS, Setting, closest, refuse, table::PREFIX};

/// The variable that names the configuration file.
pub(crate) const FILE: &str = "CAMPANILE_CONFIG";

/// Those that are ours by their names, and are not empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    pub(super) file: Option<PathBuf>,
    others: Vec<(String, OsString)>,
}

impl Variables {
    pub(super) fn of_process() -> Self {
        Self::from(env::vars_os())
    }

    fn from(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut own = Self::default();
        for (name, value) in variables {
            // A name of ours is in ASCII; `${X}` of a variable that is not there is empty.
            let Some(name) = name.to_str().filter(|_| !value.is_empty()) else {
                continue;
            };
            if name == FILE {
                own.file = Some(value.into());
            } else if name.starts_with(PREFIX) && !is_foreign(name) && !is_secret(name) {
                own.others.push((name.to_owned(), value));
            }
        }
        own.others.sort();
        own
    }

    pub(super) fn values(&self, problems: &mut Problems) -> Vec<Given> {
        let names: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        let mut given = Vec::new();
        for (name, value) in &self.others {
            let known = names.iter().position(|own| own == name);
            let Some((at, setting)) = known.and_then(|at| Some((at, SETTINGS.get(at)?))) else {
                let names = names.iter().map(String::as_str).chain([FILE]);
                problems.push(format!(
                    "unknown environment variable {name}: {}",
                    closest::hint(name, names, "")
                ));
                continue;
            };
            match parse(setting, value) {
                Some(value) => given.push((at, value, Origin::Variable(name.clone()))),
                None => problems.push(refuse(
                    &format!("the environment variable {name}"),
                    &format!("{value:?}"),
                    setting,
                )),
            }
        }
        given
    }
}

fn parse(setting: &Setting, value: &OsStr) -> Option<super::Value> {
    setting.kind.parse(value.to_str()?).ok()
}

/// Whether a variable is no setting, but a secret, which whoever needs it reads itself.
fn is_secret(name: &str) -> bool {
    [SECRET, TOKEN].contains(&name)
}

/// Whether a variable is one that Kubernetes makes for a service of our name, whatever it serves.
pub(super) fn is_foreign(name: &str) -> bool {
    ["CAMPANILE_SERVICE_", "CAMPANILE_PORT"]
        .into_iter()
        .any(|own| name.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> (Vec<Given>, Problems) {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let mut problems = Problems::new();
        let given = Variables::from(variables).values(&mut problems);
        (given, problems)
    }

    #[test]
    fn variables_set_what_they_name_and_empty_ones_nothing() {
        let (given, problems) = load(&[
            ("CAMPANILE_SHARDS", "3"),
            ("CAMPANILE_LOG_LEVEL", ""),
            ("HOME", "/"),
            ("CAMPANILE", "x"),
        ]);
        assert_eq!(problems, Problems::new());
        let at = SETTINGS
            .iter()
            .position(|s| s.key == "shards")
            .expect("it is there");
        let origin = Origin::Variable("CAMPANILE_SHARDS".to_owned());
        assert_eq!(given, [(at, super::super::Value::Number(3), origin)]);
    }

    #[test]
    fn unknown_ones_are_named_unless_kubernetes_makes_them() {
        let (_, problems) = load(&[
            ("CAMPANILE_LIMITS_CONECTIONS", "3"),
            ("CAMPANILE_ZZZ", "3"),
            ("CAMPANILE_SERVICE_HOST", "10.0.0.1"),
            ("CAMPANILE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ]);
        assert_eq!(
            problems,
            [
                "unknown environment variable CAMPANILE_LIMITS_CONECTIONS: did you mean \
                 CAMPANILE_LIMITS_CONNECTIONS?",
                "unknown environment variable CAMPANILE_ZZZ: `campanile check --defaults` lists all there are",
            ]
        );
    }
}
