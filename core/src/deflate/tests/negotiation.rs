//! Offers, and the answers to them.

use std::{format, string::String, string::ToString};

use proptest::prelude::*;

use super::*;
use crate::handshake::{
    ClientHandshake, EMPTY_HEADER, Limits, Opening, RESPONSE_BYTES, Reply, ServerHandshake, Status,
    accept,
};

/// The request of a client that offers this.
fn request(extensions: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
    )
    .into_bytes()
}

/// What a server with these settings makes of an offer.
fn answer(settings: &Settings, offer: &str) -> Option<Agreed> {
    let bytes = request(offer);
    let mut headers = [EMPTY_HEADER; 10];
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    match handshake.receive(&bytes, &mut headers) {
        Ok(Status::Complete { value, .. }) => settings.answer(value.extensions()),
        other => panic!("{other:?}"),
    }
}

/// The text of that answer.
fn answered(settings: &Settings, offer: &str) -> Option<String> {
    answer(settings, offer).map(|agreed| agreed.response().to_string())
}

/// What a client that made these offers makes of a response.
fn check(offers: &[Offer], response: &str) -> Result<Option<Agreed>, BadAgreement> {
    let list = Offer::list(offers).expect("they fit");
    let opening = Opening {
        extensions: Some(&list),
        ..Opening::new("a", "/")
    };
    let mut out = [0; 1024];
    let Ok((sent, mut client)) =
        ClientHandshake::start([7; 16], &opening, Limits::DEFAULT, &mut out)
    else {
        panic!("it fits");
    };
    let mut headers = [EMPTY_HEADER; 10];
    let mut server = ServerHandshake::new(Limits::DEFAULT);
    let Ok(Status::Complete { value, .. }) = server.receive(sent, &mut headers) else {
        panic!("it is a request");
    };
    let mut out = [0; RESPONSE_BYTES];
    let reply = Reply {
        extensions: (!response.is_empty()).then_some(response),
        ..Reply::default()
    };
    let Ok(response) = accept(&value, &reply, &mut out) else {
        panic!("it was offered");
    };
    let mut headers = [EMPTY_HEADER; 10];
    match client.receive(&opening, response, &mut headers) {
        Ok(Status::Complete { value, .. }) => Offer::check(offers, value.extensions()),
        other => panic!("{other:?}"),
    }
}

const ALL: Settings = Settings {
    send_takeover: true,
    receive_takeover: true,
    ..Settings::server()
};

#[test]
fn a_server_answers_an_offer_with_what_both_can_keep() {
    let small = Settings {
        send_window: WindowBits::MIN,
        receive_window: WindowBits::MIN,
        ..ALL
    };
    for (settings, offer, response) in [
        (ALL, "permessage-deflate", "permessage-deflate"),
        (
            Settings::server(),
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            ALL,
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            ALL,
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            ALL,
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        // The same value is an answer too, also where it is the largest.
        (
            ALL,
            "permessage-deflate; server_max_window_bits=\"15\"",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            ALL,
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate",
        ),
        (
            ALL,
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            small,
            "permessage-deflate; client_max_window_bits; server_max_window_bits=12",
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
        ),
    ] {
        assert_eq!(
            answered(&settings, offer).as_deref(),
            Some(response),
            "{offer}"
        );
    }
}

#[test]
fn a_malformed_offer_is_declined() {
    for offer in [
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=1",
        "permessage-deflate; server_max_window_bits=100",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-Deflate",
        "x-webkit-deflate-frame",
    ] {
        assert_eq!(answer(&ALL, offer), None, "{offer}");
        let with_fallback = format!("{offer}, permessage-deflate");
        assert!(answer(&ALL, &with_fallback).is_some(), "{offer}");
    }
}

#[test]
fn the_first_offer_that_can_be_kept_is_taken() {
    let small = Settings {
        receive_window: bits(10),
        ..ALL
    };
    let offers = "x, permessage-deflate; server_max_window_bits=9, \
                  permessage-deflate; client_max_window_bits, permessage-deflate";
    assert_eq!(
        answered(&ALL, offers).as_deref(),
        Some("permessage-deflate; server_max_window_bits=9")
    );
    // A client that does not say that it can keep to a window cannot be asked to.
    assert_eq!(
        answered(&small, offers).as_deref(),
        Some("permessage-deflate; client_max_window_bits=10")
    );
    assert_eq!(answer(&small, "permessage-deflate"), None);
}

#[test]
fn a_client_offers_what_its_settings_say() {
    let text = |settings: Settings| settings.offer().text().to_string();
    assert_eq!(
        text(Settings::client()),
        "permessage-deflate; client_no_context_takeover; client_max_window_bits"
    );
    let small = Settings {
        send_window: bits(9),
        send_takeover: true,
        receive_window: bits(12),
        receive_takeover: false,
        ..Settings::client()
    };
    assert_eq!(
        text(small),
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; \
         client_max_window_bits=9"
    );
    let both = Offer::list(&[small.offer(), Settings::client().offer()]).unwrap();
    assert_eq!(
        *both,
        format!("{}, {}", text(small), text(Settings::client()))
    );
    assert_eq!(Offer::list(&[small.offer(); 7]), None);
}

#[test]
fn a_response_must_answer_an_offer() {
    let plain = Offer::default();
    let any = Settings::client().offer();
    let small = Offer {
        server_no_context_takeover: true,
        server_max_window_bits: Some(bits(10)),
        client_max_window_bits: ClientWindow::AtMost(bits(11)),
        ..Offer::default()
    };
    let agreed = |offers: &[Offer], response: &str| check(offers, response).unwrap().unwrap();
    assert_eq!(check(&[any], ""), Ok(None));
    let both = agreed(&[plain], "permessage-deflate");
    assert_eq!(both.server, direction(WindowBits::MAX, true));
    assert_eq!(both.client, direction(WindowBits::MAX, true));
    // What was not asked for may be granted.
    let more = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                server_max_window_bits=9";
    let both = agreed(&[plain], more);
    assert_eq!(both.server, direction(bits(9), false));
    assert_eq!(both.client, direction(WindowBits::MAX, false));
    let both = agreed(&[any], "permessage-deflate; client_max_window_bits=8");
    assert_eq!(both.client, direction(bits(8), false));
    // Section 7.1.2.2: a larger value than the client's own does not bind it.
    let larger = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; \
                  client_max_window_bits=15";
    let both = agreed(&[small], larger);
    assert_eq!(both.client, direction(bits(11), true));
    assert_eq!(both.server, direction(bits(10), false));
    // One of several is enough.
    assert!(check(&[small, plain], "permessage-deflate").is_ok());

    for (offer, response, bad) in [
        (
            plain,
            "permessage-deflate; client_max_window_bits=9",
            BadAgreement::Unsolicited,
        ),
        (small, "permessage-deflate", BadAgreement::Unsolicited),
        (
            small,
            "permessage-deflate; server_no_context_takeover",
            BadAgreement::Unsolicited,
        ),
        (
            small,
            "permessage-deflate; server_max_window_bits=10",
            BadAgreement::Unsolicited,
        ),
        (
            small,
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
            BadAgreement::Unsolicited,
        ),
        (
            any,
            "permessage-deflate; client_max_window_bits",
            BadAgreement::Malformed,
        ),
        (
            any,
            "permessage-deflate; server_max_window_bits",
            BadAgreement::Malformed,
        ),
        (
            any,
            "permessage-deflate; server_max_window_bits=16",
            BadAgreement::Malformed,
        ),
        (any, "permessage-deflate; unknown", BadAgreement::Malformed),
        (
            any,
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            BadAgreement::Malformed,
        ),
        (
            any,
            "permessage-deflate, permessage-deflate",
            BadAgreement::Repeated,
        ),
    ] {
        assert_eq!(check(&[offer], response), Err(bad), "{response}");
    }
}

#[test]
fn the_longest_response_and_four_of_the_longest_offers_fit() {
    let offer = Offer {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: Some(WindowBits::MAX),
        client_max_window_bits: ClientWindow::AtMost(WindowBits::MAX),
    };
    let list = Offer::list(&[offer; 4]).unwrap();
    assert_eq!(list.matches("permessage-deflate").count(), 4);
    assert!(list.ends_with("client_max_window_bits=15"));
    let response = answered(&Settings::server(), &offer.text()).unwrap();
    assert_eq!(response, offer.text().to_string());
}

#[test]
fn the_smallest_window_for_a_message_fits_it() {
    for (len, window) in [
        (0, 9),
        (250, 9),
        (251, 10),
        (762, 10),
        (763, 11),
        (32_768 - 262, 15),
        (1 << 20, 15),
    ] {
        assert_eq!(WindowBits::fitting(len).get(), window, "{len}");
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    (8..=15_u8, 8..=15_u8, any::<[bool; 2]>()).prop_map(|(send, receive, takeover)| Settings {
        send_window: bits(send),
        receive_window: bits(receive),
        send_takeover: takeover[0],
        receive_takeover: takeover[1],
        ..Settings::server()
    })
}

proptest! {
    #[test]
    fn both_sides_agree_on_the_same_and_keep_to_their_settings(
        server in settings(),
        client in settings(),
    ) {
        let offer = client.offer();
        let by_server = answer(&server, &offer.text());
        // A client that offers its window can always be held to a smaller one.
        let by_server = by_server.expect("it can be kept");
        let by_client = check(&[offer], &by_server.response()).unwrap().unwrap();
        prop_assert_eq!(by_client.server, by_server.server);
        prop_assert_eq!(by_client.client, by_server.client);
        let window = server.send_window.min(client.receive_window);
        let takeover = server.send_takeover && client.receive_takeover;
        prop_assert_eq!(by_server.server, direction(window, takeover));
        let window = client.send_window.min(server.receive_window);
        let takeover = client.send_takeover && server.receive_takeover;
        prop_assert_eq!(by_server.client, direction(window, takeover));
    }
}
