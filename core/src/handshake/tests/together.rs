use super::*;

/// An opening that a client may ask for, and what the server shall agree to.
#[derive(Clone, Debug)]
struct Case {
    host: String,
    path: String,
    origin: Option<String>,
    protocols: Vec<String>,
    selected: Option<Index>,
    extensions: Option<(String, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let protocols = prop::collection::hash_set("[!#$%&'*+.^_`|~A-Za-z0-9-]{1,12}", 0..5);
    let extensions = prop::sample::select(vec!["x", "x; a=\"1\\0\", y", "y; b , x"]);
    (
        "[a-z0-9.-]{1,12}(:[0-9]{1,5})?",
        "/[!-\"$-~]{0,20}",
        prop::option::of("[!-~]{1,12}"),
        protocols,
        prop::option::of(any::<Index>()),
        prop::option::of((extensions.prop_map(String::from), any::<bool>())),
    )
        .prop_map(
            |(host, path, origin, protocols, selected, extensions)| Case {
                host,
                path,
                origin,
                protocols: protocols.into_iter().collect(),
                selected,
                extensions,
            },
        )
}

proptest! {
    #[test]
    fn what_a_client_asks_a_server_accepts_and_the_client_agrees(
        nonce: [u8; 16],
        case in cases(),
        request_cuts in cuts(),
        response_cuts in cuts(),
    ) {
        let protocols: Vec<&str> = case.protocols.iter().map(String::as_str).collect();
        let opening = Opening {
            origin: case.origin.as_deref(),
            protocols: &protocols,
            extensions: case.extensions.as_ref().map(|(offer, _)| offer.as_str()),
            headers: &[("X-Test", "1")],
            ..Opening::new(&case.host, &case.path)
        };
        let (mut request_out, mut response_out) = ([0; 1024], [0; RESPONSE_BYTES]);
        let (request_bytes, mut client) =
            ClientHandshake::start(nonce, &opening, Limits::DEFAULT, &mut request_out).unwrap();

        // The server sees the request arrive in pieces.
        prop_assert!(serve_in_pieces(request_bytes, &at(&request_cuts, request_bytes), Limits::DEFAULT)
            .is_some_and(|verdict| verdict.is_ok()));
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        let received = ServerHandshake::new(Limits::DEFAULT).receive(request_bytes, &mut headers);
        let Ok(Status::Complete { value: request, consumed }) = received else {
            panic!("{received:?}");
        };
        prop_assert_eq!(consumed, request_bytes.len());
        prop_assert_eq!(request.host(), &case.host);
        prop_assert_eq!(request.resource(), &case.path);
        prop_assert_eq!(request.origin(), case.origin.as_deref());
        prop_assert!(request.protocols().map(Subprotocol::as_str).eq(protocols.iter().copied()));
        prop_assert!(request.header("x-test").eq([b"1"]));

        let selected = match (&case.selected, protocols.as_slice()) {
            (Some(index), [_, ..]) => Some(*index.get(&protocols)),
            _ => None,
        };
        let used = case.extensions.as_ref().filter(|(_, used)| *used);
        let reply = Reply {
            protocol: request.protocols().find(|offered| Some(offered.as_str()) == selected),
            extensions: used.map(|_| "x; a=10"),
        };
        let response_bytes = accept(&request, &reply, &mut response_out).unwrap();

        // The client sees the response arrive in pieces, with a first frame behind it.
        let mut stream = response_bytes.to_vec();
        stream.extend(b"\x81\x00");
        let mut ends = at(&response_cuts, &stream);
        ends.sort_unstable();
        ends.push(stream.len());
        let mut done = false;
        for end in ends {
            let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
            match client.receive(&opening, &stream[..end], &mut headers) {
                Ok(Status::Partial) => prop_assert!(end < response_bytes.len()),
                Ok(Status::Complete { value, consumed }) => {
                    prop_assert_eq!(consumed, response_bytes.len());
                    prop_assert_eq!(value.protocol(), selected);
                    prop_assert_eq!(value.extensions().count(), usize::from(used.is_some()));
                    done = true;
                }
                Err(refusal) => panic!("{refusal}"),
            }
        }
        prop_assert!(done);
    }

    #[test]
    fn the_answer_to_one_key_is_no_answer_to_another(one: [u8; 16], other: [u8; 16]) {
        prop_assume!(one != other);
        let opening = Opening::new("a", "/");
        let (mut one_out, mut other_out, mut out) = ([0; 256], [0; 256], [0; RESPONSE_BYTES]);
        let limits = Limits::DEFAULT;
        let (bytes, _) = ClientHandshake::start(one, &opening, limits, &mut one_out).unwrap();
        let (_, mut client) = ClientHandshake::start(other, &opening, limits, &mut other_out).unwrap();
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        let received = ServerHandshake::new(limits).receive(bytes, &mut headers);
        let Ok(Status::Complete { value, .. }) = received else {
            panic!("{received:?}");
        };
        let response = accept(&value, &Reply::default(), &mut out).unwrap();
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        let refusal = client.receive(&opening, response, &mut headers).unwrap_err();
        prop_assert_eq!(refusal, BadResponse::Accept);
    }
}
