//! A scanner for UTF-8 that is fast on what is usual: short texts, most of it ASCII (feature `fast`).
//!
//! The standard library's, which is used without that feature, is its naive twin.

/// How many bytes at the front of `bytes` are whole, valid characters.
pub(super) fn valid_up_to(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    #[cfg(feature = "simd")]
    if bytes.len() >= SIMD_FROM {
        let (whole, tail) = split_last_character(bytes);
        if simdutf8::basic::from_utf8(whole).is_ok() {
            rest = tail;
        }
    }
    loop {
        // The rows of the table in RFC 3629 section 4.
        rest = match rest {
            [0x00..=0x7F, ..] => skip_ascii(rest),
            [0xC2..=0xDF, 0x80..=0xBF, after @ ..]
            | [0xE0, 0xA0..=0xBF, 0x80..=0xBF, after @ ..]
            | [0xED, 0x80..=0x9F, 0x80..=0xBF, after @ ..]
            | [
                0xE1..=0xEC | 0xEE..=0xEF,
                0x80..=0xBF,
                0x80..=0xBF,
                after @ ..,
            ]
            | [0xF0, 0x90..=0xBF, 0x80..=0xBF, 0x80..=0xBF, after @ ..]
            | [
                0xF1..=0xF3,
                0x80..=0xBF,
                0x80..=0xBF,
                0x80..=0xBF,
                after @ ..,
            ]
            | [0xF4, 0x80..=0x8F, 0x80..=0xBF, 0x80..=0xBF, after @ ..] => after,
            _ => return bytes.len().saturating_sub(rest.len()),
        };
    }
}

/// From how many bytes on vector instructions are worth their overhead.
#[cfg(feature = "simd")]
const SIMD_FROM: usize = 256;

/// Splits before the last character, which may be unfinished.
#[cfg(feature = "simd")]
fn split_last_character(bytes: &[u8]) -> (&[u8], &[u8]) {
    let continued = |byte: &&u8| matches!(byte, 0x80..=0xBF);
    let behind = bytes.iter().rev().take(3).take_while(continued).count();
    let at = bytes.len().saturating_sub(behind).saturating_sub(1);
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// What follows the ASCII at the front of `bytes`.
fn skip_ascii(mut bytes: &[u8]) -> &[u8] {
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    const HIGH_BITS_OF_TWO: u128 = u128::from_ne_bytes([0x80; 16]);
    while let Some((lane, after)) = bytes.split_first_chunk()
        && u128::from_ne_bytes(*lane) & HIGH_BITS_OF_TWO == 0
    {
        bytes = after;
    }
    while let Some((word, after)) = bytes.split_first_chunk() {
        let high = u64::from_le_bytes(*word) & HIGH_BITS;
        if high != 0 {
            // At most 7, and the bytes are there.
            let ascii = (high.trailing_zeros() / 8) as usize;
            return bytes.get(ascii..).unwrap_or_default();
        }
        bytes = after;
    }
    while let [0x00..=0x7F, after @ ..] = bytes {
        bytes = after;
    }
    bytes
}
