//! Counting: a subscription matches when as many of its constraints are met as it has.

use campanile_core::notify::{Notification, Subscriptions};

use super::{
    Matcher,
    compiled::{Compiler, Offer, Wanted, constraints},
    filters::{Filters, Heard},
    postings::{Listed, Place, Posting, Postings},
    words::at,
};

/// Subscriptions on the lists of all their constraints.
#[derive(Default)]
pub(super) struct Counting {
    compiler: Compiler,
    filters: Filters<Box<[Place]>>,
    postings: Postings,
    /// By number of the subscription.
    counters: Vec<Counter>,
    /// Of the subscription that is being entered.
    listed: Vec<Listed>,
    offer: Offer,
    heard: Heard,
    /// The notification, counted from 1.
    now: u32,
}

/// How many constraints of a subscription a notification has met.
#[derive(Clone, Copy, Default)]
struct Counter {
    /// Of which notification; of an earlier one, nothing has been counted.
    now: u32,
    /// Which of its keys was the last to meet one, so that none does so twice.
    key: u16,
    met: u8,
    constraints: u8,
}

impl Matcher<'_> for Counting {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        self.forget(subscriber);
        for subscription in set {
            let compiled = self.compiler.compile(&subscription);
            self.listed.clear();
            let mut count = 0;
            for (key, wanted) in constraints(compiled.terms) {
                count += 1;
                match wanted {
                    Wanted::Any => self.listed.push(Listed::Any(key)),
                    Wanted::OneOf(values) => {
                        let values = values.iter().copied().map(Listed::Value);
                        self.listed.extend(values);
                    }
                }
            }
            if count == 0 {
                self.listed.push(Listed::All(compiled.partition));
            }
            let filter = self.filters.add(subscriber, Box::default());
            let posting = Posting::new(filter, subscriber, count <= 1);
            let places = self.listed.iter();
            let places = places.map(|&listed| self.postings.add(listed, posting));
            *self.filters.data_mut(filter) = places.collect();
            *at(&mut self.counters, filter) = Counter {
                constraints: count,
                ..Counter::default()
            };
        }
    }

    fn forget(&mut self, subscriber: u32) {
        while let Some((_, places)) = self.filters.take(subscriber) {
            for &place in &places {
                let filters = &mut self.filters;
                self.postings.remove(place, |moved| filters.data_mut(moved));
                if let Listed::Value(value) = place.listed {
                    self.compiler.values.release(value);
                }
            }
        }
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
        let Self {
            postings,
            counters,
            offer,
            heard,
            now,
            ..
        } = self;
        heard.start();
        *now += 1;
        offer.read(notification, &self.compiler);
        let mut count = |listed, key| {
            for posting in postings.get(listed) {
                if posting.is_settled() || counters[posting.filter() as usize].count(*now, key) {
                    heard.add(posting.subscriber);
                }
            }
        };
        if let Some(partition) = offer.partition {
            count(Listed::All(partition), 0);
        }
        for (key, offered) in (1..).zip(&offer.keys) {
            count(Listed::Any(offered.key), key);
            for &value in offer.values(offered) {
                count(Listed::Value(value), key);
            }
        }
        &heard.list
    }
}

impl Counter {
    /// A key of notification `now` meets a constraint; whether it is the last one.
    fn count(&mut self, now: u32, key: u16) -> bool {
        if self.now != now {
            self.now = now;
            self.key = 0;
            self.met = 0;
        }
        if self.key == key {
            return false;
        }
        self.key = key;
        self.met += 1;
        self.met == self.constraints
    }
}
