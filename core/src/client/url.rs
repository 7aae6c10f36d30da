//! `ws://` and `wss://` addresses (RFC 6455, section 3).

use alloc::{borrow::ToOwned as _, format, string::String};
use core::{fmt, str::FromStr};

/// The port of `ws` without one.
const DEFAULT_PORT: u16 = 80;

/// The port of `wss` without one.
const DEFAULT_TLS_PORT: u16 = 443;

/// Where to connect and what to ask for: `ws://HOST[:PORT][/PATH][?QUERY]`, or with TLS
/// `wss://HOST[:PORT][/PATH][?QUERY]`. An address of IPv6 is in brackets: `ws://[::1]:8000`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    is_secure: bool,
    host: String,
    name: String,
    port: u16,
    resource: String,
}

/// Why a text is no `ws://` or `wss://` address that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadUrl {
    /// It begins neither with `ws://` nor with `wss://`.
    Scheme,
    /// It begins with `wss://`, and the runtime was built without TLS.
    Tls,
    /// There is a `#`, which RFC 6455, section 3 forbids.
    Fragment,
    /// There is a user, which the scheme does not have.
    User,
    /// The host is missing, or an address of IPv6 is not in brackets.
    Host,
    /// The port is no number up to 65535.
    Port,
}

impl FromStr for Url {
    type Err = BadUrl;

    /// Characters are left to the opening handshake, which checks them.
    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let is_secure = scheme.eq_ignore_ascii_case("wss");
        if !is_secure && !scheme.eq_ignore_ascii_case("ws") {
            return Err(BadUrl::Scheme);
        }
        if rest.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let (host, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if host.contains('@') {
            return Err(BadUrl::User);
        }
        // An address of IPv6 has colons itself and is in brackets (RFC 3986, section 3.2.2).
        let (name, port) = if let Some(rest) = host.strip_prefix('[') {
            rest.split_once(']').ok_or(BadUrl::Host)?
        } else {
            host.split_at(host.find(':').unwrap_or(host.len()))
        };
        if name.is_empty() {
            return Err(BadUrl::Host);
        }
        let port = match port.strip_prefix(':') {
            // `parse` would take a sign as well.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| BadUrl::Port)?
            }
            None if port.is_empty() && is_secure => DEFAULT_TLS_PORT,
            None if port.is_empty() => DEFAULT_PORT,
            Some(_) | None => return Err(BadUrl::Port),
        };
        let slash = if resource.starts_with('/') { "" } else { "/" };
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            name: name.to_owned(),
            port,
            resource: format!("{slash}{resource}"),
        })
    }
}

impl Url {
    /// Whether it is a `wss://` address: the connection is to have TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The host and, where it was given, the port, for the Host header.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host's name or address, without brackets, for connecting.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port; where none was given 80, or 443 with TLS.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path and the query. It begins with `/`.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }
}

impl fmt::Debug for Url {
    /// Leaves out the path and the query, where there may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}/..", self.host)
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "this is no WebSocket address; write it as ws://HOST:PORT/PATH or wss://HOST:PORT/PATH",
            Self::Tls => {
                "wss:// needs TLS, which this program was built without; build it with the feature \
                 `tls`, or use ws://"
            }
            Self::Fragment => "a WebSocket address has no `#fragment`; leave it out, or write %23",
            Self::User => "credentials have no place in the address; leave them out",
            Self::Host => "the host is missing; write ws://HOST:PORT/PATH, and IPv6 as ws://[::1]",
            Self::Port => "the port is not a number up to 65535; write ws://HOST:PORT/PATH",
        })
    }
}

impl core::error::Error for BadUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_to_connect_and_what_to_ask_for() {
        for (text, host, name, port, resource) in [
            ("ws://a", "a", "a", 80, "/"),
            ("WS://a.example/", "a.example", "a.example", 80, "/"),
            (
                "ws://a:9001/b/c?d=e&f=/",
                "a:9001",
                "a",
                9001,
                "/b/c?d=e&f=/",
            ),
            ("ws://a?d=e:f", "a", "a", 80, "/?d=e:f"),
            (
                "ws://127.0.0.1:65535//",
                "127.0.0.1:65535",
                "127.0.0.1",
                65535,
                "//",
            ),
            ("ws://[::1]:8000/x", "[::1]:8000", "::1", 8000, "/x"),
            ("ws://[fe80::1]", "[fe80::1]", "fe80::1", 80, "/"),
            ("ws://a/@:x", "a", "a", 80, "/@:x"),
            ("wss://a", "a", "a", 443, "/"),
            ("WSS://[::1]/x", "[::1]", "::1", 443, "/x"),
            ("wss://a:80", "a:80", "a", 80, "/"),
        ] {
            let url = text.parse::<Url>().unwrap();
            assert_eq!(
                (url.host(), url.name(), url.port(), url.resource()),
                (host, name, port, resource),
                "{text}"
            );
            assert_eq!(
                url.is_secure(),
                text.to_lowercase().starts_with("wss:"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_ws_address_is_refused_with_the_reason() {
        for (text, bad) in [
            ("", BadUrl::Scheme),
            ("a:9001", BadUrl::Scheme),
            ("http://a", BadUrl::Scheme),
            (" ws://a", BadUrl::Scheme),
            ("wsss://a", BadUrl::Scheme),
            ("wss://", BadUrl::Host),
            ("ws://a/#b", BadUrl::Fragment),
            ("ws://b:c@a/", BadUrl::User),
            ("ws://", BadUrl::Host),
            ("ws:///a", BadUrl::Host),
            ("ws://:80", BadUrl::Host),
            ("ws://[]", BadUrl::Host),
            ("ws://[::1", BadUrl::Host),
            ("ws://a:", BadUrl::Port),
            ("ws://a:b", BadUrl::Port),
            ("ws://a:+80", BadUrl::Port),
            ("ws://a:65536", BadUrl::Port),
            ("ws://::1", BadUrl::Host),
            ("ws://a:1:2", BadUrl::Port),
            ("ws://[::1]80", BadUrl::Port),
        ] {
            assert_eq!(text.parse::<Url>(), Err(bad), "{text}");
        }
    }
}
