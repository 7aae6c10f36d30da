use super::*;

#[test]
fn a_reply_has_nothing_that_was_not_offered() {
    let head = Head::request()
        .with("Sec-WebSocket-Protocol", "a, b")
        .with("Sec-WebSocket-Extensions", "x; p, y");
    let other = Head::request().with("Sec-WebSocket-Protocol", "c");
    with_request(&head, |request| {
        let mut out = [0; RESPONSE_BYTES];
        with_request(&other, |other| {
            let protocol = other.protocols().next();
            let reply = Reply {
                protocol,
                ..Reply::default()
            };
            let expected = Err(WriteError::Invalid(Argument::Subprotocols));
            assert_eq!(accept(&request, &reply, &mut out), expected);
        });
        let mut reply = |extensions| {
            let reply = Reply {
                extensions: Some(extensions),
                ..Reply::default()
            };
            accept(&request, &reply, &mut out)
                .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        for bad in ["z", "x, z", "", "x;", "x\r\nInjected: 1", "é"] {
            assert_eq!(
                reply(bad),
                Err(WriteError::Invalid(Argument::Extensions)),
                "{bad}"
            );
        }
        let response = reply("y, x; p=1").unwrap();
        assert!(
            response.contains("\r\nSec-WebSocket-Extensions: y, x; p=1\r\n"),
            "{response}"
        );
    });
}

/// One of each; the match makes sure that a new one is added here.
fn every_refusal() -> Vec<BadRequest> {
    use BadRequest::*;
    let all = vec![
        NotHttp,
        MalformedHeader,
        BareLineFeed,
        HeadTooLarge { limit: usize::MAX },
        TooManyHeaders { limit: usize::MAX },
        HttpVersion,
        Http10,
        Host,
        NotUpgrade,
        NotUpgradeHead,
        Method,
        Connection,
        Body,
        Target,
        Version,
        Key,
        Origin,
        Authorization,
        Subprotocols,
        Extensions,
    ];
    for refusal in &all {
        match refusal {
            NotHttp
            | MalformedHeader
            | BareLineFeed
            | HeadTooLarge { .. }
            | TooManyHeaders { .. }
            | HttpVersion
            | Http10
            | Host
            | NotUpgrade
            | NotUpgradeHead
            | Method
            | Connection
            | Body
            | Target
            | Version
            | Key
            | Origin
            | Authorization
            | Subprotocols
            | Extensions => {}
        }
    }
    all
}

/// Asserts that `bytes` is one complete response, and gives its status, header fields and body.
#[track_caller]
fn complete_response(bytes: &[u8]) -> (u16, Vec<(String, String)>, String) {
    let mut headers = [EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let end = head.parse(bytes).unwrap().unwrap();
    assert_eq!(head.version, Some(1));
    let fields: Vec<_> = head
        .headers
        .iter()
        .map(|field| {
            (
                field.name.to_string(),
                String::from_utf8(field.value.to_vec()).unwrap(),
            )
        })
        .collect();
    let body = String::from_utf8(bytes[end..].to_vec()).unwrap();
    let field = |name: &str| {
        let mut values = fields.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} twice");
        value
    };
    assert_eq!(
        field("Content-Length"),
        Some(body.len().to_string().as_str())
    );
    assert_eq!(field("Content-Type"), Some("text/plain; charset=utf-8"));
    let closing = if field("Upgrade").is_some() {
        "Upgrade, close"
    } else {
        "close"
    };
    assert_eq!(field("Connection"), Some(closing));
    assert!(
        body.ends_with(".\n") && !body.trim_end().contains('\n'),
        "{body}"
    );
    (head.code.unwrap(), fields, body)
}

#[test]
fn every_rejection_is_a_complete_response_that_fits_its_buffer() {
    for refusal in every_refusal() {
        let mut out = [0; RESPONSE_BYTES];
        let response = reject(&refusal, &mut out).unwrap();
        let needed = response.len();
        if refusal != BadRequest::NotUpgradeHead {
            let (status, _, body) = complete_response(response);
            assert_eq!(status, refusal.status());
            assert_eq!(body.trim_end(), refusal.to_string());
        }
        for room in [0, 1, needed - 1] {
            let error = WriteError::BufferTooSmall { needed };
            assert_eq!(reject(&refusal, &mut vec![0; room]), Err(error));
        }
        assert!(reject(&refusal, &mut vec![0; needed]).is_ok());
    }
}

#[test]
fn the_answer_to_head_is_the_one_to_get_without_its_body() {
    let (mut get, mut head) = ([0; RESPONSE_BYTES], [0; RESPONSE_BYTES]);
    let get = reject(&BadRequest::NotUpgrade, &mut get).unwrap();
    let head = reject(&BadRequest::NotUpgradeHead, &mut head).unwrap();
    let body = BadRequest::NotUpgrade.to_string().len() + 1;
    assert_eq!(head, &get[..get.len() - body]);
}

#[test]
fn an_acceptance_fits_its_buffer() {
    let longest = "p".repeat(256);
    let head = Head::request()
        .with("Sec-WebSocket-Protocol", &longest)
        .with("Sec-WebSocket-Extensions", &longest);
    with_request(&head, |request| {
        let reply = Reply {
            protocol: request.protocols().next(),
            extensions: Some(&longest),
        };
        let mut out = [0; RESPONSE_BYTES];
        let needed = accept(&request, &reply, &mut out).unwrap().len();
        let error = WriteError::BufferTooSmall { needed };
        assert_eq!(
            accept(&request, &reply, &mut vec![0; needed - 1]),
            Err(error)
        );
        assert!(accept(&request, &reply, &mut vec![0; needed]).is_ok());
    });
}

#[test]
fn a_server_can_refuse_for_its_own_reasons() {
    let refusal = Refusal {
        status: 401,
        reason: "Unauthorized",
        headers: &[("WWW-Authenticate", "Bearer"), ("X-Empty", "")],
        body: "The token has expired: fetch a new one.",
    };
    let mut out = [0; RESPONSE_BYTES];
    let (status, fields, body) = complete_response(refuse(&refusal, &mut out).unwrap());
    assert_eq!(status, 401);
    assert!(fields.contains(&("WWW-Authenticate".to_string(), "Bearer".to_string())));
    assert_eq!(body, "The token has expired: fetch a new one.\n");

    let mut check = |refusal: Refusal<'_>, argument| {
        assert_eq!(
            refuse(&refusal, &mut out),
            Err(WriteError::Invalid(argument))
        );
    };
    for status in [0, 101, 200, 299, 600, u16::MAX] {
        check(Refusal { status, ..refusal }, Argument::Status);
    }
    check(
        Refusal {
            reason: "a\r\nb",
            ..refusal
        },
        Argument::Reason,
    );
    for name in [
        "",
        "a b",
        "a:",
        "é",
        "content-length",
        "Connection",
        "Transfer-Encoding",
    ] {
        check(
            Refusal {
                headers: &[("A", "b"), (name, "x")],
                ..refusal
            },
            Argument::HeaderName,
        );
    }
    for value in ["a\nb", "a\r", "\0", "\x7f"] {
        check(
            Refusal {
                headers: &[("A", value)],
                ..refusal
            },
            Argument::HeaderValue,
        );
    }
}
