//! What proxies say, against naive readings of the same.

use core::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str,
};
use std::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::address;

fn parse(bytes: &[u8]) -> Result<Parsed, InvalidHeader> {
    Header::parse(bytes)
}

fn done(bytes: &[u8]) -> (Option<(String, String)>, usize) {
    match parse(bytes) {
        Ok(Parsed::Done { header, consumed }) => {
            let ends = header.addresses;
            let ends =
                ends.map(|ends| (format!("{}", ends.source), format!("{}", ends.destination)));
            (ends, consumed)
        }
        other => panic!("{other:?} of {}", bytes.escape_ascii()),
    }
}

fn pair(source: &str, destination: &str) -> Option<(String, String)> {
    Some((source.into(), destination.into()))
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, rest].concat()
}

#[test]
fn version_1_names_the_client_of_either_family() {
    assert_eq!(
        done(b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\nGET"),
        (pair("192.0.2.7:40000", "198.51.100.1:443"), 45)
    );
    assert_eq!(
        done(b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n").0,
        pair("[2001:db8::7]:0", "[::1]:65535")
    );
    for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 what ever\r\n"] {
        assert_eq!(done(line.as_bytes()), (None, line.len()));
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(done(longest.as_bytes()), (None, 107));
}

#[test]
fn version_1_is_strict() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY UNKNOWNX\r\n",
    ] {
        assert_eq!(
            parse(line.as_bytes()),
            Err(InvalidHeader::Malformed),
            "{line}"
        );
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(parse(long.as_bytes()), Err(InvalidHeader::TooLong));
    for other in [
        "GET / HTTP/1.1\r\n",
        "PROXX",
        "proxy ",
        "\r\n\r\nx",
        "\u{16}\u{3}\u{1}",
    ] {
        assert_eq!(
            parse(other.as_bytes()),
            Err(InvalidHeader::Missing),
            "{other}"
        );
    }
}

#[test]
fn version_2_names_the_client_and_skips_what_else_is_told() {
    let four = [192, 0, 2, 7, 198, 51, 100, 1, 0x9C, 0x40, 1, 0xBB];
    let ends = pair("192.0.2.7:40000", "198.51.100.1:443");
    assert_eq!(done(&version_2(0x21, 0x11, &four)), (ends.clone(), 28));
    let more = [&four[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    assert_eq!(
        done(&[version_2(0x21, 0x11, &more), vec![9]].concat()),
        (ends, 34)
    );
    let six: Vec<u8> = [Ipv6Addr::LOCALHOST.octets(), Ipv6Addr::UNSPECIFIED.octets()].concat();
    let six = [&six[..], &[0, 1, 0, 2]].concat();
    assert_eq!(
        done(&version_2(0x21, 0x21, &six)).0,
        pair("[::1]:1", "[::]:2")
    );
}

#[test]
fn version_2_without_an_address_keeps_that_of_the_connection() {
    for bytes in [
        // LOCAL, whatever family and addresses are there.
        version_2(0x20, 0x00, &[]),
        version_2(0x20, 0x11, &[1, 2]),
        version_2(0x20, 0xFF, &[0; 40]),
        version_2(0x21, 0x00, &[1, 2, 3]),
        version_2(0x21, 0x31, &[0; 216]),
    ] {
        assert_eq!(done(&bytes), (None, bytes.len()));
    }
}

#[test]
fn version_2_is_strict_and_bounded() {
    for bytes in [
        version_2(0x11, 0x11, &[0; 12]),
        version_2(0x22, 0x11, &[0; 12]),
        version_2(0x21, 0x12, &[0; 12]),
        version_2(0x21, 0x41, &[0; 12]),
        version_2(0x21, 0x11, &[0; 11]),
        version_2(0x21, 0x21, &[0; 35]),
        version_2(0x21, 0x31, &[0; 215]),
    ] {
        assert_eq!(parse(&bytes), Err(InvalidHeader::Malformed), "{bytes:?}");
    }
    assert_eq!(done(&version_2(0x20, 0, &[0; 2048])).1, MAX_HEADER);
    // Before any of it has come.
    let head = version_2(0x20, 0, &[0; 2049]);
    assert_eq!(parse(&head[..16]), Err(InvalidHeader::TooLong));
}

/// Version 1 with the standard library's words and addresses.
fn naive_line(bytes: &[u8]) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let text = str::from_utf8(bytes.get(..bytes.len().min(107))?).ok()?;
    let (line, _) = text.split_once("\r\n")?;
    let words: Vec<_> = line.strip_prefix("PROXY ")?.split(' ').collect();
    let address = |ip: &str, port: &str| -> Option<SocketAddr> {
        let number: u16 = port.parse().ok()?;
        (number.to_string() == port).then_some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, number))
    };
    match *words {
        ["UNKNOWN", ..] => Some(None),
        [family @ ("TCP4" | "TCP6"), source, destination, from, to] => {
            let ends = (address(source, from)?, address(destination, to)?);
            let fits = |end: SocketAddr| end.is_ipv4() == (family == "TCP4");
            (fits(ends.0) && fits(ends.1)).then_some(Some(ends))
        }
        _ => None,
    }
}

fn almost_a_line() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("TCP4".to_owned()),
        Just("TCP6".to_owned()),
        Just("UNKNOWN".to_owned()),
        any::<[u8; 4]>().prop_map(|ip| IpAddr::from(ip).to_string()),
        any::<[u16; 8]>().prop_map(|ip| IpAddr::from(ip).to_string()),
        any::<u16>().prop_map(|port| port.to_string()),
        Just(String::new()),
        Just("x".to_owned()),
    ];
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")];
    let free = (prop::collection::vec(word, 0..7), end.clone());
    let free = free.prop_map(|(words, end)| format!("PROXY {}{end}", words.join(" ")));
    let right = (
        any::<[u8; 4]>(),
        any::<[u16; 8]>(),
        any::<(u16, u16)>(),
        any::<bool>(),
        end,
    );
    let right = right.prop_map(|(v4, v6, (from, to), is_4, end)| {
        let (family, ip) = if is_4 {
            ("TCP4", IpAddr::from(v4))
        } else {
            ("TCP6", IpAddr::from(v6))
        };
        format!("PROXY {family} {ip} {ip} {from} {to}{end}")
    });
    prop_oneof![free, right].prop_map(String::into_bytes)
}

fn almost_binary() -> impl Strategy<Value = Vec<u8>> {
    let command = prop::sample::select(vec![0x20, 0x21, 0x21, 0x22, 0x11]);
    let family = prop::sample::select(vec![0x00, 0x11, 0x11, 0x12, 0x21, 0x31, 0x40]);
    let len = prop::sample::select(vec![0, 11, 12, 13, 36, 216, 2049]);
    let rest = len.prop_flat_map(|len| prop::collection::vec(any::<u8>(), len));
    (command, family, rest).prop_map(|(command, family, rest)| version_2(command, family, &rest))
}

proptest! {
    #[test]
    fn version_1_is_read_as_the_standard_library_would(bytes in almost_a_line()) {
        let read = match parse(&bytes) {
            Ok(Parsed::Done { header, .. }) => {
                Some(header.addresses.map(|ends| (ends.source, ends.destination)))
            }
            Ok(Parsed::NeedMore) | Err(_) => None,
        };
        prop_assert_eq!(read, naive_line(&bytes));
    }

    #[test]
    fn more_bytes_change_no_verdict_and_end_every_doubt(
        bytes in prop_oneof![almost_a_line(), almost_binary(), prop::collection::vec(any::<u8>(), 0..40)],
        behind in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let whole = [&bytes[..], &behind].concat();
        let verdict = parse(&whole);
        for cut in 0..whole.len() {
            let early = parse(&whole[..cut]);
            prop_assert!(early == Ok(Parsed::NeedMore) || early == verdict, "{} {:?} {:?}", cut, early, verdict);
            if let Ok(Parsed::Done { consumed, .. }) = early {
                prop_assert!(consumed <= cut);
            }
        }
        let full = [&whole[..], &[0; MAX_HEADER]].concat();
        prop_assert_ne!(parse(&full), Ok(Parsed::NeedMore));
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_does(
        text in prop_oneof!["[0-9a-f:.]{0,40}", "[0-9.]{5,15}", "([0-9a-f]{1,4}:){0,8}(:[0-9a-f]{1,4}){0,8}",
            "([0-9a-f]{1,4}:){0,6}:?[0-9]{1,3}(\\.[0-9]{1,3}){3}"],
        some in any::<[u16; 8]>(), zeros in any::<u8>(),
    ) {
        prop_assert_eq!(address::ip(text.as_bytes()), text.parse::<IpAddr>().ok(), "{}", text);
        let mut groups = some;
        for (at, group) in groups.iter_mut().enumerate() {
            if zeros & (1 << at) > 0 {
                *group = 0;
            }
        }
        let text = Ipv6Addr::from(groups).to_string();
        prop_assert_eq!(address::ip(text.as_bytes()), text.parse::<IpAddr>().ok(), "{}", text);
    }

    #[test]
    fn a_network_has_the_addresses_with_its_first_bits(base in any::<u32>(), other in any::<u32>(), prefix in 0_u32..=32) {
        let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) };
        let base = base & mask;
        let text = format!("{}/{prefix}", core::net::Ipv4Addr::from_bits(base));
        let network = Network::parse(&text).unwrap();
        prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
        // One that is near, and one that is not.
        for other in [other, base | (other & !mask)] {
            let address = core::net::Ipv4Addr::from_bits(other);
            let is_in = other & mask == base;
            prop_assert_eq!(network.contains(address.into()), is_in);
            prop_assert_eq!(network.contains(address.to_ipv6_mapped().into()), is_in);
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in "[\\PC,;=\"\\\\\\[\\]:._0-9]{0,60}", field in prop::sample::select(vec![Field::Forwarded, Field::XForwardedFor])) {
        let _ = client(field, [bytes.as_bytes()].into_iter(), |_| false);
        let _ = Network::parse(&bytes);
    }
}

#[test]
fn networks_are_what_they_say() {
    let contains = |network: &str, address: &str| {
        Network::parse(network)
            .unwrap()
            .contains(address.parse().unwrap())
    };
    assert!(contains("127.0.0.1", "127.0.0.1"));
    assert!(!contains("127.0.0.1", "127.0.0.2"));
    assert!(contains("10.0.0.0/8", "10.255.0.1"));
    assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert!(!contains("10.0.0.0/8", "11.0.0.0"));
    assert!(contains("0.0.0.0/0", "203.0.113.9"));
    assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    assert!(contains("::/0", "2001:db8::1"));
    assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
    assert!(!contains("2001:db8::/32", "2001:db9::1"));
    assert!(contains("::ffff:10.0.0.0/104", "::ffff:10.1.2.3"));
    for text in [
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::1/129",
        "::1/64",
        "10.0.0.0/8/8",
        "[::1]",
        "localhost",
        "10.0.0.0/08",
        " 10.0.0.1",
    ] {
        assert_eq!(Network::parse(text), Err(BadNetwork), "{text}");
    }
}

fn find(field: Field, values: &[&str]) -> Result<Option<String>, BadForwarding> {
    let trusted = |ip: IpAddr| ip.to_string().starts_with("10.");
    let values = values.iter().map(|value| value.as_bytes());
    client(field, values, trusted).map(|client| client.map(|client| client.to_string()))
}

#[test]
fn the_client_is_the_last_address_that_is_not_trusted() {
    for (values, expected) in [
        (&["192.0.2.1"][..], "192.0.2.1:0"),
        (&["6.6.6.6, 192.0.2.1"], "192.0.2.1:0"),
        (&["6.6.6.6, 192.0.2.1, 10.0.0.1 ,10.0.0.2"], "192.0.2.1:0"),
        (&["6.6.6.6", "192.0.2.1", "10.0.0.1"], "192.0.2.1:0"),
        (&["10.0.0.1, 10.0.0.2"], "10.0.0.1:0"),
        (&["unknown, 192.0.2.1:99"], "192.0.2.1:99"),
        (&["2001:db8::1"], "[2001:db8::1]:0"),
        (&["[2001:db8::1]:99"], "[2001:db8::1]:99"),
        (&[",, 192.0.2.1 ,"], "192.0.2.1:0"),
    ] {
        assert_eq!(
            find(Field::XForwardedFor, values),
            Ok(Some(expected.into())),
            "{values:?}"
        );
    }
    for (values, expected) in [
        (&["for=192.0.2.1"][..], "192.0.2.1:0"),
        (&["For=\"192.0.2.1:47011\""], "192.0.2.1:47011"),
        (
            &["for=\"[2001:db8:cafe::17]:4711\";proto=https"],
            "[2001:db8:cafe::17]:4711",
        ),
        (
            &["for=6.6.6.6, for=192.0.2.1;by=10.0.0.9;host=\"a,b;c\", for=10.0.0.1"],
            "192.0.2.1:0",
        ),
        (&["for=6.6.6.6", "proto=http;for=192.0.2.1"], "192.0.2.1:0"),
        (&["for=\"1\\92.0.2.1\""], "192.0.2.1:0"),
        (&["for=\"192.0.2.1:_x\""], "192.0.2.1:0"),
        (&["for=unknown, for=_hidden, for=192.0.2.1"], "192.0.2.1:0"),
        (&["for=10.0.0.1;;by=_x"], "10.0.0.1:0"),
    ] {
        assert_eq!(
            find(Field::Forwarded, values),
            Ok(Some(expected.into())),
            "{values:?}"
        );
    }
    for field in [Field::Forwarded, Field::XForwardedFor] {
        for empty in [&[][..], &[""], &[" , "]] {
            assert_eq!(find(field, empty), Ok(None));
        }
    }
}

#[test]
fn what_names_no_client_is_refused() {
    for (field, values) in [
        (Field::XForwardedFor, &["unknown"][..]),
        (Field::XForwardedFor, &["192.0.2.1, _hidden, 10.0.0.1"]),
        (Field::Forwarded, &["for=unknown"]),
        (Field::Forwarded, &["for=192.0.2.1, proto=https"]),
        (
            Field::Forwarded,
            &["for=192.0.2.1, for=\"_x:_y\", for=10.0.0.1"],
        ),
    ] {
        assert_eq!(
            find(field, values),
            Err(BadForwarding::NoAddress),
            "{values:?}"
        );
    }
    for value in [
        "192.0.2",
        "192.0.2.1 192.0.2.2",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "[::1",
        "[::1]x",
        "[192.0.2.1]",
        "192.0.2.1;",
        "\"192.0.2.1\"",
        "example.com",
        "x, 192.0.2.1",
    ] {
        assert_eq!(
            find(Field::XForwardedFor, &[value]),
            Err(BadForwarding::Malformed),
            "{value}"
        );
    }
    let long = format!("for=\"{}\"", "1".repeat(100));
    for value in [
        "192.0.2.1",
        "for",
        "for=",
        "for=[::1]",
        "for=\"[::1]",
        "for=\"::1\\",
        "for=192.0.2.1;for=192.0.2.2",
        "for = 192.0.2.1",
        "for=192.0.2.1 by=x",
        "=x",
        "for=\"a\u{1}\"",
        "for=\"192.0.2.1\"x",
        &long,
    ] {
        assert_eq!(
            find(Field::Forwarded, &[value]),
            Err(BadForwarding::Malformed),
            "{value}"
        );
    }
}
