//! Which constraints of a subscription its tuples say, and which are left to be verified.

use alloc::vec::Vec;

use super::{
    limits::IndexLimits,
    partition::{Keys, Mode},
    terms::Terms,
};

/// What is to become of each key of a subscription, by the keys' numbers in the partition.
#[derive(Debug, Default)]
pub(super) struct Plan {
    keys: Vec<Planned>,
}

/// How long the tuples of a subscription whose lists multiply may be on average, if they are
/// [as many as they may be](IndexLimits::expansion): identifiers are shorter, and a long text would
/// be kept once for each of the values of another key.
const TUPLE_BYTES: usize = 64;

/// What is to become of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) number: u32,
    /// Its index in the [`Terms`].
    pub(super) key: usize,
    /// How many values it accepts, if not all.
    pub(super) width: usize,
    /// How long these are in all.
    bytes: usize,
    pub(super) mode: Mode,
}

impl Plan {
    /// Plans the constraints that `terms` are, for a subscriber with room for as many tuples more.
    /// The keys are used until [`release`](Self::release); `false` if there is no number left for
    /// one.
    pub(super) fn make(
        &mut self,
        terms: &Terms,
        keys: &mut Keys,
        limits: &IndexLimits,
        room: usize,
    ) -> bool {
        self.keys.clear();
        for (index, key) in terms.keys().iter().enumerate() {
            let Some(number) = keys.acquire(key.hash, terms.name(key)) else {
                return false;
            };
            self.keys.push(Planned {
                number,
                key: index,
                width: key.values.len(),
                bytes: (terms.values(&key.values).iter())
                    .map(|value| terms.text(value).len())
                    .sum(),
                mode: if key.accepts_any {
                    Mode::Any
                } else {
                    Mode::LeftOut
                },
            });
        }
        self.choose(limits, room);
        true
    }

    /// Makes exact what can be, the narrowest first: so it is the widest that are left out.
    fn choose(&mut self, limits: &IndexLimits, room: usize) {
        self.keys.sort_unstable_by_key(|planned| planned.width);
        let (mut tuples, mut bytes): (usize, usize) = (1, 0);
        for planned in &mut self.keys {
            let product = tuples.saturating_mul(planned.width);
            let all_bytes = (bytes.saturating_mul(planned.width))
                .saturating_add(planned.bytes.saturating_mul(tuples));
            // What does not multiply takes no more than its text.
            let most = limits.expansion.max(planned.width).min(room);
            let most_bytes = (limits.expansion.saturating_mul(TUPLE_BYTES))
                .max(bytes.saturating_add(planned.bytes));
            if planned.mode != Mode::Any && product <= most && all_bytes <= most_bytes {
                planned.mode = Mode::Exact;
                (tuples, bytes) = (product, all_bytes);
            }
        }
        self.keys.sort_unstable_by_key(|planned| planned.number);
    }

    pub(super) fn release(&self, keys: &mut Keys) {
        for planned in &self.keys {
            keys.release(planned.number);
        }
    }

    pub(super) fn keys(&self) -> &[Planned] {
        &self.keys
    }

    /// The keys of the shape.
    pub(super) fn shape(&self) -> impl Iterator<Item = (u32, Mode)> + Clone {
        let keys = self.keys.iter();
        keys.map(|planned| (planned.number, planned.mode))
    }

    pub(super) fn has(&self, mode: Mode) -> bool {
        self.keys.iter().any(|planned| planned.mode == mode)
    }

    /// Whether an empty list is among the constraints. It accepts nothing: no values by key ever
    /// meet them all.
    pub(super) fn is_never(&self) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|planned| planned.mode != Mode::Any && planned.width == 0)
    }
}
