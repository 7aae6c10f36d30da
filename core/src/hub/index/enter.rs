//! Entering subscriptions.

use alloc::vec::Vec;
use core::iter;

use super::{
    cohort::{Candidate, Hint},
    hash::{Hasher, kept},
    joining::Joining,
    limits::{IndexLimits, steps},
    partition::{Kind, Mode, Shape},
    plan::{Plan, Planned},
    product::Product,
    subscribers::Counts,
    terms::{Key, Terms},
    wish::{Check, WishWriter, word},
};
use crate::notify::{Subscription, Values};

/// Enters the subscriptions of one subscriber, one after the other.
pub(super) struct Entering<'i> {
    pub(super) hasher: &'i Hasher,
    pub(super) limits: &'i IndexLimits,
    pub(super) scratch: &'i mut Scratch,
    pub(super) joining: Joining<'i>,
    /// The wishes of the whole set.
    pub(super) wishes: &'i mut Vec<u32>,
    pub(super) counts: Counts,
    /// Steps that verifying may take.
    pub(super) steps: usize,
}

/// What is reused from one subscription to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    terms: Terms,
    plan: Plan,
    product: Product,
}

impl Entering<'_> {
    pub(super) fn enter(&mut self, subscription: &Subscription<'_>) {
        let hasher = self.hasher;
        let terms = &mut self.scratch.terms;
        terms.clear();
        let package = terms.read_text(subscription.package(), hasher);
        let page = terms.read_text(subscription.page(), hasher);
        let hash = hasher.join(package.hash, page.hash);
        let store = &mut *self.joining.store;
        let found = store.find_or_new(hash, terms.text(&package), terms.text(&page));
        let Some(partition) = found else {
            self.joining.lose();
            return;
        };
        self.joining.partition = partition;
        match subscription.values() {
            Values::None => self.alone(Kind::All),
            Values::Unkeyed(scalars) => {
                terms.read_unkeyed(scalars, hasher);
                if self.has_words() {
                    self.unkeyed();
                }
            }
            Values::Keyed(keyed) => {
                terms.read_constraints(&keyed, hasher);
                if self.has_words() {
                    self.keyed();
                }
            }
        }
        self.joining.store.drop_if_empty(partition);
    }

    /// Whether there are numbers for the words of the wish, if it is one: 2^32 of them.
    fn has_words(&mut self) -> bool {
        let words = self.wishes.len().saturating_add(self.scratch.terms.words());
        let has_words = u32::try_from(words).is_ok();
        if !has_words {
            self.joining.lose();
        }
        self.joining.wish = word(self.wishes.len());
        has_words
    }

    /// One constraint without a key.
    fn unkeyed(&mut self) {
        if self.has_room_for_values() {
            self.values(Kind::Unkeyed);
            return;
        }
        let terms = &self.scratch.terms;
        let mut wish = WishWriter::new(self.wishes, word(self.joining.entries.len()));
        wish.one_of(Check::NO_KEY, terms.all_values(), terms);
        wish.finish();
        let steps = steps(1, terms.all_values().len(), true);
        self.steps = self.steps.saturating_add(steps);
        self.counts.left_out = self.counts.left_out.saturating_add(1);
        self.alone(Kind::Checked);
    }

    /// Constraints with keys.
    fn keyed(&mut self) {
        let room = self.room();
        let Scratch { terms, plan, .. } = &mut *self.scratch;
        let Some(partition) = (self.joining.store.partitions).get_mut(self.joining.partition)
        else {
            return;
        };
        let is_made = plan.make(terms, &mut partition.keys, self.limits, room);
        if is_made {
            self.planned();
        } else {
            self.joining.lose();
        }
        // What is needed is held by shapes and wishes now.
        if let Some(partition) = (self.joining.store.partitions).get_mut(self.joining.partition) {
            self.scratch.plan.release(&mut partition.keys);
        }
    }

    fn planned(&mut self) {
        let first = self.joining.entries.len();
        let accepts_any = self.scratch.plan.has(Mode::Any);
        let mut is_left_out = false;
        let mut overflowed = None;
        // First for notifications with keys, which must meet all constraints.
        let mut is_for_scalars = false;
        if !self.scratch.plan.is_never() {
            is_left_out = self.scratch.plan.has(Mode::LeftOut);
            match self.shape() {
                Some(table) => is_for_scalars = self.tuples(table),
                None => overflowed = self.by_rarest(),
            }
        }
        // Then for those without, which must meet any.
        let mut is_asked_for_any = false;
        if !is_for_scalars {
            if accepts_any {
                self.alone(Kind::AnyScalar);
            } else if self.has_room_for_values() {
                self.values(Kind::Scalars);
            } else {
                is_asked_for_any = true;
                is_left_out = true;
                self.alone(Kind::CheckedScalars);
            }
        }
        if self.joining.entries.len() == first {
            return;
        }
        let counts = &mut self.counts;
        counts.left_out = counts.left_out.saturating_add(is_left_out.into());
        counts.overflowed = (counts.overflowed).saturating_add(overflowed.is_some().into());
        if is_left_out || overflowed.as_ref().is_some_and(|found| found.has_others) {
            let is_said = |planned: &Planned| {
                !is_asked_for_any
                    && match &overflowed {
                        Some(found) => found.said == Some(planned.number),
                        None => planned.mode == Mode::Exact,
                    }
            };
            let steps = self.wish(word(first), is_asked_for_any, is_said);
            // Otherwise it is there for the keys alone.
            if is_left_out || overflowed.is_some_and(|found| !found.is_said) {
                self.steps = self.steps.saturating_add(steps);
            }
        }
    }

    /// The table of the planned shape, unless there are too many.
    fn shape(&mut self) -> Option<u32> {
        let keys = self.scratch.plan.shape();
        let partition = (self.joining.store.partitions).get_mut(self.joining.partition)?;
        if let Some(found) = partition.shape(keys.clone()) {
            return Some(found);
        }
        if partition.shapes() >= self.limits.shapes {
            return None;
        }
        let keys = keys.collect();
        let store = &mut *self.joining.store;
        store.table_or_new(self.joining.partition, Kind::Shape(Shape { keys }))
    }

    /// Enters each tuple of the planned shape. Whether these are for notifications without keys, too.
    fn tuples(&mut self, table: u32) -> bool {
        let Scratch {
            terms,
            plan,
            product,
        } = &mut *self.scratch;
        product.clear();
        for planned in plan.keys() {
            if let (Mode::Exact, Some(key)) = (planned.mode, terms.keys().get(planned.key)) {
                product.push(key.values.clone());
            }
        }
        loop {
            let hash = product.hash(terms, self.hasher);
            self.joining.enter(table, hash, product.parts(terms));
            if !product.advance() {
                break;
            }
        }
        let store = &*self.joining.store;
        let table = store.table(self.joining.partition, table);
        table.is_some_and(|table| table.is_for_scalars)
    }

    /// Enters the subscription by the constraint that brings it together with the fewest others.
    fn by_rarest(&mut self) -> Option<ByRarest> {
        let room = self.room();
        let Scratch { terms, plan, .. } = &*self.scratch;
        let mut rarest: Option<Access<'_>> = None;
        // The next rarest tells most of those apart who are found together.
        let mut next: Option<Access<'_>> = None;
        let is_only = plan.keys().len() == 1;
        for planned in plan.keys() {
            let key = terms.keys().get(planned.key)?;
            let access = self.access(planned, key, room, is_only);
            let other = match &rarest {
                Some(rarest) if rarest.rank() <= access.rank() => Some(access),
                _ => rarest.replace(access),
            };
            if let Some(other) = other
                && other.key.values.len() == 1
                && (next.as_ref()).is_none_or(|next| other.rank() < next.rank())
            {
                next = Some(other);
            }
        }
        let access = rarest?;
        let says = access.is_listed || access.key.accepts_any;
        let mut hint = next.and_then(|next| next.hint(terms));
        let mut is_said = false;
        // Whether a key is there is known for certain.
        if let [one, other] = plan.keys()
            && let other = if one.number == access.number {
                other
            } else {
                one
            }
            && says
            && other.mode == Mode::Any
        {
            is_said = true;
            hint = Some(Hint {
                key: other.number,
                hash: 0,
            });
        }
        let partition = (self.joining.store.partitions).get_mut(self.joining.partition);
        let add = || partition.and_then(|partition| partition.add(access.kind()));
        let found = ByRarest {
            said: says.then_some(access.number),
            has_others: !is_only,
            is_said,
        };
        let Some(table) = access.table.or_else(add) else {
            self.joining.lose();
            return Some(found);
        };
        let wish = self.joining.wish;
        if is_said {
            self.joining.wish = Candidate::SAID;
        }
        self.joining.hint = hint.unwrap_or(Hint::NONE);
        for (hash, parts) in access.tuples(terms, self.hasher) {
            self.joining.enter(table, hash, parts);
        }
        self.joining.hint = Hint::NONE;
        self.joining.wish = wish;
        Some(found)
    }

    /// The way to find a subscription by the constraint that was `planned` for `key`.
    fn access<'t>(
        &self,
        planned: &Planned,
        key: &'t Key,
        room: usize,
        is_only: bool,
    ) -> Access<'t> {
        let is_listed = planned.mode != Mode::Any && planned.width <= room;
        let mut access = Access {
            number: planned.number,
            bytes: planned.number.to_le_bytes(),
            key,
            is_listed,
            is_only: is_only && (is_listed || key.accepts_any),
            table: None,
            others: 0,
        };
        let partition = (self.joining.store.partitions).get(self.joining.partition);
        access.table = partition.and_then(|partition| partition.table(&access.kind()));
        if !is_only {
            access.others = self.others(&access);
        }
        access
    }

    /// How many members the cohorts of an access have.
    fn others(&self, access: &Access<'_>) -> usize {
        let store = &*self.joining.store;
        let table = access.table;
        let Some(table) = table.and_then(|table| store.table(self.joining.partition, table)) else {
            return 0;
        };
        let others = |(hash, parts)| {
            let (_, cohort) = store.cohort(table, hash, parts)?;
            Some(cohort.members.len())
        };
        let tuples = access.tuples(&self.scratch.terms, self.hasher);
        tuples.filter_map(others).sum()
    }

    /// Writes what is to be verified: the constraints but for those that are said, and all keys. How
    /// many steps that takes.
    fn wish(
        &mut self,
        first: u32,
        is_asked_for_any: bool,
        is_said: impl Fn(&Planned) -> bool,
    ) -> usize {
        let Scratch { terms, plan, .. } = &*self.scratch;
        let partition = (self.joining.store.partitions).get_mut(self.joining.partition);
        let Some(partition) = partition else {
            return 0;
        };
        let mut wish = WishWriter::new(self.wishes, first);
        let mut values: usize = 0;
        for planned in plan.keys() {
            partition.keys.hold(planned.number);
            match terms.keys().get(planned.key) {
                Some(key) if !key.accepts_any && !is_said(planned) => {
                    values = values.saturating_add(planned.width);
                    wish.one_of(planned.number, terms.values(&key.values), terms);
                }
                _ => wish.any(planned.number),
            }
        }
        wish.finish();
        steps(plan.keys().len(), values, is_asked_for_any)
    }

    /// Enters the subscription where there is but one tuple, without values.
    fn alone(&mut self, kind: Kind) {
        self.joining.enter_kind(kind, 0, iter::empty());
    }

    /// Enters the subscription by each of its values.
    fn values(&mut self, kind: Kind) {
        let Some(partition) = (self.joining.store.partitions).get_mut(self.joining.partition)
        else {
            return;
        };
        let terms = &self.scratch.terms;
        if terms.all_values().is_empty() {
            return; // a table has at least one cohort
        }
        let Some(table) = partition.table_or_new(kind) else {
            self.joining.lose();
            return;
        };
        for value in terms.all_values() {
            let parts = iter::once(terms.text(value));
            self.joining.enter(table, value.hash, parts);
        }
    }

    /// How many tuples the subscriber may have beyond those that it has.
    fn room(&self) -> usize {
        self.limits
            .tuples
            .saturating_sub(self.joining.entries.len())
    }

    fn has_room_for_values(&self) -> bool {
        self.scratch.terms.all_values().len() <= self.room()
    }
}

/// How a subscription was entered for which there was no shape left.
struct ByRarest {
    /// The key of the constraint that its tuples say.
    said: Option<u32>,
    /// Whether it has any other.
    has_others: bool,
    /// Whether the tuples and the hint say all of it.
    is_said: bool,
}

/// A way to find a subscription by one of its constraints.
struct Access<'t> {
    /// The key's.
    number: u32,
    /// The same, as it is part of a tuple.
    bytes: [u8; 4],
    key: &'t Key,
    /// Whether by its values, or by there being one.
    is_listed: bool,
    /// Whether that says all of the subscription.
    is_only: bool,
    /// The table for it, if there is one.
    table: Option<u32>,
    /// How many members the cohorts have.
    others: usize,
}

impl Access<'_> {
    const fn kind(&self) -> Kind {
        match (self.is_only, self.is_listed) {
            (true, true) => Kind::Only,
            (true, false) => Kind::OnlyPresent,
            (false, true) => Kind::Access,
            (false, false) => Kind::Present,
        }
    }

    /// The least is the best: few others, and not by a long list for that. Of equals, a value says
    /// more than that there is one.
    const fn rank(&self) -> (usize, bool) {
        let tuples = if self.is_listed {
            self.key.values.end.saturating_sub(self.key.values.start)
        } else {
            1
        };
        (self.others.saturating_add(tuples), !self.is_listed)
    }

    /// The constraint itself, which accepts one value.
    fn hint(&self, terms: &Terms) -> Option<Hint> {
        let value = terms.values(&self.key.values).first()?;
        Some(Hint {
            key: self.number,
            hash: kept(value.hash),
        })
    }

    /// The hashes and tuples that stand for it.
    fn tuples<'a>(
        &'a self,
        terms: &'a Terms,
        hasher: &'a Hasher,
    ) -> impl Iterator<Item = (u64, impl Iterator<Item = &'a [u8]> + Clone)> {
        let number = iter::once(&self.bytes[..]);
        let present = (!self.is_listed).then(|| (self.key.hash, number.clone().chain(None)));
        let listed = self.is_listed.then(|| terms.values(&self.key.values));
        let listed = listed.unwrap_or_default().iter().map(move |value| {
            let hash = hasher.join(self.key.hash, value.hash);
            (hash, number.clone().chain(Some(terms.text(value))))
        });
        present.into_iter().chain(listed)
    }
}
