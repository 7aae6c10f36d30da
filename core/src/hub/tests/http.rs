//! HTTP on the same port (the protocol, section 8), as clients, subscribers and logs see it.

use alloc::{
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::world::{
    EPOCH, LISTENER, PUBLISHER, Seen, World, address, publication, request, subscription,
};
use crate::{
    hub::{Batch, Options, Rate, Rights, TurnedAway, Version},
    notify::Position,
};

/// More than the time between two looks at the deadlines.
const TICK: u64 = 300;

/// A response, naively parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Response {
    pub(super) fn has(&self, field: &str) -> bool {
        self.head
            .lines()
            .any(|line| line.eq_ignore_ascii_case(field))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn closes(&self) -> bool {
        self.has("Connection: close") || self.has("Connection: Upgrade, close")
    }

    /// Asserts that this is a problem as RFC 9457 has it.
    #[track_caller]
    fn expect_problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.has("Content-Type: application/problem+json"),
            "{self:?}"
        );
        let json = self.json();
        assert_eq!(json["status"], status, "{self:?}");
        for member in ["title", "detail"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()));
        }
        let (_, reason) = self.head.split_once(&status.to_string()).expect("a status");
        assert!(
            reason
                .trim_start()
                .starts_with(json["title"].as_str().unwrap_or("?"))
        );
        json
    }
}

/// All the responses in what a client was sent; those to HEAD have no body.
pub(super) fn responses(mut bytes: &[u8], heads_only: bool) -> Vec<Response> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, rest) = bytes.split_at(end.expect("a whole head") + 4);
        let head = String::from_utf8(head.to_vec()).expect("text");
        let status = head.strip_prefix("HTTP/1.1 ").expect("a status line");
        let status = status[..3].parse().expect("a status");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let length = if heads_only { 0 } else { length };
        let (body, rest) = rest.split_at(length);
        found.push(Response {
            status,
            head,
            body: String::from_utf8(body.to_vec()).expect("text"),
        });
        bytes = rest;
    }
    found
}

fn post(body: &str) -> String {
    format!(
        "POST /notifications HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The same with other header fields than those that say what the body is.
pub(super) fn post_with(fields: &str, body: &str) -> String {
    format!("POST /notifications HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}")
}

const TYPE: &str = "Content-Type: application/json\r\n";

/// A publisher says this by HTTP; what it is answered. The world goes on until nothing more happens.
fn ask(world: &mut World, peer: usize, said: &str) -> Vec<Response> {
    let before = world.peers[peer].bytes.len();
    world.say_raw(peer, said.as_bytes());
    world.quiesce();
    responses(&world.peers[peer].bytes[before..], false)
}

/// The one answer to one request of a connection of its own, and whether the connection was closed
/// with it.
fn answer(options: &Options, rights: Rights, said: &str) -> Response {
    let mut world = World::new(1, options);
    let peer = world.connect(0, rights);
    let responses = ask(&mut world, peer, said);
    let [response] = &responses[..] else {
        panic!("{said:?} is answered with {responses:?}");
    };
    assert_eq!(response.closes(), world.peers[peer].shut, "{response:?}");
    response.clone()
}

fn refused(said: &str) -> Response {
    let response = answer(&Options::default(), PUBLISHER, said);
    assert!(response.closes(), "{said:?}: {response:?}");
    response
}

fn place(sequence: u64) -> String {
    Position::new(EPOCH, sequence).to_string()
}

#[test]
fn a_notification_is_handed_out_byte_for_byte_and_its_publisher_told_by_how_many() {
    for hubs in [1, 2] {
        let mut world = World::new(hubs, &Options::default());
        let hearers: Vec<_> = (0..hubs)
            .map(|hub| world.open(hub, Version::Classic, LISTENER))
            .collect();
        let v1 = world.open(0, Version::V1, LISTENER);
        for hearer in hearers.iter().chain([&v1]) {
            world.text(*hearer, &subscription(&[1]));
        }
        world.quiesce();
        let peer = world.connect(0, PUBLISHER);
        let message = format!(" {}\n", publication(1, 5));
        let responses = ask(&mut world, peer, &post(&message));
        assert_eq!(responses.len(), 1);
        assert_eq!(responses[0].status, 200);
        assert!(responses[0].has("Content-Type: application/json"));
        let expected = format!(r#"{{"position":"{}","recipients":{}}}"#, place(1), hubs + 1);
        assert_eq!(responses[0].body, expected);
        for hearer in hearers {
            assert_eq!(world.texts(hearer), [&message]);
        }
        let rest = message.trim_start().strip_prefix('{').expect("an object");
        let expected = format!(r#"{{"position":"{}",{rest}"#, place(1));
        assert_eq!(world.texts(v1).last(), Some(&expected.as_str()));
        let seen = world.seen.borrow();
        let requested = Seen::Requested(peer as u64, "POST /notifications".into(), 200);
        assert_eq!(seen.last(), Some(&requested));
        assert!(seen.contains(&Seen::Published {
            position: Position::new(EPOCH, 1),
            recipients: hubs as u64 + 1
        }));
    }
}

#[test]
fn a_connection_goes_on_and_may_become_a_websocket() {
    let mut world = World::alone();
    let peer = world.connect(0, PUBLISHER);
    for at in 1..4 {
        let responses = ask(&mut world, peer, &post(&publication(1, 0)));
        assert_eq!(responses[0].json()["position"], place(at));
        assert!(!responses[0].closes());
        let responses = ask(&mut world, peer, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(responses[0].body, "ok\n");
    }
    assert!(!world.peers[peer].shut);
    world.peers[peer].bytes.clear();
    for said in [request(Version::Classic).as_bytes(), b"\x89\x80mask"] {
        world.say_raw(peer, said);
    }
    world.quiesce();
    let bytes = &world.peers[peer].bytes;
    assert!(bytes.starts_with(b"HTTP/1.1 101 "));
    assert!(bytes.ends_with(b"\r\n\r\n\x8a\x00"), "a pong");
    let seen = world.seen.borrow();
    let connected = Seen::Connected(peer as u64, Version::Classic);
    assert_eq!(seen.last(), Some(&connected));
}

#[test]
fn whether_the_connection_goes_on_is_what_the_client_asks_for() {
    for (version, field, persists) in [
        ("1.1", "X: y", true),
        ("1.1", "Connection: close", false),
        ("1.1", "Connection: foo, Close", false),
        ("1.1", "Connection: keep-alive", true),
        ("1.0", "X: y", false),
        ("1.0", "Connection: keep-alive", true),
        ("1.0", "Connection: keep-alive, close", false),
    ] {
        let health = format!("GET /healthz HTTP/{version}\r\nHost: h\r\n{field}\r\n\r\n");
        let publish = post(&publication(1, 0))
            .replace("HTTP/1.1", &format!("HTTP/{version}"))
            .replace("Host: h", &format!("Host: h\r\n{field}"));
        for said in [health, publish] {
            let response = answer(&Options::default(), PUBLISHER, &said);
            assert_eq!(response.status, 200, "{said}");
            assert_eq!(!response.closes(), persists, "{said}: {response:?}");
            let told = response.has("Connection: keep-alive");
            assert_eq!(told, persists && version == "1.0", "{said}: {response:?}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    for hubs in [1, 3] {
        let mut world = World::new(hubs, &Options::default());
        let peer = world.connect(0, PUBLISHER);
        let mut said = String::new();
        for _ in 0..90 {
            said += &post(&publication(1, 0));
            said += &post(&format!("[{}]", publication(1, 0)));
            said += "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
            said += &post("{");
        }
        said += "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n";
        let responses = ask(&mut world, peer, &said);
        assert_eq!(responses.len(), 361);
        for (at, four) in responses.chunks_exact(4).enumerate() {
            assert_eq!(four[0].json()["position"], place(2 * at as u64 + 1));
            assert_eq!(four[1].json()[0]["position"], place(2 * at as u64 + 2));
            assert_eq!(four[2].body, "ok\n");
            assert_eq!(four[3].expect_problem(400)["code"], "invalid_json");
        }
        responses[360].expect_problem(404);
        assert!(world.peers[peer].shut);
    }
}

#[test]
fn a_flood_of_requests_without_answers_is_bounded() {
    let mut world = World::new(2, &Options::default());
    let peer = world.connect(0, PUBLISHER);
    let said = post(&publication(1, 0)).repeat(6_000);
    world.say_raw(peer, said.as_bytes());
    let mut rest = said.into_bytes();
    let mut rest = &mut rest[..];
    // Nothing is settled meanwhile.
    while !rest.is_empty() {
        let taken = world.hubs[0].receive(world.peers[peer].id, rest, world.now);
        rest = &mut rest[taken..];
        while world.place(0) {}
        while world.deliver(0) {}
    }
    while world.deliver(1) {}
    while world.settle(0) {}
    world.flush(0);
    let responses = responses(&world.peers[peer].bytes, false);
    let (last, others) = responses.split_last().expect("answers");
    assert!(others.iter().all(|response| response.status == 200));
    assert!((2_000..6_000).contains(&others.len()), "{}", others.len());
    assert_eq!(last.expect_problem(429)["code"], "rate_limited");
    assert!(last.has("Retry-After: 1"));
}

#[test]
fn an_upgrade_does_not_overtake_a_publication() {
    let mut world = World::new(2, &Options::default());
    let peer = world.connect(0, PUBLISHER);
    world.say_raw(peer, post(&publication(1, 0)).as_bytes());
    world.say_raw(peer, request(Version::V1).as_bytes());
    world.carry(peer, usize::MAX);
    assert_eq!(world.peers[peer].bytes, b"");
    world.quiesce();
    let responses = responses(&world.peers[peer].bytes, false);
    assert_eq!([responses[0].status, responses[1].status], [200, 400]);
    assert!(responses[1].body.contains("wait for the answer"));
}

#[test]
fn a_batch_is_answered_one_by_one() {
    let mut world = World::new(2, &Options::default());
    let hearer = world.open(1, Version::Classic, LISTENER);
    world.text(hearer, &subscription(&[1]));
    world.quiesce();
    let peer = world.connect(0, PUBLISHER);
    let [first, second] = [publication(1, 1), publication(2, 2)];
    let bad = r#"{"sender":"server","notification":{"package":"p"}}"#;
    let body = format!(r#" [{first} , {bad},3,{{"type":"ping"}},{second}] "#);
    let responses = ask(&mut world, peer, &post(&body));
    assert_eq!(responses.len(), 1, "{responses:?}");
    assert_eq!(responses[0].status, 200);
    let results = responses[0].json();
    assert_eq!(results.as_array().map(Vec::len), Some(5));
    assert_eq!(results[0]["position"], place(1));
    assert_eq!(results[0]["recipients"], 1);
    assert_eq!(results[1]["error"]["code"], "invalid_notification");
    assert_eq!(results[1]["error"]["path"], "notification.page");
    assert_eq!(results[2]["error"]["code"], "invalid_json");
    assert_eq!(results[3]["error"]["code"], "invalid_message");
    assert_eq!(results[3]["error"]["path"], "sender");
    assert_eq!(results[4]["position"], place(2));
    assert_eq!(results[4]["recipients"], 0);
    assert_eq!(world.texts(hearer), [&first]);
    // None that is good, and none at all.
    for (body, expected) in [("[1,2]", 2), ("[]", 0)] {
        let responses = ask(&mut world, peer, &post(body));
        assert_eq!(responses[0].json().as_array().map(Vec::len), Some(expected));
    }
}

#[test]
fn a_batch_is_strict_json_and_bounded() {
    for body in [
        "[",
        "[1,]",
        "[1] 2",
        "[1}",
        "[01]",
        "\u{feff}[]",
        "[\"\u{1}\"]",
    ] {
        let response = answer(&Options::default(), PUBLISHER, &post(body));
        let problem = response.expect_problem(400);
        assert_eq!(problem["code"], "invalid_json", "{body}");
        assert!(!response.closes(), "{body}");
    }
    let batch = |count: usize| format!("[{}]", vec![publication(1, 0); count].join(","));
    let response = answer(
        &Options::default(),
        PUBLISHER,
        &post(&batch(Batch::PUBLICATIONS)),
    );
    let results = response.json();
    assert_eq!(results.as_array().map(Vec::len), Some(Batch::PUBLICATIONS));
    refused(&post(&batch(Batch::PUBLICATIONS + 1))).expect_problem(413);
}

#[test]
fn a_message_may_be_as_long_as_any_and_a_batch_longer() {
    let mut options = Options::default();
    options.connection.max_message = 1000;
    let long = |len: usize| {
        let message = publication(1, 0);
        format!("{message}{}", " ".repeat(len - message.len()))
    };
    let response = answer(&options, PUBLISHER, &post(&long(1000)));
    assert_eq!(response.status, 200);
    let chunked = |body: &str| {
        let size = body.len();
        let fields = format!("{TYPE}Transfer-Encoding: chunked\r\n");
        post_with(&fields, &format!("{size:x}\r\n{body}\r\n0\r\n\r\n"))
    };
    for said in [
        post(&long(1001)),
        chunked(&long(1001)),
        chunked(&" ".repeat(1001)),
    ] {
        let response = answer(&options, PUBLISHER, &said);
        assert_eq!(response.expect_problem(413)["code"], "message_too_big");
        assert!(response.body.contains("1000"));
        assert!(response.closes());
    }
    // In a batch, the one that is too long is.
    let body = format!("[{},{}{}]", long(1000), publication(1, 1), "");
    let long_one = format!(r#"{{"sender":"server","x":"{}"}}"#, "x".repeat(1000));
    for said in [
        post(&body),
        chunked(&format!("[{},{long_one}]", long(1000))),
    ] {
        let response = answer(&options, PUBLISHER, &said);
        assert_eq!(response.json()[0]["recipients"], 0, "{response:?}");
    }
    let response = answer(&options, PUBLISHER, &post(&format!("[{long_one}]")));
    assert_eq!(response.json()[0]["error"]["code"], "message_too_big");
    // Who announces too much is refused before any of it has come.
    for said in [
        post_with(&format!("{TYPE}Content-Length: 262145\r\n"), ""),
        post_with(
            &format!("{TYPE}Content-Length: 99999999999999999999999999\r\n"),
            "",
        ),
        post_with(
            &format!("{TYPE}Transfer-Encoding: chunked\r\n"),
            "40001\r\n",
        ),
        post_with(
            &format!("{TYPE}Transfer-Encoding: chunked\r\n"),
            "ffffffffffffffff\r\n",
        ),
        post_with(
            &format!("{TYPE}Transfer-Encoding: chunked\r\n"),
            "7FFFFFFFFFFFFFFF\r\n[",
        ),
    ] {
        answer(&options, PUBLISHER, &said).expect_problem(413);
    }
}

#[test]
fn requests_of_which_the_end_is_in_doubt_are_refused_and_what_follows_is_not_heard() {
    let good = publication(1, 0);
    let hidden = post(&good);
    let chunked =
        |chunks: &str| post_with(&format!("{TYPE}Transfer-Encoding: chunked\r\n"), chunks);
    let fields = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5.0",
        "Content-Length:",
        "Content-Length: five",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
    ];
    let mut requests: Vec<String> = fields
        .iter()
        .map(|fields| post_with(&format!("{TYPE}{fields}\r\n"), &hidden))
        .collect();
    // HTTP/1.0 knows no chunks.
    requests.push(chunked("0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"));
    let chunks = [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1\t\r\n",
        "1\n{",
        "1\r{",
        "1\r\r\n",
        "1;\r\n",
        "1;=x\r\n",
        "1; a\r\n",
        "1;a =b\r\n",
        "1;a=\r\n",
        "1;a=\"\r\n",
        "1;a=\"\n\"\r\n",
        "1;a=\"b\"c\r\n",
        "1;a\n{",
        "00000000000000001\r\n",
        "1,1\r\n",
        "1\r\n{}\r\n",
        "1\r\n{\n",
        "1\r\n{\r\r\n",
        "2\r\n{}\r\n0\r\n\n",
        "2\r\n{}\r\n0\r\nA: b\n\r\n",
        "2\r\n{}\r\n0\r\n A: b\r\n\r\n",
        "2\r\n{}\r\n0\r\nA : b\r\n\r\n",
        "2\r\n{}\r\n0\r\n: b\r\n\r\n",
        "2\r\n{}\r\n0\r\nA\r\n\r\n",
        "2\r\n{}\r\n0\r\nA: b\rc\r\n\r\n",
        "2\r\n{}\r\n0\r\n\r\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\r\n\r\n",
    ];
    requests.extend(chunks.iter().map(|chunks| chunked(chunks)));
    requests.push(chunked(&format!(
        "2;a={}\r\n{{}}\r\n0\r\n\r\n",
        "x".repeat(2_000)
    )));
    requests.push(chunked(&format!(
        "2\r\n{{}}\r\n0\r\nA: {}\r\n\r\n",
        "x".repeat(2_000)
    )));
    requests.push(chunked(&"1;a=bbbbbbbbbbbbbbbb\r\n \r\n".repeat(100)));
    for said in requests {
        let mut world = World::alone();
        let peer = world.connect(0, PUBLISHER);
        let responses = ask(&mut world, peer, &format!("{said}{hidden}"));
        assert_eq!(responses.len(), 1, "{said:?}: {responses:?}");
        responses[0].expect_problem(400);
        assert!(responses[0].closes(), "{said:?}");
        assert!(world.peers[peer].shut, "{said:?}");
        let seen = world.seen.borrow();
        let is_published = |seen: &Seen| matches!(seen, Seen::Published { .. });
        assert!(!seen.iter().any(is_published), "{said:?}");
    }
}

#[test]
fn heads_that_are_no_http_are_refused_as_those_of_upgrades_are() {
    for said in [
        "POST /notifications HTTP/1.1\nHost: h\n\n",
        "POST /notifications HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\n",
        "POST /notifications HTTP/1.1\r\nHost: h\r\nX: y\r\n folded\r\n\r\n",
        "POST /notifications HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        "POST /notifications HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        "POST /notifications HTTP/1.1\r\nHost: h\r\nContent-Length: 5\rX: y\r\n\r\n",
        "POST /notifications HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
        "POST /notifications  HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let response = refused(said);
        assert_eq!(response.status, 400, "{said:?}: {response:?}");
        assert!(response.has("Content-Type: text/plain; charset=utf-8"));
    }
}

#[test]
fn well_formed_chunks_are_read_with_what_is_to_be_ignored_in_them() {
    let fields = format!("{TYPE}Transfer-Encoding: Chunked\r\n");
    let message = publication(1, 0);
    let (front, back) = message.split_at(20);
    let size = back.len();
    for chunks in [
        format!("14\r\n{front}\r\n{size:X}\r\n{back}\r\n0\r\n\r\n"),
        format!("014;a;b=c;d=\"e;\\\" \"\r\n{front}\r\n{size:x}\r\n{back}\r\n000\r\n\r\n"),
        format!("14\r\n{front}\r\n{size:x}\r\n{back}\r\n0;last\r\nA: b\r\nC:\r\n\r\n"),
    ] {
        let response = answer(&Options::default(), PUBLISHER, &post_with(&fields, &chunks));
        assert_eq!(response.status, 200, "{chunks:?}: {response:?}");
        assert!(!response.closes());
    }
}

#[test]
fn who_may_not_publish_is_refused_before_the_body() {
    for said in [
        post(&publication(1, 0)),
        post_with(&format!("{TYPE}Content-Length: 100\r\n"), ""),
    ] {
        let response = answer(&Options::default(), LISTENER, &said);
        assert_eq!(response.expect_problem(403)["code"], "forbidden");
        assert!(response.closes());
    }
}

#[test]
fn a_web_page_may_not_publish() {
    let body = publication(1, 0);
    let length = format!("Content-Length: {}\r\n", body.len());
    for origin in ["http://evil.example", "http://h", "null", ""] {
        let said = post_with(&format!("{TYPE}{length}Origin: {origin}\r\n"), &body);
        assert_eq!(refused(&said).expect_problem(403)["code"], "forbidden");
    }
    // What a page may send elsewhere without asking first (the Fetch standard's "CORS-safelisted").
    for media in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/plain; charset=application/json\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=application/json\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: text/plain, application/json\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        let response = refused(&post_with(&format!("{media}{length}"), &body));
        response.expect_problem(415);
        assert!(response.has("Accept: application/json"));
    }
    // And the question whether it may is answered with no.
    let preflight = "OPTIONS /notifications HTTP/1.1\r\nHost: h\r\nOrigin: http://evil.example\r\n\
                     Access-Control-Request-Method: POST\r\n\r\n";
    let response = refused(preflight);
    response.expect_problem(405);
    assert!(
        !response
            .head
            .to_ascii_lowercase()
            .contains("access-control")
    );
    for media in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/json ;x=y",
    ] {
        let said = post_with(&format!("Content-Type: {media}\r\n{length}"), &body);
        assert_eq!(answer(&Options::default(), PUBLISHER, &said).status, 200);
    }
    let zipped = format!("{TYPE}{length}Content-Encoding: gzip\r\n");
    refused(&post_with(&zipped, &body)).expect_problem(415);
}

#[test]
fn other_methods_and_paths_are_told_what_to_do() {
    for (line, status, allow) in [
        ("GET /notifications", 405, "Allow: POST"),
        ("HEAD /notifications", 405, "Allow: POST"),
        ("PUT /notifications?x=y", 405, "Allow: POST"),
        ("post /notifications", 405, "Allow: POST"),
        ("POST /healthz", 405, "Allow: GET, HEAD"),
        ("DELETE http://h/readyz", 405, "Allow: GET, HEAD"),
        ("POST /", 404, ""),
        ("POST /notifications/", 404, ""),
        ("OPTIONS *", 404, ""),
        ("CONNECT h:80", 404, ""),
        ("PRI /x", 404, ""),
    ] {
        let said = format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut world = World::alone();
        let peer = world.connect(0, PUBLISHER);
        world.say_raw(peer, said.as_bytes());
        world.quiesce();
        let is_head = line.starts_with("HEAD");
        let responses = responses(&world.peers[peer].bytes, is_head);
        assert_eq!(responses.len(), 1, "{line}");
        assert_eq!(responses[0].status, status, "{line}");
        if !is_head {
            responses[0].expect_problem(status);
        }
        assert!(allow.is_empty() || responses[0].has(allow), "{line}");
        let path = line.replace("http://h", "").replace("?x=y", "");
        let requested = Seen::Requested(peer as u64, path, status);
        assert_eq!(world.seen.borrow().last(), Some(&requested));
    }
    // Any other path is that of a WebSocket.
    for line in ["GET /", "GET /metrics", "GET /notifications/", "GET *"] {
        let response = refused(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(response.status, 426, "{line}");
        assert!(response.has("Upgrade: websocket"));
    }
}

#[test]
fn health_and_readiness_are_answered_to_get_and_head() {
    for path in [
        "/healthz",
        "/readyz",
        "/healthz?verbose",
        "http://h/healthz",
    ] {
        let response = answer(
            &Options::default(),
            LISTENER,
            &format!("GET {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"),
        );
        assert_eq!((response.status, response.body.as_str()), (200, "ok\n"));
        assert!(response.has("Content-Type: text/plain; charset=utf-8"));
        let mut world = World::alone();
        let peer = world.connect(0, LISTENER);
        let said = format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n").repeat(2);
        world.say_raw(peer, said.as_bytes());
        world.quiesce();
        let responses = responses(&world.peers[peer].bytes, true);
        assert_eq!(responses.len(), 2);
        assert_eq!(responses[1].head, response.head);
    }
    for field in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
        let said = format!("GET /healthz HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
        refused(&said).expect_problem(400);
    }
}

#[test]
fn who_waits_for_a_100_is_told_to_go_on_or_not_to() {
    let body = publication(1, 0);
    let head = |fields: &str| {
        let length = body.len();
        post_with(
            &format!("{fields}Content-Length: {length}\r\nExpect: 100-Continue\r\n"),
            "",
        )
    };
    let mut world = World::alone();
    let peer = world.connect(0, PUBLISHER);
    for _ in 0..2 {
        let told = ask(&mut world, peer, &head(TYPE));
        assert_eq!(
            told.iter().map(|told| told.status).collect::<Vec<_>>(),
            [100]
        );
        let told = ask(&mut world, peer, &body);
        assert_eq!(
            told.iter().map(|told| told.status).collect::<Vec<_>>(),
            [200]
        );
    }
    refused(&head("Content-Type: text/plain\r\n")).expect_problem(415);
    refused(&head(TYPE).replace("100-Continue", "101-continue")).expect_problem(417);
    // HTTP/1.0 has no such thing.
    let old = head(TYPE).replace("HTTP/1.1", "HTTP/1.0") + &body;
    assert_eq!(answer(&Options::default(), PUBLISHER, &old).status, 200);
}

#[test]
fn what_is_wrong_with_a_message_is_told_as_in_a_session() {
    for (body, code, path) in [
        ("", "invalid_json", ""),
        ("{\"sender\":\"server\",}", "invalid_json", ""),
        ("{\"sender\":\"server\"}", "invalid_message", "notification"),
        (
            r#"{"sender":"server","notification":{"package":"p"}}"#,
            "invalid_notification",
            "notification.page",
        ),
        (
            r#"{"sender":"server","position":"x","notification":{}}"#,
            "invalid_message",
            "position",
        ),
        (r#"{"type":"ping"}"#, "invalid_message", "sender"),
        (&subscription(&[1]), "invalid_message", "sender"),
        ("\"x\"", "invalid_json", ""),
    ] {
        let response = answer(&Options::default(), PUBLISHER, &post(body));
        let problem = response.expect_problem(400);
        assert_eq!(problem["code"], code, "{body}");
        assert_eq!(problem["path"].as_str().unwrap_or_default(), path, "{body}");
        assert!(!response.closes());
    }
}

#[test]
fn publications_over_the_rate_are_refused_and_a_flood_ends_the_connection() {
    let options = Options {
        publications: Rate {
            count: 2,
            period: Duration::from_secs(10),
            burst: 2,
        },
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let peer = world.connect(0, PUBLISHER);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let response = ask(&mut world, peer, &post(&publication(1, 0))).remove(0);
        statuses.push(response.status);
        if response.status == 429 {
            assert_eq!(response.expect_problem(429)["code"], "rate_limited");
            assert!(response.head.contains("\r\nRetry-After: "));
        }
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
    assert!(world.peers[peer].shut);
    // As one batch.
    let batch = format!("[{}]", vec![publication(1, 0); 6].join(","));
    let response = answer(&options, PUBLISHER, &post(&batch));
    let results = response.json();
    let codes: Vec<_> = (0..6)
        .map(|at| results[at]["error"]["code"].as_str())
        .collect();
    let limited = Some("rate_limited");
    assert_eq!(codes, [None, None, None, limited, limited, limited]);
    assert!(response.closes());
}

#[test]
fn a_body_that_does_not_come_in_time_is_cut_off_and_one_that_does_is_not() {
    let head = post_with(&format!("{TYPE}Content-Length: 60000\r\n"), "");
    for trickles in [false, true] {
        let mut world = World::alone();
        let peer = world.connect(0, PUBLISHER);
        world.say_raw(peer, head.as_bytes());
        world.carry(peer, usize::MAX);
        let mut waited = 0;
        while world.peers[peer].bytes.is_empty() {
            if trickles {
                world.say_raw(peer, b" ");
                world.carry(peer, usize::MAX);
            }
            world.wait(TICK);
            waited += TICK;
            assert!(waited < 20_000, "it may last for ever");
        }
        assert!(waited >= 10_000);
        let response = responses(&world.peers[peer].bytes, false).remove(0);
        response.expect_problem(408);
        assert!(world.peers[peer].shut);
        world.wait(2_000);
        assert!(world.peers[peer].gone);
    }
    // 6 KB a second are enough.
    let mut world = World::alone();
    let peer = world.connect(0, PUBLISHER);
    let body = format!(
        "{}{}",
        " ".repeat(60_000 - publication(1, 0).len()),
        publication(1, 0)
    );
    world.say_raw(peer, format!("{head}{body}").as_bytes());
    for _ in 0..50 {
        world.carry(peer, 1_800);
        world.wait(TICK);
    }
    world.quiesce();
    assert_eq!(responses(&world.peers[peer].bytes, false)[0].status, 200);
}

#[test]
fn a_connection_without_a_request_ends_after_a_while_and_half_a_request_sooner() {
    let health = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    for (half, least, most) in [
        ("", 59_000, 62_000),
        ("GET /healthz HTTP/1.1\r\n", 9_000, 12_000),
    ] {
        let mut world = World::alone();
        let peer = world.connect(0, LISTENER);
        // Again and again, each has all the time.
        for _ in 0..3 {
            world.wait(8_000);
            assert_eq!(ask(&mut world, peer, health)[0].status, 200);
        }
        world.say_raw(peer, half.as_bytes());
        let mut waited = 0;
        while !world.peers[peer].gone {
            world.carry(peer, usize::MAX);
            world.wait(TICK);
            waited += TICK;
            assert!(waited <= most, "{half:?}");
        }
        assert!(waited >= least, "{half:?}: {waited}");
        // That is counted where something was wrong.
        let timed_out = Seen::HandshakeFailed("TimedOut".into());
        let seen = world.seen.borrow();
        let failed = |seen: &&Seen| matches!(seen, Seen::HandshakeFailed(_));
        let failed: Vec<_> = seen.iter().filter(failed).collect();
        assert_eq!(failed, vec![&timed_out; usize::from(!half.is_empty())]);
    }
}

#[test]
fn who_leaves_before_the_answer_has_published() {
    let mut world = World::new(2, &Options::default());
    let hearer = world.open(1, Version::Classic, LISTENER);
    world.text(hearer, &subscription(&[1]));
    world.quiesce();
    // One ends its direction and still reads, one is gone.
    for resets in [false, true] {
        let peer = world.connect(0, PUBLISHER);
        world.say_raw(peer, post(&publication(1, 0)).as_bytes());
        world.peers[peer].ended = true;
        world.carry(peer, usize::MAX);
        assert!(!world.peers[peer].gone);
        if resets {
            let id = world.peers[peer].id;
            world.hubs[0].leave(id);
            world.peers[peer].gone = true;
        }
        world.quiesce();
        assert_eq!(world.texts(hearer).len(), 1 + usize::from(resets));
        assert!(world.peers[peer].gone);
        let responses = responses(&world.peers[peer].bytes, false);
        assert_eq!(responses.len(), usize::from(!resets));
    }
}

#[test]
fn connections_too_many_are_told_so_by_http_too_but_the_server_lives() {
    for (reason, status) in [(TurnedAway::Full, 503), (TurnedAway::AddressFull, 429)] {
        for (said, expected) in [
            (post(&publication(1, 0)), status),
            ("GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n".into(), status),
            ("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".into(), 200),
        ] {
            let mut world = World::alone();
            let id = world.hubs[0].turn_away(7, address(), reason.refusal(), world.now);
            let peer = world.add(0, id.expect("there is room"), Version::Classic);
            let response = ask(&mut world, peer, &said).remove(0);
            assert_eq!(response.status, expected, "{said}");
            assert!(response.closes());
            if expected != 200 {
                response.expect_problem(status);
                assert!(response.has("Retry-After: 30"));
            }
        }
    }
}

#[test]
fn a_server_that_drains_publishes_no_more_and_is_not_ready_but_lives() {
    let mut world = World::alone();
    // The first slot is closed first.
    let _first = world.open(0, Version::Classic, LISTENER);
    let half = world.connect(0, PUBLISHER);
    let [idle, peer, ready, health] = [(); 4].map(|()| world.connect(0, PUBLISHER));
    let waiting = world.connect(0, PUBLISHER);
    for at in [idle, peer, ready, health] {
        ask(&mut world, at, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
        world.peers[at].bytes.clear();
    }
    let head = post_with(&format!("{TYPE}Content-Length: 100\r\n"), "");
    world.say_raw(half, head.as_bytes());
    world.carry(half, usize::MAX);
    world.say_raw(waiting, post(&publication(1, 0)).as_bytes());
    world.carry(waiting, usize::MAX);
    let now = world.now;
    world.hubs[0].drain(Duration::from_secs(10), now);
    for (at, said, status) in [
        (peer, post(&publication(1, 0)), 503),
        (ready, "GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n".into(), 503),
        (
            health,
            "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".into(),
            200,
        ),
    ] {
        let response = ask(&mut world, at, &said).remove(0);
        assert_eq!(response.status, status);
        if status == 503 {
            response.expect_problem(503);
            assert!(response.has("Retry-After: 5") && response.closes());
        }
    }
    for _ in 0..40 {
        world.wait(TICK);
        world.quiesce();
    }
    let told = responses(&world.peers[half].bytes, false);
    told[0].expect_problem(503);
    let told = responses(&world.peers[waiting].bytes, false);
    assert_eq!(told[0].status, 200);
    for at in [half, idle, peer, ready, health, waiting] {
        assert!(world.peers[at].gone, "{at}");
    }
    // Who comes now is told at once.
    let late = world.connect(0, PUBLISHER);
    let response = ask(&mut world, late, &post(&publication(1, 0))).remove(0);
    response.expect_problem(503);
}

/// What a client says, and what may be in it.
fn conversation(says: &[(u8, u8)]) -> Vec<u8> {
    let mut said = String::new();
    for (kind, detail) in says {
        let channel = detail % 3;
        let message = publication(channel, usize::from(*detail));
        said += &match kind {
            0 | 1 => post(&message),
            2 => {
                let pieces = message.as_bytes().chunks(usize::from(detail % 50) + 1);
                let chunks: String = pieces
                    .map(|piece| {
                        let text = String::from_utf8_lossy(piece);
                        format!("{:x};x=\"y\"\r\n{text}\r\n", piece.len())
                    })
                    .collect();
                let fields = format!("{TYPE}Transfer-Encoding: chunked\r\n");
                post_with(&fields, &format!("{chunks}0\r\nA: b\r\n\r\n"))
            }
            3 => post(&format!("[{message},{detail},{message}]")),
            4 => "GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n".into(),
            5 => post(&message[..usize::from(*detail) % message.len()]),
            6 => post_with(
                &format!("{TYPE}Expect: 100-continue\r\nContent-Length: 2\r\n"),
                "{}",
            ),
            7 if *detail < 40 => "GET / HTTP/1.1\r\nHost: h\r\n\r\n".into(),
            8 if *detail < 40 => post(&message).replace("HTTP/1.1", "HTTP/1.0"),
            9 if *detail < 40 => {
                post_with(&format!("{TYPE}Transfer-Encoding: chunked\r\n"), "2 \r\n{}")
            }
            10 if *detail < 40 => request(Version::V1) + "\u{1}\u{2}",
            11 if *detail < 40 => post(&message).replace(TYPE, ""),
            12 if *detail < 40 => post_with(&format!("{TYPE}Content-Length: 70000\r\n"), &message),
            _ => "\r\nHEAD /notifications HTTP/1.1\r\nHost: h\r\n\r\n"
                [..usize::from(detail % 3) * 2]
                .into(),
        };
    }
    // The verdict on a head that is not complete may fall sooner or later.
    said += "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    said.into_bytes()
}

/// What the client is answered by a hub that hands out at the end, what another hears, and the facts.
fn told(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<u8>, Vec<Seen>) {
    let mut world = World::alone();
    let listener = world.open(0, Version::V1, LISTENER);
    world.text(listener, &subscription(&[0, 1, 2]));
    world.quiesce();
    let peer = world.connect(0, PUBLISHER);
    world.peers[peer].version = Version::V1;
    world.say_raw(peer, bytes);
    let mut cuts = cuts.iter().cycle();
    while !world.peers[peer].wire.is_empty() {
        world.carry(peer, *cuts.next().unwrap_or(&usize::MAX));
    }
    world.hand_out(0);
    world.flush(0);
    let bytes = |peer: usize| world.peers[peer].bytes.clone();
    let seen = world.seen.borrow().clone();
    (bytes(peer), bytes(listener), seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn requests_may_be_cut_anywhere(
        says in prop::collection::vec((0_u8..14, any::<u8>()), 0..8),
        cuts in prop::collection::vec(1_usize..90, 1..9),
    ) {
        let bytes = conversation(&says);
        let whole = told(&bytes, &[]);
        prop_assert_eq!(&told(&bytes, &[1]), &whole);
        prop_assert_eq!(&told(&bytes, &cuts), &whole);
    }
}
