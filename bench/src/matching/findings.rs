//! What was measured, as tables.

use super::{Candidate, Workload};
use crate::{Cell, Row, Side, Table};

/// What is measured, as a table each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Notification,
    Match,
    Bytes,
    Subscribe,
    Replace,
    Forget,
}

impl Measure {
    pub(super) const ALL: [Self; 6] = [
        Self::Notification,
        Self::Match,
        Self::Bytes,
        Self::Subscribe,
        Self::Replace,
        Self::Forget,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Notification => "Matching, one notification",
            Self::Match => "Matching, one match",
            Self::Bytes => "Matching, memory of one subscription",
            Self::Subscribe => "Matching, entering one subscription where there were none",
            Self::Replace => "Matching, replacing one subscription among all",
            Self::Forget => "Matching, forgetting one subscription until none is left",
        }
    }

    /// Whether it is another thing with the parse.
    const fn parses(self) -> bool {
        matches!(self, Self::Notification | Self::Subscribe | Self::Replace)
    }
}

/// Everything about one workload and number of subscriptions.
pub(super) struct Case {
    pub(super) workload: Workload,
    pub(super) subscriptions: usize,
    /// How many hear one notification.
    pub(super) matches: f64,
    /// By measure and candidate.
    pub(super) cells: [Vec<Cell>; 6],
    /// Bytes that the index holds when everybody has been forgotten.
    pub(super) left: isize,
}

impl Case {
    /// What the candidate that is judged takes.
    pub(super) fn ours(&self, measure: Measure) -> f64 {
        let mut cells = Candidate::ALL.iter().zip(&self.cells[measure as usize]);
        let ours = cells.find(|(candidate, _)| candidate.column().side == Side::Judged);
        ours.map_or(f64::NAN, |(_, cell)| cell.nanos)
    }

    pub(super) fn label(&self) -> String {
        label(self.workload, self.subscriptions)
    }
}

pub(super) fn label(workload: Workload, subscriptions: usize) -> String {
    let count = match subscriptions {
        1_000_000.. if subscriptions.is_multiple_of(1_000_000) => {
            format!("{} M", subscriptions / 1_000_000)
        }
        1000.. if subscriptions.is_multiple_of(1000) => format!("{} k", subscriptions / 1000),
        _ => subscriptions.to_string(),
    };
    format!("{}, {count}", workload.name())
}

/// All of them.
pub(super) struct Findings {
    pub(super) cases: Vec<Case>,
}

impl Findings {
    pub(super) fn tables(&self) -> impl Iterator<Item = Table> {
        Measure::ALL.into_iter().map(|measure| self.table(measure))
    }

    fn table(&self, measure: Measure) -> Table {
        let shown: Vec<_> = (Candidate::ALL.into_iter())
            .map(|it| it != Candidate::Parsing || measure.parses())
            .collect();
        let columns = Candidate::ALL.into_iter().map(|candidate| {
            let mut column = candidate.column();
            // Who asks every subscription keeps nothing but them, and is no rival in that.
            if candidate.scans() && !matches!(measure, Measure::Notification | Measure::Match) {
                column.side = Side::Reference;
            }
            column
        });
        let columns = only(columns, &shown);
        let mut table = Table::new(measure.title().to_owned(), columns);
        if measure == Measure::Bytes {
            table.unit = "bytes";
        }
        for case in &self.cases {
            // A time for each match says nothing where there are hardly any.
            if measure == Measure::Match && case.matches < 1.0 {
                continue;
            }
            let mut label = case.label();
            if measure == Measure::Notification {
                label += &format!(": {:.2} hear it", case.matches);
            }
            let cells = case.cells[measure as usize].iter().copied();
            table.rows.push(Row {
                label,
                len: 0,
                cells: only(cells, &shown),
            });
        }
        table
    }
}

fn only<T>(all: impl Iterator<Item = T>, shown: &[bool]) -> Vec<T> {
    let pairs = all.zip(shown);
    pairs
        .filter_map(|(it, &is_shown)| is_shown.then_some(it))
        .collect()
}
