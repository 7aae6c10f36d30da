//! The command line's flags.

use std::path::PathBuf;

use clap::{
    Arg, ArgMatches, Args, Command, FromArgMatches,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _, ValueParser},
    error::Error,
    parser::ValueSource,
};

use super::{
    Given, Origin, SETTINGS, Setting,
    table::SECTIONS,
    value::{Kind, Value},
};

/// Those that were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(super) file: Option<PathBuf>,
    given: Vec<(usize, Value)>,
}

const FILE: &str = "config";

impl Flags {
    pub(super) fn values(&self) -> Vec<Given> {
        let given = self.given.iter().filter_map(|(at, value)| {
            let setting = SETTINGS.get(*at)?;
            Some((*at, value.clone(), Origin::Flag(setting.flag)))
        });
        given.collect()
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |setting: &Setting| {
            let is_given = matches.value_source(setting.key) == Some(ValueSource::CommandLine);
            matches.get_one(setting.key).cloned().filter(|_| is_given)
        };
        let settings = SETTINGS.iter().enumerate();
        Ok(Self {
            file: matches.get_one(FILE).cloned(),
            given: settings
                .filter_map(|(at, setting)| Some((at, given(setting)?)))
                .collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("A configuration file, in TOML; without it, $CAMPANILE_CONFIG names one, if any");
        command.arg(file).args(SETTINGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let (section, _) = setting.parts();
    let title = SECTIONS.iter().find(|(name, ..)| *name == section);
    let argument = Arg::new(setting.key)
        .long(setting.flag)
        .value_name(setting.kind.placeholder())
        .value_parser(parser(setting))
        .default_value(setting.kind.text(&setting.default_value()))
        .help(setting.help);
    match title {
        Some((name, title, _)) if !name.is_empty() => argument.help_heading(*title),
        _ => argument,
    }
}

fn parser(setting: &'static Setting) -> ValueParser {
    let Kind::Choice(_, choices) = setting.kind else {
        return ValueParser::from(|text: &str| {
            let parsed = setting.kind.parse(text);
            parsed.map_err(|allowed| format!("allowed is {allowed}"))
        });
    };
    let names = choices()
        .into_iter()
        .map(|choice| PossibleValue::new(choice.name).help(choice.help));
    PossibleValuesParser::new(names)
        .try_map(|name| setting.kind.parse(&name))
        .into()
}
