//! Who hears what, by every way of finding that out.

use std::collections::{BTreeMap, BTreeSet};

use campanile_core::{
    hub::{HashKey, Index, IndexLimits},
    notify::{
        CompiledSubscriptions, Limits, Message, Notification, Subscriptions, matches, parse,
        registry::{Capacity, Full, Registry, Slot},
    },
};

use crate::{
    model::{self, Reading, Target},
    script::Script,
    wishes,
};

/// Format: the capacities of the registry (a byte for the slots, one for the bytes), the limits of the
/// index (a byte for shapes, for expansion, and for tuples together with verifying), then operations.
/// A byte says which: forget (0), put a set in the place of the earlier one (1: of a few wishes, 2: of
/// many), publish (3: about few things, 4: about many). For 0 to 2 a byte says whom.
pub fn index(data: &[u8]) {
    let mut script = Script::new(data);
    let slots = script.one_of(&[NAMES.len(), 0, 1, 2, 3]);
    let bytes = script.one_of(&[PLENTY, 0, 20, 60, 100, 200, 400, 1000, 5000]);
    let defaults = IndexLimits::default();
    let (shapes, expansion) = (
        script.one_of(&[defaults.shapes, 0, 1, 2, 5]),
        script.one_of(&[defaults.expansion, 0, 1, 2, 5]),
    );
    let (tuples, verified) = script.one_of(&[
        (defaults.tuples, defaults.verified),
        (0, usize::MAX),
        (1, usize::MAX),
        (5, defaults.verified),
        (50, defaults.verified),
        (0, 40),
        (1, 0),
    ]);
    let limits = IndexLimits {
        shapes,
        expansion,
        tuples,
        verified,
    };
    let mut world = World {
        index: Index::new(HashKey([3, 5]), limits),
        registry: Registry::new(vec![Slot::EMPTY; slots], vec![0; bytes]),
        held: BTreeMap::new(),
        wishes: BTreeMap::new(),
    };
    while !script.is_empty() {
        world.step(&mut script);
    }
}

/// All that are there: small numbers, for the index.
const NAMES: [u32; 6] = [0, 1, 2, 3, 7, 300];

/// Room for whatever can be asked here.
const PLENTY: usize = 1 << 20;

struct World {
    index: Index,
    registry: Registry<Vec<Slot>, Vec<u8>>,
    /// What the registry was told and did not refuse.
    held: BTreeMap<u32, Wishes>,
    /// What the index was told and did not refuse.
    wishes: BTreeMap<u32, Wishes>,
}

/// One set in every form.
#[derive(Clone)]
struct Wishes {
    model: Vec<Target>,
    text: String,
    compiled: CompiledSubscriptions<Box<[u8]>>,
}

impl World {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(5) {
            0 => {
                let who = script.one_of(&NAMES);
                self.index.forget(who);
                self.registry.forget(who);
                self.held.remove(&who);
                self.wishes.remove(&who);
            }
            1 => {
                let who = script.one_of(&NAMES);
                self.replace(who, &wishes::subscribing(script));
            }
            2 => {
                let who = script.one_of(&NAMES);
                self.replace(who, &wishes::demanding(script));
            }
            3 => self.publish(&wishes::publishing(script)),
            _ => self.publish(&wishes::abundant(script)),
        }
    }

    fn replace(&mut self, who: u32, text: &str) {
        let Some(Reading::Client {
            subscriptions: Some(model),
            ..
        }) = model::read(text.as_bytes())
        else {
            return;
        };
        let set = subscriptions(text);
        let wishes = Wishes {
            model,
            text: text.to_owned(),
            compiled: set.compile_owned(),
        };
        let mut memory = vec![0; needed(&set)];
        let compiled = set.compile(&mut memory).expect("as much as was asked for");
        assert_eq!(compiled.size(), wishes.compiled.size());

        match self.registry.replace(who, &set) {
            Ok(()) if wishes.model.is_empty() => drop(self.held.remove(&who)),
            Ok(()) => drop(self.held.insert(who, wishes.clone())),
            Err(full) => self.check_refusal(who, &set, &full),
        }
        let usage = self.registry.usage();
        let held = || self.held.values();
        assert_eq!(usage.subscribers, self.held.len());
        let subscriptions = held().map(|wishes| wishes.model.len());
        assert_eq!(usage.subscriptions, subscriptions.sum::<usize>());
        let bytes = held().map(|wishes| wishes.compiled.size());
        assert_eq!(usage.bytes, bytes.sum::<usize>());

        let before = self.index.counters();
        match self.index.replace(who, &set) {
            Ok(()) => drop(self.wishes.insert(who, wishes)),
            Err(_) => assert_eq!(self.index.counters(), before),
        }
        let counted = self.wishes.values().map(|wishes| wishes.model.len());
        assert_eq!(self.index.counters().subscriptions, counted.sum::<usize>());
    }

    /// A registry refuses only what it has too little of, and says how much that is.
    fn check_refusal(&self, who: u32, set: &Subscriptions<'_>, full: &Full) {
        match full.capacity {
            Capacity::Subscribers(capacity) => {
                assert_eq!(full.needed, capacity + 1);
                assert!(self.held.len() == capacity && !self.held.contains_key(&who));
            }
            Capacity::Bytes(capacity) => {
                let others = self.held.iter().filter(|(name, _)| **name != who);
                let sizes = others.map(|(_, wishes)| wishes.compiled.size());
                assert_eq!(full.needed, sizes.sum::<usize>() + needed(set));
                assert!(full.needed > capacity);
            }
        }
    }

    fn publish(&mut self, text: &str) {
        let Some(Reading::Publication(news)) = model::read(text.as_bytes()) else {
            return;
        };
        let Ok(Message::Publication(notification)) = parse(text.as_bytes(), &Limits::default())
        else {
            panic!("within the limits: {text}");
        };
        let compiled = notification.compile_owned();
        let recipients: Vec<u32> = self.registry.recipients(&compiled).collect();
        assert_eq!(
            each_once(&recipients),
            heard(&self.held, |it| it.is_met(&news))
        );

        let expected = heard(&self.wishes, |it| it.is_met(&news));
        let indexed = self.index.recipients(&notification);
        assert_eq!(each_once(indexed), expected, "{text}");
        let parsed = heard(&self.wishes, |it| it.is_matched(&notification));
        assert_eq!(parsed, expected, "{text}");
        let merged = heard(&self.wishes, |it| it.compiled.matches(&compiled));
        assert_eq!(merged, expected, "{text}");
    }
}

impl Wishes {
    fn is_met(&self, news: &Target) -> bool {
        self.model.iter().any(|wish| model::matches(wish, news))
    }

    fn is_matched(&self, notification: &Notification<'_>) -> bool {
        let mut set = subscriptions(&self.text).into_iter();
        set.any(|subscription| matches(&subscription, notification))
    }
}

/// Those of a message that has some, as the model says.
fn subscriptions(text: &str) -> Subscriptions<'_> {
    let Ok(Message::Client(client)) = parse(text.as_bytes(), &Limits::default()) else {
        panic!("within the limits: {text}");
    };
    client.subscriptions().expect("the model has one")
}

fn heard(wishes: &BTreeMap<u32, Wishes>, hears: impl Fn(&Wishes) -> bool) -> BTreeSet<u32> {
    let those = wishes.iter().filter(|(_, wishes)| hears(wishes));
    those.map(|(name, _)| *name).collect()
}

fn each_once(recipients: &[u32]) -> BTreeSet<u32> {
    let names: BTreeSet<u32> = recipients.iter().copied().collect();
    assert_eq!(names.len(), recipients.len(), "somebody hears it twice");
    names
}

/// How much memory the set asks for.
fn needed(set: &Subscriptions<'_>) -> usize {
    set.compile(&mut [])
        .map_or_else(|error| error.needed, |_| 0)
}
