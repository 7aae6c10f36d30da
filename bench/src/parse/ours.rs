//! Ours.

use campanile_core::notify::{
    Accepts, Limits, Message, Scalar, Scalars, Subscription, Values, parse,
};

use super::{Name, Said, Shown};

/// `notify::parse`, and for a client's message its subscriptions.
pub(super) fn core(text: &[u8], hear: &mut impl FnMut(Said<'_>)) -> bool {
    match parse(text, &Limits::default()) {
        Ok(Message::Publication(notification)) => {
            hear(Said {
                package: Name::Ours(notification.package()),
                page: Name::Ours(notification.page()),
                values: Shown::Values(notification.values()),
            });
            true
        }
        Ok(Message::Client(client)) => {
            for subscription in client.subscriptions().into_iter().flatten() {
                hear(Said {
                    package: Name::Ours(subscription.package()),
                    page: Name::Ours(subscription.page()),
                    values: Shown::Subscription(subscription),
                });
            }
            true
        }
        _ => false,
    }
}

/// What a notification offers, one value without a key under the empty one.
pub(super) fn entries(values: Values<'_>) -> Vec<(String, Vec<String>)> {
    let mut entries: Vec<_> = match values {
        Values::None => Vec::new(),
        Values::Unkeyed(scalars) => vec![(String::new(), texts(scalars))],
        Values::Keyed(keyed) => keyed
            .iter()
            .map(|(key, scalars)| (key.to_string(), texts(scalars)))
            .collect(),
    };
    entries.sort();
    entries
}

/// What a subscription wants.
pub(super) fn constraints(subscription: &Subscription<'_>) -> Vec<(String, Vec<String>)> {
    let constraints = subscription.constraints().map(|constraint| {
        let key = constraint.key.map(|key| key.to_string());
        let values = match constraint.accepts {
            Accepts::Any => vec!["true".to_owned()],
            Accepts::OneOf(scalars) => texts(scalars),
        };
        (key.unwrap_or_default(), values)
    });
    let mut constraints: Vec<_> = constraints.collect();
    constraints.sort();
    constraints
}

fn texts(scalars: Scalars<'_>) -> Vec<String> {
    let text = |scalar: Scalar<'_>| match scalar {
        Scalar::Text(text) => text.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::True => "true".to_owned(),
        Scalar::False => "false".to_owned(),
        Scalar::Null => "null".to_owned(),
    };
    scalars.iter().map(text).collect()
}
