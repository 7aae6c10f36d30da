//! The opening handshake: what is said, what is refused, what comes right behind it.

use std::{
    io::{ErrorKind, Write as _},
    net::Shutdown,
    thread,
    time::Instant,
};

use campanile_core::{
    conn::Config,
    handshake::{Argument, BadRequest, BadResponse, HANDSHAKE_TIME, Opening, WriteError},
    wire::{Kind, OpCode},
};

use crate::support::{
    CLIENT, ConnectError, LIMITS, REQUEST, RESPONSE, Refused, Runtime, SERVER, accept, connect,
    frame, masks, next_message, random_masks, read_to_end, sockets,
};

on_each_runtime! {
    the_sample_of_the_rfc_opens_a_connection
    a_request_that_is_wrong_is_answered_and_told_to_the_program
    a_refusal_reaches_a_client_that_has_more_under_way
    an_http_status_is_told_to_the_program_with_what_the_server_adds
    a_client_refuses_what_is_not_the_answer_to_its_request
    an_end_in_the_middle_of_a_head_is_a_lost_transport
    an_opening_that_cannot_be_asked_for_sends_nothing
    an_opening_of_any_length_is_sent_whole_and_the_selected_subprotocol_is_known
    a_frame_in_the_same_packet_as_the_handshake_is_heard_at_once
    each_connection_draws_its_own_nonce
}

/// A request that asks for no WebSocket.
const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// How a client fares with this answer.
fn answered_with<R: Runtime>(response: &[u8]) -> Result<(), ConnectError> {
    let (client, mut raw) = sockets();
    raw.write_all(response).unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    connect::<R>(client, &LIMITS).map(drop)
}

/// How a server takes this request, and what it answers.
fn asked_with<R: Runtime>(request: &[u8]) -> (Result<(), Refused>, String) {
    let (mut raw, server) = sockets();
    raw.write_all(request).unwrap();
    let accepting = thread::spawn(move || accept::<R>(server, &LIMITS).map(drop));
    // The server ends first: a client may wait for that.
    let start = Instant::now();
    let response = read_to_end(&mut raw);
    assert!(start.elapsed() < HANDSHAKE_TIME / 2);
    drop(raw);
    (
        accepting.join().unwrap(),
        String::from_utf8(response).unwrap(),
    )
}

fn the_sample_of_the_rfc_opens_a_connection<R: Runtime>() {
    assert!(answered_with::<R>(RESPONSE).is_ok());
    let (accepted, response) = asked_with::<R>(REQUEST);
    assert!(accepted.is_ok());
    assert_eq!(response.as_bytes(), RESPONSE);
}

fn a_request_that_is_wrong_is_answered_and_told_to_the_program<R: Runtime>() {
    let version = String::from_utf8_lossy(REQUEST).replace("Version: 13", "Version: 12");
    let key = String::from_utf8_lossy(REQUEST).replace("ZQ==", "Z===");
    for (request, bad, status) in [
        (PLAIN, BadRequest::NotUpgrade, "426"),
        (version.as_str(), BadRequest::Version, "426"),
        (key.as_str(), BadRequest::Key, "400"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", BadRequest::NotHttp, "400"),
    ] {
        let (accepted, response) = asked_with::<R>(request.as_bytes());
        assert!(
            matches!(accepted, Err(Refused::BadRequest(found)) if found == bad),
            "{request}"
        );
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{response}"
        );
        assert!(
            response.trim_end().ends_with(&bad.to_string()),
            "{response}"
        );
    }
}

fn a_refusal_reaches_a_client_that_has_more_under_way<R: Runtime>() {
    // The server does not read it for its answer.
    let request = format!("{PLAIN}{}", "x".repeat(30_000));
    let (accepted, response) = asked_with::<R>(request.as_bytes());
    assert!(matches!(
        accepted,
        Err(Refused::BadRequest(BadRequest::NotUpgrade))
    ));
    let advice = BadRequest::NotUpgrade.to_string();
    assert!(response.trim_end().ends_with(&advice), "{response}");
}

fn an_http_status_is_told_to_the_program_with_what_the_server_adds<R: Runtime>() {
    for (line, field, status, detail) in [
        (
            "302 Found",
            "Location: ws://elsewhere/",
            302,
            Some("ws://elsewhere/"),
        ),
        ("308 Permanent Redirect", "Server: x", 308, None),
        ("400 Bad Request", "Server: x", 400, None),
        (
            "401 Unauthorized",
            "WWW-Authenticate: Bearer realm=\"x\"",
            401,
            Some("Bearer realm=\"x\""),
        ),
        (
            "426 Upgrade Required",
            "Sec-WebSocket-Version: 8, 7",
            426,
            Some("8, 7"),
        ),
        ("503 Service Unavailable", "Retry-After: 1", 503, Some("1")),
    ] {
        let response = format!("HTTP/1.1 {line}\r\n{field}\r\nContent-Length: 2\r\n\r\nno");
        let error = answered_with::<R>(response.as_bytes()).unwrap_err();
        let ConnectError::Refused {
            status: found,
            detail: added,
            advice,
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((*found, added.as_deref()), (status, detail));
        assert_eq!(error.to_string(), *advice);
        assert!(advice.contains(detail.unwrap_or_default()), "{advice}");
    }
}

fn a_client_refuses_what_is_not_the_answer_to_its_request<R: Runtime>() {
    let sample = String::from_utf8_lossy(RESPONSE);
    let accept = sample.replace("s3pP", "s3pQ");
    let protocol = sample.replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: never.offered\r\n\r\n",
    );
    for (response, bad) in [
        (accept.as_str(), BadResponse::Accept),
        (protocol.as_str(), BadResponse::UnsolicitedSubprotocol),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", BadResponse::NotHttp),
    ] {
        let error = answered_with::<R>(response.as_bytes()).unwrap_err();
        assert!(
            matches!(&error, ConnectError::BadResponse { advice } if *advice == bad.to_string()),
            "{error:?}"
        );
    }
}

fn an_end_in_the_middle_of_a_head_is_a_lost_transport<R: Runtime>() {
    for len in [0, 1, RESPONSE.len() - 1] {
        let error = answered_with::<R>(&RESPONSE[..len]).unwrap_err();
        assert!(
            matches!(&error, ConnectError::Lost(lost) if lost.kind() == ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
    let (raw, server) = sockets();
    raw.shutdown(Shutdown::Write).unwrap();
    let refused = accept::<R>(server, &LIMITS).map(drop).unwrap_err();
    assert!(
        matches!(&refused, Refused::Lost(lost) if lost.kind() == ErrorKind::UnexpectedEof),
        "{refused:?}"
    );
}

fn an_opening_that_cannot_be_asked_for_sends_nothing<R: Runtime>() {
    let (client, mut raw) = sockets();
    let opening = Opening::new("localhost", "no-slash");
    let result = R::connect(client, &opening, masks(), &LIMITS, None);
    assert!(matches!(
        result.map(drop),
        Err(ConnectError::BadOpening(WriteError::Invalid(
            Argument::Path
        )))
    ));
    assert_eq!(read_to_end(&mut raw), b"");
}

fn an_opening_of_any_length_is_sent_whole_and_the_selected_subprotocol_is_known<R: Runtime>() {
    let (client, mut raw) = sockets();
    let response = String::from_utf8_lossy(RESPONSE).replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: campanile.v1\r\n\r\n",
    );
    raw.write_all(response.as_bytes()).unwrap();
    let token = "t".repeat(5000);
    let opening = Opening {
        protocols: &["other", "campanile.v1"],
        headers: &[("Authorization", &token)],
        ..Opening::new("localhost:8000", "/feed?x=1")
    };
    let stream = R::connect(client, &opening, masks(), &LIMITS, None).unwrap();
    assert_eq!(R::protocol(&stream), Some("campanile.v1"));
    drop(stream);
    let request = String::from_utf8(read_to_end(&mut raw)).unwrap();
    assert!(request.starts_with("GET /feed?x=1 HTTP/1.1\r\nHost: localhost:8000\r\n"));
    assert!(request.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    assert!(request.contains("\r\nSec-WebSocket-Protocol: other, campanile.v1\r\n"));
    assert!(request.ends_with(&format!("\r\nAuthorization: {token}\r\n\r\n")));
}

fn a_frame_in_the_same_packet_as_the_handshake_is_heard_at_once<R: Runtime>() {
    let config = Config::new();
    let (mut raw, server) = sockets();
    let mut bytes = REQUEST.to_vec();
    bytes.extend(frame(OpCode::Text, true, SERVER.0, b"hurry"));
    raw.write_all(&bytes).unwrap();
    let mut stream = accept::<R>(server, &config).unwrap();
    assert_eq!(next_message(&mut stream), (Kind::Text, b"hurry".to_vec()));

    let (client, mut raw) = sockets();
    let mut bytes = RESPONSE.to_vec();
    bytes.extend(frame(OpCode::Text, true, CLIENT.0, b"hurry"));
    raw.write_all(&bytes).unwrap();
    let mut stream = connect::<R>(client, &config).unwrap();
    assert_eq!(next_message(&mut stream), (Kind::Text, b"hurry".to_vec()));
}

fn each_connection_draws_its_own_nonce<R: Runtime>() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (client, mut raw) = sockets();
        raw.shutdown(Shutdown::Write).unwrap();
        let opening = Opening::new("localhost", "/");
        let lost = R::connect(client, &opening, random_masks(), &LIMITS, None);
        assert!(lost.is_err());
        let request = String::from_utf8(read_to_end(&mut raw)).unwrap();
        let key = request
            .lines()
            .find(|line| line.starts_with("Sec-WebSocket-Key: "))
            .unwrap();
        keys.push(key.to_owned());
    }
    assert_ne!(keys[0], keys[1]);
}
