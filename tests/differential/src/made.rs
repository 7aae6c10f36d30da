//! Streams that are made up: valid ones, and valid ones with a little damage.

use campanile_core::conn::Config;

use crate::{script::valid_frame, stream::Stream};

/// A pseudo-random source: splitmix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// The stream of this seed.
pub(crate) fn stream(seed: u64, is_server: bool) -> Stream {
    let mut chance = Chance(seed);
    let mut bytes = Vec::new();
    let mut last = 0;
    for _ in 0..=chance.below(5) {
        last = bytes.len();
        message(&mut chance, is_server, &mut bytes);
    }
    if chance.one_in(3) {
        last = bytes.len();
        close(&mut chance, is_server, &mut bytes);
    }
    // Two of three are damaged, half of them in the last part, which is the one that is got to.
    let from = if chance.one_in(2) { 0 } else { last };
    let at = from + chance.below(bytes.len() - from);
    match chance.below(6) {
        0 => bytes[at] = chance.byte(),
        1 | 2 => bytes[at] ^= 1 << chance.below(8),
        3 => drop(bytes.remove(at)),
        _ => {}
    }
    Stream {
        name: format!("seed {seed}"),
        is_server,
        config: Config {
            max_message: 300,
            max_fragments: 3,
            control_burst: 10,
            ..Config::new()
        },
        bytes,
        pieces: (0..4).map(|_| 1 + chance.below(20)).collect(),
    }
}

/// A message in fragments, with control frames before and between them.
fn message(chance: &mut Chance, masked: bool, bytes: &mut Vec<u8>) {
    let is_text = !chance.one_in(3);
    let content = content(chance, is_text);
    // At most three, but for some that are one too many.
    let more = if chance.one_in(2) { chance.below(3) } else { 0 };
    let count = 1 + more + usize::from(chance.one_in(40));
    let mut rest = &content[..];
    for fragment in 0..count {
        while chance.one_in(4) {
            let first = if chance.one_in(2) { 0x89 } else { 0x8A };
            let payload: Vec<u8> = (0..chance.below(9)).map(|_| chance.byte()).collect();
            bytes.extend(valid_frame(first, &payload, masked));
        }
        let is_last = fragment + 1 == count;
        let len = if is_last {
            rest.len()
        } else {
            chance.below(rest.len() + 1)
        };
        let (payload, after) = rest.split_at(len);
        rest = after;
        let opcode = match (fragment, is_text) {
            (0, true) => 0x1,
            (0, false) => 0x2,
            _ => 0x0,
        };
        let fin = if is_last { 0x80 } else { 0 };
        bytes.extend(valid_frame(fin | opcode, payload, masked));
    }
}

fn content(chance: &mut Chance, is_text: bool) -> Vec<u8> {
    const CHARACTERS: [&str; 6] = ["a", "é", "€", "😀", "\u{FFFE}", "\0"];
    let count = match chance.below(8) {
        0 => 0,
        1 => 60 + chance.below(30),
        _ => chance.below(12),
    };
    if is_text {
        let text: String = (0..count).map(|_| CHARACTERS[chance.below(6)]).collect();
        text.into_bytes()
    } else {
        (0..count * 2).map(|_| chance.byte()).collect()
    }
}

fn close(chance: &mut Chance, masked: bool, bytes: &mut Vec<u8>) {
    const CODES: [u16; 8] = [1000, 1001, 1003, 1004, 1012, 1014, 3000, 4999];
    let mut payload = Vec::new();
    if !chance.one_in(4) {
        payload.extend(CODES[chance.below(8)].to_be_bytes());
        payload.extend("à bientôt".bytes().take(chance.below(13)));
    }
    bytes.extend(valid_frame(0x88, &payload, masked));
}
