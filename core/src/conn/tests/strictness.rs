//! Every rule that a peer can break has its row in `docs/strictness.md`, and the row is true.

use std::{format, fs, path::Path, string::ToString};

use super::{
    vectors::{Vector, expected, vectors},
    *,
};
use crate::handshake::{
    BadRequest, BadResponse, DEFAULT_HEADERS, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME, Limits,
    MAX_SUBPROTOCOLS,
};

const DOCUMENT: &str = include_str!("../../../../docs/strictness.md");

/// Where the tests are that rows name, counted from the root of the repository.
const SOURCES: [&str; 10] = [
    "core/src/conn/tests/behaviour.rs",
    "core/src/conn/tests/deflating.rs",
    "core/src/conn/tests/timing.rs",
    "core/src/conn/tests/vectors/mod.rs",
    "core/src/deflate/tests/inflating.rs",
    "core/src/deflate/tests/negotiation.rs",
    "core/src/handshake/tests/client.rs",
    "core/src/handshake/tests/server.rs",
    "tests/it/bad_handshake.rs",
    "tests/streams/opening.rs",
];

/// Lists an enum's variants, and does not compile when one is missing.
macro_rules! variants {
    (
        $all:ident: $type:ty, $enum:ident,
        $([elsewhere: $(#[$attribute:meta])* $other:ident])?
        $($name:ident $({ $($field:tt)* })?)*
    ) => {
        pub(super) const $all: &[$type] = &[$($enum::$name $({ $($field)* })?),*];
        const _: fn($type) = |one| match one {
            $($enum::$name { .. } => {})*
            $($(#[$attribute])* $enum::$other { .. } => {})?
        };
    };
}

variants! {
    VIOLATIONS: Violation, Violation,
    [elsewhere: #[cfg(feature = "deflate")] Deflate]
    ReservedBits ReservedOpcode FragmentedControl OversizedControl Unmasked Masked
    NonMinimalLength LengthTooLarge UnexpectedContinuation InterleavedMessage InvalidUtf8
    TruncatedCloseCode InvalidCloseCode InvalidCloseReason MessageTooBig TooManyFragments
    ControlFlood
}

variants! {
    BAD_REQUESTS: BadRequest, BadRequest,
    NotHttp MalformedHeader BareLineFeed HeadTooLarge { limit: 1 } TooManyHeaders { limit: 1 }
    HttpVersion Http10 Host NotUpgrade NotUpgradeHead Method Connection Body Target Version Key
    Origin Authorization Subprotocols Extensions
}

variants! {
    BAD_RESPONSES: BadResponse<'static>, BadResponse,
    NotHttp BareLineFeed HeadTooLarge { limit: 1 } TooManyHeaders { limit: 1 }
    Redirect { status: 301, location: None } Unauthorized { challenge: None }
    UpgradeRequired { versions: None } Busy { status: 503, retry_after: None } Status { 0: 500 } HttpVersion Upgrade Connection Accept
    RepeatedSubprotocol UnsolicitedSubprotocol MalformedExtensions UnsolicitedExtension
}

/// The rows of the one table whose head has this cell, as cells.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let is_row = |line: &&str| line.starts_with('|');
    let cells = |line: &'static str| {
        let inner = line.trim_matches('|').split(" | ");
        inner.map(str::trim).collect::<Vec<_>>()
    };
    let mut lines = DOCUMENT.lines();
    let head = lines
        .by_ref()
        .find(|line| is_row(line) && cells(line).contains(&head))
        .expect(head);
    let rows: Vec<_> = lines.take_while(is_row).skip(1).map(cells).collect();
    for row in &rows {
        assert_eq!(row.len(), cells(head).len(), "{row:?}");
    }
    rows
}

/// Checks that these are just the variants with these names, in any order, and answers the row of
/// each.
fn row_of<T: core::fmt::Debug>(
    rows: &[Vec<&'static str>],
    column: usize,
    all: &[T],
) -> Vec<Vec<&'static str>> {
    assert_eq!(rows.len(), all.len(), "one row for each");
    let row = |one: &T| {
        let name = format!("`{}`", variant(one));
        let row = rows.iter().find(|row| row[column] == name);
        row.expect("a row for each variant").clone()
    };
    all.iter().map(row).collect()
}

/// The name of a variant.
fn variant(one: &impl core::fmt::Debug) -> String {
    let text = format!("{one:?}");
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_string()
}

/// The text of the test with this name.
fn body_of(name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    SOURCES.iter().find_map(|path| {
        let source = fs::read_to_string(root.join(path)).expect(path);
        // The second is run on each runtime, by a list that names it.
        let own = format!("#[test]\nfn {name}() {{\n");
        let shared = format!("\nfn {name}<R: Runtime>() {{\n");
        let is_listed = || source.contains(&format!("\n    {name}\n"));
        let (_, after) = source
            .split_once(&own)
            .or_else(|| source.split_once(&shared).filter(|_| is_listed()))?;
        let (body, _) = after.split_once("\n}\n")?;
        Some(body.to_string())
    })
}

/// The names of tests in a cell.
fn tests(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(", ").map(|name| name.trim_matches('`'))
}

#[test]
fn every_violation_has_a_row_with_its_code_and_vectors_of_each_role() {
    let vectors = vectors();
    let named = |name: &str| -> &Vector {
        let named = vectors.iter().find(|vector| vector.name == name);
        named.expect(name)
    };
    for (violation, row) in VIOLATIONS
        .iter()
        .zip(row_of(&rows("`Violation`"), 2, VIOLATIONS))
    {
        assert_eq!(row[3], violation.close_code().to_string(), "{violation:?}");
        let proofs: Vec<&Vector> = row[6].split("; ").map(named).collect();
        for proof in &proofs {
            let fails = expected(proof, proof.server).fails;
            let code = violation.close_code().get();
            assert_eq!(fails, Some((*violation, code)), "{}", proof.name);
        }
        let heard = |by: &str| by == "yes";
        assert_eq!(heard(row[4]), proofs.iter().any(|proof| proof.server));
        assert_eq!(heard(row[5]), proofs.iter().any(|proof| proof.client));
    }
}

#[test]
fn every_bad_request_has_a_row_with_its_status_and_a_test_that_provokes_it() {
    for (refusal, row) in BAD_REQUESTS
        .iter()
        .zip(row_of(&rows("`BadRequest`"), 2, BAD_REQUESTS))
    {
        assert_eq!(row[3], refusal.status().to_string(), "{refusal:?}");
        provoked(row[4], "BadRequest", &variant(refusal));
    }
}

#[test]
fn every_bad_response_has_a_row_and_a_test_that_provokes_it() {
    for (refusal, row) in BAD_RESPONSES
        .iter()
        .zip(row_of(&rows("`BadResponse`"), 2, BAD_RESPONSES))
    {
        provoked(row[3], "BadResponse", &variant(refusal));
    }
}

/// Checks that the tests in a cell are there and name the variant.
fn provoked(cell: &str, owner: &str, variant: &str) {
    for test in tests(cell) {
        let body = body_of(test).expect(test);
        let named = format!("{owner}::{variant}");
        let mut places = body.match_indices(&named);
        let is_whole = |(at, found): (usize, &str)| {
            let next = body[at + found.len()..].chars().next();
            !next.is_some_and(char::is_alphanumeric)
        };
        assert!(places.any(is_whole), "{test} is not about {named}");
    }
}

#[test]
fn every_budget_has_a_row_with_its_value_and_a_proof() {
    let Limits { head_bytes } = Limits::DEFAULT;
    let Config {
        max_message,
        max_fragments,
        control_rate,
        control_burst,
        ping_interval,
        pong_timeout,
        close_timeout,
    } = Config::new();
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let budgets = [
        ("Limits::DEFAULT", head_bytes.to_string()),
        ("DEFAULT_HEADERS", DEFAULT_HEADERS.to_string()),
        ("MAX_SUBPROTOCOLS", MAX_SUBPROTOCOLS.to_string()),
        ("HANDSHAKE_TIME", seconds(HANDSHAKE_TIME)),
        ("LINGER_TIME", seconds(LINGER_TIME)),
        ("LINGER_BYTES", LINGER_BYTES.to_string()),
        ("Config::MAX_MESSAGE", max_message.to_string()),
        ("Config::MAX_FRAGMENTS", max_fragments.to_string()),
        ("Config::CONTROL_RATE", control_rate.to_string()),
        ("Config::CONTROL_BURST", control_burst.to_string()),
        ("Config::PING_INTERVAL", seconds(ping_interval.expect("on"))),
        ("Config::PONG_TIMEOUT", seconds(pong_timeout)),
        ("Config::CLOSE_TIMEOUT", seconds(close_timeout)),
        ("MAX_LEFTOVER", MAX_LEFTOVER.to_string()),
    ];
    let vectors = vectors();
    let rows = rows("constant");
    assert_eq!(rows.len(), budgets.len(), "one row for each");
    for (name, value) in budgets {
        let cell = format!("`{name}`");
        let row = rows.iter().find(|row| row[1] == cell).expect(name);
        assert_eq!(row[2], value, "{name}");
        let rules = VIOLATIONS.iter().map(variant);
        let rules = rules.chain(BAD_REQUESTS.iter().map(variant));
        let named = row[4]
            .strip_prefix('`')
            .and_then(|rule| rule.strip_suffix('`'));
        if let Some(named) = named {
            assert!(rules.into_iter().any(|rule| rule == named), "{name}");
        }
        if row[5].starts_with('`') {
            for test in tests(row[5]) {
                assert!(body_of(test).is_some(), "{test}");
            }
        } else {
            for proof in row[5].split("; ") {
                assert!(vectors.iter().any(|vector| vector.name == proof), "{proof}");
            }
        }
    }
}

#[cfg(feature = "deflate")]
mod deflating {
    use super::*;
    use crate::deflate::{
        BLOCKS_AHEAD, BYTES_PER_BLOCK, BadAgreement, Fault, RATIO_FREE, Settings,
    };

    variants! {
        FAULTS: Fault, Fault,
        MisplacedRsv1 Malformed RatioTooHigh TooManyBlocks
    }

    variants! {
        BAD_AGREEMENTS: BadAgreement, BadAgreement,
        Repeated Malformed Unsolicited
    }

    #[test]
    fn every_fault_has_a_row_with_its_code_and_tests_that_are_there() {
        for (fault, row) in FAULTS.iter().zip(row_of(&rows("`Fault`"), 2, FAULTS)) {
            assert_eq!(row[3], fault.close_code().to_string(), "{fault:?}");
            assert!(fault.reason().len() <= crate::wire::MAX_CLOSE_REASON);
            // Most tests about the most frequent one have a short name for it.
            let names = [
                format!("Fault::{fault:?}"),
                format!("{fault:?}").to_uppercase(),
            ];
            for test in tests(row[4]) {
                let body = body_of(test).expect(test);
                let is_named = |name: &String| body.contains(name.as_str());
                assert!(names.iter().any(is_named), "{test} is not about {fault:?}");
            }
        }
    }

    #[test]
    fn every_bad_agreement_has_a_row_and_a_test_that_provokes_it() {
        let rows = row_of(&rows("`BadAgreement`"), 2, BAD_AGREEMENTS);
        for (bad, row) in BAD_AGREEMENTS.iter().zip(rows) {
            provoked(row[3], "BadAgreement", &variant(bad));
        }
    }

    #[test]
    fn every_bound_of_inflation_has_a_row_with_its_value_and_a_proof() {
        let bounds = [
            ("Settings::MAX_RATIO", Settings::MAX_RATIO.to_string()),
            ("RATIO_FREE", RATIO_FREE.to_string()),
            ("BYTES_PER_BLOCK", BYTES_PER_BLOCK.to_string()),
            ("BLOCKS_AHEAD", BLOCKS_AHEAD.to_string()),
        ];
        let rows = rows("bound");
        assert_eq!(rows.len(), bounds.len(), "one row for each");
        for (name, value) in bounds {
            let cell = format!("`{name}`");
            let row = rows.iter().find(|row| row[1] == cell).expect(name);
            assert_eq!(row[2], value, "{name}");
            for test in tests(row[5]) {
                assert!(body_of(test).is_some(), "{test}");
            }
        }
    }
}
