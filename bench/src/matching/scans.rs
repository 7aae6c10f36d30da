//! Linear scans: every subscription is asked.

use campanile_core::notify::{Notification, Subscriptions, matches};

use super::{
    Matcher,
    compiled::{Compiler, Offer},
    filters::{Filters, Heard},
    words::at,
};

/// As the hub was before it had an index: each subscriber's set as JSON, and `matches()`. The JSON is
/// borrowed from the client's message, so that it is not in what the memory says.
#[derive(Default)]
pub(super) struct Texts<'t> {
    sets: Vec<Option<Subscriptions<'t>>>,
    heard: Vec<u32>,
}

impl<'t> Matcher<'t> for Texts<'t> {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'t>) {
        *at(&mut self.sets, subscriber) = Some(*set);
    }

    fn forget(&mut self, subscriber: u32) {
        *at(&mut self.sets, subscriber) = None;
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
        self.heard.clear();
        for (subscriber, set) in (0..).zip(&self.sets) {
            let mut subscriptions = set.iter().flatten();
            if subscriptions.any(|subscription| matches(&subscription, notification)) {
                self.heard.push(subscriber);
            }
        }
        &self.heard
    }
}

/// Filters of numbers.
#[derive(Default)]
pub(super) struct Scan {
    compiler: Compiler,
    filters: Filters<(u32, Box<[u32]>)>,
    offer: Offer,
    heard: Heard,
}

impl Matcher<'_> for Scan {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        self.forget(subscriber);
        for subscription in set {
            let compiled = self.compiler.compile(&subscription);
            let data = (compiled.partition, compiled.terms.into());
            self.filters.add(subscriber, data);
        }
    }

    fn forget(&mut self, subscriber: u32) {
        while let Some((_, (_, terms))) = self.filters.take(subscriber) {
            self.compiler.release(&terms);
        }
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> &[u32] {
        let Self {
            filters,
            offer,
            heard,
            ..
        } = self;
        heard.start();
        offer.read(notification, &self.compiler);
        if let Some(asked) = offer.partition {
            for (subscriber, (partition, terms)) in filters.iter() {
                if *partition == asked && !heard.has(subscriber) && offer.meets(terms) {
                    heard.add(subscriber);
                }
            }
        }
        &heard.list
    }
}
