//! Which pages may open a connection, by their origins (RFC 6455, section 10.2; RFC 6454).

use core::{fmt, net::Ipv6Addr};

use crate::address;

/// The origin of a page: scheme, host and port.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    scheme: &'a str,
    host: Host<'a>,
    /// That of the scheme, if none is named and it has one.
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    Name(&'a str),
    V6(Ipv6Addr),
}

impl<'a> Origin<'a> {
    /// The origin that an `Origin` field has, as browsers write it (RFC 6454, section 6.1). `None` for
    /// `null`, the origin of a page that has none of its own, and for whatever is no origin.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, host, port) = split(text)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(address) => Host::V6(address::v6(address.as_bytes())?),
            None => Host::Name(host).checked()?,
        };
        Some(Self { scheme, host, port })
    }
}

/// Origins are the same when scheme, host and port are, without regard to case and to how an IPv6 address
/// is written; a port that is not named is that of the scheme.
impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same_host = match (self.host, other.host) {
            (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            (Host::V6(one), Host::V6(other)) => one == other,
            (Host::Name(_), Host::V6(_)) | (Host::V6(_), Host::Name(_)) => false,
        };
        same_host && self.scheme.eq_ignore_ascii_case(other.scheme) && self.port == other.port
    }
}

impl Eq for Origin<'_> {}

impl Host<'_> {
    /// Itself, if it is made of labels of letters, digits, `-` and `_`.
    fn checked(self) -> Option<Self> {
        match self {
            Self::Name(name) => is_name(name).then_some(self),
            Self::V6(_) => Some(self),
        }
    }
}

/// Origins that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginPattern<'a> {
    /// `*`: every origin but `null`.
    Any,
    /// `null`: that of pages without one of their own, such as files and sandboxed frames; anybody can
    /// make such a page.
    Null,
    /// `https://app.example.com`: this one.
    Exact(Origin<'a>),
    /// `https://*.example.com`: those whose host has one or more labels before this one, which is not
    /// among them.
    Below(Origin<'a>),
}

impl<'a> OriginPattern<'a> {
    /// The pattern of this text.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &'a str) -> Result<Self, BadPattern> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        if let Some(origin) = Origin::parse(text) {
            return Ok(Self::Exact(origin));
        }
        let (scheme, host, port) = split(text).ok_or(BadPattern)?;
        let name = host.strip_prefix("*.").ok_or(BadPattern)?;
        // Nothing is below a number of an address.
        let last = name.as_bytes().rsplit(|byte| *byte == b'.').next();
        if last.unwrap_or_default().iter().all(u8::is_ascii_digit) {
            return Err(BadPattern);
        }
        let host = Host::Name(name).checked().ok_or(BadPattern)?;
        Ok(Self::Below(Origin { scheme, host, port }))
    }

    /// Whether it allows the origin that an `Origin` field has. What is neither an origin nor `null` is
    /// allowed by no pattern.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        if origin == "null" {
            return *self == Self::Null;
        }
        let Some(origin) = Origin::parse(origin) else {
            return false;
        };
        match self {
            Self::Any => true,
            Self::Null => false,
            Self::Exact(own) => *own == origin,
            Self::Below(own) => {
                let (Host::Name(own_name), Host::Name(name)) = (own.host, origin.host) else {
                    return false;
                };
                let above = name.len().checked_sub(own_name.len());
                let parts = above.and_then(|at| name.split_at_checked(at));
                // A name has no empty label, so one that ends with a dot has a label before it.
                parts.is_some_and(|(labels, suffix)| {
                    labels.ends_with('.')
                        && Origin {
                            host: Host::Name(suffix),
                            ..origin
                        } == *own
                })
            }
        }
    }
}

/// A text that is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPattern;

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an origin, such as https://app.example.com, https://*.example.com or \
             http://localhost:3000, and neither null nor *; an origin has no path and no slash at its end",
        )
    }
}

impl core::error::Error for BadPattern {}

/// Scheme, host and port, none of them looked at closely but the scheme and the port.
fn split(text: &str) -> Option<(&str, &str, Option<u16>)> {
    let colon = text.bytes().position(|byte| byte == b':')?;
    let (scheme, rest) = text.split_at_checked(colon)?;
    let authority = rest.strip_prefix("://")?;
    let begins = scheme
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    // RFC 3986, section 3.1.
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !begins || !scheme.bytes().all(goes_on) {
        return None;
    }
    // The colons in brackets are those of an address.
    let host = authority.bytes().position(|byte| byte == b']').unwrap_or(0);
    let behind = authority.bytes().skip(host).position(|byte| byte == b':');
    let at = behind.map_or(authority.len(), |at| host.saturating_add(at));
    let (host, port) = authority.split_at_checked(at)?;
    let port = match port.strip_prefix(':') {
        None => default_port(scheme),
        Some(digits) => Some(address::port(digits.as_bytes())?),
    };
    Some((scheme, host, port))
}

fn default_port(scheme: &str) -> Option<u16> {
    let known = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443)];
    let found = known
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(scheme));
    found.map(|(_, port)| *port)
}

fn is_name(name: &str) -> bool {
    name.as_bytes().split(|byte| *byte == b'.').all(|label| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.iter().all(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{format, string::String, vec::Vec};

    fn allows(pattern: &str, origin: &str) -> bool {
        OriginPattern::parse(pattern).unwrap().allows(origin)
    }

    #[test]
    fn an_exact_pattern_allows_scheme_host_and_port_and_nothing_else() {
        for (pattern, same) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://app.example.com", "https://app.example.com:443"),
            ("https://app.example.com:443", "HTTPS://App.Example.COM"),
            ("http://app.example.com", "http://app.example.com:80"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[0:0::1]:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ] {
            assert!(allows(pattern, same), "{pattern} {same}");
        }
        for (pattern, other) in [
            ("https://app.example.com", "http://app.example.com"),
            ("https://app.example.com", "https://app.example.com:80"),
            (
                "https://app.example.com",
                "https://app.example.com.evil.com",
            ),
            ("https://app.example.com", "https://evil-app.example.com"),
            ("https://app.example.com", "https://x.app.example.com"),
            ("https://app.example.com", "https://app.example.com."),
            ("https://app.example.com", "https://app.example.com/"),
            (
                "https://app.example.com",
                "https://app.example.com@evil.com",
            ),
            (
                "https://app.example.com",
                "https://evil.com#https://app.example.com",
            ),
            (
                "https://app.example.com",
                "https://app.example.com, https://evil.com",
            ),
            ("https://app.example.com", "https://app.example.com:443:443"),
            ("https://app.example.com", "https://app.example.com:+443"),
            ("https://app.example.com", ""),
            ("https://app.example.com", "null"),
            ("https://[::1]", "https://[::2]"),
        ] {
            assert!(!allows(pattern, other), "{pattern} {other}");
        }
    }

    #[test]
    fn a_suffix_pattern_allows_one_or_more_labels_before_it() {
        let pattern = "https://*.example.com";
        for below in ["https://a.example.com", "https://a.b.EXAMPLE.com:443"] {
            assert!(allows(pattern, below), "{below}");
        }
        for other in [
            "https://example.com",
            "https://.example.com",
            "https://a..example.com",
            "https://evil-example.com",
            "https://evilexample.com",
            "https://a.example.com:444",
            "http://a.example.com",
            "https://a.example.com.evil.com",
            "https://*.example.com",
            "https://a/.example.com",
            "https://evil.com?.example.com",
            "https://[::1].example.com",
        ] {
            assert!(!allows(pattern, other), "{other}");
        }
    }

    #[test]
    fn null_and_any_are_only_what_they_say() {
        assert!(allows("*", "https://anything.example:1"));
        assert!(!allows("*", "null"));
        assert!(!allows("*", "no origin"));
        assert!(!allows("*", ""));
        assert!(allows("null", "null"));
        assert!(!allows("null", "https://null"));
        assert!(!allows("null", "NULL"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "example.com",
            "https://",
            "https://example.com/",
            "https://*",
            "https://*.",
            "*.example.com",
            "https://a.*.com",
            "https://*example.com",
            "https://**.example.com",
            "https://*.0.0.1",
            "https://*.[::1]",
            "https://example.com:x",
            "https://example.com:65536",
            "https://example.com:",
            "https://user@example.com",
            "1https://example.com",
            "https://exämple.com",
            "Null",
            "https://a b",
        ] {
            assert_eq!(OriginPattern::parse(text), Err(BadPattern), "{text}");
        }
    }

    /// The same by taking strings apart and comparing them whole.
    fn naive(pattern: &str, origin: &str) -> bool {
        fn normal(text: &str) -> Option<(String, Vec<String>, String)> {
            let text = text.to_ascii_lowercase();
            let (scheme, rest) = text.split_once("://")?;
            let (host, port) = rest.split_once(':').unwrap_or((rest, ""));
            let port = match (port, scheme) {
                ("", "http") => "80",
                ("", "https") => "443",
                (port, _) => port,
            };
            let labels = host.split('.').map(String::from).collect();
            Some((scheme.into(), labels, port.into()))
        }
        let (Some(own), Some(other)) = (normal(pattern), normal(origin)) else {
            return false;
        };
        let labels_match = match own.1.split_first() {
            Some((star, suffix)) if star == "*" => {
                other.1.len() > suffix.len() && other.1.ends_with(suffix)
            }
            _ => own.1 == other.1,
        };
        labels_match && own.0 == other.0 && own.2 == other.2
    }

    fn origin(first: &'static str) -> impl Strategy<Value = String> {
        let label = "a|b|A|com|evil-a|aa";
        let labels = prop::collection::vec(label, 1..4);
        (
            "http|https|HTTP|x",
            first,
            labels,
            prop::option::of("80|443|8080"),
        )
            .prop_map(|(scheme, first, labels, port)| {
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                format!("{scheme}://{first}{}{port}", labels.join("."))
            })
    }

    proptest! {
        #[test]
        fn the_verdict_is_that_of_comparing_label_by_label(pattern in origin("(\\*\\.)?"), other in origin("")) {
            prop_assert_eq!(allows(&pattern, &other), naive(&pattern, &other), "{} {}", pattern, other);
        }

        #[test]
        fn an_origin_is_allowed_by_itself_and_by_what_is_below_its_parent(origin in origin("")) {
            prop_assert!(allows(&origin, &origin));
            let (scheme, rest) = origin.split_once("://").unwrap();
            if let Some((_, parent)) = rest.split_once('.') {
                let pattern = format!("{scheme}://*.{parent}");
                prop_assert!(allows(&pattern, &origin));
            }
        }

        #[test]
        fn no_text_breaks_it(pattern in "\\PC{0,30}", origin in "([a-z]{0,3}://)?[\\[\\]:.*a-z0-9/@\\PC]{0,30}") {
            let _ = OriginPattern::parse(&pattern).map(|pattern| pattern.allows(&origin));
            let _ = OriginPattern::parse(&origin).map(|pattern| pattern.allows(&origin));
        }
    }
}
