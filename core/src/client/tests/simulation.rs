//! Whatever happens, in whatever order: what a client promises about publications.

use alloc::{collections::BTreeMap, format, vec::Vec};
use core::time::Duration;

use proptest::prelude::*;

use super::{
    super::*,
    world::{Door, Link, SOME, World, error, published, subscribed},
};

#[derive(Clone, Debug)]
enum Happens {
    Publishes,
    Subscribes,
    /// The server answers this many of what it has received.
    Answers(usize),
    Refuses,
    Dies,
    Closes,
    Door(bool),
    Passes(u64),
    Sleeps(u64),
    Stalls(bool),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Publishes),
        1 => Just(Happens::Subscribes),
        4 => (1..5_usize).prop_map(Happens::Answers),
        1 => Just(Happens::Refuses),
        1 => Just(Happens::Dies),
        1 => Just(Happens::Closes),
        2 => any::<bool>().prop_map(Happens::Door),
        4 => (0..15_000_u64).prop_map(Happens::Passes),
        1 => (0..100_000_u64).prop_map(Happens::Sleeps),
        1 => any::<bool>().prop_map(Happens::Stalls),
    ]
}

/// What the server has made of each publication.
#[derive(Default)]
struct Ledger {
    /// Messages that were received and are not answered, with the connection that they came over.
    unanswered: Vec<(usize, alloc::string::String)>,
    received: BTreeMap<u64, bool>,
    outcomes: BTreeMap<u64, Result<Receipt, PublishError>>,
}

impl Ledger {
    fn take(&mut self, world: &mut World, events: Vec<Event>) {
        for (connection, message) in core::mem::take(&mut world.received) {
            if let Some(number) = number(&message) {
                let before = self.received.insert(number, false);
                assert_eq!(before, None, "{number} was sent twice");
            }
            self.unanswered.push((connection, message));
        }
        for event in events {
            if let Event::Published { id, outcome } = event {
                let before = self.outcomes.insert(id.number(), outcome);
                assert_eq!(before, None, "{id:?} has two outcomes");
            }
        }
    }

    fn answer(&mut self, world: &mut World, is_refusal: bool) {
        let connection = world.connections;
        self.unanswered.retain(|(on, _)| *on == connection);
        if self.unanswered.is_empty() || !matches!(world.link, Link::Up(_)) {
            return;
        }
        let (_, message) = self.unanswered.remove(0);
        let answer = match number(&message) {
            _ if is_refusal => error("invalid_notification"),
            Some(number) => {
                self.received.insert(number, true);
                published(number)
            }
            None => subscribed(0),
        };
        if let Link::Up(conn) = &mut world.link {
            let _ = conn.send(crate::wire::Kind::Text, answer.as_bytes());
        }
    }
}

fn number(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once(r#""data":"#)?;
    rest.trim_end_matches('}').parse().ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_publication_has_one_outcome_is_sent_once_and_the_outcome_is_true(
        story in prop::collection::vec(happens(), 0..60), window in 1..5_usize, random in SOME..,
    ) {
        let mut world = World::new(Options { window, ..Options::new() });
        world.random = random;
        let mut ledger = Ledger::default();
        let mut taken = 0;
        for event in story {
            let mut told = Vec::new();
            match event {
                Happens::Publishes => {
                    let news = format!(r#"{{"package":"p","page":"q","data":{taken}}}"#);
                    match world.machine.publish(&news, world.now) {
                        Ok(id) => {
                            prop_assert_eq!(id.number(), taken);
                            taken += 1;
                        }
                        Err(error) => prop_assert!(world.machine.is_over(), "{error}"),
                    }
                }
                Happens::Subscribes => {
                    let _ = world.machine.subscribe(r#"{"package":"p","page":"q"}"#);
                }
                Happens::Answers(count) => {
                    (0..count).for_each(|_| ledger.answer(&mut world, false));
                }
                Happens::Refuses => ledger.answer(&mut world, true),
                Happens::Dies => {
                    if matches!(world.link, Link::Up(_)) {
                        world.dies();
                    }
                }
                Happens::Closes => {
                    if let Link::Up(conn) = &mut world.link {
                        let _ = conn.close(crate::wire::CloseCode::GOING_AWAY, "", world.now);
                    }
                }
                Happens::Door(is_open) => {
                    world.door = if is_open { Door::Open } else { Door::Closed };
                }
                Happens::Passes(millis) => told = world.pass(Duration::from_millis(millis)),
                Happens::Sleeps(millis) => world.sleep(Duration::from_millis(millis)),
                Happens::Stalls(reads) => world.reads = reads,
            }
            told.extend(world.run());
            ledger.take(&mut world, told);
        }
        // Whatever is open comes to its end.
        world.reads = true;
        let told = world.pass(Options::PUBLISH_TIME + Options::ANSWER_TIME);
        ledger.take(&mut world, told);
        prop_assert_eq!(ledger.outcomes.len() as u64, taken);
        for (number, outcome) in &ledger.outcomes {
            let received = ledger.received.get(number);
            match outcome {
                Ok(receipt) => {
                    prop_assert_eq!(received, Some(&true));
                    prop_assert_eq!(&receipt.position, &format!("{number}"));
                }
                Err(PublishError::Refused(_)) => prop_assert_eq!(received, Some(&false)),
                Err(PublishError::NotSent(_)) => prop_assert_eq!(received, None),
                Err(PublishError::Unknown(_)) => {}
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
