//! Messages about few things that are written in many ways, so that they often meet.

use crate::script::Script;

/// `"a"`, `"b"` and `"é"`, with and without escapes.
const KEYS: [&str; 6] = [
    r#""a""#,
    r#""b""#,
    r#""\u0061""#,
    r#""é""#,
    r#""\u00e9""#,
    r#""""#,
];

const SCALARS: [&str; 32] = [
    "2",
    "2.0",
    "2e0",
    "20e-1",
    "0.2E+1",
    r#""2""#,
    r#""\u0032""#,
    r#""2.0""#,
    "85.5",
    "85.50",
    r#""85.5""#,
    r#""85.50""#,
    "-0",
    "0e9",
    r#""0""#,
    r#""-0""#,
    "9007199254740992",
    "9007199254740993",
    r#""9007199254740993""#,
    "-1e-3",
    r#""-0.001""#,
    "true",
    r#""true""#,
    "false",
    r#""false""#,
    "null",
    r#""null""#,
    r#""""#,
    r#""é""#,
    r#""\u00E9""#,
    r#""\ud83d\ude00""#,
    r#""😀""#,
];

/// A client's message with at most three subscriptions.
pub(crate) fn subscribing(script: &mut Script<'_>) -> String {
    let list: Vec<_> = (0..script.below(4)).map(|_| target(script)).collect();
    format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        list.join(",")
    )
}

/// A publisher's message.
pub(crate) fn publishing(script: &mut Script<'_>) -> String {
    format!(r#"{{"sender":"server","notification":{}}}"#, target(script))
}

/// A grant.
pub(crate) fn grant(script: &mut Script<'_>) -> String {
    let package = script.one_of(&[r#""p""#, r#""*""#, r#""\u002a""#, r#""q""#]);
    of_package(package, script)
}

/// A subscription or notification.
fn target(script: &mut Script<'_>) -> String {
    let package = script.one_of(&[r#""p""#, r#""p""#, r#""p""#, r#""\u0070""#, r#""q""#]);
    of_package(package, script)
}

fn of_package(package: &str, script: &mut Script<'_>) -> String {
    let filters = match script.below(8) {
        0 => String::new(),
        1 => r#","filters":null"#.to_owned(),
        2 => r#","filters":[]"#.to_owned(),
        3 => r#","filters":{}"#.to_owned(),
        _ => format!(r#","filters":{{"values":{}}}"#, values(script)),
    };
    format!(r#"{{"package":{package},"page":"x"{filters}}}"#)
}

fn values(script: &mut Script<'_>) -> String {
    match script.below(4) {
        0 => scalar_or_list(script),
        _ => {
            let members: Vec<_> = (0..script.below(4))
                .map(|_| format!("{}:{}", script.one_of(&KEYS), scalar_or_list(script)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn scalar_or_list(script: &mut Script<'_>) -> String {
    match script.below(4) {
        0 => {
            let list: Vec<_> = (0..script.below(4)).map(|_| scalar(script)).collect();
            format!("[{}]", list.join(" , "))
        }
        1 => "true".to_owned(),
        _ => scalar(script),
    }
}

fn scalar(script: &mut Script<'_>) -> String {
    match script.below(4) {
        0 => number(script),
        _ => script.one_of(&SCALARS).to_owned(),
    }
}

/// A number like few others, or the string of one.
fn number(script: &mut Script<'_>) -> String {
    let shape = script.byte();
    let part = |script: &mut Script<'_>| u32::from(script.byte()) % 101 * 10;
    let mut text = part(script).to_string();
    if shape & 1 != 0 {
        text.insert(0, '-');
    }
    if shape & 2 != 0 {
        text = format!("{text}.{:04}", part(script));
    }
    if shape & 4 != 0 {
        let sign = script.one_of(&["", "+", "-"]);
        text = format!("{text}e{sign}{}", part(script));
    }
    if shape & 8 != 0 {
        text = format!(r#""{text}""#);
    }
    text
}

/// A client's message that is made to hurt: many subscriptions of many shapes, or long lists.
pub(crate) fn demanding(script: &mut Script<'_>) -> String {
    let (most, run) = script.one_of(&[(24, 1), (24, 2), (24, 1), (24, 2), (2, 300)]);
    let list: Vec<_> = (0..script.below(most + 1))
        .map(|_| filtered(&by_shape(script, run)))
        .collect();
    format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        list.join(",")
    )
}

/// A publisher's message with many keys, of which some meet those.
pub(crate) fn abundant(script: &mut Script<'_>) -> String {
    let run = script.one_of(&[1, 5]);
    let news = filtered(&by_shape(script, run));
    format!(r#"{{"sender":"server","notification":{news}}}"#)
}

fn filtered(values: &str) -> String {
    format!(r#"{{"package":"p","page":"x","filters":{{"values":{values}}}}}"#)
}

/// Which of eight keys there are is a byte; the values are few, but for a `run` of them for one key.
fn by_shape(script: &mut Script<'_>, run: u32) -> String {
    let (shape, seed) = (script.byte(), script.byte());
    let keys = (0..8_u8).filter(|key| shape >> key & 1 == 1);
    let members: Vec<_> = keys
        .map(|key| {
            let value = seed.rotate_left(key.into()) & 3;
            let value = match (seed & 0x30, key) {
                (0x10, 0) => "true".to_owned(),
                (0x20, _) => format!("[{value},{}]", seed & 1),
                (_, 0) if run > 1 => run_of_numbers(seed, run),
                _ => value.to_string(),
            };
            format!(r#""k{key}":{value}"#)
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Numbers that follow each other, in one of their forms.
fn run_of_numbers(seed: u8, count: u32) -> String {
    let first = u32::from(seed) * 4;
    let form = ["", ".0", "e0", "0e-1"][usize::from(seed & 3)];
    let numbers: Vec<_> = (first..first + count)
        .map(|number| format!("{number}{form}"))
        .collect();
    format!("[{}]", numbers.join(","))
}
