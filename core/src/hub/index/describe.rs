//! What a subscriber has, as subscriptions again.
//!
//! Their text is not kept, since the index has what they say: each tuple that a subscription was
//! expanded to, and what is verified beside it. Here the tuples become lists again. What comes out
//! need not be what was written: equal subscriptions are told once, numbers as strings, and those that
//! differ in the values of one key as one with a longer list. But the same notifications meet it.

use alloc::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};

use super::{
    Index,
    cohort::Candidate,
    partition::{Kind, Mode, Partition},
    store::Store,
    subscribers::{Entry, Subscriber},
    tuple::Parts,
    wish::{Check, Wish, Wishes},
};
use crate::notify::{tell_scalar, tell_text};

impl Index {
    /// Appends to `out` a JSON array of subscriptions that the same notifications meet as those of
    /// `subscriber`. Texts that are not Unicode have U+FFFD where they are not.
    ///
    /// `false`: there are more, which would have made `out` longer than `limit` bytes. Time is that of
    /// entering them, some 100 ns for each of the subscriber's [tuples](super::IndexLimits::tuples).
    pub fn describe(&self, subscriber: u32, out: &mut String, limit: usize) -> bool {
        let rows = self.subscribers.get(subscriber);
        let rows = rows.map(|subscriber| Reading::rows(&self.store, subscriber));
        // The last bracket has room, too.
        let limit = limit.saturating_sub(1);
        let mut separator = "";
        out.push('[');
        for row in rows.iter().flatten() {
            let before = out.len();
            out.push_str(separator);
            if row.tell(out, limit).is_none() {
                out.truncate(before);
                out.push(']');
                return false;
            }
            separator = ",";
        }
        out.push(']');
        true
    }

    /// How many subscriptions a subscriber has; equal ones count each.
    #[must_use]
    pub fn subscriptions_of(&self, subscriber: u32) -> usize {
        let subscriber = self.subscribers.get(subscriber);
        subscriber.map_or(0, |subscriber| subscriber.counts.subscriptions as usize)
    }
}

/// One subscription.
struct Row<'i> {
    partition: (u32, &'i Partition),
    /// The table and the wish: those of one subscription have the same.
    origin: (u32, u32),
    filter: Filter<'i>,
}

enum Filter<'i> {
    None,
    Unkeyed(Values<'i>),
    /// Each with the name of its key.
    Keyed(Vec<(&'i [u8], Accepts<'i>)>),
}

#[derive(PartialEq)]
enum Accepts<'i> {
    Any,
    OneOf(Values<'i>),
}

/// By their canonical bytes, as [`Terms`](super::terms::Terms) has them.
type Values<'i> = Vec<Cow<'i, [u8]>>;

/// What a subscriber's notifications without keys are found by, in one partition.
struct Bare<'i> {
    partition: &'i Partition,
    values: Values<'i>,
    is_any: bool,
}

/// Entries on their way to be rows.
struct Reading<'i> {
    store: &'i Store,
    subscriber: &'i Subscriber,
    rows: Vec<Row<'i>>,
    /// By the number of the partition.
    bare: BTreeMap<u32, Bare<'i>>,
}

impl<'i> Reading<'i> {
    /// The subscriptions of a subscriber.
    fn rows(store: &'i Store, subscriber: &'i Subscriber) -> Vec<Row<'i>> {
        let mut reading = Self {
            store,
            subscriber,
            rows: Vec::new(),
            bare: BTreeMap::new(),
        };
        for entry in subscriber.entries() {
            // What an entry leads to is there.
            let _ = reading.take(entry);
        }
        let mut rows = merge(reading.rows);
        for (number, bare) in reading.bare {
            rows.extend(uncovered(&rows, number, bare));
        }
        rows
    }

    /// Takes in what one entry says.
    fn take(&mut self, entry: Entry) -> Option<()> {
        let cohort = self.store.cohorts.get(entry.cohort)?;
        let partition = self.store.partitions.get(cohort.partition)?;
        let table = partition.tables.get(cohort.table)?;
        let tuple = cohort.tuple.as_bytes();
        let mut values = Parts::new(tuple, table.parts).map(Cow::Borrowed);
        let candidate = cohort.members.checked().get(entry.position as usize);
        let wish = candidate.and_then(|candidate| self.wish(candidate));
        let filter = match &table.kind {
            Kind::All => Filter::None,
            Kind::Unkeyed => Filter::Unkeyed(values.collect()),
            Kind::Checked => Filter::Unkeyed(wish?.checks.next()?.values()?),
            Kind::Shape(shape) => {
                let mut keys = Vec::with_capacity(shape.keys.len());
                for &(key, mode) in &shape.keys {
                    let accepts = match mode {
                        Mode::Exact => Accepts::OneOf(vec![values.next()?]),
                        Mode::Any => Accepts::Any,
                        Mode::LeftOut => {
                            let mut checks = wish.as_ref()?.checks.clone();
                            Accepts::of(&checks.find(|check| check.key == key)?)
                        }
                    };
                    keys.push((partition.keys.name(key)?, accepts));
                }
                Filter::Keyed(keys)
            }
            Kind::Only | Kind::OnlyPresent | Kind::Access | Kind::Present => {
                // The first part is the key.
                let value = values.nth(1);
                let key = table.kind.key(tuple)?;
                Filter::Keyed(found_by(partition, key, value, candidate, wish)?)
            }
            Kind::CheckedScalars => {
                let mut checks = wish?.checks;
                // Where all can be met, there is an entry for notifications with keys, which says it.
                if checks.clone().all(|check| !check.is_never()) {
                    return Some(());
                }
                Filter::Keyed(checks.try_fold(Vec::new(), |mut keys, check| {
                    keys.push((partition.keys.name(check.key)?, Accepts::of(&check)));
                    Some(keys)
                })?)
            }
            Kind::Scalars | Kind::AnyScalar => {
                let bare = self.bare.entry(cohort.partition).or_insert(Bare {
                    partition,
                    values: Vec::new(),
                    is_any: false,
                });
                bare.is_any |= table.kind == Kind::AnyScalar;
                bare.values.extend(values);
                return Some(());
            }
        };
        self.rows.push(Row {
            partition: (cohort.partition, partition),
            origin: (
                cohort.table,
                candidate.map_or(Candidate::SAID, |candidate| candidate.wish),
            ),
            filter,
        });
        Some(())
    }

    fn wish(&self, candidate: &Candidate) -> Option<Wish<'i>> {
        let wishes = self.subscriber.wishes().get(candidate.wish as usize..)?;
        Wishes(wishes).next()
    }
}

/// The constraints of a subscription that is found by one of them, of this key and with this value if
/// any, and verified unless that says it.
fn found_by<'i>(
    partition: &'i Partition,
    key: u32,
    value: Option<Cow<'i, [u8]>>,
    candidate: Option<&Candidate>,
    wish: Option<Wish<'i>>,
) -> Option<Vec<(&'i [u8], Accepts<'i>)>> {
    let said = value.map_or(Accepts::Any, |value| Accepts::OneOf(vec![value]));
    let mut keys = Vec::new();
    if let Some(wish) = wish {
        for check in wish
            .checks
            .filter(|check| check.key != key || said == Accepts::Any)
        {
            keys.push((partition.keys.name(check.key)?, Accepts::of(&check)));
        }
        if said == Accepts::Any {
            return Some(keys);
        }
    } else if let Some(candidate) = candidate {
        // It says all of it with the hint, that the other key is there.
        keys.push((partition.keys.name(candidate.hint.key)?, Accepts::Any));
    }
    keys.push((partition.keys.name(key)?, said));
    Some(keys)
}

/// Puts tuples together to lists again. Those of one subscription follow each other, and the values of
/// the first key are what changes fastest ([`Product`](super::product::Product)); so the lists are had
/// one after the other.
fn merge(mut rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    let keys = rows.iter().map(|row| match &row.filter {
        Filter::Keyed(keys) => keys.len(),
        Filter::None | Filter::Unkeyed(_) => 1,
    });
    for at in 0..keys.max().unwrap_or(0) {
        let mut merged: Vec<Row<'_>> = Vec::with_capacity(rows.len());
        for row in rows {
            let rest = match merged.last_mut() {
                Some(last) => last.join(row, at),
                None => Some(row),
            };
            merged.extend(rest);
        }
        rows = merged;
    }
    for row in &mut rows {
        row.sort();
    }
    rows
}

/// What no row says of what is heard of notifications without keys: a subscription with an empty list,
/// which no others can meet.
fn uncovered<'i>(rows: &[Row<'i>], number: u32, bare: Bare<'i>) -> Vec<Row<'i>> {
    let mut known = BTreeSet::new();
    let mut knows_any = false;
    for row in rows.iter().filter(|row| row.partition.0 == number) {
        if let Filter::Keyed(keys) = &row.filter {
            for (_, accepts) in keys {
                match accepts {
                    Accepts::Any => knows_any = true,
                    Accepts::OneOf(values) => known.extend(values.iter().map(|value| &**value)),
                }
            }
        }
    }
    let is_new = |value: &Cow<'_, [u8]>| !known.contains(&**value);
    let values: Values<'i> = bare.values.into_iter().filter(is_new).collect();
    let accepts = [
        (!values.is_empty()).then_some(Accepts::OneOf(values)),
        (bare.is_any && !knows_any).then_some(Accepts::Any),
    ];
    let rows = accepts.into_iter().flatten().map(|accepts| Row {
        partition: (number, bare.partition),
        origin: (u32::MAX, Candidate::SAID),
        // Which keys it had is not known, and makes no difference.
        filter: Filter::Keyed(vec![
            (b"nothing", Accepts::OneOf(Vec::new())),
            (b"anything", accepts),
        ]),
    });
    rows.collect()
}

impl<'i> Row<'i> {
    /// Takes over the values of the constraint `at` of `other`, if the two differ in nothing else;
    /// otherwise that is given back.
    fn join(&mut self, mut other: Self, at: usize) -> Option<Self> {
        if self.partition.0 != other.partition.0 || self.origin != other.origin {
            return Some(other);
        }
        let lists = match (&mut self.filter, &mut other.filter) {
            (Filter::Unkeyed(values), Filter::Unkeyed(more)) => Some((values, more)),
            (Filter::Keyed(keys), Filter::Keyed(others)) => {
                let mut pairs = (0..).zip(keys.iter().zip(others.iter()));
                let is_alike = keys.len() == others.len()
                    && pairs.all(|(place, (one, other))| {
                        one.0 == other.0 && (place == at || one.1 == other.1)
                    });
                match (keys.get_mut(at), others.get_mut(at)) {
                    (Some((_, Accepts::OneOf(values))), Some((_, Accepts::OneOf(more))))
                        if is_alike =>
                    {
                        Some((values, more))
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let Some((values, more)) = lists else {
            return Some(other);
        };
        values.append(more);
        None
    }

    /// Lists are in the order of their bytes: the index has them in one that says nothing.
    fn sort(&mut self) {
        match &mut self.filter {
            Filter::None => {}
            Filter::Unkeyed(values) => values.sort_unstable(),
            Filter::Keyed(keys) => {
                for (_, accepts) in keys {
                    if let Accepts::OneOf(values) = accepts {
                        values.sort_unstable();
                    }
                }
            }
        }
    }

    /// Appends it as JSON; nothing if `out` would be longer than `limit` bytes.
    fn tell(&self, out: &mut String, limit: usize) -> Option<()> {
        let (_, partition) = self.partition;
        out.push_str(r#"{"package":"#);
        tell_text(&partition.package, out, limit)?;
        out.push_str(r#","page":"#);
        tell_text(&partition.page, out, limit)?;
        match &self.filter {
            Filter::None => {
                out.push('}');
                return (out.len() <= limit).then_some(());
            }
            Filter::Unkeyed(values) => {
                out.push_str(r#","filters":{"values":"#);
                tell_list(values, out, limit)?;
            }
            Filter::Keyed(keys) => {
                out.push_str(r#","filters":{"values":{"#);
                for (at, (key, accepts)) in keys.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    tell_text(key, out, limit)?;
                    out.push(':');
                    match accepts {
                        Accepts::Any => out.push_str("true"),
                        Accepts::OneOf(values) => tell_list(values, out, limit)?,
                    }
                }
                out.push('}');
            }
        }
        out.push_str("}}");
        (out.len() <= limit).then_some(())
    }
}

/// One value stands alone, but for `true`, which would be any value, and the like.
fn tell_list(values: &Values<'_>, out: &mut String, limit: usize) -> Option<()> {
    if let [value] = &**values
        && value.first().is_some_and(u8::is_ascii)
    {
        return tell_scalar(value, out, limit);
    }
    out.push('[');
    for (at, value) in values.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        tell_scalar(value, out, limit)?;
    }
    out.push(']');
    Some(())
}

impl Accepts<'_> {
    fn of(check: &Check<'_>) -> Self {
        check.values().map_or(Self::Any, Self::OneOf)
    }
}
