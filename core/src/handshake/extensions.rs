//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = token *( ";" extension-param )
//! extension-param = token [ "=" ( token | quoted-string ) ]
//! ```
//!
//! What a quoted string stands for must itself be a token. Optional white space may surround every
//! separator (RFC 2616, section 2.1, which this grammar builds on), and empty list elements are
//! ignored (RFC 9110, section 5.6.1.2). Anything else is malformed, and then the handshake fails:
//! 9.1 demands it, and two sides that read an offer differently would read every frame differently.
//!
//! Nothing is negotiated here; `deflate` does that.

use core::fmt;

use super::http::{Fields, is_token_byte, skip_ows, token};

pub(super) const NAME: &str = "Sec-WebSocket-Extensions";

/// One element of an offer, or of the answer to it: a name and its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'b> {
    name: &'b str,
    /// The text behind the name: its parameters, then the rest of the list.
    rest: &'b [u8],
}

impl<'b> Extension<'b> {
    /// The registered name, `permessage-deflate` for one.
    #[must_use]
    pub const fn name(self) -> &'b str {
        self.name
    }

    /// The parameters, in order. The same name may come twice: whether that is wrong is for the
    /// extension to say (RFC 7692, section 7.1 does).
    pub fn parameters(self) -> impl Iterator<Item = Parameter<'b>> + Clone + use<'b> {
        let mut rest = self.rest;
        core::iter::from_fn(move || {
            let (parameter, behind) = parse_parameter(skip_ows(rest).strip_prefix(b";")?)?;
            rest = behind;
            Some(parameter)
        })
    }
}

/// One parameter of an [`Extension`].
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'b> {
    name: &'b str,
    value: Option<ParameterValue<'b>>,
}

impl<'b> Parameter<'b> {
    /// The name, `server_max_window_bits` for one.
    #[must_use]
    pub const fn name(self) -> &'b str {
        self.name
    }

    /// The value, when there is one.
    #[must_use]
    pub const fn value(self) -> Option<ParameterValue<'b>> {
        self.value
    }
}

/// The value of a [`Parameter`]: a token, written plainly or as a quoted string.
///
/// Compare it with a `str`, or read its [`bytes`](Self::bytes); either sees what a quoted string
/// stands for, so that `"1\0"` is `10`.
#[derive(Clone, Copy, Debug)]
pub struct ParameterValue<'b>(&'b [u8]);

impl<'b> ParameterValue<'b> {
    /// The characters of the token, all of them ASCII; at least one.
    pub fn bytes(self) -> impl Iterator<Item = u8> + Clone + use<'b> {
        // A token has no backslash, so each one here only quotes the byte behind it.
        self.0.iter().copied().filter(|byte| *byte != b'\\')
    }
}

impl PartialEq<str> for ParameterValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl PartialEq<&str> for ParameterValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for ParameterValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.bytes()
            .try_for_each(|byte| f.write_char(char::from(byte)))
    }
}

/// A list that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The elements of all `Sec-WebSocket-Extensions` fields. After a malformed element, the rest of
/// its field is skipped.
pub(super) fn parse<'h, 'b>(
    fields: Fields<'h, 'b>,
) -> impl Iterator<Item = Result<Extension<'b>, Malformed>> + Clone + use<'h, 'b> {
    fields.all(NAME).flat_map(parse_list)
}

/// The elements of one list; it ends after a malformed one.
pub(super) fn parse_list(
    value: &[u8],
) -> impl Iterator<Item = Result<Extension<'_>, Malformed>> + Clone {
    let mut rest = value;
    core::iter::from_fn(move || {
        rest = skip_empty_elements(rest);
        if rest.is_empty() {
            return None;
        }
        if let Some((extension, behind)) = parse_extension(rest) {
            rest = behind;
            Some(Ok(extension))
        } else {
            rest = &[];
            Some(Err(Malformed))
        }
    })
}

/// Whether `value` may be sent as `Sec-WebSocket-Extensions`: at least one element, none malformed.
pub(super) fn is_valid(value: &str) -> bool {
    let mut elements = parse_list(value.as_bytes()).peekable();
    elements.peek().is_some() && elements.all(|element| element.is_ok())
}

fn skip_empty_elements(mut input: &[u8]) -> &[u8] {
    while let [b',' | b' ' | b'\t', rest @ ..] = input {
        input = rest;
    }
    input
}

/// An extension, and what follows it: nothing, or a comma and the rest of the list.
fn parse_extension(input: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let (name, rest) = split_token(input)?;
    let extension = Extension { name, rest };
    let mut rest = skip_ows(rest);
    while let Some(parameter) = rest.strip_prefix(b";") {
        let (_, behind) = parse_parameter(parameter)?;
        rest = skip_ows(behind);
    }
    matches!(rest, [] | [b',', ..]).then_some((extension, rest))
}

/// The parameter behind a semicolon, and what follows it.
fn parse_parameter(input: &[u8]) -> Option<(Parameter<'_>, &[u8])> {
    let (name, rest) = split_token(skip_ows(input))?;
    let Some(value) = skip_ows(rest).strip_prefix(b"=") else {
        return Some((Parameter { name, value: None }, rest));
    };
    let value = skip_ows(value);
    let (value, rest) = match value.strip_prefix(b"\"") {
        Some(quoted) => split_quoted(quoted)?,
        None => split_token(value).map(|(value, rest)| (value.as_bytes(), rest))?,
    };
    let value = Some(ParameterValue(value));
    Some((Parameter { name, value }, rest))
}

fn split_token(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| !is_token_byte(byte));
    let (name, rest) = input.split_at_checked(end.unwrap_or(input.len()))?;
    Some((token(name)?, rest))
}

/// The inside of a quoted string (RFC 9110, section 5.6.4) and what follows its closing quote.
fn split_quoted(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = input;
    loop {
        rest = match rest {
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if is_token_byte(byte) => rest,
            [b'"', behind @ ..] => {
                let length = input.len().checked_sub(rest.len())?;
                let inside = input.get(..length)?;
                // A token is not empty.
                return (!inside.is_empty()).then_some((inside, behind));
            }
            _ => return None,
        };
    }
}
