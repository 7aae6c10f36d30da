//! What clients subscribe to and publishers publish, as they write it.

use core::fmt::Write as _;

use campanile_core::notify::{self, Limits, Message, Notification, Subscriptions};
use fastrand::Rng;

/// Who subscribes to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workload {
    /// Everybody a value of their own.
    Unique,
    /// Some channels of many.
    Rooms,
    /// The same, ten subscriptions each.
    Rooms10,
    /// A room of a tenant.
    Tenants,
    /// Any of a few keys.
    Alerts,
    /// The same with as many keys as one subscription may have: more shapes than an index allows.
    Hostile,
}

const CHANNELS: usize = 100_000;
const TENANTS: usize = 3;
const ROOMS: usize = 5000;
const ALERTS: usize = 100;
const ALERT_KEYS: [&str; 6] = ["type", "severity", "line", "machine", "oee", "shift"];
/// One constraint of so many accepts any value.
const WILDCARD: usize = 5;

impl Workload {
    pub(super) const ALL: [Self; 6] = [
        Self::Unique,
        Self::Rooms,
        Self::Rooms10,
        Self::Tenants,
        Self::Alerts,
        Self::Hostile,
    ];

    /// As the command line and the tables have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Rooms => "rooms",
            Self::Rooms10 => "rooms×10",
            Self::Tenants => "tenants",
            Self::Alerts => "alerts",
            Self::Hostile => "hostile",
        }
    }

    /// How many subscriptions each subscriber has.
    pub(super) const fn each(self) -> usize {
        match self {
            Self::Rooms10 => 10,
            Self::Unique | Self::Rooms | Self::Tenants | Self::Alerts | Self::Hostile => 1,
        }
    }

    /// The messages of this many subscriptions, and of this many publications; always the same.
    pub(super) fn texts(self, subscriptions: usize, notifications: usize) -> (Texts, Texts) {
        let mut writer = Writer {
            workload: self,
            rng: Rng::with_seed(7),
            subscriptions,
            tenants: Zipf::new(TENANTS),
            rooms: Zipf::new(ROOMS),
            alerts: Zipf::new(ALERTS),
            hostile_keys: (0..Limits::CONSTRAINTS).map(|i| format!("k{i}")).collect(),
        };
        let mut sets = Texts::default();
        let mut written = 0;
        while written < subscriptions {
            let text = &mut sets.text;
            text.push_str(r#"{"sender":"client","subscriptions":["#);
            for i in 0..self.each().min(subscriptions - written) {
                let comma = if i == 0 { "" } else { "," };
                let _ = write!(text, "{comma}{TARGET}");
                writer.constraints(text, written);
                text.push_str("}}}");
                written += 1;
            }
            text.push_str("]}");
            sets.end();
        }
        let mut publications = Texts::default();
        for _ in 0..notifications {
            let text = &mut publications.text;
            let _ = write!(text, r#"{{"sender":"server","notification":{TARGET}"#);
            writer.values(text);
            text.push_str(r#"}},"data":{"messageId":"12345"},"message":"Nouveau message reçu"}}"#);
            publications.end();
        }
        (sets, publications)
    }
}

/// Up to the members of the values.
const TARGET: &str = r#"{"package":"plant","page":"messages","filters":{"values":{"#;

struct Writer {
    workload: Workload,
    rng: Rng,
    subscriptions: usize,
    tenants: Zipf,
    rooms: Zipf,
    alerts: Zipf,
    hostile_keys: Vec<String>,
}

impl Writer {
    /// The constraints of subscription `number`.
    fn constraints(&mut self, text: &mut String, number: usize) {
        match self.workload {
            Workload::Unique => write_unique(text, number),
            Workload::Rooms | Workload::Rooms10 => {
                text.push_str(r#""channel":["#);
                for i in 0..self.rng.usize(1..=5) {
                    let comma = if i == 0 { "" } else { "," };
                    let channel = self.rng.usize(..CHANNELS);
                    let _ = write!(text, r#"{comma}"{channel}""#);
                }
                text.push(']');
            }
            Workload::Tenants => self.tenant(text),
            Workload::Alerts => {
                let count = self.rng.usize(1..=3);
                let keys = self.rng.choose_multiple(ALERT_KEYS, count);
                self.alert(text, &keys, true);
            }
            Workload::Hostile => {
                let count = self.rng.usize(1..=3);
                let keys = self.rng.choose_multiple(0..self.hostile_keys.len(), count);
                let names = core::mem::take(&mut self.hostile_keys);
                let keys: Vec<_> = keys.into_iter().map(|key| names[key].as_str()).collect();
                self.alert(text, &keys, true);
                self.hostile_keys = names;
            }
        }
    }

    /// The values of a notification.
    fn values(&mut self, text: &mut String) {
        match self.workload {
            Workload::Unique => {
                let number = self.rng.usize(..self.subscriptions);
                write_unique(text, number);
            }
            Workload::Rooms | Workload::Rooms10 => {
                let _ = write!(text, r#""channel":"{}""#, self.rng.usize(..CHANNELS));
            }
            Workload::Tenants => self.tenant(text),
            Workload::Alerts => self.alert(text, &ALERT_KEYS, false),
            Workload::Hostile => {
                let names = core::mem::take(&mut self.hostile_keys);
                let keys: Vec<_> = names.iter().map(String::as_str).collect();
                self.alert(text, &keys, false);
                self.hostile_keys = names;
            }
        }
    }

    fn tenant(&mut self, text: &mut String) {
        let tenant = self.tenants.pick(&mut self.rng);
        let room = self.rooms.pick(&mut self.rng);
        let _ = write!(text, r#""tenant":"tenant-{tenant}","room":"{room}""#);
    }

    fn alert(&mut self, text: &mut String, keys: &[&str], has_wildcards: bool) {
        for (i, key) in keys.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let value = self.alerts.pick(&mut self.rng);
            let _ = if has_wildcards && self.rng.usize(..WILDCARD) == 0 {
                write!(text, r#"{comma}"{key}":true"#)
            } else {
                write!(text, r#"{comma}"{key}":"{value}""#)
            };
        }
    }
}

/// Twelve bytes, as of an identifier, of which no two are equal.
fn write_unique(text: &mut String, number: usize) {
    // An odd factor: different numbers stay different, and neighbours are far apart.
    let id = number.wrapping_mul(0x9E37_79B1) & 0xFFFF_FFFF;
    let _ = write!(text, r#""user":"user{id:08x}""#);
}

/// Numbers from 0 that come the less often the higher they are: number k with a chance proportional
/// to 1 / (k + 1).
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let sums = (1..=count).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self(sums.collect())
    }

    fn pick(&self, rng: &mut Rng) -> usize {
        let Self(sums) = self;
        let all = sums.last().copied().unwrap_or_default();
        let at = rng.f64() * all;
        sums.partition_point(|&sum| sum <= at).min(sums.len() - 1)
    }
}

/// Messages one behind the other.
#[derive(Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends);
        ranges.map(|(start, &end)| &self.text.as_bytes()[start..end])
    }
}

#[cfg(test)]
impl FromIterator<String> for Texts {
    fn from_iter<I: IntoIterator<Item = String>>(messages: I) -> Self {
        let mut texts = Self::default();
        for message in messages {
            texts.text += &message;
            texts.end();
        }
        texts
    }
}

/// The subscriptions that a client's message is.
pub(super) fn subscriptions(text: &[u8]) -> Subscriptions<'_> {
    let Ok(Message::Client(client)) = notify::parse(text, &Limits::default()) else {
        panic!("not a client's: {}", String::from_utf8_lossy(text));
    };
    client.subscriptions().expect("it has a set")
}

/// The notification that a publisher's message is.
pub(super) fn notification(text: &[u8]) -> Notification<'_> {
    let Ok(Message::Publication(notification)) = notify::parse(text, &Limits::default()) else {
        panic!("not a publisher's: {}", String::from_utf8_lossy(text));
    };
    notification
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_workload_has_as_many_valid_messages_as_are_asked_for() {
        for workload in Workload::ALL {
            let (sets, publications) = workload.texts(101, 50);
            let lens = sets.iter().map(|text| subscriptions(text).len());
            assert_eq!(lens.sum::<usize>(), 101, "{}", workload.name());
            assert_eq!(publications.iter().map(notification).count(), 50);
        }
    }

    #[test]
    fn the_same_messages_come_every_time() {
        for workload in Workload::ALL {
            let (sets, publications) = workload.texts(50, 50);
            let (again, others) = workload.texts(50, 50);
            assert_eq!(sets.text, again.text);
            assert_eq!(publications.text, others.text);
        }
    }

    #[test]
    fn unique_values_are_unique() {
        let (sets, _) = Workload::Unique.texts(10_000, 0);
        let distinct: HashSet<_> = sets.iter().collect();
        assert_eq!(distinct.len(), 10_000);
    }

    #[test]
    fn the_first_of_n_comes_n_times_as_often_as_the_last() {
        let zipf = Zipf::new(10);
        let mut rng = Rng::with_seed(1);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[zipf.pick(&mut rng)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((9.0..11.0).contains(&ratio), "{counts:?}");
    }
}
