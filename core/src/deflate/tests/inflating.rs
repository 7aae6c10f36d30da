//! What an inflater makes of the bytes of a peer.

use std::{format, string::String};

use proptest::prelude::*;
use zlib_rs::{Deflate, DeflateFlush, InflateFlush, Status};

use super::*;

/// The examples of RFC 7692, section 7.2.3.
const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
const HELLO_AGAIN: &[u8] = &[0xF2, 0x00, 0x11, 0x00, 0x00];
const HELLO_STORED: &[u8] = &[
    0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00,
];
const HELLO_FINAL: &[u8] = &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
const HELLO_IN_TWO: &[u8] = &[
    0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
];

const MALFORMED: Violation = Violation::Deflate(Fault::Malformed);

/// A message as zlib compresses it.
pub(super) fn zlib(message: &[u8], window: u8) -> Vec<u8> {
    let mut zlib = Deflate::new(6, false, window);
    let mut out = vec![0; message.len() * 2 + 100];
    zlib.compress(message, &mut out, DeflateFlush::SyncFlush)
        .expect("there is room");
    out.truncate(usize::try_from(zlib.total_out()).expect("it is small"));
    out.truncate(out.len() - 4);
    if message.is_empty() {
        out = vec![0];
    }
    out
}

/// What zlib inflates of a message, and whether it is DEFLATE so far; without bounds.
fn zlib_inflated(message: &[u8], window: u8) -> (Vec<u8>, bool) {
    let mut zlib = zlib_rs::Inflate::new(false, window);
    let with_tail = [message, &[0, 0, 0xFF, 0xFF]].concat();
    let mut rest = with_tail.as_slice();
    let mut inflated = Vec::new();
    let mut out = vec![0; 4096];
    loop {
        let (read, written) = (zlib.total_in(), zlib.total_out());
        let status = zlib.decompress(rest, &mut out, InflateFlush::NoFlush);
        let read = usize::try_from(zlib.total_in() - read).expect("it is small");
        let written = usize::try_from(zlib.total_out() - written).expect("it is small");
        rest = &rest[read..];
        inflated.extend_from_slice(&out[..written]);
        match status {
            Ok(Status::StreamEnd) => return (inflated, true),
            Ok(_) if read == 0 && written == 0 => return (inflated, true),
            Ok(_) => {}
            Err(_) => return (inflated, false),
        }
    }
}

fn hello() -> Inflated {
    (b"Hello".to_vec(), Ok(true))
}

#[test]
fn the_examples_of_rfc_7692_are_inflated() {
    for example in [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_IN_TWO] {
        for takeover in [false, true] {
            let mut inflater = inflater(direction(WindowBits::MIN, takeover));
            for _ in 0..3 {
                assert_eq!(inflate(&mut inflater, Kind::Text, example), hello());
            }
        }
    }
}

#[test]
fn a_message_may_refer_to_an_earlier_one_just_where_that_was_agreed_on() {
    let mut with = inflater(direction(WindowBits::MAX, true));
    let mut without = inflater(direction(WindowBits::MAX, false));
    for inflater in [&mut with, &mut without] {
        assert_eq!(inflate(inflater, Kind::Text, HELLO), hello());
    }
    assert_eq!(inflate(&mut with, Kind::Text, HELLO_AGAIN), hello());
    let verdict = inflate(&mut without, Kind::Text, HELLO_AGAIN);
    assert_eq!(verdict, (b"H".to_vec(), Err(MALFORMED)));
}

#[test]
fn a_window_goes_on_behind_the_last_block_of_a_stream() {
    let mut inflater = inflater(direction(WindowBits::MAX, true));
    assert_eq!(inflate(&mut inflater, Kind::Text, HELLO_FINAL), hello());
    assert_eq!(inflate(&mut inflater, Kind::Text, HELLO_AGAIN), hello());
}

#[test]
fn an_empty_message_is_an_empty_block_or_nothing_at_all() {
    for takeover in [false, true] {
        let mut inflater = inflater(direction(WindowBits::MAX, takeover));
        for message in [&[0][..], &[], &[], &[0], HELLO, &[]] {
            let (inflated, verdict) = inflate(&mut inflater, Kind::Text, message);
            assert_eq!(verdict, Ok(true));
            assert_eq!(inflated.is_empty(), message.len() < 2);
        }
    }
}

#[test]
fn a_message_that_is_not_deflate_is_refused() {
    let mut distance_before_the_start = Bits::default();
    distance_before_the_start.fixed().literal(b'x');
    distance_before_the_start.code(1, 7).code(1, 5); // three bytes from two back
    let before_the_start = distance_before_the_start.code(0, 7).end();
    let reserved_block = Bits::default().put(0b110, 3).end();
    let wrong_length = vec![0x00, 0x05, 0x00, 0xFB, 0xFF, 0, 0, 0, 0, 0, 0x00];
    for message in [before_the_start, reserved_block, wrong_length] {
        let (_, verdict) = inflate(
            &mut inflater(direction(WindowBits::MAX, false)),
            Kind::Binary,
            &message,
        );
        assert_eq!(verdict, Err(MALFORMED), "{message:x?}");
    }
}

#[test]
fn a_message_must_end_where_a_block_does() {
    // In a block, behind its last byte but without the empty block, and in the tail.
    let unfinished = &HELLO[..4];
    let without_end = &HELLO[..6];
    let only_a_head = &[0x00, 0x00, 0x00, 0xFF, 0xFF][..];
    let stored = &HELLO_STORED[..8];
    let tail_as_content = &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48][..];
    for message in [
        unfinished,
        without_end,
        only_a_head,
        stored,
        tail_as_content,
    ] {
        for takeover in [false, true] {
            let mut inflater = inflater(direction(WindowBits::MAX, takeover));
            let (_, verdict) = inflate(&mut inflater, Kind::Binary, message);
            assert_eq!(verdict, Err(MALFORMED), "{message:x?}");
        }
    }
}

#[test]
fn a_distance_beyond_the_window_is_refused() {
    for window in 8..=15 {
        let size = bits(window).bytes();
        // The first bytes again, at exactly the distance, or one more.
        for (distance, verdict) in [(size, Ok(true)), (size + 1, Err(MALFORMED))] {
            if distance > WindowBits::MAX.bytes() {
                continue; // cannot be said in DEFLATE
            }
            let mut stream = Bits::default();
            stream.fixed();
            for i in 0..distance {
                stream.literal(u8::try_from(i % 100).expect("it is small"));
            }
            // Three bytes from there: the code of the distance and its extra bits.
            let (base, code, extra) = distance_code(distance);
            stream.code(1, 7).code(code, 5);
            stream.put(u32::try_from(distance - base).expect("small"), extra);
            let message = stream.code(0, 7).end();
            let mut inflater = inflater(direction(bits(window), false));
            let (inflated, result) = inflate(&mut inflater, Kind::Binary, &message);
            assert_eq!(result, verdict, "{distance} in {size}");
            let repeated = if verdict.is_ok() { 3 } else { 0 };
            assert_eq!(inflated.len(), distance + repeated);
        }
    }
}

/// The base of the code for a distance, the code, and how many bits follow it (RFC 1951, section
/// 3.2.5).
fn distance_code(distance: usize) -> (usize, u32, u32) {
    let mut base = 1;
    for code in 0..30_u32 {
        let extra = (code / 2).saturating_sub(1);
        let next = base + (1 << extra);
        if distance < next {
            return (base, code, extra);
        }
        base = next;
    }
    panic!("no code for {distance}");
}

#[test]
fn what_an_earlier_peer_said_cannot_be_referred_to() {
    let direction = direction(WindowBits::MIN, false);
    let secret = vec![b'S'; direction.window.bytes()];
    let mut inflater = Inflater::new(direction, secret, &ANY_RATIO, &LARGE).unwrap();
    let message = zlib(&[b's'; 1000], 9);
    assert_eq!(inflate(&mut inflater, Kind::Text, &message).1, Ok(true));
    for distance in [1, 2, 5, 256] {
        let (base, code, extra) = distance_code(distance);
        let mut stream = Bits::default();
        stream.fixed().code(1, 7).code(code, 5);
        stream.put(u32::try_from(distance - base).expect("small"), extra);
        let verdict = inflate(&mut inflater, Kind::Binary, &stream.code(0, 7).end());
        assert_eq!(verdict, (Vec::new(), Err(MALFORMED)));
        inflater.reset();
    }
}

#[test]
fn the_memory_for_a_window_must_be_as_large_as_it() {
    for len in [0, 255, 257, 512] {
        let direction = direction(WindowBits::MIN, false);
        let made = Inflater::new(direction, vec![0; len], &ANY_RATIO, &LARGE);
        assert_eq!(made.err(), Some(WrongSize { needed: 256 }));
    }
}

#[test]
fn an_inflater_works_in_an_array_without_a_heap() {
    let direction = direction(bits(9), true);
    let mut inflater = Inflater::new(direction, [0; 512], &ANY_RATIO, &LARGE).unwrap();
    let mut bytes = *b"\xF2\x48\xCD\xC9\xC9\x07\x00";
    let mut data = Data {
        kind: Kind::Text,
        bytes: &mut bytes,
        first: true,
        last: true,
    };
    let mut out = [0; 16];
    let piece = inflater.inflate(&mut data, &mut out).unwrap().unwrap();
    assert_eq!((&*piece.bytes, piece.last), (&b"Hello"[..], true));
}

#[test]
fn a_message_is_as_large_as_is_accepted_and_not_a_byte_larger() {
    let config = Config {
        max_message: 1000,
        ..LARGE
    };
    for (len, verdict) in [
        (999, Ok(true)),
        (1000, Ok(true)),
        (1001, Err(Violation::MessageTooBig)),
        (100_000, Err(Violation::MessageTooBig)),
    ] {
        let message = zlib(&vec![b'x'; len], 15);
        let direction = direction(WindowBits::MAX, false);
        let mut inflater = inflater_with(direction, &ANY_RATIO, &config);
        let (inflated, result) = inflate(&mut inflater, Kind::Text, &message);
        assert_eq!(result, verdict, "{len}");
        assert_eq!(inflated.len(), len.min(1000));
    }
}

#[test]
fn a_byte_becomes_as_many_as_the_ratio_allows_and_not_more() {
    let settings = Settings::server();
    let free = usize::try_from(RATIO_FREE).unwrap();
    let bomb = bomb(1 << 20);
    let direction = direction(WindowBits::MAX, false);
    let mut inflater = inflater_with(direction, &settings, &LARGE);
    let (inflated, verdict) = inflate(&mut inflater, Kind::Binary, &bomb);
    assert_eq!(verdict, Err(Violation::Deflate(Fault::RatioTooHigh)));
    assert!(inflated.len() >= free);
    assert!(inflated.len() <= free + bomb.len() * 128);
    // What is small is no bomb.
    let mut inflater = inflater_with(direction, &settings, &LARGE);
    let small = zlib(&vec![0; free], 15);
    assert_eq!(inflate(&mut inflater, Kind::Binary, &small).1, Ok(true));
    // A table of rows that are alike but for a number is none either.
    let rows: String = (0..20_000)
        .map(|i| format!("<tr><td>row {i}</td></tr>\n"))
        .collect();
    let mut inflater = inflater_with(direction, &settings, &LARGE);
    let table = zlib(rows.as_bytes(), 15);
    assert_eq!(inflate(&mut inflater, Kind::Text, &table).1, Ok(true));
}

#[test]
fn blocks_must_have_bytes() {
    let blocks = |count: usize, content: &[u8]| {
        let mut stream = Bits::default();
        for _ in 0..count {
            stream.fixed();
            for byte in content {
                stream.literal(*byte);
            }
            stream.code(0, 7);
        }
        stream.end()
    };
    let direction = direction(WindowBits::MAX, false);
    let verdict = |message: &[u8]| inflate(&mut inflater(direction), Kind::Text, message).1;
    let free = usize::try_from(BLOCKS_AHEAD).unwrap();
    assert_eq!(verdict(&blocks(free, b"")), Ok(true));
    let broken = Err(Violation::Deflate(Fault::TooManyBlocks));
    assert_eq!(verdict(&blocks(1000, b"")), broken);
    assert_eq!(verdict(&blocks(1000, b"a")), broken);
    assert_eq!(verdict(&blocks(1000, b"ab")), Ok(true));
    // Who flushes behind every byte makes two blocks of seven bytes.
    let mut flushed = Vec::new();
    for _ in 0..1000 {
        flushed.extend(blocks(1, b"a"));
        flushed.extend([0x00, 0x00, 0xFF, 0xFF]);
    }
    flushed.push(0);
    assert_eq!(verdict(&flushed), Ok(true));
}

#[test]
fn text_is_checked_after_it_is_inflated_and_fails_at_the_first_bad_byte() {
    let mut inflater = inflater(direction(WindowBits::MAX, true));
    for (text, good) in [
        ("\u{e9}t\u{e9} \u{20ac} \u{1f600}".as_bytes(), None),
        (b"abc\xC0def", Some(3)),
        (b"abc\xED\xA0\x80", Some(4)),
        (b"\xFF", Some(0)),
        // The end is missing, which is known at the end.
        (b"abc\xE2\x82", Some(5)),
    ] {
        let message = zlib(text, 15);
        for room in [1, 2, 3, 100] {
            inflater.reset();
            let got = inflate_pieces(&mut inflater, Kind::Text, &[&message], room);
            let expected = match good {
                None => (text.to_vec(), Ok(true)),
                Some(good) => (text[..good].to_vec(), Err(Violation::InvalidUtf8)),
            };
            assert_eq!(got, expected);
            inflater.reset();
            let (bytes, verdict) = inflate(&mut inflater, Kind::Binary, &message);
            assert_eq!((&*bytes, verdict), (text, Ok(true)));
        }
    }
}

/// A compressed message that may be damaged.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        ("[ab]{0,20}", 0_usize..200).prop_map(|(text, n)| text.repeat(n).into_bytes()),
        "[a-z\u{e9}\u{20ac}]{0,200}".prop_map(String::into_bytes),
    ];
    let damage = prop::option::weighted(0.5, (any::<prop::sample::Index>(), 0..8_u8));
    let kind = 0..10_u8;
    (content, 9..=15_u8, damage, kind).prop_map(|(content, window, damage, kind)| {
        let mut message = match kind {
            0 => content,
            1 => {
                // Made of blocks that hardly have a byte.
                let mut stream = Bits::default();
                for byte in content {
                    stream.fixed();
                    if byte % 4 == 0 {
                        stream.literal(b'x');
                    }
                    stream.code(0, 7);
                }
                stream.end()
            }
            _ => zlib(&content, window),
        };
        if let Some((at, bit)) = damage
            && !message.is_empty()
        {
            let at = at.index(message.len());
            message[at] ^= 1 << bit;
        }
        message
    })
}

fn config() -> impl Strategy<Value = (Settings, Config)> {
    let max_message = prop_oneof![Just(1 << 30), 0_u64..2000];
    (max_message, prop_oneof![Just(u32::MAX), 1_u32..20]).prop_map(|(max_message, max_ratio)| {
        let settings = Settings {
            max_ratio,
            ..Settings::server()
        };
        let config = Config {
            max_message,
            ..LARGE
        };
        (settings, config)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_inflater_does_not_care_where_bytes_are_cut(
        messages in prop::collection::vec(message(), 1..4),
        (settings, config) in config(),
        window in 8..=15_u8,
        takeover: bool,
        text: bool,
        cuts in prop::collection::vec(0_usize..40, 1..6),
        room in 1_usize..600,
    ) {
        let kind = if text { Kind::Text } else { Kind::Binary };
        let direction = direction(bits(window), takeover);
        let run = |cuts: &[usize], room: usize| {
            let mut inflater = inflater_with(direction, &settings, &config);
            let mut results = Vec::new();
            for message in &messages {
                let chunks = cut(message, cuts);
                let result = inflate_pieces(&mut inflater, kind, &chunks, room);
                let go_on = result.1.is_ok();
                results.push(result);
                if !go_on {
                    break;
                }
            }
            results
        };
        let whole = run(&[usize::MAX], 1 << 20);
        prop_assert_eq!(&run(&[1], 1), &whole);
        prop_assert_eq!(&run(&[1], 4096), &whole);
        let cuts: Vec<_> = cuts.iter().map(|len| len + 1).collect();
        prop_assert_eq!(&run(&cuts, room), &whole);
    }

    #[test]
    fn an_inflater_says_what_zlib_says(message in message()) {
        let mut ours = inflater(direction(WindowBits::MAX, false));
        let (inflated, verdict) = inflate(&mut ours, Kind::Binary, &message);
        let (by_zlib, is_deflate) = zlib_inflated(&message, 15);
        match verdict {
            Ok(over) => {
                prop_assert!(over && is_deflate);
                prop_assert_eq!(inflated, by_zlib);
            }
            // Ours is stricter at the end, and in what a block costs.
            Err(Violation::Deflate(Fault::TooManyBlocks)) => {}
            Err(violation) => {
                prop_assert_eq!(violation, MALFORMED);
                prop_assert!(by_zlib.starts_with(&inflated) || inflated.starts_with(&by_zlib));
            }
        }
        if !is_deflate {
            prop_assert!(verdict.is_err());
        }
    }

    #[test]
    fn a_bound_lets_through_a_beginning_of_the_message(
        message in message(),
        (settings, config) in config(),
    ) {
        let direction = direction(WindowBits::MAX, false);
        let (all, verdict) = inflate(&mut inflater(direction), Kind::Binary, &message);
        let mut bounded = inflater_with(direction, &settings, &config);
        let (some, bounded) = inflate(&mut bounded, Kind::Binary, &message);
        prop_assert!(all.starts_with(&some));
        let most = usize::try_from(config.max_message).unwrap();
        let by_ratio = message.len().saturating_mul(settings.max_ratio as usize);
        let by_ratio = by_ratio.saturating_add(usize::try_from(RATIO_FREE).unwrap());
        prop_assert!(some.len() <= most.min(by_ratio));
        match bounded {
            Err(Violation::MessageTooBig) => prop_assert_eq!(some.len(), most),
            Err(Violation::Deflate(Fault::RatioTooHigh)) => {}
            other => {
                prop_assert_eq!(other, verdict);
                prop_assert_eq!(some, all);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn where_the_ratio_is_too_high_does_not_depend_on_cuts(
        beyond in 0_usize..30_000,
        max_ratio in 30_u32..130,
        damage in prop::option::of((any::<prop::sample::Index>(), 0..8_u8)),
        cuts in prop::collection::vec(1_usize..40, 1..6),
        room in 1_usize..600,
    ) {
        // It is too high behind a length that depends on it.
        let ratio = usize::try_from(max_ratio).unwrap();
        let mut message = bomb((65_536 * 158 / (158 - ratio)) + beyond);
        if let Some((at, bit)) = damage {
            let at = at.index(message.len());
            message[at] ^= 1 << bit;
        }
        let settings = Settings {
            max_ratio,
            ..Settings::server()
        };
        let run = |cuts: &[usize], room: usize| {
            let direction = direction(bits(9), false);
            let mut inflater = inflater_with(direction, &settings, &LARGE);
            let chunks = cut(&message, cuts);
            inflate_pieces(&mut inflater, Kind::Binary, &chunks, room)
        };
        let whole = run(&[usize::MAX], 1 << 20);
        prop_assert_eq!(&run(&[1], 4096), &whole);
        prop_assert_eq!(&run(&cuts, room), &whole);
    }
}
