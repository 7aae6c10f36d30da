//! A notification for a test, published by the server itself.

use core::net::SocketAddr;

use campanile_core::{
    notify::{Message, Notification, parse},
    server::{Options, Publishers},
};
use serde_json::json;

use super::{Pages, Request, Response, answer, no_answer, refuse};
use crate::{admin::hubs, explain};

pub(in crate::admin) fn publish(pages: &Pages, request: &Request<'_>) -> Response {
    let Options {
        hub, publishers, ..
    } = pages.options();
    let limits = hub.message;
    if !may_publish(publishers, request.peer) {
        let error = format!(
            "Your address may not publish: allowed are {publishers}. Open this page from such an address, \
             through an SSH tunnel if need be."
        );
        return refuse(403, &error);
    }
    let message = match text(request.body) {
        Ok(text) => match (
            parse(text.as_bytes(), &limits),
            Notification::parse(text.as_bytes(), &limits),
        ) {
            (Ok(Message::Publication(_)), _) => text.to_owned(),
            (_, Ok(_)) => format!(r#"{{"sender":"server","notification":{text}}}"#),
            _ => {
                return refuse(
                    400,
                    &wrong(explain::parse_notification(text.as_bytes(), &limits)),
                );
            }
        },
        Err(refused) => return refused,
    };
    match hubs::announce(&*pages.hubs, message) {
        None => no_answer(),
        Some(Err(refusal)) => refuse(400, &sentence(&refusal.to_string())),
        Some(Ok(announced)) => {
            let position = announced.position.to_string();
            pages
                .log
                .announced(request.peer, &position, announced.recipients);
            answer(&json!({ "position": position, "recipients": announced.recipients }))
        }
    }
}

/// Whether who asks could publish by connecting to the server, too.
fn may_publish(publishers: Publishers, peer: Option<SocketAddr>) -> bool {
    peer.is_some_and(|peer| publishers.allow(peer.ip()))
}

/// The text of a body.
pub(super) fn text(body: &[u8]) -> Result<&str, Response> {
    std::str::from_utf8(body).map_err(|_| refuse(400, "The notification is not in UTF-8."))
}

/// Why what was parsed is no notification, for a person.
pub(super) fn wrong<T>(parsed: Result<T, String>) -> String {
    sentence(&parsed.err().unwrap_or_default())
}

/// A line as a sentence.
pub(super) fn sentence(line: &str) -> String {
    let mut characters = line.chars();
    let first = characters.next().map(|first| first.to_uppercase());
    let rest = characters.as_str();
    let text: String = first.into_iter().flatten().chain(rest.chars()).collect();
    format!("{text}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lets_nobody_publish_who_may_not_publish_otherwise() {
        for (address, expected) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("192.0.2.1:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            let peer = address.parse().ok();
            assert!(peer.is_some(), "{address}");
            assert_eq!(
                may_publish(Publishers::Loopback, peer),
                expected,
                "{address}"
            );
        }
        assert!(!may_publish(Publishers::Loopback, None));
    }
}
