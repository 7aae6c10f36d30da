//! Scalars and their equality.

use core::iter::FusedIterator;

use super::{
    number::{Digits, Number, Run},
    raw::{Kind, Value},
    text::{Bytes, Text},
};

/// A string, number, boolean or null: what filters compare (the protocol, section 4).
///
/// Equality is that of section 4: strings by their unescaped text, numbers by exact decimal value,
/// and a number equals a string when the string is the number's plain text (`2.0` = `"2"`, `2` ≠
/// `"2.0"`); `true`, `false` and `null` equal only themselves. It is an equivalence: two scalars
/// are equal exactly when their [canonical](Self::canonical) bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'a> {
    /// A string.
    Text(Text<'a>),
    /// A number.
    Number(Number<'a>),
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
}

impl<'a> Scalar<'a> {
    /// `value` must have passed [`try_from`](Self::try_from) before; nothing when it is a
    /// container.
    pub(super) fn trusted(value: Value<'a>) -> Option<Self> {
        Some(match value.kind() {
            Kind::Object | Kind::Array => return None,
            Kind::String => Self::Text(Text::trusted(value.string()?)),
            Kind::Number => Self::Number(Number::trusted(value.as_bytes())),
            Kind::True => Self::True,
            Kind::False => Self::False,
            Kind::Null => Self::Null,
        })
    }

    /// The bytes by which scalars are compared, for hashing: the unescaped text of a string in
    /// UTF-8, the plain decimal text of a number, and for `true`, `false` and `null` one byte that
    /// never occurs in UTF-8.
    #[must_use]
    pub fn canonical(&self) -> Canonical<'a> {
        Canonical(match self {
            Self::Text(text) => Inner::Text(text.bytes()),
            Self::Number(number) => Inner::Number(number.digits()),
            Self::True => Inner::Literal(Some(TRUE)),
            Self::False => Inner::Literal(Some(FALSE)),
            Self::Null => Inner::Literal(Some(NULL)),
        })
    }

    /// The canonical bytes, of which there may be many more than were written, in about as many steps
    /// as were written.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + use<'a> {
        let (bytes, runs) = match self {
            Self::Number(number) => (None, Some(number.runs())),
            Self::Text(_) | Self::True | Self::False | Self::Null => (Some(self.canonical()), None),
        };
        let bytes = bytes.into_iter().flatten().map(Run::Byte);
        bytes.chain(runs.into_iter().flatten())
    }

    /// All [canonical](Self::canonical) bytes at once where the text was written so: true of
    /// strings without escapes, of integers without exponent, and of `true`, `false` and `null`.
    #[must_use]
    #[inline]
    pub fn as_canonical(&self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => text.as_unescaped(),
            Self::Number(number) => number.as_plain(),
            Self::True => Some(&[TRUE]),
            Self::False => Some(&[FALSE]),
            Self::Null => Some(&[NULL]),
        }
    }
}

/// Why a value is no [`Scalar`] that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotComparable {
    Container,
    LoneSurrogate,
    NumberTooLong,
}

impl<'a> TryFrom<Value<'a>> for Scalar<'a> {
    type Error = NotComparable;

    fn try_from(value: Value<'a>) -> Result<Self, NotComparable> {
        let scalar = Self::trusted(value).ok_or(NotComparable::Container)?;
        match scalar {
            Self::Text(_) if value.string().and_then(Text::new).is_none() => {
                Err(NotComparable::LoneSurrogate)
            }
            Self::Number(number) if Number::new(number.as_raw()).is_none() => {
                Err(NotComparable::NumberTooLong)
            }
            Self::Text(_) | Self::Number(_) | Self::True | Self::False | Self::Null => Ok(scalar),
        }
    }
}

impl PartialEq for Scalar<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self.as_canonical(), other.as_canonical()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => match (self, other) {
                (Self::Number(ours), Self::Number(theirs)) => ours == theirs,
                _ => self.canonical().eq(other.canonical()),
            },
        }
    }
}

impl Eq for Scalar<'_> {}

/// Iterator over the [canonical bytes](Scalar::canonical) of a [`Scalar`].
#[derive(Clone, Debug)]
pub struct Canonical<'a>(Inner<'a>);

#[derive(Clone, Debug)]
enum Inner<'a> {
    Text(Bytes<'a>),
    Number(Digits<'a>),
    Literal(Option<u8>),
}

impl Iterator for Canonical<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match &mut self.0 {
            Inner::Text(bytes) => bytes.next(),
            Inner::Number(digits) => digits.next(),
            Inner::Literal(byte) => byte.take(),
        }
    }
}

impl FusedIterator for Canonical<'_> {}

// RFC 3629, section 3: the octets F5 to FF never appear in UTF-8.
pub(super) const TRUE: u8 = 0xFF;
pub(super) const FALSE: u8 = 0xFE;
pub(super) const NULL: u8 = 0xFD;
