//! The core's reading of a message beside the model's.

use campanile_core::notify::{
    Accepts, ErrorCode, Limits, MAX_REPLY_LEN, Message, Notification, Refusal, Reply, Scalar,
    Scalars, Subscription, Text, Values, parse,
};

use crate::model::{self, Reading};

/// No bound on numbers of things: the model has none.
pub(crate) const UNLIMITED: Limits = Limits {
    subscriptions: usize::MAX,
    constraints: usize::MAX,
    keys: usize::MAX,
    values: usize::MAX,
};

/// Parses `text` with the core and with the model, compares all that they read, and gives both
/// readings of an accepted message.
pub(crate) fn message(text: &[u8]) -> Option<(Message<'_>, Reading)> {
    let parsed = parse(text, &UNLIMITED);
    // It may be logged, whatever is in it.
    assert!(!format!("{parsed:?}").is_empty());
    if let Err(refusal) = &parsed {
        check_reply(refusal);
    }
    let reading = model::read(text)?;
    match (parsed, reading) {
        (Ok(message), reading) => {
            compare(&message, &reading);
            Some((message, reading))
        }
        (Err(refusal), Reading::NotJson) => {
            assert_eq!(refusal.code(), ErrorCode::InvalidJson, "{refusal}");
            None
        }
        (
            Err(refusal),
            Reading::Refused {
                codes,
                from_publisher,
            },
        ) => {
            assert!(codes.contains(&refusal.code()), "{refusal}: {codes:?}");
            assert_eq!(refusal.from_publisher(), from_publisher);
            None
        }
        (Err(refusal), reading) => panic!("refused ({refusal}), but it is {reading:?}"),
    }
}

fn compare(message: &Message<'_>, reading: &Reading) {
    match (message, reading) {
        (Message::Ping, Reading::Ping) => {}
        (
            Message::Client(client),
            Reading::Client {
                subscriptions,
                token,
            },
        ) => {
            let read = client.subscriptions();
            assert_eq!(read.is_some(), subscriptions.is_some());
            assert_eq!(client.token().map(text), *token);
            let targets = subscriptions.as_deref().unwrap_or_default();
            let read: Vec<_> = read.into_iter().flatten().collect();
            assert_eq!(read.len(), targets.len());
            for (read, target) in read.iter().zip(targets) {
                assert_eq!(text(read.package()), target.package);
                assert_eq!(text(read.page()), target.page);
                assert_eq!(constraints(read), target.values);
            }
        }
        (Message::Publication(read), Reading::Publication(target)) => {
            assert_eq!(text(read.package()), target.package);
            assert_eq!(text(read.page()), target.page);
            assert_eq!(values(read), target.values);
        }
        _ => panic!("read as {message:?}, but it is {reading:?}"),
    }
}

/// A refusal can be told, as valid JSON that says the same.
fn check_reply(refusal: &Refusal) {
    let mut out = [0; MAX_REPLY_LEN];
    let reply = Reply::Error(refusal)
        .encode(&mut out)
        .expect("the buffer is large enough");
    let reply: serde_json::Value = serde_json::from_slice(reply).expect("our own JSON is valid");
    let mut error = serde_json::json!({
        "code": refusal.code().as_str(),
        "message": refusal.to_string(),
    });
    if !refusal.path().is_empty() {
        error["path"] = refusal.path().into();
    }
    assert_eq!(
        reply,
        serde_json::json!({ "sender": "server", "error": error })
    );
}

/// The text, which is the same by characters and by bytes.
fn text(text: Text<'_>) -> String {
    let read: String = text.chars().collect();
    assert!(text.bytes().eq(read.bytes()));
    assert!(text == read.as_str());
    assert_eq!(text.is_empty(), read.is_empty());
    read
}

fn constraints(subscription: &Subscription<'_>) -> model::Values {
    let mut keyed = Vec::new();
    for constraint in subscription.constraints() {
        let accepted = match constraint.accepts {
            Accepts::Any => vec![model::Scalar::Any],
            Accepts::OneOf(list) => scalars(list),
        };
        match constraint.key {
            None => return model::Values::Unkeyed(accepted),
            Some(key) => keyed.push((text(key), accepted)),
        }
    }
    sorted(keyed)
}

fn values(notification: &Notification<'_>) -> model::Values {
    match notification.values() {
        Values::None => model::Values::None,
        Values::Unkeyed(list) => model::Values::Unkeyed(scalars(list)),
        Values::Keyed(keyed) => {
            let entries = keyed.iter().map(|(key, list)| {
                let found = keyed.get(key).map(scalars);
                let list = scalars(list);
                assert_eq!(found.as_ref(), Some(&list));
                (text(key), list)
            });
            sorted(entries.collect())
        }
    }
}

fn sorted(mut keyed: Vec<(String, Vec<model::Scalar>)>) -> model::Values {
    if keyed.is_empty() {
        return model::Values::None;
    }
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    model::Values::Keyed(keyed)
}

fn scalars(list: Scalars<'_>) -> Vec<model::Scalar> {
    let scalar = |scalar: Scalar<'_>| {
        let canonical: Vec<u8> = scalar.canonical().collect();
        if let Some(at_once) = scalar.as_canonical() {
            assert_eq!(at_once, canonical);
        }
        let written = |text: String| {
            assert_eq!(text.as_bytes(), canonical);
            model::Scalar::Text(text)
        };
        match scalar {
            Scalar::Text(string) => written(text(string)),
            Scalar::Number(number) => written(number.to_string()),
            Scalar::True => model::Scalar::True,
            Scalar::False => model::Scalar::False,
            Scalar::Null => model::Scalar::Null,
        }
    };
    list.iter().map(scalar).collect()
}
