//! The index: who is to hear a notification, without asking every subscription.
//!
//! ```text
//! package, page ─▶ Partition
//!                  ├─ All        ()               no constraints            every notification
//!                  ├─ Unkeyed    (value)          a constraint without key  each value
//!                  ├─ Shape ..   (value, value)   constraints with keys     each shape in its keys
//!                  ├─ Scalars    (value)          any of several            each value without key
//!                  ├─ Only ..    (key, value)     one constraint            each key and value
//!                  └─ Access ..  (key, value)     verified                  each key and value
//!                                   │
//!                                   ▼
//!                                Cohort: the members, in one list  ◀─▶  Entry: where a subscriber's
//!                                                                       members are
//! ```
//!
//! Notifications of a *partition* concern one package and page. A *shape* is a set of constrained
//! keys, of which an application has few: one for each kind of screen. Its table leads from a tuple
//! of values, one for each key, to the *cohort* of those who want just these. So a notification
//! costs one look-up for each shape that its keys contain, and the copy of the lists that it finds.
//!
//! What is not a tuple of values becomes one, or several:
//!
//! - a list of values, a tuple for each; of several lists, a tuple for each way to take one of each,
//!   up to [`IndexLimits::expansion`], beyond which the widest is left out and verified;
//! - `true` is part of the shape, but not of the tuple;
//! - an empty list meets no values by key: no tuple at all;
//! - a notification without keys meets a subscription when any constraint accepts a value. Where the
//!   shape has one key, its table answers that too; where a constraint accepts anything, they are
//!   entered in one cohort more; the others by each of their values once more;
//! - a notification's array, the same from the other side: a look-up for each way to take one
//!   value of each of the keys, or a walk over the cohorts where those are fewer.
//!
//! Peers choose shapes. Beyond [`IndexLimits::shapes`] a subscription is found by the one constraint
//! that brings it together with the fewest others. If it has no other, that says it. Else it is
//! verified: first by a hint of another constraint, which is in the list of members and tells most of
//! them apart, and then, unless that says it, by what is written beside the subscriber's entries. How
//! much of that one subscriber may ask for has a limit, [`IndexLimits::verified`]: beyond it, a set is
//! refused, and the one before it stands.
//!
//! Hashes are keyed, and equality is verified on every hit. A member knows its entry and the entry
//! knows the member's position, so that a subscriber is taken out by its own entries alone. A list
//! that is mostly empty gives its memory back, and a table, shape or partition without members is
//! dropped.

mod cohort;
mod describe;
mod earlier;
mod enter;
mod hash;
mod heard;
mod joining;
mod limits;
mod numbers;
mod partition;
mod plan;
mod probe;
mod product;
mod room;
mod seen;
mod slab;
mod store;
mod subscribers;
mod terms;
#[cfg(test)]
mod tests;
mod tuple;
mod wish;

pub use hash::HashKey;
pub use limits::{Counters, IndexLimits, TooMuchToVerify};

use alloc::vec::Vec;
use core::fmt;

use crate::notify::{Notification, Subscriptions, Values};
use earlier::Earlier;
use enter::{Entering, Scratch};
use hash::Hasher;
use heard::{First, Heard};
use joining::Joining;
use probe::{Form, Probe};
use product::Product;
use seen::Seen;
use store::Store;
use subscribers::{Counts, Entry, Subscriber, Subscribers};
use terms::Terms;
use wish::{Wishes, word};

/// Subscriptions of any number of subscribers, and who of them is to hear a notification: those
/// with a subscription that [`matches`](crate::notify::matches()) it, however many there are.
///
/// Subscribers are small numbers, such as [`SessionId::index`](super::SessionId::index): memory is
/// taken for all below the highest that has subscriptions.
///
/// ```
/// use campanile_core::{
///     hub::index::{HashKey, Index, IndexLimits},
///     notify::{Limits, Message, parse},
/// };
///
/// # fn random() -> u64 { 7 }
/// let mut index = Index::new(HashKey([random(), random()]), IndexLimits::default());
/// let wish = br#"{"sender":"client","subscriptions":[
///     {"package":"plant","page":"alerts","filters":{"values":{"channel":["2","3"]}}}]}"#;
/// let news = br#"{"sender":"server","notification":{
///     "package":"plant","page":"alerts","filters":{"values":{"channel":2}}}}"#;
///
/// if let Ok(Message::Client(client)) = parse(wish, &Limits::default())
///     && let Some(set) = client.subscriptions()
/// {
///     index.replace(5, &set)?;
/// }
/// if let Ok(Message::Publication(notification)) = parse(news, &Limits::default()) {
///     assert_eq!(index.recipients(&notification), [5]);
/// }
/// assert_eq!(index.counters().subscriptions, 1);
/// # Ok::<(), campanile_core::hub::index::TooMuchToVerify>(())
/// ```
pub struct Index {
    hasher: Hasher,
    limits: IndexLimits,
    store: Store,
    subscribers: Subscribers,
    counters: Counters,
    /// How much may be moved to close gaps: what has been taken out pays for it.
    credit: usize,
    entering: Scratch,
    entries: Vec<Entry>,
    wishes: Vec<u32>,
    matching: Matching,
}

/// What is reused from one notification to the next.
#[derive(Debug, Default)]
struct Matching {
    terms: Terms,
    seen: Seen,
    product: Product,
    heard: Heard,
}

/// How much may be moved to close gaps for each tuple that was taken out.
const MOVES: usize = 4;

impl Index {
    /// An index without subscriptions.
    #[must_use]
    pub fn new(key: HashKey, limits: IndexLimits) -> Self {
        Self::with_hasher(Hasher::new(key), limits)
    }

    fn with_hasher(hasher: Hasher, limits: IndexLimits) -> Self {
        Self {
            hasher,
            limits,
            store: Store::default(),
            subscribers: Subscribers::default(),
            counters: Counters::default(),
            credit: 0,
            entering: Scratch::default(),
            entries: Vec::new(),
            wishes: Vec::new(),
            matching: Matching::default(),
        }
    }

    /// Replaces all that `subscriber` subscribed to.
    ///
    /// Time is proportional to what it had and to what it gets, in tuples (see [`IndexLimits`]).
    ///
    /// # Errors
    /// [`TooMuchToVerify`]; what it had stands.
    pub fn replace(
        &mut self,
        subscriber: u32,
        set: &Subscriptions<'_>,
    ) -> Result<(), TooMuchToVerify> {
        if set.is_empty() {
            self.forget(subscriber);
            return Ok(());
        }
        if self.limits.may_be_too_much(set) {
            self.replace_unless_too_much(subscriber, set)?;
        } else {
            self.forget(subscriber);
            let (counts, steps) = self.enter(subscriber, set);
            debug_assert!(steps <= self.limits.verified, "{steps} steps");
            self.put(subscriber, counts);
        }
        self.matching.heard.fit(self.subscribers.bound());
        Ok(())
    }

    /// Takes out all that `subscriber` subscribed to.
    ///
    /// Time is proportional to what it had, in tuples.
    pub fn forget(&mut self, subscriber: u32) {
        let subscribers = &self.subscribers;
        release_keys(
            subscribers.wishes(subscriber),
            &mut self.store,
            |store, entry| {
                let entry = subscribers.entry(subscriber, entry as usize)?;
                store.partition_of(entry)
            },
        );
        let taken = self.take_out(subscriber);
        self.close_gaps(taken.len());
        self.matching.heard.fit(self.subscribers.bound());
    }

    /// The subscribers of a subscription that matches, each once and in no order.
    ///
    /// It allocates nothing once it has seen notifications as long as this one.
    pub fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
        let Self {
            hasher,
            store,
            subscribers,
            matching:
                Matching {
                    terms,
                    seen,
                    product,
                    heard,
                },
            ..
        } = self;
        terms.clear();
        let package = terms.read_text(notification.package(), hasher);
        let page = terms.read_text(notification.page(), hasher);
        let hash = hasher.join(package.hash, page.hash);
        let found = store.find(hash, terms.text(&package), terms.text(&page));
        let Some(partition) = found.and_then(|number| store.partitions.get(number)) else {
            return &[];
        };
        let form = match notification.values() {
            Values::None => {
                seen.start(0, hasher);
                Form::None
            }
            Values::Unkeyed(scalars) => {
                seen.start(0, hasher);
                terms.read_unkeyed(scalars, hasher);
                Form::Unkeyed
            }
            Values::Keyed(keyed) => {
                terms.read_names(&keyed, hasher);
                seen.start(terms.keys().len(), hasher);
                for index in 0..terms.keys().len() {
                    let number = (terms.keys().get(index))
                        .and_then(|key| partition.keys.find(key.hash, terms.name(key)));
                    // Nobody asks for the values of other keys but who names no key.
                    if number.is_none() && partition.unkeyed == 0 {
                        continue;
                    }
                    // The protocol, section 9: an empty array is no value.
                    if terms.read_values(index, &keyed, hasher) > 0
                        && let Some(number) = number
                    {
                        seen.add(number, index);
                    }
                }
                Form::Keyed
            }
        };
        heard.start();
        let probe = Probe {
            store,
            subscribers,
            hasher,
            partition,
            terms,
            seen,
            product,
            heard,
            first: First::default(),
        };
        probe.run(form)
    }

    /// What is in the index at the moment.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            partitions: self.store.partitions.len(),
            shapes: self.store.shapes,
            cohorts: self.store.cohorts.len(),
            ..self.counters
        }
    }

    /// Counts in, or out, what a subscriber has.
    fn count(&mut self, subscriber: &Subscriber, add: impl Fn(usize, usize) -> usize) {
        let (counters, counts) = (&mut self.counters, subscriber.counts);
        counters.subscriptions = add(counters.subscriptions, counts.subscriptions as usize);
        counters.tuples = add(counters.tuples, subscriber.len());
        counters.left_out = add(counters.left_out, counts.left_out as usize);
        counters.overflowed = add(counters.overflowed, counts.overflowed as usize);
    }

    /// Replaces what `subscriber` has by what may be too much.
    fn replace_unless_too_much(
        &mut self,
        subscriber: u32,
        set: &Subscriptions<'_>,
    ) -> Result<(), TooMuchToVerify> {
        let had = self.subscribers.get(subscriber);
        let earlier = had.map(|had| Earlier::note(had, &mut self.store));
        let earlier = earlier.unwrap_or_default();
        // Whether the new set is too much depends on what there is without the earlier one.
        let had = self.take_out(subscriber);
        let (counts, steps) = self.enter(subscriber, set);
        if steps > self.limits.verified {
            self.withdraw();
            let mut joining = Joining::new(&mut self.store, subscriber, &mut self.entries);
            earlier.restore(&mut joining);
            self.counters.lost = self.counters.lost.saturating_add(joining.lost);
            let again = Subscriber::new(&self.entries, had.wishes(), had.counts);
            self.count(&again, usize::saturating_add);
            self.subscribers.put(subscriber, again);
            earlier.let_go(&mut self.store);
            return Err(TooMuchToVerify {
                limit: self.limits.verified,
            });
        }
        self.put(subscriber, counts);
        release_keys(Wishes(had.wishes()), &mut self.store, |_, entry| {
            earlier.partition(entry)
        });
        earlier.let_go(&mut self.store);
        self.close_gaps(had.len());
        Ok(())
    }

    /// Enters a set of `subscriber`, who has nothing, but for putting down that it has it. How many
    /// steps it may take to verify; beyond the limit, not all was entered.
    fn enter(&mut self, subscriber: u32, set: &Subscriptions<'_>) -> (Counts, usize) {
        self.entries.clear();
        self.wishes.clear();
        let mut entering = Entering {
            hasher: &self.hasher,
            limits: &self.limits,
            scratch: &mut self.entering,
            joining: Joining::new(&mut self.store, subscriber, &mut self.entries),
            wishes: &mut self.wishes,
            counts: Counts {
                subscriptions: word(set.len()),
                ..Counts::default()
            },
            steps: 0,
        };
        for subscription in set {
            entering.enter(&subscription);
            if entering.steps > self.limits.verified {
                break;
            }
        }
        let Entering {
            counts,
            steps,
            joining: Joining { lost, .. },
            ..
        } = entering;
        self.counters.lost = self.counters.lost.saturating_add(lost);
        (counts, steps)
    }

    /// Puts down that `subscriber` has what has been entered.
    fn put(&mut self, subscriber: u32, counts: Counts) {
        let entered = Subscriber::new(&self.entries, &self.wishes, counts);
        self.count(&entered, usize::saturating_add);
        self.subscribers.put(subscriber, entered);
    }

    /// Takes out what has been entered and not been put down.
    fn withdraw(&mut self) {
        let entries = &self.entries;
        release_keys(Wishes(&self.wishes), &mut self.store, |store, entry| {
            store.partition_of(*entries.get(entry as usize)?)
        });
        // The last one first: so each is the last one of its cohort, and nobody's place is changed.
        while let Some(entry) = self.entries.pop() {
            let moved = self.store.leave(entry);
            debug_assert!(moved.is_none(), "{moved:?}");
        }
    }

    /// Takes out the members of `subscriber`, whose wishes still hold their keys.
    fn take_out(&mut self, subscriber: u32) -> Subscriber {
        let mut at: usize = 0;
        // In place, for what follows into a position may be the subscriber's own.
        while let Some(entry) = self.subscribers.entry(subscriber, at) {
            if let Some(moved) = self.store.leave(entry) {
                self.subscribers.set_entry(moved, entry);
            }
            at = at.saturating_add(1);
        }
        let taken = self.subscribers.take(subscriber);
        self.count(&taken, usize::saturating_sub);
        taken
    }

    /// Moves cohorts from the end of their list to gaps in it, as far as what has been taken out
    /// pays for it: so that closing a gap before a crowd is not done at the expense of one. No more
    /// is saved up than moves everybody once: or else one would wait for what many have paid.
    fn close_gaps(&mut self, taken: usize) {
        let paid = taken.saturating_mul(MOVES);
        self.credit = self.credit.saturating_add(paid);
        while let Some(number) = self.store.pull_in(&mut self.credit) {
            let Some(cohort) = self.store.cohorts.get(number) else {
                break;
            };
            for (position, member) in (0..).zip(cohort.members.iter()) {
                let entry = Entry {
                    cohort: number,
                    position,
                };
                self.subscribers.set_entry(member, entry);
            }
        }
        self.credit = self.credit.min(self.counters.tuples);
    }
}

/// Gives back the keys that `wishes` hold, of which the first entries are in these partitions.
fn release_keys(
    wishes: Wishes<'_>,
    store: &mut Store,
    partition: impl Fn(&Store, u32) -> Option<u32>,
) {
    for wish in wishes {
        let number = partition(store, wish.first);
        let partition = number.and_then(|number| store.partitions.get_mut(number));
        if let Some(partition) = partition {
            for check in wish.checks {
                partition.keys.release(check.key);
            }
        }
    }
}

impl fmt::Debug for Index {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
