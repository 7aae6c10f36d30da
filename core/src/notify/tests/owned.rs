//! Subscriptions on the heap.

use super::{notification, prelude::*, subscriptions};
use crate::notify::{OwnedSubscriptions, matches};

#[test]
fn an_owned_set_outlives_its_text_and_matches_the_same() {
    let text = r#"{"sender":"client","subscriptions": [ {"package":"p","page":"q","page":"r"},
        {"package":"p","page":"q","filters":{"values":{"a":["x","\u0079"],"a":"z"}}} ]}"#
        .to_owned();
    let owned = OwnedSubscriptions::from(subscriptions(&text));
    let raw = subscriptions(&text).as_bytes().to_vec();
    drop(text);
    assert_eq!(owned.len(), 2);
    assert!(!owned.is_empty());
    assert_eq!(owned.heap_bytes(), raw.len());
    assert_eq!(owned.as_subscriptions().as_bytes(), raw);
    let publisher =
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":"z"}}}"#;
    let verdicts: Vec<bool> = owned
        .iter()
        .map(|subscription| matches(&subscription, &notification(publisher)))
        .collect();
    assert_eq!(verdicts, [false, true]);
    assert_eq!(owned.iter().len(), 2);
    assert_eq!((&owned).into_iter().count(), 2);
    let mut rest = owned.iter();
    assert!(rest.next().is_some());
    assert_eq!(rest.len(), 1);
}

#[test]
fn an_empty_set_owns_no_memory() {
    let owned = OwnedSubscriptions::from(subscriptions(
        r#"{"sender":"client","subscriptions":[   ]}"#,
    ));
    for owned in [owned, OwnedSubscriptions::default()] {
        assert!(owned.is_empty());
        assert_eq!(owned.heap_bytes(), 0);
        assert_eq!(owned.iter().count(), 0);
        assert_eq!(owned.as_subscriptions().as_bytes(), b"[]");
    }
}
