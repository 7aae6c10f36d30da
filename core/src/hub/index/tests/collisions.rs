//! Texts that are chosen so that their hashes collide where these have no secret key, beside random ones.

use super::*;
use crate::hub::index::hash;

/// So many texts collide with each other.
const TEXTS: u32 = 200;

/// Two pieces for each bit of a number, of which it does not matter to a hash which one is there.
fn pieces(number: u32, zero: &str, one: &str) -> String {
    let piece = |bit: u32| if number >> bit & 1 == 0 { zero } else { one };
    (0..8).map(piece).collect()
}

/// `hash * 33 + byte`, of C's old string tables (djb2).
fn times_33(text: &str) -> u64 {
    (text.bytes()).fold(5381, |hash: u64, byte| {
        hash.wrapping_mul(33).wrapping_add(byte.into())
    })
}

/// `hash * 31 + byte`, of Java's strings.
fn times_31(text: &str) -> u64 {
    (text.bytes()).fold(0, |hash: u64, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    })
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Texts with one hash in all of its bits, or in those that a table of a thousand places looks at.
fn colliding() -> Vec<(&'static str, Vec<String>)> {
    let of_33: Vec<_> = (0..TEXTS).map(|it| pieces(it, "Ez", "FY")).collect();
    let of_31: Vec<_> = (0..TEXTS).map(|it| pieces(it, "Aa", "BB")).collect();
    let texts = (0..).map(|number: u32| format!("{number:016}"));
    let of_fnv = texts.filter(|text| fnv(text) & 0x3ff == 0);
    let of_fnv: Vec<_> = of_fnv.take(TEXTS as usize).collect();
    let is_one = |texts: &[String], hash: fn(&str) -> u64, mask: u64| {
        texts
            .iter()
            .all(|text| hash(text) & mask == hash(&texts[0]) & mask)
    };
    assert!(is_one(&of_33, times_33, u64::MAX));
    assert!(is_one(&of_31, times_31, u64::MAX));
    assert!(is_one(&of_fnv, fnv, 0x3ff));
    [("33", of_33), ("31", of_31), ("FNV-1a", of_fnv)].into()
}

/// As many texts of the same length, which nobody chose.
fn random() -> Vec<String> {
    let numbers = (1..=u64::from(TEXTS)).map(|it| it.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    numbers.map(|number| format!("{number:016x}")).collect()
}

/// A subscription, or a notification, that is about a text.
type Target = fn(&str) -> String;

/// Texts as values, as keys, and as pages.
const PLACES: [(&str, Target); 3] = [
    ("values", |text| target(&format!(r#"{{"a":"{text}"}}"#))),
    ("keys", |text| target(&format!(r#"{{"{text}":1}}"#))),
    ("pages", |text| {
        format!(r#"{{"package":"p","page":"{text}"}}"#)
    }),
];

/// How many entries are looked at until somebody subscribes to each of the texts, and hears of each.
fn looks(texts: &[String], about: Target, bits: u64) -> usize {
    let mut index = index_with(IndexLimits::default(), bits);
    let before = hash::looks();
    for (subscriber, text) in (0..).zip(texts) {
        assert!(try_replace(&mut index, subscriber, &[about(text)]));
    }
    for (subscriber, text) in (0..).zip(texts) {
        assert_eq!(recipients(&mut index, &about(text)), [subscriber]);
    }
    hash::looks() - before
}

#[test]
fn values_that_collide_without_a_key_do_not_with_one() {
    for (place, about) in PLACES {
        let usual = looks(&random(), about, u64::MAX);
        assert!(usual >= TEXTS as usize, "every one of them is looked at");
        for (name, texts) in colliding() {
            let looks = looks(&texts, about, u64::MAX);
            assert!(
                looks <= usual + usual / 10,
                "{place} that collide by {name}: {looks} looks, and {usual} with random ones"
            );
        }
        // And this is what it would cost where all hashes are one.
        assert!(looks(&random(), about, 0) > 10 * usual, "{place}");
    }
}
