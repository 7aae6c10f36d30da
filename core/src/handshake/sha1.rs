//! SHA-1 (RFC 3174) of texts short enough for two blocks: all that a handshake hashes is 60 bytes.
//!
//! By hand, because the compiler can prove at every level of optimisation that this never panics,
//! which it cannot of the crate `sha1_smol`, and because that takes 2.5 KB more of a
//! microcontroller's flash. The tests have the crate beside it. SHA-1 protects nothing here (RFC
//! 6455, section 10.8): it only shows that the peer has read the key.

/// The most that fits two blocks, in bytes: one is for the mark of the end, eight for the length.
pub(super) const MAX_TEXT: usize = 2 * BLOCK - 1 - 8;

const BLOCK: usize = 64;

/// The digest of `text`, of which no more than [`MAX_TEXT`] bytes count.
pub(super) fn sha1(text: impl Iterator<Item = u8>) -> [u8; 20] {
    let mut blocks = [[0; BLOCK]; 2];
    let mut len = 0_u16;
    let mut places = blocks.as_flattened_mut().iter_mut();
    for (byte, place) in text.take(MAX_TEXT).zip(&mut places) {
        *place = byte;
        len = len.saturating_add(1);
    }
    // Section 4: a one, zeros, and in the last eight bytes the length in bits.
    if let Some(mark) = places.next() {
        *mark = 0x80;
    }
    let needed = if usize::from(len) < BLOCK - 8 { 1 } else { 2 };
    let mut state = [
        0x6745_2301,
        0xEFCD_AB89,
        0x98BA_DCFE,
        0x1032_5476,
        0xC3D2_E1F0,
    ];
    for (index, block) in blocks.iter_mut().enumerate().take(needed) {
        if index + 1 == needed
            && let [.., high, low] = block
        {
            [*high, *low] = len.saturating_mul(8).to_be_bytes();
        }
        compress(&mut state, block);
    }
    let mut digest = [0; 20];
    for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    digest
}

/// Section 6.2, the method that keeps sixteen words.
fn compress(state: &mut [u32; 5], block: &[u8; BLOCK]) {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        // Section 5.
        let (f, k) = match round {
            0..20 => (b & c | !b & d, 0x5A82_7999),
            20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
            40..60 => (b & c | b & d | c & d, 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
        };
        let word = |ahead: usize| words.get((round + ahead) & 15).copied().unwrap_or(0_u32);
        let sum = [f, e, word(0), k]
            .into_iter()
            .fold(a.rotate_left(5), u32::wrapping_add);
        let next = (word(13) ^ word(8) ^ word(2) ^ word(0)).rotate_left(1);
        if let Some(place) = words.get_mut(round & 15) {
            *place = next; // the word of sixteen rounds later
        }
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
        *old = old.wrapping_add(new);
    }
}
