//! The strict validator: RFC 8259 over bytes that may be anything, in one pass and without
//! recursion.

use core::fmt;

use super::raw::{RawString, Value};

/// How deeply objects and arrays may be nested in a message, the message's own object included.
///
/// One bit per level fits a `u128`, so that a hostile `[[[[…` costs neither stack nor heap; real
/// messages are some five levels deep, and PHP's own parser stops at 512.
pub const MAX_DEPTH: u32 = u128::BITS;

/// Validates `text` as one object and nothing else, and hands `member` the name and value of each
/// top-level member as soon as that member has been validated.
///
/// # Errors
/// The first [`Fault`], in the order of the text. Members before it have been handed out by then.
pub(super) fn object<'a>(
    text: &'a [u8],
    mut member: impl FnMut(RawString<'a>, Value<'a>),
) -> Result<(), Fault> {
    let mut cursor = Cursor { rest: text };
    cursor
        .document_object(&mut member)
        .map_err(|rule| cursor.fault(text, rule))
}

/// Validates `text` as one array and nothing else.
///
/// # Errors
/// The first [`Fault`], in the order of the text.
pub(super) fn array(text: &[u8]) -> Result<Value<'_>, Fault> {
    let mut cursor = Cursor { rest: text };
    cursor
        .document_array()
        .map_err(|rule| cursor.fault(text, rule))
}

/// Where a text stops being acceptable JSON, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes before the offending one; the text's length when the text ends too early.
    pub(super) offset: usize,
    pub(super) rule: Rule,
}

/// The broken rule of a [`Fault`]. Sections are those of RFC 8259.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Section 8.1 forbids a byte order mark.
    ByteOrderMark,
    /// The protocol, section 1: every message is an object.
    NotAnObject,
    /// Where a list is due.
    NotAnArray,
    /// Section 3.
    ValueExpected,
    /// Section 4.
    NameExpected,
    /// Section 4.
    ColonExpected,
    /// Section 4.
    CommaOrBraceExpected,
    /// Section 5.
    CommaOrBracketExpected,
    /// Section 6: at least one digit in each part.
    DigitExpected,
    /// Section 7.
    UnterminatedString,
    /// Section 7: U+0000 to U+001F must be escaped.
    ControlCharacter,
    /// Section 7.
    InvalidEscape,
    /// Section 8.1.
    InvalidUtf8,
    /// Section 9 allows a limit: [`MAX_DEPTH`].
    TooDeep,
    /// Section 2: one value, then nothing but white space.
    TrailingBytes,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ByteOrderMark => "a byte order mark is not allowed",
            Self::NotAnObject => "expected an object",
            Self::NotAnArray => "expected an array",
            Self::ValueExpected => "expected a value",
            Self::NameExpected => "expected a member name in double quotes",
            Self::ColonExpected => "expected ':' after a member name",
            Self::CommaOrBraceExpected => "expected ',' or '}' after a member",
            Self::CommaOrBracketExpected => "expected ',' or ']' after an element",
            Self::DigitExpected => "expected a digit",
            Self::UnterminatedString => "a string is not terminated",
            Self::ControlCharacter => "a control character in a string must be escaped",
            Self::InvalidEscape => "invalid escape in a string",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::TooDeep => return write!(f, "more than {MAX_DEPTH} nested objects and arrays"),
            Self::TrailingBytes => "expected the end of the text",
        };
        f.write_str(text)
    }
}

/// A position in the text. Each method consumes what it validates; when it fails, `rest` begins
/// with the offending byte.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The breach of `rule` at this place of `text`.
    fn fault(&self, text: &[u8], rule: Rule) -> Fault {
        Fault {
            offset: text.len().saturating_sub(self.rest.len()),
            rule,
        }
    }

    fn document_object(
        &mut self,
        member: &mut impl FnMut(RawString<'a>, Value<'a>),
    ) -> Result<(), Rule> {
        self.start()?;
        if !self.eat(b'{') {
            return Err(Rule::NotAnObject);
        }
        self.skip_space();
        if !self.eat(b'}') {
            loop {
                let name = self.member_name()?;
                self.skip_space();
                let start = self.rest;
                self.value(1)?;
                member(name, Value::trusted(before(start, self.rest)));
                self.skip_space();
                if self.eat(b',') {
                    self.skip_space();
                } else if self.eat(b'}') {
                    break;
                } else {
                    return Err(Rule::CommaOrBraceExpected);
                }
            }
        }
        self.end()
    }

    fn document_array(&mut self) -> Result<Value<'a>, Rule> {
        self.start()?;
        let start = self.rest;
        if start.first() != Some(&b'[') {
            return Err(Rule::NotAnArray);
        }
        self.value(0)?;
        let array = Value::trusted(before(start, self.rest));
        self.end()?;
        Ok(array)
    }

    /// What may stand before the only value: white space.
    fn start(&mut self) -> Result<(), Rule> {
        if self.rest.starts_with(b"\xEF\xBB\xBF") {
            return Err(Rule::ByteOrderMark);
        }
        self.skip_space();
        Ok(())
    }

    /// Only white space may be left.
    fn end(&mut self) -> Result<(), Rule> {
        self.skip_space();
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Rule::TrailingBytes)
        }
    }

    /// One value of any kind, inside of `outer` containers. White space before it is skipped.
    fn value(&mut self, outer: u32) -> Result<(), Rule> {
        // The containers opened here: one bit each, the innermost lowest, 1 for an object.
        let mut open: u128 = 0;
        let mut depth: u32 = 0;
        loop {
            self.skip_space();
            match self.rest.first() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(&bracket @ (b'{' | b'[')) => {
                    if outer.saturating_add(depth) >= MAX_DEPTH {
                        return Err(Rule::TooDeep);
                    }
                    self.advance(1);
                    let is_object = bracket == b'{';
                    self.skip_space();
                    if !self.eat(if is_object { b'}' } else { b']' }) {
                        open = (open << 1) | u128::from(is_object);
                        depth = depth.saturating_add(1);
                        if is_object {
                            self.member_name()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => self.literal()?,
            }
            // A value is complete: go on in its container, or close as many as end here.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = open & 1 == 1;
                self.skip_space();
                if self.eat(b',') {
                    if in_object {
                        self.skip_space();
                        self.member_name()?;
                    }
                    break;
                }
                if !self.eat(if in_object { b'}' } else { b']' }) {
                    return Err(if in_object {
                        Rule::CommaOrBraceExpected
                    } else {
                        Rule::CommaOrBracketExpected
                    });
                }
                open >>= 1;
                depth = depth.saturating_sub(1);
            }
        }
    }

    /// A member's name and the colon after it.
    fn member_name(&mut self) -> Result<RawString<'a>, Rule> {
        if self.rest.first() != Some(&b'"') {
            return Err(Rule::NameExpected);
        }
        let name = self.string()?;
        self.skip_space();
        if self.eat(b':') {
            Ok(name)
        } else {
            Err(Rule::ColonExpected)
        }
    }

    /// A string, its opening quote included.
    fn string(&mut self) -> Result<RawString<'a>, Rule> {
        self.advance(1);
        let start = self.rest;
        match self.string_contents() {
            Ok(contents) => {
                // Quotes and backslashes are never part of a longer UTF-8 sequence, so that
                // checking the contents afterwards is checking them in place.
                if contents.non_ascii
                    && let Err(error) = core::str::from_utf8(contents.raw)
                {
                    self.rest = after(start, error.valid_up_to());
                    return Err(Rule::InvalidUtf8);
                }
                Ok(RawString::trusted(contents.raw, contents.escaped))
            }
            Err(rule) => match core::str::from_utf8(before(start, self.rest)) {
                Ok(_) => Err(rule),
                Err(error) => {
                    self.rest = after(start, error.valid_up_to());
                    Err(Rule::InvalidUtf8)
                }
            },
        }
    }

    /// Everything up to and including the closing quote; UTF-8 is left to the caller.
    fn string_contents(&mut self) -> Result<Contents<'a>, Rule> {
        let start = self.rest;
        let mut non_ascii = false;
        let mut escaped = false;
        loop {
            match self.rest.split_first() {
                None => return Err(Rule::UnterminatedString),
                Some((b'"', rest)) => {
                    let raw = before(start, self.rest);
                    self.rest = rest;
                    return Ok(Contents {
                        raw,
                        escaped,
                        non_ascii,
                    });
                }
                Some((b'\\', rest)) => {
                    escaped = true;
                    self.rest = rest;
                    self.escape()?;
                }
                Some((0..=0x1F, _)) => return Err(Rule::ControlCharacter),
                Some((&byte, rest)) => {
                    non_ascii |= !byte.is_ascii();
                    self.rest = rest;
                }
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), Rule> {
        match self.rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.advance(1),
            Some(b'u') => {
                self.advance(1);
                for _ in 0..4 {
                    match self.rest.first() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.advance(1),
                        Some(_) => return Err(Rule::InvalidEscape),
                        None => return Err(Rule::UnterminatedString),
                    }
                }
            }
            Some(_) => return Err(Rule::InvalidEscape),
            None => return Err(Rule::UnterminatedString),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Rule> {
        self.eat(b'-');
        // Section 6 allows no digit after a leading zero: one is refused as what cannot follow a
        // value.
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Rule> {
        if !self.rest.first().is_some_and(u8::is_ascii_digit) {
            return Err(Rule::DigitExpected);
        }
        while let Some((b'0'..=b'9', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        Ok(())
    }

    fn literal(&mut self) -> Result<(), Rule> {
        for literal in [&b"true"[..], b"false", b"null"] {
            if let Some(rest) = self.rest.strip_prefix(literal) {
                self.rest = rest;
                return Ok(());
            }
        }
        Err(Rule::ValueExpected)
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
    }

    #[inline]
    fn eat(&mut self, expected: u8) -> bool {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte == expected => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.rest = after(self.rest, count);
    }
}

/// A string's contents, not yet checked for UTF-8.
struct Contents<'a> {
    raw: &'a [u8],
    escaped: bool,
    non_ascii: bool,
}

/// The part of `whole` before its suffix `rest`.
#[inline]
fn before<'a>(whole: &'a [u8], rest: &[u8]) -> &'a [u8] {
    whole
        .get(..whole.len().saturating_sub(rest.len()))
        .unwrap_or_default()
}

/// `bytes` without the first `count`.
#[inline]
fn after(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(count..).unwrap_or_default()
}
