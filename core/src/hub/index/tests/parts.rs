//! The parts by themselves, each against something plain.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
};

use proptest::{collection::vec as vec_of, prelude::*, sample::select};

use super::*;
use crate::hub::index::{
    cohort::{Candidate, Hint, Left, Member, Members},
    numbers::Numbers,
    slab::Slab,
    tuple::{self, Parts, Tuple},
};

const fn candidate(subscriber: u32) -> Candidate {
    Candidate {
        member: Member {
            subscriber,
            entry: 0,
        },
        wish: Candidate::SAID,
        hint: Hint::NONE,
    }
}

proptest! {
    /// The model: a map. Moves are told to it, as they would be to whoever keeps numbers.
    #[test]
    fn a_slab_keeps_values_under_their_numbers_and_stays_dense(
        spare in select(vec![0_usize, 8, 64]),
        is_lowest in any::<bool>(),
        steps in vec_of((any::<bool>(), any::<prop::sample::Index>()), 0..600),
    ) {
        let mut slab = Slab::default();
        let mut model = BTreeMap::new();
        for (value, (grows, which)) in steps.into_iter().enumerate() {
            // Many at first, few in the end.
            if grows && value < 300 {
                let number = slab.insert(value).expect("a number");
                prop_assert_eq!(model.insert(number, value), None, "a number twice");
            } else if !model.is_empty() {
                let number = *model.keys().nth(which.index(model.len())).expect("in range");
                prop_assert_eq!(slab.remove(number), model.remove(&number));
                prop_assert_eq!(slab.remove(number), None);
                while let Some(&straggler) = slab.straggler(spare) {
                    let vacant = (0..).find(|number| !model.contains_key(number));
                    let moved = if is_lowest { slab.pull_in_lowest() } else { slab.pull_in() };
                    let (from, to) = moved.expect("a gap");
                    prop_assert!(!is_lowest || vacant == Some(to));
                    prop_assert_eq!(model.remove(&from), Some(straggler));
                    prop_assert_eq!(model.insert(to, straggler), None, "a gap that is none");
                }
                prop_assert!(slab.bound() <= model.len() * 2 + spare);
            }
            prop_assert_eq!(slab.len(), model.len());
            let pairs: Vec<(u32, usize)> = slab.iter().map(|(number, value)| (number, *value)).collect();
            prop_assert_eq!(pairs, model.iter().map(|(number, value)| (*number, *value)).collect::<Vec<_>>());
            for (number, value) in &model {
                prop_assert_eq!(slab.get(*number), Some(value));
            }
        }
    }

    /// The model: a set.
    #[test]
    fn the_lowest_vacant_number_is_given_out_and_no_more_is_kept_than_is_taken(
        steps in vec_of((any::<bool>(), any::<prop::sample::Index>()), 0..300),
    ) {
        let mut numbers = Numbers::default();
        let mut taken = BTreeSet::new();
        for (at, (takes, which)) in steps.into_iter().enumerate() {
            if takes && at < 200 {
                let lowest = (0..).find(|number| !taken.contains(number));
                prop_assert_eq!(numbers.take(), lowest);
                taken.extend(lowest);
            } else if !taken.is_empty() {
                let number = *taken.iter().nth(which.index(taken.len())).expect("in range");
                taken.remove(&number);
                numbers.give(number);
            }
            prop_assert!(numbers.ranges() <= taken.len());
        }
    }

    #[test]
    fn a_tuple_is_taken_apart_into_what_it_was_made_of(
        parts in vec_of(prop_oneof![
            vec_of(any::<u8>(), 0..9),
            // Where lengths take one byte more.
            select(&[127, 128, 129, 16_383, 16_384][..]).prop_map(|len| vec![7; len]),
        ], 0..5),
    ) {
        let mut bytes = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            tuple::write(&mut bytes, part, index + 1 == parts.len());
        }
        let kept = Tuple::new(&bytes);
        prop_assert_eq!(Parts::new(kept.as_bytes(), parts.len()).collect::<Vec<_>>(), parts);
    }

    /// The model: a list.
    #[test]
    fn members_are_removed_by_position_and_the_last_one_takes_the_place(
        is_verified in any::<bool>(),
        steps in vec_of(any::<Option<prop::sample::Index>>(), 0..60),
    ) {
        let mut model = vec![0];
        let mut cohort = Members::new(candidate(0), is_verified);
        for (number, step) in (1..).zip(steps) {
            let Some(which) = step else {
                prop_assert_eq!(cohort.push(candidate(number)), Some(u32::try_from(model.len()).unwrap()));
                model.push(number);
                continue;
            };
            let at = which.index(model.len());
            let left = cohort.remove(u32::try_from(at).unwrap());
            if model.len() == 1 {
                prop_assert_eq!(left, Left::Nobody);
                break;
            }
            model.swap_remove(at);
            let moved = model.get(at).map(|&moved| candidate(moved).member);
            prop_assert_eq!(left, moved.map_or(Left::Others, Left::Moved));
            prop_assert!(cohort.iter().map(|member| member.subscriber).eq(model.iter().copied()));
            prop_assert_eq!(cohort.len(), model.len());
            let is_small = matches!(cohort, Members::One(_));
            prop_assert_eq!(is_small, model.len() == 1 && !is_verified);
        }
    }

    #[test]
    fn a_hostile_tuple_is_read_without_a_panic(
        bytes in vec_of(any::<u8>(), 0..40),
        count in 0_usize..5,
    ) {
        prop_assert!(Parts::new(&bytes, count).count() <= count);
    }
}

#[test]
fn hashes_depend_on_the_key_and_tuples_on_the_order() {
    let one = Hasher::new(KEY);
    let other = Hasher::new(HashKey([KEY.0[0], KEY.0[1] ^ 1]));
    assert_ne!(one.hash(b"2"), other.hash(b"2"));
    assert_eq!(one.hash(b"2"), Hasher::new(KEY).hash(b"2"));
    let [a, b] = [one.hash(b"a"), one.hash(b"b")];
    let pair = |first, second| one.join(one.join(0, first), second);
    assert_ne!(pair(a, b), pair(b, a));
    assert_ne!(pair(a, b), other.join(other.join(0, a), b));
    assert_eq!(one.join(0, a), a);
}

#[test]
fn nobody_is_told_a_hash_key_or_what_is_subscribed_to() {
    let mut index = Index::new(KEY, IndexLimits::default());
    replace(&mut index, 0, &[target(r#"{"secret":"x"}"#)]);
    let shown = format!("{KEY:?} {index:?}");
    assert!(!shown.contains("secret\"") && !shown.contains(&KEY.0[0].to_string()));
    assert!(shown.contains("subscriptions: 1"));
}
