//! Tokens and grants: the protocol, section 7.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use proptest::{prelude::*, sample::select};

use super::{
    http::{post_with, responses},
    world::{LISTENER, PUBLISHER, Seen, Told, World, publication, request_with, subscription},
};
use crate::{
    hub::{Admitted, Authority, MAX_TOKEN, Options, Version},
    notify::{
        Grants, Limits, Message, Notification, OwnedGrants, Refusal, Subscriptions, TokenFault,
        matches, parse,
    },
};

/// Knows the tokens that a test has made up.
#[derive(Clone, Default)]
struct Ledger {
    tokens: BTreeMap<String, Admitted>,
    revoked: Vec<&'static str>,
}

impl Authority for Ledger {
    fn admit(&self, token: &str) -> Result<Admitted, Refusal> {
        assert!(token.len() <= MAX_TOKEN);
        let admitted = self.tokens.get(token).ok_or(TokenFault::Signature)?;
        if self.is_revoked(admitted.subject.as_deref(), admitted.id.as_deref()) {
            return Err(TokenFault::Revoked.into());
        }
        Ok(admitted.clone())
    }

    fn is_revoked(&self, subject: Option<&str>, id: Option<&str>) -> bool {
        let is_named = |name: Option<&str>| name.is_some_and(|name| self.revoked.contains(&name));
        is_named(subject) || is_named(id)
    }
}

fn owned(claim: &str, name: &'static str) -> OwnedGrants {
    OwnedGrants::parse(claim.as_bytes(), name, &Limits::default()).expect("grants")
}

fn admitted(subscribe: &str, publish: &str, seconds: Option<u64>) -> Admitted {
    Admitted {
        subject: None,
        id: None,
        subscribe: owned(subscribe, "subscribe"),
        publish: owned(publish, "publish"),
        lifetime: seconds.map(Duration::from_secs),
    }
}

const EVERYTHING: &str = r#"[{"package":"*","page":"*"}]"#;
const CHANNELS_1_2: &str = r#"[{"package":"p","page":"q","filters":{"values":{"c":["1","2"]}}}]"#;

/// `all` may do everything for an hour; `hear` may hear two channels for a minute; `hear2` one of them
/// for an hour; `two` may publish to two channels.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    let one = r#"[{"package":"p","page":"q","filters":{"values":{"c":"1"}}}]"#;
    for (token, mut admitted) in [
        ("all", admitted(EVERYTHING, EVERYTHING, Some(3600))),
        ("hear", admitted(CHANNELS_1_2, "[]", Some(60))),
        ("hear1", admitted(one, "[]", Some(3600))),
        ("two", admitted("[]", CHANNELS_1_2, None)),
    ] {
        admitted.subject = Some(format!("{token}-user").into());
        admitted.id = Some(Box::from(token));
        ledger.tokens.insert(token.to_string(), admitted);
    }
    ledger
}

fn with(ledger: Ledger) -> Options {
    Options {
        authority: Some(Arc::new(ledger)),
        ..Options::default()
    }
}

fn world() -> World {
    World::new(1, &with(ledger()))
}

/// A connection whose request is this.
fn ask(world: &mut World, version: Version, request: &str) -> usize {
    let peer = world.connect(0, PUBLISHER);
    world.peers[peer].version = version;
    world.say_raw(peer, request.as_bytes());
    world.quiesce();
    peer
}

/// A session with this token.
fn open(world: &mut World, version: Version, token: &str) -> usize {
    let field = format!("Authorization: Bearer {token}\r\n");
    let peer = ask(world, version, &request_with(version, &field));
    assert!(world.peers[peer].bytes.starts_with(b"HTTP/1.1 101 "));
    peer
}

fn say(world: &mut World, peer: usize, text: &str) {
    assert!(world.text(peer, text));
    world.quiesce();
}

fn token_message(token: &str) -> String {
    format!(r#"{{"sender":"client","token":"{token}"}}"#)
}

/// What the hub says of its own to a peer, last.
fn last(world: &World, peer: usize) -> String {
    world.texts(peer).last().copied().unwrap_or_default().into()
}

#[track_caller]
fn assert_sent_away(world: &World, peer: usize, reason: &str) {
    let said = last(world, peer);
    assert!(said.contains(r#""code":"unauthorized""#), "{said}");
    assert!(said.contains(reason), "{said}");
    assert_eq!(world.close_code(peer), Some(4401));
}

#[test]
fn a_token_travels_in_a_header_the_query_or_a_subprotocol() {
    let v1 = request_with(Version::V1, "");
    for request in [
        request_with(Version::V1, "authorization: bearer  hear \r\n"),
        v1.replacen("GET / ", "GET /?x=1&access_token=hear ", 1),
        request_with(
            Version::V1,
            "Sec-WebSocket-Protocol: campanile.token.hear\r\n",
        ),
        // The same one twice.
        request_with(Version::V1, "Authorization: Bearer hear\r\n").replacen(
            "GET / ",
            "GET /?access_token=hear ",
            1,
        ),
    ] {
        let mut world = world();
        let peer = ask(&mut world, Version::V1, &request);
        let head = String::from_utf8_lossy(&world.peers[peer].bytes).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{request}: {head}");
        assert!(!head.contains("token"), "{head}");
        say(&mut world, peer, &subscription(&[1, 2]));
        assert!(
            last(&world, peer).contains(r#""subscribed":{"count":1"#),
            "{request}"
        );
        say(&mut world, peer, &subscription(&[3]));
        let said = last(&world, peer);
        assert!(said.contains(r#""code":"forbidden""#), "{said}");
        assert!(said.contains(r#""path":"subscriptions[0]""#), "{said}");
    }
}

#[test]
fn a_bad_token_in_a_request_is_refused_before_the_upgrade() {
    let long = "x".repeat(MAX_TOKEN - 500);
    let long = format!("Authorization: Bearer {long}\r\n");
    for (field, target) in [
        ("Authorization: Bearer forged\r\n", "/"),
        ("Authorization: Bearer\r\n", "/"),
        ("Authorization: Bearer \u{e9}\r\n", "/"),
        (long.as_str(), "/"),
        ("", "/?access_token=forged"),
        ("", "/?access_token="),
        ("Sec-WebSocket-Protocol: campanile.token.\r\n", "/"),
        ("Sec-WebSocket-Protocol: campanile.token.forged\r\n", "/"),
        ("Authorization: Bearer hear\r\n", "/?access_token=all"),
    ] {
        let mut world = world();
        let request =
            request_with(Version::V1, field).replacen("GET / ", &format!("GET {target} "), 1);
        let peer = ask(&mut world, Version::V1, &request);
        let answer = &responses(&world.peers[peer].bytes, false)[0];
        assert_eq!(answer.status, 401, "{request}");
        assert!(
            answer.has("WWW-Authenticate: Bearer error=\"invalid_token\""),
            "{answer:?}"
        );
        assert!(!answer.body.contains("forged"), "{answer:?}");
        let seen = world.seen.borrow();
        assert!(
            seen.iter().any(|seen| matches!(seen, Seen::Refused(..))),
            "{seen:?}"
        );
    }
}

#[test]
fn credentials_of_another_scheme_are_none_of_ours() {
    for field in [
        "Authorization: Basic dTpw\r\n",
        "Authorization: Bearers hear\r\n",
    ] {
        let mut world = world();
        let peer = ask(&mut world, Version::V1, &request_with(Version::V1, field));
        say(&mut world, peer, &token_message("hear"));
        assert!(last(&world, peer).contains("authorized"));
    }
}

#[test]
fn a_session_without_a_token_may_only_show_one() {
    for message in [
        subscription(&[1]),
        publication(1, 0),
        r#"{"type":"ping"}"#.to_string(),
        "{".to_string(),
        token_message("forged"),
    ] {
        for version in [Version::Classic, Version::V1] {
            let mut world = world();
            let peer = ask(&mut world, version, &request_with(version, ""));
            say(&mut world, peer, &message);
            assert_sent_away(&world, peer, "token");
            assert!(!last(&world, peer).contains("forged"));
        }
    }
}

#[test]
fn a_token_has_to_be_shown_in_the_time_of_a_handshake() {
    let mut world = world();
    let peer = ask(
        &mut world,
        Version::Classic,
        &request_with(Version::Classic, ""),
    );
    world.wait(9_700);
    assert_eq!(world.close_code(peer), None);
    world.wait(600);
    assert_sent_away(&world, peer, "required");
}

#[test]
fn the_first_message_may_be_the_token_with_subscriptions_or_without() {
    for version in [Version::Classic, Version::V1] {
        let mut world = world();
        let peer = ask(&mut world, version, &request_with(version, ""));
        let both = subscription(&[1]).replacen("\"subs", r#""token":"hear","subs"#, 1);
        say(&mut world, peer, &both);
        let texts = world.texts(peer);
        if version == Version::V1 {
            assert_eq!(
                texts[0],
                r#"{"sender":"server","authorized":{"expires_in":60}}"#
            );
            assert!(texts[1].contains("subscribed"));
        } else {
            assert!(texts.is_empty(), "{texts:?}");
        }
        let publisher = open(&mut world, Version::V1, "two");
        say(&mut world, publisher, &publication(1, 5));
        assert!(last(&world, peer).contains(r#""data":5"#));
        assert!(last(&world, publisher).contains(r#""recipients":1"#));
    }
}

#[test]
fn a_token_that_never_expires_is_acknowledged_without_a_time() {
    let mut world = world();
    let peer = open(&mut world, Version::V1, "all");
    say(&mut world, peer, &token_message("two"));
    assert_eq!(last(&world, peer), r#"{"sender":"server","authorized":{}}"#);
    world.wait(7_200_000);
    let told = &world.peers[peer].told;
    assert!(!told.contains(&Told::Close(Some(4401))), "{told:?}");
}

#[test]
fn a_session_ends_when_its_token_expires_unless_it_is_renewed() {
    let mut world = world();
    let [lapses, renews] = [(); 2].map(|()| open(&mut world, Version::V1, "hear"));
    for peer in [lapses, renews] {
        say(&mut world, peer, &subscription(&[1]));
    }
    world.wait(30_000);
    world.quiesce();
    say(&mut world, renews, &token_message("hear"));
    world.wait(29_900);
    world.quiesce();
    assert_eq!(world.close_code(lapses), None);
    world.wait(400);
    world.quiesce();
    assert_sent_away(&world, lapses, "expired");
    assert_eq!(world.close_code(renews), None);
    let publisher = open(&mut world, Version::V1, "two");
    say(&mut world, publisher, &publication(1, 5));
    assert!(last(&world, publisher).contains(r#""recipients":1"#));
    assert!(last(&world, renews).contains(r#""data":5"#));
    world.wait(30_000);
    world.quiesce();
    assert_sent_away(&world, renews, "expired");
}

#[test]
fn a_renewed_token_that_does_not_cover_the_set_empties_it() {
    for version in [Version::Classic, Version::V1] {
        let mut world = world();
        let peer = open(&mut world, version, "hear");
        say(&mut world, peer, &subscription(&[1]));
        say(&mut world, peer, &token_message("hear1"));
        assert!(
            !last(&world, peer).contains("forbidden"),
            "it still covers it"
        );
        say(&mut world, peer, &token_message("hear"));
        say(&mut world, peer, &subscription(&[1, 2]));
        say(&mut world, peer, &token_message("hear1"));
        let said = last(&world, peer);
        assert!(said.contains(r#""code":"forbidden""#), "{said}");
        assert!(said.contains(r#""path":"subscriptions[0]""#), "{said}");
        let publisher = open(&mut world, Version::V1, "two");
        say(&mut world, publisher, &publication(1, 5));
        assert!(last(&world, publisher).contains(r#""recipients":0"#));
        // It goes on.
        say(&mut world, peer, &subscription(&[1]));
        say(&mut world, publisher, &publication(1, 6));
        assert!(last(&world, peer).contains(r#""data":6"#));
    }
}

#[test]
fn a_bad_token_ends_a_session_that_had_a_good_one() {
    let mut world = world();
    let peer = open(&mut world, Version::V1, "hear");
    say(&mut world, peer, &token_message("forged"));
    assert_sent_away(&world, peer, "signature");
    let peer = open(&mut world, Version::V1, "hear");
    say(&mut world, peer, &token_message(&"x".repeat(MAX_TOKEN + 1)));
    assert_sent_away(&world, peer, "longer");
}

#[test]
fn a_refused_set_leaves_the_earlier_one_and_the_session() {
    for version in [Version::Classic, Version::V1] {
        let mut world = world();
        let peer = open(&mut world, version, "hear");
        say(&mut world, peer, &subscription(&[1]));
        say(&mut world, peer, &subscription(&[3]));
        assert!(last(&world, peer).contains("forbidden"));
        let publisher = open(&mut world, Version::V1, "all");
        say(&mut world, publisher, &publication(3, 5));
        say(&mut world, publisher, &publication(1, 6));
        assert!(last(&world, peer).contains(r#""data":6"#));
        assert_eq!(world.close_code(peer), None);
    }
}

#[test]
fn what_meets_no_grant_is_not_published_wherever_its_publisher_is() {
    let mut world = world();
    let listener = open(&mut world, Version::V1, "all");
    say(&mut world, listener, &subscription(&[1, 2, 3]));
    for token in ["two", "hear"] {
        let peer = open(&mut world, Version::V1, token);
        say(&mut world, peer, &publication(3, 5));
        let said = last(&world, peer);
        assert!(said.contains(r#""code":"forbidden""#), "{said}");
        assert!(said.contains(r#""path":"notification""#), "{said}");
        assert_eq!(world.close_code(peer), None);
        let peer = open(&mut world, Version::Classic, token);
        say(&mut world, peer, &publication(3, 5));
        assert_eq!(world.close_code(peer), Some(1008));
    }
    assert!(!last(&world, listener).contains("data"));
    let peer = open(&mut world, Version::Classic, "two");
    say(&mut world, peer, &publication(2, 5));
    assert_eq!(world.close_code(peer), Some(1000));
    assert!(last(&world, listener).contains(r#""data":5"#));
}

#[test]
fn http_asks_for_a_token_with_each_request() {
    let json = "Content-Type: application/json\r\n";
    let body = publication(1, 5);
    let other = publication(3, 5);
    let batch = format!("[{body},{other}]");
    let mut world = world();
    let listener = open(&mut world, Version::V1, "all");
    say(&mut world, listener, &subscription(&[1, 2, 3]));
    for (field, body, status, challenge) in [
        ("", &body, 401, Some("WWW-Authenticate: Bearer")),
        (
            "Authorization: Bearer forged\r\n",
            &body,
            401,
            Some("WWW-Authenticate: Bearer error=\"invalid_token\""),
        ),
        (
            "Authorization: Bearer two\r\nAuthorization: Bearer all\r\n",
            &body,
            401,
            Some("WWW-Authenticate: Bearer error=\"invalid_token\""),
        ),
        ("Authorization: Bearer hear\r\n", &body, 403, None),
        ("Authorization: Bearer two\r\n", &other, 403, None),
        ("Authorization: Bearer two\r\n", &body, 200, None),
        ("Authorization: Bearer two\r\n", &batch, 200, None),
    ] {
        let peer = world.connect(0, PUBLISHER);
        let fields = format!("{json}{field}Content-Length: {}\r\n", body.len());
        world.say_raw(peer, post_with(&fields, body).as_bytes());
        world.quiesce();
        let answers = responses(&world.peers[peer].bytes, false);
        let answer = &answers[0];
        assert_eq!(answer.status, status, "{field}{body}: {answer:?}");
        assert!(
            challenge.is_none_or(|field| answer.has(field)),
            "{answer:?}"
        );
        if status == 200 && body == &batch {
            assert!(answer.body.contains(r#""recipients":1"#));
            assert!(answer.body.contains(r#""code":"forbidden""#));
        } else if status != 200 {
            assert!(answer.has("Content-Type: application/problem+json"));
        }
        if status == 200 {
            // The next request on the connection has no token.
            let fields = format!("{json}Content-Length: {}\r\n", body.len());
            world.say_raw(peer, post_with(&fields, body).as_bytes());
            world.quiesce();
            assert_eq!(responses(&world.peers[peer].bytes, false)[1].status, 401);
        }
    }
    let heard = world.texts(listener);
    let count = heard.iter().filter(|text| text.contains("data")).count();
    assert_eq!(count, 2, "{heard:?}");
}

#[test]
fn a_revoked_subject_or_id_is_closed_with_the_next_timeout_and_admitted_no_more() {
    for (name, gone) in [("hear-user", "hear"), ("hear", "hear"), ("two", "two")] {
        let mut world = world();
        let peers = ["hear", "two", "all"].map(|token| open(&mut world, Version::V1, token));
        world.hubs[0].reconfigure(&with(Ledger {
            revoked: [name].into(),
            ..ledger()
        }));
        world.wait(250);
        world.quiesce();
        for (peer, token) in peers.into_iter().zip(["hear", "two", "all"]) {
            if token == gone {
                assert_sent_away(&world, peer, "revoked");
            } else {
                assert_eq!(world.close_code(peer), None, "{token}");
            }
        }
        let field = format!("Authorization: Bearer {gone}\r\n");
        let peer = ask(&mut world, Version::V1, &request_with(Version::V1, &field));
        assert!(world.peers[peer].bytes.starts_with(b"HTTP/1.1 401 "));
    }
}

#[test]
fn keys_that_come_later_close_who_has_no_token_and_keys_that_go_let_all_in() {
    let mut world = World::alone();
    let peer = world.open(0, Version::V1, LISTENER);
    say(&mut world, peer, &subscription(&[1]));
    world.hubs[0].reconfigure(&with(ledger()));
    let newcomer = ask(&mut world, Version::V1, &request_with(Version::V1, ""));
    world.wait(250);
    world.quiesce();
    assert_sent_away(&world, peer, "required");
    assert_eq!(
        world.close_code(newcomer),
        None,
        "it has time to show a token"
    );
    let token = open(&mut world, Version::V1, "hear");
    world.hubs[0].reconfigure(&Options::default());
    for peer in [newcomer, token] {
        say(&mut world, peer, &subscription(&[7]));
        assert!(last(&world, peer).contains("subscribed"));
    }
    world.wait(61_000);
    world.quiesce();
    let told = &world.peers[token].told;
    assert!(!told.contains(&Told::Close(Some(4401))), "{told:?}");
}

/// A step of a session among several, whose tokens say what they may.
#[derive(Clone, Debug)]
enum Step {
    Renew(usize, String),
    Subscribe(usize, String),
    Publish(String),
}

const SESSIONS: usize = 3;

fn values() -> impl Strategy<Value = String> {
    let scalar = || select(&["1", "\"1\"", "2", "\"x\"", "true"][..]);
    let list = prop::collection::vec(scalar(), 0..3).prop_map(|all| format!("[{}]", all.join(",")));
    let value = prop_oneof![3 => scalar().prop_map(String::from), 2 => list.clone()];
    let key = select(&["a", "b"][..]);
    let object = prop::collection::vec((key, value), 0..3).prop_map(|members| {
        let members = members
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    });
    prop_oneof![
        1 => Just("null".to_string()),
        2 => scalar().prop_map(String::from),
        2 => list,
        6 => object,
    ]
}

fn target(packages: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(packages), values()).prop_map(|(package, values)| {
        format!(r#"{{"package":"{package}","page":"q","filters":{{"values":{values}}}}}"#)
    })
}

fn list(packages: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(target(packages), 1..3).prop_map(|all| format!("[{}]", all.join(",")))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..SESSIONS, list(&["p", "*", "o"])).prop_map(|(at, grants)| Step::Renew(at, grants)),
        4 => (0..SESSIONS, list(&["p", "p", "o"])).prop_map(|(at, set)| Step::Subscribe(at, set)),
        6 => target(&["p", "p", "o"]).prop_map(Step::Publish),
    ]
}

/// What the protocol says that a session hears, with nothing remembered but its grants and its set.
#[derive(Clone)]
struct Model {
    grants: String,
    set: String,
}

impl Model {
    fn grants(&self) -> Grants<'_> {
        Grants::parse(self.grants.as_bytes(), "subscribe", &Limits::NONE).expect("grants")
    }

    fn set(&self) -> Subscriptions<'_> {
        Subscriptions::parse_array(self.set.as_bytes(), &Limits::NONE).expect("a set")
    }

    fn allows(&self, set: &Subscriptions<'_>) -> bool {
        let grants = self.grants();
        set.iter()
            .all(|one| grants.cover(&one) || grants.cover_keyed(&one))
    }

    fn hears(&self, notification: &Notification<'_>) -> bool {
        self.set().iter().any(|one| matches(&one, notification))
            && self.grants().admit(notification)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_session_hears_what_meets_a_subscription_and_a_grant_and_nothing_else(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut ledger = ledger();
        for (at, step) in steps.iter().enumerate() {
            if let Step::Renew(_, grants) = step {
                ledger.tokens.insert(format!("t{at}"), admitted(grants, "[]", None));
            }
        }
        let mut options = with(ledger);
        options.messages = crate::hub::Rate::UNLIMITED;
        let mut world = World::new(1, &options);
        let publisher = open(&mut world, Version::V1, "all");
        let peers = [(); SESSIONS].map(|()| open(&mut world, Version::V1, "all"));
        let everything = Model { grants: EVERYTHING.into(), set: "[]".into() };
        let mut models = [(); SESSIONS].map(|()| everything.clone());
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Renew(session, grants) => {
                    say(&mut world, peers[*session], &token_message(&format!("t{at}")));
                    let model = &mut models[*session];
                    model.grants.clone_from(grants);
                    if !model.allows(&model.set()) {
                        model.set = "[]".into();
                    }
                }
                Step::Subscribe(session, set) => {
                    let message = format!(r#"{{"sender":"client","subscriptions":{set}}}"#);
                    say(&mut world, peers[*session], &message);
                    let model = &mut models[*session];
                    let asked = Model { set: set.clone(), ..model.clone() };
                    let is_allowed = asked.allows(&asked.set());
                    prop_assert_eq!(!is_allowed, last(&world, peers[*session]).contains("forbidden"));
                    if is_allowed {
                        *model = asked;
                    }
                }
                Step::Publish(notification) => {
                    let message = format!(r#"{{"sender":"server","notification":{notification},"n":{at}}}"#);
                    let Ok(Message::Publication(parsed)) = parse(message.as_bytes(), &Limits::NONE) else {
                        panic!("{message}");
                    };
                    let foreseen = world.hubs[0].inspect().recipients(&parsed).len();
                    say(&mut world, publisher, &message);
                    let mark = format!("\"n\":{at}}}");
                    let mut count = 0;
                    for (peer, model) in peers.iter().zip(&models) {
                        let heard = last(&world, *peer).ends_with(&mark);
                        prop_assert_eq!(heard, model.hears(&parsed), "{} {} {}", model.grants, model.set, message);
                        count += usize::from(heard);
                    }
                    prop_assert_eq!(count, foreseen);
                    let answer = format!("\"recipients\":{count}}}}}");
                    prop_assert!(last(&world, publisher).ends_with(&answer));
                }
            }
        }
    }
}
