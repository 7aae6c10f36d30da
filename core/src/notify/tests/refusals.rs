//! Which message is refused with which code and path, and what the refusal says.

use proptest::prelude::*;

use super::{client_text, parse_default, prelude::*, publisher_text};
use crate::notify::{ErrorCode, Limits, Message, Refusal, parse};

fn refusal(text: &str) -> Refusal {
    match parse_default(text.as_bytes()) {
        Err(refusal) => refusal,
        Ok(message) => panic!("accepted: {text}: {message:?}"),
    }
}

fn client_values(values: &str) -> String {
    client_text(&format!(r#","filters":{{"values":{values}}}"#))
}

fn publisher_values(values: &str) -> String {
    publisher_text(&format!(r#","filters":{{"values":{values}}}"#))
}

#[test]
fn each_fault_has_its_code_and_names_its_member() {
    use ErrorCode::{InvalidJson, InvalidMessage, InvalidNotification, InvalidSubscription};
    for (text, code, path) in [
        ("", InvalidJson, ""),
        ("[]", InvalidJson, ""),
        ("ping", InvalidJson, ""),
        (
            "{\"sender\":\"client\",\"subscriptions\":[],}",
            InvalidJson,
            "",
        ),
        ("{}", InvalidMessage, "sender"),
        (r#"{"sender":null,"type":"ping"}"#, InvalidMessage, "sender"),
        (
            r#"{"sender":"Client","subscriptions":[]}"#,
            InvalidMessage,
            "sender",
        ),
        (r#"{"sender":"\ud800"}"#, InvalidMessage, "sender"),
        (
            r#"{"sender":["client"],"subscriptions":[]}"#,
            InvalidMessage,
            "sender",
        ),
        (r#"{"type":"pong"}"#, InvalidMessage, "sender"),
        (r#"{"type":"\ud800"}"#, InvalidMessage, "sender"),
        (r#"{"sender":"client"}"#, InvalidMessage, "subscriptions"),
        (
            r#"{"sender":"client","cmd":["x"]}"#,
            InvalidMessage,
            "subscriptions",
        ),
        (
            r#"{"sender":"client","type":"ping"}"#,
            InvalidMessage,
            "subscriptions",
        ),
        (
            r#"{"sender":"client","subscriptions":{}}"#,
            InvalidMessage,
            "subscriptions",
        ),
        (
            r#"{"sender":"client","subscriptions":null,"token":"t"}"#,
            InvalidMessage,
            "subscriptions",
        ),
        (r#"{"sender":"client","token":5}"#, InvalidMessage, "token"),
        (
            r#"{"sender":"client","token":"\udfff"}"#,
            InvalidMessage,
            "token",
        ),
        (
            r#"{"sender":"client","subscriptions":[],"token":null}"#,
            InvalidMessage,
            "token",
        ),
        (
            r#"{"sender":"client","subscriptions":["p"]}"#,
            InvalidSubscription,
            "subscriptions[0]",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"page":"q"}]}"#,
            InvalidSubscription,
            "subscriptions[0].package",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p"}]}"#,
            InvalidSubscription,
            "subscriptions[0].page",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":"p","page":null}]}"#,
            InvalidSubscription,
            "subscriptions[1].page",
        ),
        (
            r#"{"sender":"client","subscriptions":[{"package":"\ud800","page":"q"}]}"#,
            InvalidSubscription,
            "subscriptions[0].package",
        ),
        (
            &client_text(r#","filters":true"#),
            InvalidSubscription,
            "subscriptions[0].filters",
        ),
        (
            &client_text(r#","filters":[1]"#),
            InvalidSubscription,
            "subscriptions[0].filters",
        ),
        (
            &client_text(r#","filters":"""#),
            InvalidSubscription,
            "subscriptions[0].filters",
        ),
        (
            &client_values("[[]]"),
            InvalidSubscription,
            "subscriptions[0].filters.values[0]",
        ),
        (
            &client_values("[1,{}]"),
            InvalidSubscription,
            "subscriptions[0].filters.values[1]",
        ),
        (
            &client_values(r#"{"a":{}}"#),
            InvalidSubscription,
            "subscriptions[0].filters.values.a",
        ),
        (
            &client_values(r#"{"channel":[1,2,[]]}"#),
            InvalidSubscription,
            "subscriptions[0].filters.values.channel[2]",
        ),
        (
            &client_values(r#""\ud800""#),
            InvalidSubscription,
            "subscriptions[0].filters.values",
        ),
        (
            &client_values(r#"{"\ud800":1}"#),
            InvalidSubscription,
            "subscriptions[0].filters.values",
        ),
        (
            &client_values(r#"{"\ud800":1,"\ufffd":1}"#),
            InvalidSubscription,
            "subscriptions[0].filters.values",
        ),
        (
            &client_values("1e1024"),
            InvalidSubscription,
            "subscriptions[0].filters.values",
        ),
        (
            &client_values(r#"{"a":[1,1e-2000]}"#),
            InvalidSubscription,
            "subscriptions[0].filters.values.a[1]",
        ),
        (r#"{"sender":"server"}"#, InvalidMessage, "notification"),
        (
            r#"{"sender":"server","notification":[]}"#,
            InvalidMessage,
            "notification",
        ),
        (
            r#"{"sender":"server","notification":null}"#,
            InvalidMessage,
            "notification",
        ),
        (
            r#"{"sender":"server","subscriptions":[]}"#,
            InvalidMessage,
            "notification",
        ),
        (
            r#"{"sender":"server","notification":{}}"#,
            InvalidNotification,
            "notification.package",
        ),
        (
            r#"{"sender":"server","notification":{"package":"p"}}"#,
            InvalidNotification,
            "notification.page",
        ),
        (
            r#"{"sender":"server","notification":{"package":"p","page":1}}"#,
            InvalidNotification,
            "notification.page",
        ),
        (
            &publisher_text(r#","filters":0"#),
            InvalidNotification,
            "notification.filters",
        ),
        (
            &publisher_values(r#"{"a":[{}]}"#),
            InvalidNotification,
            "notification.filters.values.a[0]",
        ),
        (
            &publisher_values("[[]]"),
            InvalidNotification,
            "notification.filters.values[0]",
        ),
        (
            &publisher_values(r#"{"\udc00":1}"#),
            InvalidNotification,
            "notification.filters.values",
        ),
        (
            &publisher_values(r#"{"b":1e9999}"#),
            InvalidNotification,
            "notification.filters.values.b",
        ),
    ] {
        let refusal = refusal(text);
        assert_eq!((refusal.code(), refusal.path()), (code, path), "{text}");
        let expected = code != InvalidJson && text.contains(r#""sender":"server""#);
        assert_eq!(refusal.from_publisher(), expected, "{text}");
    }
}

#[test]
fn invalid_json_tells_whether_it_came_from_a_publisher() {
    for (text, from_publisher) in [
        (r#"{"sender":"server","notification":"#, true),
        (r#"{"sender":"server""#, true),
        (r#"{"\u0073ender":"serv\u0065r",]"#, true),
        (r#"{"sender":"server"} x"#, true),
        (r#"{"sender":"client","sender":"server","a":01}"#, true),
        (r#"{"sender":"server","sender":"client","a":01}"#, false),
        (r#"{"a":01,"sender":"server"}"#, false),
        (r#"{"notification":{"sender":"server"},"#, false),
        (r#"[{"sender":"server"}"#, false),
        (r#"{"sender":"server"#, false),
    ] {
        let refusal = refusal(text);
        assert_eq!(refusal.code(), ErrorCode::InvalidJson, "{text}");
        assert_eq!(refusal.from_publisher(), from_publisher, "{text}");
    }
}

#[test]
fn messages_name_the_thing_the_reason_and_the_remedy() {
    for (text, message) in [
        (
            r#"{"sender":"client",}"#,
            "byte 19: expected a member name in double quotes; send one strict RFC 8259 object per message",
        ),
        (
            "{}",
            r#"sender is missing; it must be "client" to subscribe or "server" to publish"#,
        ),
        (
            r#"{"sender":"x"}"#,
            r#"sender is unknown; it must be "client" to subscribe or "server" to publish"#,
        ),
        (
            r#"{"sender":"client","cmd":[]}"#,
            "subscriptions is missing; it must be an array, unless there is a token",
        ),
        (
            r#"{"sender":"server","notification":{"package":"p","page":1}}"#,
            "notification.page has the wrong type; it must be a string",
        ),
    ] {
        assert_eq!(refusal(text).to_string(), message);
    }
    let deep = format!("{{\"a\":{}", "[".repeat(200));
    let message = refusal(&deep).to_string();
    assert!(
        message.starts_with("byte 132: more than 128 nested"),
        "{message}"
    );
}

#[test]
fn a_ping_is_recognised_without_a_sender_alone() {
    for text in [
        r#"{"type":"ping"}"#,
        r#" { "\u0074ype" : "p\u0069ng" , "other":[{}] } "#,
        r#"{"type":1,"type":"ping"}"#,
    ] {
        assert!(
            matches!(parse_default(text.as_bytes()), Ok(Message::Ping)),
            "{text}"
        );
    }
    let publication =
        r#"{"type":"ping","sender":"server","notification":{"package":"p","page":"q"}}"#;
    assert!(matches!(
        parse_default(publication.as_bytes()),
        Ok(Message::Publication(_))
    ));
}

#[test]
fn a_client_may_send_a_token_with_or_without_subscriptions() {
    let client = |text: &'static str| match parse_default(text.as_bytes()) {
        Ok(Message::Client(client)) => client,
        other => panic!("{text}: {other:?}"),
    };
    let renewal = client(r#"{"sender":"client","token":"a\u002eb.c"}"#);
    assert_eq!(
        renewal.token().map(|token| token.to_string()).as_deref(),
        Some("a.b.c")
    );
    assert!(renewal.subscriptions().is_none());
    let both = client(r#"{"sender":"client","token":"t","subscriptions":[ ]}"#);
    assert!(both.token().is_some());
    let subscriptions = both.subscriptions().expect("a set");
    assert!(subscriptions.is_empty());
    assert_eq!(subscriptions.as_bytes(), b"[ ]");
}

#[test]
fn lone_surrogates_pass_where_a_string_is_not_interpreted() {
    for text in [
        publisher_text(r#","data":"\ud800","filters":{"\udc00":1}"#),
        client_text(r#","\ud800":"\ud800""#),
        r#"{"type":"ping","\ud800":["\udbff"]}"#.to_owned(),
        r#"{"type":"\ud800","sender":"client","subscriptions":[]}"#.to_owned(),
        client_values(r#"{"a":"\ud800","a":"x"}"#),
    ] {
        assert!(parse_default(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn limits_hold_exactly() {
    let limits = Limits {
        subscriptions: 2,
        constraints: 3,
        keys: 4,
        values: 5,
    };
    let check = |text: String, expected: Option<(ErrorCode, &str)>| {
        let parsed = parse(text.as_bytes(), &limits);
        let found = parsed
            .as_ref()
            .err()
            .map(|refusal| (refusal.code(), refusal.path()));
        assert_eq!(found, expected, "{text}");
    };
    let set = |count| {
        let list = vec![r#"{"package":"p","page":"q"}"#; count].join(",");
        format!(r#"{{"sender":"client","subscriptions":[{list}]}}"#)
    };
    check(set(2), None);
    check(
        set(3),
        Some((ErrorCode::TooManySubscriptions, "subscriptions")),
    );

    let keys = |count| {
        let members: Vec<String> = (0..count).map(|i| format!(r#""k{i}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let subscribed = Some((
        ErrorCode::InvalidSubscription,
        "subscriptions[0].filters.values",
    ));
    let published = Some((
        ErrorCode::InvalidNotification,
        "notification.filters.values",
    ));
    check(client_values(&keys(3)), None);
    check(client_values(&keys(4)), subscribed);
    check(publisher_values(&keys(4)), None);
    check(publisher_values(&keys(5)), published);
    check(client_values(r#"{"a":1,"a":1,"a":1,"a":1}"#), subscribed);

    check(client_values("[1,2,3,4,5]"), None);
    check(client_values("[1,2,3,4,5,6]"), subscribed);
    check(client_values(r#"{"a":[1,2],"b":3,"c":[4,5]}"#), None);
    check(
        client_values(r#"{"a":[1,2],"b":true,"c":[4,5,6]}"#),
        subscribed,
    );
    check(client_values(r#"{"a":[1,2,3,4,5,6],"a":1}"#), None);
    check(publisher_values("[1,2,3,4,5]"), None);
    check(publisher_values(r#"{"a":[1,2,3,4,5,6]}"#), published);

    let refusal = parse(set(3).as_bytes(), &limits).expect_err("too many");
    assert_eq!(
        refusal.to_string(),
        "subscriptions has more than 2 elements, the server's limit; send fewer"
    );
}

#[test]
fn default_limits_are_those_that_are_documented() {
    let limits = Limits::default();
    assert_eq!(
        (
            limits.subscriptions,
            limits.constraints,
            limits.keys,
            limits.values
        ),
        (128, 64, 256, 1024)
    );
}

#[test]
fn long_paths_are_cut_visibly() {
    let long = client_values(&format!(r#"{{"{}":[[]]}}"#, "é".repeat(60)));
    let refusal = refusal(&long);
    assert!(
        refusal
            .path()
            .starts_with("subscriptions[0].filters.values.éé"),
        "{}",
        refusal.path()
    );
    assert!(refusal.path().ends_with("é…"), "{}", refusal.path());
    assert!(
        (75..=79).contains(&refusal.path().len()),
        "{}",
        refusal.path().len()
    );
}

proptest! {
    #[test]
    fn a_path_is_cut_between_characters_and_as_late_as_the_ellipsis_allows(
        key in "[a-z]{0,50}(é|€|😀|b){0,30}",
    ) {
        let refusal = refusal(&client_values(&format!(r#"{{"{key}":[[]]}}"#)));
        let mut expected = format!("subscriptions[0].filters.values.{key}[0]");
        if expected.len() > 79 {
            while expected.len() + "…".len() > 79 {
                expected.pop();
            }
            expected.push('…');
        }
        prop_assert_eq!(refusal.path(), expected);
    }
}

#[test]
fn nothing_follows_the_ellipsis_of_a_cut_path() {
    // The last character that makes room for the ellipsis is longer than it.
    let long = client_values(&format!(r#"{{"k{}":[[]]}}"#, "😀".repeat(20)));
    assert!(refusal(&long).path().ends_with("😀…"));
}

#[test]
fn the_token_is_not_in_the_debug_text() {
    let text = r#"{"sender":"client","token":"eyJhbGci"}"#;
    let message = parse_default(text.as_bytes()).expect("a token");
    assert!(!format!("{message:?}").contains("eyJ"), "{message:?}");
}

#[test]
fn a_path_that_just_fits_is_whole() {
    let prefix = "subscriptions[0].filters.values.".len();
    for (key, cut) in [(79 - prefix, false), (80 - prefix, true)] {
        let refusal = refusal(&client_values(&format!(
            r#"{{"{}":{{}}}}"#,
            "k".repeat(key)
        )));
        assert_eq!(refusal.path().ends_with('…'), cut);
        assert_eq!(refusal.path().len(), 79);
    }
}

#[test]
fn refusals_and_messages_stay_small() {
    assert!(size_of::<Refusal>() < 128, "{}", size_of::<Refusal>());
    assert!(
        size_of::<Message<'_>>() <= 96,
        "{}",
        size_of::<Message<'_>>()
    );
}
