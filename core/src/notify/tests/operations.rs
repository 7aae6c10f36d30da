//! Subscribing, replacing, forgetting and publishing, with every way of matching beside the others.

use proptest::{collection::vec as vec_of, prelude::*};

use super::{
    client_text,
    model::target_token,
    naive::array_of,
    notification, parse_default,
    prelude::*,
    publisher_text, subscriptions,
    ways::{self, Way},
};
use crate::notify::Message;

const NOBODY: [u32; 0] = [];

/// A client's message about these channels, with one subscription for each.
fn channels(list: &[u8]) -> String {
    let list: Vec<String> = list
        .iter()
        .map(|c| format!(r#"{{"package":"p","page":"q","filters":{{"values":{{"c":{c}}}}}}}"#))
        .collect();
    format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        list.join(",")
    )
}

fn hear(way: &mut dyn Way, channel: u8) -> Vec<u32> {
    let text = publisher_text(&format!(r#","filters":{{"values":{channel}}}"#));
    let mut heard = way.recipients(&notification(&text));
    heard.sort_unstable();
    heard
}

fn for_each_way(test: impl Fn(&mut dyn Way)) {
    for (name, mut way) in ways::all() {
        std::println!("{name}"); // shown when it fails
        test(&mut *way);
    }
}

#[test]
fn a_notification_goes_to_each_who_wants_it_and_to_nobody_else() {
    for_each_way(|way| {
        assert_eq!(hear(way, 1), NOBODY);
        way.replace(7, &subscriptions(&channels(&[1, 2])));
        way.replace(9, &subscriptions(&channels(&[2, 3])));
        way.replace(0, &subscriptions(&client_text("")));
        assert_eq!(hear(way, 1), [0, 7]);
        assert_eq!(hear(way, 2), [0, 7, 9]);
        assert_eq!(hear(way, 3), [0, 9]);
        assert_eq!(hear(way, 4), [0]);
        assert_eq!(way.count(), 5);
    });
}

#[test]
fn who_has_many_matching_subscriptions_hears_it_once() {
    for_each_way(|way| {
        way.replace(3, &subscriptions(&channels(&[1, 1, 1, 2])));
        assert_eq!(hear(way, 1), [3]);
        assert_eq!(way.count(), 4, "equal ones count each");
    });
}

#[test]
fn a_set_takes_the_place_of_the_whole_earlier_one() {
    for_each_way(|way| {
        way.replace(3, &subscriptions(&channels(&[1, 2])));
        way.replace(4, &subscriptions(&channels(&[1])));
        way.replace(3, &subscriptions(&channels(&[2, 5])));
        assert_eq!(hear(way, 1), [4]);
        assert_eq!(hear(way, 2), [3]);
        assert_eq!(hear(way, 5), [3]);
        assert_eq!(way.count(), 3);
        way.replace(3, &subscriptions(&channels(&[])));
        assert_eq!(hear(way, 2), NOBODY);
        assert_eq!(way.count(), 1);
    });
}

#[test]
fn who_is_forgotten_hears_nothing_and_may_come_back() {
    for_each_way(|way| {
        way.forget(9);
        way.replace(3, &subscriptions(&channels(&[1])));
        way.replace(4, &subscriptions(&channels(&[1])));
        way.forget(3);
        way.forget(3);
        way.forget(9);
        assert_eq!(hear(way, 1), [4]);
        assert_eq!(way.count(), 1);
        way.replace(3, &subscriptions(&channels(&[1])));
        assert_eq!(hear(way, 1), [3, 4]);
        way.forget(4);
        way.forget(3);
        assert_eq!(hear(way, 1), NOBODY);
        assert_eq!(way.count(), 0);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Replace(u32, String),
    Forget(u32),
    Publish(String),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u32..5, array_of(target_token(), 4)).prop_map(|(who, set)| Step::Replace(who, set)),
        1 => (0_u32..5).prop_map(Step::Forget),
        3 => target_token().prop_map(Step::Publish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn all_ways_agree_after_any_operations(steps in vec_of(step(), 0..30)) {
        let mut ways = ways::all();
        for step in steps {
            match step {
                Step::Replace(who, set) => {
                    let text = format!(r#"{{"sender":"client","subscriptions":{set}}}"#);
                    if let Ok(Message::Client(client)) = parse_default(text.as_bytes()) {
                        let set = client.subscriptions().expect("a set");
                        ways.iter_mut().for_each(|(_, way)| way.replace(who, &set));
                    }
                }
                Step::Forget(who) => ways.iter_mut().for_each(|(_, way)| way.forget(who)),
                Step::Publish(target) => {
                    let text = format!(r#"{{"sender":"server","notification":{target}}}"#);
                    if let Ok(Message::Publication(notification)) = parse_default(text.as_bytes()) {
                        let mut answers = ways.iter_mut().map(|(name, way)| {
                            let mut heard = way.recipients(&notification);
                            heard.sort_unstable();
                            (name, heard, way.count())
                        });
                        let (_, expected, count) = answers.next().expect("there are some");
                        for (name, heard, other_count) in answers {
                            prop_assert_eq!(&heard, &expected, "{}", name);
                            prop_assert_eq!(other_count, count, "{}", name);
                        }
                    }
                }
            }
        }
    }
}
