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
use campanile_smol::{ConnectError, HashedMasks, Refused, Stream};
use smol::{block_on, future};

use crate::support::{
    KEY, LIMITS, REQUEST, RESPONSE, asynchronous, connect, expect, frame, masks, next_message,
    read_to_end, sockets,
};

/// How a client fares with this answer.
fn answered_with(response: &[u8]) -> Result<(), ConnectError> {
    let (client, mut raw) = sockets();
    raw.write_all(response).unwrap();
    raw.shutdown(Shutdown::Write).unwrap();
    connect(client, &LIMITS).map(drop)
}

/// How a server takes this request, and what it answers.
fn asked_with(request: &[u8]) -> (Result<(), Refused>, String) {
    let (mut raw, server) = sockets();
    raw.write_all(request).unwrap();
    let server = asynchronous(server);
    let accepting = thread::spawn(move || block_on(Stream::accept(server, &LIMITS)).map(drop));
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

#[test]
fn the_sample_of_the_rfc_opens_a_connection() {
    assert!(answered_with(RESPONSE).is_ok());
    let (accepted, response) = asked_with(REQUEST);
    assert!(accepted.is_ok());
    assert_eq!(response.as_bytes(), RESPONSE);
}

#[test]
fn a_request_that_is_wrong_is_answered_and_told_to_the_program() {
    let version = String::from_utf8_lossy(REQUEST).replace("Version: 13", "Version: 12");
    // With more under way, which the server does not read for its answer.
    let plain = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{}", "x".repeat(30_000));
    for (request, bad, status) in [
        (plain.as_str(), BadRequest::NotUpgrade, "426"),
        (version.as_str(), BadRequest::Version, "426"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", BadRequest::NotHttp, "400"),
    ] {
        let (accepted, response) = asked_with(request.as_bytes());
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

#[test]
fn an_http_status_is_told_to_the_program_with_what_the_server_adds() {
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
        let error = answered_with(response.as_bytes()).unwrap_err();
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

#[test]
fn a_client_refuses_what_is_not_the_answer_to_its_request() {
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
        let error = answered_with(response.as_bytes()).unwrap_err();
        assert!(
            matches!(&error, ConnectError::BadResponse { advice } if *advice == bad.to_string()),
            "{error:?}"
        );
    }
}

#[test]
fn an_end_in_the_middle_of_a_head_is_a_lost_transport() {
    for len in [0, 1, RESPONSE.len() - 1] {
        let error = answered_with(&RESPONSE[..len]).unwrap_err();
        assert!(
            matches!(&error, ConnectError::Lost(lost) if lost.kind() == ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
    let (raw, server) = sockets();
    raw.shutdown(Shutdown::Write).unwrap();
    let refused = block_on(Stream::accept(asynchronous(server), &LIMITS)).unwrap_err();
    assert!(
        matches!(&refused, Refused::Lost(lost) if lost.kind() == ErrorKind::UnexpectedEof),
        "{refused:?}"
    );
}

#[test]
fn an_opening_that_cannot_be_asked_for_sends_nothing() {
    let (client, mut raw) = sockets();
    let client = asynchronous(client);
    let opening = Opening::new("localhost", "no-slash");
    let result = block_on(Stream::connect(client, &opening, masks(), &LIMITS));
    assert!(matches!(
        result.map(drop),
        Err(ConnectError::BadOpening(WriteError::Invalid(
            Argument::Path
        )))
    ));
    assert_eq!(read_to_end(&mut raw), b"");
}

#[test]
fn an_opening_of_any_length_is_sent_whole_and_the_selected_subprotocol_is_known() {
    let (client, mut raw) = sockets();
    let response = String::from_utf8_lossy(RESPONSE).replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: campanile.v1\r\n\r\n",
    );
    raw.write_all(response.as_bytes()).unwrap();
    let client = asynchronous(client);
    let token = "t".repeat(5000);
    let opening = Opening {
        protocols: &["other", "campanile.v1"],
        headers: &[("Authorization", &token)],
        ..Opening::new("localhost:8000", "/feed?x=1")
    };
    let stream = block_on(Stream::connect(client, &opening, masks(), &LIMITS)).unwrap();
    assert_eq!(stream.protocol(), Some("campanile.v1"));
    drop(stream);
    let request = String::from_utf8(read_to_end(&mut raw)).unwrap();
    assert!(request.starts_with("GET /feed?x=1 HTTP/1.1\r\nHost: localhost:8000\r\n"));
    assert!(request.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    assert!(request.contains("\r\nSec-WebSocket-Protocol: other, campanile.v1\r\n"));
    assert!(request.ends_with(&format!("\r\nAuthorization: {token}\r\n\r\n")));
}

#[test]
fn a_frame_in_the_same_packet_as_the_handshake_is_heard_at_once() {
    let config = Config::new();
    let (mut raw, server) = sockets();
    let mut bytes = REQUEST.to_vec();
    bytes.extend(frame(OpCode::Text, true, Some(KEY), b"hurry"));
    raw.write_all(&bytes).unwrap();
    let server = asynchronous(server);
    let mut stream = block_on(Stream::accept(server, &config)).unwrap();
    assert_eq!(next_message(&mut stream), (Kind::Text, b"hurry".to_vec()));

    let (client, mut raw) = sockets();
    let mut bytes = RESPONSE.to_vec();
    bytes.extend(frame(OpCode::Text, true, None, b"hurry"));
    raw.write_all(&bytes).unwrap();
    let mut stream = connect(client, &config).unwrap();
    assert_eq!(next_message(&mut stream), (Kind::Text, b"hurry".to_vec()));
}

#[test]
fn each_connection_draws_its_own_nonce() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (client, mut raw) = sockets();
        raw.shutdown(Shutdown::Write).unwrap();
        let client = asynchronous(client);
        let opening = Opening::new("localhost", "/");
        let lost = block_on(Stream::connect(
            client,
            &opening,
            HashedMasks::new(),
            &LIMITS,
        ));
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

#[test]
fn a_connect_that_is_dropped_midway_drops_its_transport() {
    let (client, mut raw) = sockets();
    raw.write_all(&RESPONSE[..RESPONSE.len() / 2]).unwrap();
    let client = asynchronous(client);
    let opening = Opening::new("localhost", "/");
    let mut connecting = Box::pin(Stream::connect(client, &opening, masks(), &LIMITS));
    assert!(block_on(future::poll_once(&mut connecting)).is_none());
    expect(&mut raw, REQUEST);
    drop(connecting);
    // Unread bytes make a reset of the end.
    let end = std::io::Read::read(&mut raw, &mut [0]);
    assert!(
        matches!(&end, Ok(0))
            || matches!(&end, Err(error) if error.kind() == ErrorKind::ConnectionReset),
        "{end:?}"
    );
}
