//! The size of a window, as its parameters have it.

use core::fmt;

use crate::handshake::ParameterValue;

/// How far back a compressor may refer, as the logarithm of the bytes: 8 to 15 (RFC 7692, section
/// 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB: what DEFLATE can refer back to, and what holds where nothing is agreed.
    pub const MAX: Self = Self(15);

    /// A window of this many bits; `None` unless they are 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits < Self::MIN.0 || bits > Self::MAX.0 {
            return None;
        }
        Some(Self(bits))
    }

    /// The smallest window in which a message of `len` bytes loses nothing: zlib refers back less
    /// than a window by 262 bytes, the longest match and what it looks ahead.
    #[must_use]
    pub const fn fitting(len: usize) -> Self {
        let mut window = Self::MIN;
        while window.0 < Self::MAX.0 && window.bytes() < len.saturating_add(LOOK_AHEAD) {
            window.0 = window.0.saturating_add(1);
        }
        window
    }

    /// The bits, 8 to 15.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The bytes, 256 to 32,768.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self.0 {
            8 => 1 << 8,
            9 => 1 << 9,
            10 => 1 << 10,
            11 => 1 << 11,
            12 => 1 << 12,
            13 => 1 << 13,
            14 => 1 << 14,
            _ => 1 << 15,
        }
    }

    /// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (section 7.1.2.1).
    pub(super) fn parse(value: ParameterValue<'_>) -> Option<Self> {
        let mut digits = value.bytes();
        let bits = match (digits.next()?, digits.next()) {
            (digit @ b'8'..=b'9', None) => digit.checked_sub(b'0')?,
            (b'1', Some(digit @ b'0'..=b'5')) => digit.checked_sub(b'0')?.checked_add(10)?,
            _ => return None,
        };
        if digits.next().is_some() {
            return None;
        }
        Self::new(bits)
    }

    /// The same as text.
    pub(super) const fn digits(self) -> &'static str {
        match self.0 {
            8 => "8",
            9 => "9",
            10 => "10",
            11 => "11",
            12 => "12",
            13 => "13",
            14 => "14",
            _ => "15",
        }
    }
}

/// zlib's MIN_LOOKAHEAD.
const LOOK_AHEAD: usize = 258 + 3 + 1;

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits())
    }
}
