//! Addresses as text. The standard library's parser does the same, but the compiler cannot prove of it
//! that it never panics.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of either family, without brackets.
pub(crate) fn ip(text: &[u8]) -> Option<IpAddr> {
    match v4(text) {
        Some(address) => Some(IpAddr::V4(address)),
        None => v6(text).map(IpAddr::V6),
    }
}

/// Four numbers without leading zeros, which some read as octal.
pub(crate) fn v4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = text.split(|byte| *byte == b'.');
    let mut octets = [0; 4];
    for octet in &mut octets {
        *octet = u8::try_from(decimal(parts.next()?)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// RFC 4291, section 2.2, in each of its forms.
pub(crate) fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    /// How many groups there are in all.
    const GROUPS: u32 = 8;
    // The groups before `::` and those behind it, as the low bits of a number.
    let (mut front, mut count): (u128, u32) = (0, 0);
    let mut behind: Option<(u128, u32)> = None;
    let mut rest = text;
    if let Some(after) = rest.strip_prefix(b"::") {
        behind = Some((0, 0));
        rest = after;
    }
    // One group in each round, with what separates it from the next one.
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b':');
        let (part, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let (value, groups) = match v4(part) {
            Some(last) if after.is_empty() => (u128::from(last.to_bits()), 2),
            Some(_) => return None,
            None => (group(part)?, 1),
        };
        let (bits, number) = behind
            .as_mut()
            .map_or((&mut front, &mut count), |(b, n)| (b, n));
        *bits = (*bits << 16_u32.saturating_mul(groups).min(32)) | value;
        *number = number.saturating_add(groups);
        rest = match (after.strip_prefix(b"::"), after.strip_prefix(b":")) {
            (Some(after), _) if behind.is_none() => {
                behind = Some((0, 0));
                after
            }
            (Some(_), _) | (None, Some([])) => return None,
            (None, Some(after)) => after,
            (None, None) => &[],
        };
    }
    match behind {
        None => (count == GROUPS).then(|| Ipv6Addr::from_bits(front)),
        // `::` stands for a group at least.
        Some((low, groups)) => {
            let zeros = GROUPS.checked_sub(count.checked_add(groups)?)?;
            let shift = groups.checked_add(zeros)?.checked_mul(16)?;
            (zeros > 0).then(|| Ipv6Addr::from_bits(front.checked_shl(shift).unwrap_or(0) | low))
        }
    }
}

/// Up to four hexadecimal digits.
fn group(text: &[u8]) -> Option<u128> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    text.iter().try_fold(0, |number: u128, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some((number << 4) | u128::from(digit))
    })
}

/// A number of up to five digits without leading zeros.
pub(crate) fn decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 5 || (text.len() > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    text.iter().try_fold(0, |number: u32, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// A port.
pub(crate) fn port(text: &[u8]) -> Option<u16> {
    u16::try_from(decimal(text)?).ok()
}
