//! The chunked transfer coding (RFC 9112, section 7.1), read strictly.
//!
//! Peers that disagree on where a body ends are what request smuggling is made of. So lines end with a
//! carriage return and a line feed, sizes are hexadecimal digits and nothing else, and white space that
//! the grammar calls bad is refused. Extensions and trailer fields are checked and dropped.

use crate::handshake::is_token_byte;

/// How many bytes of extensions and trailer fields one body may have: they are dropped, and nobody here
/// sends any. A signature in each of a few chunks fits.
pub(super) const EXTRA_BYTES: usize = 1024;

/// Most digits of a chunk's size, leading zeros included: those of a number of 64 bits.
pub(super) const SIZE_DIGITS: u8 = 16;

/// A body that does not follow the grammar, or has too much beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Finds the content of a chunked body, which may come in any pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    state: State,
    /// How much of the chunk is still to come; its size, as far as that is known, before.
    left: u64,
    /// How many bytes of extensions and trailer fields there were.
    extra: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size of a chunk, of which so many digits are known.
    Size(u8),
    /// The name of an extension; whether it has begun.
    ExtensionName(bool),
    /// Its value, likewise.
    ExtensionValue(bool),
    QuotedValue,
    /// The byte behind a backslash.
    QuotedPair,
    BehindQuotedValue,
    /// The line feed behind the size.
    SizeEnd,
    Content,
    /// The carriage return, and the line feed, behind the content.
    ContentReturn,
    ContentEnd,
    /// The first byte of a trailer field, or of the empty line behind all of them.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    /// The last line feed.
    End,
    Over,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size(0),
            left: 0,
            extra: 0,
        }
    }

    /// Takes bytes from the front of `input`: the next content, or everything if there is none in it.
    ///
    /// # Errors
    /// [`Malformed`] at the first byte that cannot follow, whatever comes behind it.
    pub(super) fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<&'b [u8]>, Malformed> {
        while self.state != State::Over
            && let Some((byte, rest)) = input.split_first()
        {
            if self.state == State::Content {
                let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (content, rest) = input.split_at_checked(most).unwrap_or((*input, &[]));
                *input = rest;
                self.left = self.left.saturating_sub(content.len() as u64);
                if self.left == 0 {
                    self.state = State::ContentReturn;
                }
                return Ok(Some(content));
            }
            *input = rest;
            self.state = self.step(*byte)?;
        }
        Ok(None)
    }

    /// Content of the chunk that has begun which is still to come, in bytes.
    pub(super) fn left(&self) -> u64 {
        if self.state == State::Content {
            self.left
        } else {
            0
        }
    }

    /// Whether the body is complete.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// What follows `byte`, which is not of the content.
    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        let next = match (self.state, byte) {
            (State::Size(digits), _) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.left = (self.left << 4) | u64::from(digit);
                State::Size(digits.saturating_add(1))
            }
            (
                State::Size(1..)
                | State::ExtensionName(true)
                | State::ExtensionValue(true)
                | State::BehindQuotedValue,
                b'\r',
            ) => State::SizeEnd,
            (
                State::Size(1..)
                | State::ExtensionName(true)
                | State::ExtensionValue(true)
                | State::BehindQuotedValue,
                b';',
            ) => State::ExtensionName(false),
            (State::ExtensionName(true), b'=') => State::ExtensionValue(false),
            (State::ExtensionName(_), _) if is_token_byte(&byte) => State::ExtensionName(true),
            (State::ExtensionValue(false), b'"') => State::QuotedValue,
            (State::ExtensionValue(_), _) if is_token_byte(&byte) => State::ExtensionValue(true),
            (State::QuotedValue, b'"') => State::BehindQuotedValue,
            (State::QuotedValue, b'\\') => State::QuotedPair,
            (State::QuotedValue | State::QuotedPair, _) if is_text(byte) => State::QuotedValue,
            (State::SizeEnd, b'\n') if self.left > 0 => State::Content,
            (State::SizeEnd, b'\n') => State::Trailer,
            (State::ContentReturn, b'\r') => State::ContentEnd,
            (State::ContentEnd, b'\n') => State::Size(0),
            (State::Trailer, b'\r') => State::End,
            (State::Trailer | State::TrailerName, _) if is_token_byte(&byte) => State::TrailerName,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerEnd,
            (State::TrailerValue, _) if is_text(byte) => State::TrailerValue,
            (State::TrailerEnd, b'\n') => State::Trailer,
            (State::End, b'\n') => State::Over,
            _ => return Err(Malformed),
        };
        if matches!(
            next,
            State::ExtensionName(_)
                | State::ExtensionValue(_)
                | State::QuotedValue
                | State::QuotedPair
                | State::BehindQuotedValue
                | State::TrailerName
                | State::TrailerValue
                | State::TrailerEnd
        ) {
            self.extra = self.extra.saturating_add(1);
            if self.extra > EXTRA_BYTES {
                return Err(Malformed);
            }
        }
        Ok(next)
    }
}

/// Whether a byte may stand in a quoted string or a field value (RFC 9110, sections 5.5 and 5.6.4).
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}
