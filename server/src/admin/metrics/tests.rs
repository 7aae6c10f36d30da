//! That every metric is what the table says, its manual page, and what is built on it.

use core::{fmt::Write as _, time::Duration};
use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::page::assert_generated;

fn snapshot() -> Snapshot {
    Snapshot {
        readings: Readings::default(),
        shards: 3,
        counters: Arc::new(Counters::default()),
        started: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        process: Process {
            ticks: Some(150),
            resident: Some(1),
            descriptors: Some(2),
            max_descriptors: Some(3),
        },
    }
}

fn text_of(accept: &str) -> String {
    let request = Request::get("/metrics", accept);
    format!("{:?}", page(snapshot(), &request))
        .replace("\\n", "\n")
        .replace("\\\"", "\"")
}

impl Metric {
    /// Its name as Prometheus stores it; a histogram has three with suffixes.
    fn full_name(&self) -> String {
        let unit = self
            .unit
            .as_ref()
            .map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
        let suffix = match self.kind {
            Kind::Counter(_) | Kind::Counters(..) => "_total",
            Kind::Info(..) => "_info",
            Kind::Gauge(_) | Kind::Gauges(..) | Kind::Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }

    const fn kind_in_words(&self) -> &'static str {
        match self.kind {
            Kind::Counter(_) | Kind::Counters(..) => "counter",
            Kind::Gauge(_) | Kind::Gauges(..) => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info(..) => "info",
        }
    }

    fn labels(&self) -> Option<(&'static str, &'static [Labelled])> {
        match self.kind {
            Kind::Counters(label, values) | Kind::Gauges(label, values) => Some((label, values)),
            Kind::Counter(_) | Kind::Gauge(_) | Kind::Histogram | Kind::Info(..) => None,
        }
    }
}

#[test]
fn every_metric_and_every_value_of_its_label_is_on_the_page_in_either_format() {
    for accept in ["", "application/openmetrics-text;version=1.0.0,*/*;q=0.1"] {
        let page = text_of(accept);
        for metric in METRICS {
            let name = metric.full_name();
            match metric.labels() {
                Some((label, values)) => {
                    for (value, _, get) in values {
                        assert!(get(&snapshot()).is_some(), "{name} {value}");
                        let sample = format!("\n{name}{{{label}=\"{value}\"}} 0\n");
                        assert!(page.contains(&sample), "{sample} in {page}");
                    }
                }
                None => {
                    let sample = match metric.kind {
                        Kind::Histogram => format!("\n{name}_count 0\n"),
                        Kind::Info(label, value) => format!("\n{name}{{{label}=\"{value}\"}} 1\n"),
                        Kind::Counter(_)
                        | Kind::Counters(..)
                        | Kind::Gauge(_)
                        | Kind::Gauges(..) => {
                            format!("\n{name} ")
                        }
                    };
                    assert!(page.contains(&sample), "{sample} in {page}");
                }
            }
        }
        assert!(page.contains("\nprocess_cpu_seconds_total 1.5\n"), "{page}");
        assert!(page.contains("\ncampanile_shards 3\n"), "{page}");
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = METRICS.iter().map(Metric::full_name).collect();
    assert_eq!(names.len(), METRICS.len());
}

#[test]
fn the_manual_page_is_that_of_the_table() {
    let mut page = String::from("\n| metric | kind | what it is |\n| --- | --- | --- |\n");
    for metric in METRICS {
        let (name, kind, help) = (metric.full_name(), metric.kind_in_words(), metric.help);
        write!(page, "| `{name}` | {kind} | {help}.").expect("text");
        if let Some((label, values)) = metric.labels() {
            let values = values
                .iter()
                .map(|(value, help, _)| format!("`{value}`: {help}"));
            write!(
                page,
                " `{label}` is {}.",
                values.collect::<Vec<_>>().join("; ")
            )
            .expect("text");
        }
        if let Kind::Info(label, _) = metric.kind {
            write!(page, " `{label}` is its own.").expect("text");
        }
        page.push_str(" |\n");
    }
    assert_generated("metrics.md", &page);
}

/// Every name in `text` that looks like a metric of ours.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("campanile_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

fn deployed(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(file);
    fs::read_to_string(path).expect("it is there")
}

#[test]
fn alerts_and_the_dashboard_name_only_metrics_that_there_are() {
    let mut known: BTreeSet<String> = METRICS.iter().map(Metric::full_name).collect();
    for metric in METRICS
        .iter()
        .filter(|metric| matches!(metric.kind, Kind::Histogram))
    {
        let name = metric.full_name();
        known.extend(["bucket", "sum", "count"].map(|suffix| format!("{name}_{suffix}")));
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&deployed("grafana/dashboard.json")).expect("JSON");
    let mut expressions = Vec::new();
    collect("expr", &dashboard, &mut expressions);
    assert!(expressions.len() > 5);
    for expression in expressions {
        let names = names_in(&expression);
        assert!(!names.is_empty() && names.is_subset(&known), "{expression}");
    }
    let alerts = deployed("prometheus/alerts.yml");
    let names = names_in(&alerts);
    assert!(names.len() > 3);
    assert!(names.is_subset(&known), "{:?}", names.difference(&known));
}

/// The strings of all members of this name, wherever they are.
fn collect(name: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    if let Some(members) = value.as_object() {
        for (own, value) in members {
            match value.as_str() {
                Some(text) if own == name => found.push(text.to_owned()),
                _ => collect(name, value, found),
            }
        }
    }
    for value in value.as_array().into_iter().flatten() {
        collect(name, value, found);
    }
}
