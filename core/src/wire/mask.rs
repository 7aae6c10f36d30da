//! Masking (RFC 6455 section 5.3).

/// How many bytes are masked at once: wide enough for two vector registers.
const LANE: usize = 32;

/// Masks or unmasks `payload` in place: byte `i` is combined with byte `i % 4` of `key`.
///
/// Answers the key to go on with, should more of the same payload follow in
/// another buffer. Masking twice with the same key gives the original.
#[must_use = "the rest of a payload must be masked with the key that is returned"]
pub fn apply_mask(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    let mut wide = [0; LANE];
    for (wide, key) in wide.iter_mut().zip(key.iter().cycle()) {
        *wide = *key;
    }
    let (lanes, tail) = payload.as_chunks_mut::<LANE>();
    for lane in lanes {
        for (byte, key) in lane.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in tail.iter_mut().zip(wide) {
        *byte ^= key;
    }
    let mut next = key;
    next.rotate_left(tail.len() % 4);
    next
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
