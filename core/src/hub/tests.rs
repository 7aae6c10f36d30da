use alloc::{format, string::String, vec::Vec};
use proptest::prelude::*;

use super::*;
use crate::notify::ErrorCode;

const PUBLISHER: Rights = Rights { publish: true };
const LISTENER: Rights = Rights { publish: false };

fn new_hub() -> Hub {
    Hub::new(Limits::default(), IndexLimits::default(), HashKey([1, 2]))
}

fn subscribe(hub: &mut Hub, id: SessionId, channels: &[u8]) {
    let list: Vec<String> = channels
        .iter()
        .map(|c| format!(r#"{{"package":"p","page":"q","filters":{{"values":{{"c":{c}}}}}}}"#))
        .collect();
    let text = format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        list.join(",")
    );
    let mut bytes = text.into_bytes();
    let message = text_message(&mut bytes);
    let response = hub.receive(id, &message);
    assert!(
        matches!(response, Response::Subscribed { subscriptions } if subscriptions == channels.len())
    );
}

fn text_message(bytes: &mut [u8]) -> Message<'_> {
    Message {
        kind: Kind::Text,
        bytes,
    }
}

fn publication(channel: u8) -> Vec<u8> {
    format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{channel}}}}}}}"#
    )
    .into_bytes()
}

fn receivers(hub: &mut Hub, publisher: SessionId, channel: u8) -> Vec<SessionId> {
    let mut bytes = publication(channel);
    let message = text_message(&mut bytes);
    let Response::Published(notification) = hub.receive(publisher, &message) else {
        panic!("the publisher has the right");
    };
    hub.recipients(&notification).collect()
}

#[test]
fn a_session_takes_the_lowest_place_that_is_free() {
    let mut hub = new_hub();
    let ids: Vec<SessionId> = (0..5).filter_map(|_| hub.open(LISTENER)).collect();
    for at in [1, 3, 4, 0] {
        hub.close(ids[at]);
    }
    let opened = (0..5).filter_map(|_| hub.open(LISTENER));
    let indices: Vec<usize> = opened.map(SessionId::index).collect();
    assert_eq!(indices, [0, 1, 3, 4, 5]);
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Close(prop::sample::Index),
    Subscribe(prop::sample::Index, Vec<u8>),
    Publish(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Open),
        any::<prop::sample::Index>().prop_map(Step::Close),
        (
            any::<prop::sample::Index>(),
            prop::collection::vec(0_u8..4, 0..4)
        )
            .prop_map(|(who, channels)| Step::Subscribe(who, channels)),
        (0_u8..4).prop_map(Step::Publish),
    ]
}

proptest! {
    /// The model: a list of open sessions with the channels of each.
    #[test]
    fn a_notification_goes_once_to_each_session_that_wants_it_at_that_moment(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut hub = new_hub();
        let publisher = hub.open(PUBLISHER).unwrap();
        let mut model: Vec<(SessionId, Vec<u8>)> = Vec::new();
        let mut ended = Vec::new();
        for step in steps {
            match step {
                Step::Open => model.push((hub.open(LISTENER).unwrap(), Vec::new())),
                Step::Close(_) | Step::Subscribe(..) if model.is_empty() => {}
                Step::Close(who) => {
                    let (id, _) = model.remove(who.index(model.len()));
                    hub.close(id);
                    ended.push(id);
                }
                Step::Subscribe(who, channels) => {
                    let at = who.index(model.len());
                    subscribe(&mut hub, model[at].0, &channels);
                    model[at].1 = channels;
                }
                Step::Publish(channel) => {
                    let mut heard = receivers(&mut hub, publisher, channel);
                    let mut expected: Vec<SessionId> = model
                        .iter()
                        .filter(|(_, channels)| channels.contains(&channel))
                        .map(|(id, _)| *id)
                        .collect();
                    heard.sort();
                    expected.sort();
                    prop_assert_eq!(heard, expected);
                }
            }
            prop_assert_eq!(hub.sessions(), model.len() + 1);
            let wanted = model.iter().map(|(_, channels)| channels.len()).sum::<usize>();
            prop_assert_eq!(hub.counters().subscriptions, wanted);
        }
        // An old name never reaches the session that has its place now.
        for id in ended {
            hub.close(id);
            prop_assert!(hub.rights(id).is_none());
        }
        prop_assert_eq!(hub.sessions(), model.len() + 1);
    }
}

#[test]
fn a_classic_publisher_is_closed_when_it_was_heard() {
    let mut hub = new_hub();
    let id = hub.open(PUBLISHER).unwrap();
    let mut bytes = publication(1);
    let message = text_message(&mut bytes);
    let response = hub.receive(id, &message);
    assert_eq!(response.ending().map(|e| e.code.get()), Some(1000));
    assert!(response.refusal().is_none());
}

#[test]
fn publishing_without_the_right_is_forbidden_and_ends_the_session() {
    let mut hub = new_hub();
    let id = hub.open(LISTENER).unwrap();
    let mut bytes = publication(1);
    let message = text_message(&mut bytes);
    let response = hub.receive(id, &message);
    assert_eq!(
        response.refusal().map(|r| r.code()),
        Some(ErrorCode::Forbidden)
    );
    assert_eq!(response.ending().map(|e| e.code.get()), Some(1008));
}

#[test]
fn errors_leave_a_client_open_and_its_earlier_set_in_force() {
    let mut hub = new_hub();
    let publisher = hub.open(PUBLISHER).unwrap();
    let id = hub.open(LISTENER).unwrap();
    subscribe(&mut hub, id, &[1]);
    for bad in [
        &br#"{"sender":"client","subscriptions":[{"package":"p"}]}"#[..],
        br#"{"sender":"client","subscriptions":["#,
        br#"{"sender":"client","cmd":["x"]}"#,
        br#"{"sender":"nobody"}"#,
    ] {
        let mut bytes = bad.to_vec();
        let message = text_message(&mut bytes);
        let response = hub.receive(id, &message);
        assert!(response.refusal().is_some());
        assert_eq!(response.ending(), None);
    }
    assert_eq!(receivers(&mut hub, publisher, 1), [id]);
}

#[test]
fn bad_json_ends_a_publisher_with_1007() {
    let mut hub = new_hub();
    let id = hub.open(PUBLISHER).unwrap();
    let mut bytes = br#"{"sender":"server","notification":{"package":}"#.to_vec();
    let message = text_message(&mut bytes);
    let response = hub.receive(id, &message);
    assert_eq!(
        response.refusal().map(|r| r.code()),
        Some(ErrorCode::InvalidJson)
    );
    assert_eq!(response.ending().map(|e| e.code.get()), Some(1007));
}

#[test]
fn a_binary_message_ends_the_session_with_1003() {
    let mut hub = new_hub();
    let id = hub.open(PUBLISHER).unwrap();
    let mut bytes = publication(1);
    let message = Message {
        kind: Kind::Binary,
        bytes: &mut bytes,
    };
    assert_eq!(
        hub.receive(id, &message).ending().map(|e| e.code.get()),
        Some(1003)
    );
}

#[test]
fn a_token_without_keys_does_no_harm() {
    let mut hub = new_hub();
    let id = hub.open(LISTENER).unwrap();
    let mut bytes = br#"{"sender":"client","token":"x.y.z"}"#.to_vec();
    let message = text_message(&mut bytes);
    let response = hub.receive(id, &message);
    assert!(matches!(response, Response::Nothing));
}
