//! Ranges of addresses.

use core::{fmt, net::IpAddr};

use crate::address;

/// All addresses that begin alike, in CIDR notation (RFC 4632, section 3.1; RFC 4291, section 2.3):
/// `10.0.0.0/8`, `2001:db8::/32`. An address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of this text. Bits behind the prefix have to be zero, so that nobody trusts more than
    /// they meant.
    ///
    /// # Errors
    /// It is no network.
    pub fn parse(text: &str) -> Result<Self, BadNetwork> {
        let mut parts = text.as_bytes().splitn(2, |byte| *byte == b'/');
        let base = parts.next().and_then(address::ip).ok_or(BadNetwork)?;
        let most: u8 = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match parts.next() {
            None => most,
            Some(digits) => {
                let length = address::decimal(digits).and_then(|length| u8::try_from(length).ok());
                length.filter(|length| *length <= most).ok_or(BadNetwork)?
            }
        };
        let network = Self { base, prefix };
        let (bits, len) = bits(base);
        if masked(bits, len, prefix) != bits {
            return Err(BadNetwork);
        }
        Ok(network)
    }

    /// Whether an address is in it. An IPv4 address is the same when it is written as IPv6
    /// (`::ffff:192.0.2.1`), as the peers of a listener for both are.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, own_len) = bits(self.base);
        let (other, len) = bits(address);
        let exact = own_len == len && masked(other, len, self.prefix) == own;
        let (canonical, len) = bits(address.to_canonical());
        exact || (own_len == len && masked(canonical, len, self.prefix) == own)
    }
}

/// The bits of an address at the top, and how many there are.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The first `prefix` of them.
fn masked(bits: u128, len: u32, prefix: u8) -> u128 {
    let prefix = u32::from(prefix).min(len);
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix));
    bits & mask.unwrap_or(0)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadNetwork;

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an IP address or network, such as 10.0.0.0/8 or 2001:db8::1; bits behind the prefix \
             have to be zero",
        )
    }
}

impl core::error::Error for BadNetwork {}
