//! Timing, in turns.

use core::time::Duration;
use std::time::Instant;

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
    let times = median_of_rounds(candidates.len(), options.rounds(), |i| run(candidates[i]));
    let cell = |(candidate, time): (&C, Duration)| Cell {
        nanos: time.as_secs_f64() * 1e9 / units as f64,
        does_less: does_less(*candidate),
    };
    let cells = candidates.iter().zip(times).map(cell).collect();
    table.rows.push(Row { label, len, cells });
}

/// Runs every candidate once in each of `rounds` rounds, and answers the median time of each.
///
/// `run` gets the number of the candidate, from 0 to below `candidates`. Each round starts with
/// another one, and a round that is not timed comes first.
fn median_of_rounds(candidates: usize, rounds: usize, mut run: impl FnMut(usize)) -> Vec<Duration> {
    let mut times = vec![Vec::with_capacity(rounds); candidates];
    for candidate in 0..candidates {
        run(candidate);
    }
    for round in 0..rounds {
        for turn in 0..candidates {
            let candidate = (round + turn) % candidates;
            let start = Instant::now();
            run(candidate);
            times[candidate].push(start.elapsed());
        }
    }
    times.into_iter().map(median).collect()
}

/// The middle one; the later one of two.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_has_as_many_times_below_as_above() {
        let times = |secs: &[u64]| secs.iter().copied().map(Duration::from_secs).collect();
        assert_eq!(median(times(&[9, 1, 5])), Duration::from_secs(5));
        assert_eq!(median(times(&[9, 1, 5, 7])), Duration::from_secs(7));
    }

    #[test]
    fn every_candidate_runs_once_a_round_and_none_is_always_first() {
        let mut order = Vec::new();
        let medians = median_of_rounds(3, 3, |candidate| order.push(candidate));
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert_eq!(medians.len(), 3);
    }
}
