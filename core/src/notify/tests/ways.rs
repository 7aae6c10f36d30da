//! All ways of finding who wants to hear what: whatever is said of one holds for each.

use std::{boxed::Box, collections::BTreeMap};

use super::prelude::*;
#[cfg(feature = "alloc")]
use crate::hub::{HashKey, Index, IndexLimits};
use crate::notify::{
    self, CompiledNotification, CompiledSubscriptions, Limits, Message, Notification,
    Subscriptions, parse,
    registry::{Registry, Slot},
};

/// Knows who wants to hear what.
pub(super) trait Way {
    /// Puts `set` in the place of the subscriber's whole set. Subscribers are small numbers.
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>);

    /// Forgets the subscriber and its set.
    fn forget(&mut self, subscriber: u32);

    /// Who is to hear it, in any order.
    fn recipients(&mut self, notification: &Notification<'_>) -> Vec<u32>;

    /// How many subscriptions there are.
    fn count(&mut self) -> usize;
}

/// Each of them, empty, with its name. The first one is the plainest.
pub(super) fn all() -> Vec<(&'static str, Box<dyn Way>)> {
    vec![
        ("matches()", Box::new(Parsed::default())),
        ("compiled sets", Box::new(Compiled::default())),
        ("the registry", Box::new(registry())),
        #[cfg(feature = "alloc")]
        ("the index", Box::new(index(VERIFYING))),
        #[cfg(feature = "alloc")]
        ("the index of few tuples", Box::new(index(FEW_TUPLES))),
    ]
}

/// What each of them says of one subscriber with this set; they must agree.
pub(super) fn matches(set: &Subscriptions<'_>, notification: &Notification<'_>) -> bool {
    let mut verdicts = all().into_iter().map(|(name, mut way)| {
        way.replace(1, set);
        (name, way.recipients(notification) == [1])
    });
    let (first, verdict) = verdicts.next().expect("there are some");
    for (name, other) in verdicts {
        assert_eq!(
            other, verdict,
            "{name} and {first}: {set:?} {notification:?}"
        );
    }
    verdict
}

/// The texts of the sets, for `notify::matches`.
#[derive(Default)]
struct Parsed(BTreeMap<u32, Vec<u8>>);

impl Parsed {
    fn with_set<T>(text: &[u8], look: impl FnOnce(Subscriptions<'_>) -> T) -> T {
        match parse(text, &Limits::default()) {
            Ok(Message::Client(client)) => look(client.subscriptions().expect("a set")),
            other => panic!("it was valid before: {other:?}"),
        }
    }
}

impl Way for Parsed {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        let parts = [
            br#"{"sender":"client","subscriptions":"#,
            set.as_bytes(),
            b"}",
        ];
        self.0.insert(subscriber, parts.concat());
    }

    fn forget(&mut self, subscriber: u32) {
        self.0.remove(&subscriber);
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> Vec<u32> {
        let wants = |text: &[u8]| {
            Self::with_set(text, |set| {
                set.iter()
                    .any(|subscription| notify::matches(&subscription, notification))
            })
        };
        let those = self.0.iter().filter(|(_, text)| wants(text));
        those.map(|(subscriber, _)| *subscriber).collect()
    }

    fn count(&mut self) -> usize {
        let texts = self.0.values();
        texts
            .map(|text| Self::with_set(text, |set| set.len()))
            .sum()
    }
}

/// The sets in canonical form.
#[derive(Default)]
struct Compiled(BTreeMap<u32, CompiledSubscriptions<Vec<u8>>>);

impl Way for Compiled {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        self.0.insert(subscriber, compiled_set(set));
    }

    fn forget(&mut self, subscriber: u32) {
        self.0.remove(&subscriber);
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> Vec<u32> {
        let notification = compiled_notification(notification);
        let those = self.0.iter().filter(|(_, set)| set.matches(&notification));
        those.map(|(subscriber, _)| *subscriber).collect()
    }

    fn count(&mut self) -> usize {
        self.0.values().map(|set| set.iter().count()).sum()
    }
}

/// With memory that is just as large as `compile` asks for.
pub(super) fn compiled_set(set: &Subscriptions<'_>) -> CompiledSubscriptions<Vec<u8>> {
    let needed = set
        .compile(&mut [])
        .map_or_else(|error| error.needed, |_| 0);
    let mut memory = vec![0xA5; needed];
    let size = set
        .compile(&mut memory)
        .expect("that much was asked for")
        .size();
    memory.truncate(size);
    CompiledSubscriptions::trusted(memory)
}

/// Likewise.
pub(super) fn compiled_notification(
    notification: &Notification<'_>,
) -> CompiledNotification<Vec<u8>> {
    let needed = match notification.compile(&mut []) {
        Ok(_) => panic!("a notification in no bytes"),
        Err(error) => error.needed,
    };
    let mut memory = vec![0xA5; needed];
    let size = notification
        .compile(&mut memory)
        .expect("that much was asked for")
        .size();
    memory.truncate(size);
    CompiledNotification::trusted(memory)
}

/// A registry that is large enough for the tests.
fn registry() -> Registry<Vec<Slot>, Vec<u8>> {
    Registry::new(vec![Slot::EMPTY; 16], vec![0; 1 << 18])
}

impl Way for Registry<Vec<Slot>, Vec<u8>> {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        self.replace(subscriber, set).expect("it is large enough");
    }

    fn forget(&mut self, subscriber: u32) {
        self.forget(subscriber);
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> Vec<u32> {
        (*self)
            .recipients(&compiled_notification(notification))
            .collect()
    }

    fn count(&mut self) -> usize {
        self.usage().subscriptions
    }
}

#[cfg(feature = "alloc")]
const FEW_TUPLES: IndexLimits = IndexLimits {
    shapes: 1,
    expansion: 1,
    tuples: 1,
    verified: usize::MAX,
};

/// Whatever the tests ask for.
#[cfg(feature = "alloc")]
const VERIFYING: IndexLimits = IndexLimits {
    shapes: IndexLimits::SHAPES,
    expansion: IndexLimits::EXPANSION,
    tuples: IndexLimits::TUPLES,
    verified: usize::MAX,
};

#[cfg(feature = "alloc")]
fn index(limits: IndexLimits) -> Index {
    Index::new(HashKey([1, 2]), limits)
}

#[cfg(feature = "alloc")]
impl Way for Index {
    fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) {
        self.replace(subscriber, set).expect("nothing is too much");
    }

    fn forget(&mut self, subscriber: u32) {
        self.forget(subscriber);
    }

    fn recipients(&mut self, notification: &Notification<'_>) -> Vec<u32> {
        self.recipients(notification).to_vec()
    }

    fn count(&mut self) -> usize {
        self.counters().subscriptions
    }
}
