//! Configurations as text that can be read as a configuration again.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{
    Effective, Origin, SETTINGS, Setting,
    table::SECTIONS,
    value::{Kind, Value},
};

/// Of a line's length when it is filled with words.
const WIDTH: usize = 96;

/// What is beside the matter.
const ASIDE: Style = AnsiColor::BrightBlack.on_default();

/// Writes a file with every default and what it means.
///
/// # Errors
/// What `out` says.
pub(crate) fn print_defaults(out: &mut impl Write) -> io::Result<()> {
    comment(
        out,
        "Every setting of Campanile with its default. A line that is left out leaves the default as it \
         is. A setting's flag goes before its environment variable, and that before this file.",
    )?;
    for (section, _, about) in SECTIONS {
        writeln!(out)?;
        comment(out, &format!("{about}."))?;
        if !section.is_empty() {
            writeln!(out, "[{section}]")?;
        }
        for setting in in_section(section) {
            writeln!(out)?;
            explain(out, setting)?;
            let (_, key) = setting.parts();
            let value = setting.kind.toml(&setting.default_value());
            writeln!(out, "{key} = {value}")?;
        }
    }
    Ok(())
}

fn explain(out: &mut impl Write, setting: &Setting) -> io::Result<()> {
    comment(out, &format!("{}.", setting.help))?;
    match setting.kind {
        Kind::Choice(_, choices) => {
            for choice in choices() {
                comment(out, &format!("  \"{}\": {}", choice.name, choice.help))?;
            }
        }
        kind @ (Kind::Number(..)
        | Kind::Size(..)
        | Kind::Duration(..)
        | Kind::Address
        | Kind::OptionalAddress
        | Kind::OptionalFile
        | Kind::List(_)) => comment(out, &format!("Allowed: {}.", kind.allowed()))?,
    }
    let flag = setting.flag;
    let variable = setting.variable();
    let applies = setting.applies.in_words();
    comment(
        out,
        &format!("Flag: --{flag}. Environment: {variable}. Reloaded: {applies}."),
    )
}

/// Writes what is in force, and where each value comes from.
///
/// # Errors
/// What `out` says.
pub(crate) fn print_effective(effective: &Effective, out: &mut impl Write) -> io::Result<()> {
    let line = |setting: &Setting, value: &Value| {
        let (_, key) = setting.parts();
        format!("{key} = {}", setting.kind.toml(value))
    };
    let lines = effective
        .iter()
        .map(|(setting, value, _)| line(setting, &value));
    let width = lines.map(|line| line.len()).max().unwrap_or(0);
    for (section, ..) in SECTIONS {
        if !section.is_empty() {
            writeln!(out, "\n[{section}]")?;
        }
        for (setting, value, origin) in effective.iter() {
            if setting.parts().0 == *section {
                // What somebody has set is to be seen.
                let style = match origin {
                    Origin::Default => ASIDE,
                    Origin::File(..) | Origin::Variable(_) | Origin::Flag(_) => Style::new(),
                };
                // The name of a file may be anything.
                let origin = origin.to_string().replace(char::is_control, "\u{FFFD}");
                let line = line(setting, &value);
                writeln!(out, "{line:width$}  {style}# {origin}{style:#}")?;
            }
        }
    }
    Ok(())
}

pub(super) fn in_section(section: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.parts().0 == section)
}

/// Writes `text` as comments, the lines of which are not too long.
fn comment(out: &mut impl Write, text: &str) -> io::Result<()> {
    let indent = text.len().saturating_sub(text.trim_start().len());
    let mut line = format!("#{}", " ".repeat(indent));
    for word in text.split_whitespace() {
        if line.len().saturating_add(word.len()) >= WIDTH {
            writeln!(out, "{line}")?;
            line = format!("#{}", " ".repeat(indent.saturating_mul(2)));
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")
}
