//! Connections that have agreed on compression: the same promises, and the rules of RFC 7692.

use proptest::prelude::*;
use zlib_rs::{Deflate, DeflateFlush};

use super::{splitting::cut, *};
use crate::deflate::{Direction, Fault, Inflater, Settings, WindowBits, bomb};

const RSV1: u8 = 0x40;
/// The room for pieces of messages.
const ROOM: usize = 300;

/// A connection and its inflater, driven as a program without a heap does it.
struct Deflating<R: Role> {
    side: Side<R>,
    inflater: Inflater<Vec<u8>>,
    left: Vec<u8>,
}

impl<R: Role> Deflating<R> {
    fn new(mut side: Side<R>, settings: &Settings, config: &Config) -> Self {
        side.conn.enable_deflate();
        let direction = Direction {
            window: settings.receive_window,
            takeover: settings.receive_takeover,
        };
        let window = vec![0; direction.window.bytes()];
        let inflater = Inflater::new(direction, window, settings, config);
        Self {
            side,
            inflater: inflater.expect("the window is as large as it must be"),
            left: Vec::new(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> &mut Self {
        let Self {
            side,
            inflater,
            left,
        } = self;
        let mut buffer = core::mem::take(left);
        buffer.extend(bytes);
        let mut input = Input::new(&mut buffer);
        let mut out = [0; ROOM];
        loop {
            let event = side.conn.receive(&mut input, side.now);
            let go_on = matches!(event, Ok(Some(_)));
            match event {
                Ok(Some(Event::Deflated(mut data))) => loop {
                    match inflater.inflate(&mut data, &mut out) {
                        Ok(Some(piece)) => see(&mut side.seen, Event::Data(piece)),
                        Ok(None) => break,
                        Err(violation) => {
                            side.seen.push(Seen::Violation(violation));
                            side.conn.violate(violation, &mut input, side.now);
                            break;
                        }
                    }
                },
                Ok(Some(event)) => see(&mut side.seen, event),
                Ok(None) => {}
                Err(violation) => side.seen.push(Seen::Violation(violation)),
            }
            transmit(&mut side.conn, &mut input, &mut side.told);
            if !go_on {
                break;
            }
        }
        assert!(input.rest().len() <= MAX_LEFTOVER);
        *left = input.into_rest().to_vec();
        self
    }

    /// What came of it.
    fn end(mut self) -> (Vec<Seen>, Vec<Told>, State) {
        (self.side.seen(), self.side.told(), self.side.conn.state())
    }
}

fn server_of(settings: &Settings, config: &Config) -> Deflating<Server> {
    Deflating::new(server_with(config), settings, config)
}

fn client_of(settings: &Settings, config: &Config) -> Deflating<Client<TestKey>> {
    Deflating::new(client_with(config), settings, config)
}

/// A frame with RSV1.
fn compressed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] |= RSV1;
    frame
}

/// A message as a compressor without takeover makes it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut zlib = Deflate::new(6, false, 9);
    let mut out = vec![0; message.len() * 2 + 100];
    zlib.compress(message, &mut out, DeflateFlush::SyncFlush)
        .expect("there is room");
    out.truncate(usize::try_from(zlib.total_out()).expect("it is small"));
    match out.len() {
        0..4 => vec![0],
        len => out[..len - 4].to_vec(),
    }
}

/// What a server says to this, compression being agreed on.
fn verdict(frames: &[&[u8]]) -> (Vec<Seen>, Vec<Told>) {
    let mut server = server_of(&Settings::server(), &Config::new());
    server.receive(&frames.concat());
    let (seen, told, _) = server.end();
    (seen, told)
}

fn failed(violation: Violation) -> Vec<Told> {
    vec![
        close_frame(violation.close_code(), violation.reason()),
        Told::ShutdownWrite,
    ]
}

#[test]
fn rsv1_is_a_reserved_bit_until_compression_was_agreed_on() {
    let message = deflated(b"Hello");
    let frame = compressed(masked(OpCode::Text, true, &message));
    let mut server = server();
    server.receive(&frame[..1]);
    assert_eq!(server.seen(), [Seen::Violation(Violation::ReservedBits)]);
    let mut client = client_with(&Config::new());
    client.receive(&compressed(plain(OpCode::Text, true, &message)));
    assert_eq!(client.seen(), [Seen::Violation(Violation::ReservedBits)]);

    assert_eq!(verdict(&[&frame]).0, [text("Hello")]);
    let mut client = client_of(&Settings::client(), &Config::new());
    client.receive(&compressed(plain(OpCode::Text, true, &message)));
    assert_eq!(client.end().0, [text("Hello")]);
}

#[test]
fn the_other_reserved_bits_have_no_meaning_with_compression_either() {
    for bits in [0x20, 0x10, 0x60, 0x50, 0x70] {
        let mut frame = masked(OpCode::Binary, true, b"x");
        frame[0] |= bits;
        let expected = vec![Seen::Violation(Violation::ReservedBits)];
        assert_eq!(verdict(&[&frame[..1]]).0, expected, "{bits:x}");
    }
    let mut reserved = compressed(masked(OpCode::Binary, true, b"x"));
    reserved[0] |= 0x03;
    let expected = vec![Seen::Violation(Violation::ReservedOpcode)];
    assert_eq!(verdict(&[&reserved[..1]]).0, expected);
}

#[test]
fn only_the_first_frame_of_a_message_has_rsv1() {
    let violation = Violation::Deflate(Fault::MisplacedRsv1);
    for opcode in [
        OpCode::Continuation,
        OpCode::Ping,
        OpCode::Pong,
        OpCode::Close,
    ] {
        let frame = compressed(masked(opcode, true, b""));
        let (seen, told) = verdict(&[&frame[..1]]);
        assert_eq!(seen, [Seen::Violation(violation)], "{opcode:?}");
        assert_eq!(told, failed(violation));
    }
    let begun = compressed(masked(OpCode::Text, false, b""));
    let again = compressed(masked(OpCode::Text, true, b""));
    let interleaved = Violation::InterleavedMessage;
    let (seen, _) = verdict(&[&begun, &again]);
    assert_eq!(seen, [Seen::Violation(interleaved)]);
    let (seen, _) = verdict(&[&begun, &compressed(masked(OpCode::Continuation, true, b""))]);
    assert_eq!(seen, [Seen::Violation(violation)]);
}

#[test]
fn compressed_and_plain_messages_come_in_any_order_and_in_fragments() {
    let hello = deflated("h\u{e9}llo".as_bytes());
    let (front, back) = hello.split_at(3);
    let (seen, told) = verdict(&[
        &masked(OpCode::Text, true, b"plain"),
        &compressed(masked(OpCode::Text, true, &hello)),
        &compressed(masked(OpCode::Binary, false, front)),
        &masked(OpCode::Ping, true, b"?"),
        &masked(OpCode::Continuation, false, b""),
        &masked(OpCode::Continuation, true, back),
        &masked(OpCode::Binary, false, b"pl"),
        &masked(OpCode::Continuation, true, b"ain"),
        &compressed(masked(OpCode::Text, true, &[0])),
        &compressed(masked(OpCode::Text, true, b"")),
        &compressed(masked(OpCode::Text, false, &hello)),
        &masked(OpCode::Continuation, true, b""),
    ]);
    let binary = |bytes: &[u8]| Seen::Message(Kind::Binary, bytes.to_vec());
    let expected = [
        text("plain"),
        text("h\u{e9}llo"),
        Seen::Ping(b"?".to_vec()),
        binary("h\u{e9}llo".as_bytes()),
        binary(b"plain"),
        text(""),
        text(""),
        text("h\u{e9}llo"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(told, [Told::Bytes(plain(OpCode::Pong, true, b"?"))]);
}

#[test]
fn what_is_wrong_with_a_compressed_message_fails_the_connection_with_its_code() {
    let large = bomb(70_000);
    let bits = [0b0000_0010, 0b0000_1000, 0b0010_0000, 0b1000_0000, 0]; // four blocks
    let blocks = bits.repeat(100);
    for (violation, code, payload) in [
        (Violation::MessageTooBig, 1009, large),
        (Violation::Deflate(Fault::Malformed), 1007, vec![0x06]),
        (Violation::Deflate(Fault::TooManyBlocks), 1008, blocks),
        (Violation::InvalidUtf8, 1007, deflated(b"\xFF")),
    ] {
        let frame = compressed(masked(OpCode::Text, true, &payload));
        let after = masked(OpCode::Ping, true, b"nothing is heard any more");
        let (seen, told) = verdict(&[&frame, &after]);
        assert_eq!(seen.last(), Some(&Seen::Violation(violation)));
        assert_eq!(violation.close_code().get(), code);
        assert_eq!(told, failed(violation));
    }
    // Where much is accepted, it is the ratio that a bomb fails by.
    let config = Config {
        max_message: 1 << 30,
        ..Config::new()
    };
    let mut server = server_of(&Settings::server(), &config);
    server.receive(&compressed(masked(OpCode::Binary, true, &bomb(1 << 20))));
    let violation = Violation::Deflate(Fault::RatioTooHigh);
    assert_eq!(violation.close_code().get(), 1009);
    assert_eq!(server.end().1, failed(violation));
}

#[test]
fn a_frame_that_announces_more_than_any_message_becomes_is_refused_from_its_head() {
    let config = Config {
        max_message: 1000,
        ..Config::new()
    };
    // What cannot be compressed becomes a little larger.
    let noise: Vec<u8> = (0..1000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let mut stored = vec![0x00, 0xE8, 0x03, 0x17, 0xFC];
    stored.extend(&noise);
    stored.push(0);
    let mut server = server_of(&Settings::server(), &config);
    server.receive(&compressed(masked(OpCode::Binary, true, &stored)));
    assert_eq!(server.end().0, [Seen::Message(Kind::Binary, noise)]);

    let mut server = server_of(&Settings::server(), &config);
    let large = compressed(masked(OpCode::Binary, true, &[0; 1200]));
    server.receive(&large[..8]);
    let expected = [Seen::Violation(Violation::MessageTooBig)];
    assert_eq!(server.end().0, expected);
}

#[test]
fn what_is_sent_has_rsv1_on_its_first_frame_where_that_was_agreed_on() {
    let mut out = [0; 64];
    let mut side = server();
    let refused = side.conn.encode_deflated(Kind::Text, b"x", true, &mut out);
    assert_eq!(refused, Err(SendError::NotAgreed));
    assert_eq!(
        side.conn.deflated_head(Kind::Text, 1, true),
        Err(SendError::NotAgreed)
    );
    side.conn.enable_deflate();
    let mut frames = Vec::new();
    for (piece, last) in [(b"a", false), (b"b", false), (b"c", true), (b"d", true)] {
        let frame = side.conn.encode_deflated(Kind::Text, piece, last, &mut out);
        frames.push(frame.expect("it fits").to_vec());
    }
    let expected = [
        compressed(plain(OpCode::Text, false, b"a")),
        plain(OpCode::Continuation, false, b"b"),
        plain(OpCode::Continuation, true, b"c"),
        compressed(plain(OpCode::Text, true, b"d")),
    ];
    assert_eq!(frames, expected);
    let head = side.conn.deflated_head(Kind::Binary, 300, false);
    assert_eq!(head.expect("it may").as_bytes(), [0x42, 126, 1, 44]);
    let head = side.conn.deflated_head(Kind::Binary, 0, true);
    assert_eq!(head.expect("it may").as_bytes(), [0x80, 0]);
    let plain_again = side.conn.encode(Kind::Binary, b"e", true, &mut out);
    assert_eq!(
        plain_again.expect("it fits"),
        plain(OpCode::Binary, true, b"e")
    );
}

/// What a peer might send with compression, some of it wrong.
fn stream(make: fn(OpCode, bool, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let content = prop_oneof![
        4 => "[a-z\u{e9}\u{20ac}\u{1f600}]{0,40}".prop_map(String::into_bytes),
        2 => ("[ab]{1,9}", 1_usize..300).prop_map(|(text, n)| text.repeat(n).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\xe2\x82".to_vec()),
    ];
    let message = (content, any::<[bool; 2]>(), 1_usize..60, 0..12_u8);
    let damage = prop::option::weighted(0.5, (any::<prop::sample::Index>(), 0..8_u8));
    (prop::collection::vec(message, 1..6), damage).prop_map(move |(messages, damage)| {
        let mut bytes = Vec::new();
        for (content, [is_text, is_plain], size, extra) in messages {
            let opcode = if is_text {
                OpCode::Text
            } else {
                OpCode::Binary
            };
            let payload = if is_plain {
                content
            } else {
                deflated(&content)
            };
            let mut pieces = payload.chunks(size).peekable();
            let mut first = true;
            loop {
                let piece = pieces.next().unwrap_or_default();
                let last = pieces.peek().is_none();
                let opcode = if first { opcode } else { OpCode::Continuation };
                let frame = make(opcode, last, piece);
                let has_rsv1 = first && !is_plain;
                bytes.extend(if has_rsv1 { compressed(frame) } else { frame });
                first = false;
                if extra == 0 {
                    bytes.extend(make(OpCode::Ping, true, b"ping"));
                }
                if last {
                    break;
                }
            }
            if extra == 1 {
                bytes.extend(make(OpCode::Close, true, &[0x03, 0xE8]));
            }
        }
        if let Some((at, bit)) = damage {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        bytes
    })
}

fn config() -> impl Strategy<Value = (Settings, Config)> {
    let settings = (8..=15_u8, any::<bool>(), 1_u32..40);
    (settings, 100_u64..2000).prop_map(|((window, receive_takeover, max_ratio), max_message)| {
        let settings = Settings {
            receive_window: WindowBits::new(window).expect("8 to 15"),
            receive_takeover,
            max_ratio,
            ..Settings::server()
        };
        let config = Config {
            max_message,
            max_fragments: 40,
            control_burst: 20,
            ..Config::new()
        };
        (settings, config)
    })
}

fn run<R: Role>(mut side: Deflating<R>, pieces: &[&[u8]]) -> (Vec<Seen>, Vec<Told>, State) {
    for piece in pieces {
        side.receive(piece);
    }
    side.side.receive_eof();
    side.end()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_servers_connection_with_compression_does_not_care_where_bytes_are_cut(
        bytes in stream(masked),
        (settings, config) in config(),
        cuts in prop::collection::vec(1_usize..60, 1..6),
    ) {
        let whole = run(server_of(&settings, &config), &[&bytes]);
        prop_assert_eq!(&run(server_of(&settings, &config), &cut(&bytes, &[1])), &whole);
        prop_assert_eq!(&run(server_of(&settings, &config), &cut(&bytes, &cuts)), &whole);
    }

    #[test]
    fn a_clients_connection_with_compression_does_not_care_where_bytes_are_cut(
        bytes in stream(plain),
        (settings, config) in config(),
        cuts in prop::collection::vec(1_usize..60, 1..6),
    ) {
        let whole = run(client_of(&settings, &config), &[&bytes]);
        prop_assert_eq!(&run(client_of(&settings, &config), &cut(&bytes, &[1])), &whole);
        prop_assert_eq!(&run(client_of(&settings, &config), &cut(&bytes, &cuts)), &whole);
    }
}

/// With buffers.
#[cfg(feature = "alloc")]
mod with_buffers {
    use super::{
        super::buffered::{Ask, agree, asks, hear, is_whole, sent},
        *,
    };
    use crate::{
        deflate::{Agreed, Level},
        handshake::Limits,
    };

    fn agreed(settings: &Settings) -> Agreed {
        Agreed::alike(Direction {
            window: settings.receive_window,
            takeover: settings.receive_takeover,
        })
    }

    /// What a buffered connection makes of the bytes, read and asked as these say.
    fn buffered<R: Role>(
        role: R,
        settings: &Settings,
        config: &Config,
        mut bytes: &[u8],
        reads: &[usize],
        asks: &[Ask],
    ) -> (Vec<Seen>, Vec<u8>) {
        let mut conn = Buffered::new(role, config, &[], Instant::ZERO);
        conn.enable_deflate(&agreed(settings), settings, config);
        let mut seen = Vec::new();
        let mut reads = reads.iter().cycle();
        let mut asks = asks.iter().cycle();
        loop {
            if conn.is_understood() {
                if bytes.is_empty() {
                    break;
                }
                let space = conn.space();
                let count = space.len().min(bytes.len()).min(*reads.next().unwrap());
                let (now, later) = bytes.split_at(count);
                space[..count].copy_from_slice(now);
                bytes = later;
                conn.received(count);
            }
            match asks.next().unwrap() {
                Ask::Chunks => conn
                    .events(Instant::ZERO)
                    .for_each(|event| hear(&mut seen, event)),
                Ask::Messages => {
                    let events: Vec<_> = conn.messages(Instant::ZERO).collect();
                    assert!(events.iter().all(is_whole));
                    events.into_iter().for_each(|event| hear(&mut seen, event));
                }
                Ask::OneMessage => {
                    conn.messages(Instant::ZERO).take(1).for_each(|event| {
                        assert!(is_whole(&event));
                        hear(&mut seen, event);
                    });
                }
            }
            if seen.len() % 7 == 3 {
                conn.release();
            }
        }
        conn.events(Instant::ZERO)
            .for_each(|event| hear(&mut seen, event));
        (seen, conn.unsent().to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_buffered_connection_hears_what_the_bare_one_hears(
            bytes in stream(masked),
            (settings, config) in config(),
            reads in prop::collection::vec(1_usize..400, 1..6),
            asks in asks(),
        ) {
            let mut bare = server_of(&settings, &config);
            bare.receive(&bytes);
            let (expected, told, _) = bare.end();
            let (seen, unsent) = buffered(Server, &settings, &config, &bytes, &reads, &asks);
            prop_assert!(agree(seen.clone(), expected.clone()), "{:?} {:?}", seen, expected);
            prop_assert_eq!(unsent, sent(&told));
        }

        #[test]
        fn what_one_end_sends_compressed_the_other_one_hears(
            messages in prop::collection::vec((any::<bool>(), "[a-zé€]{0,30}", 0_usize..100), 0..6),
            window in 8..=15_u8,
            takeover: bool,
            effort in 1..=9_u8,
            threshold in 0_usize..100,
            larger_too: bool,
            reads in prop::collection::vec(1_usize..4000, 1..6),
            asks in asks(),
        ) {
            let settings = Settings {
                receive_window: WindowBits::new(window).unwrap(),
                receive_takeover: takeover,
                level: Level::new(effort).unwrap(),
                threshold,
                larger_too,
                max_ratio: 2000,
                ..Settings::server()
            };
            let config = Config::new();
            let mut client = Buffered::new(Client(TestKey), &config, &[], Instant::ZERO);
            client.enable_deflate(&agreed(&settings), &settings, &config);
            let mut expected = Vec::new();
            let mut plain_bytes = 0;
            for (binary, content, times) in messages {
                let kind = if binary { Kind::Binary } else { Kind::Text };
                let content = content.repeat(times).into_bytes();
                client.send(kind, &content).unwrap();
                plain_bytes += content.len() + 14;
                expected.push(Seen::Message(kind, content));
            }
            if !larger_too {
                prop_assert!(client.unsent().len() <= plain_bytes);
            }
            let bytes = client.unsent().to_vec();
            // The server receives what the client sends.
            let (seen, unsent) = buffered(Server, &settings, &config, &bytes, &reads, &asks);
            prop_assert_eq!(seen, expected);
            prop_assert!(unsent.is_empty());
        }
    }

    #[test]
    fn an_idle_connection_without_takeover_holds_no_memory_for_compression() {
        let settings = Settings::server();
        let config = Config::new();
        let mut server = Buffered::new(Server, &config, &[], Instant::ZERO);
        server.enable_deflate(&agreed(&settings), &settings, &config);
        let message = bomb(50_000);
        let (front, back) = message.split_at(message.len() / 2);
        let mut arrive = |bytes: &[u8]| {
            server.space()[..bytes.len()].copy_from_slice(bytes);
            server.received(bytes.len());
            let mut whole = 0;
            while !server.is_understood() {
                whole += server.messages(Instant::ZERO).count();
            }
            server.release();
            (whole, server.memory_for_compression())
        };
        let begun = compressed(masked(OpCode::Text, false, front));
        let (whole, (_, holds)) = arrive(&begun);
        assert!(whole == 0 && holds, "in the middle of a message it does");
        let (whole, memory) = arrive(&masked(OpCode::Continuation, true, back));
        assert_eq!((whole, memory), (1, (0, false)));
        server.send(Kind::Text, &[b'x'; 50_000]).unwrap();
        assert!(server.unsent().len() < 1000);
        assert_eq!(server.memory_for_compression(), (0, false));
    }

    #[test]
    fn a_bomb_never_has_more_memory_than_a_message_may() {
        let settings = Settings {
            max_ratio: u32::MAX,
            ..Settings::server()
        };
        let config = Config::new();
        let most = usize::try_from(config.max_message).unwrap();
        let mut server = Buffered::new(Server, &config, &[], Instant::ZERO);
        server.enable_deflate(&agreed(&settings), &settings, &config);
        let bomb = compressed(masked(OpCode::Binary, true, &bomb(1 << 20)));
        let space = server.space();
        let count = space.len().min(bomb.len());
        space[..count].copy_from_slice(&bomb[..count]);
        server.received(count);
        let mut violation = None;
        while !server.is_understood() {
            violation = server.messages(Instant::ZERO).last().and_then(Result::err);
            assert!(server.memory_for_compression().0 <= most + 1);
        }
        assert_eq!(violation, Some(Violation::MessageTooBig));
        server.release();
        assert_eq!(server.memory_for_compression(), (0, false));
    }

    #[test]
    fn the_opening_handshake_agrees_on_compression_or_not() {
        let offered = |extensions: &str, settings: &Settings| {
            let request = alloc::format!(
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
            );
            let config = Config::new();
            let limits = Limits::DEFAULT;
            let mut server = Buffered::accept_deflating(&config, limits, settings, Instant::ZERO);
            server.space()[..request.len()].copy_from_slice(request.as_bytes());
            server.received(request.len());
            assert_eq!(server.events(Instant::ZERO).count(), 0);
            assert!(server.is_open());
            let answer = String::from_utf8(server.unsent().to_vec()).unwrap();
            let field = answer
                .lines()
                .find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
            (field.map(String::from), server.deflate().is_some())
        };
        let settings = Settings::server();
        assert_eq!(
            offered("permessage-deflate; server_max_window_bits=9", &settings),
            (
                Some(
                    "permessage-deflate; server_no_context_takeover; \
                     client_no_context_takeover; server_max_window_bits=9"
                        .into()
                ),
                true
            )
        );
        assert_eq!(offered("permessage-deflate; x", &settings), (None, false));
        assert_eq!(offered("permessage-snappy", &settings), (None, false));
    }
}
