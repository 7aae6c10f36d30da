//! Keys and values for people: in JSON's notation, shortened, and with nothing in them that a
//! terminal would obey or not show.

use core::fmt::{self, Display as _, Write as _};

use super::{
    filter::{Accepts, Scalars},
    scalar::Scalar,
    text::Text,
};

/// Characters of a text or number that are shown. More is seldom needed to recognise it, and
/// several fit a line.
const MAX_SHOWN_CHARS: usize = 40;

/// Elements of a list that are shown.
const MAX_LISTED: usize = 8;

/// A text in quotes, escaped as in JSON. Of a longer one the beginning, and `…` behind the quotes.
pub(super) struct Quoted<'a>(pub(super) Text<'a>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        f.write_char('"')?;
        for character in characters.by_ref().take(MAX_SHOWN_CHARS) {
            if is_hidden(character) {
                escape(f, character)?;
            } else {
                if matches!(character, '"' | '\\') {
                    f.write_char('\\')?;
                }
                f.write_char(character)?;
            }
        }
        f.write_char('"')?;
        if characters.next().is_some() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

/// A member of the object before it: `.name`, or `["a name"]` where the dot would mislead.
pub(super) struct Member<'a>(pub(super) Text<'a>);

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |character: char| {
            matches!(character, '-' | '_')
                || character.is_ascii_alphanumeric()
                || !character.is_ascii() && !is_hidden(character)
        };
        let name = self.0;
        let is_long = name.chars().nth(MAX_SHOWN_CHARS).is_some();
        if name.is_empty() || is_long || !name.chars().all(is_plain) {
            write!(f, "[{}]", Quoted(name))
        } else {
            write!(f, ".{name}")
        }
    }
}

/// A scalar in JSON's notation; a number as it was written.
pub(super) struct Shown<'a>(pub(super) Scalar<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Text(text) => Quoted(text).fmt(f),
            Scalar::Number(number) => {
                let mut digits = number.as_raw().iter();
                for digit in digits.by_ref().take(MAX_SHOWN_CHARS) {
                    f.write_char(char::from(*digit))?;
                }
                if digits.next().is_some() {
                    f.write_char('…')?;
                }
                Ok(())
            }
            Scalar::True => f.write_str("true"),
            Scalar::False => f.write_str("false"),
            Scalar::Null => f.write_str("null"),
        }
    }
}

/// What a constraint accepts: `"a", "b" or "c"`.
pub(super) struct Accepted<'a>(pub(super) Accepts<'a>);

impl fmt::Display for Accepted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Accepts::Any => f.write_str("any value"),
            Accepts::OneOf(_) if self.0.is_nothing() => f.write_str("nothing (its array is empty)"),
            Accepts::OneOf(scalars) => list(f, scalars, "or"),
        }
    }
}

/// What a notification has: `"a", "b" and "c"`.
pub(super) struct Had<'a>(pub(super) Scalars<'a>);

impl fmt::Display for Had<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().next().is_none() {
            f.write_str("an empty array (no value)")
        } else {
            list(f, self.0, "and")
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, scalars: Scalars<'_>, word: &str) -> fmt::Result {
    let mut scalars = scalars.iter().peekable();
    let mut shown = 0;
    while let Some(scalar) = scalars.next() {
        if shown == MAX_LISTED {
            let more = scalars.count().saturating_add(1);
            return write!(f, " {word} {more} more");
        }
        match (shown, scalars.peek()) {
            (0, _) => {}
            (_, None) => write!(f, " {word} ")?,
            (_, Some(_)) => f.write_str(", ")?,
        }
        Shown(scalar).fmt(f)?;
        shown = shown.saturating_add(1);
    }
    Ok(())
}

/// Whether a terminal or an editor would show nothing for `character`, or something that is not
/// seen to be it: control characters, spaces other than the common one, and format characters,
/// among them those that turn the direction of what follows (the Unicode categories Cc, Z and
/// nearly all of Cf).
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1F}'
            | '\u{7F}'..='\u{A0}'
            | '\u{AD}'
            | '\u{61C}'
            | '\u{1680}'
            | '\u{180E}'
            | '\u{2000}'..='\u{200F}'
            | '\u{2028}'..='\u{202F}'
            | '\u{205F}'..='\u{206F}'
            | '\u{3000}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// RFC 8259, section 7: `\u` and four digits, twice for characters beyond U+FFFF.
fn escape(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    for unit in character.encode_utf16(&mut [0; 2]) {
        f.write_str("\\u")?;
        for shift in [12, 8, 4, 0] {
            let digit = (u32::from(*unit) >> shift) & 0xF;
            f.write_char(char::from_digit(digit, 16).unwrap_or('0'))?;
        }
    }
    Ok(())
}
