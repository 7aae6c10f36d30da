//! The whole corpus at one daemon, from several hosts at a time, while it serves well-behaved clients: these
//! hear everything, in order, within a second, and nothing is left of the attackers in the end.

use core::time::Duration;
use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use campanile_tests::{Daemon, PATIENCE, Received, Wire, metrics};
use core::net::SocketAddr;
use libtest_mimic::Trial;

use crate::{
    attack::{Attack, Random, SMUGGLED},
    families::{self, FAMILIES, LOG_RATE, Made},
};

/// What the service promises: so long after a notification is published, everybody has heard it.
const PROMISE: Duration = Duration::from_secs(1);

/// The same for a program that is not optimised, which takes tens of times as long.
const PROMISE_UNOPTIMISED: Duration = Duration::from_secs(5);

/// Well-behaved subscribers.
const SUBSCRIBERS: u8 = 20;

/// Between two notifications.
const PACE: Duration = Duration::from_millis(20);

/// Hosts that attack at a time, one attack after the other.
const ATTACKERS: u8 = 6;

/// From so many seconds on, a fire is worth some preparation, and lasts long enough for the slow attacks.
const LONG: u64 = 20;

/// A slow attack is made again after so long.
const AGAIN: Duration = Duration::from_secs(10);

/// How much more memory there may be afterwards: what the allocator keeps for the next ones, in an arena
/// for each thread. All that the attackers made the daemon hold at once is several times as much.
const MEMORY: usize = 24 * 1024 * 1024;

/// How many more descriptors: what is opened when it is needed first.
const DESCRIPTORS: usize = 8;

/// What there is of clients, and has to be gone with them.
const GAUGES: &[&str] = &[
    "campanile_connections",
    "campanile_subscriptions",
    "campanile_index_partitions",
    "campanile_index_shapes",
    "campanile_index_cohorts",
    "campanile_index_tuples",
    "campanile_index_verified{reason=\"expansion\"}",
    "campanile_index_verified{reason=\"shapes\"}",
    "campanile_outbox_bytes",
    "campanile_outbox_connections",
];

/// What the trial is called.
pub(crate) const NAME: &str = "everybody_hears_everything_within_a_second_under_fire";

pub(crate) fn trial() -> Trial {
    Trial::test(NAME, || {
        families::alone(run);
        Ok(())
    })
}

/// What is promised of the daemon that is tested.
fn promise() -> Duration {
    let mut folders = Daemon::binary().components();
    if folders.any(|folder| folder.as_os_str() == "debug") {
        PROMISE_UNOPTIMISED
    } else {
        PROMISE
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn run() {
    let seconds = number("CAMPANILE_ATTACK_SECONDS", 4);
    let seed = number("CAMPANILE_ATTACK_SEED", 1);
    let arguments = env::var("CAMPANILE_ATTACK_ARGUMENTS").unwrap_or_default();
    let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
    let (daemon, admin) = families::daemon(&arguments);
    let corpus: Vec<_> = (FAMILIES.iter())
        .flat_map(|family| family.attacks)
        .filter(|attack| attack.is_possible())
        .collect();
    // The slow ones take longer than a short fire.
    let (slow, quick): (Vec<_>, Vec<_>) = corpus.iter().partition(|attack| attack.is_slow);
    let slow = if seconds < LONG { vec![] } else { slow };

    let service = Service::default();
    let board = Board::default();
    let start = Instant::now();
    let (levels, page, delays) = thread::scope(|threads| {
        // Whatever goes wrong here, the publisher must not go on for ever.
        let over = Over(&service);
        let subscribers: Vec<_> = (0..SUBSCRIBERS)
            .map(|number| {
                let mut wire = families::subscriber(
                    daemon.address(),
                    60 + number,
                    &format!("[{TOPIC},{SMUGGLED}]"),
                );
                let service = &service;
                threads.spawn(move || service.hear(&mut wire))
            })
            .collect();
        let publisher = threads.spawn(|| service.publish(daemon.connect_v1()));
        if seconds >= LONG {
            // Once around, for what is kept for the next ones.
            board.attack(&quick, daemon.address(), seed, Duration::ZERO);
            board.forget();
        }
        let before = at_rest(&daemon, admin, None);
        let page = metrics::get(admin, "/metrics");

        let calm = service.published();
        thread::sleep(Duration::from_secs((seconds / 4).clamp(1, 10)));
        let begin = service.published();
        let fire = Duration::from_secs(seconds);
        thread::scope(|attackers| {
            for (attack, host) in slow.iter().zip(20_u8..) {
                let (board, daemon) = (&board, daemon.address());
                attackers.spawn(move || board.repeat(attack, daemon, host, fire));
            }
            board.attack(&quick, daemon.address(), seed + 1, fire);
        });
        let end = service.published();
        let after = at_rest(&daemon, admin, Some(&before));
        drop(over);
        publisher.join().expect("the publisher is served");
        let heard: Vec<_> = subscribers
            .into_iter()
            .map(|one| one.join().expect("every subscriber hears everything"))
            .collect();
        let of = |from: usize, to: usize| Delays::of(heard.iter().flat_map(|all| &all[from..to]));
        ((before, after), page, (of(calm, begin), of(begin, end)))
    });
    let ((before, after), (calm, fire)) = (levels, delays);
    println!(
        "{seconds} s under fire, {} attacks of {} kinds: heard {fire}; before, {calm}; before the fire, \
         {before}; after it, {after}",
        board.count.load(Relaxed),
        quick.len() + slow.len(),
    );
    board.expect_no_failure();
    before.expect(&after);
    let made = board.made.lock().expect("no panic");
    made.expect_counted(admin, &page);
    expect_bounded_log(&daemon, start.elapsed());
    // What the machine does to clients whom nobody attacks is none of the attackers' doing.
    assert!(
        fire.most <= promise() + calm.most,
        "not within {:?}: {fire}; without attackers: {calm}",
        promise()
    );
}

/// What well-behaved clients talk about.
const TOPIC: &str = r#"{"package":"fire","page":"calm"}"#;

/// One publisher and its subscribers.
#[derive(Default)]
struct Service {
    /// When each notification was published.
    times: Mutex<Vec<Instant>>,
    is_over: AtomicBool,
}

/// It is over when this is dropped.
struct Over<'s>(&'s Service);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Relaxed);
    }
}

impl Service {
    fn published(&self) -> usize {
        self.times.lock().expect("no panic").len()
    }

    fn notification(number: usize, is_last: bool) -> String {
        format!(
            r#"{{"sender":"server","notification":{TOPIC},"number":{number},"last":{is_last}}}"#
        )
    }

    /// Publishes numbers until it is over.
    fn publish(&self, mut wire: Wire) {
        let mut due = Instant::now();
        loop {
            let is_last = self.is_over.load(Relaxed);
            let number = {
                let mut times = self.times.lock().expect("no panic");
                times.push(Instant::now());
                times.len() - 1
            };
            wire.send_text(&Self::notification(number, is_last));
            let Received::Text(answer) = wire.receive() else {
                panic!("an answer comes");
            };
            let expected = format!("\"recipients\":{SUBSCRIBERS}");
            assert!(answer.contains(&expected), "{answer}");
            if is_last {
                return;
            }
            due = (due + PACE).max(Instant::now());
            thread::sleep(due.duration_since(Instant::now()));
        }
    }

    /// Hears all of them, in order; how long after its publication each was heard.
    fn hear(&self, wire: &mut Wire) -> Vec<Duration> {
        let mut delays = Vec::new();
        loop {
            let Received::Text(text) = wire.receive() else {
                panic!("it is served");
            };
            let now = Instant::now();
            let number = delays.len();
            let is_last = text == Self::notification(number, true);
            assert!(
                is_last || text == Self::notification(number, false),
                "{text}, and not number {number}"
            );
            let time = self.times.lock().expect("no panic")[number];
            delays.push(now.duration_since(time));
            if is_last {
                return delays;
            }
        }
    }
}

/// What the attackers have done.
#[derive(Default)]
struct Board {
    count: AtomicUsize,
    made: Mutex<Made>,
    failures: Mutex<Vec<String>>,
}

impl Board {
    /// Every attack once, and then any of them for as long as this.
    fn attack(&self, corpus: &[&&Attack], daemon: SocketAddr, seed: u64, time: Duration) {
        let start = Instant::now();
        thread::scope(|threads| {
            for host in 0..ATTACKERS {
                threads.spawn(move || {
                    let first = corpus.iter().skip(host.into());
                    for attack in first.step_by(ATTACKERS.into()) {
                        self.make(attack, daemon, host, seed);
                    }
                    let mut random = Random::new(seed * 1_000 + u64::from(host));
                    while start.elapsed() < time {
                        let attack = corpus[random.below(corpus.len())];
                        self.make(attack, daemon, host, random.number());
                    }
                });
            }
        });
    }

    /// The same attack for as long as this, now and then.
    fn repeat(&self, attack: &Attack, daemon: SocketAddr, host: u8, time: Duration) {
        let start = Instant::now();
        let mut seed: u32 = 0;
        while start.elapsed() < time {
            self.make(attack, daemon, host, seed.into());
            seed += 1;
            // Some take less.
            thread::sleep((AGAIN * seed).saturating_sub(start.elapsed()));
        }
    }

    fn make(&self, attack: &Attack, daemon: SocketAddr, host: u8, seed: u64) {
        match families::attempt(attack, daemon, host, seed) {
            Ok(()) => {
                self.count.fetch_add(1, Relaxed);
                self.made.lock().expect("no panic").count(attack);
            }
            Err(failure) => self.failures.lock().expect("no panic").push(failure),
        }
    }

    fn forget(&self) {
        self.count.store(0, Relaxed);
        *self.made.lock().expect("no panic") = Made::default();
    }

    fn expect_no_failure(&self) {
        let failures = self.failures.lock().expect("no panic");
        let first: Vec<_> = failures.iter().take(5).map(String::as_str).collect();
        assert!(
            failures.is_empty(),
            "{} attacks did not end as they must:\n{}",
            failures.len(),
            first.join("\n")
        );
    }
}

/// How much there is of the daemon.
#[derive(Debug)]
struct Level {
    descriptors: usize,
    memory: usize,
    threads: usize,
    gauges: BTreeMap<&'static str, f64>,
}

/// Waits until the daemon has forgotten all attackers: until what there is of it is what was `before`, or
/// what was half a second ago.
fn at_rest(daemon: &Daemon, admin: SocketAddr, before: Option<&Level>) -> Level {
    let start = Instant::now();
    let mut last: Option<Level> = None;
    loop {
        let (descriptors, memory) = daemon.footprint();
        let page = metrics::get(admin, "/metrics");
        let gauge = |name: &&'static str| (*name, metrics::sample_in(&page, name));
        let now = Level {
            descriptors,
            memory,
            threads: daemon.threads(),
            gauges: GAUGES.iter().map(gauge).collect(),
        };
        let is_done = before.or(last.as_ref()).is_some_and(|level| {
            let most = level.descriptors + DESCRIPTORS;
            level.gauges == now.gauges && now.descriptors <= most
        });
        if is_done || start.elapsed() > PATIENCE {
            return now;
        }
        last = Some(now);
        thread::sleep(Duration::from_millis(500));
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            descriptors,
            memory,
            threads,
            ..
        } = self;
        let megabytes = memory / 1024 / 1024;
        write!(
            f,
            "{descriptors} descriptors, {threads} threads, {megabytes} MiB"
        )
    }
}

impl Level {
    fn expect(&self, after: &Self) {
        assert_eq!(
            self.gauges, after.gauges,
            "what was there before, and after"
        );
        assert!(
            after.descriptors <= self.descriptors + DESCRIPTORS
                && after.threads <= self.threads + DESCRIPTORS
                && after.memory <= self.memory + MEMORY,
            "{self:?} has become {after:?}"
        );
    }
}

/// Of each event, no more is logged than the rate allows.
fn expect_bounded_log(daemon: &Daemon, time: Duration) {
    let log = daemon.log();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in log.lines() {
        let before_fields = line.split('=').next().unwrap_or_default();
        let words = before_fields
            .rsplit_once(' ')
            .map_or("", |(words, _)| words);
        let event = words.split_once(' ').map_or("", |(_, event)| event);
        *counts.entry(event).or_default() += 1;
    }
    let seconds = usize::try_from(time.as_secs()).expect("a short time") + 1;
    let most = LOG_RATE * (seconds + 10);
    for (event, count) in counts {
        assert!(count <= most, "{count} lines of {event}, of {most}");
    }
}

/// How long after its publication a notification was heard.
struct Delays {
    count: usize,
    median: Duration,
    nearly_all: Duration,
    most: Duration,
}

impl Delays {
    fn of<'d>(delays: impl Iterator<Item = &'d Duration>) -> Self {
        let mut all: Vec<_> = delays.copied().collect();
        all.sort_unstable();
        let at = |thousandths: usize| {
            let place = all.len().saturating_sub(1) * thousandths / 1_000;
            all.get(place).copied().unwrap_or_default()
        };
        Self {
            count: all.len(),
            median: at(500),
            nearly_all: at(999),
            most: at(1_000),
        }
    }
}

impl core::fmt::Display for Delays {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            count,
            median,
            nearly_all,
            most,
        } = self;
        write!(
            f,
            "{count} notifications, half of them within {median:.1?}, 99.9 % within {nearly_all:.1?}, \
             all within {most:.1?}"
        )
    }
}
