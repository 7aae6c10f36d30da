//! The configuration as a whole, and its manual page.

use core::fmt::Write as _;
use std::fs;

use super::{table::SECTIONS, value::Kind, *};
use crate::page::assert_generated;

/// What `print` writes.
fn printed(print: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).expect("memory takes everything");
    let text = String::from_utf8(out).expect("it is text");
    // What a terminal is told, which `anstream` leaves out elsewhere.
    anstream::adapter::strip_str(&text).to_string()
}

/// What a file with this text is read as.
#[track_caller]
fn read(name: &str, text: &str) -> Effective {
    let path = std::env::temp_dir().join(format!("campanile-{}-{name}.toml", std::process::id()));
    fs::write(&path, text).expect("a temporary file");
    let mut problems = Problems::new();
    let mut effective = Effective::default();
    effective.take(file::read(&path, &mut problems));
    fs::remove_file(&path).expect("it is ours");
    assert_eq!(problems, Problems::new(), "{text}");
    effective
}

fn values(effective: &Effective) -> Vec<Value> {
    effective.iter().map(|(_, value, _)| value).collect()
}

#[test]
fn the_defaults_are_printed_as_a_file_that_says_all_of_them() {
    let text = printed(print_defaults);
    let effective = read("defaults", &text);
    assert_eq!(values(&effective), values(&Effective::default()));
    for (setting, _, origin) in effective.iter() {
        assert!(matches!(origin, Origin::File(..)), "{}", setting.key);
    }
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
}

#[test]
fn what_is_in_force_is_printed_as_a_file_that_says_the_same() {
    let mut effective = read(
        "other",
        "origins = [\"https://*.example.com\", \"null\"]\n[limits]\nvalues = 7\nmessage_size = 1000\n\
         [drain]\ngrace = \"90s\"\n[proxy]\ntrusted = \"10.0.0.0/8, ::1\"",
    );
    effective.take(vec![(
        0,
        Value::Address(([127, 0, 0, 1], 9).into()),
        Origin::Flag("listen"),
    )]);
    let text = printed(|out| print_effective(&effective, out));
    assert_eq!(values(&read("again", &text)), values(&effective), "{text}");
    assert!(text.starts_with("listen = \"127.0.0.1:9\" "), "{text}");
    assert!(
        text.lines().next().expect("a line").ends_with("# --listen"),
        "{text}"
    );
}

#[test]
fn a_reload_takes_what_can_change_and_tells_the_rest() {
    let mut effective = Effective::default();
    let wanted = read("wanted", "shards = 9\n[limits]\nvalues = 7\n");
    for _ in 0..2 {
        let changes = effective.adopt(wanted.clone());
        let restart: Vec<_> = changes
            .iter()
            .filter(|change| change.setting.applies == Applies::Restart)
            .map(|change| (change.setting.key, change.from.clone(), change.to.clone()))
            .collect();
        // However often it is said: it is not in force.
        assert_eq!(restart, [("shards", Value::Number(0), Value::Number(9))]);
        assert_eq!(effective.configuration().server.hub.message.values, 7);
        assert_eq!(effective.configuration().server.shards, 0);
    }
    let changes = effective.adopt(Effective::default());
    let changed: Vec<_> = changes.iter().map(|change| change.setting.key).collect();
    assert_eq!(changed, ["limits.values"]);
}

#[test]
fn the_manual_page_is_that_of_the_table() {
    let mut page = String::new();
    for (section, _, about) in SECTIONS {
        let name = match *section {
            "" => "Outside of sections".to_owned(),
            section => format!("`[{section}]`"),
        };
        writeln!(page, "\n## {name}\n\n{about}.\n").expect("text");
        page.push_str("| key | default | what it is | flag | reloaded |\n");
        page.push_str("| --- | --- | --- | --- | --- |\n");
        for setting in print::in_section(section) {
            let (_, key) = setting.parts();
            let default = setting.kind.toml(&setting.default_value());
            let flag = setting.flag;
            let applies = setting.applies.in_words();
            let allowed = match setting.kind {
                Kind::Choice(_, choices) => choices()
                    .iter()
                    .map(|choice| format!("`\"{}\"`: {}", choice.name, choice.help))
                    .collect::<Vec<_>>()
                    .join("; "),
                kind @ (Kind::Number(..)
                | Kind::Size(..)
                | Kind::Duration(..)
                | Kind::Address
                | Kind::OptionalAddress
                | Kind::OptionalFile
                | Kind::List(_)) => kind.allowed(),
            };
            let help = setting.help;
            writeln!(
                page,
                "| `{key}` | `{default}` | {help}. *Allowed:* {allowed}. | `--{flag}` | {applies} |"
            )
            .expect("text");
        }
    }
    assert_generated("configuration.md", &page);
}
