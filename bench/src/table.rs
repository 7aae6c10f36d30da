//! What was measured, as a table, and what it says: computed, never typed.

use core::fmt::Write as _;

/// Ratios closer to one than this are level: two runs on one machine differ by as much.
const LEVEL: f64 = 1.05;

/// An upper quartile this many times the lower one is noise from outside.
const NOISE: f64 = 1.25;

/// What a candidate is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Shown and not compared: a floor, or another way of ours.
    Reference,
    /// Ours, compared with the peers.
    Judged,
    /// Somebody else's.
    Peer,
}

/// A candidate.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// As the command line and the table have it.
    pub name: &'static str,
    /// What it is to the comparison.
    pub side: Side,
}

/// One candidate's time.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The median for one message or handshake, in nanoseconds; or what else the table is about.
    pub nanos: f64,
    /// The lower and the upper quartile.
    pub quartiles: [f64; 2],
    /// It leaves out work that the others do, and is marked with a star.
    pub does_less: bool,
}

/// Everybody's time for one thing.
#[derive(Debug)]
pub struct Row {
    /// What it is.
    pub label: String,
    /// The payload of a message in bytes; 0 for a handshake.
    pub len: usize,
    /// In the order of the columns.
    pub cells: Vec<Cell>,
}

impl Row {
    /// Whether some candidate's times are far apart.
    #[must_use]
    pub fn is_noisy(&self) -> bool {
        let mut quartiles = self.cells.iter().map(|cell| cell.quartiles);
        quartiles.any(|[lower, upper]| upper > lower * NOISE)
    }
}

/// Rows with the same candidates.
#[derive(Debug)]
pub struct Table {
    /// What was measured.
    pub title: String,
    /// In what.
    pub unit: &'static str,
    /// The candidates.
    pub columns: Vec<Column>,
    /// The times.
    pub rows: Vec<Row>,
    /// Whether bytes in a second say something, too: not where most of them are only passed on.
    pub is_of_bytes: bool,
}

/// How the judged candidate stands in one row.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    /// The fastest peer, with a star if it does less.
    pub best: String,
    /// How many times our time fits into the fastest peer's: above one, we are faster.
    pub to_best: f64,
    /// The same for the peer in the middle.
    pub to_median: f64,
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.to_best >= LEVEL {
            "ahead"
        } else if self.to_best * LEVEL > 1.0 {
            "level"
        } else {
            "**behind**"
        }
    }
}

impl Table {
    /// A table of nanoseconds without rows.
    #[must_use]
    pub const fn new(title: String, columns: Vec<Column>) -> Self {
        Self {
            title,
            unit: "ns",
            columns,
            rows: Vec::new(),
            is_of_bytes: false,
        }
    }

    /// Which column has this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// How the judged candidate stands in `row`; `None` without it or without a peer.
    #[must_use]
    pub fn verdict(&self, row: &Row) -> Option<Verdict> {
        let on = |side| {
            let cells = self.columns.iter().zip(&row.cells);
            cells.filter(move |(column, _)| column.side == side)
        };
        let (_, ours) = on(Side::Judged).next()?;
        let mut peers: Vec<_> = on(Side::Peer).collect();
        peers.sort_by(|(_, a), (_, b)| a.nanos.total_cmp(&b.nanos));
        let (best, fastest) = peers.first()?;
        let star = if fastest.does_less { "\\*" } else { "" };
        let middle = |i: usize| peers.get(i).map_or(fastest.nanos, |(_, cell)| cell.nanos);
        let median = f64::midpoint(middle((peers.len() - 1) / 2), middle(peers.len() / 2));
        Some(Verdict {
            best: format!("{}{star}", best.name),
            to_best: fastest.nanos / ours.nanos,
            to_median: median / ours.nanos,
        })
    }

    /// In Markdown, with a heading.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | best peer / ours | median peer / ours | verdict |",
            self.unit,
            names.join(" | ")
        );
        let _ = writeln!(
            text,
            "| --- |{} --- | --: | --- |",
            " --: |".repeat(names.len())
        );
        for row in &self.rows {
            let _ = writeln!(text, "{}", self.line(row));
        }
        text
    }

    /// The same in gigabytes a second, as a list; nothing where that says nothing.
    #[must_use]
    pub fn throughput(&self) -> String {
        let mut text = String::new();
        for row in self.rows.iter().filter(|_| self.is_of_bytes) {
            let cells = self.columns.iter().zip(&row.cells);
            let rates: Vec<_> = cells
                .map(|(column, cell)| {
                    let star = if cell.does_less { "\\*" } else { "" };
                    format!("{} {:.2}{star}", column.name, row.len as f64 / cell.nanos)
                })
                .collect();
            let _ = writeln!(text, "- {}, GB/s: {}", row.label, rates.join(", "));
        }
        if text.is_empty() {
            text
        } else {
            format!("\n{text}")
        }
    }

    /// A line of the Markdown table.
    #[must_use]
    pub fn line(&self, row: &Row) -> String {
        let mut line = format!("| {} |", row.label);
        for cell in &row.cells {
            let star = if cell.does_less { "\\*" } else { "" };
            let _ = write!(line, " {}{star} |", digits(cell.nanos));
        }
        let _ = match self.verdict(row) {
            Some(verdict) => write!(
                line,
                " {:.2} ({}) | {:.2} | {} |",
                verdict.to_best,
                verdict.best,
                verdict.to_median,
                verdict.word()
            ),
            None => write!(line, " – | – | – |"),
        };
        line
    }
}

/// Three or four digits that mean something.
fn digits(nanos: f64) -> String {
    if nanos < 100.0 {
        format!("{nanos:.1}")
    } else {
        format!("{nanos:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(times: &[(Side, f64)]) -> Option<Verdict> {
        let columns = times.iter().map(|&(side, _)| Column { name: "x", side });
        let table = Table::new("t".into(), columns.collect());
        let cells = times.iter().map(|&(_, nanos)| Cell {
            nanos,
            quartiles: [nanos; 2],
            does_less: nanos == 7.0,
        });
        table.verdict(&Row {
            label: "l".into(),
            len: 1,
            cells: cells.collect(),
        })
    }

    #[test]
    fn the_verdict_compares_with_peers_only() {
        use Side::{Judged, Peer, Reference};
        let verdict = verdict(&[
            (Reference, 1.0),
            (Judged, 10.0),
            (Peer, 30.0),
            (Peer, 7.0),
            (Peer, 20.0),
            (Peer, 40.0),
        ])
        .expect("there are peers");
        assert_eq!(verdict.best, "x\\*");
        assert_eq!(verdict.to_best, 0.7);
        assert_eq!(verdict.to_median, 2.5); // between 20 and 30
        assert_eq!(verdict.word(), "**behind**");
    }

    #[test]
    fn the_word_follows_the_ratio() {
        let word = |to_best| {
            let best = String::new();
            Verdict {
                best,
                to_best,
                to_median: 1.0,
            }
            .word()
        };
        assert_eq!(word(1.06), "ahead");
        assert_eq!(word(1.04), "level");
        assert_eq!(word(0.96), "level");
        assert_eq!(word(0.94), "**behind**");
    }

    #[test]
    fn bytes_in_a_second_are_the_length_by_the_time() {
        let column = Column {
            name: "x",
            side: Side::Peer,
        };
        let mut table = Table::new("t".into(), vec![column]);
        table.rows.push(Row {
            label: "l".into(),
            len: 250,
            cells: vec![Cell {
                nanos: 125.0,
                quartiles: [125.0; 2],
                does_less: true,
            }],
        });
        assert_eq!(table.throughput(), "");
        table.is_of_bytes = true;
        assert_eq!(table.throughput(), "\n- l, GB/s: x 2.00\\*\n");
    }

    #[test]
    fn one_noisy_candidate_makes_a_noisy_row() {
        let row = |uppers: [f64; 2]| Row {
            label: String::new(),
            len: 1,
            cells: uppers
                .map(|upper| Cell {
                    nanos: 110.0,
                    quartiles: [100.0, upper],
                    does_less: false,
                })
                .to_vec(),
        };
        assert!(row([120.0, 130.0]).is_noisy());
        assert!(!row([120.0, 124.0]).is_noisy());
    }

    #[test]
    fn nobody_to_compare_with_gives_no_verdict() {
        assert_eq!(verdict(&[(Side::Judged, 1.0)]), None);
        assert_eq!(verdict(&[(Side::Peer, 1.0)]), None);
    }
}
