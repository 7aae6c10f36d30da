//! A notification for a test, published by the server itself.

use core::net::SocketAddr;

use campanile_core::{
    notify::{Message, parse},
    server::{Options, Publishers},
};
use serde_json::json;

use super::{Pages, Request, Response, answer, no_answer, refuse};
use crate::{admin::hubs, explain::parse_notification};

pub(in crate::admin) fn publish(pages: &Pages, request: &Request<'_>) -> Response {
    let Options {
        hub, publishers, ..
    } = pages.options();
    let limits = hub.message;
    if hub.authority.is_some() {
        let error = "Publishing needs a token, since keys are configured, and this page has none. Use \
                     campanile publish --token-file FILE.";
        return refuse(403, error);
    }
    if !may_publish(publishers, request.peer) {
        let error = format!(
            "Your address may not publish: allowed are {publishers}. Open this page from such an address, \
             through an SSH tunnel if need be."
        );
        return refuse(403, &error);
    }
    let text = match text(request.body) {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    if let Err(reason) = parse_notification(text.as_bytes(), &limits) {
        return refuse(400, &sentence(&reason));
    }
    let message = if let Ok(Message::Publication(_)) = parse(text.as_bytes(), &limits) {
        text.to_owned()
    } else {
        format!(r#"{{"sender":"server","notification":{text}}}"#)
    };
    let most = hub.connection.max_message;
    if message.len() as u64 > most {
        let error = format!("The message is longer than {most} bytes (limits.message_size).");
        return refuse(413, &error);
    }
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
