//! When connections came, without keeping a time for each: their numbers say in which order they came,
//! and how many there were is noted now and then.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// How often it is noted, at first.
pub(super) const PACE: Duration = Duration::from_secs(1);

/// How many notes are kept. Where they are full, one goes that is close to its neighbours for its age. So a
/// time is known to a second at first, and for ever to a part of the age: a sixteenth, which is what a
/// person reads in "two hours ago".
const NOTES: usize = 512;

/// Notes of how many connections had come by when.
#[derive(Debug, Default)]
pub(super) struct Ages {
    notes: Mutex<Vec<(SystemTime, u64)>>,
}

impl Ages {
    /// So many have come by `now`.
    pub(super) fn note(&self, now: SystemTime, accepted: u64) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        // While nobody comes, nothing is new.
        if notes.last().map_or(0, |(_, last)| *last) >= accepted {
            return;
        }
        if notes.len() >= NOTES
            && let Some(needless) = needless(&notes, now)
        {
            notes.remove(needless);
        }
        notes.push((now, accepted));
    }

    /// By when the connection of this number had come; `None` if that was since the last note.
    pub(super) fn of(&self, number: u64) -> Option<SystemTime> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = notes.partition_point(|(_, accepted)| *accepted < number);
        notes.get(at).map(|(time, _)| *time)
    }
}

/// The note without which least is lost: its neighbours are the closest, in relation to its age.
fn needless(notes: &[(SystemTime, u64)], now: SystemTime) -> Option<usize> {
    let seconds = |from: SystemTime, to: SystemTime| {
        let between = to.duration_since(from).unwrap_or_default();
        between.as_secs_f64()
    };
    let loss = |(before, own, behind): (SystemTime, SystemTime, SystemTime)| {
        seconds(before, behind) / (seconds(own, now) + PACE.as_secs_f64())
    };
    let losses = notes.windows(3).map(|three| match *three {
        [before, own, behind] => loss((before.0, own.0, behind.0)),
        _ => f64::INFINITY,
    });
    let least = (1..)
        .zip(losses)
        .min_by(|one, other| one.1.total_cmp(&other.1));
    least.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_has_not_been_noted_has_just_come() {
        let ages = Ages::default();
        assert_eq!(ages.of(1), None);
        ages.note(SystemTime::UNIX_EPOCH, 3);
        assert_eq!(ages.of(3), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(ages.of(4), None);
    }

    proptest! {
        #[test]
        fn nobody_is_said_to_have_come_earlier_than_true_and_the_notes_stay_few(
            gaps in prop::collection::vec(0_u64..5, 1..4_000),
        ) {
            let ages = Ages::default();
            let at = |second: usize| SystemTime::UNIX_EPOCH + PACE * u32::try_from(second).expect("few");
            let mut accepted = 0;
            let mut came = Vec::new();
            for (second, gap) in gaps.iter().enumerate() {
                came.extend((0..*gap).map(|_| second));
                accepted += gap;
                ages.note(at(second), accepted);
            }
            let kept = ages.notes.lock().expect("no panic").len();
            prop_assert!(kept <= NOTES);
            for (number, second) in (1..).zip(&came) {
                let said = ages.of(number).expect("all were noted");
                prop_assert!(said >= at(*second));
                let age = gaps.len() - second;
                prop_assert!(said <= at(second + age / 16 + 6), "{} {} {:?}", number, second, said);
            }
        }
    }
}
