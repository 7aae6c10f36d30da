//! Matching: which cohorts a notification meets.

use core::iter;

use super::{
    cohort::{Candidate, Cohort, Hint},
    hash::{Hasher, kept},
    heard::{First, Heard},
    partition::{Kind, Mode, Partition, Shape, Table},
    product::Product,
    seen::Seen,
    store::Store,
    subscribers::Subscribers,
    terms::Terms,
    tuple::Parts,
    wish::Wish,
};

/// One notification before the tables of its partition.
pub(super) struct Probe<'i> {
    pub(super) store: &'i Store,
    pub(super) subscribers: &'i Subscribers,
    pub(super) hasher: &'i Hasher,
    pub(super) partition: &'i Partition,
    pub(super) terms: &'i Terms,
    pub(super) seen: &'i Seen,
    pub(super) product: &'i mut Product,
    pub(super) heard: &'i mut Heard,
    pub(super) first: First<'i>,
}

/// What a notification's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    None,
    Unkeyed,
    Keyed,
}

/// What of a wish the values must meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meets {
    /// All constraints, each with the values of its key.
    All,
    /// Any constraint.
    Any,
}

impl<'i> Probe<'i> {
    /// Who is to hear the notification.
    pub(super) fn run(mut self, form: Form) -> &'i [u32] {
        for (_, table) in self.partition.tables.iter() {
            match form {
                Form::Keyed if table.mask & !self.seen.mask == 0 => self.keyed(table),
                Form::Keyed => {}
                Form::Unkeyed => self.unkeyed(table),
                Form::None if table.kind == Kind::All => self.alone(table),
                Form::None => {}
            }
        }
        self.heard.finish(self.first)
    }

    /// Values by key.
    fn keyed(&mut self, table: &'i Table) {
        match &table.kind {
            Kind::All => self.alone(table),
            Kind::Unkeyed => self.values(table),
            Kind::Shape(shape) => self.shape(table, shape),
            Kind::Checked => self.met(table, 0, iter::empty(), Meets::Any),
            Kind::OnlyPresent | Kind::Present => {
                for (number, key) in self.seen.keys(self.terms) {
                    let number = number.to_le_bytes();
                    self.met(table, key.hash, iter::once(&number[..]), Meets::All);
                }
            }
            Kind::Only | Kind::Access => {
                for (number, key) in self.seen.keys(self.terms) {
                    let number = number.to_le_bytes();
                    for value in self.terms.values(&key.values) {
                        let hash = self.hasher.join(key.hash, value.hash);
                        let parts = [&number[..], self.terms.text(value)];
                        self.met(table, hash, parts.into_iter(), Meets::All);
                    }
                }
            }
            Kind::Scalars | Kind::AnyScalar | Kind::CheckedScalars => {}
        }
    }

    /// Values without keys.
    fn unkeyed(&mut self, table: &'i Table) {
        match &table.kind {
            Kind::All | Kind::AnyScalar => self.alone(table),
            Kind::Unkeyed | Kind::Scalars => self.values(table),
            Kind::Checked | Kind::CheckedScalars => {
                self.met(table, 0, iter::empty(), Meets::Any);
            }
            Kind::Shape(_) if table.is_for_scalars => self.values(table),
            Kind::Shape(_) | Kind::Only | Kind::OnlyPresent | Kind::Access | Kind::Present => {}
        }
    }

    /// The cohort of the one tuple that there is.
    fn alone(&mut self, table: &'i Table) {
        self.met(table, 0, iter::empty(), Meets::Any);
    }

    /// The cohorts of each value.
    fn values(&mut self, table: &'i Table) {
        for value in self.terms.all_values() {
            let text = self.terms.text(value);
            self.met(table, value.hash, iter::once(text), Meets::Any);
        }
    }

    /// The cohorts whose tuples are made of values of the shape's keys.
    fn shape(&mut self, table: &'i Table, shape: &Shape) {
        self.product.clear();
        for (number, mode) in &shape.keys {
            let Some(key) = self.seen.key(*number, self.terms) else {
                return;
            };
            if *mode == Mode::Exact {
                self.product.push(key.values.clone());
            }
        }
        // Neither more look-ups than there are cohorts, nor the other way round.
        if self.product.count() > table.cohorts.len() {
            self.walk(table);
            return;
        }
        loop {
            let hash = self.product.hash(self.terms, self.hasher);
            let found = self
                .store
                .cohort(table, hash, self.product.parts(self.terms));
            if let Some((_, cohort)) = found {
                self.hear(cohort, Meets::All);
            }
            if !self.product.advance() {
                break;
            }
        }
    }

    /// The same, from the cohorts' side.
    fn walk(&mut self, table: &'i Table) {
        for &number in &table.cohorts {
            let Some(cohort) = self.store.cohorts.get(number) else {
                continue;
            };
            let mut parts =
                Parts::new(cohort.tuple.as_bytes(), table.parts).zip(self.product.lists());
            let is_met = parts.all(|(part, list)| {
                let hash = kept(self.hasher.hash(part));
                self.terms.contains(&list.values, hash, part)
            });
            if is_met {
                self.hear(cohort, Meets::All);
            }
        }
    }

    fn met<'t>(
        &mut self,
        table: &'i Table,
        hash: u64,
        parts: impl Iterator<Item = &'t [u8]> + Clone,
        meets: Meets,
    ) {
        if let Some((_, cohort)) = self.store.cohort(table, hash, parts) {
            self.hear(cohort, meets);
        }
    }

    /// Puts the members of a cohort on the list, each of them verified where that is due.
    fn hear(&mut self, cohort: &'i Cohort, meets: Meets) {
        let candidates = cohort.members.checked();
        if candidates.is_empty() {
            self.heard.cohort(cohort.members.plain(), &mut self.first);
            return;
        }
        self.heard.settle(&mut self.first);
        let (subscribers, terms, seen) = (self.subscribers, self.terms, self.seen);
        for candidate in candidates {
            if may_be_met(candidate, terms, seen) {
                let is_met = || {
                    let Candidate { member, wish, .. } = *candidate;
                    wish == Candidate::SAID
                        || (subscribers.wish(member.subscriber, wish))
                            .is_some_and(|wish| is_met(wish, meets, terms, seen))
                };
                self.heard.one(candidate.member, is_met);
            }
        }
    }
}

/// Whether values may meet a subscription of which this is known. Hints are only in tables for
/// values by key.
#[inline]
fn may_be_met(candidate: &Candidate, terms: &Terms, seen: &Seen) -> bool {
    let Candidate { wish, hint, .. } = candidate;
    if hint.key == Hint::NO_KEY {
        return true;
    }
    let key = seen.key(hint.key, terms);
    key.is_some_and(|key| *wish == Candidate::SAID || terms.has_hash(&key.values, hint.hash))
}

/// Whether values meet a wish (the protocol, section 4).
fn is_met(wish: Wish<'_>, meets: Meets, terms: &Terms, seen: &Seen) -> bool {
    let Wish { mut checks, .. } = wish;
    match meets {
        Meets::All => checks.all(|check| {
            let key = seen.key(check.key, terms);
            key.is_some_and(|key| check.accepts_of(key, terms))
        }),
        Meets::Any => {
            let values = terms.all_values();
            checks.any(|check| check.accepts_any_of(values, terms))
        }
    }
}
