use super::*;

/// What a server says to the bytes, and the response it makes of it.
#[track_caller]
fn refusal_of(bytes: &[u8]) -> (BadRequest, String) {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let refusal = ServerHandshake::new(Limits::DEFAULT)
        .receive(bytes, &mut headers)
        .expect_err("this request is wrong");
    let mut out = [0; RESPONSE_BYTES];
    let response = reject(&refusal, &mut out).unwrap();
    (refusal, String::from_utf8(response.to_vec()).unwrap())
}

/// Asserts what `head` is refused with, and that the response to it has all of `texts`.
#[track_caller]
fn is_refused(head: &Head, expected: BadRequest, status: u16, texts: &[&str]) {
    bytes_are_refused(&head.bytes(), expected, status, texts);
}

#[track_caller]
fn bytes_are_refused(bytes: &[u8], expected: BadRequest, status: u16, texts: &[&str]) {
    let (refusal, response) = refusal_of(bytes);
    assert_eq!(refusal, expected, "{}", bytes.escape_ascii());
    assert!(
        response.starts_with(&format!("HTTP/1.1 {status} ")),
        "{response}"
    );
    for text in texts {
        assert!(response.contains(text), "no {text:?} in {response}");
    }
}

#[track_caller]
fn is_accepted(head: &Head) {
    let verdict = serve(&head.bytes());
    assert!(matches!(verdict, Some(Ok(_))), "{verdict:?} for {head:?}");
}

#[test]
fn the_example_of_rfc_6455_section_1_2_is_answered_as_it_says_there() {
    let head = Head::request()
        .with("Origin", "http://example.com")
        .with("Sec-WebSocket-Protocol", "chat, superchat");
    with_request(&head, |request| {
        assert_eq!(request.host(), "server.example.com");
        assert_eq!(request.resource(), "/chat");
        assert_eq!(request.origin(), Some("http://example.com"));
        let reply = Reply {
            protocol: request.protocols().find(|offered| *offered == "chat"),
            ..Reply::default()
        };
        let mut out = [0; RESPONSE_BYTES];
        assert_eq!(
            accept(&request, &reply, &mut out)
                .unwrap()
                .escape_ascii()
                .to_string(),
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
              Sec-WebSocket-Protocol: chat\r\n\r\n"
                .escape_ascii()
                .to_string()
        );
    });
}

#[test]
fn bytes_that_are_not_http_are_refused() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0",
        b"hello big world\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"{\"sender\":\"client\"}",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET / HTTP/\r\n\r\n",
        b"GET / http/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"\xc3\xa9",
    ] {
        let texts = ["not an HTTP/1.1 request", "`GET / HTTP/1.1`"];
        bytes_are_refused(bytes, BadRequest::NotHttp, 400, &texts);
    }
}

#[test]
fn bytes_that_are_not_http_are_refused_before_the_head_is_complete() {
    assert_eq!(serve(b"\x16"), Some(Err("NotHttp".to_string())));
    // Trickled, they are refused before twice as many have come as were needed to tell.
    let bytes = b"hello world, this is not the protocol you speak".repeat(4);
    let refused = (1..bytes.len()).find(|end| {
        serve_in_pieces(&bytes[..*end], &every_byte(&bytes[..*end]), Limits::DEFAULT).is_some()
    });
    assert_eq!(refused, Some(16), "`hello world,` is where it goes wrong");
}

#[test]
fn lines_must_end_with_carriage_return_and_line_feed() {
    let good = String::from_utf8(Head::request().bytes()).unwrap();
    let texts = ["line feed alone", "\\r\\n"];
    for (place, _) in good.match_indices("\r\n") {
        let mut bare = good.clone();
        bare.replace_range(place..place + 2, "\n");
        bytes_are_refused(bare.as_bytes(), BadRequest::BareLineFeed, 400, &texts);
    }
    for (place, _) in good.match_indices("\r\n") {
        let mut bare = good.clone();
        bare.replace_range(place..place + 2, "\r");
        bare.push('x');
        assert!(matches!(serve(bare.as_bytes()), Some(Err(_))), "{bare:?}");
    }
}

#[test]
fn header_fields_must_be_well_formed() {
    let texts = ["header field is malformed", "`Name: value`"];
    for field in [
        "Upgrade : websocket",
        "Sec WebSocket: 1",
        "NoColon",
        ": nameless",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        "A:\r\n folded",
        "A: b\0c",
        "A: b\x07c",
        "A: b\x7fc",
        "A: b\rc",
        "Ä: b",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        bytes_are_refused(head.as_bytes(), BadRequest::MalformedHeader, 400, &texts);
    }
}

#[test]
fn a_head_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
    let head = Head::request().with("Filler", "x").bytes();
    let limit = head.len();
    let limits = |head_bytes| Limits { head_bytes };
    for cuts in [vec![], every_byte(&head)] {
        let exact = serve_in_pieces(&head, &cuts, limits(limit));
        assert!(matches!(exact, Some(Ok(_))), "{exact:?}");
        let short = serve_in_pieces(&head, &cuts, limits(limit - 1));
        let expected = format!("HeadTooLarge {{ limit: {} }}", limit - 1);
        assert_eq!(short, Some(Err(expected)));
    }
    // What follows the head does not count.
    let mut more = head.clone();
    more.extend([0x81; 100]);
    let verdict = serve_in_pieces(&more, &[], limits(limit));
    assert!(matches!(verdict, Some(Ok(_))), "{verdict:?}");

    let endless = Head::request().with("Cookie", &"c".repeat(Limits::DEFAULT.head_bytes));
    let expected = BadRequest::HeadTooLarge { limit: 8192 };
    is_refused(&endless, expected, 431, &["limit is 8192 bytes", "cookies"]);
}

#[test]
fn there_may_be_as_many_header_fields_as_slots_and_not_one_more() {
    let fields = Head::request().fields.len();
    let filled = (fields..DEFAULT_HEADERS).fold(Head::request(), |head, _| head.with("A", "b"));
    is_accepted(&filled);
    let expected = BadRequest::TooManyHeaders {
        limit: DEFAULT_HEADERS,
    };
    is_refused(&filled.with("A", "b"), expected, 431, &["limit is 64"]);
}

#[test]
fn other_major_versions_of_http_are_refused_with_505() {
    for version in ["HTTP/2.0", "HTTP/3", "HTTP/0.9"] {
        let head = Head::request().line(&format!("GET / {version}"));
        is_refused(&head, BadRequest::HttpVersion, 505, &["`HTTP/1.1`"]);
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    bytes_are_refused(preface, BadRequest::HttpVersion, 505, &["HTTP/1.1"]);
}

#[test]
fn an_upgrade_in_http_1_0_is_refused_and_a_plain_request_in_it_is_told_how_to_connect() {
    let old = Head::request().line("GET / HTTP/1.0");
    is_refused(&old, BadRequest::Http10, 400, &["`proxy_http_version 1.1`"]);
    let plain = Head::new("GET / HTTP/1.0");
    is_refused(&plain, BadRequest::NotUpgrade, 426, &["wscat"]);
    is_refused(
        &plain.with("Host", "a"),
        BadRequest::NotUpgrade,
        426,
        &["wscat"],
    );
}

#[test]
fn host_must_be_there_once_and_be_a_host() {
    let refused = |head: &Head| {
        is_refused(
            head,
            BadRequest::Host,
            400,
            &["Host header", "`Host: NAME`"],
        )
    };
    refused(&Head::request().without("Host"));
    refused(&Head::request().with("Host", "server.example.com"));
    refused(&Head::request().with("hOST", "other.example.com"));
    for host in ["", "a b", "user@a", "a/b", "a#b", "é"] {
        refused(&Head::request().instead("Host", host));
    }
    // Also when no upgrade is asked for (RFC 9112, section 3.2).
    refused(&Head::new("GET / HTTP/1.1"));
    for host in ["localhost", "127.0.0.1:8000", "[::1]:8000"] {
        is_accepted(&Head::request().instead("Host", host));
    }
}

#[test]
fn a_head_request_is_no_upgrade_either() {
    let head = Head::new("HEAD / HTTP/1.1").with("Host", "a");
    let (refusal, response) = refusal_of(&head.bytes());
    assert_eq!(refusal, BadRequest::NotUpgradeHead);
    assert!(response.starts_with("HTTP/1.1 426 ") && response.ends_with("\r\n\r\n"));
}

#[test]
fn a_request_that_is_no_upgrade_is_told_how_to_connect() {
    let texts = [
        "Upgrade: websocket\r\n",
        "Connection: Upgrade, close\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "This is a WebSocket endpoint",
        "npx wscat -c ws://",
        "proxy",
    ];
    let refused = |head: &Head| is_refused(head, BadRequest::NotUpgrade, 426, &texts);
    refused(&Head::request().without("Upgrade"));
    refused(&Head::request().instead("Upgrade", "h2c"));
    refused(&Head::request().instead("Upgrade", "websockets"));
    refused(&Head::request().instead("Upgrade", "websocket/13"));
    refused(
        &Head::new("POST / HTTP/1.1")
            .with("Host", "a")
            .with("Content-Length", "2"),
    );
    refused(&Head::new("OPTIONS * HTTP/1.1").with("Host", "a"));
}

#[test]
fn an_upgrade_must_be_asked_for_with_get() {
    for method in ["POST", "HEAD", "get", "CONNECT", "GETS"] {
        let head = Head::request().line(&format!("{method} / HTTP/1.1"));
        is_refused(&head, BadRequest::Method, 405, &["Allow: GET\r\n", "`GET`"]);
    }
}

#[test]
fn connection_must_list_upgrade() {
    let refused = |head: &Head| {
        is_refused(
            head,
            BadRequest::Connection,
            400,
            &["`Connection: Upgrade`"],
        )
    };
    refused(&Head::request().without("Connection"));
    for value in [
        "",
        "keep-alive",
        "Upgraded",
        "Up grade",
        "keep-alive; Upgrade",
    ] {
        refused(&Head::request().instead("Connection", value));
    }
}

#[test]
fn upgrade_and_connection_are_lists_in_any_case_over_any_number_of_lines() {
    for value in [
        "upgrade",
        "UPGRADE",
        "keep-alive, Upgrade",
        ",keep-alive ,\tupgrade,,",
    ] {
        is_accepted(&Head::request().instead("Connection", value));
    }
    is_accepted(
        &Head::request()
            .instead("Connection", "keep-alive")
            .with("connection", "Upgrade"),
    );
    for value in ["WebSocket", "WEBSOCKET", "h2c, websocket"] {
        is_accepted(&Head::request().instead("Upgrade", value));
    }
    is_accepted(
        &Head::request()
            .instead("Upgrade", "h2c")
            .with("UPGRADE", "websocket"),
    );
}

#[test]
fn an_upgrade_has_no_body() {
    let refused = |name, value| {
        let head = Head::request().with(name, value);
        is_refused(&head, BadRequest::Body, 400, &["body", "Content-Length"]);
    };
    for length in ["1", "10", "", "-0", "0x0", "0, 1", "abc"] {
        refused("Content-Length", length);
    }
    refused("Transfer-Encoding", "chunked");
    refused("transfer-encoding", "");
    is_accepted(&Head::request().with("Content-Length", "0"));
}

#[test]
fn the_request_target_is_a_path_or_an_http_uri() {
    let resource = |target: &str| {
        let head = Head::request().line(&format!("GET {target} HTTP/1.1"));
        with_request(&head, |request| {
            format!(
                "{} {} {} {:?}",
                request.host(),
                request.resource(),
                request.path(),
                request.query()
            )
        })
    };
    let host = "server.example.com";
    assert_eq!(resource("/"), format!("{host} / / None"));
    assert_eq!(
        resource("/a/b?c=d?e"),
        format!("{host} /a/b?c=d?e /a/b Some(\"c=d?e\")")
    );
    assert_eq!(resource("/?"), format!("{host} /? / Some(\"\")"));
    assert_eq!(resource("//a"), format!("{host} //a //a None"));
    // RFC 9112, section 3.2.2: the host of an absolute URI counts, not the Host field.
    assert_eq!(
        resource("http://other:80/a?b"),
        "other:80 /a?b /a Some(\"b\")"
    );
    assert_eq!(resource("HTTPS://other"), "other / / None");
    for target in [
        "*",
        "a",
        "a:80",
        "/a#b",
        "/#",
        "/é",
        "ws://a/",
        "http:///a",
        "http://",
        "http://u@a/",
        "http://a?b",
        "?a",
    ] {
        let head = Head::request().line(&format!("GET {target} HTTP/1.1"));
        is_refused(
            &head,
            BadRequest::Target,
            400,
            &["begins with `/`", "Percent-encode"],
        );
    }
}

#[test]
fn the_version_must_be_13() {
    let texts = [
        "Upgrade: websocket\r\n",
        "Connection: Upgrade, close\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Send `Sec-WebSocket-Version: 13`",
    ];
    let refused = |head: &Head| is_refused(head, BadRequest::Version, 426, &texts);
    refused(&Head::request().without("Sec-WebSocket-Version"));
    for version in ["8", "14", "", "13, 8", "013", "+13"] {
        refused(&Head::request().instead("Sec-WebSocket-Version", version));
    }
    refused(&Head::request().with("Sec-WebSocket-Version", "13"));
}

#[test]
fn the_key_must_be_there_once_and_be_16_bytes_in_base64() {
    let refused = |head: &Head| {
        is_refused(
            head,
            BadRequest::Key,
            400,
            &["Sec-WebSocket-Key", "16 random bytes"],
        )
    };
    refused(&Head::request().without("Sec-WebSocket-Key"));
    refused(&Head::request().with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="));
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQQ=",
        "dGhlIHNhbXBsZSBub25j ZQ==",
        "dGhlIHNhbXBsZSBub25j_Q==",
        "dGhlIHNhbXBsZQ==",
    ] {
        refused(&Head::request().instead("Sec-WebSocket-Key", key));
    }
}

#[test]
fn origin_and_authorization_must_not_be_repeated() {
    let origin = Head::request().with("Origin", "https://a");
    with_request(&origin, |request| {
        assert_eq!(request.origin(), Some("https://a"))
    });
    with_request(&Head::request(), |request| {
        assert_eq!(request.origin(), None)
    });
    is_refused(
        &origin.with("origin", "https://a"),
        BadRequest::Origin,
        400,
        &["Origin header"],
    );
    let odd = Head::request().with("Origin", "https://é");
    is_refused(&odd, BadRequest::Origin, 400, &["Origin header"]);

    let bearer = Head::request().with("Authorization", "Bearer x");
    with_request(&bearer, |request| {
        assert_eq!(request.authorization(), Some(&b"Bearer x"[..]))
    });
    let twice = bearer.with("Authorization", "Bearer y");
    is_refused(
        &twice,
        BadRequest::Authorization,
        400,
        &["Authorization header"],
    );
}

#[test]
fn subprotocols_are_tokens_and_unique_over_all_lines() {
    let offered = |head: &Head| {
        with_request(head, |request| {
            request
                .protocols()
                .map(|offered| offered.to_string())
                .collect::<Vec<_>>()
        })
    };
    const NAME: &str = "Sec-WebSocket-Protocol";
    assert_eq!(offered(&Head::request()), [""; 0]);
    assert_eq!(offered(&Head::request().with(NAME, "a")), ["a"]);
    let lines = Head::request()
        .with(NAME, "a,b ,, c")
        .with(NAME, "")
        .with(NAME, "A");
    assert_eq!(offered(&lines), ["a", "b", "c", "A"]);
    let token = "campanile.token.eyJhbGciOiJIUzI1NiJ9.e30.x-_y";
    assert_eq!(offered(&Head::request().with(NAME, token)), [token]);

    let texts = ["Sec-WebSocket-Protocol", "at most 32"];
    let refused = |head: &Head| is_refused(head, BadRequest::Subprotocols, 400, &texts);
    for value in ["a, a", "a b", "a;b", "\"a\"", "a/b", "é", "a,b,c,a"] {
        refused(&Head::request().with(NAME, value));
    }
    refused(&Head::request().with(NAME, "a").with(NAME, "b, a"));
    let many = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("p{number}")).collect();
        Head::request().with(NAME, &names.join(","))
    };
    assert_eq!(offered(&many(MAX_SUBPROTOCOLS)).len(), MAX_SUBPROTOCOLS);
    refused(&many(MAX_SUBPROTOCOLS + 1));
}

#[test]
fn malformed_extensions_are_refused_and_others_are_given_in_order() {
    const NAME: &str = "Sec-WebSocket-Extensions";
    let lines = Head::request()
        .with(NAME, "x; a=1, x")
        .with(NAME, "")
        .with(NAME, "y");
    let names = with_request(&lines, |request| {
        request
            .extensions()
            .map(|offered| offered.name().to_string())
            .collect::<Vec<_>>()
    });
    assert_eq!(names, ["x", "x", "y"]);
    for value in [
        "x;",
        "x; =1",
        "x; a=",
        "x; a=\"",
        "x; a=\"\"",
        "x y",
        "x; a=\"b c\"",
        "é",
        "x, ;",
    ] {
        let head = Head::request().with(NAME, "fine").with(NAME, value);
        is_refused(
            &head,
            BadRequest::Extensions,
            400,
            &["Sec-WebSocket-Extensions"],
        );
    }
}

#[test]
fn header_fields_can_be_looked_up_in_any_case() {
    let head = Head::request()
        .with("X-Forwarded-For", "1")
        .with("x-forwarded-for", " 2 ");
    with_request(&head, |request| {
        let values: Vec<_> = request.header("X-FORWARDED-FOR").collect();
        assert_eq!(values, [b"1", b"2"]);
        assert_eq!(request.header("X-Forwarded").count(), 0);
    });
}

#[test]
fn secrets_are_not_shown() {
    let head = Head::request()
        .line("GET /path?access_token=secret HTTP/1.1")
        .with("Authorization", "Bearer secret")
        .with("Sec-WebSocket-Protocol", "campanile.token.secret");
    let shown = with_request(&head, |request| format!("{request:?}"));
    assert!(
        shown.contains("/path") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn bytes_behind_the_head_are_left_for_the_connection() {
    let mut bytes = Head::request().bytes();
    let head = bytes.len();
    bytes.extend(b"\x81\x80\x01\x02\x03\x04\r\n\r\n");
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let received = ServerHandshake::new(Limits::DEFAULT).receive(&bytes, &mut headers);
    assert!(matches!(received, Ok(Status::Complete { consumed, .. }) if consumed == head));
}

#[test]
fn empty_lines_before_the_request_are_ignored() {
    let mut bytes = b"\r\n\r\n".to_vec();
    bytes.extend(Head::request().bytes());
    for cuts in [vec![], every_byte(&bytes)] {
        let verdict = serve_in_pieces(&bytes, &cuts, Limits::DEFAULT);
        assert!(matches!(verdict, Some(Ok(_))), "{verdict:?}");
    }
}
