//! Timing, in turns.

use core::time::Duration;
use std::{fs, time::Instant};

use crate::{Cell, Options, Row, Table};

/// What a row is about.
pub(crate) struct Subject {
    pub(crate) label: String,
    /// The payload of a message in bytes; 0 for a handshake.
    pub(crate) len: usize,
    /// How many messages or handshakes one run is.
    pub(crate) units: usize,
}

/// Adds to `table` the median time of each of `candidates`, which are its columns, or runs the one
/// that `options` ask for if it is among them.
pub(crate) fn add_row<C: Copy>(
    table: &mut Table,
    options: &Options,
    subject: Subject,
    candidates: &[C],
    does_less: impl Fn(C) -> bool,
    mut run: impl FnMut(C),
) {
    let Subject { label, len, units } = subject;
    if let Some(only) = &options.only {
        if let Some(at) = table.column(only) {
            for _ in 0..options.iterations {
                run(candidates[at]);
            }
            println!("{}, {label}, {only}: {units} each time", table.title);
        }
        return;
    }
    eprintln!("{}, {label}", table.title);
    let times = quartiles_of_rounds(candidates.len(), options.rounds(), |i| run(candidates[i]));
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / units as f64;
    let cells = candidates.iter().zip(times);
    let cells = cells.map(|(&candidate, [lower, median, upper])| Cell {
        nanos: nanos(median),
        quartiles: [nanos(lower), nanos(upper)],
        does_less: does_less(candidate),
    });
    let cells = cells.collect();
    table.rows.push(Row { label, len, cells });
}

/// Runs every candidate once in each of `rounds` rounds, and answers the lower quartile, the median
/// and the upper quartile of the times of each.
///
/// `run` gets the number of the candidate, from 0 to below `candidates`. Each round starts with
/// another one, and a round that is not timed comes first.
pub(crate) fn quartiles_of_rounds(
    candidates: usize,
    rounds: usize,
    mut run: impl FnMut(usize),
) -> Vec<[Duration; 3]> {
    let mut times = vec![Vec::with_capacity(rounds); candidates];
    for candidate in 0..candidates {
        run(candidate);
    }
    for round in 0..rounds {
        for turn in 0..candidates {
            let candidate = (round + turn) % candidates;
            times[candidate].push(time(|| run(candidate)));
        }
    }
    times.into_iter().map(quartiles).collect()
}

/// How long something takes, without the time that the thread waits for others to leave it a core.
pub(crate) fn time(run: impl FnOnce()) -> Duration {
    let waited = waited();
    let start = Instant::now();
    run();
    let time = start.elapsed();
    time.saturating_sub(self::waited().saturating_sub(waited))
}

/// How long this thread has been ready to run and did not; always the same where Linux does not
/// tell.
fn waited() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// The ones after which a quarter, half and three quarters of the times come; the later of two.
pub(crate) fn quartiles(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    [1, 2, 3].map(|quarters| {
        let at = times.len() * quarters / 4;
        times.get(at).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_times_lies_between_quartiles() {
        let of = |secs: &[u64]| {
            let times = secs.iter().copied().map(Duration::from_secs).collect();
            quartiles(times).map(|time| time.as_secs())
        };
        assert_eq!(of(&[9, 1, 5]), [1, 5, 9]);
        assert_eq!(of(&[8, 3, 1, 4, 2, 7, 6, 5]), [3, 5, 7]);
        assert_eq!(of(&[]), [0, 0, 0]);
    }

    #[test]
    fn what_runs_takes_time() {
        let start = Instant::now();
        let time = time(|| while start.elapsed() < Duration::from_millis(20) {});
        assert!(time <= start.elapsed());
        assert!(time > Duration::ZERO);
    }

    #[test]
    fn every_candidate_runs_once_a_round_and_none_is_always_first() {
        let mut order = Vec::new();
        let times = quartiles_of_rounds(3, 3, |candidate| order.push(candidate));
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert_eq!(times.len(), 3);
    }
}
