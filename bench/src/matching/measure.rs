//! The measuring: subscribing, publishing, replacing and forgetting, in turns.

use core::time::Duration;
use std::{hint::black_box, time::Instant};

use stats_alloc::INSTRUMENTED_SYSTEM;

use super::{
    Candidate, Running, Traffic, Workload,
    findings::{Case, Findings, label},
};
use crate::{
    Cell, Options, Side,
    harness::{quartiles, quartiles_of_rounds, time},
};

/// So many subscriptions.
const SIZES: [usize; 4] = [1000, 10_000, 100_000, 1_000_000];
/// With `--quick`.
const QUICK_SIZES: [usize; 2] = [1000, 10_000];

/// Different notifications. With so many, what is read of an index does not stay in the second cache
/// of a processor.
const NOTIFICATIONS: usize = 16_384;

/// At most so many notifications in a round, of which the next takes the next ones.
const WINDOW: usize = 2048;

/// At most so many notifications are published to hold the answers against each other, and fewer
/// where they take longer than this.
const AGREED: usize = 256;
const AGREE: Duration = Duration::from_millis(200);

/// The same for counting allocations.
const COUNTED: Duration = Duration::from_millis(300);

/// Above so many subscriptions only what is judged is built more than once.
const LARGE: usize = 300_000;

/// So many subscribers get another set in a round.
const REPLACED: usize = 400;

/// Which cases `options` ask for.
fn wanted(options: &Options) -> Result<Vec<(Workload, usize)>, String> {
    let asked = options.workload.as_deref();
    let workloads = Workload::ALL.iter().copied();
    let workloads: Vec<_> = workloads
        .filter(|it| asked.is_none_or(|asked| asked == it.name()))
        .collect();
    if workloads.is_empty() {
        let names = Workload::ALL.map(Workload::name).join(", ");
        return Err(format!("there is no such workload, only {names}"));
    }
    let sizes = match options.subscriptions {
        Some(0) => return Err("no subscriptions take no time".into()),
        Some(size) => vec![size],
        None if options.quick => QUICK_SIZES.to_vec(),
        None => SIZES.to_vec(),
    };
    let cases = workloads
        .iter()
        .flat_map(|&workload| sizes.iter().map(move |&size| (workload, size)));
    Ok(cases.collect())
}

/// Measures what `options` ask for.
pub(super) fn measure(options: &Options) -> Result<Findings, String> {
    needs_counts()?;
    let cases = wanted(options)?.into_iter().map(|(workload, size)| {
        let label = label(workload, size);
        eprintln!("matching, {label}");
        case(options, workload, size).map_err(|why| format!("{label}: {why}"))
    });
    let cases = cases.collect::<Result<_, _>>()?;
    Ok(Findings { cases })
}

/// Runs the one candidate that `options` ask for, and measures nothing.
pub(super) fn run_only(options: &Options) -> Result<(), String> {
    let name = options.only.as_deref().unwrap_or_default();
    let mut candidates = Candidate::ALL.into_iter();
    let Some(candidate) = candidates.find(|it| it.column().name == name) else {
        let names = Candidate::ALL.map(|it| it.column().name).join(", ");
        return Err(format!("there is no candidate {name}, only {names}"));
    };
    for (workload, size) in wanted(options)? {
        let (sets, publications) = workload.texts(size, NOTIFICATIONS);
        let traffic = Traffic::new(&sets, &publications);
        let mut running = candidate.start();
        traffic.enter(&mut running);
        let mut matches = 0;
        for iteration in 0..options.iterations {
            // Other ones each time, so that they are not in the caches.
            let start = iteration * WINDOW % NOTIFICATIONS;
            for at in start..start + WINDOW {
                matches += traffic.publish(&mut running, at);
            }
        }
        println!(
            "{}, {name}: {WINDOW} notifications each time, {matches} matches in all",
            label(workload, size)
        );
    }
    Ok(())
}

fn case(options: &Options, workload: Workload, size: usize) -> Result<Case, String> {
    let (sets, publications) = workload.texts(size, NOTIFICATIONS);
    let traffic = Traffic::new(&sets, &publications);
    let (mut all, subscribe, bytes) = enter(options, &traffic, size);
    agree(&traffic, &mut all)?;
    let (matches, notification) = publish(options, &traffic, &mut all);
    allocates_nothing(&traffic, &mut all)?;
    let replace = replace(options, &traffic, &mut all, workload.each());
    agree(&traffic, &mut all)?;
    let (forget, left) = forget(&traffic, all, size);
    let per_match = notification.iter().map(|&cell| scaled(cell, matches));
    let per_match = per_match.collect();
    Ok(Case {
        workload,
        subscriptions: size,
        matches,
        cells: [notification, per_match, bytes, subscribe, replace, forget],
        left,
    })
}

/// The candidates with everybody in them, and for each what that took of time and memory.
fn enter<'t>(
    options: &Options,
    traffic: &Traffic<'t>,
    size: usize,
) -> (Vec<Running<'t>>, Vec<Cell>, Vec<Cell>) {
    let turns = match size {
        _ if options.quick => 3,
        0..5000 => 21,
        5000..50_000 => 9,
        _ => 3,
    };
    let mut times = vec![Vec::new(); Candidate::ALL.len()];
    let mut bytes = Vec::new();
    let mut all = Vec::new();
    for turn in 1..=turns {
        for (candidate, times) in Candidate::ALL.into_iter().zip(&mut times) {
            if size > LARGE && turn < turns && candidate.column().side != Side::Judged {
                continue;
            }
            let before = held();
            let mut running = candidate.start();
            times.push(time(|| traffic.enter(&mut running)));
            if turn == turns {
                bytes.push(always((held() - before) as f64 / size as f64));
                all.push(running);
            }
        }
    }
    let times = times.into_iter().map(|times| cell(quartiles(times), size));
    (all, times.collect(), bytes)
}

/// Holds what the candidates find against each other.
fn agree<'t>(traffic: &Traffic<'t>, all: &mut [Running<'t>]) -> Result<(), String> {
    let fitting = |all: &mut [Running<'t>]| {
        let times = all.iter_mut().map(|running| time_of_one(traffic, running));
        fitting(AGREE, times.max().unwrap_or_default(), AGREED)
    };
    let count = fitting(all);
    traffic.agree(all, count)?;
    let (quicker, _) = without_scans(all);
    let count = fitting(quicker);
    traffic.agree(quicker, count)
}

/// Those who ask every subscription, apart from the others.
fn without_scans<'a, 't>(
    all: &'a mut [Running<'t>],
) -> (&'a mut [Running<'t>], &'a mut [Running<'t>]) {
    let quicker = all.partition_point(|running| !running.candidate.scans());
    all.split_at_mut(quicker)
}

/// How many hear a notification, and the times of it.
fn publish<'t>(
    options: &Options,
    traffic: &Traffic<'t>,
    all: &mut [Running<'t>],
) -> (f64, Vec<Cell>) {
    let (quicker, scans) = without_scans(all);
    let (window, mut cells) = publish_in_turns(options, traffic, quicker, 32);
    let (_, of_scans) = publish_in_turns(options, traffic, scans, 2);
    cells.extend(of_scans);
    let counted = if window < WINDOW {
        window
    } else {
        NOTIFICATIONS
    };
    let heard = (quicker.first_mut())
        .map(|running| (0..counted).map(|at| traffic.publish(running, at)).sum());
    let heard: usize = heard.unwrap_or_default();
    (heard as f64 / counted as f64, cells)
}

/// The times of those who take about as long as each other, and of how many notifications: in a
/// round all publish the same ones, at least so many. Where these are few, for many hear them, they
/// are the same in all rounds.
fn publish_in_turns<'t>(
    options: &Options,
    traffic: &Traffic<'t>,
    all: &mut [Running<'t>],
    least: usize,
) -> (usize, Vec<Cell>) {
    let (round, row) = if options.quick {
        (Duration::from_micros(500), Duration::from_millis(100))
    } else {
        (Duration::from_millis(2), Duration::from_millis(1200))
    };
    let times = all.iter_mut().map(|running| time_of_one(traffic, running));
    let times: Vec<_> = times.collect();
    let slowest = times.iter().max().copied().unwrap_or_default();
    let sum: Duration = times.iter().sum();
    let window = fitting(round, slowest, WINDOW).max(least);
    let rounds = fitting(
        row / u32::try_from(window).unwrap_or(1),
        sum,
        options.rounds(),
    )
    .max(3);
    let mut turns = vec![0; all.len()];
    let times = quartiles_of_rounds(all.len(), rounds, |i| {
        let start = if window < WINDOW { 0 } else { turns[i] };
        turns[i] = (start + window) % NOTIFICATIONS;
        for at in start..start + window {
            black_box(traffic.publish(&mut all[i], at));
        }
    });
    let cells = times.into_iter().map(|times| cell(times, window));
    (window, cells.collect())
}

/// How often one fits into a time, at least twice and not more than `most` times.
fn fitting(within: Duration, one: Duration, most: usize) -> usize {
    let fitting = within.as_nanos() / one.as_nanos().max(1);
    usize::try_from(fitting).map_or(most, |fitting| fitting.max(2).min(most))
}

/// How long a notification takes, roughly.
fn time_of_one<'t>(traffic: &Traffic<'t>, running: &mut Running<'t>) -> Duration {
    let start = Instant::now();
    let mut count = 0;
    while count < 16 && start.elapsed() < Duration::from_millis(20) {
        traffic.publish(running, count as usize);
        count += 1;
    }
    start.elapsed() / count
}

/// Whether the index allocates nothing while publishing what it has not seen yet, after as many
/// others.
pub(super) fn allocates_nothing<'t>(
    traffic: &Traffic<'t>,
    all: &mut [Running<'t>],
) -> Result<(), String> {
    let ours = all.iter_mut();
    for running in ours.filter(|it| it.candidate.column().side != Side::Peer) {
        let most = traffic.notifications.len() / 2;
        let half = fitting(COUNTED, time_of_one(traffic, running), most);
        for at in 0..half {
            traffic.publish(running, at);
        }
        let before = INSTRUMENTED_SYSTEM.stats();
        for at in half..2 * half {
            traffic.publish(running, at);
        }
        let after = INSTRUMENTED_SYSTEM.stats();
        let allocations =
            after.allocations - before.allocations + after.reallocations - before.reallocations;
        if allocations > 0 {
            return Err(format!("{allocations} allocations in {half} notifications"));
        }
    }
    Ok(())
}

/// Gives some subscribers the sets of others, to all candidates alike.
fn replace<'t>(
    options: &Options,
    traffic: &Traffic<'t>,
    all: &mut [Running<'t>],
    each: usize,
) -> Vec<Cell> {
    let order = &traffic.order;
    let count = REPLACED.min(order.len());
    let mut turns = vec![0; all.len()];
    let times = quartiles_of_rounds(all.len(), options.rounds(), |i| {
        for _ in 0..count {
            // Every seventh one's, so that no two have the same for long.
            let pick = |step: usize| order[(turns[i] * step) % order.len()];
            traffic.replace(&mut all[i], pick(1), pick(7));
            turns[i] += 1;
        }
    });
    let cells = times.into_iter().map(|times| cell(times, count * each));
    cells.collect()
}

/// Takes everybody out: what that takes, and what the index then still holds.
fn forget<'t>(traffic: &Traffic<'t>, all: Vec<Running<'t>>, size: usize) -> (Vec<Cell>, isize) {
    let mut left = 0;
    let cells = all.into_iter().map(|mut running| {
        let time = time(|| {
            for &subscriber in &traffic.order {
                running.matcher.forget(subscriber);
            }
        });
        let before = held();
        let side = running.candidate.column().side;
        drop(running);
        if side == Side::Judged {
            left = before - held();
        }
        cell([time; 3], size)
    });
    (cells.collect(), left)
}

/// The times of one of `units`.
fn cell(times: [Duration; 3], units: usize) -> Cell {
    let [lower, median, upper] = times.map(|time| time.as_secs_f64() * 1e9 / units as f64);
    Cell {
        nanos: median,
        quartiles: [lower, upper],
        does_less: false,
    }
}

/// A figure that is always the same.
const fn always(figure: f64) -> Cell {
    Cell {
        nanos: figure,
        quartiles: [figure; 2],
        does_less: false,
    }
}

fn scaled(cell: Cell, by: f64) -> Cell {
    Cell {
        nanos: cell.nanos / by,
        quartiles: cell.quartiles.map(|nanos| nanos / by),
        ..cell
    }
}

/// How many bytes are allocated.
fn held() -> isize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated) as isize
}

/// Whether this program counts its allocations.
pub(super) fn needs_counts() -> Result<(), String> {
    let before = INSTRUMENTED_SYSTEM.stats().allocations;
    drop(black_box(Box::new(0_u8)));
    if INSTRUMENTED_SYSTEM.stats().allocations == before {
        return Err("allocations are not counted: stats_alloc is to be the allocator".into());
    }
    Ok(())
}
