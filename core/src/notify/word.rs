//! Many bytes of a string at a time.

/// `bytes` without what stands for itself in a string: they begin with a quote, a backslash or a
/// control character then, or are empty. As they are where a small program is worth more than a fast
/// one: what is left to callers is to go byte by byte.
#[inline]
pub(super) fn skip_plain(mut bytes: &[u8]) -> &[u8] {
    if cfg!(not(feature = "fast")) {
        return bytes;
    }
    #[cfg(feature = "simd")]
    while let Some((chunk, rest)) = bytes.split_first_chunk() {
        let marks = specials(chunk);
        if marks != 0 {
            // At most 15, and the bytes are there.
            return bytes
                .get(marks.trailing_zeros() as usize..)
                .unwrap_or_default();
        }
        bytes = rest;
    }
    while let Some((word, rest)) = bytes.split_first_chunk() {
        if let Some(position) = first_special(u64::from_le_bytes(*word)) {
            return bytes.get(position..).unwrap_or_default();
        }
        bytes = rest;
    }
    while let [0x20..=0x21 | 0x23..=0x5B | 0x5D..=0xFF, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Whether there is a backslash in the contents of a valid string.
#[inline]
pub(super) fn is_escaped(contents: &[u8]) -> bool {
    // Most strings are short, and where a word does not fit in, two of them overlap.
    if cfg!(feature = "fast")
        && let (8..=16, Some(first), Some(last)) = (
            contents.len(),
            contents.first_chunk(),
            contents.last_chunk(),
        )
    {
        let backslashes = |word: &[u8; 8]| zeros(u64::from_ne_bytes(*word) ^ BACKSLASHES);
        return (backslashes(first) | backslashes(last)) & HIGH_BITS != 0;
    }
    contents.contains(&b'\\')
}

/// A bit for each byte at which a string stops being plain, the first one lowest.
#[cfg(feature = "simd")]
#[inline(always)]
fn specials(chunk: &[u8; 16]) -> u64 {
    use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch, u8x16};

    #[inline(always)]
    fn with<S: Simd>(simd: S, chunk: &[u8; 16]) -> u64 {
        let bytes = u8x16::from_slice(simd, chunk);
        let marks = bytes.simd_eq(b'"') | bytes.simd_eq(b'\\') | bytes.simd_lt(0x20);
        marks.to_bitmask()
    }
    // What every processor of the target has is enough for short strings, and costs no question.
    dispatch!(Level::baseline(), simd => with(simd, chunk))
}

/// The position, among the eight bytes of a little-endian word, of the first byte at which a string
/// stops being plain: a quote, a backslash or a control character.
///
/// `(x - 0x01…) & !x & 0x80…` marks the zero bytes of `x`. A borrow may mark bytes above a true hit
/// falsely, but never below it, so the lowest mark is exact; and so it is for "less than 0x20".
#[inline]
pub(super) fn first_special(word: u64) -> Option<usize> {
    let quotes = zeros(word ^ const { repeated(b'"') });
    let backslashes = zeros(word ^ BACKSLASHES);
    let controls = word.wrapping_sub(const { repeated(0x20) }) & !word;
    let marks = (quotes | backslashes | controls) & HIGH_BITS;
    let position = marks.trailing_zeros() / 8;
    (marks != 0).then_some(position as usize)
}

/// The highest bit of the first zero byte of `x` is set, and of none before it.
#[inline]
const fn zeros(x: u64) -> u64 {
    x.wrapping_sub(LOW_BITS) & !x
}

const BACKSLASHES: u64 = repeated(b'\\');
const LOW_BITS: u64 = repeated(0x01);
const HIGH_BITS: u64 = repeated(0x80);

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}
