//! The parts of HTTP that are hard to get right, beside naive twins of them.

use alloc::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::{
    body::{Body, Framing},
    chunked::{Chunked, EXTRA_BYTES, Malformed, SIZE_DIGITS},
    fault::Fault,
};
use crate::Instant;

/// The content of a chunked body and its length on the wire; `Ok(None)` if it is not complete.
type Read = Result<Option<(Vec<u8>, usize)>, Malformed>;

/// The chunked coding as RFC 9112, section 7.1 writes it down, line by line; it is only asked about
/// bodies that are complete or that nothing could complete.
fn naive(bytes: &[u8]) -> Read {
    let mut rest = bytes;
    let mut content = Vec::new();
    let mut extra = 0;
    loop {
        let Some(line) = take_line(&mut rest)? else {
            return Ok(None);
        };
        let (digits, extensions) = match line.iter().position(|byte| *byte == b';') {
            Some(at) => line.split_at(at),
            None => (line, &b""[..]),
        };
        extra += extensions.len();
        let text = core::str::from_utf8(digits).map_err(|_| Malformed)?;
        let is_number = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_number || text.len() > usize::from(SIZE_DIGITS) || !are_extensions(extensions) {
            return Err(Malformed);
        }
        let size = u64::from_str_radix(text, 16).map_err(|_| Malformed)?;
        if size == 0 {
            break;
        }
        let Some(chunk) = usize::try_from(size).ok().and_then(|size| rest.get(..size)) else {
            return Ok(None);
        };
        content.extend_from_slice(chunk);
        rest = &rest[chunk.len()..];
        match take_line(&mut rest)? {
            Some(b"") => {}
            Some(_) => return Err(Malformed),
            None => return Ok(None),
        }
    }
    loop {
        match take_line(&mut rest)? {
            None => return Ok(None),
            Some(b"") => break,
            Some(field) => {
                let colon = field.iter().position(|byte| *byte == b':');
                let (name, value) = field.split_at(colon.ok_or(Malformed)?);
                if !is_token(name) || !value.iter().all(|byte| is_text(*byte)) {
                    return Err(Malformed);
                }
                extra += field.len() + 1;
            }
        }
    }
    if extra > EXTRA_BYTES {
        return Err(Malformed);
    }
    Ok(Some((content, bytes.len() - rest.len())))
}

fn take_line<'b>(rest: &mut &'b [u8]) -> Result<Option<&'b [u8]>, Malformed> {
    let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Ok(None);
    };
    let (line, behind) = rest.split_at(at);
    match behind {
        [b'\r', b'\n', behind @ ..] => {
            *rest = behind;
            Ok(Some(line))
        }
        b"\r" => Ok(None),
        _ => Err(Malformed),
    }
}

fn are_extensions(mut text: &[u8]) -> bool {
    while let Some(rest) = text.strip_prefix(b";") {
        let end = rest.iter().position(|byte| matches!(byte, b';' | b'='));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if !is_token(name) {
            return false;
        }
        text = match behind.strip_prefix(b"=") {
            None => behind,
            Some([b'"', quoted @ ..]) => {
                let mut at = 0;
                loop {
                    match quoted.get(at..) {
                        Some([b'"', behind @ ..]) => break behind,
                        Some([b'\\', byte, ..]) if is_text(*byte) => at += 2,
                        Some([byte, ..]) if is_text(*byte) && *byte != b'\\' => at += 1,
                        _ => return false,
                    }
                }
            }
            Some(value) => {
                let end = value.iter().position(|byte| *byte == b';');
                let (value, behind) = value.split_at(end.unwrap_or(value.len()));
                if !is_token(value) {
                    return false;
                }
                behind
            }
        };
    }
    text.is_empty()
}

fn is_token(text: &[u8]) -> bool {
    let others = b"!#$%&'*+-.^_`|~";
    let is_one = |byte: &u8| byte.is_ascii_alphanumeric() || others.contains(byte);
    !text.is_empty() && text.iter().all(is_one)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// The same by the decoder, in pieces of these lengths.
fn read(bytes: &[u8], cuts: &[usize]) -> Read {
    let mut chunked = Chunked::new();
    let mut content = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().cycle() {
        let end = (at + cut).min(bytes.len());
        let mut piece = &bytes[at..end];
        while let Some(more) = chunked.next(&mut piece)? {
            assert!(!more.is_empty());
            content.extend_from_slice(more);
        }
        if chunked.is_over() {
            return Ok(Some((content, end - piece.len())));
        }
        assert!(piece.is_empty(), "everything is taken");
        if end == bytes.len() {
            return Ok(None);
        }
        at = end;
    }
    Ok(None)
}

/// A chunked body, well-formed or nearly.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop_oneof![
        8 => Just(String::new()),
        2 => "(;[a-c]{1,3}(=[a-c]{1,3}|=\"[ab\\\\;=]{0,4}\")?){0,3}",
    ];
    let chunk = (
        "0{0,2}",
        prop::collection::vec(any::<u8>(), 1..40),
        extension,
    );
    let trailer =
        prop_oneof![8 => Just(""), 1 => Just("A: b\r\n"), 1 => Just("A:\r\nB-c: \td\r\n")];
    let damage = prop::option::weighted(
        0.5,
        (
            any::<prop::sample::Index>(),
            prop_oneof![
                Just(b'\r'),
                Just(b'\n'),
                Just(b';'),
                Just(b' '),
                Just(b'0'),
                Just(b'"'),
                any::<u8>(),
            ],
            0..3,
        ),
    );
    (prop::collection::vec(chunk, 0..4), trailer, damage).prop_map(|(chunks, trailer, damage)| {
        let mut bytes = Vec::new();
        for (zeros, content, extension) in chunks {
            bytes.extend(format!("{zeros}{:x}{extension}\r\n", content.len()).into_bytes());
            bytes.extend(content);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("0\r\n{trailer}\r\n").into_bytes());
        bytes.extend(b"GET /");
        if let Some((at, byte, how)) = damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

/// What the naive twin says of bytes to which nothing comes any more, if it is certain: a line that is
/// not complete, it does not look at.
fn agrees(ours: &Read, naive: &Read) -> bool {
    match (ours, naive) {
        (Err(Malformed), Ok(None)) => true,
        (ours, naive) => ours == naive,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn chunks_are_read_as_the_grammar_has_them_however_they_are_cut(
        bytes in body(),
        cuts in prop::collection::vec(1_usize..30, 1..5),
    ) {
        let ours = read(&bytes, &[usize::MAX / 2]);
        prop_assert!(agrees(&ours, &naive(&bytes)), "{ours:?} {}", bytes.escape_ascii());
        prop_assert_eq!(&read(&bytes, &[1]), &ours);
        prop_assert_eq!(&read(&bytes, &cuts), &ours);
    }

    #[test]
    fn a_body_is_refused_for_its_length_alike_however_it_is_cut(
        spaces in 0_usize..30,
        rest in "[\\[\\{] {0,30}",
        chunks in prop::collection::vec(1_usize..20, 1..5),
        cuts in prop::collection::vec(1_usize..30, 1..5),
        message in 1_usize..40,
        is_chunked in any::<bool>(),
    ) {
        let content = format!("{}{rest}", " ".repeat(spaces)).into_bytes();
        let mut wire = Vec::new();
        let framing = || match is_chunked {
            true => Framing::Chunked(Chunked::new()),
            false => Framing::Length(content.len() as u64),
        };
        if is_chunked {
            let mut left = &content[..];
            for size in chunks.iter().cycle() {
                let (chunk, behind) = left.split_at((*size).min(left.len()));
                if chunk.is_empty() {
                    break;
                }
                wire.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
                left = behind;
            }
            wire.extend(b"0\r\n\r\n");
        } else {
            wire.extend(&content);
        }
        let receive = |cuts: &[usize]| {
            let mut body = Body::new(framing(), message, Instant::ZERO);
            let mut rest = &wire[..];
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                assert_eq!(body.receive(piece)?, piece.len());
                rest = behind;
                if body.is_complete() {
                    break;
                }
            }
            assert_eq!(body.bytes(), &content[..]);
            Ok(body.is_batch())
        };
        let whole: Result<bool, Fault> = receive(&[usize::MAX]);
        let is_list = content[spaces] == b'[' && spaces < message;
        let expected = match is_list || content.len() <= message {
            true => Ok(is_list),
            false => Err(Fault::TooLarge { limit: message }),
        };
        prop_assert_eq!(whole, expected);
        prop_assert_eq!(receive(&[1]), expected);
        prop_assert_eq!(receive(&cuts), expected);
    }
}
