//! Rarest predicate: each subscription is found by one of its constraints, and verified.

use campanile_core::notify::{Notification, Subscriptions};

use super::{
    Matcher,
    compiled::{Compiler, Offer, Wanted, constraints},
    filters::{Filters, Heard},
    postings::{Listed, Place, Posting, Postings},
    words::Words,
};

/// Subscriptions on the lists of the constraint whose values fewest others name.
#[derive(Default)]
pub(super) struct Rarest {
    compiler: Compiler,
    filters: Filters<Filter>,
    postings: Postings,
    /// Of the subscription that is being entered.
    listed: Vec<Listed>,
    offer: Offer,
    heard: Heard,
}

#[derive(Default)]
struct Filter {
    terms: Box<[u32]>,
    places: Box<[Place]>,
}

impl Matcher<'_> for Rarest {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        self.forget(subscriber);
        for subscription in set {
            let compiled = self.compiler.compile(&subscription);
            let terms: Box<[u32]> = compiled.terms.into();
            let partition = compiled.partition;
            self.enter(subscriber, partition, terms);
        }
    }

    fn forget(&mut self, subscriber: u32) {
        while let Some((_, filter)) = self.filters.take(subscriber) {
            for &place in &filter.places {
                let filters = &mut self.filters;
                self.postings
                    .remove(place, |moved| &mut filters.data_mut(moved).places);
            }
            self.compiler.release(&filter.terms);
        }
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
        let Self {
            filters,
            postings,
            offer,
            heard,
            ..
        } = self;
        heard.start();
        offer.read(notification, &self.compiler);
        let mut hear = |listed| {
            for posting in postings.get(listed) {
                if posting.is_settled()
                    || (!heard.has(posting.subscriber)
                        && offer.meets(&filters.data(posting.filter()).terms))
                {
                    heard.add(posting.subscriber);
                }
            }
        };
        if let Some(partition) = offer.partition {
            hear(Listed::All(partition));
        }
        for offered in &offer.keys {
            hear(Listed::Any(offered.key));
            for &value in offer.values(offered) {
                hear(Listed::Value(value));
            }
        }
        &heard.list
    }
}

impl Rarest {
    fn enter(&mut self, subscriber: u32, partition: u32, terms: Box<[u32]>) {
        self.listed.clear();
        let mut count = 0;
        let mut best: Option<((bool, u64), u32, Wanted<'_>)> = None;
        for (key, wanted) in constraints(&terms) {
            count += 1;
            let cost = cost(key, wanted, &self.compiler.values, &self.postings);
            if best.is_none_or(|(least, ..)| cost < least) {
                best = Some((cost, key, wanted));
            }
        }
        match best {
            None => self.listed.push(Listed::All(partition)),
            Some((_, key, Wanted::Any)) => self.listed.push(Listed::Any(key)),
            Some((_, _, Wanted::OneOf(values))) => {
                let values = values.iter().copied().map(Listed::Value);
                self.listed.extend(values);
            }
        }
        let filter = self.filters.add(subscriber, Filter::default());
        let posting = Posting::new(filter, subscriber, count <= 1);
        let places = self.listed.iter();
        let places = places.map(|&listed| self.postings.add(listed, posting));
        let places = places.collect();
        *self.filters.data_mut(filter) = Filter { terms, places };
    }
}

/// How common a constraint is; one that accepts anything is the last choice.
fn cost(key: u32, wanted: Wanted<'_>, values: &Words, postings: &Postings) -> (bool, u64) {
    match wanted {
        Wanted::Any => (true, postings.get(Listed::Any(key)).len() as u64),
        Wanted::OneOf(list) => {
            let uses = list.iter().map(|&value| u64::from(values.uses(value)));
            (false, uses.sum())
        }
    }
}
