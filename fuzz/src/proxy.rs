//! What proxies say of their clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use campanile_core::{
    handshake::OriginPattern,
    proxy::{self, BadForwarding, Field, Header, InvalidHeader, MAX_HEADER, Network, Parsed},
};

/// Format: the first bytes of a connection. The same bytes, a line for each field, are what requests say,
/// and each line is a network, an origin and a pattern for the others.
pub fn proxy(data: &[u8]) {
    header(data);
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    forwarding(&lines);
    let texts = lines
        .iter()
        .filter_map(|line| std::str::from_utf8(line).ok());
    for text in texts.clone().take(8) {
        if let Ok(network) = Network::parse(text) {
            assert_eq!(Network::parse(&network.to_string()), Ok(network));
        }
        if let Ok(pattern) = OriginPattern::parse(text) {
            let allowed = texts.clone().filter(|origin| pattern.allows(origin));
            allowed.for_each(|origin| assert!(origin.contains("://") || origin == "null"));
        }
    }
}

/// The verdict is that of the twin, and falls once.
fn header(bytes: &[u8]) {
    let whole = Header::parse(bytes);
    assert_eq!(whole, twin(bytes), "{}", bytes.escape_ascii());
    for cut in 0..bytes.len().min(300) {
        match Header::parse(&bytes[..cut]) {
            Ok(Parsed::NeedMore) => {}
            early => assert_eq!(early, whole, "{cut} of {}", bytes.escape_ascii()),
        }
    }
    assert!(bytes.len() < MAX_HEADER || whole != Ok(Parsed::NeedMore));
}

fn twin(bytes: &[u8]) -> Result<Parsed, InvalidHeader> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let common = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
    if common(b"PROXY ") {
        let limited = &bytes[..bytes.len().min(107)];
        let Some(end) = limited.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() < 107 {
                Ok(Parsed::NeedMore)
            } else {
                Err(InvalidHeader::TooLong)
            };
        };
        let addresses = words(&limited[..=end]).ok_or(InvalidHeader::Malformed)?;
        return Ok(done(addresses, end + 1));
    }
    if !common(signature) {
        return Err(InvalidHeader::Missing);
    }
    let byte = |at: usize| bytes.get(at).copied();
    let command = match byte(12) {
        None => return Ok(Parsed::NeedMore),
        Some(command @ (0x20 | 0x21)) => command,
        Some(_) => return Err(InvalidHeader::Malformed),
    };
    let least = match (command, byte(13)) {
        (_, None) => return Ok(Parsed::NeedMore),
        (0x20, _) | (_, Some(0)) => 0,
        (_, Some(0x11)) => 12,
        (_, Some(0x21)) => 36,
        (_, Some(0x31)) => 216,
        _ => return Err(InvalidHeader::Malformed),
    };
    let (Some(high), Some(low)) = (byte(14), byte(15)) else {
        return Ok(Parsed::NeedMore);
    };
    let len = usize::from(high) * 256 + usize::from(low);
    if len > MAX_HEADER - 16 {
        return Err(InvalidHeader::TooLong);
    }
    if len < least {
        return Err(InvalidHeader::Malformed);
    }
    if bytes.len() < 16 + len {
        return Ok(Parsed::NeedMore);
    }
    let rest = &bytes[16..16 + len];
    let ip = |from: usize, size: usize| -> IpAddr {
        match size {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(&rest[from..from + 4]).expect("four")).into(),
            _ => Ipv6Addr::from(<[u8; 16]>::try_from(&rest[from..from + 16]).expect("16")).into(),
        }
    };
    let port = |at: usize| u16::from(rest[at]) * 256 + u16::from(rest[at + 1]);
    let addresses = match least {
        12 | 36 => {
            let size = least / 2 - 2;
            let ends = [(0, 2 * size), (size, 2 * size + 2)];
            let [source, destination] =
                ends.map(|(from, at)| SocketAddr::new(ip(from, size), port(at)));
            Some((source, destination))
        }
        _ => None,
    };
    Ok(done(addresses, 16 + len))
}

fn done(addresses: Option<(SocketAddr, SocketAddr)>, consumed: usize) -> Parsed {
    let addresses = addresses.map(|(source, destination)| proxy::Addresses {
        source,
        destination,
    });
    Parsed::Done {
        header: Header { addresses },
        consumed,
    }
}

/// A line of version 1, as the standard library reads words and addresses.
fn words(line: &[u8]) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let line = line.strip_suffix(b"\r\n")?;
    // What follows `UNKNOWN` may be any bytes.
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Some(None);
    }
    let words: Vec<_> = std::str::from_utf8(line).ok()?.split(' ').collect();
    let &[
        "PROXY",
        family @ ("TCP4" | "TCP6"),
        source,
        destination,
        from,
        to,
    ] = &words[..]
    else {
        return None;
    };
    let end = |ip: &str, port: &str| {
        let ip: IpAddr = ip.parse().ok()?;
        (ip.is_ipv4() == (family == "TCP4")).then_some(SocketAddr::new(ip, number(port)?))
    };
    Some(Some((end(source, from)?, end(destination, to)?)))
}

fn number(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn is_trusted(address: IpAddr) -> bool {
    address.to_string().starts_with("10.")
}

fn forwarding(lines: &[&[u8]]) {
    let values = lines.iter().copied();
    let found = proxy::client(Field::XForwardedFor, values.clone(), is_trusted);
    let naive = addresses(lines);
    assert_eq!(found, naive, "{lines:?}");
    // Fields of one name are one list (RFC 9110, section 5.3).
    for field in [Field::XForwardedFor, Field::Forwarded] {
        if let Ok(client) = proxy::client(field, values.clone(), is_trusted) {
            let joined = lines.join(&b", "[..]);
            let again = proxy::client(field, [&joined[..]].into_iter(), is_trusted);
            assert_eq!(again, Ok(client), "{field:?} {lines:?}");
        }
    }
}

/// `X-Forwarded-For`, as the standard library reads addresses.
fn addresses(lines: &[&[u8]]) -> Result<Option<SocketAddr>, BadForwarding> {
    let items = lines
        .iter()
        .flat_map(|line| line.split(|byte| *byte == b','));
    let items = items
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty());
    let nodes: Option<Vec<_>> = items.map(node).collect();
    let nodes = nodes.ok_or(BadForwarding::Malformed)?;
    let trusted = |node: &&Option<SocketAddr>| node.is_some_and(|node| is_trusted(node.ip()));
    let client = nodes.iter().rev().find(|node| !trusted(node));
    match client.or(nodes.first()) {
        None => Ok(None),
        Some(None) => Err(BadForwarding::NoAddress),
        Some(client) => Ok(*client),
    }
}

fn node(item: &[u8]) -> Option<Option<SocketAddr>> {
    let text = std::str::from_utf8(item).ok()?;
    let is_made_up = |text: &str| {
        let name = text.strip_prefix('_').unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        text.eq_ignore_ascii_case("unknown") || (!name.is_empty() && name.chars().all(fits))
    };
    if is_made_up(text) {
        return Some(None);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Some(SocketAddr::new(ip, 0)));
    }
    // With brackets, a port, or both.
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) if !text.ends_with(']') => (address, port),
        _ => (text, "0"),
    };
    if !address.starts_with('[') && is_made_up(address) {
        return (!address.contains(':')).then_some(None);
    }
    let obfuscated = port.starts_with('_') && is_made_up(port);
    let port = if obfuscated { 0 } else { number(port)? };
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let ip = match bare {
        Some(address) => IpAddr::V6(address.parse().ok()?),
        None if text == address => return None,
        None => IpAddr::V4(address.parse().ok()?),
    };
    Some(Some(SocketAddr::new(ip, port)))
}
