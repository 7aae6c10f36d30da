//! Walking over JSON that the validator has accepted: raw values, members, elements and strings.
//!
//! Nothing is checked a second time. On bytes that no validator has seen these functions would
//! yield nonsense, but neither panic nor loop, which is why they need no error type.

use core::fmt;

use super::{
    text::Text,
    word::{is_escaped, skip_plain},
};

/// One valid JSON value, without white space around it.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    raw: &'a [u8],
}

/// What a [`Value`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl<'a> Value<'a> {
    /// `raw` must have been validated.
    pub(super) const fn trusted(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    pub(super) const fn as_bytes(self) -> &'a [u8] {
        self.raw
    }

    pub(super) fn kind(self) -> Kind {
        match self.raw.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The contents, if this is a string.
    pub(super) fn string(self) -> Option<RawString<'a>> {
        match self.raw {
            [b'"', contents @ .., b'"'] => Some(RawString::trusted(contents, is_escaped(contents))),
            _ => None,
        }
    }

    /// The members of an object, duplicates included; nothing for any other value.
    pub(super) fn members(self) -> Members<'a> {
        Members {
            rest: self.raw.strip_prefix(b"{").unwrap_or_default(),
        }
    }

    /// The members of which [`Members::left`] was `left` before the first of them.
    pub(super) fn last_members(self, left: usize) -> Members<'a> {
        let at = self.raw.len().saturating_sub(left);
        Members {
            rest: self.raw.get(at..).unwrap_or_default(),
        }
    }

    /// Whether this is an object without members or an array without elements.
    pub(super) fn is_empty(self) -> bool {
        match self.raw {
            [b'{' | b'[', inner @ ..] => {
                matches!(skip_separators(inner), [b'}' | b']', ..])
            }
            _ => false,
        }
    }

    /// The elements of an array; nothing for any other value.
    pub(super) fn elements(self) -> Elements<'a> {
        Elements {
            rest: self.raw.strip_prefix(b"[").unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(self.raw).unwrap_or("<invalid UTF-8>"))
    }
}

/// The members of an object, in the order of the text.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    rest: &'a [u8],
}

impl Members<'_> {
    /// How many bytes have not been walked over yet.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (RawString<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split_string(skip_separators(self.rest).strip_prefix(b"\"")?);
        let (value, rest) = split_value(skip_separators(rest))?;
        self.rest = rest;
        Some((name, value))
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (value, rest) = split_value(skip_separators(self.rest))?;
        self.rest = rest;
        Some(value)
    }
}

/// The contents of a JSON string, between the quotes and still escaped. Valid UTF-8, but its
/// escapes may name lone surrogates.
#[derive(Clone, Copy)]
pub(super) struct RawString<'a> {
    contents: &'a [u8],
    escaped: bool,
}

impl<'a> RawString<'a> {
    /// `contents` must have been validated, and `escaped` tells whether a backslash is in them.
    pub(super) const fn trusted(contents: &'a [u8], escaped: bool) -> Self {
        Self { contents, escaped }
    }

    pub(super) const fn contents(self) -> &'a [u8] {
        self.contents
    }

    pub(super) const fn is_escaped(self) -> bool {
        self.escaped
    }

    /// Whether the unescaped string is `text`.
    #[inline]
    pub(super) fn is(self, text: &str) -> bool {
        if self.escaped {
            // A lone surrogate reads as U+FFFD, which is in none of the names that are asked for.
            Text::trusted(self).bytes().eq(text.bytes())
        } else {
            self.contents == text.as_bytes()
        }
    }

    /// Whether this is Unicode text, that is, without lone surrogates (RFC 8259, section 8.2).
    pub(super) fn is_unicode(self) -> bool {
        // Only an escape can be a lone surrogate.
        if !self.escaped {
            return true;
        }
        let mut units = self.units();
        while let Some((&byte, rest)) = units.rest.split_first() {
            units.rest = rest;
            if byte == b'\\' && units.unescape() == Some(Unit::LoneSurrogate) {
                return false;
            }
        }
        true
    }

    /// The unescaped string.
    pub(super) const fn units(self) -> Units<'a> {
        Units {
            rest: self.contents,
        }
    }
}

impl fmt::Debug for RawString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\"",
            core::str::from_utf8(self.contents).unwrap_or("<invalid UTF-8>")
        )
    }
}

/// An element of an unescaped string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A Unicode scalar value.
    Scalar(char),
    /// A `\u` escape that names half of a surrogate pair.
    LoneSurrogate,
}

/// Iterator over the [`Unit`]s of a string.
#[derive(Clone, Debug)]
pub(super) struct Units<'a> {
    rest: &'a [u8],
}

impl<'a> Units<'a> {
    /// What has not been unescaped yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    #[inline]
    fn next(&mut self) -> Option<Unit> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let scalar = match first {
            b'\\' => return self.unescape(),
            0..=0x7F => char::from(first),
            _ => self.decode(first),
        };
        Some(Unit::Scalar(scalar))
    }
}

impl Units<'_> {
    fn unescape(&mut self) -> Option<Unit> {
        let (&kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        let scalar = match kind {
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unescape_code_point(),
            _ => char::from(kind),
        };
        Some(Unit::Scalar(scalar))
    }

    /// What follows `\u`: four hexadecimal digits and, after a high surrogate, the escaped low one.
    fn unescape_code_point(&mut self) -> Option<Unit> {
        let (first, rest) = split_hex(self.rest)?;
        self.rest = rest;
        if let 0xD800..=0xDBFF = first
            && let Some((second @ 0xDC00..=0xDFFF, rest)) =
                rest.strip_prefix(b"\\u").and_then(split_hex)
        {
            self.rest = rest;
            let code_point = 0x1_0000 + ((first & 0x3FF) << 10) + (second & 0x3FF);
            return char::from_u32(code_point).map(Unit::Scalar);
        }
        Some(char::from_u32(first).map_or(Unit::LoneSurrogate, Unit::Scalar))
    }

    /// Decodes the UTF-8 sequence (RFC 3629) that begins with `first`.
    fn decode(&mut self, first: u8) -> char {
        let (continuation, bits) = match first {
            0xF0.. => (3, first & 0x07),
            0xE0.. => (2, first & 0x0F),
            _ => (1, first & 0x1F),
        };
        let mut code_point = u32::from(bits);
        for _ in 0..continuation {
            let Some((&byte, rest)) = self.rest.split_first() else {
                break;
            };
            self.rest = rest;
            code_point = (code_point << 6) | u32::from(byte & 0x3F);
        }
        char::from_u32(code_point).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Four hexadecimal digits and the rest.
fn split_hex(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<4>()?;
    let mut value = 0;
    for &digit in digits {
        value = (value << 4) | char::from(digit).to_digit(16)?;
    }
    Some((value, rest))
}

/// Skips what may stand between values. Which separator is due where has been checked.
#[inline]
fn skip_separators(mut bytes: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t' | b'\n' | b'\r' | b',' | b':', rest)) = bytes.split_first() {
        bytes = rest;
    }
    bytes
}

/// The value that `bytes` begins with, and the rest; nothing at the end of a container.
fn split_value(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let rest = match bytes.split_first()? {
        (b'"', rest) => split_string(rest).1,
        (b'{' | b'[', rest) => after_container(rest),
        (b'}' | b']', _) => return None,
        (_, rest) => after_plain(rest),
    };
    let raw = bytes.get(..bytes.len().saturating_sub(rest.len()))?;
    Some((Value { raw }, rest))
}

/// The string whose opening quote is before `bytes`, and what follows its closing quote.
fn split_string(bytes: &[u8]) -> (RawString<'_>, &[u8]) {
    let mut end = bytes;
    let mut escaped = false;
    loop {
        end = skip_plain(end);
        end = match end {
            // The escaped byte may be a quote; the digits of `\u` are ordinary bytes.
            [b'\\', rest @ ..] => {
                escaped = true;
                rest.get(1..).unwrap_or_default()
            }
            [b'"', ..] | [] => break,
            [_, rest @ ..] => rest,
        };
    }
    let len = bytes.len().saturating_sub(end.len());
    let contents = bytes.get(..len).unwrap_or_default();
    let rest = end.get(1..).unwrap_or_default();
    (RawString::trusted(contents, escaped), rest)
}

/// What follows the closing bracket; `bytes` follow the opening one.
fn after_container(mut bytes: &[u8]) -> &[u8] {
    let mut depth: u32 = 1;
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = match byte {
            b'"' => split_string(rest).1,
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                rest
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return rest;
                }
                rest
            }
            _ => rest,
        };
    }
    bytes
}

/// What follows a number or literal.
fn after_plain(mut bytes: &[u8]) -> &[u8] {
    while let Some((&byte, rest)) = bytes.split_first() {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']') {
            break;
        }
        bytes = rest;
    }
    bytes
}
