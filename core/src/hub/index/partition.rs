//! Partitions: what concerns one package and page.

use alloc::boxed::Box;

use hashbrown::HashTable;

use super::{
    hash::{kept, look, spread},
    numbers::Numbers,
    room,
    slab::Slab,
    tuple::Parts,
};

/// The subscriptions to one package and page.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) package: Box<[u8]>,
    pub(super) page: Box<[u8]>,
    /// What is [kept] of the hash of both.
    pub(super) hash: u32,
    pub(super) keys: Keys,
    pub(super) tables: Slab<Table>,
    /// The tables of shapes, by these.
    shapes: HashTable<u32>,
    /// The tables of the other kinds, of each of which there is one at most.
    others: [Option<u32>; Kind::OTHERS],
    /// How many of the tables ask for values of keys that none of the keys names.
    pub(super) unkeyed: usize,
    /// By as many as need its number, the partition stays though nobody is in it.
    pub(super) pins: usize,
}

/// The keys that are constrained in a partition, by small numbers.
#[derive(Debug, Default)]
pub(super) struct Keys {
    names: HashTable<KeyName>,
    numbers: HashTable<KeyNumber>,
    vacant: Numbers,
}

#[derive(Debug)]
struct KeyName {
    name: Box<[u8]>,
    hash: u32,
    number: u32,
    /// By shapes, cohorts, wishes, and the subscription that is just being entered.
    uses: usize,
}

/// Where the name of a number is.
#[derive(Debug)]
struct KeyNumber {
    number: u32,
    /// Of the name.
    hash: u32,
}

impl Keys {
    /// The number of a key.
    #[inline]
    pub(super) fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let hash = kept(hash);
        let is_it = |key: &KeyName| {
            look();
            key.hash == hash && *key.name == *name
        };
        let found = self.names.find(spread(hash), is_it)?;
        Some(found.number)
    }

    /// The number of a key, which is used once more; nothing if there is no number left.
    pub(super) fn acquire(&mut self, hash: u64, name: &[u8]) -> Option<u32> {
        let hash = kept(hash);
        let is_it = |key: &KeyName| {
            look();
            key.hash == hash && *key.name == *name
        };
        if let Some(found) = self.names.find_mut(spread(hash), is_it) {
            found.uses = found.uses.saturating_add(1);
            return Some(found.number);
        }
        let number = self.vacant.take()?;
        let key = KeyName {
            name: name.into(),
            hash,
            number,
            uses: 1,
        };
        self.names
            .insert_unique(spread(hash), key, |key| spread(key.hash));
        self.numbers
            .insert_unique(spread(number), KeyNumber { number, hash }, |key| {
                spread(key.number)
            });
        Some(number)
    }

    /// One more use of a key.
    pub(super) fn hold(&mut self, number: u32) {
        if let Some(hash) = self.hash(number)
            && let Some(key) = (self.names).find_mut(spread(hash), |key| key.number == number)
        {
            key.uses = key.uses.saturating_add(1);
        }
    }

    /// One use of a key less.
    pub(super) fn release(&mut self, number: u32) {
        let Some(hash) = self.hash(number) else {
            return;
        };
        let is_it = |key: &KeyName| key.number == number;
        let Ok(mut found) = self.names.find_entry(spread(hash), is_it) else {
            return;
        };
        let key = found.get_mut();
        key.uses = key.uses.saturating_sub(1);
        if key.uses > 0 {
            return;
        }
        found.remove();
        let is_it = |key: &KeyNumber| key.number == number;
        if let Ok(found) = self.numbers.find_entry(spread(number), is_it) {
            found.remove();
        }
        self.vacant.give(number);
        give_back(&mut self.names, |key| spread(key.hash));
        give_back(&mut self.numbers, |key| spread(key.number));
    }

    /// The name of a number that is in use.
    pub(super) fn name(&self, number: u32) -> Option<&[u8]> {
        let hash = self.hash(number)?;
        let is_it = |key: &KeyName| key.number == number;
        let found = self.names.find(spread(hash), is_it)?;
        Some(&found.name)
    }

    /// Of the name.
    fn hash(&self, number: u32) -> Option<u32> {
        let is_it = |key: &KeyNumber| key.number == number;
        let found = self.numbers.find(spread(number), is_it)?;
        Some(found.hash)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.names.len(), self.numbers.len());
        self.names.len()
    }

    #[cfg(test)]
    pub(super) fn uses(&self, number: u32) -> usize {
        let mut keys = self.names.iter();
        keys.find(|key| key.number == number)
            .map_or(0, |key| key.uses)
    }
}

/// So many cohorts a table may have to be moved to another number. More of them take more memory than
/// all the numbers that a partition has for tables.
const MOVED: usize = 1024;

/// So many vacant numbers of tables are left alone: these take less than a kilobyte.
const SPARE: usize = 8;

/// Gives memory back when three quarters of a table are unused.
pub(super) fn give_back<T>(table: &mut HashTable<T>, hasher: impl Fn(&T) -> u64) {
    if room::is_sparse(table.len(), table.capacity()) {
        table.shrink_to(table.len().saturating_mul(2), hasher);
    }
}

/// Cohorts by their tuples.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) kind: Kind,
    /// One bit for each key that a notification must have, of several keys perhaps the same.
    pub(super) mask: u64,
    /// How many values a tuple has.
    pub(super) parts: usize,
    /// Whether each member is to be verified by its wish. In the other tables, a subscriber is in a
    /// cohort only once.
    pub(super) is_verified: bool,
    /// Whether its tuples meet notifications without keys, too: those of a shape whose one key is
    /// all that a subscription constrains.
    pub(super) is_for_scalars: bool,
    /// Numbers of cohorts, of which there is at least one.
    pub(super) cohorts: HashTable<u32>,
}

/// What the tuples of a table are, and which notifications they meet. Where a tuple has no values,
/// there is one cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `()`: subscriptions without constraints. Every notification.
    All,
    /// `(value)` of a constraint without a key. Every notification with this value.
    Unkeyed,
    /// `(value, ..)` of a set of constraints with keys. Notifications with values by key; under
    /// conditions also those without.
    Shape(Shape),
    /// `(value)` of any constraint. Notifications without keys with this value.
    Scalars,
    /// `()`: one constraint accepts anything. Notifications without keys.
    AnyScalar,
    /// `(key, value)` of the only constraint. Notifications with this.
    Only,
    /// `(key)`, likewise.
    OnlyPresent,
    /// `(key, value)` of one constraint among others, verified. Notifications with this.
    Access,
    /// `(key)`, likewise.
    Present,
    /// `()`, verified. Every notification with values.
    Checked,
    /// `()`, verified. Notifications without keys.
    CheckedScalars,
}

/// Which keys a set of constraints has, and what is said of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Sorted by the number of the key.
    pub(super) keys: Box<[(u32, Mode)]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One value, which is part of the tuple.
    Exact,
    /// Any value.
    Any,
    /// One of a list that is too wide to be expanded.
    LeftOut,
}

impl Kind {
    /// How many there are besides shapes.
    const OTHERS: usize = 10;

    /// The number of the key that is part of a tuple, of which the cohort is a use.
    pub(super) fn key(&self, tuple: &[u8]) -> Option<u32> {
        match self {
            Self::Only | Self::OnlyPresent | Self::Access | Self::Present => {
                let number = Parts::new(tuple, self.parts()).next()?;
                Some(u32::from_le_bytes(number.try_into().ok()?))
            }
            Self::All
            | Self::Unkeyed
            | Self::Shape(_)
            | Self::Scalars
            | Self::AnyScalar
            | Self::Checked
            | Self::CheckedScalars => None,
        }
    }

    /// The numbers of the keys that are part of it, and of a tuple.
    pub(super) fn each_key(&self, tuple: &[u8], each: impl FnMut(u32)) {
        let keys = if let Self::Shape(shape) = self {
            &*shape.keys
        } else {
            &[]
        };
        let keys = keys.iter().map(|(key, _)| *key);
        keys.chain(self.key(tuple)).for_each(each);
    }

    /// How many values a tuple has.
    fn parts(&self) -> usize {
        match self {
            Self::All | Self::AnyScalar | Self::Checked | Self::CheckedScalars => 0,
            Self::Unkeyed | Self::Scalars | Self::OnlyPresent | Self::Present => 1,
            Self::Only | Self::Access => 2,
            Self::Shape(shape) => shape.count(Mode::Exact),
        }
    }

    /// Their order.
    const fn place(&self) -> Option<usize> {
        Some(match self {
            Self::Shape(_) => return None,
            Self::All => 0,
            Self::Unkeyed => 1,
            Self::Scalars => 2,
            Self::AnyScalar => 3,
            Self::Only => 4,
            Self::OnlyPresent => 5,
            Self::Access => 6,
            Self::Present => 7,
            Self::Checked => 8,
            Self::CheckedScalars => 9,
        })
    }
}

impl Shape {
    fn count(&self, wanted: Mode) -> usize {
        let keys = self.keys.iter();
        keys.filter(|(_, mode)| *mode == wanted).count()
    }

    const fn is_for_scalars(&self) -> bool {
        matches!(*self.keys, [(_, Mode::Exact)])
    }
}

impl Table {
    pub(super) fn new(kind: Kind) -> Self {
        let (is_verified, mask, is_for_scalars) = match &kind {
            Kind::All
            | Kind::AnyScalar
            | Kind::Unkeyed
            | Kind::Scalars
            | Kind::Only
            | Kind::OnlyPresent => (false, 0, false),
            Kind::Access | Kind::Present | Kind::Checked | Kind::CheckedScalars => (true, 0, false),
            Kind::Shape(shape) => (
                shape.count(Mode::LeftOut) > 0,
                mask(shape.keys.iter().map(|(key, _)| *key)),
                shape.is_for_scalars(),
            ),
        };
        Self {
            mask,
            parts: kind.parts(),
            is_verified,
            is_for_scalars,
            cohorts: HashTable::new(),
            kind,
        }
    }
}

/// One bit for each key; far-off numbers share bits.
pub(super) fn mask(keys: impl IntoIterator<Item = u32>) -> u64 {
    keys.into_iter()
        .fold(0, |mask, key| mask | 1_u64.rotate_left(key))
}

impl Partition {
    pub(super) fn new(package: &[u8], page: &[u8], hash: u32) -> Self {
        Self {
            package: package.into(),
            page: page.into(),
            hash,
            keys: Keys::default(),
            tables: Slab::default(),
            shapes: HashTable::new(),
            others: [None; Kind::OTHERS],
            unkeyed: 0,
            pins: 0,
        }
    }

    /// The table of one of the kinds of which there is one at most.
    pub(super) fn table(&self, kind: &Kind) -> Option<u32> {
        *self.others.get(kind.place()?)?
    }

    /// How many of the tables are shapes.
    pub(super) fn shapes(&self) -> usize {
        self.shapes.len()
    }

    /// The same, made if it is missing; nothing if there is no number left.
    pub(super) fn table_or_new(&mut self, kind: Kind) -> Option<u32> {
        self.table(&kind).or_else(|| self.add(kind))
    }

    /// The table of the shape with these keys.
    pub(super) fn shape(&self, keys: impl Iterator<Item = (u32, Mode)> + Clone) -> Option<u32> {
        let is_it = |&number: &u32| {
            self.tables.get(number).is_some_and(|table| {
                matches!(&table.kind, Kind::Shape(shape)
                    if shape.keys.iter().copied().eq(keys.clone()))
            })
        };
        self.shapes.find(hash_of(keys.clone()), is_it).copied()
    }

    pub(super) fn add(&mut self, kind: Kind) -> Option<u32> {
        let table = Table::new(kind);
        let number = self.tables.insert(table)?;
        let Self {
            tables,
            keys,
            shapes,
            others,
            unkeyed,
            ..
        } = self;
        let kind = &tables.get(number)?.kind;
        if let Kind::Shape(shape) = kind {
            for (key, _) in &shape.keys {
                keys.hold(*key);
            }
            let hash = hash_of(shape.keys.iter().copied());
            shapes.insert_unique(hash, number, |&number| of_table(tables, number));
        }
        if let Some(place) = kind.place().and_then(|place| others.get_mut(place)) {
            *place = Some(number);
        }
        *unkeyed = unkeyed.saturating_add(usize::from(is_unkeyed(kind)));
        Some(number)
    }

    /// Drops a table that has no cohorts.
    pub(super) fn drop_table(&mut self, number: u32) {
        let Some(Table { kind, .. }) = self.tables.remove(number) else {
            return;
        };
        if let Some(place) = kind.place().and_then(|place| self.others.get_mut(place)) {
            *place = None;
        }
        self.unkeyed = self.unkeyed.saturating_sub(usize::from(is_unkeyed(&kind)));
        if let Kind::Shape(shape) = kind {
            for (key, _) in &shape.keys {
                self.keys.release(*key);
            }
            let hash = hash_of(shape.keys.iter().copied());
            if let Ok(found) = self.shapes.find_entry(hash, |&other| other == number) {
                found.remove();
            }
            let tables = &self.tables;
            give_back(&mut self.shapes, |&number| of_table(tables, number));
        }
    }

    /// Moves the last table to the lowest vacant number, if more than half of the numbers are vacant and
    /// it has few cohorts. The answer is the new number, which those have to learn.
    pub(super) fn pull_in_table(&mut self) -> Option<u32> {
        let straggler = self.tables.straggler(SPARE)?;
        if straggler.cohorts.len() > MOVED {
            return None;
        }
        let (from, to) = self.tables.pull_in_lowest()?;
        let kind = &self.tables.get(to)?.kind;
        let place = if let Kind::Shape(shape) = kind {
            let hash = hash_of(shape.keys.iter().copied());
            (self.shapes).find_mut(hash, |&other| other == from)?
        } else {
            self.others.get_mut(kind.place()?)?.as_mut()?
        };
        *place = to;
        Some(to)
    }

    /// How many cohorts there are.
    pub(super) fn cohorts(&self) -> usize {
        let lens = self.tables.iter().map(|(_, table)| table.cohorts.len());
        lens.sum()
    }
}

/// Of a shape. Peers know it, but there are no more shapes than [there may be](super::IndexLimits).
fn hash_of(keys: impl Iterator<Item = (u32, Mode)>) -> u64 {
    keys.fold(0, |hash, (key, mode)| {
        let mode = match mode {
            Mode::Exact => 0,
            Mode::Any => 1,
            Mode::LeftOut => 2,
        };
        spread(kept(hash) ^ key.rotate_left(2) ^ mode)
    })
}

fn of_table(tables: &Slab<Table>, number: u32) -> u64 {
    match tables.get(number).map(|table| &table.kind) {
        Some(Kind::Shape(shape)) => hash_of(shape.keys.iter().copied()),
        _ => 0,
    }
}

const fn is_unkeyed(kind: &Kind) -> bool {
    matches!(kind, Kind::Unkeyed | Kind::Checked)
}
