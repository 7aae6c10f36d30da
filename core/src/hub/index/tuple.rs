//! Several values in one piece of bytes.
//!
//! Each but the last is preceded by its length, seven bits a byte and the lowest first; so a tuple
//! of one value is that value. How many there are is known from elsewhere.

use alloc::{boxed::Box, vec::Vec};

/// The bytes of a tuple. Short ones, as nearly all are, own no memory: so that one is compared
/// where it is found.
#[derive(Debug)]
pub(super) enum Tuple {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

/// What fits beside the length into the three words that a long one takes.
const SHORT: usize = 22;

impl Tuple {
    pub(super) fn new(tuple: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..tuple.len()), u8::try_from(tuple.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(tuple);
                Self::Short { len, bytes }
            }
            _ => Self::Long(tuple.into()),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

/// Appends one value of a tuple to `out`.
pub(super) fn write(out: &mut Vec<u8>, part: &[u8], is_last: bool) {
    if !is_last {
        let mut len = part.len();
        while len >= 0x80 {
            out.push(0x80 | low_bits(len));
            len >>= 7;
        }
        out.push(low_bits(len));
    }
    out.extend_from_slice(part);
}

/// The seven lowest bits.
fn low_bits(len: usize) -> u8 {
    let [low, ..] = len.to_le_bytes();
    low & 0x7F
}

/// Iterator over the values of a tuple.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Parts<'a> {
    /// The `count` values of `tuple`.
    pub(super) const fn new(tuple: &'a [u8], count: usize) -> Self {
        Self {
            rest: tuple,
            left: count,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        if self.left == 0 {
            return Some(self.rest);
        }
        let mut len: usize = 0;
        let mut shift: u32 = 0;
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            len |= usize::from(byte & 0x7F).checked_shl(shift)?;
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                break;
            }
        }
        let (part, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(part)
    }
}
