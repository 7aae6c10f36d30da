//! What must be true of an index at any time.

use alloc::collections::BTreeMap;

use super::*;
use crate::hub::index::{
    cohort::Candidate,
    hash::spread,
    partition::{Kind, Mode, Table},
    tuple::Parts,
    wish::Check,
};

impl Index {
    /// Looks everything over.
    pub(super) fn check(&self) {
        let counters = self.counters();
        let mut tuples = 0;
        let mut uses: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let (mut left_out, mut overflowed) = (0, 0);
        for subscriber in 0..u32::try_from(self.subscribers.bound()).unwrap() {
            let entries: Vec<_> = self.subscribers.entries(subscriber).collect();
            for (at, entry) in entries.iter().enumerate() {
                let cohort = self.store.cohorts.get(entry.cohort).expect("a cohort");
                let member = cohort.members.iter().nth(entry.position as usize);
                let member = member.expect("a member");
                assert_eq!(
                    (member.subscriber, member.entry as usize),
                    (subscriber, at),
                    "an entry that is not its member's"
                );
            }
            tuples += entries.len();
            let counts = self.subscribers.counts(subscriber);
            left_out += counts.left_out as usize;
            overflowed += counts.overflowed as usize;
            let mut words = 0;
            for wish in self.subscribers.wishes(subscriber) {
                let partition = self.store.cohorts.get(entries[wish.first as usize].cohort);
                let partition = partition.expect("a cohort").partition;
                words += 2 + wish.checks.words();
                for check in wish.checks.filter(|check| check.key != Check::NO_KEY) {
                    *uses.entry((partition, check.key)).or_default() += 1;
                }
            }
            assert_eq!(
                words,
                self.subscribers.words(subscriber),
                "words of no wish"
            );
        }
        assert_eq!(counters.tuples, tuples);
        assert_eq!(counters.left_out, left_out);
        assert_eq!(counters.overflowed, overflowed);

        let (mut cohorts, mut members, mut shapes) = (0, 0, 0);
        for (number, partition) in self.store.partitions.iter() {
            assert!(partition.tables.len() > 0, "an empty partition");
            assert_eq!(partition.pins, 0);
            let few = |(_, table): (_, &Table)| table.cohorts.len() <= 1024;
            let numbers = partition.tables.bound();
            assert!(
                numbers <= 2 * partition.tables.len() + 8 || !partition.tables.iter().all(few),
                "far-off tables"
            );
            let mut unkeyed = 0;
            let before = shapes;
            for (at, table) in partition.tables.iter() {
                assert!(!table.cohorts.is_empty(), "an empty table");
                unkeyed += usize::from(matches!(table.kind, Kind::Unkeyed | Kind::Checked));
                if let Kind::Shape(shape) = &table.kind {
                    shapes += 1;
                    for (key, _) in &shape.keys {
                        *uses.entry((number, *key)).or_default() += 1;
                    }
                    let exact = shape.keys.iter().filter(|(_, mode)| *mode == Mode::Exact);
                    assert_eq!(table.parts, exact.count());
                }
                for &at_cohort in &table.cohorts {
                    let cohort = self.store.cohorts.get(at_cohort).expect("a cohort");
                    assert_eq!((cohort.partition, cohort.table), (number, at));
                    assert_eq!(
                        Parts::new(cohort.tuple.as_bytes(), table.parts).count(),
                        table.parts
                    );
                    for candidate in cohort.members.checked() {
                        let is_said = candidate.wish == Candidate::SAID;
                        let subscriber = candidate.member.subscriber;
                        let wish = self.subscribers.wish(subscriber, candidate.wish);
                        assert_eq!(wish.is_none(), is_said, "a candidate without a wish");
                    }
                    if let Some(key) = table.kind.key(cohort.tuple.as_bytes()) {
                        *uses.entry((number, key)).or_default() += 1;
                    }
                    let found = table
                        .cohorts
                        .find(spread(cohort.hash), |&other| other == at_cohort);
                    assert!(found.is_some(), "a cohort that is not found");
                    let mut names: Vec<u32> = (cohort.members.iter())
                        .map(|member| member.subscriber)
                        .collect();
                    members += names.len();
                    cohorts += 1;
                    names.sort_unstable();
                    let count = names.len();
                    names.dedup();
                    assert!(table.is_verified || names.len() == count, "somebody twice");
                }
            }
            assert_eq!(partition.shapes(), shapes - before);
            assert_eq!(partition.unkeyed, unkeyed);
            assert!(partition.shapes() <= self.limits.shapes);
            let used = uses.keys().filter(|(other, _)| *other == number);
            assert_eq!(partition.keys.len(), used.count(), "keys that nobody uses");
        }
        for ((partition, key), count) in uses {
            let partition = self.store.partitions.get(partition).expect("a partition");
            assert_eq!(partition.keys.uses(key), count);
        }
        assert_eq!(counters.cohorts, cohorts);
        assert_eq!(counters.shapes, shapes);
        assert_eq!(members, tuples);
        assert_eq!(counters.lost, 0);
    }
}
