//! Positions: where in the one order of all notifications something is.

use core::fmt;

/// The place of a notification in the order of one log (the protocol, section 6): clients keep it as
/// an opaque string and compare it with nothing.
///
/// The epoch tells one life of a log from the next, in which the sequence begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    epoch: u64,
    sequence: u64,
}

impl Position {
    /// Length of the text in bytes, whatever the position: so it can be written into a frame whose
    /// length is fixed before the position is known.
    pub const TEXT_LEN: usize = 2 * DIGITS + 1;

    /// The place `sequence` in the log of this epoch. Of both numbers the lower 48 bits count, which
    /// is enough for milliseconds since 1970 until the year 10889, and for a million notifications a
    /// second for eight years.
    #[must_use]
    pub const fn new(epoch: u64, sequence: u64) -> Self {
        Self {
            epoch: epoch & MASK,
            sequence: sequence & MASK,
        }
    }

    /// Which life of the log it is of.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// How many notifications the log had taken with this one; 0 is before the first.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.sequence
    }

    /// The text of it: 12 hexadecimal digits of the epoch, a hyphen, and 12 of the sequence.
    #[must_use]
    pub fn text(self) -> [u8; Self::TEXT_LEN] {
        let mut text = [b'-'; Self::TEXT_LEN];
        let (epoch, rest) = text.split_at_mut(DIGITS);
        write_hex(self.epoch, epoch);
        if let Some((_, sequence)) = rest.split_first_mut() {
            write_hex(self.sequence, sequence);
        }
        text
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Hexadecimal digits of each of the two numbers.
const DIGITS: usize = 12;

/// The bits that they can write.
const MASK: u64 = (1 << (4 * DIGITS)) - 1;

/// The lowest digits of `number`, as many as there is room for.
fn write_hex(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = match (number & 0xF) as u8 {
            low @ 0..10 => b'0' | low,
            high => (b'a' - 10).wrapping_add(high),
        };
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_is_written_as_core_formats_its_numbers(epoch: u64, sequence: u64) {
            let position = Position::new(epoch, sequence);
            let expected = format!("{:012x}-{:012x}", epoch & MASK, sequence & MASK);
            prop_assert_eq!(position.to_string(), expected);
        }

        #[test]
        fn later_positions_of_an_epoch_are_greater_as_text(epoch: u64, a in 0..=MASK, b in 0..=MASK) {
            let [first, second] = [a, b].map(|sequence| Position::new(epoch, sequence).text());
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
        }
    }
}
