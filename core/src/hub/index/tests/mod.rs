//! The index against `matches` and a model of the protocol, and what it does with memory.

mod checks;
mod collisions;
mod describing;
mod memory;
mod parts;
mod section_4;
mod twins;
mod verified;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use crate::notify::{self, Message};

const KEY: HashKey = HashKey([0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210]);

/// No limit that a test would meet.
const NO_LIMITS: notify::Limits = notify::Limits {
    subscriptions: usize::MAX,
    constraints: usize::MAX,
    keys: usize::MAX,
    values: usize::MAX,
};

/// Default limits; none of what the index has besides tuples; and as little of each as there can be.
fn all_limits() -> [IndexLimits; 4] {
    let limits = |shapes, expansion, tuples| IndexLimits {
        shapes,
        expansion,
        tuples,
        verified: usize::MAX,
    };
    let default = IndexLimits::default();
    [
        limits(default.shapes, default.expansion, default.tuples),
        limits(1, 1, 2),
        limits(0, 64, 4096),
        limits(0, 0, 0),
    ]
}

/// An index of whose hashes only these bits are left.
fn index_with(limits: IndexLimits, bits: u64) -> Index {
    let mut hasher = Hasher::new(KEY);
    hasher.bits = bits;
    Index::with_hasher(hasher, limits)
}

/// A subscription, or a notification, to what others are about too.
fn target(values: &str) -> String {
    format!(r#"{{"package":"p","page":"q","filters":{{"values":{values}}}}}"#)
}

fn client(list: &[String]) -> String {
    format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        list.join(",")
    )
}

fn publication(target: &str) -> String {
    format!(r#"{{"sender":"server","notification":{target}}}"#)
}

/// What a subscriber is said to have in so many bytes, and whether that is all.
fn describe(index: &Index, subscriber: u32, limit: usize) -> (String, bool) {
    let mut text = String::new();
    let is_all = index.describe(subscriber, &mut text, limit);
    (text, is_all)
}

/// Replaces what a subscriber has; `false` if the list is not valid, or refused.
fn try_replace(index: &mut Index, subscriber: u32, list: &[String]) -> bool {
    let text = client(list);
    match notify::parse(text.as_bytes(), &NO_LIMITS) {
        Ok(Message::Client(client)) => {
            let set = client.subscriptions().expect("a set");
            index.replace(subscriber, &set).is_ok()
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => false,
    }
}

fn replace(index: &mut Index, subscriber: u32, list: &[String]) {
    assert!(try_replace(index, subscriber, list), "{list:?}");
    index.check();
}

/// Who hears a notification, in order; nothing if it is not valid.
fn try_recipients(index: &mut Index, target: &str) -> Option<Vec<u32>> {
    match notify::parse(publication(target).as_bytes(), &NO_LIMITS) {
        Ok(Message::Publication(notification)) => {
            let mut heard = index.recipients(&notification).to_vec();
            heard.sort_unstable();
            Some(heard)
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

fn recipients(index: &mut Index, target: &str) -> Vec<u32> {
    try_recipients(index, target).unwrap_or_else(|| panic!("not valid: {target}"))
}
