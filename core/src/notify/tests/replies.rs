//! Replies as they go over the wire.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{parse_default, prelude::*};
use crate::notify::{BufferTooSmall, ErrorCode, MAX_REPLY_LEN, Position, Refusal, Reply};

const CODES: [ErrorCode; 11] = [
    ErrorCode::InvalidJson,
    ErrorCode::InvalidMessage,
    ErrorCode::InvalidSubscription,
    ErrorCode::InvalidNotification,
    ErrorCode::TooManySubscriptions,
    ErrorCode::MessageTooBig,
    ErrorCode::Forbidden,
    ErrorCode::Unauthorized,
    ErrorCode::RateLimited,
    ErrorCode::SlowConsumer,
    ErrorCode::ShuttingDown,
];

fn encode(refusal: &Refusal) -> String {
    let mut buffer = [0; MAX_REPLY_LEN];
    let text = Reply::Error(refusal)
        .encode(&mut buffer)
        .expect("a buffer that fits every reply");
    core::str::from_utf8(text).expect("UTF-8").to_owned()
}

#[test]
fn a_pong_is_exactly_that_of_the_protocol() {
    let mut buffer = [0; MAX_REPLY_LEN];
    assert_eq!(
        Reply::Pong.encode(&mut buffer),
        Ok(&br#"{"type":"pong"}"#[..])
    );
}

#[test]
fn an_error_has_exactly_the_members_of_the_protocol() {
    let refusal = parse_default(br#"{"sender":"client","subscriptions":[{"package":"p"}]}"#)
        .expect_err("no page");
    assert_eq!(
        encode(&refusal),
        r#"{"sender":"server","error":{"code":"invalid_subscription","message":"subscriptions[0].page is missing; it must be a string","path":"subscriptions[0].page"}}"#
    );
}

#[test]
fn an_error_without_a_path_leaves_the_member_out() {
    for code in CODES {
        let refusal = Refusal::new(code);
        assert!(!refusal.from_publisher());
        let text = encode(&refusal);
        let expected = json!({"sender": "server", "error": {"code": code.as_str(), "message": refusal.to_string()}});
        assert_eq!(
            serde_json::from_str::<Value>(&text).expect("JSON"),
            expected
        );
        assert!(
            refusal.to_string().contains("; "),
            "a reason and a remedy: {refusal}"
        );
    }
}

#[test]
fn codes_are_those_of_the_protocol() {
    let names = CODES.map(ErrorCode::as_str);
    assert_eq!(
        names,
        [
            "invalid_json",
            "invalid_message",
            "invalid_subscription",
            "invalid_notification",
            "too_many_subscriptions",
            "message_too_big",
            "forbidden",
            "unauthorized",
            "rate_limited",
            "slow_consumer",
            "shutting_down",
        ]
    );
    assert_eq!(ErrorCode::Forbidden.to_string(), "forbidden");
}

#[test]
fn the_longest_replies_fit_their_buffer() {
    let worst_key = "\\u0001".repeat(100);
    let worst_path = format!(
        r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{{"{worst_key}":KIND}}}}}}]}}"#
    );
    let mut longest = 0;
    for kind in ["{}", r#""\ud800""#, "1e9999"] {
        let text = worst_path.replace("KIND", kind);
        longest = longest.max(encode(&parse_default(text.as_bytes()).expect_err("invalid")).len());
    }
    assert!(longest > 2 * 6 * 40, "escapes make it long: {longest}");
    assert!(longest <= MAX_REPLY_LEN, "{longest}");
}

#[test]
fn a_path_of_nothing_but_escapes_would_fit_with_every_message() {
    // The part of a reply that the path does not determine, at its longest, leaves room for the
    // path in both places.
    let mut texts: Vec<String> = CODES.map(|code| encode(&Refusal::new(code))).into();
    for text in [
        r#"{"sender":"\ud800"}"#,
        r#"{"sender":5}"#,
        r#"{"sender":"client"}"#,
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"\ud800":1}}}}"#,
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"a":[]  ,"b":[{}]}}}}"#,
        r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":1e9999}}}"#,
        "{\"a\":\"\n\"}",
    ] {
        texts.push(encode(
            &parse_default(text.as_bytes()).expect_err("invalid"),
        ));
    }
    let longest = texts.iter().map(String::len).max().expect("some");
    // Numbers of up to twenty digits may stand where these examples have one or two.
    assert!(longest + 2 * 20 + 2 * 6 * 79 <= MAX_REPLY_LEN, "{longest}");
}

#[test]
fn a_buffer_that_is_too_small_is_an_error() {
    let whole = encode(&Refusal::new(ErrorCode::Forbidden));
    let mut buffer = vec![0; whole.len()];
    assert!(
        Reply::Error(&Refusal::new(ErrorCode::Forbidden))
            .encode(&mut buffer)
            .is_ok()
    );
    buffer.pop();
    assert_eq!(
        Reply::Error(&Refusal::new(ErrorCode::Forbidden)).encode(&mut buffer),
        Err(BufferTooSmall)
    );
    assert_eq!(Reply::Pong.encode(&mut []), Err(BufferTooSmall));
}

proptest! {
    #[test]
    fn a_publication_is_acknowledged_with_its_position_and_recipients(
        sequence: u32, recipients: u64, shift in 0..64_u32, room in 0..120_usize,
    ) {
        let position = Position::new(1, sequence.into());
        let recipients = recipients >> shift;
        let reply = Reply::Published { position, recipients };
        let expected = format!(r#"{{"sender":"server","published":{{"position":"{position}","recipients":{recipients}}}}}"#);
        let mut buffer = [0; MAX_REPLY_LEN];
        prop_assert_eq!(reply.encode(&mut buffer), Ok(expected.as_bytes()));
        let fits = reply.encode(&mut vec![0; room]).is_ok();
        prop_assert_eq!(fits, room >= expected.len());
    }

    #[test]
    fn a_subscription_is_acknowledged_with_its_count_and_position(count: usize, sequence: u32) {
        let position = Position::new(1, sequence.into());
        let mut buffer = [0; MAX_REPLY_LEN];
        let text = Reply::Subscribed { count, position }.encode(&mut buffer).expect("it fits");
        let expected = format!(r#"{{"sender":"server","subscribed":{{"count":{count},"position":"{position}"}}}}"#);
        prop_assert_eq!(core::str::from_utf8(text), Ok(&*expected));
    }

    #[test]
    fn an_error_is_valid_json_whatever_its_path_contains(key in any::<String>()) {
        let text = json!({"sender": "client", "subscriptions": [
            {"package": "p", "page": "q", "filters": {"values": {key: {}}}}]}).to_string();
        let refusal = parse_default(text.as_bytes()).expect_err("a nested object");
        let reply: Value = serde_json::from_str(&encode(&refusal)).expect("valid JSON");
        prop_assert_eq!(&reply["error"]["path"], refusal.path());
        prop_assert_eq!(&reply["error"]["message"], &refusal.to_string());
    }
}
