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

/// Copies `payload` into `masked`, which is as long, masked like [`apply_mask`] does in place.
#[inline]
pub(crate) fn copy_masked(key: [u8; 4], payload: &[u8], masked: &mut [u8]) {
    #[cfg(feature = "simd")]
    if payload.len() >= SIMD_FROM {
        return copy_long_masked(key, payload, masked);
    }
    copy_short_masked(key, payload, masked);
}

/// From how many bytes on it is worth while to ask what vectors the machine has.
#[cfg(feature = "simd")]
const SIMD_FROM: usize = 256;

#[cfg(feature = "simd")]
fn apply_to_long(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    // A vector that lies across two cache lines costs two accesses.
    let front = payload.as_ptr().align_offset(LINE).min(payload.len());
    let (front, body) = payload.split_at_mut(front);
    let key = apply_to_short(key, front);
    let (words, rest) = body.as_chunks_mut();
    fearless_simd::dispatch!(fearless_simd::Level::new(), _ => apply_words(double(key), words));
    apply_to_short(key, rest)
}

#[cfg(feature = "simd")]
fn copy_long_masked(key: [u8; 4], payload: &[u8], masked: &mut [u8]) {
    let front = masked.as_ptr().align_offset(LINE).min(masked.len());
    let (front, body) = masked.split_at_mut(front);
    let Some((payload, rest)) = payload.split_at_checked(front.len()) else {
        return; // cannot be: they are of one length
    };
    copy_short_masked(key, payload, front);
    let key = advance(key, payload.len());
    let (from, to) = (rest.as_chunks().0, body.as_chunks_mut().0);
    fearless_simd::dispatch!(fearless_simd::Level::new(), _ => copy_words(double(key), from, to));
    put_last_word(key, rest, body);
}

/// A cache line, and the longest vector, in bytes.
#[cfg(feature = "simd")]
const LINE: usize = 64;

#[inline]
fn apply_to_short(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    if cfg!(feature = "fast") && apply_by_words(key, payload).is_some() {
        return advance(key, payload.len());
    }
    let (quads, rest) = payload.as_chunks_mut::<4>();
    for quad in quads {
        *quad = (u32::from_ne_bytes(*quad) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
    advance(key, payload.len())
}

#[inline]
fn copy_short_masked(key: [u8; 4], payload: &[u8], masked: &mut [u8]) {
    if cfg!(feature = "fast") && copy_masked_by_words(key, payload, masked).is_some() {
        return;
    }
    for ((to, from), key) in masked.iter_mut().zip(payload).zip(key.iter().cycle()) {
        *to = from ^ key;
    }
}

/// Masks what is at least a word long. The last word may overlap the one before it, so that no
/// bytes are left over: most payloads are short, and the rest of a short payload is most of it.
#[inline]
fn apply_by_words(key: [u8; 4], payload: &mut [u8]) -> Option<()> {
    let len = payload.len();
    let last = payload.last_chunk::<8>()?;
    let last = (u64::from_ne_bytes(*last) ^ double(advance(key, len))).to_ne_bytes();
    // Two vector registers at once, then words.
    let (lanes, rest) = payload.as_chunks_mut::<32>();
    for lane in lanes {
        apply_words(double(key), lane.as_chunks_mut().0);
    }
    apply_words(double(key), rest.as_chunks_mut().0);
    *payload.last_chunk_mut()? = last;
    Some(())
}

/// The same from one place to another.
#[inline]
fn copy_masked_by_words(key: [u8; 4], payload: &[u8], masked: &mut [u8]) -> Option<()> {
    let (lanes, rest) = payload.as_chunks::<32>();
    let (masked_lanes, masked_rest) = masked.as_chunks_mut::<32>();
    for (from, to) in lanes.iter().zip(masked_lanes) {
        copy_words(double(key), from.as_chunks().0, to.as_chunks_mut().0);
    }
    copy_words(
        double(key),
        rest.as_chunks().0,
        masked_rest.as_chunks_mut().0,
    );
    put_last_word(key, payload, masked)
}

/// `None` if there is no whole word.
#[inline]
fn put_last_word(key: [u8; 4], payload: &[u8], masked: &mut [u8]) -> Option<()> {
    let word = u64::from_ne_bytes(*payload.last_chunk()?);
    let key = double(advance(key, payload.len()));
    *masked.last_chunk_mut()? = (word ^ key).to_ne_bytes();
    Some(())
}

/// The key as it continues after `len` bytes.
#[inline]
const fn advance(key: [u8; 4], len: usize) -> [u8; 4] {
    let bits = match len % 4 {
        0 => 0,
        1 => 8,
        2 => 16,
        _ => 24,
    };
    u32::from_le_bytes(key).rotate_right(bits).to_le_bytes()
}

/// The key twice.
#[inline]
const fn double(key: [u8; 4]) -> u64 {
    let key = u32::from_ne_bytes(key) as u64;
    key << 32 | key
}

#[inline(always)]
fn apply_words(key: u64, words: &mut [[u8; 8]]) {
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
}

#[inline(always)]
fn copy_words(key: u64, from: &[[u8; 8]], to: &mut [[u8; 8]]) {
    for (from, to) in from.iter().zip(to) {
        *to = (u64::from_ne_bytes(*from) ^ key).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
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
            prop_assert_eq!(&actual, &expected);
        }

        #[test]
        fn a_masked_copy_equals_a_copy_that_is_masked(
            key: [u8; 4],
            payload in prop::collection::vec(any::<u8>(), 0..600),
            start in 0_usize..70,
        ) {
            let mut expected = payload.clone();
            naive(key, &mut expected);

            let mut actual = vec![0; start + payload.len()];
            copy_masked(key, &payload, &mut actual[start..]);
            prop_assert_eq!(&actual[start..], expected);
        }
    }
}
