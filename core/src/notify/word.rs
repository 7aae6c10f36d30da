//! Eight bytes of a string at a time.

/// The highest bit of each byte, which is set in every byte of a character beyond ASCII.
pub(super) const HIGH_BITS: u64 = repeated(0x80);

/// The next eight bytes as a little-endian word, and the rest. Always `None` where a small program is
/// worth more than a fast one: what is left to callers is to go byte by byte.
#[inline]
pub(super) fn split_word(bytes: &[u8]) -> Option<(u64, &[u8])> {
    if cfg!(not(feature = "fast")) {
        return None; // no short cuts
    }
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*word), rest))
}

/// The position, among the eight bytes of a little-endian word, of the first byte at which a string
/// stops being plain: a quote, a backslash or a control character.
///
/// `(x - 0x01…) & !x & 0x80…` marks the zero bytes of `x`. A borrow may mark bytes above a true hit
/// falsely, but never below it, so the lowest mark is exact; and so it is for "less than 0x20".
#[inline]
pub(super) fn first_special(word: u64) -> Option<usize> {
    let zeros = |x: u64| x.wrapping_sub(LOW_BITS) & !x;
    let quotes = zeros(word ^ const { repeated(b'"') });
    let backslashes = zeros(word ^ const { repeated(b'\\') });
    let controls = word.wrapping_sub(const { repeated(0x20) }) & !word;
    let marks = (quotes | backslashes | controls) & HIGH_BITS;
    let position = marks.trailing_zeros() / 8;
    (marks != 0).then_some(position as usize)
}

const LOW_BITS: u64 = repeated(0x01);

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}
