//! The heartbeat: a manager that misses it ends the server, and starts another one.

use core::time::Duration;
use std::{env, process};

use smol::Timer;

/// How often the manager is to hear that all is well, if it wants to: twice in the time after which it
/// takes the server for dead (sd_watchdog_enabled(3)).
pub(super) fn interval() -> Option<Duration> {
    let [time, pid] = ["WATCHDOG_USEC", "WATCHDOG_PID"].map(|name| env::var(name).ok());
    interval_of(time.as_deref(), pid.as_deref(), process::id())
}

fn interval_of(time: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    // It may be another process that the manager watches, whose environment is inherited.
    if pid.is_some_and(|pid| pid.parse() != Ok(own_pid)) {
        return None;
    }
    let micros = time?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros) / 2)
}

/// Beats for ever, with so much time between two: each time after `turn`, which is done when everything
/// that serves has made progress. So who hangs stops it.
pub(crate) async fn beat(interval: Duration, turn: impl AsyncFn(), beat: impl AsyncFn()) {
    loop {
        turn().await;
        beat().await;
        Timer::after(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::{cell::Cell, future};

    #[test]
    fn the_interval_is_half_of_what_the_manager_says_to_this_process() {
        let half = Some(Duration::from_millis(500));
        assert_eq!(interval_of(Some("1000000"), None, 7), half);
        assert_eq!(interval_of(Some("1000000"), Some("7"), 7), half);
        for (time, pid) in [
            (None, None),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("soon"), None),
            (Some("1000000"), Some("8")),
            (Some("1000000"), Some("")),
        ] {
            assert_eq!(interval_of(time, pid, 7), None, "{time:?} {pid:?}");
        }
    }

    #[test]
    fn there_is_a_beat_for_each_turn_and_none_when_turns_end() {
        let (turns, beats) = (Cell::new(0), Cell::new(0));
        let turn = async || {
            turns.set(turns.get() + 1);
            if turns.get() > 3 {
                future::pending().await
            }
        };
        let beating = beat(Duration::ZERO, turn, async || beats.set(beats.get() + 1));
        // As long as others need to take notice.
        let hung = async {
            while turns.get() <= 3 {
                smol::future::yield_now().await;
            }
            Timer::after(Duration::from_millis(50)).await;
        };
        smol::block_on(smol::future::or(beating, hung));
        assert_eq!((turns.get(), beats.get()), (4, 3));
    }
}
