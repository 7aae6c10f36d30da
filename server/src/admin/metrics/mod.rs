//! The metrics: every one in a table, from which the page is made, and its manual.

mod table;
#[cfg(test)]
mod tests;

use core::fmt;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use campanile_smol::server::{Counters, Latencies, Readings};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::{
    http::{Request, Response},
    process::Process,
};
use table::METRICS;

/// A metric: one name, with or without a label.
#[derive(Debug)]
struct Metric {
    /// Its name without unit and suffix, the same for ever.
    name: &'static str,
    unit: Option<Unit>,
    /// What it is, in a sentence without its last stop.
    help: &'static str,
    kind: Kind,
}

/// What a metric is, and what makes its numbers.
#[derive(Debug)]
enum Kind {
    Counter(Get),
    /// One for each value of a label.
    Counters(&'static str, &'static [Labelled]),
    Gauge(Get),
    Gauges(&'static str, &'static [Labelled]),
    /// Of the latencies.
    Histogram,
    /// A label with its value.
    Info(&'static str, &'static str),
}

/// What makes a number, if it is known.
type Get = fn(&Snapshot) -> Option<Number>;

/// A value of a label, what it means, and what makes its number.
type Labelled = (&'static str, &'static str, Get);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Whole(u64),
    Seconds(f64),
}

/// What the metrics are made from.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) readings: Readings,
    pub(super) shards: usize,
    pub(super) counters: Arc<Counters>,
    pub(super) started: SystemTime,
    pub(super) process: Process,
}

/// The page, in the format that is asked for: the one of OpenMetrics, or the older one of Prometheus.
pub(super) fn page(snapshot: Snapshot, request: &Request<'_>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text";
    let is_open = request.accept.contains(OPEN_METRICS);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut page = String::new();
    // Memory takes everything.
    let _ = if is_open {
        text::encode(&mut page, &registry)
    } else {
        prometheus_text::encode(&mut page, &registry)
    };
    let content_type = if is_open {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    Response::new(content_type, page)
}

impl Snapshot {
    /// One of the [`Counters`].
    fn count(&self, name: &str) -> Option<Number> {
        self.counters.get(name).map(Number::Whole)
    }

    fn start(&self) -> Option<Number> {
        let since = self.started.duration_since(UNIX_EPOCH).ok()?;
        Some(Number::Seconds(since.as_secs_f64()))
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in METRICS {
            metric.encode(self, &mut encoder)?;
        }
        Ok(())
    }
}

impl Metric {
    fn encode(&self, snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // What is not known on this system is left out.
        if let Kind::Counter(get) | Kind::Gauge(get) = self.kind
            && get(snapshot).is_none()
        {
            return Ok(());
        }
        let kind = match self.kind {
            Kind::Counter(_) | Kind::Counters(..) => MetricType::Counter,
            Kind::Gauge(_) | Kind::Gauges(..) => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info(..) => MetricType::Info,
        };
        let help = format!("{}.", self.help);
        let mut encoder = encoder.encode_descriptor(self.name, &help, self.unit.as_ref(), kind)?;
        match self.kind {
            Kind::Counter(get) => counter(&mut encoder, get(snapshot)),
            Kind::Gauge(get) => gauge(&mut encoder, get(snapshot)),
            Kind::Counters(label, values) => {
                for (value, _, get) in values {
                    counter(
                        &mut encoder.encode_family(&[(label, *value)])?,
                        get(snapshot),
                    )?;
                }
                Ok(())
            }
            Kind::Gauges(label, values) => {
                for (value, _, get) in values {
                    gauge(
                        &mut encoder.encode_family(&[(label, *value)])?,
                        get(snapshot),
                    )?;
                }
                Ok(())
            }
            Kind::Histogram => histogram(&mut encoder, &snapshot.readings.latencies),
            Kind::Info(label, value) => encoder.encode_info(&[(label, value)]),
        }
    }
}

fn counter(encoder: &mut MetricEncoder<'_>, number: Option<Number>) -> fmt::Result {
    match number {
        Some(Number::Whole(number)) => encoder.encode_counter::<NoLabelSet, _, f64>(&number, None),
        Some(Number::Seconds(number)) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(&number, None)
        }
        None => Ok(()),
    }
}

fn gauge(encoder: &mut MetricEncoder<'_>, number: Option<Number>) -> fmt::Result {
    match number {
        Some(Number::Whole(number)) => encoder.encode_gauge(&number),
        Some(Number::Seconds(number)) => encoder.encode_gauge(&number),
        None => Ok(()),
    }
}

fn histogram(encoder: &mut MetricEncoder<'_>, latencies: &Latencies) -> fmt::Result {
    let bounds = Latencies::BOUNDS.iter().map(|bound| bound.as_secs_f64());
    let bounds = bounds.chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(latencies.counts().iter().copied()).collect();
    let count = latencies.counts().iter().sum();
    let sum = latencies.sum().as_secs_f64();
    encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}
