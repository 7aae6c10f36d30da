//! Masking (RFC 6455 section 5.3).

/// Masks or unmasks `payload` in place: byte `i` is combined with byte `i % 4` of `key`.
///
/// Answers the key to go on with, should more of the same payload follow in
/// another buffer. Masking twice with the same key gives the original.
#[inline]
#[must_use = "the rest of a payload must be masked with the key that is returned"]
pub fn apply_mask(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    #[cfg(feature = "simd")]
    if payload.len() >= SIMD_FROM {
        return apply_to_long(key, payload);
    }
    apply_to_short(key, payload)
}

/// From how many bytes on it is worth while to ask what vectors the machine has.
#[cfg(feature = "simd")]
const SIMD_FROM: usize = 256;

#[cfg(feature = "simd")]
fn apply_to_long(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    // A vector that lies across two cache lines costs two accesses.
    let front = payload.as_ptr().align_offset(LINE).min(payload.len());
    let (front, body) = payload.split_at_mut(front);
    let [a, b, c, d] = apply_to_short(key, front);
    let double = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = body.as_chunks_mut();
    fearless_simd::dispatch!(fearless_simd::Level::new(), _ => apply_words(double, words));
    apply_to_short([a, b, c, d], rest)
}

/// A cache line, and the longest vector, in bytes.
#[cfg(feature = "simd")]
const LINE: usize = 64;

#[inline]
fn apply_to_short(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    let [a, b, c, d] = key;
    let rest = if cfg!(feature = "fast") {
        // Two vector registers at once, then words, then the rest: most payloads are short, and the
        // rest of a short payload is most of it.
        let double = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (lanes, rest) = payload.as_chunks_mut::<32>();
        for lane in lanes {
            apply_words(double, lane.as_chunks_mut().0);
        }
        let (words, rest) = rest.as_chunks_mut();
        apply_words(double, words);
        rest
    } else {
        payload
    };
    let (quads, rest) = rest.as_chunks_mut::<4>();
    for quad in quads {
        *quad = (u32::from_ne_bytes(*quad) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    match rest {
        [x] => {
            *x ^= a;
            [b, c, d, a]
        }
        [x, y] => {
            *x ^= a;
            *y ^= b;
            [c, d, a, b]
        }
        [x, y, z] => {
            *x ^= a;
            *y ^= b;
            *z ^= c;
            [d, a, b, c]
        }
        _ => key,
    }
}

#[inline(always)]
fn apply_words(key: u64, words: &mut [[u8; 8]]) {
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word for word.
    fn naive(key: [u8; 4], payload: &mut [u8]) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }

    proptest! {
        #[test]
        fn masking_in_any_pieces_equals_the_definition(
            key: [u8; 4],
            payload in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(0_usize..70, 0..8),
        ) {
            let mut expected = payload.clone();
            naive(key, &mut expected);

            let mut actual = payload;
            let mut rest = actual.as_mut_slice();
            let mut next = key;
            for cut in cuts {
                let (piece, after) = rest.split_at_mut(cut.min(rest.len()));
                next = apply_mask(next, piece);
                rest = after;
            }
            let _ = apply_mask(next, rest);
            prop_assert_eq!(actual, expected);
        }
    }
}
