//! The registry where its memory ends.

use proptest::{collection::vec as vec_of, prelude::*};
use std::collections::BTreeMap;

use super::{
    client_text, notification,
    prelude::*,
    publisher_text, subscriptions,
    ways::{compiled_notification, compiled_set},
};
use crate::notify::{
    Subscriptions,
    registry::{Capacity, Full, Registry, Slot, Usage},
};

type Lent<'m> = Registry<&'m mut [Slot], &'m mut [u8]>;

/// A client's message with one subscription, whose only value has so many bytes.
fn wish(len: usize) -> String {
    client_text(&format!(
        r#","filters":{{"values":{{"k":"{}"}}}}"#,
        "v".repeat(len)
    ))
}

/// Who hears what every one of [`wish`] is met by.
fn hearing(registry: &Lent<'_>, len: usize) -> Vec<u32> {
    let value = "v".repeat(len);
    let text = publisher_text(&format!(r#","filters":{{"values":{{"k":"{value}"}}}}"#));
    let mut heard: Vec<u32> = registry
        .recipients(&compiled_notification(&notification(&text)))
        .collect();
    heard.sort_unstable();
    heard
}

fn needed(set: &Subscriptions<'_>) -> usize {
    set.compile(&mut []).expect_err("no memory").needed
}

#[test]
fn a_subscriber_too_many_is_refused_by_the_name_of_the_capacity() {
    let (mut slots, mut memory) = ([Slot::EMPTY; 2], [0; 1000]);
    let mut registry: Lent<'_> = Registry::new(&mut slots, &mut memory);
    let (one, other) = (wish(1), wish(2));
    let full = Full {
        capacity: Capacity::Subscribers(2),
        needed: 3,
    };
    assert_eq!(registry.replace(1, &subscriptions(&one)), Ok(()));
    assert_eq!(registry.replace(u32::MAX, &subscriptions(&one)), Ok(()));
    assert_eq!(registry.replace(3, &subscriptions(&one)), Err(full));
    assert_eq!(hearing(&registry, 1), [1, u32::MAX]);
    assert_eq!(
        registry.replace(u32::MAX, &subscriptions(&other)),
        Ok(()),
        "it has its slot"
    );
    assert_eq!(hearing(&registry, 1), [1]);
    registry.forget(1);
    assert_eq!(registry.replace(3, &subscriptions(&one)), Ok(()));
    assert_eq!(hearing(&registry, 1), [3]);
    assert_eq!(hearing(&registry, 2), [u32::MAX]);
    assert_eq!(
        full.to_string(),
        "the registry has room for 2 subscribers; 3 are needed"
    );
}

#[test]
fn a_set_that_does_not_fit_leaves_the_earlier_one_and_names_what_is_needed() {
    let (small, large) = (wish(10), wish(60));
    let (small, large) = (subscriptions(&small), subscriptions(&large));
    let neighbour = compiled_set(&small).size();
    let enough = neighbour + needed(&large);
    for (capacity, fits) in [(enough, true), (enough - 1, false)] {
        let (mut slots, mut memory) = ([Slot::EMPTY; 4], vec![0; capacity]);
        let mut registry: Lent<'_> = Registry::new(&mut slots, &mut memory);
        assert_eq!(registry.replace(1, &small), Ok(()));
        assert_eq!(registry.replace(2, &small), Ok(()));
        let before = registry.usage();
        let full = Full {
            capacity: Capacity::Bytes(capacity),
            needed: enough,
        };
        // Its own earlier set does not stand in the way of the new one.
        assert_eq!(
            registry.replace(1, &large),
            if fits { Ok(()) } else { Err(full) }
        );
        assert_eq!(hearing(&registry, 60), if fits { vec![1] } else { vec![] });
        assert_eq!(
            hearing(&registry, 10),
            if fits { vec![2] } else { vec![1, 2] }
        );
        assert_eq!(registry.usage() == before, !fits);
        let text = format!(
            "the registry has room for {capacity} bytes of subscriptions; {enough} are needed"
        );
        assert_eq!(full.to_string(), text);
    }
}

#[test]
fn no_memory_at_all_has_room_for_empty_sets() {
    let mut registry = Registry::new([Slot::EMPTY; 0], [0; 0]);
    let text = r#"{"sender":"client","subscriptions":[]}"#;
    assert_eq!(registry.replace(1, &subscriptions(text)), Ok(()));
    let usage = Usage {
        subscribers: 0,
        subscriptions: 0,
        bytes: 0,
    };
    assert_eq!(registry.usage(), usage);
    assert!(registry.replace(1, &subscriptions(&wish(0))).is_err());
}

#[test]
fn two_dozen_clients_take_what_the_manual_says() {
    let mut registry = Registry::new([Slot::EMPTY; 24], [0; 3 * 1024 - 24 * 12]);
    let one = r#"{"package":"plant","page":"alerts","filters":{"values":{"channel":["2","3"]}}}"#;
    let text = format!(r#"{{"sender":"client","subscriptions":[{one},{one},{one},{one}]}}"#);
    for subscriber in 0..24 {
        assert_eq!(registry.replace(subscriber, &subscriptions(&text)), Ok(()));
    }
    let usage = Usage {
        subscribers: 24,
        subscriptions: 96,
        bytes: 96 * 28,
    };
    assert_eq!(registry.usage(), usage);
    assert_eq!(size_of::<Slot>(), size_of::<(u32, usize, usize)>());
}

#[test]
fn debugging_output_does_not_tell_what_is_subscribed_to() {
    let mut registry = Registry::new([Slot::EMPTY; 1], [0; 100]);
    registry
        .replace(1, &subscriptions(&wish(5)))
        .expect("there is room");
    assert_eq!(
        format!("{registry:?}"),
        "Registry { subscribers: 1, bytes: 15, .. }"
    );
}

proptest! {
    #[test]
    fn a_set_fits_exactly_when_it_fits_beside_the_sets_of_the_others(
        slots in 0_usize..5,
        capacity in 0_usize..400,
        steps in vec_of((0_u32..6, prop::option::of(0_usize..80)), 0..40),
    ) {
        let (mut slots, mut memory) = (vec![Slot::EMPTY; slots], vec![0; capacity]);
        let slots_len = slots.len();
        let mut registry: Lent<'_> = Registry::new(&mut slots, &mut memory);
        let mut model: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        for (who, len) in steps {
            let Some(len) = len else {
                registry.forget(who);
                model.remove(&who);
                continue;
            };
            let text = wish(len);
            let set = subscriptions(&text);
            let others: usize = model.iter().filter(|(other, _)| **other != who).map(|(_, (_, size))| size).sum();
            let known = model.contains_key(&who);
            let expected = if !known && model.len() == slots_len {
                Err(Full { capacity: Capacity::Subscribers(slots_len), needed: slots_len + 1 })
            } else if others + needed(&set) > capacity {
                Err(Full { capacity: Capacity::Bytes(capacity), needed: others + needed(&set) })
            } else {
                model.insert(who, (len, compiled_set(&set).size()));
                Ok(())
            };
            prop_assert_eq!(registry.replace(who, &set), expected);
            for (len, _) in model.values() {
                let expected: Vec<u32> = model.iter().filter(|(_, (other, _))| other == len).map(|(who, _)| *who).collect();
                prop_assert_eq!(hearing(&registry, *len), expected);
            }
            let usage = Usage {
                subscribers: model.len(),
                subscriptions: model.len(),
                bytes: model.values().map(|(_, size)| size).sum(),
            };
            prop_assert_eq!(registry.usage(), usage);
        }
    }
}
