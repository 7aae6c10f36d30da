//! What a program asks for, as the message that is sent. It is checked here, as the server answers
//! each kind of message in another way, and answers are matched by their order.

use alloc::vec::Vec;

use crate::notify::{Limits, Message, Notification, Refusal, Subscription, Subscriptions, parse};

/// The message that asks for `text`: an array of subscriptions, one alone, or the whole message.
pub(super) fn subscription(text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = text.as_bytes();
    if bytes.trim_ascii_start().starts_with(b"[") {
        Subscriptions::parse_array(bytes, &Limits::NONE)?;
        return Ok(joined(&[SUBSCRIBE, bytes, b"}"]));
    }
    match parse(bytes, &Limits::NONE) {
        Ok(Message::Client(client)) if client.subscriptions().is_some() => Ok(bytes.to_vec()),
        Err(refusal) if refusal.path() != "sender" => Err(refusal),
        Ok(_) | Err(_) => {
            Subscription::parse(bytes, &Limits::NONE)?;
            Ok(joined(&[SUBSCRIBE, b"[", bytes, b"]}"]))
        }
    }
}

/// The message that publishes `text`: a notification, or the whole message.
pub(super) fn publication(text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = text.as_bytes();
    match parse(bytes, &Limits::NONE) {
        Ok(Message::Publication(_)) => Ok(bytes.to_vec()),
        Err(refusal) if refusal.path() != "sender" => Err(refusal),
        Ok(_) | Err(_) => {
            Notification::parse(bytes, &Limits::NONE)?;
            Ok(joined(&[PUBLISH, bytes, b"}"]))
        }
    }
}

const SUBSCRIBE: &[u8] = br#"{"sender":"client","subscriptions":"#;
const PUBLISH: &[u8] = br#"{"sender":"server","notification":"#;

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_message_is_made_whole_and_a_whole_one_stays_as_it_is() {
        let whole = r#" {"type":1,"sender":"client","subscriptions":[]}"#;
        for (text, message) in [
            (whole, whole),
            (
                r#"{"package":"p","page":"q"}"#,
                r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}"#,
            ),
            (
                r#" [{"package":"p","page":"q"}, {"package":"p","page":"r"}]"#,
                r#"{"sender":"client","subscriptions": [{"package":"p","page":"q"}, {"package":"p","page":"r"}]}"#,
            ),
            ("[]", r#"{"sender":"client","subscriptions":[]}"#),
        ] {
            assert_eq!(subscription(text).unwrap(), message.as_bytes(), "{text}");
            assert!(parse(message.as_bytes(), &Limits::NONE).is_ok());
        }
        let whole = r#"{"type":1,"sender":"server","notification":{"package":"p","page":"q"}} "#;
        for (text, message) in [
            (whole, whole),
            (
                r#"{"package":"p","page":"q","data":[1]}"#,
                r#"{"sender":"server","notification":{"package":"p","page":"q","data":[1]}}"#,
            ),
        ] {
            assert_eq!(publication(text).unwrap(), message.as_bytes(), "{text}");
            assert!(parse(message.as_bytes(), &Limits::NONE).is_ok());
        }
    }

    #[test]
    fn what_would_be_answered_in_another_way_is_not_sent() {
        let client = r#"{"sender":"client","subscriptions":[]}"#;
        let server = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;
        let ping = r#"{"type":"ping"}"#;
        let token = r#"{"sender":"client","token":"t"}"#;
        for text in [
            server,
            ping,
            token,
            "",
            "[",
            "{",
            "1",
            "[1]",
            "[]]",
            r#"[],"a":1"#,
        ] {
            assert!(subscription(text).is_err(), "{text}");
        }
        for text in [
            client,
            ping,
            token,
            "",
            "[]",
            r#"{"page":"q"}"#,
            r#"{"package":"p","page":"q"},"a":1"#,
            r#"{"position":"p","sender":"server","notification":{"package":"p","page":"q"}}"#,
        ] {
            assert!(publication(text).is_err(), "{text}");
        }
    }
}
