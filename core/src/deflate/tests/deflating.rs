//! What is sent is within what was agreed on, and is inflated to what it was.

use std::{format, string::String};

use proptest::prelude::*;
use zlib_rs::InflateFlush;

use super::*;
use crate::wire::{Decoded, Masking, OpCode, RSV1, decode_with};

fn level(level: u8) -> Level {
    Level::new(level).expect("1 to 9")
}

/// Text that repeats itself from near and far.
fn rambling(words: usize, seed: u64) -> Vec<u8> {
    let mut text = String::new();
    let mut state = seed | 1;
    for _ in 0..words {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text += &format!("{} ", (state >> 40) % 701);
    }
    text.into_bytes()
}

fn deflated(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    deflater.deflate(message, true, &mut out);
    out
}

#[test]
fn distances_stay_within_the_window_at_every_level() {
    for window in 8..=15 {
        let message = rambling(bits(window).bytes() / 3, 1);
        for effort in 1..=9 {
            let direction = direction(bits(window), true);
            let mut deflater = Deflater::new(direction, level(effort));
            // Its window is a ring of just that size: nothing from further back is there.
            let mut inflater = inflater(direction);
            for _ in 0..2 {
                let bytes = deflated(&mut deflater, &message);
                assert!(bytes.len() < message.len(), "{window} {effort}");
                let inflated = inflate(&mut inflater, Kind::Text, &bytes);
                assert_eq!(inflated, (message.clone(), Ok(true)), "{window} {effort}");
            }
        }
    }
}

#[test]
fn the_tail_is_cut_off_and_an_empty_message_is_an_empty_block() {
    for takeover in [false, true] {
        let direction = direction(WindowBits::MAX, takeover);
        let mut deflater = Deflater::new(direction, Level::DEFAULT);
        assert_eq!(deflated(&mut deflater, b""), [0]);
        let hello = deflated(&mut deflater, b"Hello");
        assert_eq!(hello, [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]);
        assert_eq!(deflated(&mut deflater, b""), [0]);
        let again = deflated(&mut deflater, b"Hello");
        assert_eq!(again.len() < hello.len(), takeover);
        let mut inflater = inflater(direction);
        for (bytes, message) in [(&hello, "Hello"), (&vec![0], ""), (&again, "Hello")] {
            let inflated = inflate(&mut inflater, Kind::Text, bytes);
            assert_eq!(inflated, (message.as_bytes().to_vec(), Ok(true)));
        }
    }
}

#[test]
fn each_piece_can_be_inflated_when_it_comes() {
    let direction = direction(bits(10), false);
    let mut deflater = Deflater::new(direction, Level::DEFAULT);
    let mut inflater = inflater(direction);
    let mut out = [0; 100];
    for (i, piece) in [&b"one, "[..], b"", b"two, ", b"three", b""]
        .iter()
        .enumerate()
    {
        let last = i == 4;
        let mut bytes = Vec::new();
        deflater.deflate(piece, last, &mut bytes);
        let mut data = Data {
            kind: Kind::Text,
            bytes: &mut bytes,
            first: i == 0,
            last,
        };
        let inflated = inflater.inflate(&mut data, &mut out).unwrap();
        let bytes = inflated.map(|piece| (piece.bytes.to_vec(), piece.last));
        let expected = (!piece.is_empty() || last).then(|| (piece.to_vec(), last));
        assert_eq!(bytes, expected);
    }
}

#[test]
fn a_message_that_does_not_shrink_is_left_alone() {
    let mut noise = Vec::new();
    let mut state = 1_u64;
    for _ in 0..5000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise.push(state.to_le_bytes()[5]);
    }
    for takeover in [false, true] {
        let direction = direction(WindowBits::MAX, takeover);
        let mut deflater = Deflater::new(direction, Level::DEFAULT);
        let mut inflater = inflater(direction);
        let mut out = b"before".to_vec();
        for message in [&noise[..], b"", b"x", b"xyz"] {
            assert!(!deflater.deflate_if_smaller(message, &mut out));
            assert_eq!(out, b"before");
        }
        // What was left alone is not referred to.
        for message in [&noise[..100], b"aaaaaaaaaaaaaaaaaaaaaa"] {
            out.clear();
            deflater.deflate(message, true, &mut out);
            let inflated = inflate(&mut inflater, Kind::Binary, &out);
            assert_eq!(inflated, (message.to_vec(), Ok(true)));
        }
    }
}

#[test]
fn a_frame_for_many_depends_on_nothing_but_its_message() {
    let message = rambling(500, 3);
    for takeover in [false, true] {
        let direction = direction(bits(11), takeover);
        let mut fresh = Deflater::new(direction, Level::DEFAULT);
        let mut used = Deflater::new(direction, Level::DEFAULT);
        used.deflate(&message, false, &mut Vec::new());
        let (mut one, mut other) = (b"x".to_vec(), b"x".to_vec());
        assert!(fresh.frame(Kind::Text, &message, &mut one));
        assert!(used.frame(Kind::Text, &message, &mut other));
        assert_eq!(one, other);
        assert!(used.frame(Kind::Text, &message, &mut other));
        assert_eq!(other, [&one[..], &one[1..]].concat());

        let Ok(Decoded::Done { head, len }) = decode_with(&one[1..], Masking::Forbidden, RSV1)
        else {
            panic!("it is a frame");
        };
        assert!(head.fin && head.opcode == OpCode::Text);
        let payload = &one[1 + len..];
        assert_eq!(head.payload_len, payload.len() as u64);
        assert_eq!(one[1] & 0x70, RSV1);
        assert!(payload.len() < message.len());
        // For receivers with and without takeover, behind anything that came before.
        for takeover in [false, true] {
            for window in 11..=15 {
                let direction = self::direction(bits(window), takeover);
                let mut inflater = inflater(direction);
                for _ in 0..3 {
                    let inflated = inflate(&mut inflater, Kind::Text, payload);
                    assert_eq!(inflated, (message.clone(), Ok(true)));
                }
            }
        }
    }
}

#[test]
fn a_frame_is_made_only_if_it_is_not_larger() {
    let direction = direction(WindowBits::MAX, false);
    let mut deflater = Deflater::new(direction, Level::DEFAULT);
    let mut frame = b"kept".to_vec();
    for message in [&b""[..], b"a", b"abc"] {
        assert!(!deflater.frame(Kind::Binary, message, &mut frame));
        assert_eq!(frame, b"kept");
    }
    // All lengths of heads, and messages around the length at which it begins to pay.
    for len in (1..40).chain([200, 5_000, 100_000]) {
        frame.clear();
        let message = vec![b'x'; len];
        if deflater.frame(Kind::Binary, &message, &mut frame) {
            let Ok(Decoded::Done { head, len }) = decode_with(&frame, Masking::Forbidden, RSV1)
            else {
                panic!("it is a frame");
            };
            assert!(head.payload_len <= message.len() as u64);
            assert_eq!(
                frame.len() - len,
                usize::try_from(head.payload_len).unwrap()
            );
        } else {
            assert!(len < 10, "{len}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_deflated_is_inflated(
        messages in prop::collection::vec((0_usize..600, 0_u64..5, any::<bool>()), 1..6),
        window in 8..=15_u8,
        effort in 1..=9_u8,
        takeover: bool,
        size in 1_usize..800,
        cuts in prop::collection::vec(1_usize..300, 1..5),
        room in 1_usize..2000,
    ) {
        let direction = direction(bits(window), takeover);
        let mut deflater = Deflater::new(direction, level(effort));
        let mut ours = inflater(direction);
        let mut zlib = zlib_rs::Inflate::new(false, window);
        for (words, seed, at_once) in messages {
            let message = rambling(words, seed);
            let mut bytes = Vec::new();
            if at_once {
                if !deflater.deflate_if_smaller(&message, &mut bytes) {
                    continue;
                }
                prop_assert!(bytes.len() <= message.len());
            } else {
                let mut pieces = message.chunks(size).peekable();
                if pieces.peek().is_none() {
                    deflater.deflate(b"", true, &mut bytes);
                }
                while let Some(piece) = pieces.next() {
                    deflater.deflate(piece, pieces.peek().is_none(), &mut bytes);
                }
            }
            let inflated = inflate_pieces(&mut ours, Kind::Text, &cut(&bytes, &cuts), room);
            prop_assert_eq!(&inflated, &(message.clone(), Ok(true)));
            // zlib's own inflater, which keeps its window, says the same.
            bytes.extend([0, 0, 0xFF, 0xFF]);
            let mut out = vec![0; message.len() + 1];
            let before = zlib.total_out();
            zlib.decompress(&bytes, &mut out, InflateFlush::SyncFlush).unwrap();
            let len = usize::try_from(zlib.total_out() - before).unwrap();
            prop_assert_eq!(&out[..len], &message);
        }
    }
}
