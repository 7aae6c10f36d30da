//! What was to be reached, and whether it was: computed, never typed.

use core::fmt::Write as _;

use super::{
    findings::{Case, Findings, Measure},
    workload::Workload,
};

/// One match, in nanoseconds.
const ONE_MATCH: f64 = 1000.0;
/// The same at the most subscriptions by that at ten thousand.
const GROWTH: f64 = 1.5;
const SMALL: usize = 10_000;
/// Each further match, in nanoseconds.
const FURTHER_MATCH: f64 = 15.0;
/// Where a further match is judged, so many hear a notification.
const MANY: f64 = 10.0;
/// A subscription, in bytes.
const BYTES: f64 = 160.0;
/// Entering a subscription, in nanoseconds.
const SUBSCRIBE: f64 = 1500.0;
/// A notification among hostile shapes by one among harmless ones.
const HOSTILE: f64 = 10.0;

/// A figure of ours and what it may be.
struct Goal {
    what: String,
    figure: f64,
    most: f64,
    unit: &'static str,
}

impl Goal {
    fn line(&self) -> String {
        let Self {
            what,
            figure,
            most,
            unit,
        } = self;
        let verdict = if figure <= most {
            "met".to_owned()
        } else {
            format!("**missed** by a factor of {:.2}", figure / most)
        };
        format!("| {what} | {figure:.1}{unit} | {most}{unit} | {verdict} |\n")
    }
}

/// The goals at the most subscriptions that were measured, in Markdown.
pub(super) fn goals(findings: &Findings) -> String {
    let mut text =
        "### Goals of the matching\n\n| of the index | is | at most | |\n| --- | --: | --: | --- |\n"
            .to_owned();
    for goal in all(&findings.cases) {
        text += &goal.line();
    }
    // What was not so would have ended the run.
    text += "| allocations while publishing, all workloads and sizes | 0 | 0 | met |\n";
    for case in at_most(&findings.cases) {
        let _ = writeln!(
            text,
            "\n{}: {} bytes are held when all are forgotten.",
            case.label(),
            case.left
        );
    }
    text
}

fn at_most(cases: &[Case]) -> impl Iterator<Item = &Case> {
    let most = cases.iter().map(|case| case.subscriptions).max();
    let cases = cases.iter();
    cases.filter(move |case| Some(case.subscriptions) == most)
}

fn all(cases: &[Case]) -> Vec<Goal> {
    let find = |workload, subscriptions| {
        let mut cases = cases.iter();
        cases.find(|case| case.workload == workload && case.subscriptions == subscriptions)
    };
    let time = |case: &Case| case.ours(Measure::Notification);
    let mut goals = Vec::new();
    let mut add = |what, figure, most, unit| {
        goals.push(Goal {
            what,
            figure,
            most,
            unit,
        });
    };
    for case in at_most(cases) {
        let size = case.subscriptions;
        let label = case.label();
        let one = find(Workload::Unique, size);
        if case.workload == Workload::Unique {
            add(format!("{label}: one match"), time(case), ONE_MATCH, " ns");
            if let Some(small) = find(Workload::Unique, SMALL).filter(|_| size > SMALL) {
                let growth = time(case) / time(small);
                add(format!("{label} by {}", small.label()), growth, GROWTH, "");
            }
        } else if let Some(one) = one.filter(|_| case.matches >= MANY) {
            let further = (time(case) - time(one)) / (case.matches - 1.0);
            add(
                format!("{label}: each further match"),
                further,
                FURTHER_MATCH,
                " ns",
            );
        }
        if case.workload == Workload::Hostile
            && let Some(harmless) = find(Workload::Alerts, size)
        {
            let ratio = time(case) / time(harmless);
            add(
                format!("{label} by {}", harmless.label()),
                ratio,
                HOSTILE,
                "",
            );
        }
        add(
            format!("{label}: a subscription"),
            case.ours(Measure::Bytes),
            BYTES,
            " bytes",
        );
        add(
            format!("{label}: to subscribe"),
            case.ours(Measure::Subscribe),
            SUBSCRIBE,
            " ns",
        );
    }
    goals
}
