//! The driver with transports that are two buffers.

use super::*;
use crate::hub::AdmissionLimits;
use core::time::Duration;
use proptest::prelude::*;
use std::{cell::RefCell, rc::Rc, string::String};

const SUBSCRIPTION: &str = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}"#;

/// The transport's other end, and what becomes of it.
#[derive(Debug, Default)]
struct Peer {
    /// What it has said, and was not read yet.
    says: VecDeque<u8>,
    /// Whether it says nothing behind that.
    has_ended: bool,
    /// How much it takes before it has to be asked again.
    room: usize,
    heard: Vec<u8>,
    is_shut_down: bool,
    is_broken: bool,
    reads: usize,
    interest: Option<Interest>,
    is_closed: bool,
}

struct Pipe(Rc<RefCell<Peer>>);

impl Transport for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        let mut peer = self.0.borrow_mut();
        peer.reads += 1;
        if peer.is_broken {
            return Progress::Failed;
        }
        let count = buffer.len().min(peer.says.len()).min(40);
        for (to, from) in buffer.iter_mut().zip(peer.says.drain(..count)) {
            *to = from;
        }
        if count == 0 && !peer.has_ended {
            return Progress::Blocked;
        }
        Progress::Done(count)
    }

    fn write(&mut self, chunks: &[&[u8]]) -> Progress {
        let mut peer = self.0.borrow_mut();
        if peer.is_broken {
            return Progress::Failed;
        }
        if peer.room == 0 {
            return Progress::Blocked;
        }
        let before = peer.heard.len();
        for byte in chunks.iter().copied().flatten() {
            if peer.room == 0 {
                break;
            }
            peer.room -= 1;
            peer.heard.push(*byte);
        }
        Progress::Done(peer.heard.len() - before)
    }

    fn shutdown(&mut self) {
        self.0.borrow_mut().is_shut_down = true;
    }

    fn wait_for(&mut self, interest: Interest) {
        self.0.borrow_mut().interest = Some(interest);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.0.borrow_mut().is_closed = true;
    }
}

fn driver(connections: usize) -> Driver<Pipe> {
    let options = Options {
        admission: AdmissionLimits {
            connections,
            per_address: 0,
        },
        ..Options::default()
    };
    Driver::new(options, HashKey([1, 2]), 1, |_| {})
}

/// A client that asks for an upgrade and then says `texts`.
fn join(driver: &mut Driver<Pipe>, texts: &[&str]) -> (Option<SessionId>, Rc<RefCell<Peer>>) {
    let peer = Rc::new(RefCell::new(Peer {
        room: usize::MAX,
        ..Peer::default()
    }));
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    peer.borrow_mut().says.extend(request.as_bytes());
    for text in texts {
        say(&peer, text);
    }
    let address = "127.0.0.1:9".parse().unwrap();
    let id = driver.join(Pipe(Rc::clone(&peer)), address, Instant::ZERO);
    (id, peer)
}

fn say(peer: &RefCell<Peer>, text: &str) {
    let mut peer = peer.borrow_mut();
    let len = u8::try_from(text.len()).unwrap();
    match len {
        0..126 => peer.says.extend([0x81, 0x80 | len, 0, 0, 0, 0]),
        _ => peer.says.extend([0x81, 0xFE, 0, len, 0, 0, 0, 0]),
    }
    peer.says.extend(text.as_bytes());
}

fn publication(number: usize) -> String {
    std::format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":{number}}}}}"#
    )
}

/// Turns until there is nothing more to do; how many that were.
fn settle(driver: &mut Driver<Pipe>) -> usize {
    let mut turns = 0;
    loop {
        driver.turn(Instant::ZERO);
        turns += 1;
        if !driver.has_more() {
            return turns;
        }
    }
}

fn heard(peer: &RefCell<Peer>) -> String {
    let peer = peer.borrow();
    let end = peer.heard.windows(4).position(|four| four == b"\r\n\r\n");
    let frames = &peer.heard[end.expect("it was answered") + 4..];
    String::from_utf8_lossy(frames).into_owned()
}

#[test]
fn a_notification_goes_to_who_wants_it_and_its_publisher_is_closed() {
    let mut driver = driver(0);
    let (_, subscriber) = join(&mut driver, &[SUBSCRIPTION]);
    let (_, other) = join(&mut driver, &[]);
    settle(&mut driver);
    let (id, publisher) = join(&mut driver, &[&publication(1)]);
    settle(&mut driver);
    assert!(heard(&subscriber).ends_with(&publication(1)));
    assert_eq!(heard(&other), "");
    assert!(
        publisher
            .borrow()
            .heard
            .ends_with(b"\x88\x0b\x03\xe8published")
    );
    // It answers the close, and goes.
    let mut says = publisher.borrow_mut();
    says.says.extend([0x88, 0x82, 0, 0, 0, 0, 3, 0xE8]);
    says.has_ended = true;
    drop(says);
    driver.readable(id.unwrap());
    settle(&mut driver);
    assert!(publisher.borrow().is_shut_down && publisher.borrow().is_closed);
    assert_eq!(driver.hub().sessions(), 2);
    assert!(driver.transport(id.unwrap()).is_none());
}

#[test]
fn who_does_not_take_what_is_due_is_not_read_from_until_it_does() {
    let mut driver = driver(0);
    let (id, slow) = join(&mut driver, &[SUBSCRIPTION]);
    let id = id.unwrap();
    settle(&mut driver);
    slow.borrow_mut().room = 10;
    join(&mut driver, &[&publication(1)]);
    settle(&mut driver);
    assert_eq!(slow.borrow().interest, Some(Interest::Writable));
    say(&slow, r#"{"type":"ping"}"#);
    let reads = slow.borrow().reads;
    driver.readable(id);
    settle(&mut driver);
    assert_eq!(slow.borrow().reads, reads);
    slow.borrow_mut().room = usize::MAX;
    driver.writable(id);
    settle(&mut driver);
    assert_eq!(slow.borrow().interest, Some(Interest::Readable));
    let heard = heard(&slow);
    let both = std::format!("{}\u{fffd}\u{f}{{\"type\":\"pong\"}}", publication(1));
    assert!(heard.ends_with(&both), "{heard}");
}

#[test]
fn everybody_is_read_from_once_a_turn() {
    let mut driver = driver(0);
    let peers: Vec<_> = (0..3)
        .map(|_| join(&mut driver, &[SUBSCRIPTION]).1)
        .collect();
    for turns in 1..=4 {
        driver.turn(Instant::ZERO);
        for peer in &peers {
            assert_eq!(peer.borrow().reads, turns);
        }
    }
    assert!(driver.has_more());
}

#[test]
fn only_so_many_are_taken_in_and_told_and_their_places_are_given_back() {
    let mut driver = driver(2);
    let mut peers: Vec<_> = (0..2).map(|_| join(&mut driver, &[])).collect();
    for _ in 0..Admission::DECLINED {
        peers.push(join(&mut driver, &[]));
    }
    let (id, dropped) = join(&mut driver, &[]);
    assert!(id.is_none() && dropped.borrow().is_closed);
    settle(&mut driver);
    for (number, (_, peer)) in peers.iter().enumerate() {
        let status: &[u8] = if number < 2 {
            b"HTTP/1.1 101 "
        } else {
            b"HTTP/1.1 503 "
        };
        assert!(peer.borrow().heard.starts_with(status), "{number}");
    }
    for (id, peer) in &peers {
        peer.borrow_mut().is_broken = true;
        driver.readable(id.unwrap());
    }
    settle(&mut driver);
    assert!(peers.iter().all(|(_, peer)| peer.borrow().is_closed));
    assert_eq!(driver.hub().sessions(), 0);
    let (id, peer) = join(&mut driver, &[]);
    settle(&mut driver);
    assert!(id.is_some() && peer.borrow().heard.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn a_drain_closes_everybody_and_declines_newcomers() {
    let mut driver = driver(0);
    let (_, peer) = join(&mut driver, &[SUBSCRIPTION]);
    settle(&mut driver);
    driver.drain(Instant::ZERO);
    let (_, late) = join(&mut driver, &[]);
    settle(&mut driver);
    assert!(late.borrow().heard.starts_with(b"HTTP/1.1 503 "));
    let at = Instant::ZERO.after(Duration::from_secs(1));
    driver.turn(at);
    let heard = peer.borrow().heard.clone();
    assert!(
        heard
            .windows(4)
            .any(|four| four[0] == 0x88 && four[2..] == [3, 0xE9])
    );
    driver.turn(at.after(Duration::from_secs(60)));
    driver.turn(at.after(Duration::from_secs(120)));
    assert_eq!(driver.hub().sessions(), 0);
}

proptest! {
    /// However little the subscribers take at a time, they hear everything in order.
    #[test]
    fn everything_arrives_in_order(rooms in prop::collection::vec((0_usize..3, 0_usize..200), 1..60)) {
        let mut driver = driver(0);
        let peers: Vec<_> = (0..3).map(|_| join(&mut driver, &[SUBSCRIPTION])).collect();
        settle(&mut driver);
        let before: Vec<_> = peers.iter().map(|(_, peer)| peer.borrow().heard.len()).collect();
        for (_, peer) in &peers {
            peer.borrow_mut().room = 0;
        }
        for (number, (who, room)) in rooms.iter().enumerate() {
            join(&mut driver, &[&publication(number)]);
            settle(&mut driver);
            let (id, peer) = &peers[*who];
            peer.borrow_mut().room = *room;
            driver.writable(id.unwrap());
            settle(&mut driver);
        }
        let expected: Vec<u8> = (0..rooms.len())
            .map(publication)
            .flat_map(|text| [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
            .collect();
        for ((id, peer), before) in peers.iter().zip(before) {
            peer.borrow_mut().room = usize::MAX;
            driver.writable(id.unwrap());
            settle(&mut driver);
            prop_assert_eq!(&peer.borrow().heard[before..], &expected[..]);
        }
    }
}
