use super::*;

fn opening() -> Opening<'static> {
    Opening {
        protocols: &["chat", "superchat"],
        extensions: Some("x; a, y"),
        ..Opening::new("server.example.com", "/chat")
    }
}

#[track_caller]
fn start(opening: &Opening<'_>) -> Result<String, WriteError> {
    let mut out = [0; 1024];
    let started = ClientHandshake::start(*b"the sample nonce", opening, Limits::DEFAULT, &mut out);
    started.map(|(bytes, _)| String::from_utf8(bytes.to_vec()).unwrap())
}

/// What the client makes of `bytes`.
#[track_caller]
fn answer<T>(
    bytes: &[u8],
    check: impl FnOnce(Result<Status<Response<'_, '_>>, BadResponse<'_>>) -> T,
) -> T {
    let mut out = [0; 1024];
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let (_, mut handshake) =
        ClientHandshake::start(*b"the sample nonce", &opening(), Limits::DEFAULT, &mut out)
            .unwrap();
    check(handshake.receive(&opening(), bytes, &mut headers))
}

#[track_caller]
fn is_refused(head: &Head, expected: BadResponse<'_>) {
    bytes_are_refused(&head.bytes(), expected);
}

#[track_caller]
fn bytes_are_refused(bytes: &[u8], expected: BadResponse<'_>) {
    answer(bytes, |received| {
        let refusal = received.expect_err("this response is wrong");
        assert_eq!(refusal, expected, "{}", bytes.escape_ascii());
        let message = refusal.to_string();
        assert!(message.len() > 60 && message.contains(':'), "{message}");
    });
}

#[track_caller]
fn selected(head: &Head) -> Option<String> {
    let bytes = head.bytes();
    answer(&bytes, |received| match received {
        Ok(Status::Complete { value, consumed }) => {
            assert_eq!(consumed, bytes.len());
            value.protocol().map(String::from)
        }
        other => panic!("{other:?} for {head:?}"),
    })
}

#[test]
fn the_request_is_that_of_rfc_6455_section_1_2() {
    let opening = Opening {
        origin: Some("http://example.com"),
        headers: &[("Authorization", "Bearer x"), ("Cookie", "")],
        ..opening()
    };
    assert_eq!(
        start(&opening).unwrap(),
        "GET /chat HTTP/1.1\r\n\
         Host: server.example.com\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Origin: http://example.com\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: x; a, y\r\n\
         Authorization: Bearer x\r\n\
         Cookie: \r\n\r\n"
    );
}

#[test]
fn a_buffer_that_is_too_small_is_told_how_large_it_must_be() {
    let needed = start(&opening()).unwrap().len();
    let start = |room: usize| {
        let mut out = vec![0; room];
        ClientHandshake::start([0; 16], &opening(), Limits::DEFAULT, &mut out).map(|_| ())
    };
    assert_eq!(start(0), Err(WriteError::BufferTooSmall { needed }));
    assert_eq!(
        start(needed - 1),
        Err(WriteError::BufferTooSmall { needed })
    );
    assert_eq!(start(needed), Ok(()));
}

#[test]
fn nothing_can_be_injected_into_the_request() {
    let check = |opening: Opening<'_>, argument| {
        assert_eq!(
            start(&opening),
            Err(WriteError::Invalid(argument)),
            "{opening:?}"
        );
    };
    for host in ["", "a b", "a\r\nX: y", "a/", "user@a", "é"] {
        check(Opening { host, ..opening() }, Argument::Host);
    }
    for path in [
        "",
        "a",
        "/ HTTP/1.1\r\nX: y",
        "/a b",
        "/a#b",
        "/é",
        "http://a/",
        "/\n",
    ] {
        check(Opening { path, ..opening() }, Argument::Path);
    }
    for origin in ["", "a b", "https://a\r\nX: y", "é", "\t"] {
        check(
            Opening {
                origin: Some(origin),
                ..opening()
            },
            Argument::Origin,
        );
    }
    for name in ["", "a b", "a,b", "a\r\nX: y", "é", "chat"] {
        check(
            Opening {
                protocols: &["chat", name],
                ..opening()
            },
            Argument::Subprotocols,
        );
    }
    for list in [
        "",
        ",",
        "x;",
        "x\r\nX: y",
        "x\r\n\r\n;y",
        "x;\r\ny",
        "x;y\n=z",
        "x;y=\u{c}z",
        "é",
        "x; a=\"b c\"",
    ] {
        check(
            Opening {
                extensions: Some(list),
                ..opening()
            },
            Argument::Extensions,
        );
    }
    for name in [
        "",
        "a b",
        "a:",
        "a\r\n",
        "é",
        "host",
        "UPGRADE",
        "Connection",
        "Origin",
        "Content-Length",
        "sec-websocket-key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Transfer-Encoding",
    ] {
        check(
            Opening {
                headers: &[("A", "b"), (name, "x")],
                ..opening()
            },
            Argument::HeaderName,
        );
    }
    for value in ["a\r\nX: y", "a\nb", "\r", "\0", "\x7f"] {
        check(
            Opening {
                headers: &[("A", value)],
                ..opening()
            },
            Argument::HeaderValue,
        );
    }
}

#[test]
fn what_cannot_be_written_is_named_with_the_remedy() {
    use Argument::*;
    let arguments = [
        (Host, "host"),
        (Path, "path"),
        (Origin, "origin"),
        (Subprotocols, "subprotocols"),
        (Extensions, "extensions"),
        (HeaderName, "name of a header field"),
        (HeaderValue, "value of a header field"),
        (Status, "status"),
        (Reason, "reason phrase"),
    ];
    for (argument, name) in arguments {
        let message = WriteError::Invalid(argument).to_string();
        assert!(message.starts_with(&format!("The {name} ")), "{message}");
        assert!(
            message.contains("not valid") && message.contains(": "),
            "{message}"
        );
    }
    let message = WriteError::BufferTooSmall { needed: 123 }.to_string();
    assert!(message.contains("123 bytes are needed"), "{message}");
}

#[test]
fn the_answer_of_rfc_6455_section_1_2_opens_the_connection() {
    assert_eq!(selected(&Head::response()), None);
    for protocol in ["chat", "superchat"] {
        let head = Head::response().with("Sec-WebSocket-Protocol", protocol);
        assert_eq!(selected(&head), Some(protocol.to_string()));
    }
    let spelled = Head::response()
        .line("HTTP/1.1 101")
        .instead("Upgrade", "WebSocket")
        .instead("Connection", "keep-alive, upgrade");
    assert_eq!(selected(&spelled), None);
}

#[test]
fn bytes_that_are_no_http_response_are_refused() {
    for bytes in [
        &b"\x15\x03\x01"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET / HTTP/1.1\r\n",
        b"HTTP/2 101 \r\n",
        b"HTTP/1.1 1x1 \r\n",
        b"HTTP/1.1 101 a\0b\r\n",
        b"HTTP/1.1 101 OK\r\nNo Name: x\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nA: b\r\n folded\r\n\r\n",
    ] {
        bytes_are_refused(bytes, BadResponse::NotHttp);
    }
    bytes_are_refused(b"HTTP/1.1 101 OK\n\n", BadResponse::BareLineFeed);
}

#[test]
fn a_trickled_response_is_parsed_when_its_length_has_doubled() {
    let bytes = b"HTTP/1.1 1x1 is no status, and that shows at the eleventh byte";
    let refused = (1..bytes.len()).find(|end| {
        let (bytes, cuts) = (&bytes[..*end], every_byte(&bytes[..*end]));
        answer_in_pieces(&opening(), bytes, &cuts, Limits::DEFAULT).is_some()
    });
    assert_eq!(refused, Some(16));
}

#[test]
fn the_limits_hold_for_responses_too() {
    let long = Head::response().with("A", &"b".repeat(8192));
    is_refused(&long, BadResponse::HeadTooLarge { limit: 8192 });
    let count = Head::response().fields.len();
    let full = (count..DEFAULT_HEADERS).fold(Head::response(), |head, _| head.with("A", "b"));
    assert_eq!(selected(&full), None);
    is_refused(
        &full.with("A", "b"),
        BadResponse::TooManyHeaders { limit: 64 },
    );
}

#[test]
fn other_statuses_say_why_the_server_refuses() {
    let status = |status| Head::response().line(&format!("HTTP/1.1 {status} Reason"));
    for code in [301, 302, 307, 308, 399] {
        let location = Some("wss://other/");
        let head = status(code).with("Location", "wss://other/");
        is_refused(
            &head,
            BadResponse::Redirect {
                status: code,
                location,
            },
        );
        is_refused(
            &status(code),
            BadResponse::Redirect {
                status: code,
                location: None,
            },
        );
    }
    let challenge = Some("Bearer realm=\"a\"");
    let head = status(401).with("WWW-Authenticate", "Bearer realm=\"a\"");
    is_refused(&head, BadResponse::Unauthorized { challenge });
    is_refused(&status(401), BadResponse::Unauthorized { challenge: None });
    let versions = Some("13, 8");
    let head = status(426).with("Sec-WebSocket-Version", "13, 8");
    is_refused(&head, BadResponse::UpgradeRequired { versions });
    for code in [429, 503] {
        let retry_after = Some("120");
        let head = status(code).with("Retry-After", "120");
        let busy = |retry_after| BadResponse::Busy {
            status: code,
            retry_after,
        };
        is_refused(&head, busy(retry_after));
        is_refused(&status(code), busy(None));
    }
    for code in [100, 200, 204, 400, 403, 404, 428, 500, 502, 504] {
        is_refused(&status(code), BadResponse::Status(code));
    }
    // A server that refuses in HTTP/1.0 is understood; one that accepts in it is not.
    is_refused(
        &Head::new("HTTP/1.0 404 Not Found"),
        BadResponse::Status(404),
    );
    let old = Head::response().line("HTTP/1.0 101 OK");
    is_refused(&old, BadResponse::HttpVersion);
}

#[test]
fn the_answer_must_upgrade_to_websocket_and_nothing_else() {
    is_refused(&Head::response().without("Upgrade"), BadResponse::Upgrade);
    for value in ["", "h2c", "websocket, h2c", "websocket/13"] {
        is_refused(
            &Head::response().instead("Upgrade", value),
            BadResponse::Upgrade,
        );
    }
    is_refused(
        &Head::response().with("Upgrade", "websocket"),
        BadResponse::Upgrade,
    );
    is_refused(
        &Head::response().without("Connection"),
        BadResponse::Connection,
    );
    for value in ["", "close", "keep-alive"] {
        is_refused(
            &Head::response().instead("Connection", value),
            BadResponse::Connection,
        );
    }
}

#[test]
fn the_answer_must_prove_that_the_key_was_read() {
    const NAME: &str = "Sec-WebSocket-Accept";
    const RIGHT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    is_refused(&Head::response().without(NAME), BadResponse::Accept);
    is_refused(&Head::response().with(NAME, RIGHT), BadResponse::Accept);
    let lower = RIGHT.to_lowercase();
    for value in ["", &RIGHT[..27], &lower, "dGhlIHNhbXBsZSBub25jZQ=="] {
        is_refused(&Head::response().instead(NAME, value), BadResponse::Accept);
    }
}

#[test]
fn the_answer_may_select_one_subprotocol_that_was_offered() {
    const NAME: &str = "Sec-WebSocket-Protocol";
    for value in ["other", "Chat", "", "chat;"] {
        let head = Head::response().with(NAME, value);
        is_refused(&head, BadResponse::UnsolicitedSubprotocol);
    }
    let list = Head::response().with(NAME, "chat, superchat");
    is_refused(&list, BadResponse::RepeatedSubprotocol);
    let twice = Head::response().with(NAME, "chat").with(NAME, "chat");
    is_refused(&twice, BadResponse::RepeatedSubprotocol);
}

#[test]
fn the_answer_may_use_extensions_that_were_offered() {
    const NAME: &str = "Sec-WebSocket-Extensions";
    let used = |head: &Head| {
        answer(&head.bytes(), |received| match received {
            Ok(Status::Complete { value, .. }) => describe(value.extensions()),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(used(&Head::response()), []);
    let parameters = vec![("b".to_string(), Some("1".to_string()))];
    let expected = [("y".to_string(), vec![]), ("x".to_string(), parameters)];
    assert_eq!(used(&Head::response().with(NAME, "y, x; b=1")), expected);
    assert_eq!(
        used(&Head::response().with(NAME, "y").with(NAME, "x; b=1")),
        expected
    );
    for value in ["z", "x, z", "X"] {
        let head = Head::response().with(NAME, value);
        is_refused(&head, BadResponse::UnsolicitedExtension);
    }
    for value in ["x;", "x y", "x; a=\"\""] {
        let head = Head::response().with(NAME, value);
        is_refused(&head, BadResponse::MalformedExtensions);
    }
}

#[test]
fn secrets_are_not_shown() {
    let opening = Opening {
        path: "/?access_token=secret",
        protocols: &["campanile.token.secret"],
        headers: &[("Authorization", "Bearer secret")],
        ..opening()
    };
    let shown = format!("{opening:?}");
    assert!(
        shown.contains("server.example.com") && !shown.contains("secret"),
        "{shown}"
    );
    let head = Head::response().with("Set-Cookie", "secret");
    answer(&head.bytes(), |received| {
        let shown = format!("{received:?}");
        assert!(
            shown.contains("Response") && !shown.contains("secret"),
            "{shown}"
        );
    });
}
