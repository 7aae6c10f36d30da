//! The client's side of a session: what a server says (the protocol, sections 3, 5 and 6).

use super::{
    json,
    limits::Limits,
    notification::Notification,
    raw::{Kind, RawString, Value},
    text::Text,
};

/// A message of a server, as a client reads it. Members that are not known are ignored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Heard<'a> {
    /// The answer to `{"type":"ping"}`.
    Pong,
    /// The answer to a subscription in a v1 session.
    Subscribed {
        /// How many subscriptions there are now.
        count: u64,
        /// The last notification before them.
        position: Text<'a>,
    },
    /// The answer to a token in a v1 session.
    Authorized {
        /// For how many seconds; nothing if the answer does not say.
        expires_in: Option<u64>,
    },
    /// The answer to a publication in a v1 session.
    Published {
        /// Where it is in the order of all.
        position: Text<'a>,
        /// How many connections it was queued for; 0 where the answer does not say.
        recipients: u64,
        /// Whether it had been published before, and was not handed out again.
        duplicate: bool,
    },
    /// The answer to a message that is not accepted, or why the session ends.
    Error {
        /// One of [`ErrorCode`](super::ErrorCode)'s names, or one of a later server.
        code: Text<'a>,
        /// For people.
        message: Option<Text<'a>>,
        /// The member at fault.
        path: Option<Text<'a>>,
    },
    /// A publisher's message.
    Notification(Delivered<'a>),
}

/// A notification as it was delivered.
#[derive(Clone, Copy, Debug)]
pub struct Delivered<'a> {
    position: Option<Text<'a>>,
    notification: Notification<'a>,
    data: Option<Value<'a>>,
    message: Option<Value<'a>>,
}

impl<'a> Delivered<'a> {
    /// Where it is in the order of all; nothing in a classic session.
    #[must_use]
    pub const fn position(&self) -> Option<Text<'a>> {
        self.position
    }

    /// Package, page and values.
    #[must_use]
    pub const fn notification(&self) -> Notification<'a> {
        self.notification
    }

    /// The notification's `data`, any JSON value, as its publisher wrote it.
    #[must_use]
    pub fn data(&self) -> Option<&'a [u8]> {
        self.data.map(Value::as_bytes)
    }

    /// The notification's `message`, if it is a text.
    #[must_use]
    pub fn message(&self) -> Option<Text<'a>> {
        self.message.and_then(text)
    }
}

/// Reads a server's message; nothing if it is no strict JSON, or none that the protocol knows.
///
/// A server is trusted with the size of its filters: how long this takes is quadratic in the number
/// of keys of a notification, and its length bounds them.
#[must_use]
pub fn hear(message: &[u8]) -> Option<Heard<'_>> {
    let mut members = Members::default();
    json::object(message, |name, value| members.record(name, value)).ok()?;
    members.interpret()
}

/// The raw top-level members that are interpreted, the last of each name.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Value<'a>>,
    position: Option<Value<'a>>,
    subscribed: Option<Value<'a>>,
    published: Option<Value<'a>>,
    authorized: Option<Value<'a>>,
    error: Option<Value<'a>>,
    notification: Option<Value<'a>>,
}

impl<'a> Members<'a> {
    fn record(&mut self, name: RawString<'a>, value: Value<'a>) {
        let member = if name.is("notification") {
            &mut self.notification
        } else if name.is(super::envelope::POSITION) {
            // The server's own is the first one.
            self.position.get_or_insert(value);
            return;
        } else if name.is("published") {
            &mut self.published
        } else if name.is("subscribed") {
            &mut self.subscribed
        } else if name.is("authorized") {
            &mut self.authorized
        } else if name.is("error") {
            &mut self.error
        } else if name.is("type") {
            &mut self.kind
        } else {
            return;
        };
        *member = Some(value);
    }

    fn interpret(&self) -> Option<Heard<'a>> {
        // First, as a publisher's other members travel along whatever their names.
        if let Some(notification) = self.notification {
            return self.delivered(notification).map(Heard::Notification);
        }
        if let Some(answer) = self.published {
            return Some(Heard::Published {
                position: text(member(answer, "position")?)?,
                recipients: member(answer, "recipients").and_then(whole).unwrap_or(0),
                duplicate: member(answer, "duplicate")
                    .is_some_and(|value| value.kind() == Kind::True),
            });
        }
        if let Some(answer) = self.authorized {
            return Some(Heard::Authorized {
                expires_in: member(answer, "expires_in").and_then(whole),
            });
        }
        if let Some(answer) = self.subscribed {
            return Some(Heard::Subscribed {
                count: whole(member(answer, "count")?)?,
                position: text(member(answer, "position")?)?,
            });
        }
        if let Some(error) = self.error {
            return Some(Heard::Error {
                code: text(member(error, "code")?)?,
                message: member(error, "message").and_then(text),
                path: member(error, "path").and_then(text),
            });
        }
        let is_pong = self.kind?.string()?.is("pong");
        is_pong.then_some(Heard::Pong)
    }

    fn delivered(&self, notification: Value<'a>) -> Option<Delivered<'a>> {
        if notification.kind() != Kind::Object {
            return None;
        }
        Some(Delivered {
            position: self.position.and_then(text),
            notification: Notification::parse_member(notification, &Limits::NONE).ok()?,
            data: member(notification, "data"),
            message: member(notification, "message"),
        })
    }
}

/// The last member of that name, if `object` is one.
fn member<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    let named = object.members().filter(|(found, _)| found.is(name));
    named.last().map(|(_, value)| value)
}

fn text(value: Value<'_>) -> Option<Text<'_>> {
    Text::new(value.string()?)
}

/// A number without sign, fraction and exponent.
fn whole(value: Value<'_>) -> Option<u64> {
    core::str::from_utf8(value.as_bytes()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{MAX_REPLY_LEN, Message, Position, Reply, parse};
    use alloc::{format, string::String, string::ToString as _};
    use proptest::prelude::*;

    fn written(reply: &Reply<'_>) -> String {
        let mut out = [0; MAX_REPLY_LEN];
        String::from_utf8(reply.encode(&mut out).unwrap().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn what_a_server_acknowledges_is_read_as_it_was_meant(epoch: u64, sequence: u64, count: u32, recipients: u64) {
            let position = Position::new(epoch, sequence);
            let text = written(&Reply::Published { position, recipients });
            let Some(Heard::Published { position: read, recipients: heard, duplicate: false }) = hear(text.as_bytes()) else {
                panic!("{text}");
            };
            prop_assert_eq!((read.to_string(), heard), (position.to_string(), recipients));
            let text = written(&Reply::Subscribed { count: count as usize, position });
            let Some(Heard::Subscribed { position: read, count: heard }) = hear(text.as_bytes()) else {
                panic!("{text}");
            };
            prop_assert_eq!((read.to_string(), heard), (position.to_string(), count.into()));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes: alloc::vec::Vec<u8>) {
            let _ = hear(&bytes);
        }
    }

    #[test]
    fn each_refusal_is_read_with_its_code_message_and_path() {
        for message in [
            r#"{"sender":"client","subscriptions":[{"page":"q"}]}"#,
            r#"{"sender":"client","#,
            r#"{"sender":"\"é\u0000"}"#,
        ] {
            let refusal = parse(message.as_bytes(), &Limits::default()).unwrap_err();
            let text = written(&Reply::Error(&refusal));
            let Some(Heard::Error {
                code,
                message,
                path,
            }) = hear(text.as_bytes())
            else {
                panic!("{text}");
            };
            assert_eq!(code, refusal.code().as_str());
            assert_eq!(message.unwrap(), refusal.to_string().as_str());
            assert_eq!(
                path.map(|path| path.to_string()).unwrap_or_default(),
                refusal.path()
            );
        }
        assert!(matches!(
            hear(written(&Reply::Pong).as_bytes()),
            Some(Heard::Pong)
        ));
    }

    #[test]
    fn a_notification_is_read_with_and_without_a_position() {
        let rest = r#""sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"channel":2}},"data":{"a":[1, 2]},"message":"r\u00e9"},"error":1}"#;
        for (text, position) in [
            (format!("{{{rest}"), None),
            (format!(r#"{{"position":"x-1",{rest}"#), Some("x-1")),
        ] {
            let Some(Heard::Notification(delivered)) = hear(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(
                delivered.position().map(|text| text.to_string()).as_deref(),
                position
            );
            assert_eq!(delivered.data(), Some(br#"{"a":[1, 2]}"#.as_slice()));
            assert_eq!(delivered.message().unwrap(), "ré");
            assert_eq!(delivered.notification().package(), "p");
            assert_eq!(delivered.notification().page(), "q");
        }
    }

    #[test]
    fn a_notification_of_any_size_is_read() {
        let values: alloc::vec::Vec<_> = (0..5000).map(|number| number.to_string()).collect();
        let text = format!(
            r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":[{}]}}}}}}"#,
            values.join(",")
        );
        assert!(parse(text.as_bytes(), &Limits::default()).is_err());
        assert!(matches!(
            parse(text.as_bytes(), &Limits::NONE),
            Ok(Message::Publication(_))
        ));
        assert!(matches!(
            hear(text.as_bytes()),
            Some(Heard::Notification(_))
        ));
    }

    #[test]
    fn what_the_protocol_does_not_know_is_nothing() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":"ping"}"#,
            r#"{"sender":"server"}"#,
            r#"{"published":{"recipients":1}}"#,
            r#"{"published":{"position":1}}"#,
            r#"{"published":[]}"#,
            r#"{"subscribed":{"count":-1,"position":"p"}}"#,
            r#"{"subscribed":{"count":1}}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"error":"no"}"#,
            r#"{"notification":[]}"#,
            r#"{"notification":{"package":"p"}}"#,
            r#"{"type":"pong"} x"#,
        ] {
            assert!(hear(text.as_bytes()).is_none(), "{text}");
        }
    }
}
