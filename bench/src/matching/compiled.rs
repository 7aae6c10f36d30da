//! What a good engineer makes of filters before matching them: numbers instead of texts.

use core::ops::Range;

use campanile_core::notify::{Accepts, Notification, Scalar, Scalars, Subscription, Text, Values};

use super::words::{Words, at, number};

/// In place of the number of values: every value is accepted.
const ANY: u32 = u32::MAX;

/// The texts of filters by numbers: packages with pages, keys within these, values within those.
#[derive(Default)]
pub(super) struct Compiler {
    /// Those and keys are few, and stay.
    partitions: Words,
    keys: Words,
    pub(super) values: Words,
    scratch: Vec<u8>,
    /// What was compiled last.
    terms: Vec<u32>,
}

/// A subscription: its package and page, and its constraints one after the other, each of them a
/// key, the number of values or [`ANY`], and the values, each of which is used once.
#[derive(Clone, Copy)]
pub(super) struct Compiled<'c> {
    pub(super) partition: u32,
    pub(super) terms: &'c [u32],
}

/// Every value, or any of these.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'c> {
    Any,
    OneOf(&'c [u32]),
}

/// The constraints of a compiled subscription, each with its key.
pub(super) fn constraints(terms: &[u32]) -> impl Iterator<Item = (u32, Wanted<'_>)> {
    let mut rest = terms;
    core::iter::from_fn(move || {
        let &[key, count, ref behind @ ..] = rest else {
            return None;
        };
        if count == ANY {
            rest = behind;
            return Some((key, Wanted::Any));
        }
        let (values, behind) = behind.split_at(count as usize);
        rest = behind;
        Some((key, Wanted::OneOf(values)))
    })
}

impl Compiler {
    /// Compiles a subscription, whose values are used from now on.
    ///
    /// # Panics
    /// At a constraint without a key, which no workload has.
    pub(super) fn compile(&mut self, subscription: &Subscription<'_>) -> Compiled<'_> {
        self.terms.clear();
        target(
            subscription.package(),
            subscription.page(),
            &mut self.scratch,
        );
        let partition = self.partitions.acquire(0, &self.scratch);
        for constraint in subscription.constraints() {
            let key = constraint
                .key
                .expect("every workload's constraints have keys");
            let key = self
                .keys
                .acquire(partition, text(key, key.as_unescaped(), &mut self.scratch));
            self.terms.push(key);
            match constraint.accepts {
                Accepts::Any => self.terms.push(ANY),
                Accepts::OneOf(scalars) => self.one_of(key, scalars),
            }
        }
        Compiled {
            partition,
            terms: &self.terms,
        }
    }

    fn one_of(&mut self, key: u32, scalars: Scalars<'_>) {
        let count = self.terms.len();
        self.terms.push(0);
        for scalar in &scalars {
            let value = canonical(scalar, &mut self.scratch);
            let value = self.values.acquire(key, value);
            if self.terms[count + 1..].contains(&value) {
                self.values.release(value);
            } else {
                self.terms.push(value);
            }
        }
        self.terms[count] = number(self.terms.len() - count - 1);
    }

    /// Gives the values of a subscription back.
    pub(super) fn release(&mut self, terms: &[u32]) {
        for (_, wanted) in constraints(terms) {
            if let Wanted::OneOf(values) = wanted {
                for &value in values {
                    self.values.release(value);
                }
            }
        }
    }
}

/// A notification: what it has of the keys and values that some subscription names.
#[derive(Default)]
pub(super) struct Offer {
    pub(super) partition: Option<u32>,
    pub(super) keys: Vec<Offered>,
    values: Vec<u32>,
    /// By key: its place in `keys`, if that is of this key.
    places: Vec<u32>,
    scratch: Vec<u8>,
}

/// A key that a notification has values of.
pub(super) struct Offered {
    pub(super) key: u32,
    values: Range<usize>,
}

impl Offer {
    /// Reads a notification.
    ///
    /// # Panics
    /// At values without keys, which no workload has.
    pub(super) fn read(&mut self, notification: &Notification<'_>, compiler: &Compiler) {
        self.keys.clear();
        self.values.clear();
        let Self { scratch, .. } = self;
        target(notification.package(), notification.page(), scratch);
        self.partition = compiler.partitions.find(0, scratch);
        let Some(partition) = self.partition else {
            return;
        };
        let keyed = match notification.values() {
            Values::Keyed(keyed) => keyed,
            Values::None => return,
            Values::Unkeyed(_) => panic!("every workload's values have keys"),
        };
        for (key, scalars) in &keyed {
            let name = text(key, key.as_unescaped(), &mut self.scratch);
            let Some(key) = compiler.keys.find(partition, name) else {
                continue;
            };
            let start = self.values.len();
            let mut is_empty = true;
            for scalar in &scalars {
                is_empty = false;
                let value = canonical(scalar, &mut self.scratch);
                self.values.extend(compiler.values.find(key, value));
            }
            // The protocol, section 9: an empty array is no value.
            if !is_empty {
                *at(&mut self.places, key) = number(self.keys.len());
                let values = start..self.values.len();
                self.keys.push(Offered { key, values });
            }
        }
    }

    /// The values of one of the keys.
    pub(super) fn values(&self, offered: &Offered) -> &[u32] {
        &self.values[offered.values.clone()]
    }

    /// Whether it meets all constraints.
    pub(super) fn meets(&self, terms: &[u32]) -> bool {
        constraints(terms).all(|(key, wanted)| {
            let place = self.places.get(key as usize);
            let offered = place.and_then(|&place| self.keys.get(place as usize));
            // What is at a place may be of an earlier notification.
            let Some(offered) = offered.filter(|offered| offered.key == key) else {
                return false;
            };
            match wanted {
                Wanted::Any => true,
                Wanted::OneOf(wanted) => {
                    let mut values = self.values(offered).iter();
                    values.any(|value| wanted.contains(value))
                }
            }
        })
    }
}

/// Writes package and page so that no others look the same.
fn target(package: Text<'_>, page: Text<'_>, to: &mut Vec<u8>) {
    to.clear();
    to.extend(package.bytes());
    to.push(0xFF); // no byte of UTF-8
    to.extend(page.bytes());
}

fn text<'t>(text: Text<'t>, unescaped: Option<&'t [u8]>, scratch: &'t mut Vec<u8>) -> &'t [u8] {
    unescaped.unwrap_or_else(|| {
        scratch.clear();
        scratch.extend(text.bytes());
        scratch
    })
}

fn canonical<'t>(scalar: Scalar<'t>, scratch: &'t mut Vec<u8>) -> &'t [u8] {
    scalar.as_canonical().unwrap_or_else(|| {
        scratch.clear();
        scratch.extend(scalar.canonical());
        scratch
    })
}
