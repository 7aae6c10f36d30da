//! Everything measured, as a page: the results are computed and written between two markers.

use core::fmt::Write as _;
use std::{fs, process::Command, thread};

use crate::{Options, Table, Verdict};

/// Results stand behind the first of these lines of the page and before the second.
#[derive(Clone, Copy, Debug)]
pub struct Part([&'static str; 2]);

impl Part {
    /// Those of [`report`].
    pub const PROTOCOL: Self = Self([
        "<!-- results: written by the runner, not by hand -->\n",
        "<!-- end of results -->\n",
    ]);
    /// Those of the matching.
    pub const MATCHING: Self = Self([
        "<!-- matching: written by the runner, not by hand -->\n",
        "<!-- end of the matching -->\n",
    ]);
}

/// The page with all results.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

/// Whose versions are told, besides ours.
const PEERS: [&str; 9] = [
    "tungstenite",
    "fastwebsockets",
    "tokio-websockets",
    "soketto",
    "ws-net",
    "embedded-websocket",
    "serde_json",
    "simd-json",
    "sonic-rs",
];

const LOCK: &str = include_str!("../../Cargo.lock");

/// Runs all benchmarks, quickly or well, and gives the results in Markdown.
///
/// # Errors
/// A candidate whose answers are wrong.
pub fn report(quick: bool) -> Result<String, String> {
    let load = load();
    let options = Options::all(quick);
    let mut tables = crate::receive(&options)?;
    tables.extend(crate::send(&options)?);
    tables.extend(crate::handshake(&options)?);
    tables.extend(crate::parse(&options)?);
    let mut text = machine(&load);
    text += &peers();
    text += &summary(&tables);
    for table in &tables {
        text += "\n";
        text += &table.markdown();
        text += &table.throughput();
    }
    text += &rates(&tables);
    Ok(text)
}

/// Measures, and writes what comes of it into a part of `docs/benchmarks.md`.
///
/// # Errors
/// What went wrong with the measuring or with the page.
pub fn write(part: Part, measure: impl FnOnce() -> Result<String, String>) -> Result<(), String> {
    let read = || fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"));
    // Whether there is a place for them, before minutes of measuring.
    insert(&read()?, part, "")?;
    let results = measure()?;
    let page = insert(&read()?, part, &results)?;
    fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))?;
    eprintln!("written to {PAGE}");
    Ok(())
}

/// `page` with these results.
fn insert(page: &str, Part([start, end]): Part, results: &str) -> Result<String, String> {
    let places = page.split_once(start);
    let places = places.and_then(|(front, rest)| Some((front, rest.split_once(end)?.1)));
    let (front, back) =
        places.ok_or_else(|| format!("the page lacks the lines\n{start}and\n{end}"))?;
    Ok(format!("{front}{start}\n{results}\n{end}{back}"))
}

/// On what it was measured.
pub(crate) fn machine(load: &str) -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim())
    });
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let rustc = output("rustc", &["--version"]);
    let revision = output("git", &["describe", "--always", "--dirty"]);
    format!(
        "Measured on {} ({cores} cores, load average {load} before), with {rustc}, at {revision}.\n",
        model.unwrap_or("an unknown processor")
    )
}

/// Against what.
fn peers() -> String {
    let mut text = "Peers:".to_owned();
    for (i, peer) in PEERS.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(text, "{comma} {peer} {}", version(LOCK, peer));
    }
    text += ".\n";
    text
}

/// The first three figures of Linux's load average.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let figures: Vec<_> = load.split(' ').take(3).collect();
    figures.join(" ")
}

/// What a program prints, or that it is not there.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| format!("an unknown {program}"))
}

/// The version of a package in a lock file.
fn version<'l>(lock: &'l str, package: &str) -> &'l str {
    let line = format!("name = \"{package}\"\nversion = \"");
    let version = lock
        .split_once(&line)
        .and_then(|(_, after)| after.split_once('"'));
    version.map_or("of unknown version", |(version, _)| version)
}

/// How many rows are won and lost, and which are lost.
fn summary(tables: &[Table]) -> String {
    let verdicts: Vec<_> = tables.iter().flat_map(verdicts).collect();
    let count = |word| verdicts.iter().filter(|(_, it)| it.word() == word).count();
    let noisy = tables.iter().flat_map(|table| &table.rows);
    let noisy = noisy.filter(|row| row.is_noisy()).count();
    let mut text = format!(
        "\nNoisy rows: {noisy} of {}.\n\n\
         Of {} comparisons with the fastest peer we are ahead in {}, level in {} and behind in {}.",
        tables.iter().map(|table| table.rows.len()).sum::<usize>(),
        verdicts.len(),
        count("ahead"),
        count("level"),
        count("**behind**")
    );
    let behind_median = verdicts.iter().filter(|(_, it)| it.to_median < 1.0).count();
    let _ = writeln!(text, " Slower than the median peer: {behind_median}.\n");
    for (what, verdict) in &verdicts {
        if verdict.word() == "**behind**" {
            let _ = writeln!(
                text,
                "- behind: {what}: {} takes {:.2} of our time",
                verdict.best, verdict.to_best
            );
        }
    }
    text
}

fn verdicts(table: &Table) -> impl Iterator<Item = (String, Verdict)> {
    table.rows.iter().filter_map(|row| {
        let what = format!("{}, {}", table.title, row.label);
        Some((what, table.verdict(row)?))
    })
}

/// Messages in a second, of 64 bytes.
fn rates(tables: &[Table]) -> String {
    let mut text = "\n### Messages of 64 bytes, millions a second\n\n".to_owned();
    for table in tables {
        for row in table.rows.iter().filter(|row| row.len == 64) {
            let _ = write!(text, "- {}, {}:", table.title, row.label);
            for (i, (column, cell)) in table.columns.iter().zip(&row.cells).enumerate() {
                let comma = if i == 0 { "" } else { "," };
                let star = if cell.does_less { "\\*" } else { "" };
                let _ = write!(
                    text,
                    "{comma} {} {:.1}{star}",
                    column.name,
                    1e3 / cell.nanos
                );
            }
            text += "\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Column, Row, Side};

    const PAGE: &str = include_str!("../../docs/benchmarks.md");

    #[test]
    fn the_page_has_a_place_for_each_part_and_keeps_what_is_around_it() {
        for part in [Part::PROTOCOL, Part::MATCHING] {
            let once = insert(PAGE, part, "one").unwrap();
            assert!(once.contains("\none\n"));
            let twice = insert(&once, part, "two").unwrap();
            assert_eq!(twice, insert(PAGE, part, "two").unwrap());
            let Part([start, end]) = part;
            let (front, _) = PAGE.split_once(start).unwrap();
            let (_, back) = PAGE.split_once(end).unwrap();
            assert!(twice.starts_with(front) && twice.ends_with(back));
            assert!(insert("no place", part, "three").is_err());
        }
    }

    #[test]
    fn every_peer_has_a_version() {
        for peer in PEERS {
            let version = version(LOCK, peer);
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{peer} {version}"
            );
        }
        assert_eq!(version(LOCK, "nobody"), "of unknown version");
    }

    #[test]
    fn the_summary_counts_and_names_what_is_lost() {
        let column = |name, side| Column { name, side };
        let mut table = Table::new(
            "Racing".into(),
            vec![column("we", Side::Judged), column("they", Side::Peer)],
        );
        for (label, theirs) in [("uphill", 20.0), ("flat", 10.1), ("downhill", 5.0)] {
            let cells = [10.0, theirs].map(|nanos| Cell {
                nanos,
                quartiles: [nanos, theirs * 1.2],
                does_less: false,
            });
            table.rows.push(Row {
                label: label.into(),
                len: 64,
                cells: cells.to_vec(),
            });
        }
        let text = summary(&[table]);
        assert!(text.contains("Noisy rows: 1 of 3."), "{text}");
        assert!(text.contains("Of 3 comparisons"), "{text}");
        assert!(
            text.contains("ahead in 1, level in 1 and behind in 1."),
            "{text}"
        );
        assert!(text.contains("median peer: 1."), "{text}");
        assert!(
            text.ends_with("- behind: Racing, downhill: they takes 0.50 of our time\n"),
            "{text}"
        );
    }
}
