//! The messages that are parsed: many of one length, no two alike.

use core::fmt::Write as _;

use fastrand::Rng;

/// What a set of messages is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Publications of this many bytes.
    Notification(usize),
    /// Clients' messages with this many subscriptions.
    Subscriptions(usize),
}

/// How many differ, so that a processor cannot learn the lengths of their strings by heart.
const DISTINCT: usize = 251;

const PACKAGES: [&str; 4] = ["amaiia_msg_srv", "plant", "maintenance", "shop.orders"];
const PAGES: [&str; 4] = ["messages", "alerts", "work-orders", "stock"];
const KEYS: [&str; 6] = [
    "channel",
    "severity",
    "alertType",
    "line",
    "oee",
    "assignee_id",
];
const LEVELS: [&str; 3] = ["low", "high", "critical"];
const WORDS: [&str; 12] = [
    "Nouveau",
    "message",
    "reçu",
    "de",
    "l’équipe",
    "à",
    "vérifier:",
    "pression",
    "trop",
    "élevée",
    "ligne",
    "n°",
];

/// The same messages whenever it is called.
pub(super) fn messages(kind: Kind) -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(250);
    (0..DISTINCT)
        .map(|_| match kind {
            Kind::Notification(len) => notification(&mut random, len),
            Kind::Subscriptions(count) => subscriptions(&mut random, count),
        })
        .map(String::into_bytes)
        .collect()
}

/// As in section 3 of the protocol, with what fits: one value, or some keys of values; `data`; and a
/// `message` that fills it up.
fn notification(random: &mut Rng, len: usize) -> String {
    const END: &str = "}}";
    let mut text = r#"{"sender":"server","notification":{"#.to_owned();
    if len < 200 {
        text += r#""package":"plant","page":"stock","filters":{"values":""#;
        let room = len - text.len() - r#""}"#.len() - END.len();
        text.extend((0..room).map(|_| random.digit(10)));
        text += r#""}"#;
        return text + END;
    }
    target(random, &mut text, 2);
    let data_len = len.saturating_sub(text.len() + 90);
    text += r#","data":"#;
    data(random, &mut text, data_len);
    text += r#","message":"Reçu "#;
    fill(random, &mut text, len - END.len() - 1);
    text + "\"" + END
}

/// A package, a page, and about this many keys with values.
fn target(random: &mut Rng, text: &mut String, keys: usize) {
    let (package, page) = (pick(random, PACKAGES), pick(random, PAGES));
    let _ = write!(text, r#""package":"{package}","page":"{page}","#);
    *text += r#""filters":{"values":{"#;
    let mut names = KEYS;
    random.shuffle(&mut names);
    for (i, name) in names.iter().take(keys).enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let number = random.u32(..1000);
        let _ = match random.u8(..4) {
            0 => write!(text, r#"{comma}"{name}":"{number}""#),
            1 => write!(text, r#"{comma}"{name}":["{}"]"#, pick(random, LEVELS)),
            2 => write!(text, r#"{comma}"{name}":{number}.5"#),
            _ => write!(text, r#"{comma}"{name}":{number}"#),
        };
    }
    *text += "}}";
}

/// An object for what is skipped: of two members, or of rows up to about this length.
fn data(random: &mut Rng, text: &mut String, len: usize) {
    let end = text.len() + len;
    let (id, channel) = (random.u32(10_000..), random.u8(..));
    let _ = write!(text, r#"{{"messageId":"{id}","channelId":"{channel}""#);
    if len > 400 {
        *text += r#","rows":["#;
        while text.len() + 200 < end {
            let comma = if text.ends_with('[') { "" } else { "," };
            let (id, value) = (random.u32(..), random.u16(..));
            let flag = random.bool();
            let _ = write!(
                text,
                r#"{comma}{{"id":{id},"value":{value}.25,"acknowledged":{flag},"by":null,"tags":["a","b\n"],"text":""#
            );
            let upto = text.len() + random.usize(20..100);
            fill(random, text, upto);
            *text += "\"}";
        }
        text.push(']');
    }
    text.push('}');
}

/// Words up to a length of exactly this many bytes.
fn fill(random: &mut Rng, text: &mut String, len: usize) {
    while text.len() < len {
        let word = pick(random, WORDS);
        if text.len() + word.len() < len {
            *text += word;
        }
        text.push(' ');
    }
}

fn subscriptions(random: &mut Rng, count: usize) -> String {
    let mut text = r#"{"sender":"client","subscriptions":["#.to_owned();
    for i in 0..count {
        text += if i == 0 { "{" } else { ",{" };
        target(random, &mut text, 1);
        text.push('}');
    }
    text + "]}"
}

fn pick<const N: usize>(random: &mut Rng, from: [&'static str; N]) -> &'static str {
    from[random.usize(..N)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn messages_have_the_length_asked_for_and_differ() {
        for len in [100, 250, 1 << 10, 16 << 10] {
            let messages = messages(Kind::Notification(len));
            assert!(messages.iter().all(|message| message.len() == len), "{len}");
            let distinct: HashSet<_> = messages.iter().collect();
            assert_eq!(distinct.len(), messages.len());
            if len > 200 {
                assert!(messages.iter().all(|message| !message.is_ascii()));
            }
        }
    }

    #[test]
    fn they_are_the_same_each_time() {
        let kind = Kind::Subscriptions(10);
        assert_eq!(messages(kind), messages(kind));
    }
}
