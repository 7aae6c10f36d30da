//! What a run found, for people and for programs.

use core::time::Duration;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::{board::Faults, plan::Plan};

/// What a run found.
#[derive(Debug)]
pub(crate) struct Report<'r> {
    pub(crate) url: &'r str,
    pub(crate) plan: Plan,
    pub(crate) size: usize,
    pub(crate) rate: u32,
    pub(crate) v1: bool,
    pub(crate) deflate: bool,
    pub(crate) setup: Option<Setup>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) latencies: &'r Histogram<u64>,
    pub(crate) faults: &'r Faults,
    /// Each with its reason, for a person.
    pub(crate) problems: &'r [String],
}

/// The clients connected and subscribed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) took: Duration,
    pub(crate) server: Option<SetupCost>,
}

/// What that took the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetupCost {
    pub(crate) cpu: Duration,
    /// Memory by which it grew until the end of the phase, or of the time the connections were held.
    pub(crate) bytes: u64,
    /// Its memory then.
    pub(crate) memory: u64,
}

/// The notifications were published and delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// How many notifications were published: all, unless the run was cut short.
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) took: Duration,
    /// Bytes that the clients received of the server, as they were on the wire.
    pub(crate) received: u64,
    pub(crate) server_cpu: Option<Duration>,
    /// What this program took: near a whole processor, it is what bounds the rate.
    pub(crate) own_cpu: Duration,
}

/// Which latencies are told.
const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("p99.99", 99.99),
];

impl Report<'_> {
    /// Whether everything was as it should be.
    pub(crate) const fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    fn lost(&self) -> u64 {
        self.delivery.map_or(0, |delivery| {
            let due = delivery.published * self.plan.recipients();
            due.saturating_sub(delivery.delivered)
        })
    }

    /// Lines for a person.
    pub(crate) fn text(&self) -> String {
        let mut text = self.intention();
        if let Some(setup) = &self.setup {
            self.tell_setup(setup, &mut text);
        }
        if let Some(delivery) = &self.delivery {
            self.tell_delivery(delivery, &mut text);
        }
        text
    }

    fn intention(&self) -> String {
        let Plan {
            clients,
            publishers,
            notifications,
            one,
        } = self.plan;
        let session = if self.v1 { "v1" } else { "classic" };
        let mut text = format!(
            "{}: {}, {session} sessions{}",
            self.url,
            counted(clients, "client"),
            if self.deflate {
                " with compression"
            } else {
                ""
            },
        );
        if notifications > 0 {
            let whom = if one { "one client" } else { "all" };
            let pace = match self.rate {
                0 => "flat out".to_owned(),
                rate => format!("at {rate}/s"),
            };
            let _ = write!(
                text,
                "; {} of {} bytes, {pace}, by {}, each to {whom}",
                counted(notifications, "notification"),
                self.size,
                counted(publishers, "publisher"),
            );
        }
        text.push('\n');
        text
    }

    fn tell_setup(&self, setup: &Setup, text: &mut String) {
        let clients = self.plan.clients;
        line(
            text,
            "set-up",
            &format!(
                "{clients} connected and subscribed in {:.3} s",
                setup.took.as_secs_f64()
            ),
        );
        if let Some(cost) = setup.server {
            line(
                text,
                "",
                &format!(
                    "server: {:.1} µs of CPU and {} bytes a connection; {:.1} MiB in all",
                    each_micros(cost.cpu, clients),
                    cost.bytes / clients,
                    cost.memory as f64 / f64::from(1 << 20),
                ),
            );
        }
    }

    fn tell_delivery(&self, delivery: &Delivery, text: &mut String) {
        let Delivery {
            delivered, took, ..
        } = *delivery;
        let seconds = took.as_secs_f64();
        let verdict = if self.is_well() {
            "each once and in order".to_owned()
        } else {
            format!(
                "{} lost, {} doubled, {} reordered, {} not as published",
                self.lost(),
                self.faults.doubled.get(),
                self.faults.reordered.get(),
                self.faults.foreign.get()
            )
        };
        line(
            text,
            "deliveries",
            &format!(
                "{delivered} of {} in {seconds:.3} s, {:.0}/s; {verdict}",
                self.plan.deliveries(),
                delivered as f64 / seconds,
            ),
        );
        let latencies = self.latencies;
        if !latencies.is_empty() {
            let mut told = String::new();
            for (name, percentile) in PERCENTILES {
                let nanos = latencies.value_at_percentile(percentile);
                let _ = write!(told, "{name} {:.3}, ", nanos as f64 / 1e6);
            }
            let _ = write!(told, "max {:.3} ms", latencies.max() as f64 / 1e6);
            line(text, "latency", &told);
        }
        if delivered == 0 {
            return; // there is nothing to divide by
        }
        line(
            text,
            "on the wire",
            &format!("{:.1} bytes a delivery", each(delivery.received, delivered)),
        );
        if let Some(cpu) = delivery.server_cpu {
            line(
                text,
                "server",
                &format!(
                    "{:.3} µs of CPU a delivery, {:.0} % of a processor",
                    each_micros(cpu, delivered),
                    100.0 * cpu.as_secs_f64() / seconds,
                ),
            );
        }
        let share = delivery.own_cpu.as_secs_f64() / seconds;
        let bound = if share > BUSY {
            "; it is this program that bounds the rate"
        } else {
            ""
        };
        line(
            text,
            "this program",
            &format!(
                "{:.3} µs of CPU a delivery, {:.0} % of a processor{bound}",
                each_micros(delivery.own_cpu, delivered),
                100.0 * share,
            ),
        );
    }

    /// One object for a program. What was not measured is `null`.
    pub(crate) fn json(&self) -> String {
        let Plan {
            clients,
            publishers,
            notifications,
            one,
        } = self.plan;
        let cost = self.setup.and_then(|setup| setup.server);
        let latencies = (!self.latencies.is_empty()).then(|| {
            let mut all = json!({
                "min": micros(self.latencies.min()),
                "mean": self.latencies.mean() / 1e3,
                "max": micros(self.latencies.max()),
            });
            for (name, percentile) in PERCENTILES {
                all[name] = micros(self.latencies.value_at_percentile(percentile)).into();
            }
            all
        });
        let delivery = self.delivery.map(|delivery| {
            let Delivery {
                published,
                delivered,
                took,
                received,
                server_cpu,
                own_cpu,
            } = delivery;
            json!({
                "published": published,
                "delivered": delivered,
                "lost": self.lost(),
                "doubled": self.faults.doubled.get(),
                "reordered": self.faults.reordered.get(),
                "foreign": self.faults.foreign.get(),
                "seconds": took.as_secs_f64(),
                "per_second": delivered as f64 / took.as_secs_f64(),
                "latency_us": latencies,
                "wire_bytes_each": each(received, delivered),
                "server_cpu_us_each": server_cpu.map(|cpu| each_micros(cpu, delivered)),
                "server_cpu_seconds": server_cpu.map(|cpu| cpu.as_secs_f64()),
                "own_cpu_us_each": each_micros(own_cpu, delivered),
                "own_cpu_seconds": own_cpu.as_secs_f64(),
            })
        });
        let report: Value = json!({
            "url": self.url,
            "v1": self.v1,
            "deflate": self.deflate,
            "clients": clients,
            "publishers": publishers,
            "notifications": notifications,
            "match": if one { "one" } else { "all" },
            "size": self.size,
            "rate": self.rate,
            "ok": self.is_well(),
            "problems": self.problems,
            "setup": self.setup.map(|setup| json!({
                "seconds": setup.took.as_secs_f64(),
                "server_cpu_us_each": cost.map(|cost| each_micros(cost.cpu, clients)),
                "server_bytes_each": cost.map(|cost| cost.bytes as f64 / clients as f64),
                "server_bytes": cost.map(|cost| cost.memory),
            })),
            "delivery": delivery,
        });
        format!("{report}\n")
    }
}

/// From which share of a processor on this program is said to be the bound.
const BUSY: f64 = 0.9;

fn line(text: &mut String, name: &str, rest: &str) {
    let _ = writeln!(text, "{name:<13} {rest}");
}

fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// `NaN`, which JSON has as null, of nothing.
fn each(all: u64, count: u64) -> f64 {
    all as f64 / count as f64
}

/// The same.
fn each_micros(span: Duration, count: u64) -> f64 {
    span.as_secs_f64() * 1e6 / count as f64
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_people_and_programs_the_same() {
        let mut latencies = Histogram::new(3).unwrap();
        latencies.record(2_000_000).unwrap();
        let faults = Faults::default();
        faults.doubled.set(5);
        let problems = ["two are missing".to_owned()];
        let report = Report {
            url: "ws://a/",
            plan: Plan {
                clients: 2,
                publishers: 1,
                notifications: 100,
                one: false,
            },
            size: 250,
            rate: 0,
            v1: false,
            deflate: true,
            setup: Some(Setup {
                took: Duration::from_millis(250),
                server: Some(SetupCost {
                    cpu: Duration::from_micros(60),
                    bytes: 900,
                    memory: 3 << 20,
                }),
            }),
            delivery: Some(Delivery {
                published: 100,
                delivered: 198,
                took: Duration::from_secs(2),
                received: 19_800,
                server_cpu: None,
                own_cpu: Duration::from_micros(99),
            }),
            latencies: &latencies,
            faults: &faults,
            problems: &problems,
        };
        let text = report.text();
        for part in [
            "2 connected and subscribed in 0.250 s\n",
            "server: 30.0 µs of CPU and 450 bytes a connection; 3.0 MiB in all\n",
            "198 of 200 in 2.000 s, 99/s; 2 lost, 5 doubled, 0 reordered, 0 not as published\n",
            "2 clients, classic sessions with compression; ",
            "100.0 bytes a delivery\n",
            "0.500 µs of CPU a delivery, 0 % of a processor\n",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["problems"][0], "two are missing");
        assert_eq!(json["setup"]["server_bytes_each"], 450.0);
        assert_eq!(json["deflate"], true);
        assert_eq!(json["delivery"]["wire_bytes_each"], 100.0);
        assert_eq!(json["delivery"]["lost"], 2);
        assert_eq!(json["delivery"]["doubled"], 5);
        assert!(json["delivery"]["server_cpu_us_each"].is_null());
        let p99 = json["delivery"]["latency_us"]["p99"].as_f64().unwrap();
        assert!((1990.0..2010.0).contains(&p99), "{p99}");
    }
}
