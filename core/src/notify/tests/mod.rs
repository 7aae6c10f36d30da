//! Tests of the whole, by theme. Naive twins and generators are in `naive`.

extern crate alloc;

/// What `std` would bring into scope.
mod prelude {
    pub(super) use super::alloc::{
        borrow::ToOwned,
        format,
        string::{String, ToString},
        vec,
        vec::Vec,
    };
}

mod compiled;
mod corpus;
mod explaining;
mod grants;
mod hostile;
pub(crate) mod model;
pub(crate) mod naive;
mod operations;
#[cfg(feature = "fast")]
mod quick;
mod refusals;
mod registry;
mod replies;
mod scalars;
mod section_4;
mod validator;
mod walk;
mod ways;

use prelude::*;

use super::{Limits, Message, Notification, Refusal, Subscriptions, parse};
use ways::matches;

fn parse_default(text: &[u8]) -> Result<Message<'_>, Refusal> {
    parse(text, &Limits::default())
}

/// The subscriptions of a client's message.
fn subscriptions(text: &str) -> Subscriptions<'_> {
    match parse_default(text.as_bytes()) {
        Ok(Message::Client(client)) => client.subscriptions().expect("a set of subscriptions"),
        other => panic!("not a client's message: {text}: {other:?}"),
    }
}

fn notification(text: &str) -> Notification<'_> {
    match parse_default(text.as_bytes()) {
        Ok(Message::Publication(notification)) => notification,
        other => panic!("not a publication: {text}: {other:?}"),
    }
}

/// A client's message with one subscription, to which `members` are added.
fn client_text(members: &str) -> String {
    format!(r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q"{members}}}]}}"#)
}

/// A publisher's message with `members` added to its notification.
fn publisher_text(members: &str) -> String {
    format!(r#"{{"sender":"server","notification":{{"package":"p","page":"q"{members}}}}}"#)
}

/// Whether a subscription and a notification match that differ from the plainest by these members.
fn members_match(subscribed: &str, published: &str) -> bool {
    let (client, publisher) = (client_text(subscribed), publisher_text(published));
    matches(&subscriptions(&client), &notification(&publisher))
}

/// Whether the values of a notification meet those of a subscription.
fn values_match(subscribed: &str, published: &str) -> bool {
    let filters = |values| format!(r#","filters":{{"values":{values}}}"#);
    members_match(&filters(subscribed), &filters(published))
}
