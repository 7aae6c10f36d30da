//! Strings that are known to be Unicode text.

use core::{fmt, fmt::Write as _, iter::FusedIterator};

use super::raw::{RawString, Unit, Units};

/// A JSON string that is Unicode text (RFC 8259, section 7): borrowed as it was written, read
/// unescaped.
///
/// Two texts are equal when their unescaped characters are, however they were escaped; nothing is
/// normalised. `Display` writes the text as it is, `Debug` quotes and escapes it: use that one
/// where a peer's line breaks and control characters may do harm, as in logs.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    raw: RawString<'a>,
}

impl<'a> Text<'a> {
    /// Nothing when `raw` has lone surrogates.
    pub(super) fn new(raw: RawString<'a>) -> Option<Self> {
        raw.is_unicode().then_some(Self { raw })
    }

    /// `raw` must have passed [`new`](Self::new) before.
    pub(super) const fn trusted(raw: RawString<'a>) -> Self {
        Self { raw }
    }

    /// The string as it was written, without its quotes and with its escapes.
    #[must_use]
    pub const fn as_raw(&self) -> &'a [u8] {
        self.raw.contents()
    }

    /// The text itself where it was written without escapes, as nearly all are; its bytes are then
    /// UTF-8.
    #[must_use]
    pub const fn as_unescaped(&self) -> Option<&'a [u8]> {
        if self.raw.is_escaped() {
            None
        } else {
            Some(self.raw.contents())
        }
    }

    /// The bytes of the unescaped text in UTF-8.
    #[must_use]
    pub const fn bytes(&self) -> Bytes<'a> {
        Bytes {
            rest: self.raw.contents(),
            pending: 0,
        }
    }

    /// The characters of the unescaped text.
    #[must_use]
    pub const fn chars(&self) -> Chars<'a> {
        Chars {
            units: self.raw.units(),
        }
    }

    /// Whether the unescaped text has no characters.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.contents().is_empty()
    }
}

impl PartialEq for Text<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self.as_unescaped(), other.as_unescaped()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.bytes().eq(other.bytes()),
        }
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.raw.is(other)
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.raw.is(other)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars()
            .try_for_each(|character| f.write_char(character))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.chars() {
            write!(f, "{}", character.escape_debug())?;
        }
        f.write_char('"')
    }
}

/// Iterator over the UTF-8 of a [`Text`].
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    /// The bytes still due of an unescaped character, the next one lowest. They are continuation
    /// bytes and so never zero.
    pending: u32,
}

impl Bytes<'_> {
    #[cold]
    fn unescape(&mut self) -> Option<u8> {
        let mut units = RawString::trusted(self.rest, true).units();
        let character = scalar(units.next()?);
        self.rest = units.rest();
        let mut encoded = [0; 4];
        character.encode_utf8(&mut encoded);
        let [first, rest @ ..] = encoded;
        let [second, third, fourth] = rest;
        self.pending = u32::from_le_bytes([second, third, fourth, 0]);
        Some(first)
    }
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        if self.pending != 0 {
            let [next, ..] = self.pending.to_le_bytes();
            self.pending >>= 8;
            return Some(next);
        }
        let (&byte, rest) = self.rest.split_first()?;
        if byte == b'\\' {
            return self.unescape();
        }
        self.rest = rest;
        Some(byte)
    }
}

impl FusedIterator for Bytes<'_> {}

/// Iterator over the characters of a [`Text`].
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    units: Units<'a>,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        self.units.next().map(scalar)
    }
}

impl FusedIterator for Chars<'_> {}

/// A [`Text`] has no lone surrogates; the replacement is only there so that this cannot panic.
fn scalar(unit: Unit) -> char {
    match unit {
        Unit::Scalar(character) => character,
        Unit::LoneSurrogate => char::REPLACEMENT_CHARACTER,
    }
}
