//! How fast those are found who are to hear a notification, and what their subscriptions take.

mod compiled;
mod counting;
mod filters;
mod findings;
mod goals;
mod measure;
mod postings;
mod rarest;
mod scans;
mod words;
mod workload;

use core::hint::black_box;
use std::{env, process::ExitCode};

use campanile_core::{
    hub::{HashKey, Index, IndexLimits},
    notify::{Notification, Subscriptions},
};
use fastrand::Rng;

use crate::{
    Column, Options, Part, Side, USAGE,
    report::{load, machine, write},
};
use goals::goals;
use measure::{measure, needs_counts};
use workload::{Texts, Workload, notification, subscriptions};

/// A way to match.
trait Matcher<'t> {
    /// Replaces all that `subscriber` subscribed to.
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'t>);

    /// Takes out all that `subscriber` subscribed to.
    fn forget(&mut self, subscriber: u32);

    /// Who is to hear a notification, each once and in any order.
    fn recipients(&mut self, notification: &Notification<'_>) -> &[u32];
}

impl<'t> Matcher<'t> for Index {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'t>) {
        let done = self.replace(subscriber, set);
        done.expect("nobody asks for much");
    }

    fn forget(&mut self, subscriber: u32) {
        self.forget(subscriber);
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
        self.recipients(notification)
    }
}

/// A way to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    Index,
    /// The index, given messages as they come from a connection.
    Parsing,
    Counting,
    Rarest,
    Scan,
    Texts,
}

impl Candidate {
    /// In the order of the tables' columns; those that ask every subscription come last.
    const ALL: [Self; 6] = [
        Self::Index,
        Self::Parsing,
        Self::Counting,
        Self::Rarest,
        Self::Scan,
        Self::Texts,
    ];

    const fn column(self) -> Column {
        let (name, side) = match self {
            Self::Index => ("index", Side::Judged),
            Self::Parsing => ("index-parsing", Side::Reference),
            Self::Counting => ("counting", Side::Peer),
            Self::Rarest => ("rarest", Side::Peer),
            Self::Scan => ("scan", Side::Peer),
            Self::Texts => ("matches()", Side::Peer),
        };
        Column { name, side }
    }

    /// Whether it asks every subscription.
    const fn scans(self) -> bool {
        matches!(self, Self::Scan | Self::Texts)
    }

    /// Starts without subscriptions.
    fn start<'t>(self) -> Running<'t> {
        let matcher: Box<dyn Matcher<'t> + 't> = match self {
            Self::Index | Self::Parsing => {
                // A key like any other, but the same each time.
                let key = HashKey([0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210]);
                Box::new(Index::new(key, IndexLimits::default()))
            }
            Self::Counting => Box::new(counting::Counting::default()),
            Self::Rarest => Box::new(rarest::Rarest::default()),
            Self::Scan => Box::new(scans::Scan::default()),
            Self::Texts => Box::new(scans::Texts::default()),
        };
        Running {
            candidate: self,
            matcher,
        }
    }
}

/// A candidate with subscriptions.
struct Running<'t> {
    candidate: Candidate,
    matcher: Box<dyn Matcher<'t> + 't>,
}

/// What is matched: each subscriber's set, and notifications.
struct Traffic<'t> {
    set_texts: Vec<&'t [u8]>,
    sets: Vec<Subscriptions<'t>>,
    texts: Vec<&'t [u8]>,
    notifications: Vec<Notification<'t>>,
    /// The subscribers in an order that has nothing to do with their numbers.
    order: Vec<u32>,
}

impl<'t> Traffic<'t> {
    fn new(sets: &'t Texts, publications: &'t Texts) -> Self {
        let set_texts: Vec<_> = sets.iter().collect();
        let texts: Vec<_> = publications.iter().collect();
        let mut order: Vec<_> = (0..).take(set_texts.len()).collect();
        Rng::with_seed(8).shuffle(&mut order);
        Self {
            sets: set_texts.iter().copied().map(subscriptions).collect(),
            set_texts,
            notifications: texts.iter().copied().map(notification).collect(),
            texts,
            order,
        }
    }

    /// Gives a subscriber the set of another one.
    fn replace(&self, running: &mut Running<'t>, subscriber: u32, of: u32) {
        let of = of as usize;
        if running.candidate == Candidate::Parsing {
            let set = subscriptions(self.set_texts[of]);
            running.matcher.replace(subscriber, &set);
        } else {
            running.matcher.replace(subscriber, &self.sets[of]);
        }
    }

    /// Enters everybody.
    fn enter(&self, running: &mut Running<'t>) {
        for subscriber in (0..).take(self.sets.len()) {
            self.replace(running, subscriber, subscriber);
        }
    }

    /// Publishes notification `at`, and answers how many hear it.
    fn publish(&self, running: &mut Running<'t>, at: usize) -> usize {
        let heard = if running.candidate == Candidate::Parsing {
            let notification = notification(self.texts[at]);
            running.matcher.recipients(&notification)
        } else {
            running.matcher.recipients(&self.notifications[at])
        };
        black_box(heard).len()
    }

    /// Whether all of these find the same for the first `count` notifications, each subscriber once.
    fn agree(&self, all: &mut [Running<'t>], count: usize) -> Result<(), String> {
        for notification in self.notifications.iter().take(count) {
            let mut first: Option<(&str, Vec<u32>)> = None;
            for Running { candidate, matcher } in &mut *all {
                let name = candidate.column().name;
                let mut heard = matcher.recipients(notification).to_vec();
                heard.sort_unstable();
                let Some((other, expected)) = &first else {
                    if !heard.is_sorted_by(|a, b| a < b) {
                        return Err(format!("{name} names somebody twice"));
                    }
                    first = Some((name, heard));
                    continue;
                };
                if *expected != heard {
                    return Err(format!(
                        "{other} finds {} and {name} {} subscribers, or others",
                        expected.len(),
                        heard.len()
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Holds the answers of all candidates against each other on every workload with so many
/// subscriptions, and after half of the subscribers got other sets or none; and counts what the
/// index allocates while publishing. Nothing is timed.
///
/// # Errors
/// What is wrong; or the program does not count allocations.
pub fn check_matching(subscriptions: usize) -> Result<(), String> {
    needs_counts()?;
    for workload in Workload::ALL {
        check(workload, subscriptions).map_err(|why| format!("{}: {why}", workload.name()))?;
    }
    Ok(())
}

fn check(workload: Workload, subscriptions: usize) -> Result<(), String> {
    let notifications = 40;
    let (sets, publications) = workload.texts(subscriptions, notifications);
    let traffic = Traffic::new(&sets, &publications);
    let mut all = Candidate::ALL.map(Candidate::start);
    for running in &mut all {
        traffic.enter(running);
    }
    traffic.agree(&mut all, notifications)?;
    measure::allocates_nothing(&traffic, &mut all)?;
    let half = traffic.order.len() / 2;
    for (i, &subscriber) in traffic.order.iter().take(half).enumerate() {
        for running in &mut all {
            if i % 3 == 0 {
                running.matcher.forget(subscriber);
            } else {
                traffic.replace(running, subscriber, traffic.order[half + i]);
            }
        }
    }
    traffic.agree(&mut all, notifications)
}

/// The whole of the program that measures the matching: prints what it finds, or with `--write`
/// writes it into its part of `docs/benchmarks.md`.
#[must_use]
pub fn run_matching() -> ExitCode {
    let (write_too, arguments): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|it| it == "--write");
    let options = match Options::parse(arguments.into_iter()) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("matching: {why}\nusage: matching [--write] {USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = if options.only.is_some() {
        measure::run_only(&options)
    } else if write_too.is_empty() {
        results(&options).map(|text| println!("{text}"))
    } else {
        write(Part::MATCHING, || results(&options))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("matching: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and gives the results in Markdown.
fn results(options: &Options) -> Result<String, String> {
    let load = load();
    let findings = measure(options)?;
    let mut text = machine(&load);
    text += "\n";
    text += &goals(&findings);
    for table in findings.tables() {
        text += "\n";
        text += &table.markdown();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Does not name the last one that it should.
    struct Forgetful<'t>(Running<'t>);

    impl<'t> Matcher<'t> for Forgetful<'t> {
        fn replace(&mut self, subscriber: u32, set: &Subscriptions<'t>) {
            self.0.matcher.replace(subscriber, set);
        }

        fn forget(&mut self, subscriber: u32) {
            self.0.matcher.forget(subscriber);
        }

        fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
            let heard = self.0.matcher.recipients(notification);
            heard.split_last().map_or(&[], |(_, others)| others)
        }
    }

    /// What the workloads do not have of section 4 of the protocol, but for constraints and values
    /// without keys, which only the index and `matches()` take.
    #[test]
    fn all_candidates_know_the_language_of_filters_with_keys() {
        let target = r#""package":"p","page":"q","filters""#;
        let sets = [
            "{}",
            r#"{"values":{}}"#,
            r#"{"values":{"a":true}}"#,
            r#"{"values":{"a":[]}}"#,
            r#"{"values":{"a":[],"b":1}}"#,
            r#"{"values":{"a":"2"}}"#,
            r#"{"values":{"a":[2,"2",3]}}"#,
            r#"{"values":{"a":1,"a":2}}"#,
            r#"{"values":{"a":[1,2],"b":true}}"#,
            r#"{"values":{"a":[1,2],"b":[null,false]}}"#,
            r#"{"values":{"\u0061":"\u0032"}}"#,
        ];
        let publications = [
            "{}",
            r#"{"values":{"a":2}}"#,
            r#"{"values":{"a":2.0,"b":null}}"#,
            r#"{"values":{"a":[1,2,2],"b":[1,false]}}"#,
            r#"{"values":{"a":[],"b":1}}"#,
            r#"{"values":{"a":[1,2],"b":1}}"#,
            r#"{"values":{"a":3,"a":1}}"#,
            r#"{"values":{"c":1}}"#,
        ];
        let set =
            |filters| format!(r#"{{"sender":"client","subscriptions":[{{{target}:{filters}}}]}}"#);
        let elsewhere = set("{}").replace(r#""q""#, r#""other""#);
        let publication =
            |filters| format!(r#"{{"sender":"server","notification":{{{target}:{filters}}}}}"#);
        let sets = Texts::from_iter(sets.map(set).into_iter().chain([elsewhere]));
        let publications = Texts::from_iter(publications.map(publication));
        let traffic = Traffic::new(&sets, &publications);
        let mut all = Candidate::ALL.map(Candidate::start);
        for running in &mut all {
            traffic.enter(running);
        }
        assert_eq!(traffic.agree(&mut all, publications.iter().count()), Ok(()));
        let heard = |running: &mut Running<'_>, at: usize| {
            let heard = running.matcher.recipients(&traffic.notifications[at]);
            heard.iter().copied().collect::<BTreeSet<_>>()
        };
        for running in &mut all {
            assert_eq!(heard(running, 0), [0, 1].into());
            assert_eq!(heard(running, 2), [0, 1, 2, 5, 6, 7, 8, 9, 10].into());
            assert_eq!(heard(running, 4), [0, 1].into());
            assert_eq!(heard(running, 5), [0, 1, 2, 5, 6, 7, 8, 10].into());
        }
    }

    #[test]
    fn a_wrong_answer_is_noticed() {
        let (sets, publications) = Workload::Tenants.texts(200, 50);
        let traffic = Traffic::new(&sets, &publications);
        for candidate in Candidate::ALL {
            let matcher = Box::new(Forgetful(candidate.start()));
            let mut all = [candidate.start(), Running { candidate, matcher }];
            for running in &mut all {
                traffic.enter(running);
            }
            assert!(traffic.agree(&mut all, 50).is_err());
            assert_eq!(traffic.agree(&mut all[..1], 50), Ok(()));
        }
    }
}
