//! The PROXY protocol, versions 1 and 2, as HAProxy's `doc/proxy-protocol.txt` has it.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::address;

/// The longest line of version 1, its end included (section 2.1).
const MAX_LINE: usize = 107;

/// How version 1 begins.
const LINE: &[u8] = b"PROXY ";

/// How version 2 begins (section 2.2), which is not a beginning of HTTP, TLS or version 1.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What stands in front of the addresses in version 2.
const FIXED: usize = 16;

/// How long what follows that may be: ten times the longest addresses, which leaves room for what else
/// HAProxy and the balancers of clouds tell (section 2.2.7), certificates' names included.
const MAX_REST: usize = 2048;

/// No header is longer, in bytes.
pub const MAX_HEADER: usize = FIXED.saturating_add(MAX_REST);

/// What a proxy says of a connection before anything else is said on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose connection it is. `None` if it is the proxy's own, which looks whether the server lives
    /// (`LOCAL`), or if the client has no IP address (`UNKNOWN`, a Unix socket).
    pub addresses: Option<Addresses>,
}

/// The ends of a connection to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What it has connected to.
    pub destination: SocketAddr,
}

/// What is known of bytes that should begin with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// It is whole.
    Done {
        /// What it says.
        header: Header,
        /// Its length in bytes; what follows it belongs to the client.
        consumed: usize,
    },
    /// Nothing is wrong so far and more bytes are needed, as is never so with [`MAX_HEADER`] of them.
    NeedMore,
}

/// Why bytes do not begin with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidHeader {
    /// They begin with something else.
    Missing,
    /// Something in it is not as the protocol has it.
    Malformed,
    /// It is longer than any header may be, or than is taken here.
    TooLong,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "the connection does not begin with a PROXY protocol header; have the proxy send one \
                 (`send-proxy-v2` in HAProxy, `proxy_protocol on` in an nginx stream)"
            }
            Self::Malformed => "the PROXY protocol header is malformed",
            Self::TooLong => "the PROXY protocol header is too long",
        })
    }
}

impl core::error::Error for InvalidHeader {}

impl Header {
    /// Looks at `bytes`, everything received so far, which should begin with a header of either version.
    /// More bytes change nothing about a verdict.
    ///
    /// What version 2 tells beside the addresses is skipped, its checksum included: TCP has its own.
    ///
    /// # Errors
    /// Why they do not, as soon as that is certain.
    pub fn parse(bytes: &[u8]) -> Result<Parsed, InvalidHeader> {
        if begins(bytes, LINE) {
            line(bytes)
        } else if begins(bytes, SIGNATURE) {
            binary(bytes)
        } else {
            Err(InvalidHeader::Missing)
        }
    }
}

/// Whether `bytes` begin with `beginning`, as far as they go.
fn begins(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.iter().zip(beginning).all(|(one, other)| one == other)
}

/// Version 1, section 2.1.
fn line(bytes: &[u8]) -> Result<Parsed, InvalidHeader> {
    let most = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = most.iter().position(|byte| *byte == b'\n') else {
        return if most.len() < MAX_LINE {
            Ok(Parsed::NeedMore)
        } else {
            Err(InvalidHeader::TooLong)
        };
    };
    let text = most.get(LINE.len()..end);
    let text = text.and_then(|text| text.strip_suffix(b"\r"));
    let header = text.and_then(says).ok_or(InvalidHeader::Malformed)?;
    Ok(Parsed::Done {
        header,
        consumed: end.saturating_add(1),
    })
}

fn says(text: &[u8]) -> Option<Header> {
    let mut words = text.split(|byte| *byte == b' ');
    let parse: fn(&[u8]) -> Option<IpAddr> = match words.next()? {
        b"TCP4" => |text| address::v4(text).map(IpAddr::V4),
        b"TCP6" => |text| address::v6(text).map(IpAddr::V6),
        // What follows is to be ignored.
        b"UNKNOWN" => return Some(Header { addresses: None }),
        _ => return None,
    };
    let (source, destination) = (parse(words.next()?)?, parse(words.next()?)?);
    let (from, to) = (address::port(words.next()?)?, address::port(words.next()?)?);
    words.next().is_none().then_some(Header {
        addresses: Some(Addresses {
            source: SocketAddr::new(source, from),
            destination: SocketAddr::new(destination, to),
        }),
    })
}

/// Version 2, section 2.2.
fn binary(bytes: &[u8]) -> Result<Parsed, InvalidHeader> {
    let behind = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    // The version's and the command's halves of a byte.
    let is_local = match behind.first() {
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(InvalidHeader::Malformed),
        None => return Ok(Parsed::NeedMore),
    };
    // The halves of the family and of the kind of socket. A datagram is no connection.
    let family = match behind.get(1) {
        Some(family @ (0x00 | 0x11 | 0x21 | 0x31)) => *family,
        Some(family) if is_local => *family,
        Some(_) => return Err(InvalidHeader::Malformed),
        None => return Ok(Parsed::NeedMore),
    };
    let Some([high, low]) = behind.get(2..4) else {
        return Ok(Parsed::NeedMore);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len > MAX_REST {
        return Err(InvalidHeader::TooLong);
    }
    let least = match family {
        _ if is_local => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => 0,
    };
    if len < least {
        return Err(InvalidHeader::Malformed);
    }
    let consumed = FIXED.saturating_add(len);
    let Some(rest) = bytes.get(FIXED..consumed) else {
        return Ok(Parsed::NeedMore);
    };
    let addresses = match family {
        _ if is_local => None,
        0x11 => four(rest),
        0x21 => six(rest),
        _ => None,
    };
    let header = Header { addresses };
    Ok(Parsed::Done { header, consumed })
}

fn four(rest: &[u8]) -> Option<Addresses> {
    let (source, rest) = rest.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    ends(Ipv4Addr::from(*source), Ipv4Addr::from(*destination), rest)
}

fn six(rest: &[u8]) -> Option<Addresses> {
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    ends(Ipv6Addr::from(*source), Ipv6Addr::from(*destination), rest)
}

fn ends(
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    rest: &[u8],
) -> Option<Addresses> {
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let to = rest.first_chunk::<2>()?;
    Some(Addresses {
        source: SocketAddr::new(source.into(), u16::from_be_bytes(*from)),
        destination: SocketAddr::new(destination.into(), u16::from_be_bytes(*to)),
    })
}
