//! Where a request comes from, as proxies say in its header fields.

use core::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::{address, handshake::is_token_byte};

/// The field in which proxies name the client that they have a request from, each behind those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`, which no standard has: addresses, separated by commas.
    XForwardedFor,
}

impl Field {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "Forwarded",
            Self::XForwardedFor => "X-Forwarded-For",
        }
    }
}

/// A field that does not say where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadForwarding {
    /// It does not have the field's form.
    Malformed,
    /// A trusted proxy names no address: `unknown`, an identifier of its own, or nothing.
    NoAddress,
}

impl fmt::Display for BadForwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the field that names the client is malformed",
            Self::NoAddress => "the field that names the client has no address for it",
        })
    }
}

impl core::error::Error for BadForwarding {}

/// The longest address with its port, in bytes: `[` 39 `]:` 5, and some more.
const NODE: usize = 64;

/// The client that the values of all fields of this name lead to, in order: the last address that is not
/// trusted, since what stands before it was said by whoever has that address. When all are trusted, it is
/// the first one. The port is 0 where none is named. `None`: the fields are empty, or there is none.
///
/// # Errors
/// Something in them is malformed, or that client is no address.
pub fn client<'b>(
    field: Field,
    values: impl Iterator<Item = &'b [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Option<SocketAddr>, BadForwarding> {
    let mut first = None;
    let mut last = None;
    let mut take = |node: Option<SocketAddr>| {
        first = first.or(Some(node));
        if node.is_none_or(|node| !is_trusted(node.ip())) {
            last = Some(node);
        }
    };
    for value in values {
        let is_well_formed = match field {
            Field::XForwardedFor => addresses(value, &mut take),
            Field::Forwarded => elements(value, &mut take),
        };
        if is_well_formed.is_none() {
            return Err(BadForwarding::Malformed);
        }
    }
    match last.or(first) {
        None => Ok(None),
        Some(None) => Err(BadForwarding::NoAddress),
        Some(client) => Ok(client),
    }
}

/// The addresses of `X-Forwarded-For`. `None`: it is malformed.
fn addresses(value: &[u8], take: &mut impl FnMut(Option<SocketAddr>)) -> Option<()> {
    for item in value.split(|byte| *byte == b',') {
        let item = trim(item);
        // RFC 9110, section 5.6.1.2: empty elements count for nothing.
        if !item.is_empty() {
            take(node(item)?);
        }
    }
    Some(())
}

/// The elements of `Forwarded` (RFC 7239, section 4). `None`: it is malformed.
fn elements(value: &[u8], take: &mut impl FnMut(Option<SocketAddr>)) -> Option<()> {
    let mut rest = value;
    loop {
        rest = trim(rest);
        // Whether there is a pair, and who it is for if one says so.
        let (mut is_there, mut who) = (false, None);
        while !matches!(rest.first(), None | Some(b',')) {
            if let Some(behind) = rest.strip_prefix(b";") {
                rest = trim(behind);
                continue;
            }
            let (name, behind) = token(rest)?;
            let behind = behind.strip_prefix(b"=")?;
            let mut buffer = [0; NODE];
            let (len, behind) = text(behind, &mut buffer)?;
            if name.eq_ignore_ascii_case(b"for") {
                // Section 4: no parameter more than once.
                if who.is_some() {
                    return None;
                }
                who = Some(node(buffer.get(..len)?)?);
            }
            is_there = true;
            rest = trim(behind);
            // Nothing else may follow.
            if !matches!(rest.first(), None | Some(b',' | b';')) {
                return None;
            }
        }
        if is_there {
            take(who.flatten());
        }
        match rest.strip_prefix(b",") {
            Some(behind) => rest = behind,
            None => return Some(()),
        }
    }
}

/// A token (RFC 9110, section 5.6.2), and what follows it.
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| !is_token_byte(byte));
    let end = end.unwrap_or(bytes.len());
    if end == 0 {
        return None;
    }
    bytes.split_at_checked(end)
}

/// Writes a value, a token or a quoted string (RFC 9110, section 5.6.4), to `buffer`; its length, of which
/// the buffer may have only the beginning, and what follows it.
fn text<'t>(bytes: &'t [u8], buffer: &mut [u8; NODE]) -> Option<(usize, &'t [u8])> {
    let Some(mut rest) = bytes.strip_prefix(b"\"") else {
        let (token, rest) = token(bytes)?;
        for (to, from) in buffer.iter_mut().zip(token) {
            *to = *from;
        }
        return Some((token.len(), rest));
    };
    let mut len: usize = 0;
    loop {
        let (mut byte, mut behind) = rest.split_first()?;
        if *byte == b'"' {
            return Some((len, behind));
        }
        if *byte == b'\\' {
            (byte, behind) = behind.split_first()?;
        }
        if byte.is_ascii_control() && *byte != b'\t' {
            return None;
        }
        if let Some(place) = buffer.get_mut(len) {
            *place = *byte;
        }
        len = len.saturating_add(1);
        rest = behind;
    }
}

/// A node (RFC 7239, section 6): an address, perhaps with a port, or something that is none.
fn node(text: &[u8]) -> Option<Option<SocketAddr>> {
    if is_unknown(text) {
        return Some(None);
    }
    // An IPv6 address without brackets has no port.
    if let Some(address) = address::ip(text) {
        return Some(Some(SocketAddr::new(address, 0)));
    }
    let (address, rest) = match text.strip_prefix(b"[") {
        Some(inner) => {
            let end = inner.iter().position(|byte| *byte == b']')?;
            let (address, rest) = inner.split_at_checked(end)?;
            let address = IpAddr::V6(address::v6(address)?);
            (Some(address), rest.strip_prefix(b"]")?)
        }
        None => {
            let end = text.iter().position(|byte| *byte == b':')?;
            let (name, rest) = text.split_at_checked(end)?;
            let address = if is_unknown(name) {
                None
            } else {
                Some(IpAddr::V4(address::v4(name)?))
            };
            (address, rest)
        }
    };
    let port = match rest.strip_prefix(b":") {
        None if rest.is_empty() => 0,
        None => return None,
        Some(port) if is_obfuscated(port) => 0,
        Some(port) => address::port(port)?,
    };
    Some(address.map(|address| SocketAddr::new(address, port)))
}

/// Whether this stands for an address that is not told.
fn is_unknown(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"unknown") || is_obfuscated(name)
}

/// An identifier that a proxy has made up (section 6.3).
fn is_obfuscated(text: &[u8]) -> bool {
    let name = text.strip_prefix(b"_").unwrap_or_default();
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}
