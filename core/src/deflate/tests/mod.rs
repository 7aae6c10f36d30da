//! A language for tests of compression: chunks in, pieces of a message out.

#[cfg(feature = "alloc")]
mod deflating;
mod inflating;
mod negotiation;

use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    conn::{Config, Data, Violation},
    wire::Kind,
};

pub(super) fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

pub(super) const fn direction(window: WindowBits, takeover: bool) -> Direction {
    Direction { window, takeover }
}

pub(super) const LARGE: Config = Config {
    max_message: 1 << 30,
    ..Config::new()
};

pub(super) const ANY_RATIO: Settings = Settings {
    max_ratio: u32::MAX,
    ..Settings::server()
};

pub(super) fn inflater(direction: Direction) -> Inflater<Vec<u8>> {
    inflater_with(direction, &ANY_RATIO, &LARGE)
}

pub(super) fn inflater_with(
    direction: Direction,
    settings: &Settings,
    config: &Config,
) -> Inflater<Vec<u8>> {
    let window = vec![0; direction.window.bytes()];
    Inflater::new(direction, window, settings, config).expect("it is as large as it must be")
}

/// What is handed out of a message, and what it ends with: `Ok(true)` for its end.
pub(super) type Inflated = (Vec<u8>, Result<bool, Violation>);

/// Inflates a message that comes in these chunks, with this much room at a time.
pub(super) fn inflate_pieces(
    inflater: &mut Inflater<Vec<u8>>,
    kind: Kind,
    chunks: &[&[u8]],
    room: usize,
) -> Inflated {
    let mut out = vec![0; room];
    let mut inflated = Vec::new();
    let mut over = false;
    let mut starts = true;
    let count = chunks.len();
    for (i, chunk) in chunks.iter().enumerate() {
        let mut bytes = chunk.to_vec();
        let mut data = Data {
            kind,
            bytes: &mut bytes,
            first: i == 0,
            last: i + 1 == count,
        };
        loop {
            match inflater.inflate(&mut data, &mut out) {
                Ok(Some(piece)) => {
                    assert_eq!(piece.kind, kind);
                    assert_eq!(piece.first, starts);
                    assert!(!over, "a piece behind the last one");
                    assert!(!piece.bytes.is_empty() || piece.last);
                    starts = false;
                    over = piece.last;
                    inflated.extend_from_slice(piece.bytes);
                }
                Ok(None) => break,
                Err(violation) => {
                    assert!(!over, "a violation behind the end");
                    assert_eq!(
                        inflater.inflate(&mut data, &mut out).map(drop),
                        Err(violation),
                        "it stays"
                    );
                    return (inflated, Err(violation));
                }
            }
        }
        assert_eq!(data.bytes.len(), 0, "all of it is taken");
    }
    (inflated, Ok(over))
}

pub(super) fn inflate(inflater: &mut Inflater<Vec<u8>>, kind: Kind, message: &[u8]) -> Inflated {
    inflate_pieces(inflater, kind, &[message], 4096)
}

/// `bytes` in pieces of these lengths, over and over.
pub(super) fn cut<'b>(mut bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for len in cuts.iter().cycle() {
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    pieces
}

/// Writes DEFLATE bit by bit.
#[derive(Default)]
pub(super) struct Bits {
    pub(super) bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    /// The `count` lowest bits, the lowest first.
    pub(super) fn put(&mut self, value: u32, count: u32) -> &mut Self {
        for i in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = u8::try_from(value >> i & 1).expect("a bit");
            *self.bytes.last_mut().expect("a byte") |= bit << (self.used % 8);
            self.used += 1;
        }
        self
    }

    /// A code of the fixed table, the highest bit first.
    pub(super) fn code(&mut self, code: u32, count: u32) -> &mut Self {
        for i in (0..count).rev() {
            self.put(code >> i, 1);
        }
        self
    }

    /// A block of the fixed codes that is not the last one; its end is `code(0, 7)`.
    pub(super) fn fixed(&mut self) -> &mut Self {
        self.put(0b010, 3)
    }

    /// A byte below 144 by the fixed codes.
    pub(super) fn literal(&mut self, byte: u8) -> &mut Self {
        self.code(0x30 + u32::from(byte), 8)
    }

    /// The head of the empty block at the end of a message.
    pub(super) fn end(&mut self) -> Vec<u8> {
        self.put(0, 3);
        core::mem::take(&mut self.bytes)
    }
}

/// A message of at least so many zeros, 158 of them for each byte.
pub(crate) fn bomb(len: usize) -> Vec<u8> {
    let mut stream = Bits::default();
    stream.fixed().literal(0);
    for _ in 0..=len / 258 {
        stream.code(0b1100_0101, 8).code(0, 5); // 258 bytes from one back
    }
    stream.code(0, 7).end()
}
