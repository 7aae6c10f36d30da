//! What the server is, does and holds.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{Pages, Request, Response, answer};
use crate::{
    admin::metrics::Snapshot,
    config::{Effective, Origin},
};
use campanile_core::server::Latencies;

/// The sections of the configuration that are shown. One of secrets must not be added.
const SECTIONS: &[&str] = &[
    "",
    "admin",
    "compression",
    "drain",
    "keep_alive",
    "limits",
    "log",
];

pub(in crate::admin) fn status(pages: &Pages, _: &Request<'_>) -> Response {
    let Snapshot {
        readings,
        shards,
        counters,
        started,
        process,
    } = pages.snapshot();
    let counted: Map<String, Value> = counters
        .iter()
        .map(|(name, number)| (name.to_owned(), number.into()))
        .collect();
    let bounds = Latencies::BOUNDS.iter().map(|bound| bound.as_secs_f64());
    let effective = pages.about.effective.lock();
    let settings = settings(&effective.unwrap_or_else(std::sync::PoisonError::into_inner));
    answer(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "runtime": pages.about.runtime,
        "listen": pages.about.listen.to_string(),
        "shards": shards,
        "started": seconds(started),
        "now": seconds(SystemTime::now()),
        "readings": {
            "connections": readings.connections,
            "accepted": readings.accepted,
            "subscriptions": readings.subscriptions,
            "partitions": readings.partitions,
            "messages": readings.messages,
            "deliveries": readings.deliveries,
            "received_bytes": readings.received_bytes,
            "sent_bytes": readings.sent_bytes,
            "behind": readings.behind,
            "waiting_bytes": readings.waiting_bytes,
        },
        "counters": counted,
        "latencies": {
            "bounds": bounds.collect::<Vec<_>>(),
            "counts": readings.latencies.counts(),
        },
        "process": {
            "ticks": process.ticks,
            "resident": process.resident,
            "descriptors": process.descriptors,
            "max_descriptors": process.max_descriptors,
        },
        "settings": settings,
    }))
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64()
}

fn settings(effective: &Effective) -> Vec<Value> {
    let shown = effective.iter().filter(|(setting, ..)| {
        let (section, _) = setting.parts();
        SECTIONS.contains(&section)
    });
    let settings = shown.map(|(setting, value, origin)| {
        json!({
            "key": setting.key,
            "value": setting.kind.text(&value),
            "help": setting.help,
            "set": (*origin != Origin::Default).then(|| origin.to_string()),
        })
    });
    settings.collect()
}
