//! What both roles need of HTTP/1.1: where a head ends, its fields, and room for an answer.
//!
//! The parser is httparse with its strict defaults, which refuse folded lines (RFC 9112, section
//! 5.2), white space before a colon, carriage returns without a line feed and control characters.
//! It accepts line feeds without a carriage return; [`Scanner`] does not.

use core::fmt;

use httparse::Header;

use super::{Argument, WriteError};
use crate::decimal;

/// Finds the end of a head in bytes that arrive in pieces, and says when to parse.
///
/// It sees each byte once, and asks for at most one parse for each doubling of the length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner {
    /// No line feed is unseen before this position.
    scanned: usize,
    /// Where the current line starts.
    line: usize,
    /// Whether a line with something on it has been seen.
    begun: bool,
    /// The length from which on an incomplete head is worth the next parse.
    probe_at: usize,
}

/// Bytes to parse, and what it means when nothing is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut<'b> {
    /// The bytes before the place where scanning stopped.
    pub(super) bytes: &'b [u8],
    /// Why scanning stopped there.
    pub(super) stop: Stop,
}

/// Why scanning stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end here; they are worth a parse because they have doubled since the last one.
    Probe,
    /// The head is complete.
    End,
    /// The next byte is a line feed without a carriage return before it.
    BareLineFeed,
    /// The head does not end within the limit.
    Limit,
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self {
            scanned: 0,
            line: 0,
            begun: false,
            probe_at: 1,
        }
    }

    /// Looks at what has come since the last call; `bytes` is everything received so far.
    ///
    /// An error in the returned bytes is the verdict, whatever the reason for stopping: it comes
    /// first in the stream, so the verdict does not depend on how the stream was cut. Once there is
    /// a reason other than [`Stop::Probe`], every later call gives the same.
    pub(super) fn advance<'b>(&mut self, bytes: &'b [u8], limit: usize) -> Option<Cut<'b>> {
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        if bytes.len() < self.scanned {
            // Other bytes than last time: whatever they are, start over.
            *self = Self::new();
        }
        while let Some(feed) = self.next_line_feed(bytes) {
            let next = feed.saturating_add(1);
            match bytes.get(self.line..feed) {
                // RFC 9112, section 2.2: empty lines before the first line are ignored.
                Some(b"\r") if self.begun => {
                    let bytes = bytes.get(..next)?;
                    return Some(Cut {
                        bytes,
                        stop: Stop::End,
                    });
                }
                Some(b"\r") => {}
                Some([.., b'\r']) => self.begun = true,
                // RFC 9112, section 2.2 lets a recipient accept it. Peers that disagree on where a
                // line ends are what request smuggling is made of.
                Some(_) | None => {
                    let bytes = bytes.get(..feed)?;
                    return Some(Cut {
                        bytes,
                        stop: Stop::BareLineFeed,
                    });
                }
            }
            self.line = next;
            self.scanned = next;
        }
        self.scanned = bytes.len();
        if bytes.len() >= limit {
            Some(Cut {
                bytes,
                stop: Stop::Limit,
            })
        } else if bytes.len() >= self.probe_at {
            Some(Cut {
                bytes,
                stop: Stop::Probe,
            })
        } else {
            None
        }
    }

    /// Tells that the first `len` bytes were parsed and nothing is wrong with them.
    pub(super) const fn probed(&mut self, len: usize) {
        self.probe_at = len.saturating_mul(2);
    }

    fn next_line_feed(&self, bytes: &[u8]) -> Option<usize> {
        let fresh = bytes.get(self.scanned..)?;
        #[cfg(not(feature = "simd"))]
        let at = fresh.iter().position(|byte| *byte == b'\n')?;
        #[cfg(feature = "simd")]
        let at = memchr::memchr(b'\n', fresh)?;
        Some(self.scanned.saturating_add(at))
    }
}

/// The header fields of a parsed head. Names compare without regard to case (RFC 9110, section
/// 5.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'h, 'b>(pub(crate) &'h [Header<'b>]);

/// A field that must not be repeated is there more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

impl<'h, 'b> Fields<'h, 'b> {
    /// The values of every field of this name, in order, without white space around them.
    pub(crate) fn all<'n>(
        self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        let fields = self.0.iter();
        fields
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// The value of the field of this name, which may be there once.
    pub(crate) fn single(self, name: &str) -> Result<Option<&'b [u8]>, Repeated> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Repeated),
        }
    }

    /// The first value of this name, when it is UTF-8.
    pub(super) fn text(self, name: &str) -> Option<&'b str> {
        let value = self.all(name).next()?;
        core::str::from_utf8(value).ok()
    }

    /// The elements of a comma-separated list, which may be spread over several fields (RFC 9110,
    /// sections 5.3 and 5.6.1). Empty elements are left out, as 5.6.1.2 demands.
    pub(crate) fn elements<'n>(
        self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        let mut fields = self.all(name);
        let mut rest: &[u8] = &[];
        core::iter::from_fn(move || {
            loop {
                while rest.is_empty() {
                    rest = fields.next()?;
                }
                let end = rest.iter().position(|byte| *byte == b',');
                let (element, behind) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
                rest = behind.strip_prefix(b",").unwrap_or_default();
                let element = trim_ows(element);
                if !element.is_empty() {
                    return Some(element);
                }
            }
        })
    }

    /// Whether the list of this name has `token`, without regard to case.
    pub(crate) fn lists(self, name: &str, token: &str) -> bool {
        self.elements(name)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Writes into the caller's buffer and, past its end, counts what would have been needed.
#[derive(Debug)]
pub(super) struct Writer<'o> {
    out: &'o mut [u8],
    written: usize,
}

impl<'o> Writer<'o> {
    pub(super) const fn new(out: &'o mut [u8]) -> Self {
        Self { out, written: 0 }
    }

    /// A writer without room: it only counts.
    pub(super) fn counting() -> Self {
        Self::new(&mut [])
    }

    /// The length of everything written, whether it had room or not.
    pub(super) const fn len(&self) -> usize {
        self.written
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        let room = self.out.get_mut(self.written..).unwrap_or_default();
        if room.len() >= bytes.len() {
            // Not `copy_from_slice`, because the compiler must see at every level of optimisation
            // that this cannot panic.
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        self.written = self.written.saturating_add(bytes.len());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    pub(super) fn number(&mut self, number: usize) {
        decimal::digits(number).for_each(|digit| self.put(&[digit]));
    }

    pub(super) fn field(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\r\n"] {
            self.text(part);
        }
    }

    /// What was written, when all of it had room.
    pub(super) fn finish(self) -> Result<&'o [u8], WriteError> {
        let needed = self.written;
        let out: &'o [u8] = self.out;
        out.get(..needed)
            .ok_or(WriteError::BufferTooSmall { needed })
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

/// `bytes` as a token (RFC 9110, section 5.6.2).
///
/// The separators which RFC 6455 takes from RFC 2616 leave the same characters.
pub(super) fn token(bytes: &[u8]) -> Option<&str> {
    let valid = !bytes.is_empty() && bytes.iter().all(is_token_byte);
    if valid {
        core::str::from_utf8(bytes).ok()
    } else {
        None
    }
}

/// Skips the optional white space at the front: spaces and tabs and nothing else, so that what
/// passes cannot end its line (RFC 9110, section 5.6.3).
pub(super) fn skip_ows(mut input: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = input {
        input = rest;
    }
    input
}

/// The same at both ends.
fn trim_ows(input: &[u8]) -> &[u8] {
    let mut trimmed = skip_ows(input);
    while let [rest @ .., b' ' | b'\t'] = trimmed {
        trimmed = rest;
    }
    trimmed
}

pub(crate) fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Whether `bytes` may be the value of a header field (RFC 9110, section 5.5): no line breaks and
/// no other control characters but the tab.
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

/// Checks header fields which a caller wants in a head that has the fields `written` already.
pub(super) fn check_fields(fields: &[(&str, &str)], written: &[&str]) -> Result<(), WriteError> {
    for (name, value) in fields {
        let taken = written.iter().any(|other| other.eq_ignore_ascii_case(name));
        if taken || token(name.as_bytes()).is_none() {
            return Err(WriteError::Invalid(Argument::HeaderName));
        }
        if !is_field_value(value.as_bytes()) {
            return Err(WriteError::Invalid(Argument::HeaderValue));
        }
    }
    Ok(())
}

/// `bytes` as a host with an optional port: non-empty, and of the characters that RFC 3986, section
/// 3.2 allows there. User information is not allowed (RFC 9110, section 4.2.4).
pub(super) fn host(bytes: &[u8]) -> Option<&str> {
    let valid = !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'$'..=b'.' | b':' | b';' | b'=' | b'[' | b']' | b'_' | b'~'));
    if valid {
        core::str::from_utf8(bytes).ok()
    } else {
        None
    }
}

/// Whether `target` has only visible ASCII and no fragment, which RFC 6455, section 3 forbids.
///
/// RFC 3986 excludes a few more characters, but clients do send some of them, a `|` in a query for
/// one, and nothing here depends on them.
pub(super) fn is_target(target: &str) -> bool {
    target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
