//! UTF-8 validation across the borders of buffers and frames (RFC 6455 section 8.1).

#[cfg(feature = "fast")]
use super::scan::valid_up_to;

/// Validates a text that arrives in pieces, and fails at the first byte with
/// which it can no longer become valid UTF-8 (RFC 3629).
///
/// Holds no text: only what the byte that comes next may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf8Validator {
    /// Continuation bytes that the current character still lacks.
    missing: u8,
    /// The smallest and the largest value that the next continuation byte may have.
    low: u8,
    high: u8,
}

impl Utf8Validator {
    /// A validator at the start of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            missing: 0,
            low: 0x80,
            high: 0xBF,
        }
    }

    /// Takes the next piece of the text.
    ///
    /// # Errors
    /// The index in `piece` of the first byte that makes the text invalid. The validator is of no
    /// more use then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), usize> {
        let mut done = 0_usize;
        let mut rest = piece;
        while self.missing > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                return Ok(());
            };
            self.step(byte).map_err(|()| done)?;
            done = done.saturating_add(1);
            rest = after;
        }
        // What is left is an unfinished character or the first bad bytes: a few steps at most.
        let valid = valid_up_to(rest);
        let tail = rest.get(valid..).unwrap_or_default();
        for (i, &byte) in tail.iter().enumerate() {
            self.step(byte)
                .map_err(|()| done.saturating_add(valid).saturating_add(i))?;
        }
        Ok(())
    }

    /// Whether the text so far ends at the end of a character.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// One byte of the table in RFC 3629 section 4.
    const fn step(&mut self, byte: u8) -> Result<(), ()> {
        if self.missing > 0 {
            if byte < self.low || byte > self.high {
                return Err(());
            }
            self.missing = self.missing.saturating_sub(1);
            self.low = 0x80;
            self.high = 0xBF;
            return Ok(());
        }
        let (missing, low, high) = match byte {
            0x00..=0x7F => (0, 0x80, 0xBF),
            0xC2..=0xDF => (1, 0x80, 0xBF),
            0xE0 => (2, 0xA0, 0xBF), // shorter forms exist
            0xED => (2, 0x80, 0x9F), // surrogates
            0xE1..=0xEC | 0xEE..=0xEF => (2, 0x80, 0xBF),
            0xF0 => (3, 0x90, 0xBF), // shorter forms exist
            0xF1..=0xF3 => (3, 0x80, 0xBF),
            0xF4 => (3, 0x80, 0x8F), // beyond U+10FFFF
            _ => return Err(()),
        };
        self.missing = missing;
        self.low = low;
        self.high = high;
        Ok(())
    }
}

/// How many bytes at the front of `bytes` are whole, valid characters.
#[cfg(not(feature = "fast"))]
fn valid_up_to(bytes: &[u8]) -> usize {
    str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

impl Default for Utf8Validator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec::Vec};
    use proptest::prelude::*;

    /// Whether some continuation makes these bytes valid: the definition, through `std`.
    fn can_be_completed(bytes: &[u8]) -> bool {
        match core::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        }
    }

    /// The index of the first byte with which the text can no longer be completed.
    fn naive(bytes: &[u8]) -> Option<usize> {
        (0..bytes.len()).find(|&end| !can_be_completed(&bytes[..=end]))
    }

    fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (Option<usize>, bool) {
        let mut validator = Utf8Validator::new();
        let mut start = 0_usize;
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let end = start.saturating_add(cut).min(bytes.len());
            if let Err(index) = validator.push(&bytes[start..end]) {
                return (Some(start + index), false);
            }
            start = end;
        }
        (None, validator.is_complete())
    }

    fn nearly_utf8() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            any::<u8>(),
            Just(0xE2_u8),
            Just(0xF0),
            Just(0xED),
            Just(0xF4),
            0x80_u8..0xC0,
            Just(b'a')
        ];
        prop_oneof![
            prop::collection::vec(byte, 0..24),
            any::<String>().prop_map(String::into_bytes),
            // Long enough for every lane and vector, and mostly valid.
            (
                prop::collection::vec("[a-z ]{0,40}|[é€😀]{1,9}", 0..40),
                any::<prop::sample::Index>(),
                any::<u8>(),
                0_u8..3
            )
                .prop_map(|(pieces, at, byte, damage)| {
                    let mut text = pieces.concat().into_bytes();
                    if damage == 0 && !text.is_empty() {
                        let at = at.index(text.len());
                        text[at] = byte;
                    }
                    text
                }),
        ]
    }

    proptest! {
        #[test]
        fn any_pieces_fail_at_the_first_hopeless_byte(
            bytes in nearly_utf8(),
            cuts in prop::collection::vec(prop_oneof![0_usize..6, 0_usize..600], 0..12),
        ) {
            let (failed, complete) = in_pieces(&bytes, &cuts);
            prop_assert_eq!(failed, naive(&bytes));
            if failed.is_none() {
                prop_assert_eq!(complete, core::str::from_utf8(&bytes).is_ok());
            }
        }
    }

    #[test]
    fn every_sequence_of_up_to_three_bytes_agrees_with_std() {
        for len in 1..=3_u32 {
            for n in 0..(1_u32 << (8 * len)) {
                let bytes = &n.to_le_bytes()[..len as usize];
                let (failed, _) = in_pieces(bytes, &[1, 1, 1]);
                assert_eq!(failed.is_none(), can_be_completed(bytes), "{bytes:02x?}");
            }
        }
    }
}
