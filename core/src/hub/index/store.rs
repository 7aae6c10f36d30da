//! Partitions, their tables, and the cohorts of all of them.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::{
    cohort::{Candidate, Cohort, Left, Member, Members},
    hash::{kept, look, spread},
    partition::{Kind, Partition, Table, give_back},
    slab::Slab,
    subscribers::Entry,
    tuple::{self, Parts, Tuple},
};

/// So many vacant numbers, of cohorts and of partitions, are left alone.
const SPARE: usize = 64;

/// Everything but the subscribers' own lists.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) partitions: Slab<Partition>,
    by_name: HashTable<u32>,
    pub(super) cohorts: Slab<Cohort>,
    /// In all partitions.
    pub(super) shapes: usize,
    /// A tuple is put together here.
    tuple: Vec<u8>,
}

/// Where a tuple is to be entered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) partition: u32,
    pub(super) table: u32,
    /// Of the tuple.
    pub(super) hash: u64,
}

/// What has become of a member that was to be entered.
#[derive(Debug)]
pub(super) enum Joined {
    Entered(Entry),
    /// The subscriber is in the cohort already, and once is enough.
    Already,
    /// There is no number left for it.
    Full,
}

impl Store {
    /// The partition of a package and page, of both of which this is the hash.
    pub(super) fn find(&self, hash: u64, package: &[u8], page: &[u8]) -> Option<u32> {
        let hash = kept(hash);
        let is_it = |&number: &u32| {
            look();
            self.partitions.get(number).is_some_and(|partition| {
                partition.hash == hash && *partition.package == *package && *partition.page == *page
            })
        };
        self.by_name.find(spread(hash), is_it).copied()
    }

    /// The same, made if it is missing; nothing if there is no number left.
    pub(super) fn find_or_new(&mut self, hash: u64, package: &[u8], page: &[u8]) -> Option<u32> {
        if let Some(found) = self.find(hash, package, page) {
            return Some(found);
        }
        let hash = kept(hash);
        let number = self
            .partitions
            .insert(Partition::new(package, page, hash))?;
        let partitions = &self.partitions;
        self.by_name.insert_unique(spread(hash), number, |&number| {
            of_partition(partitions, number)
        });
        Some(number)
    }

    /// Drops a partition in which nobody is.
    pub(super) fn drop_if_empty(&mut self, number: u32) {
        let Some(partition) = self.partitions.get(number) else {
            return;
        };
        if partition.tables.len() > 0 || partition.pins > 0 {
            return;
        }
        let hash = spread(partition.hash);
        if let Ok(found) = self.by_name.find_entry(hash, |&other| other == number) {
            found.remove();
        }
        self.partitions.remove(number);
        let partitions = &self.partitions;
        give_back(&mut self.by_name, |&number| {
            of_partition(partitions, number)
        });
    }

    /// The cohort of a tuple in a table. A hash is only a hint: the values are compared.
    #[inline]
    pub(super) fn cohort<'t>(
        &self,
        table: &Table,
        hash: u64,
        parts: impl Iterator<Item = &'t [u8]> + Clone,
    ) -> Option<(u32, &Cohort)> {
        let hash = kept(hash);
        let is_it = |&number: &u32| {
            look();
            self.cohorts.get(number).is_some_and(|cohort| {
                cohort.hash == hash
                    && Parts::new(cohort.tuple.as_bytes(), table.parts).eq(parts.clone())
            })
        };
        let number = *table.cohorts.find(spread(hash), is_it)?;
        Some((number, self.cohorts.get(number)?))
    }

    /// Enters a member into the cohort of the tuple that `parts` are.
    pub(super) fn join<'t>(
        &mut self,
        spot: Spot,
        parts: impl Iterator<Item = &'t [u8]> + Clone,
        added: Candidate,
    ) -> Joined {
        let entered = |cohort, position: Option<u32>| match position {
            Some(position) => Joined::Entered(Entry { cohort, position }),
            None => Joined::Full,
        };
        let Some(table) = self.table(spot.partition, spot.table) else {
            return Joined::Full;
        };
        let is_verified = table.is_verified;
        if let Some((number, cohort)) = self.cohort(table, spot.hash, parts.clone()) {
            // A subscriber's members are entered one after the other, without those of others
            // between them. Who is verified may be there for several subscriptions.
            let last = cohort.members.plain().last();
            if last.is_some_and(|last| last.subscriber == added.member.subscriber) {
                return Joined::Already;
            }
            let cohort = self.cohorts.get_mut(number);
            return entered(number, cohort.and_then(|cohort| cohort.members.push(added)));
        }
        let count = table.parts;
        self.tuple.clear();
        for (index, part) in parts.enumerate() {
            tuple::write(&mut self.tuple, part, index.saturating_add(1) == count);
        }
        let hash = kept(spot.hash);
        let cohort = Cohort {
            tuple: Tuple::new(&self.tuple),
            members: Members::new(added, is_verified),
            hash,
            partition: spot.partition,
            table: spot.table,
        };
        let Some(number) = self.cohorts.insert(cohort) else {
            return Joined::Full;
        };
        let cohorts = &self.cohorts;
        if let Some(partition) = self.partitions.get_mut(spot.partition)
            && let Some(table) = partition.tables.get_mut(spot.table)
        {
            table
                .cohorts
                .insert_unique(spread(hash), number, |&number| of_cohort(cohorts, number));
            if let Some(key) = table.kind.key(&self.tuple) {
                partition.keys.hold(key);
            }
        }
        entered(number, Some(0))
    }

    /// Takes a member out. The one that is in its position now is the answer. A cohort, table or
    /// partition without members is dropped.
    pub(super) fn leave(&mut self, entry: Entry) -> Option<Member> {
        let cohort = self.cohorts.get_mut(entry.cohort)?;
        match cohort.members.remove(entry.position) {
            Left::Moved(member) => Some(member),
            Left::Others => None,
            Left::Nobody => {
                self.drop_cohort(entry.cohort);
                None
            }
        }
    }

    fn drop_cohort(&mut self, number: u32) {
        let Some(cohort) = self.cohorts.remove(number) else {
            return;
        };
        let cohorts = &self.cohorts;
        let Some(partition) = self.partitions.get_mut(cohort.partition) else {
            return;
        };
        let Some(table) = partition.tables.get_mut(cohort.table) else {
            return;
        };
        let hash = spread(cohort.hash);
        if let Ok(found) = table.cohorts.find_entry(hash, |&other| other == number) {
            found.remove();
        }
        give_back(&mut table.cohorts, |&number| of_cohort(cohorts, number));
        if let Some(key) = table.kind.key(cohort.tuple.as_bytes()) {
            partition.keys.release(key);
        }
        if table.cohorts.is_empty() {
            let shapes = partition.shapes();
            partition.drop_table(cohort.table);
            let dropped = shapes.saturating_sub(partition.shapes());
            self.shapes = self.shapes.saturating_sub(dropped);
            self.drop_if_empty(cohort.partition);
        }
        self.pull_in_tables(cohort.partition);
    }

    /// Gives tables of a partition that are far out smaller numbers.
    fn pull_in_tables(&mut self, number: u32) {
        let Some(partition) = self.partitions.get_mut(number) else {
            return;
        };
        while let Some(to) = partition.pull_in_table() {
            let table = partition.tables.get(to);
            for &cohort in table.iter().flat_map(|table| &table.cohorts) {
                if let Some(cohort) = self.cohorts.get_mut(cohort) {
                    cohort.table = to;
                }
            }
        }
    }

    /// Gives a cohort that is far out a smaller number, if it has no more members than `most`: the
    /// new number, which the entries of its members have to learn. Likewise for partitions, whose
    /// cohorts learn it here. How much was moved is taken from `most`.
    pub(super) fn pull_in(&mut self, most: &mut usize) -> Option<u32> {
        while self.pull_in_partition(most).is_some() {}
        let members = self.cohorts.straggler(SPARE)?.members.len();
        *most = most.checked_sub(members)?;
        let (from, to) = self.cohorts.pull_in()?;
        let cohort = self.cohorts.get(to)?;
        let table = table_mut(&mut self.partitions, cohort.partition, cohort.table)?;
        let place = table
            .cohorts
            .find_mut(spread(cohort.hash), |&other| other == from)?;
        *place = to;
        Some(to)
    }

    fn pull_in_partition(&mut self, most: &mut usize) -> Option<()> {
        let cohorts = self.partitions.straggler(SPARE)?.cohorts();
        *most = most.checked_sub(cohorts)?;
        let (from, to) = self.partitions.pull_in()?;
        let partition = self.partitions.get(to)?;
        for (_, table) in partition.tables.iter() {
            for &number in &table.cohorts {
                if let Some(cohort) = self.cohorts.get_mut(number) {
                    cohort.partition = to;
                }
            }
        }
        let hash = spread(partition.hash);
        *self.by_name.find_mut(hash, |&other| other == from)? = to;
        Some(())
    }

    /// The partition that a member is in.
    pub(super) fn partition_of(&self, entry: Entry) -> Option<u32> {
        Some(self.cohorts.get(entry.cohort)?.partition)
    }

    /// The table of a kind, made if it is missing; nothing if there is no number left.
    pub(super) fn table_or_new(&mut self, partition: u32, kind: Kind) -> Option<u32> {
        let partition = self.partitions.get_mut(partition)?;
        let Kind::Shape(shape) = &kind else {
            return partition.table_or_new(kind);
        };
        if let Some(found) = partition.shape(shape.keys.iter().copied()) {
            return Some(found);
        }
        let added = partition.add(kind)?;
        self.shapes = self.shapes.saturating_add(1);
        Some(added)
    }

    pub(super) fn table(&self, partition: u32, table: u32) -> Option<&Table> {
        self.partitions.get(partition)?.tables.get(table)
    }
}

fn table_mut(partitions: &mut Slab<Partition>, partition: u32, table: u32) -> Option<&mut Table> {
    partitions.get_mut(partition)?.tables.get_mut(table)
}

fn of_partition(partitions: &Slab<Partition>, number: u32) -> u64 {
    let partition = partitions.get(number);
    partition.map_or(0, |partition| spread(partition.hash))
}

fn of_cohort(cohorts: &Slab<Cohort>, number: u32) -> u64 {
    let cohort = cohorts.get(number);
    cohort.map_or(0, |cohort| spread(cohort.hash))
}
