use super::*;

/// Small, so that random heads go over it, too.
const LIMITS: Limits = Limits { head_bytes: 400 };

/// What to do to a valid head.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\r\n :,;=\"\\/\0\tA#".to_vec()),
    ];
    let mutation = prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        any::<Index>().prop_map(Mutation::Cut),
    ];
    prop::collection::vec(mutation, 0..3)
}

fn mutated(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let len = bytes.len() + 1;
        match mutation {
            Mutation::Replace(at, byte) => {
                if let Some(place) = bytes.get_mut(at.index(len)) {
                    *place = *byte;
                }
            }
            Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
            Mutation::Remove(at) => {
                let at = at.index(len);
                bytes.drain(at..bytes.len().min(at + 1));
            }
            Mutation::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(piece);
            }
            Mutation::Cut(at) => bytes.truncate(at.index(len)),
        }
    }
    bytes
}

/// A head whose every field is worth mutating.
fn full_request() -> Head {
    Head::request()
        .with("Origin", "http://example.com")
        .with("Sec-WebSocket-Protocol", "chat, superchat")
        .with("Sec-WebSocket-Extensions", "x; a=\"1\\0\", y")
        .with("Authorization", "Bearer abc")
}

fn full_response() -> Head {
    Head::response()
        .with("Sec-WebSocket-Protocol", "chat")
        .with("Sec-WebSocket-Extensions", "x; a=\"1\\0\"")
}

fn opening() -> Opening<'static> {
    Opening {
        protocols: &["chat", "superchat"],
        extensions: Some("x, y"),
        ..Opening::new("server.example.com", "/chat")
    }
}

/// Makes sure that there is a verdict: behind the bytes comes so much more that the limit is
/// passed.
fn decided(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len() + LIMITS.head_bytes, b'x');
    bytes
}

/// Without this, what is below would prove little.
#[test]
fn the_heads_that_are_mutated_are_accepted_before_that() {
    let request = decided(full_request().bytes());
    assert!(matches!(
        serve_in_pieces(&request, &[], LIMITS),
        Some(Ok(_))
    ));
    let response = decided(full_response().bytes());
    assert!(matches!(
        answer_in_pieces(&opening(), &response, &[], LIMITS),
        Some(Ok(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn however_a_request_is_cut_the_verdict_is_the_same(mutations in mutations(), cuts in cuts()) {
        let bytes = decided(mutated(full_request().bytes(), &mutations));
        let whole = serve_in_pieces(&bytes, &[], LIMITS);
        prop_assert!(whole.is_some());
        prop_assert_eq!(&serve_in_pieces(&bytes, &every_byte(&bytes), LIMITS), &whole);
        prop_assert_eq!(&serve_in_pieces(&bytes, &at(&cuts, &bytes), LIMITS), &whole);
    }

    #[test]
    fn however_a_response_is_cut_the_verdict_is_the_same(mutations in mutations(), cuts in cuts()) {
        let bytes = decided(mutated(full_response().bytes(), &mutations));
        let opening = opening();
        let whole = answer_in_pieces(&opening, &bytes, &[], LIMITS);
        prop_assert!(whole.is_some());
        prop_assert_eq!(&answer_in_pieces(&opening, &bytes, &every_byte(&bytes), LIMITS), &whole);
        prop_assert_eq!(&answer_in_pieces(&opening, &bytes, &at(&cuts, &bytes), LIMITS), &whole);
    }

    #[test]
    fn arbitrary_bytes_get_a_verdict_from_a_server(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cuts in cuts(),
    ) {
        let bytes = decided(bytes);
        let whole = serve_in_pieces(&bytes, &[], LIMITS);
        prop_assert!(whole.is_some());
        prop_assert_eq!(serve_in_pieces(&bytes, &at(&cuts, &bytes), LIMITS), whole);
    }

    #[test]
    fn arbitrary_bytes_get_a_verdict_from_a_client(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cuts in cuts(),
    ) {
        let bytes = decided(bytes);
        let opening = opening();
        let whole = answer_in_pieces(&opening, &bytes, &[], LIMITS);
        prop_assert!(whole.is_some());
        prop_assert_eq!(answer_in_pieces(&opening, &bytes, &at(&cuts, &bytes), LIMITS), whole);
    }

    #[test]
    fn an_answer_is_what_accepting_or_rejecting_by_hand_writes(
        mutations in mutations(),
        end in any::<Index>(),
    ) {
        let bytes = mutated(full_request().bytes(), &mutations);
        let received = &bytes[..end.index(bytes.len() + 1).max(bytes.len() / 2)];
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        let (mut by_hand, mut out) = ([0; RESPONSE_BYTES], [0; RESPONSE_BYTES]);
        let expected = match ServerHandshake::new(LIMITS).receive(received, &mut headers) {
            Ok(Status::Partial) => Answer::Partial,
            Ok(Status::Complete { value, consumed }) => Answer::Accepted {
                consumed,
                response: accept(&value, &Reply::default(), &mut by_hand).unwrap(),
            },
            Err(bad) => Answer::Refused { bad, response: reject(&bad, &mut by_hand).unwrap() },
        };
        let mut handshake = ServerHandshake::new(LIMITS);
        prop_assert_eq!(handshake.answer(received, &mut out), expected);
        prop_assert_eq!(handshake.answer(received, &mut out), expected);
    }

    #[test]
    fn what_is_consumed_is_a_complete_head_within_the_limit(mutations in mutations(), slots in 0..12_usize) {
        let bytes = mutated(full_request().bytes(), &mutations);
        let mut headers = vec![EMPTY_HEADER; slots];
        let received = ServerHandshake::new(LIMITS).receive(&bytes, &mut headers);
        if let Ok(Status::Complete { value, consumed }) = received {
            prop_assert!(consumed <= bytes.len() && consumed <= LIMITS.head_bytes);
            prop_assert!(bytes[..consumed].ends_with(b"\r\n\r\n"));
            prop_assert!(value.resource().starts_with('/'));
        }
    }
}
