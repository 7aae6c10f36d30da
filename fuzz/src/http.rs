//! HTTP on the hub's port, from bytes to bytes.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use campanile_core::{
    Instant,
    hub::{Fact, HashKey, Hub, Options, Rate, Rights, Sequence, SessionId},
    notify::{self, Limits, Message},
};

use crate::{
    script::{Script, pieces},
    wishes,
};

/// Format: three lengths of pieces; then what a client says. A byte says which part is next: 0 a POST of a
/// notification with its length, 1 the same in chunks of a byte's length, 2 of a batch of so many (a
/// byte), 3 GET /healthz, 4 an upgrade, 5 a chunk as the body of a POST, 6 a chunk as the rest of the head
/// of one, 7 a chunk as the body of one that says to be chunked, 8 a chunk as it is.
///
/// However this is cut, the answers are the same, each of them is a whole response, and what they say was
/// published is what the hub says it was; and that is what a naive reader finds in the same bytes, as far
/// as these are what an ordinary client sends.
pub fn http(data: &[u8]) {
    let mut script = Script::new(data);
    let cuts: [u8; 3] = script.array();
    let mut said = Vec::new();
    let mut expected = Some(0);
    while !script.is_empty() {
        let ordinary = part(&mut script, &mut said);
        expected = expected.zip(ordinary).map(|(sum, more)| sum + more);
    }
    let may_upgrade = expected.is_none();
    said.extend_from_slice(b"\r\nGET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let whole = answers(&[&said]);
    let single: Vec<&[u8]> = said.chunks(1).collect();
    assert_eq!(answers(&single), whole, "byte by byte");
    assert_eq!(answers(&pieces(&said, &cuts)), whole, "in pieces");
    let (bytes, published) = whole;
    let (acknowledged, is_upgraded) = responses(&bytes);
    assert!(may_upgrade || !is_upgraded, "nobody has asked for that");
    if !is_upgraded {
        assert_eq!(acknowledged, published, "what was published is told");
    }
    if let Some(expected) = expected {
        assert_eq!(published, expected, "{}", said.escape_ascii());
    }
}

/// Appends the next part; how many notifications are published by it, if it is what an ordinary client
/// sends.
fn part(script: &mut Script<'_>, said: &mut Vec<u8>) -> Option<usize> {
    const POST: &str =
        "POST /notifications HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
    let mut put = |bytes: &[u8]| said.extend_from_slice(bytes);
    match script.below(9) {
        0 => {
            let body = wishes::publishing(script);
            put(format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
            Some(usize::from(is_publication(body.as_bytes())))
        }
        1 => {
            let size = usize::from(script.byte()) + 1;
            let body = wishes::publishing(script);
            put(format!("{POST}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
            for chunk in body.as_bytes().chunks(size) {
                put(format!("{:X};x=\"{size}\"\r\n", chunk.len()).as_bytes());
                put(chunk);
                put(b"\r\n");
            }
            put(b"0\r\nA: b\r\n\r\n");
            Some(usize::from(is_publication(body.as_bytes())))
        }
        2 => {
            let count = script.below(5);
            let list: Vec<String> = (0..count).map(|_| wishes::publishing(script)).collect();
            let body = format!("[{}]", list.join(" , "));
            put(format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
            let good = list.iter().filter(|text| is_publication(text.as_bytes()));
            // One that is broken may break the list, or seem to be several.
            let elements = serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&body);
            let is_list = elements.is_ok_and(|elements| elements.len() == count);
            is_list.then(|| good.count())
        }
        3 => {
            put(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
            Some(0)
        }
        4 => {
            put(
                b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            );
            None
        }
        5 => {
            let chunk = script.chunk();
            put(format!("{POST}Content-Length: {}\r\n\r\n", chunk.len()).as_bytes());
            put(chunk);
            let is_list = chunk.trim_ascii_start().starts_with(b"[");
            (!is_list).then(|| usize::from(is_publication(chunk)))
        }
        6 => {
            put(POST.as_bytes());
            put(script.chunk());
            put(b"\r\n\r\n");
            None
        }
        7 => {
            put(format!("{POST}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
            put(script.chunk());
            None
        }
        _ => {
            put(script.chunk());
            None
        }
    }
}

fn is_publication(text: &[u8]) -> bool {
    matches!(
        notify::parse(text, &Limits::default()),
        Ok(Message::Publication(_))
    )
}

type Watch = Box<dyn FnMut(&Fact<'_>)>;

/// What a hub answers a publisher, and how many notifications it says were published.
fn answers(pieces: &[&[u8]]) -> (Vec<u8>, usize) {
    let published = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&published);
    let watch: Watch = Box::new(move |fact| {
        *seen.borrow_mut() += usize::from(matches!(fact, Fact::Published { .. }));
    });
    let options = Options {
        messages: Rate::UNLIMITED,
        ..Options::default()
    };
    let mut sequence = Sequence::new(1);
    let now = Instant::from_millis(1);
    let mut hub = Hub::new(&options, HashKey([1; 2]), sequence.position(), watch);
    let peer = SocketAddr::from(([192, 0, 2, 1], 1));
    let rights = Rights { publish: true };
    let id: SessionId = hub.accept(1, peer, rights, now).expect("there is room");
    for piece in pieces {
        let mut kept = [0; 256];
        let count = hub.take_unfinished(id, &mut kept);
        let mut all = [&kept[..count], piece].concat();
        let mut rest = &mut all[..];
        while !rest.is_empty() {
            let taken = hub.receive(id, rest, now);
            rest = &mut rest[taken..];
            if !rest.is_empty() {
                hub.hand_out(&mut sequence, now);
            }
        }
    }
    hub.hand_out(&mut sequence, now);
    let mut bytes = Vec::new();
    while let Some(due) = hub.poll_transmit(now) {
        let more: Vec<u8> = hub.chunks(due).flatten().copied().collect();
        hub.sent(due, more.len());
        bytes.extend(more);
    }
    let published = *published.borrow();
    (bytes, published)
}

/// How many notifications the responses acknowledge, and whether a WebSocket was opened, in which others
/// may have been published.
fn responses(bytes: &[u8]) -> (usize, bool) {
    let mut rest = bytes;
    let mut acknowledged = 0;
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, behind) = rest.split_at(end.expect("a whole head") + 4);
        let head = str::from_utf8(head).expect("a head in ASCII");
        if head.starts_with("HTTP/1.1 101 ") {
            return (acknowledged, true);
        }
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status: u16 = status
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let field = |name: &str| {
            let mut lines = head.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        rest = behind;
        if status == 100 {
            continue;
        }
        let length = field("Content-Length").expect("a length");
        let length: usize = length.parse().expect("a number");
        // Nothing but the answer to HEAD has none, and that is the last one.
        if behind.len() < length {
            assert!(behind.is_empty() && status >= 400, "{head}");
            break;
        }
        let (body, behind) = behind.split_at(length);
        let media = field("Content-Type").expect("a type");
        if media.ends_with("json") {
            let json: serde_json::Value = serde_json::from_slice(body).expect("JSON");
            match (&json, status) {
                (serde_json::Value::Array(list), 200) => {
                    let good = list.iter().filter(|one| one["position"].is_string());
                    acknowledged += good.count();
                }
                (one, 200) => {
                    assert!(one["position"].is_string() && one["recipients"] == 0);
                    acknowledged += 1;
                }
                (problem, _) => assert_eq!(problem["status"], status),
            }
        }
        rest = behind;
        if field("Connection").is_some_and(|value| value.contains("close")) {
            assert!(rest.is_empty(), "something follows the last response");
        }
    }
    (acknowledged, false)
}
