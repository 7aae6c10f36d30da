//! Entering subscriptions.

use alloc::{boxed::Box, vec::Vec};
use core::iter;

use super::{
    cohort::Hint,
    hash::{Hasher, kept},
    joining::Joining,
    limits::IndexLimits,
    partition::{Kind, Mode, Shape},
    plan::{Plan, Planned},
    product::Product,
    terms::{Key, Terms},
    wish::{Check, Wish},
};
use crate::notify::{Accepts, Constraint, Subscription};

/// Enters the subscriptions of one subscriber, one after the other.
pub(super) struct Entering<'i> {
    pub(super) hasher: &'i Hasher,
    pub(super) limits: &'i IndexLimits,
    pub(super) scratch: &'i mut Scratch,
    pub(super) joining: Joining<'i>,
    pub(super) wishes: Vec<Wish>,
    /// Above every number of a key in the partitions that were entered.
    pub(super) keys: usize,
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
        let mut constraints = subscription.constraints();
        match constraints.next() {
            None => self.alone(Kind::All),
            Some(Constraint { key: None, accepts }) => {
                // Without a key there is always a list.
                if let Accepts::OneOf(scalars) = accepts {
                    terms.read_unkeyed(scalars, hasher);
                }
                self.unkeyed();
            }
            Some(first) => {
                for constraint in iter::once(first).chain(constraints) {
                    if let Some(key) = constraint.key {
                        terms.read_constraint(key, &constraint.accepts, hasher);
                    }
                }
                self.keyed();
            }
        }
        self.joining.store.drop_if_empty(partition);
    }

    /// One constraint without a key.
    fn unkeyed(&mut self) {
        if self.has_room_for_values() {
            self.values(Kind::Unkeyed);
            return;
        }
        let terms = &self.scratch.terms;
        self.wishes.push(Wish {
            first: self.joining.entries.len(),
            has_keys: false,
            is_left_out: true,
            is_overflowed: false,
            checks: Box::from([Check::unkeyed(terms.all_values(), terms)]),
        });
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
        self.keys = self.keys.max(partition.keys.bound());
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
        let mut is_overflowed = false;
        // First for notifications with keys, which must meet all constraints.
        let mut is_for_scalars = false;
        if !self.scratch.plan.is_never() {
            is_left_out = self.scratch.plan.has(Mode::LeftOut);
            match self.shape() {
                Some(table) => is_for_scalars = self.tuples(table),
                None => {
                    is_overflowed = true;
                    self.by_rarest();
                }
            }
        }
        // Then for those without, which must meet any.
        if !is_for_scalars {
            if accepts_any {
                self.alone(Kind::AnyScalar);
            } else if self.has_room_for_values() {
                self.values(Kind::Scalars);
            } else {
                is_left_out = true;
                self.alone(Kind::CheckedScalars);
            }
        }
        let is_entered = self.joining.entries.len() > first;
        if is_entered && (is_left_out || is_overflowed) {
            let checks = self.checks();
            self.wishes.push(Wish {
                first,
                has_keys: true,
                is_left_out,
                is_overflowed,
                checks,
            });
        }
    }

    /// The table of the planned shape, unless there are too many.
    fn shape(&mut self) -> Option<u32> {
        let keys = self.scratch.plan.shape();
        let partition = (self.joining.store.partitions).get_mut(self.joining.partition)?;
        if let Some(found) = partition.shape(keys.clone()) {
            return Some(found);
        }
        if partition.shapes >= self.limits.shapes {
            return None;
        }
        let keys = keys.collect();
        let added = partition.add(Kind::Shape(Shape { keys }))?;
        self.joining.store.shapes = self.joining.store.shapes.saturating_add(1);
        Some(added)
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
    fn by_rarest(&mut self) {
        let room = self.room();
        let Scratch { terms, plan, .. } = &*self.scratch;
        let Some(partition) = (self.joining.store.partitions).get(self.joining.partition) else {
            return;
        };
        let tables = [Kind::Access, Kind::Present].map(|kind| partition.table(&kind));
        let access = |planned: &Planned| {
            let key = terms.keys().get(planned.key)?;
            let is_listed = planned.mode != Mode::Any && planned.width <= room;
            let [listed, present] = tables;
            let access = Access {
                number: planned.number.to_le_bytes(),
                key,
                is_listed,
                table: if is_listed { listed } else { present },
            };
            // Of equals, a value says more than that there is one.
            Some(((self.others(&access), !is_listed), access))
        };
        let accesses = || plan.keys().iter().filter_map(access);
        let Some((_, access)) = accesses().min_by_key(|(others, _)| *others) else {
            return;
        };
        // The next rarest tells most of those apart who are found together.
        let singles = accesses()
            .filter(|(_, other)| other.key.values.len() == 1 && other.number != access.number);
        let hint = singles
            .min_by_key(|(others, _)| *others)
            .and_then(|(_, other)| other.hint(terms));
        let partition = (self.joining.store.partitions).get_mut(self.joining.partition);
        let add = || partition.and_then(|partition| partition.add(access.kind()));
        let Some(table) = access.table.or_else(add) else {
            self.joining.lose();
            return;
        };
        self.joining.hint = hint.unwrap_or(Hint::NONE);
        for (hash, parts) in access.tuples(terms, self.hasher) {
            self.joining.enter(table, hash, parts);
        }
        self.joining.hint = Hint::NONE;
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

    /// The planned constraints, each of which uses its key.
    fn checks(&mut self) -> Box<[Check]> {
        let Scratch { terms, plan, .. } = &*self.scratch;
        let mut partition = (self.joining.store.partitions).get_mut(self.joining.partition);
        let check = |planned: &Planned| {
            if let Some(partition) = &mut partition {
                partition.keys.hold(planned.number);
            }
            let key = terms.keys().get(planned.key)?;
            Some(Check::keyed(planned.number, key, terms))
        };
        plan.keys().iter().filter_map(check).collect()
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

/// A way to find a subscription by one of its constraints.
struct Access<'t> {
    /// The key's, as it is part of a tuple.
    number: [u8; 4],
    key: &'t Key,
    /// Whether by its values, or by there being one.
    is_listed: bool,
    /// The table for it, if there is one.
    table: Option<u32>,
}

impl Access<'_> {
    const fn kind(&self) -> Kind {
        if self.is_listed {
            Kind::Access
        } else {
            Kind::Present
        }
    }

    /// The constraint itself, which accepts one value.
    fn hint(&self, terms: &Terms) -> Option<Hint> {
        let value = terms.values(&self.key.values).first()?;
        Some(Hint {
            key: u32::from_le_bytes(self.number),
            hash: kept(value.hash),
        })
    }

    /// The hashes and tuples that stand for it.
    fn tuples<'a>(
        &'a self,
        terms: &'a Terms,
        hasher: &'a Hasher,
    ) -> impl Iterator<Item = (u64, impl Iterator<Item = &'a [u8]> + Clone)> {
        let number = iter::once(&self.number[..]);
        let present = (!self.is_listed).then(|| (self.key.hash, number.clone().chain(None)));
        let listed = self.is_listed.then(|| terms.values(&self.key.values));
        let listed = listed.unwrap_or_default().iter().map(move |value| {
            let hash = hasher.join(self.key.hash, value.hash);
            (hash, number.clone().chain(Some(terms.text(value))))
        });
        present.into_iter().chain(listed)
    }
}
