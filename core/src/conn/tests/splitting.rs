//! The defining property: however the bytes are cut, the same events and the same bytes out.

use proptest::prelude::*;

use super::*;

/// A stream of frames that a peer might send, some of them wrong.
pub(super) fn stream(make: fn(OpCode, bool, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        4 => Just(OpCode::Continuation),
        4 => Just(OpCode::Text),
        2 => Just(OpCode::Binary),
        2 => Just(OpCode::Ping),
        1 => Just(OpCode::Pong),
        1 => Just(OpCode::Close),
    ];
    let payload = prop_oneof![
        4 => "[a-zé€😀]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (120_usize..140).prop_map(|len| vec![b'x'; len]),
        1 => Just(vec![0x03, 0xE8]),
        1 => Just(b"\xe2\x82".to_vec()),
    ];
    let frame = (opcode, any::<bool>(), payload);
    (
        prop::collection::vec(frame, 0..12),
        prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(move |(frames, damage)| {
            let mut open = false;
            let mut bytes = Vec::new();
            for (opcode, fin, payload) in frames {
                // Mostly in a valid order, so that streams get far.
                let opcode = match opcode {
                    OpCode::Text | OpCode::Binary if open => OpCode::Continuation,
                    OpCode::Continuation if !open => OpCode::Text,
                    OpCode::Continuation
                    | OpCode::Text
                    | OpCode::Binary
                    | OpCode::Close
                    | OpCode::Ping
                    | OpCode::Pong => opcode,
                };
                if !opcode.is_control() {
                    open = !fin;
                }
                bytes.extend(make(opcode, fin || opcode.is_control(), &payload));
            }
            if let Some((at, value)) = damage
                && !bytes.is_empty()
            {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes
        })
}

fn config() -> Config {
    Config {
        max_message: 200,
        max_fragments: 5,
        control_burst: 6,
        ..Config::new()
    }
}

fn run<R: Role>(mut side: Side<R>, pieces: &[&[u8]]) -> (Vec<Seen>, Vec<Told>, State) {
    for piece in pieces {
        side.receive(piece);
    }
    side.receive_eof();
    (side.seen(), side.told(), side.conn.state())
}

pub(super) fn cut<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in cuts.iter().cycle() {
        if bytes.is_empty() || cuts.iter().all(|len| *len == 0) {
            break;
        }
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_servers_connection_does_not_care_where_bytes_are_cut(
        bytes in stream(masked),
        cuts in prop::collection::vec(1_usize..60, 1..6),
    ) {
        let whole = run(server_with(&config()), &[&bytes]);
        prop_assert_eq!(&run(server_with(&config()), &cut(&bytes, &[1])), &whole);
        prop_assert_eq!(&run(server_with(&config()), &cut(&bytes, &cuts)), &whole);
    }

    #[test]
    fn a_clients_connection_does_not_care_where_bytes_are_cut(
        bytes in stream(plain),
        cuts in prop::collection::vec(1_usize..60, 1..6),
    ) {
        let whole = run(client_with(&config()), &[&bytes]);
        prop_assert_eq!(&run(client_with(&config()), &cut(&bytes, &[1])), &whole);
        prop_assert_eq!(&run(client_with(&config()), &cut(&bytes, &cuts)), &whole);
    }

    #[test]
    fn any_bytes_at_all_are_answered_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let whole = run(server_with(&config()), &[&bytes]);
        prop_assert_eq!(run(server_with(&config()), &cut(&bytes, &[1])), whole);
    }

    #[test]
    fn what_one_end_sends_the_other_one_hears(
        messages in prop::collection::vec((any::<bool>(), "[a-zé€]{0,30}", 1_usize..12), 0..8),
        cuts in prop::collection::vec(1_usize..60, 1..6),
    ) {
        let mut client = client_with(&Config::new());
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (binary, content, size) in messages {
            let kind = if binary { Kind::Binary } else { Kind::Text };
            let mut pieces = content.as_bytes().chunks(size).peekable();
            let mut out = [0; 200];
            if pieces.peek().is_none() {
                wire.extend_from_slice(client.conn.encode(kind, b"", true, &mut out).unwrap());
            }
            while let Some(piece) = pieces.next() {
                let last = pieces.peek().is_none();
                wire.extend_from_slice(client.conn.encode(kind, piece, last, &mut out).unwrap());
            }
            expected.push(Seen::Message(kind, content.into_bytes()));
        }
        let mut server = server();
        for piece in cut(&wire, &cuts) {
            server.receive(piece);
        }
        prop_assert_eq!(server.seen(), expected);
        prop_assert_eq!(server.told(), []);
    }
}
