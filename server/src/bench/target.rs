//! Which server is meant.

use core::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use campanile_core::client::{BadUrl, Url};

/// Where to connect and what to ask for.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) address: SocketAddr,
}

impl Target {
    /// Reads a `ws://` or `wss://` address and looks its host up; the error is a line for a person.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |reason: &dyn Display| format!("{url}: {reason}");
        let parsed: Url = url.parse().map_err(|bad: BadUrl| wrong(&bad))?;
        let address = (parsed.name(), parsed.port())
            .to_socket_addrs()
            .map_err(|error| {
                wrong(&format_args!(
                    "the host cannot be looked up: {error}; check its name and the port"
                ))
            })?
            .next()
            .ok_or_else(|| wrong(&"the host has no address; check its name"))?;
        Ok(Self {
            url: parsed,
            address,
        })
    }

    /// Whether there are further addresses to connect from: all of 127.0.0.0/8 is this machine.
    pub(crate) const fn is_loopback(&self) -> bool {
        match self.address.ip() {
            IpAddr::V4(address) => matches!(address.octets(), [127, ..]),
            IpAddr::V6(_) => false,
        }
    }
}

/// The `number`-th address to connect from.
pub(crate) fn source(number: u16) -> Ipv4Addr {
    // 127.0.0.0 is none, and 127.255.255.255 is far away.
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_to_connect_and_what_to_ask_for() {
        for (url, host, path, address) in [
            ("ws://127.0.0.1", "127.0.0.1", "/", "127.0.0.1:80"),
            (
                "WS://127.0.0.1:9/a?b=c:d",
                "127.0.0.1:9",
                "/a?b=c:d",
                "127.0.0.1:9",
            ),
            ("ws://127.0.0.1:9?b", "127.0.0.1:9", "/?b", "127.0.0.1:9"),
            ("ws://[::1]", "[::1]", "/", "[::1]:80"),
            ("ws://[::1]:9/", "[::1]:9", "/", "[::1]:9"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(
                (target.url.host(), target.url.resource()),
                (host, path),
                "{url}"
            );
            assert_eq!(target.address, address.parse().unwrap(), "{url}");
        }
    }

    #[test]
    fn what_is_no_ws_address_is_refused_by_name() {
        for url in [
            "",
            "127.0.0.1:9",
            "http://127.0.0.1/",
            "ws://",
            "ws:///path",
            "ws://me@127.0.0.1/",
            "ws://127.0.0.1/#part",
            "ws://127.0.0.1:port/",
            "ws://127.0.0.1:65536/",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(error.starts_with(&format!("{url}: ")), "{error}");
        }
    }

    #[test]
    fn sources_are_addresses_of_this_machine() {
        assert_eq!(source(0), Ipv4Addr::LOCALHOST);
        assert_eq!(source(1), Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(source(300), Ipv4Addr::new(127, 0, 1, 45));
        assert!(source(u16::MAX).is_loopback());
    }
}
