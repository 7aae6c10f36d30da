//! Sets that come and go, and notifications: the index against `matches` over all subscriptions and
//! against a model over `serde_json`, which knows nothing of either.

use proptest::{
    collection::vec as vec_of, prelude::*, sample::select, strategy::ValueTree as _,
    test_runner::TestRunner,
};

use super::*;
use crate::notify::{
    matches,
    tests::{
        model::{self, Side},
        naive::{array_of, json, object_of, scalar_token},
    },
};

const SUBSCRIBERS: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    Replace(u32, Vec<String>),
    Forget(u32),
    Publish(String),
}

fn token(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(of).prop_map(str::to_string)
}

/// Few values, so that they meet.
fn value_token() -> impl Strategy<Value = String> {
    const FEW: &[&str] = &["1", "2", "2.0", r#""2""#, "3", r#""é""#, r#""\u00e9""#];
    prop_oneof![4 => token(FEW), 1 => scalar_token()]
}

fn key_token() -> impl Strategy<Value = String> {
    token(&[
        r#""a""#,
        r#""\u0061""#,
        r#""b""#,
        r#""c""#,
        r#""d""#,
        r#""""#,
    ])
}

fn values_token() -> impl Strategy<Value = String> {
    let by_key = prop_oneof![
        6 => value_token(),
        6 => array_of(value_token(), 7),
        2 => Just("true".to_string()),
    ];
    // Nothing is valid but where it is overridden.
    let by_key = prop_oneof![40 => by_key, 1 => json()];
    prop_oneof![
        1 => token(&["null", "{}", "[]", "true"]),
        2 => value_token(),
        2 => array_of(value_token(), 5),
        9 => object_of((key_token(), by_key), 5),
    ]
}

fn target_token() -> impl Strategy<Value = String> {
    let package = token(&[r#""p""#, r#""p""#, r#""p""#, r#""\u0070""#, r#""r""#]);
    (package, values_token()).prop_map(|(package, values)| {
        format!(r#"{{"package":{package},"page":"q","filters":{{"values":{values}}}}}"#)
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..SUBSCRIBERS, vec_of(target_token(), 0..6)).prop_map(|(who, set)| Step::Replace(who, set)),
        1 => (0..SUBSCRIBERS).prop_map(Step::Forget),
        6 => target_token().prop_map(Step::Publish),
    ]
}

fn limits() -> impl Strategy<Value = IndexLimits> {
    let verified = || select(&[0, 0, 10, usize::MAX][..]);
    let tiny = (0_usize..4, 0_usize..5, 0_usize..9, verified());
    let tiny = tiny.prop_map(|(shapes, expansion, tuples, verified)| IndexLimits {
        shapes,
        expansion,
        tuples,
        verified,
    });
    let few = (0_usize..4, 1_usize..5, verified());
    let few = few.prop_map(|(shapes, expansion, verified)| IndexLimits {
        shapes,
        expansion,
        verified,
        ..IndexLimits::default()
    });
    prop_oneof![Just(IndexLimits::default()), few, tiny]
}

/// All hashes are different, fall into four, or are all the same.
fn bits() -> impl Strategy<Value = u64> {
    select(&[u64::MAX, 3 << 62, 0][..])
}

/// What everybody has: the text, and what the model reads in it.
type World = Vec<(Vec<String>, Vec<model::Target>)>;

/// Does the steps, and holds each notification against both twins. How many matched, how many
/// subscriptions did not, and how often something was left out, overflowed, or was refused to who had
/// something already.
fn run(mut index: Index, steps: &[Step]) -> Result<[usize; 5], TestCaseError> {
    let mut world: World = (0..SUBSCRIBERS).map(|_| Default::default()).collect();
    let mut counts = [0; 5];
    for step in steps {
        match step {
            Step::Replace(who, set) => {
                let set: Vec<String> = (set.iter())
                    .filter(|text| model::read(text, Side::Subscription).is_some())
                    .cloned()
                    .collect();
                let before = index.counters();
                if !try_replace(&mut index, *who, &set) {
                    // What it had stands.
                    prop_assert_eq!(index.counters(), before);
                    counts[4] += usize::from(!world[*who as usize].0.is_empty());
                    index.check();
                    continue;
                }
                let read = set.iter().map(|text| model::read(text, Side::Subscription));
                let read = read.map(|read| read.expect("just read")).collect();
                world[*who as usize] = (set, read);
            }
            Step::Forget(who) => {
                index.forget(*who);
                world[*who as usize] = (Vec::new(), Vec::new());
            }
            Step::Publish(text) => {
                let read = model::read(text, Side::Notification);
                let heard = try_recipients(&mut index, text);
                prop_assert_eq!(heard.is_some(), read.is_some(), "{}", text);
                let (Some(heard), Some(read)) = (heard, read) else {
                    continue;
                };
                let publication = publication(text);
                let Ok(Message::Publication(notification)) =
                    notify::parse(publication.as_bytes(), &NO_LIMITS)
                else {
                    return Err(TestCaseError::fail("just parsed"));
                };
                for (who, (set, meant)) in (0..).zip(&world) {
                    let client = client(set);
                    let Ok(Message::Client(client)) = notify::parse(client.as_bytes(), &NO_LIMITS)
                    else {
                        return Err(TestCaseError::fail("just parsed"));
                    };
                    let mut list = client.subscriptions().into_iter().flatten();
                    let by_matches = list.any(|subscription| matches(&subscription, &notification));
                    let by_model = meant.iter().any(|meant| model::meets(meant, &read));
                    prop_assert_eq!(by_matches, by_model);
                    let described = describe(&index, who, usize::MAX).0;
                    let told = Subscriptions::parse_array(described.as_bytes(), &NO_LIMITS);
                    let mut told = told.iter().flatten();
                    let by_told = told.any(|subscription| matches(&subscription, &notification));
                    prop_assert_eq!(by_told, by_model, "{:?} is not {}", set, described);
                    let is_heard = heard.contains(&who);
                    prop_assert_eq!(is_heard, by_model, "{}: {:?} and {}", who, set, text);
                    counts[usize::from(!is_heard)] += usize::from(!set.is_empty());
                }
                let mut once = heard.clone();
                once.dedup();
                prop_assert_eq!(once, heard, "somebody hears it twice");
            }
        }
        index.check();
        let counters = index.counters();
        prop_assert_eq!(
            counters.subscriptions,
            world.iter().map(|(set, _)| set.len()).sum::<usize>()
        );
        counts[2] += usize::from(counters.left_out > 0);
        counts[3] += usize::from(counters.overflowed > 0);
    }
    for who in 0..SUBSCRIBERS {
        index.forget(who);
        index.check();
    }
    prop_assert_eq!(index.counters(), Counters::default());
    Ok(counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_matches_and_with_the_model(
        limits in limits(),
        bits in bits(),
        steps in vec_of(step(), 0..40),
    ) {
        run(index_with(limits, bits), &steps)?;
    }
}

#[test]
fn the_generated_steps_match_differ_leave_out_overflow_and_are_refused() {
    let mut runner = TestRunner::deterministic();
    let strategy = (limits(), bits(), vec_of(step(), 0..40));
    let mut sums = [0; 5];
    for _ in 0..60 {
        let (limits, bits, steps) = strategy.new_tree(&mut runner).expect("a case").current();
        let counts = run(index_with(limits, bits), &steps).expect("agreement");
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let [rarely @ .., refused] = sums;
    assert!(rarely.iter().all(|&sum| sum > 150), "{sums:?}");
    assert!(refused > 10, "{sums:?}");
}
