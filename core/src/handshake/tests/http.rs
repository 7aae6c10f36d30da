use super::super::http::{Cut, Scanner, Stop, Writer, host, token};
use super::*;

/// The naive twin of [`Scanner`]: looks at everything, every time.
fn scan(bytes: &[u8], limit: usize) -> Option<(usize, Stop)> {
    let bytes = &bytes[..bytes.len().min(limit)];
    for feed in (0..bytes.len()).filter(|at| bytes[*at] == b'\n') {
        let before = &bytes[..feed];
        if !before.ends_with(b"\r") {
            return Some((feed, Stop::BareLineFeed));
        }
        let mut lines = before;
        while let Some(rest) = lines.strip_prefix(b"\r\n") {
            lines = rest;
        }
        if before.ends_with(b"\r\n\r") && lines != b"\r" {
            return Some((feed + 1, Stop::End));
        }
    }
    (bytes.len() == limit).then_some((limit, Stop::Limit))
}

proptest! {
    #[test]
    fn the_scanner_finds_what_its_naive_twin_finds(
        bytes in "(\r\n)?(\r\n)?([ab]{0,3}(\r\n|\r\n|\r\n|\r\n|\r|\n)){0,8}a?",
        limit in 1..40_usize,
        cuts in cuts(),
    ) {
        let bytes = bytes.as_bytes();
        let mut scanner = Scanner::new();
        let mut cuts = at(&cuts, bytes);
        cuts.sort_unstable();
        cuts.push(bytes.len());
        for cut in cuts {
            let received = &bytes[..cut];
            let found = scanner.advance(received, limit).filter(|cut| cut.stop != Stop::Probe);
            let expected = scan(received, limit).map(|(end, stop)| Cut { bytes: &bytes[..end], stop });
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_trickled_head_is_parsed_once_for_each_doubling_and_not_for_each_byte() {
    let limit = Limits::DEFAULT.head_bytes;
    let head = vec![b'a'; limit];
    let mut scanner = Scanner::new();
    let (mut parses, mut work) = (0, 0);
    for end in 1..=limit {
        if let Some(cut) = scanner.advance(&head[..end], limit) {
            parses += 1;
            work += cut.bytes.len();
            scanner.probed(end);
        }
    }
    // One each for 1, 2, 4 … 8192 bytes; their sum stays below twice the last.
    assert_eq!(parses, 14);
    assert!(work < 2 * limit, "{work} bytes were parsed");
}

#[test]
fn what_was_scanned_is_not_scanned_again() {
    let mut scanner = Scanner::new();
    assert!(scanner.advance(b"GET / HTTP/1.1", 100).is_some());
    scanner.probed(14);
    // An end of head where it has already looked would be found only by looking again.
    assert_eq!(scanner.advance(b"a\r\n\r\n / HTTP/1.1", 100), None);
}

#[test]
fn fewer_bytes_than_before_are_a_new_stream() {
    let mut scanner = Scanner::new();
    assert!(scanner.advance(b"GET / HTTP/1.1\r\nHost", 100).is_some());
    let bytes = b"a\r\n\r\n";
    let stop = Stop::End;
    assert_eq!(scanner.advance(bytes, 100), Some(Cut { bytes, stop }));
}

proptest! {
    #[test]
    fn a_writer_gives_everything_or_says_how_much_room_it_needs(
        parts in prop::collection::vec("[a-z]{0,9}", 0..6),
        room in 0..50_usize,
    ) {
        let mut out = vec![0; room];
        let mut writer = Writer::new(&mut out);
        parts.iter().for_each(|part| writer.text(part));
        let all = parts.concat();
        let expected = if all.len() <= room {
            Ok(all.as_bytes())
        } else {
            Err(WriteError::BufferTooSmall { needed: all.len() })
        };
        prop_assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn a_token_has_no_separators_and_no_controls(bytes in prop::collection::vec(any::<u8>(), 0..4)) {
        // RFC 2616, section 2.2, word by word.
        let separators = b"()<>@,;:\\\"/[]?={} \t";
        let is_char = |byte: &u8| (32..127).contains(byte) && !separators.contains(byte);
        let expected = !bytes.is_empty() && bytes.iter().all(is_char);
        prop_assert_eq!(token(&bytes).is_some(), expected);
    }
}

#[test]
fn every_single_byte_is_a_token_or_not_as_rfc_9110_lists_them() {
    let list = b"!#$%&'*+-.^_`|~";
    for byte in 0..=u8::MAX {
        let expected = list.contains(&byte) || byte.is_ascii_alphanumeric();
        assert_eq!(token(&[byte]).is_some(), expected, "{byte}");
    }
}

#[test]
fn hosts_are_told_from_other_text() {
    for good in [
        "a",
        "example.com",
        "example.com:8000",
        "127.0.0.1:80",
        "[::1]:8000",
        "a_b",
        "%C3%A9",
    ] {
        assert_eq!(host(good.as_bytes()), Some(good));
    }
    for bad in [
        "",
        "a b",
        "a/b",
        "user@host",
        "a\tb",
        "a#b",
        "a?b",
        "é",
        "a\\b",
        "a\"b",
    ] {
        assert_eq!(host(bad.as_bytes()), None, "{bad}");
    }
}
