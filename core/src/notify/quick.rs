//! Validation in one quick pass that finds on its way what is interpreted (feature `fast`).
//!
//! It has no answer to whatever is wrong or unusual, which is left to its naive twin,
//! [`thoroughly`](super::envelope::thoroughly), and so costs at most twice the time. A mistake here
//! can only be to accept too much, or to find something else; the tests hold one against the other.

use super::{
    envelope::{CLIENT, ClientMessage, Message, POSITION, SERVER},
    json::MAX_DEPTH,
    limits::Limits,
    notification::Notification,
    number::MAX_NUMBER_LEN,
    raw::Value,
    subscription::Subscriptions,
    target::{List, Members, Place, PlainValues, Target},
    text::Text,
    word::skip_plain,
};

/// A message that is valid; nothing if it is not, or if it has escapes where there are nearly never
/// any: in names that are interpreted, and in the sender.
pub(super) fn message<'a>(text: &'a [u8], limits: &Limits) -> Option<Message<'a>> {
    let found = Found::find(text, limits)?;
    let sender = found.sender?.as_bytes();
    let is = |expected: &str| matches!(sender, [b'"', it @ .., b'"'] if it == expected.as_bytes());
    if is(SERVER) {
        if found.has_position {
            return None;
        }
        let notification = Notification::from_members(&found.target?, limits)?;
        return Some(Message::Publication(notification));
    }
    let has_something = found.subscriptions.is_some() || found.token.is_some();
    if !is(CLIENT) || !has_something {
        return None;
    }
    let token = match found.token {
        Some(token) => Some(Text::new(token.string()?)?),
        None => None,
    };
    Some(Message::Client(ClientMessage::new(
        found.subscriptions,
        token,
    )))
}

/// What is interpreted of a message, the last member of each name.
#[derive(Clone, Copy, Debug, Default)]
struct Found<'a> {
    sender: Option<Value<'a>>,
    token: Option<Value<'a>>,
    /// The members of the notification.
    target: Option<Members<'a>>,
    subscriptions: Option<Subscriptions<'a>>,
    has_position: bool,
}

impl<'a> Found<'a> {
    fn find(text: &'a [u8], limits: &Limits) -> Option<Self> {
        if !is_utf8(text) {
            return None;
        }
        let mut found = Self::default();
        let text = skip_space(text).strip_prefix(b"{")?;
        let rest = members(text, |name, from| match name {
            b"notification" => {
                let (target, rest) = target(from.strip_prefix(b"{")?, 2)?;
                found.target = Some(target);
                Some(rest)
            }
            b"subscriptions" => {
                let (len, rest) = subscriptions(from.strip_prefix(b"[")?, limits)?;
                let list = before(from, rest);
                found.subscriptions = Some(Subscriptions::trusted(list, len));
                Some(rest)
            }
            _ => {
                let rest = value(from, 1)?;
                let member = match name {
                    b"sender" => &mut found.sender,
                    b"token" => &mut found.token,
                    _ => {
                        found.has_position |= name == POSITION.as_bytes();
                        return Some(rest);
                    }
                };
                *member = Some(Value::trusted(before(from, rest)));
                Some(rest)
            }
        })?;
        skip_space(rest).is_empty().then_some(found)
    }
}

fn is_utf8(text: &[u8]) -> bool {
    #[cfg(feature = "simd")]
    return simdutf8::basic::from_utf8(text).is_ok();
    #[cfg(not(feature = "simd"))]
    return core::str::from_utf8(text).is_ok();
}

/// How many subscriptions there are, all of them checked, and what follows them; `bytes` follow the
/// opening bracket of their list.
fn subscriptions<'a>(bytes: &'a [u8], limits: &Limits) -> Option<(usize, &'a [u8])> {
    let mut len: usize = 0;
    let rest = elements(bytes, |from| {
        if len >= limits.subscriptions {
            return None;
        }
        let (found, rest) = target(from.strip_prefix(b"{")?, 3)?;
        Target::from_members(&found, Place::Element(List::Subscriptions, len), limits)?;
        len = len.saturating_add(1);
        Some(rest)
    })?;
    Some((len, rest))
}

/// What is interpreted of a subscription or notification, and what follows it; `bytes` follow its
/// opening brace, which is the container of this number.
#[inline(never)]
fn target(bytes: &[u8], depth: u32) -> Option<(Members<'_>, &[u8])> {
    let mut found = Members::default();
    let rest = members(bytes, |name, from| {
        let rest;
        let member = match name {
            b"filters" => {
                (found.values, found.plain, rest) = match from {
                    [b'{', inner @ ..] => filters(inner, depth.saturating_add(1))?,
                    _ => (None, None, value(from, depth)?),
                };
                &mut found.filters
            }
            _ => {
                rest = value(from, depth)?;
                match name {
                    b"package" => &mut found.package,
                    b"page" => &mut found.page,
                    _ => return Some(rest),
                }
            }
        };
        *member = Some(Value::trusted(before(from, rest)));
        Some(rest)
    })?;
    Some((found, rest))
}

type Filters<'a> = (Option<Value<'a>>, Option<PlainValues>, &'a [u8]);

/// The `values` of filters, and what follows the filters; `bytes` follow the opening brace.
#[inline]
fn filters(bytes: &[u8], depth: u32) -> Option<Filters<'_>> {
    let (mut found, mut plain) = (None, None);
    let rest = members(bytes, |name, from| {
        if name != b"values" {
            return value(from, depth);
        }
        let rest;
        (plain, rest) = match plain_values(from) {
            Some((counted, rest)) => (Some(counted), rest),
            None => (None, value(from, depth)?),
        };
        found = Some(Value::trusted(before(from, rest)));
        Some(rest)
    })?;
    Some((found, plain, rest))
}

/// Counts what is in `values`, if there is nothing unusual in them, and what follows them.
#[inline]
fn plain_values(from: &[u8]) -> Option<(PlainValues, &[u8])> {
    let mut plain = PlainValues::default();
    let rest = match from {
        [b'{', inner @ ..] => members(inner, |_, from| {
            plain.keys = plain.keys.saturating_add(1);
            plain_scalars(from, &mut plain)
        })?,
        _ => plain_scalars(from, &mut plain)?,
    };
    Some((plain, rest))
}

/// What follows a scalar or an array of scalars.
#[inline]
fn plain_scalars<'a>(from: &'a [u8], plain: &mut PlainValues) -> Option<&'a [u8]> {
    let mut one = |from| {
        plain.scalars = plain.scalars.saturating_add(1);
        plain_scalar(from)
    };
    match from {
        [b'[', inner @ ..] => elements(inner, one),
        _ => one(from),
    }
}

/// What follows a scalar, a string without escapes or a number without exponent.
#[inline]
fn plain_scalar(from: &[u8]) -> Option<&[u8]> {
    match from.split_first()? {
        (b'"', rest) => match skip_plain(rest) {
            [b'"', rest @ ..] => Some(rest),
            _ => None,
        },
        (b'-' | b'0'..=b'9', _) => match decimal(from)? {
            [b'e' | b'E', ..] => None,
            // Its plain text is no longer than what was written.
            rest => (from.len().saturating_sub(rest.len()) <= MAX_NUMBER_LEN).then_some(rest),
        },
        (&first, rest) => literal(first, rest),
    }
}

/// What follows an object; `bytes` follow its opening brace. `member` gets each name, without
/// escapes, and the text from its value on, and answers what follows the value.
#[inline]
fn members<'a>(
    bytes: &'a [u8],
    mut member: impl FnMut(&'a [u8], &'a [u8]) -> Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let mut rest = skip_space(bytes);
    if let [b'}', rest @ ..] = rest {
        return Some(rest);
    }
    loop {
        let start = rest.strip_prefix(b"\"")?;
        let end = skip_plain(start);
        let rest_of_name = end.strip_prefix(b"\"")?;
        let value = skip_space(skip_space(rest_of_name).strip_prefix(b":")?);
        rest = match skip_space(member(before(start, end), value)?).split_first()? {
            (b',', rest) => skip_space(rest),
            (b'}', rest) => return Some(rest),
            _ => return None,
        };
    }
}

/// What follows an array; `bytes` follow its opening bracket. `element` gets the text from an element
/// on, and answers what follows that.
#[inline]
fn elements<'a>(
    bytes: &'a [u8],
    mut element: impl FnMut(&'a [u8]) -> Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let mut rest = skip_space(bytes);
    if let [b']', rest @ ..] = rest {
        return Some(rest);
    }
    loop {
        rest = match skip_space(element(rest)?).split_first()? {
            (b',', rest) => skip_space(rest),
            (b']', rest) => return Some(rest),
            _ => return None,
        };
    }
}

/// What follows any value inside of `outer` containers.
#[inline]
fn value(from: &[u8], outer: u32) -> Option<&[u8]> {
    match from.split_first()? {
        (b'"', rest) => string(rest),
        (b'{' | b'[', _) => container(from, outer),
        _ => scalar(from),
    }
}

/// What follows an object or array of anything.
#[inline(never)]
fn container(from: &[u8], outer: u32) -> Option<&[u8]> {
    // The containers opened here: one bit each, the innermost lowest, 1 for an object.
    let mut open: u128 = 0;
    let mut depth = outer;
    let mut rest = from;
    loop {
        // A value is due.
        rest = match rest.split_first()? {
            (b'"', rest) => string(rest)?,
            (&bracket @ (b'{' | b'['), inner) => {
                if depth >= MAX_DEPTH {
                    return None;
                }
                let is_object = bracket == b'{';
                let inner = skip_space(inner);
                match inner.split_first()? {
                    (b'}', rest) if is_object => rest,
                    (b']', rest) if !is_object => rest,
                    _ => {
                        open = (open << 1) | u128::from(is_object);
                        depth = depth.saturating_add(1);
                        rest = if is_object { name(inner)? } else { inner };
                        continue;
                    }
                }
            }
            _ => scalar(rest)?,
        };
        // A value is complete: go on in its container, or close as many as end here.
        loop {
            if depth == outer {
                return Some(rest);
            }
            let in_object = open & 1 == 1;
            rest = match skip_space(rest).split_first()? {
                (b',', rest) if in_object => name(skip_space(rest))?,
                (b',', rest) => skip_space(rest),
                (b'}', after) if in_object => {
                    (open, depth, rest) = (open >> 1, depth.saturating_sub(1), after);
                    continue;
                }
                (b']', after) if !in_object => {
                    (open, depth, rest) = (open >> 1, depth.saturating_sub(1), after);
                    continue;
                }
                _ => return None,
            };
            break;
        }
    }
}

/// The value that follows a member's name and its colon.
#[inline]
fn name(bytes: &[u8]) -> Option<&[u8]> {
    let rest = string(bytes.strip_prefix(b"\"")?)?;
    Some(skip_space(skip_space(rest).strip_prefix(b":")?))
}

/// What follows a number or literal.
#[inline]
fn scalar(from: &[u8]) -> Option<&[u8]> {
    match from.split_first()? {
        (b'-' | b'0'..=b'9', _) => number(from),
        (&first, rest) => literal(first, rest),
    }
}

/// What follows a literal that begins with `first` and goes on with `rest`.
#[inline]
fn literal(first: u8, rest: &[u8]) -> Option<&[u8]> {
    match first {
        b't' => rest.strip_prefix(b"rue"),
        b'f' => rest.strip_prefix(b"alse"),
        b'n' => rest.strip_prefix(b"ull"),
        _ => None,
    }
}

/// What follows a string's closing quote; `bytes` follow the opening one.
#[inline]
fn string(bytes: &[u8]) -> Option<&[u8]> {
    match skip_plain(bytes) {
        [b'"', rest @ ..] => Some(rest),
        [b'\\', rest @ ..] => escaped_string(rest),
        _ => None,
    }
}

/// The same from behind its first backslash on.
#[inline(never)]
fn escaped_string(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let after = match bytes.split_first()? {
            (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest) => rest,
            (b'u', rest) => {
                let (digits, rest) = rest.split_first_chunk::<4>()?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(rest)?
            }
            _ => return None,
        };
        bytes = match skip_plain(after) {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', rest @ ..] => rest,
            _ => return None,
        };
    }
}

/// What follows a number.
#[inline]
fn number(bytes: &[u8]) -> Option<&[u8]> {
    match decimal(bytes)? {
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            skip_digits(exponent)
        }
        rest => Some(rest),
    }
}

/// What follows a number up to its exponent, if it has one.
#[inline]
fn decimal(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let rest = match digits {
        [b'0', rest @ ..] => rest,
        _ => skip_digits(digits)?,
    };
    match rest {
        [b'.', fraction @ ..] => skip_digits(fraction),
        _ => Some(rest),
    }
}

/// What follows one digit or more.
#[inline]
fn skip_digits(bytes: &[u8]) -> Option<&[u8]> {
    let [b'0'..=b'9', rest @ ..] = bytes else {
        return None;
    };
    let mut rest = rest;
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    Some(rest)
}

#[inline]
fn skip_space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// The part of `whole` before its suffix `rest`.
#[inline]
fn before<'a>(whole: &'a [u8], rest: &[u8]) -> &'a [u8] {
    let len = whole.len().saturating_sub(rest.len());
    whole.get(..len).unwrap_or_default()
}
