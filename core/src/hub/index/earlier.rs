//! What a subscriber has while another set takes its place, so that it stands if that is refused.

use alloc::{boxed::Box, vec::Vec};

use super::{
    cohort::{Candidate, Hint},
    joining::Joining,
    partition::Kind,
    store::Store,
    subscribers::Subscriber,
    tuple::Parts,
};

/// All members of a subscriber, apart from the cohorts that they are taken out of. The partitions and
/// the keys that they name keep their numbers until they are [let go](Self::let_go).
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// One for each entry, in their order.
    members: Vec<EarlierMember>,
}

#[derive(Debug)]
struct EarlierMember {
    partition: u32,
    kind: Kind,
    /// What is [kept](super::hash::kept) of the tuple's hash.
    hash: u32,
    parts: usize,
    tuple: Box<[u8]>,
    wish: u32,
    hint: Hint,
}

impl Earlier {
    /// Notes what `subscriber` has.
    pub(super) fn note(subscriber: &Subscriber, store: &mut Store) -> Self {
        let members: Vec<_> = (subscriber.entries())
            .filter_map(|entry| {
                let cohort = store.cohorts.get(entry.cohort)?;
                let table = store.table(cohort.partition, cohort.table)?;
                let candidate = cohort.members.checked().get(entry.position as usize);
                Some(EarlierMember {
                    partition: cohort.partition,
                    kind: table.kind.clone(),
                    hash: cohort.hash,
                    parts: table.parts,
                    tuple: cohort.tuple.as_bytes().into(),
                    wish: candidate.map_or(Candidate::SAID, |candidate| candidate.wish),
                    hint: candidate.map_or(Hint::NONE, |candidate| candidate.hint),
                })
            })
            .collect();
        for member in &members {
            if let Some(partition) = store.partitions.get_mut(member.partition) {
                partition.pins = partition.pins.saturating_add(1);
                (member.kind).each_key(&member.tuple, |key| partition.keys.hold(key));
            }
        }
        Self { members }
    }

    /// The partition of an entry.
    pub(super) fn partition(&self, entry: u32) -> Option<u32> {
        let member = self.members.get(entry as usize)?;
        Some(member.partition)
    }

    /// Enters all of it again.
    pub(super) fn restore(&self, joining: &mut Joining<'_>) {
        for member in &self.members {
            joining.partition = member.partition;
            joining.wish = member.wish;
            joining.hint = member.hint;
            let kind = member.kind.clone();
            let Some(table) = joining.store.table_or_new(member.partition, kind) else {
                joining.lose();
                continue;
            };
            let hash = u64::from(member.hash) << 32;
            joining.enter(table, hash, Parts::new(&member.tuple, member.parts));
        }
    }

    /// Partitions and keys that nobody else needs lose their numbers.
    pub(super) fn let_go(self, store: &mut Store) {
        for member in self.members {
            if let Some(partition) = store.partitions.get_mut(member.partition) {
                partition.pins = partition.pins.saturating_sub(1);
                (member.kind).each_key(&member.tuple, |key| partition.keys.release(key));
            }
            store.drop_if_empty(member.partition);
        }
    }
}
