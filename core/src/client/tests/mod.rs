//! The client against a server without sockets, in virtual time.

mod connecting;
mod publishing;
mod simulation;
mod subscribing;
mod world;

use alloc::{format, string::String, vec::Vec};

use super::*;

/// The events in short, to compare them.
fn told(events: &[Event]) -> Vec<String> {
    let one = |event: &Event| match event {
        Event::Connected => "connected".into(),
        Event::Reconnected => "reconnected".into(),
        Event::Subscribed { count, position } => format!("subscribed {count} at {position}"),
        Event::SubscriptionRefused(error) => format!("refused {error}"),
        Event::Notification(delivery) => format!("heard {}", delivery.position()),
        Event::Published { id, outcome } => match outcome {
            Ok(receipt) => format!(
                "published {} at {} to {}",
                id.number(),
                receipt.position,
                receipt.recipients
            ),
            Err(error) => format!("not published {}: {error:?}", id.number()),
        },
        Event::Disconnected { cause, .. } => format!("disconnected {cause:?}"),
        Event::Other(text) => format!("other {text}"),
    };
    events.iter().map(one).collect()
}
