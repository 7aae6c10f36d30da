//! A naive reading of the protocol, sections 2 to 6 and 9, over `serde_json::Value`.

use campanile_core::notify::{ErrorCode, MAX_DEPTH};
use serde::Deserialize as _;
use serde_json::{Deserializer, Map, Value};

use crate::number::plain;

/// What a message is.
#[derive(Debug)]
pub(crate) enum Reading {
    NotJson,
    /// With every rule that it breaks; which of them is told is nobody's promise.
    Refused {
        codes: Vec<ErrorCode>,
        from_publisher: bool,
    },
    Ping,
    Client {
        subscriptions: Option<Vec<Target>>,
        token: Option<String>,
    },
    Publication(Target),
}

/// A subscription or a notification, as far as matching reads it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) package: String,
    pub(crate) page: String,
    pub(crate) values: Values,
}

/// The `values` of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    None,
    Unkeyed(Vec<Scalar>),
    /// Sorted by key, each key once.
    Keyed(Vec<(String, Vec<Scalar>)>),
}

/// A scalar by its value: a number is its plain text, since it equals the string of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text(String),
    True,
    False,
    Null,
    /// `true` where it accepts any value.
    Any,
}

/// Which side of a match a [`Target`] is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Subscription,
    Notification,
}

/// Reads a message without any limits on numbers of things. Nothing if `serde_json` is no judge of
/// it.
pub(crate) fn read(text: &[u8]) -> Option<Reading> {
    // With exact numbers, serde_json takes an object with this key for a number.
    if contains(text, b"$serde_json") {
        return None;
    }
    let (text, stand_in) = without_lone_surrogates(text)?;
    let reader = Reader { stand_in };
    let Some(message) = parse(&text).filter(|value| depth(value) <= MAX_DEPTH) else {
        return Some(Reading::NotJson);
    };
    let Value::Object(message) = message else {
        return Some(Reading::NotJson);
    };
    Some(reader.message(&message))
}

/// Section 4, row by row.
pub(crate) fn matches(subscription: &Target, notification: &Target) -> bool {
    if (&subscription.package, &subscription.page) != (&notification.package, &notification.page) {
        return false;
    }
    let constraints: Vec<(Option<&str>, &[Scalar])> = match &subscription.values {
        Values::None => return true,
        Values::Unkeyed(accepted) => vec![(None, accepted)],
        Values::Keyed(members) => members
            .iter()
            .map(|(key, accepted)| (Some(key.as_str()), accepted.as_slice()))
            .collect(),
    };
    match &notification.values {
        Values::None => false,
        Values::Unkeyed(values) => constraints
            .iter()
            .any(|(_, accepted)| accepts(accepted, values)),
        Values::Keyed(members) => constraints.iter().all(|(wanted, accepted)| {
            members.iter().any(|(key, values)| {
                wanted.is_none_or(|wanted| wanted == key) && accepts(accepted, values)
            })
        }),
    }
}

/// Section 7: what a subscription of the grant's form would match, where `*` names everything.
pub(crate) fn admits(grant: &Target, notification: &Target) -> bool {
    let named = |granted: &String, name: &String| {
        if granted == "*" {
            name.clone()
        } else {
            granted.clone()
        }
    };
    let form = Target {
        package: named(&grant.package, &notification.package),
        page: named(&grant.page, &notification.page),
        values: grant.values.clone(),
    };
    matches(&form, notification)
}

fn accepts(accepted: &[Scalar], values: &[Scalar]) -> bool {
    values.iter().any(|value| {
        accepted
            .iter()
            .any(|scalar| *scalar == Scalar::Any || scalar == value)
    })
}

fn parse(text: &[u8]) -> Option<Value> {
    let mut deserializer = Deserializer::from_slice(text);
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

fn depth(value: &Value) -> u32 {
    let inner = match value {
        Value::Object(members) => members.values().map(depth).max(),
        Value::Array(elements) => elements.iter().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + inner.unwrap_or(0)
}

/// Faults, collected on the way.
struct Reader {
    /// What stands for a lone surrogate, and is nowhere else in the message.
    stand_in: char,
}

impl Reader {
    fn message(&self, message: &Map<String, Value>) -> Reading {
        let member = |name| message.get(name);
        let sender = member("sender");
        let mut codes = Vec::new();
        let reading = match sender.and_then(Value::as_str) {
            Some("client") => {
                let subscriptions =
                    member("subscriptions").map(|list| self.subscriptions(list, &mut codes));
                let token = member("token")
                    .map(|token| self.text(Some(token), ErrorCode::InvalidMessage, &mut codes));
                if subscriptions.is_none() && token.is_none() {
                    codes.push(ErrorCode::InvalidMessage);
                }
                Reading::Client {
                    subscriptions,
                    token,
                }
            }
            Some("server") => {
                // Section 6: it is the server's to set.
                if member("position").is_some() {
                    codes.push(ErrorCode::InvalidMessage);
                }
                let notification = member("notification").unwrap_or(&Value::Null);
                if !notification.is_object() {
                    codes.push(ErrorCode::InvalidMessage);
                }
                Reading::Publication(self.target(notification, Side::Notification, &mut codes))
            }
            _ if sender.is_none() && member("type").is_some_and(|kind| kind == "ping") => {
                Reading::Ping
            }
            _ => {
                codes.push(ErrorCode::InvalidMessage);
                Reading::Ping
            }
        };
        if codes.is_empty() {
            reading
        } else {
            Reading::Refused {
                codes,
                from_publisher: sender.is_some_and(|sender| sender == "server"),
            }
        }
    }

    fn subscriptions(&self, list: &Value, codes: &mut Vec<ErrorCode>) -> Vec<Target> {
        let Some(list) = list.as_array() else {
            codes.push(ErrorCode::InvalidMessage);
            return Vec::new();
        };
        let targets = list.iter();
        targets
            .map(|target| self.target(target, Side::Subscription, codes))
            .collect()
    }

    fn target(&self, target: &Value, side: Side, codes: &mut Vec<ErrorCode>) -> Target {
        let code = match side {
            Side::Subscription => ErrorCode::InvalidSubscription,
            Side::Notification => ErrorCode::InvalidNotification,
        };
        let filters = match target.get("filters") {
            None | Some(Value::Null) => None,
            Some(Value::Array(list)) if list.is_empty() => None,
            Some(Value::Object(filters)) => filters.get("values"),
            Some(_) => {
                codes.push(code);
                None
            }
        };
        Target {
            package: self.text(target.get("package"), code, codes),
            page: self.text(target.get("page"), code, codes),
            values: self.values(filters, side, code, codes),
        }
    }

    fn values(
        &self,
        values: Option<&Value>,
        side: Side,
        code: ErrorCode,
        codes: &mut Vec<ErrorCode>,
    ) -> Values {
        match values {
            None | Some(Value::Null) => Values::None,
            Some(Value::Bool(true)) if side == Side::Subscription => Values::None,
            Some(Value::Array(list)) if list.is_empty() => Values::None,
            Some(Value::Object(members)) if members.is_empty() => Values::None,
            Some(Value::Object(members)) => {
                let members = members.iter().map(|(key, value)| {
                    if key.contains(self.stand_in) {
                        codes.push(code);
                    }
                    let scalars = if side == Side::Subscription && *value == true {
                        vec![Scalar::Any]
                    } else {
                        self.scalars(value, code, codes)
                    };
                    (key.clone(), scalars)
                });
                Values::Keyed(members.collect())
            }
            Some(value) => Values::Unkeyed(self.scalars(value, code, codes)),
        }
    }

    fn scalars(&self, value: &Value, code: ErrorCode, codes: &mut Vec<ErrorCode>) -> Vec<Scalar> {
        let alone = core::slice::from_ref(value);
        let list = value.as_array().map_or(alone, Vec::as_slice);
        let scalar = |value: &Value| match value {
            Value::Null => Some(Scalar::Null),
            Value::Bool(true) => Some(Scalar::True),
            Value::Bool(false) => Some(Scalar::False),
            Value::Number(number) => plain(&number.to_string()).map(Scalar::Text),
            Value::String(text) if text.contains(self.stand_in) => None,
            Value::String(text) => Some(Scalar::Text(text.clone())),
            Value::Array(_) | Value::Object(_) => None,
        };
        let scalars: Vec<_> = list.iter().filter_map(scalar).collect();
        if scalars.len() < list.len() {
            codes.push(code);
        }
        scalars
    }

    /// A string that is interpreted.
    fn text(&self, value: Option<&Value>, code: ErrorCode, codes: &mut Vec<ErrorCode>) -> String {
        match value.and_then(Value::as_str) {
            Some(text) if !text.contains(self.stand_in) => text.to_owned(),
            _ => {
                codes.push(code);
                String::new()
            }
        }
    }
}

/// The text with another escape in the place of each lone surrogate, which `serde_json` refuses even
/// where the text is not interpreted; and the character of that escape. Nothing if no character is
/// free for that.
fn without_lone_surrogates(text: &[u8]) -> Option<(Vec<u8>, char)> {
    let stand_in = ('\u{FDD0}'..='\u{FDEF}').find(|character| {
        let escape = format!("{:x}", u32::from(*character));
        let mut encoded = [0; 4];
        !contains(text, character.encode_utf8(&mut encoded).as_bytes())
            && !contains(&text.to_ascii_lowercase(), escape.as_bytes())
    })?;
    let escape = format!("\\u{:x}", u32::from(stand_in));
    let mut text = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        at += match (text[at], surrogate(&text, at)) {
            (b'\\', Some(0xD800..=0xDBFF))
                if matches!(surrogate(&text, at + 6), Some(0xDC00..=0xDFFF)) =>
            {
                12
            }
            (b'\\', Some(_)) => {
                text[at..at + 6].copy_from_slice(escape.as_bytes());
                6
            }
            (b'\\', None) => 2,
            _ => 1,
        };
    }
    Some((text, stand_in))
}

/// The surrogate whose escape is at `at`.
fn surrogate(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = core::str::from_utf8(digits).ok().filter(|_| is_hex)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
