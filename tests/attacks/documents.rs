//! What `docs/threat-model.md` and `docs/limits.md` say is proven by what they name.

use core::fmt::Write as _;
use std::{collections::BTreeSet, fs, path::Path};

use campanile_tests::tools::checkout;
use libtest_mimic::Trial;

use crate::{families::FAMILIES, fire};

const THREATS: &str = include_str!("../../docs/threat-model.md");
const LIMITS: &str = include_str!("../../docs/limits.md");

/// What proofs may wait for: parts of the protocol's section 7 that are not there yet.
const AWAITED: &[&str] = &["tokens", "TLS", "origins", "proxies", "schemas"];

/// Where tests are.
const SOURCES: &[&str] = &[
    "core/src",
    "runtime-smol",
    "runtime-std",
    "server/src",
    "tests",
];

/// Limits that no attack of the corpus runs into, since its daemon has others, and the tests that do.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "connections in all",
        "connections_beyond_the_limit_are_declined_with_503_until_one_leaves",
    ),
    (
        "length of a token, its grants, keys",
        "a_bad_token_ends_a_session_that_had_a_good_one",
    ),
    (
        "time to show a token in a message, with keys",
        "a_token_has_to_be_shown_in_the_time_of_a_handshake",
    ),
    (
        "header of the PROXY protocol",
        "version_2_is_strict_and_bounded",
    ),
    (
        "HTTP requests that wait for their answers",
        "a_flood_of_requests_without_answers_is_bounded",
    ),
    (
        "time between two HTTP requests",
        "a_connection_without_a_request_ends_after_a_while_and_half_a_request_sooner",
    ),
    ("lines of the log", fire::NAME),
    (
        "requests to the [admin address](status-page.md)",
        "who_says_nothing_takes_no_place_from_the_others_for_long_and_the_daemon_serves",
    ),
    (
        "looking through the connections there",
        "connections_come_in_pages_each_once_whatever_the_number_of_shards",
    ),
    (
        "events kept for the status page",
        "a_flood_of_long_lines_takes_no_more_than_there_is_room_for",
    ),
    (
        "reading in one turn",
        "a_flooding_client_does_not_starve_the_others",
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    [
        (
            "what_the_threat_model_calls_a_proof_is_there",
            proofs_are_there as fn(),
        ),
        (
            "attacks_have_names_of_their_own_and_most_of_each_family_are_in_the_threat_model",
            attacks_are_named,
        ),
        (
            "every_limit_that_is_documented_is_reached_by_an_attack_or_a_test",
            limits_are_reached,
        ),
    ]
    .map(|(name, check)| {
        Trial::test(name, move || {
            check();
            Ok(())
        })
    })
    .into()
}

/// The rows of the tables of a document whose last column has this head; the cells of each.
fn rows(document: &'static str, head: &str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| -> Option<Vec<_>> {
        let inner = line.trim_end().strip_prefix("| ")?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect())
    };
    let mut rows = Vec::new();
    let mut is_wanted = false;
    let mut width = 0;
    for line in document.lines() {
        let Some(row) = cells(line) else {
            is_wanted = false;
            continue;
        };
        if row.last() == Some(&head) {
            is_wanted = true;
            width = row.len();
        } else if is_wanted && !line.starts_with("| ---") {
            assert_eq!(row.len(), width, "{line}");
            rows.push(row);
        }
    }
    assert!(!rows.is_empty(), "no table with {head}");
    rows
}

/// All Rust sources with tests in them.
fn sources() -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    let mut text = String::new();
    for folder in SOURCES {
        read(&checkout().join(folder), &mut text);
    }
    text
}

/// Whether there is a test of this name: a function, a trial of this program, or a check of CI.
fn is_test(sources: &str, name: &str) -> bool {
    if name.starts_with(".ci/") {
        return checkout().join(name).is_file();
    }
    let is_trial = FAMILIES.iter().any(|family| family.name == name) || name == fire::NAME;
    is_trial || sources.contains(&format!("fn {name}("))
}

fn is_attack(name: &str) -> bool {
    let mut attacks = FAMILIES.iter().flat_map(|family| family.attacks);
    attacks.any(|attack| attack.name == name)
}

fn proofs_are_there() {
    let sources = sources();
    let mut wrong = String::new();
    for row in rows(THREATS, "proof") {
        let proofs = row.last().expect("a cell");
        let is_free = row.iter().any(|cell| cell.contains("out of scope"));
        if proofs.is_empty() && !is_free {
            let _ = writeln!(wrong, "no proof: {}", row[0]);
        }
        // Names of attacks have commas in them.
        let mut rest = *proofs;
        while !rest.is_empty() {
            let (is_there, behind) = if let Some(quoted) = rest.strip_prefix('“') {
                let (name, behind) = quoted.split_once('”').expect("the end of a quotation");
                (is_attack(name), behind)
            } else if let Some(code) = rest.strip_prefix('`') {
                let (name, behind) = code.split_once('`').expect("the end of a name");
                (is_test(&sources, name), behind)
            } else {
                let (proof, _) = rest.split_once(',').unwrap_or((rest, ""));
                let awaited = proof.strip_prefix("awaits ");
                (
                    awaited.is_some_and(|part| AWAITED.contains(&part)),
                    &rest[proof.len()..],
                )
            };
            if !is_there {
                let _ = writeln!(wrong, "{}: there is no {rest}", row[0]);
            }
            rest = behind.trim_start_matches([',', ' ']);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn attacks_are_named() {
    let mut names = BTreeSet::new();
    for family in FAMILIES {
        for attack in family.attacks {
            assert!(names.insert(attack.name), "two of “{}”", attack.name);
        }
        let is_named = |name: &str| THREATS.contains(&format!("“{name}”"));
        let named = family.attacks.iter().filter(|attack| is_named(attack.name));
        assert!(2 * named.count() >= family.attacks.len(), "{}", family.name);
    }
}

fn limits_are_reached() {
    let sources = sources();
    let documented: Vec<_> = rows(LIMITS, "beyond it").iter().map(|row| row[0]).collect();
    let attacks = || FAMILIES.iter().flat_map(|family| family.attacks);
    for limit in attacks().flat_map(|attack| attack.limits) {
        assert!(
            documented.contains(limit),
            "{limit} is not in docs/limits.md"
        );
    }
    for limit in documented {
        let is_attacked = attacks().any(|attack| attack.limits.contains(&limit));
        let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == limit);
        let is_tested = elsewhere.is_some_and(|(_, test)| is_test(&sources, test));
        assert!(
            is_attacked || is_tested,
            "nothing runs into the limit “{limit}”"
        );
        assert!(!is_attacked || elsewhere.is_none(), "{limit} is attacked");
    }
}
