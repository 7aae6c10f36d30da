//! The hub between pipes of exactly the promised size, with a clock moved by hand: what real sockets
//! are too roomy and too fast for.

use core::time::Duration;
use std::collections::VecDeque;

use campanile_core::{
    Instant,
    conn::Config,
    handshake::{HANDSHAKE_TIME, LINGER_TIME},
    notify::{Limits, Message, matches, parse},
};
use campanile_tests::{Frame, Wire};
use campanile_tiny_hub::{Arrived, CLIENTS, Hub, MESSAGE, OUTBOX, PLACES, Transport};
use proptest::{collection::vec, prelude::*, sample::select};

const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;

/// A set of subscriptions as a client sends it.
fn wish(values: &str) -> String {
    format!(
        r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{values}}}}}]}}"#
    )
}

/// A notification as a publisher sends it.
fn news(values: &str) -> String {
    format!(
        r#" {{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{values}}}}}}} "#
    )
}

#[test]
fn who_does_not_read_is_cut_off_with_1013_and_the_others_hear_everything() {
    let mut device = Device::new();
    let (slow, quick) = (device.open(), device.open());
    for place in [slow, quick] {
        device.say(place, &wish("true"));
    }
    let notification = news(&format!("\"{}\"", "x".repeat(300)));
    let fit = (OUTBOX - 14 - 256 - 3 * 131) / (notification.len() + 4);
    for _ in 0..=fit {
        device.publish(&notification);
        assert_eq!(device.heard(quick), [text(&notification)]);
    }
    let heard = device.heard(slow);
    let (last, notifications) = heard.split_last().expect("it was told");
    let (error, notifications) = notifications.split_last().expect("likewise");
    // What had been sent cannot be taken back, and is whole.
    assert_eq!(notifications, vec![text(&notification); fit]);
    assert!(
        said(error).contains(r#""code":"slow_consumer""#),
        "{error:?}"
    );
    assert_eq!(last, &close(1013, "slow consumer"));
    // It may read that, and its place is free when it has answered.
    device.leave(slow, 1013);
    device.publish(&notification);
    assert_eq!(device.heard(quick), [text(&notification)]);
}

#[test]
fn a_slow_client_that_says_no_more_is_given_up_in_time() {
    let mut device = Device::new();
    let slow = device.open();
    device.say(slow, &wish("true"));
    let notification = news(&format!("\"{}\"", "x".repeat(400)));
    for _ in 0..OUTBOX / notification.len() {
        device.publish(&notification);
    }
    assert!(!device.is_free(slow));
    device.wait(Config::CLOSE_TIMEOUT);
    assert!(device.is_free(slow));
}

#[test]
fn who_may_not_publish_is_told_so_and_closed() {
    let mut device = Device::new();
    let subscriber = device.open();
    device.say(subscriber, &wish("true"));
    device.net.may_publish = false;
    let stranger = device.open();
    device.say(stranger, &news("1"));
    let heard = device.heard(stranger);
    assert!(
        said(&heard[0]).contains(r#""code":"forbidden""#),
        "{heard:?}"
    );
    assert_eq!(heard[1..], [close(1008, "publishing is forbidden")]);
    assert_eq!(device.heard(subscriber), []);
}

#[test]
fn nothing_is_sent_behind_a_close() {
    for behind in [
        Frame::text(vec![b'x'; MESSAGE + 1]),
        Frame::text(PING),
        Frame::text("{"),
        Frame::text(news("1")),
        Frame::binary(""),
        Frame::ping(""),
        Frame::text("").unfinished(),
    ] {
        let mut device = Device::new();
        let place = device.open();
        let talk = [
            Frame::text(news("1")).masked(),
            behind.masked(),
            behind.masked(),
        ];
        device.receive(place, &talk.concat());
        assert_eq!(
            device.heard(place),
            [close(1000, "published")],
            "{behind:?}"
        );
    }
}

#[test]
fn a_publisher_that_is_cut_off_for_its_own_notification_hears_nothing_behind_that() {
    let mut device = Device::new();
    let place = device.open_v1();
    device.say(place, &wish("true"));
    device.take(place);
    // The first leaves room for any answer, but not for the second.
    device.publish(&news(&format!("1{}", " ".repeat(1100))));
    device.say(place, &news(&format!("1{}", " ".repeat(1300))));
    let heard = device.heard(place);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(said(&heard[0]).starts_with(r#"{"position":"000000000000-000000000001","sender""#));
    assert!(
        said(&heard[1]).contains(r#""code":"slow_consumer""#),
        "{heard:?}"
    );
    assert_eq!(heard[2], close(1013, "slow consumer"));
}

#[test]
fn nothing_of_a_session_is_left_to_the_next_one() {
    let mut device = Device::new();
    let place = device.open_v1();
    device.say(place, &wish("true"));
    device.take(place);
    device.receive(place, &Frame::text(news("1")).unfinished().masked());
    device.leave(place, 1000);
    device.take(place);
    assert_eq!(device.open(), place);
    device.publish(&news("1"));
    assert_eq!(device.heard(place), []);
    device.say(place, &wish("true"));
    device.publish(&news("1"));
    assert_eq!(device.heard(place), [text(&news("1"))]);
}

#[test]
fn a_silent_client_is_pinged_and_then_given_up() {
    let mut device = Device::new();
    let [silent, alive] = [device.open(), device.open()];
    for _ in 0..2 {
        device.wait(Config::PING_INTERVAL - Config::PONG_TIMEOUT);
        assert_eq!(device.heard(alive), []);
        device.wait(Config::PONG_TIMEOUT);
        assert_eq!(device.heard(alive), [Frame::ping("")]);
        device.receive(alive, &Frame::pong("").masked());
    }
    assert_eq!(device.heard(silent), [Frame::ping("")]);
    assert!(device.is_free(silent) && !device.is_free(alive));
}

#[test]
fn who_says_nothing_or_something_else_does_not_keep_its_place() {
    let mut device = Device::new();
    let nobody = device.connect();
    let lost = device.connect();
    device.receive(lost, b"GET / HTTP/1.1\r\n\r\n");
    assert!(device.take(lost).starts_with(b"HTTP/1.1 4"));
    assert!(device.net.places[lost].is_shut_down);
    // It may go on for a moment, so that the answer is not lost.
    device.receive(lost, &[b'x'; 5000]);
    assert_eq!(device.net.places[lost].incoming.len(), 0);
    assert!(!device.is_free(lost));
    device.wait(LINGER_TIME);
    assert!(device.is_free(lost) && !device.is_free(nobody));
    device.wait(HANDSHAKE_TIME - LINGER_TIME);
    assert!(device.is_free(nobody));
    assert_eq!(device.take(nobody), b"");
}

#[test]
fn who_does_not_read_its_answers_is_not_heard_and_none_is_lost() {
    let mut device = Device::new();
    let (talker, other) = (device.open(), device.open());
    let questions = 500;
    for number in 0..questions {
        // With a path of any length, which is written twice, and in the longest way.
        let key = r"\u0001".repeat(number % 80);
        let question = wish(&format!(r#"{{"{key}":{{}}}}"#));
        device.net.receive(talker, &Frame::text(question).masked());
        device.net.receive(talker, &Frame::text(PING).masked());
    }
    device.run(); // and `Net::send` asserts that all of it fits
    assert!(!device.net.places[talker].incoming.is_empty());
    // It costs nobody else anything.
    device.say(other, PING);
    assert_eq!(device.heard(other), [text(PONG)]);
    let mut answers = Vec::new();
    while !device.net.places[talker].outgoing.is_empty() {
        answers.extend(device.heard(talker));
        device.run();
    }
    assert_eq!(answers.len(), 2 * questions);
    for pair in answers.chunks(2) {
        assert!(
            said(&pair[0]).contains(r#""code":"invalid_subscription""#),
            "{pair:?}"
        );
        assert_eq!(pair[1], text(PONG));
    }
}

#[test]
fn one_who_talks_without_end_does_not_keep_the_others_waiting() {
    let mut device = Device::new();
    let (talker, other) = (device.open(), device.open());
    (0..1000).for_each(|_| device.net.receive(talker, &Frame::pong("").masked()));
    device.net.receive(other, &Frame::text(PING).masked());
    device.hub.poll(&mut device.net, device.now);
    assert_eq!(device.heard(other), [text(PONG)]);
}

#[test]
fn the_end_of_the_stream_frees_the_place_at_any_byte() {
    let talk = [
        Wire::handshake(([127, 0, 0, 1], 1).into()).into_bytes(),
        Frame::text(wish("1")).masked(),
        Frame::text("fragment").unfinished().masked(),
        Frame::ping("ping").masked(),
    ]
    .concat();
    let mut device = Device::new();
    for end in 0..=talk.len() {
        let place = device.connect();
        device.receive(place, &talk[..end]);
        device.net.places[place].has_ended = true;
        device.run();
        assert!(device.is_free(place), "after {end} bytes");
        device.publish(&news("1")); // nobody is there to hear it
        device.net.places[place].outgoing.clear();
    }
}

/// What somebody does to the hub.
#[derive(Clone, Debug)]
enum Deed {
    Subscribe(usize, &'static str),
    Publish(usize, &'static str),
    Leave(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let who = 0..CLIENTS - 1; // one place is for publishers who come and go
    let wished = select(vec![
        "true",
        "[]",
        "1",
        "\"1\"",
        r#"["1",2]"#,
        r#"{"a":1}"#,
        r#"{"a":[1,2],"b":true}"#,
        r#"{"b":"x"}"#,
    ]);
    let published = select(vec![
        "1",
        "2.0",
        "\"2\"",
        "[]",
        r#"{"a":1}"#,
        r#"{"a":[3,2],"b":null}"#,
        r#"{"b":"x","a":"1.0"}"#,
    ]);
    let deed = prop_oneof![
        (who.clone(), wished).prop_map(|(who, values)| Deed::Subscribe(who, values)),
        (0..CLIENTS, published).prop_map(|(who, values)| Deed::Publish(who, values)),
        who.prop_map(Deed::Leave),
    ];
    vec(deed, 1..60)
}

proptest! {
    /// The naive twin keeps the messages of the clients, and asks the pure matching for each.
    #[test]
    fn everybody_hears_what_the_pure_matching_says_and_nothing_else(deeds in deeds()) {
        let mut device = Device::new();
        let mut published = 0;
        let mut clients: Vec<_> = (1..CLIENTS).map(|number| Client::new(&mut device, number % 2 == 0)).collect();
        for deed in deeds {
            match deed {
                Deed::Subscribe(who, values) => {
                    let client = &mut clients[who];
                    client.wish = wish(values);
                    device.say(client.place, &client.wish);
                    if client.is_v1 {
                        client.expected.push(text(&format!(
                            r#"{{"sender":"server","subscribed":{{"count":1,"position":"{}"}}}}"#,
                            position(published)
                        )));
                    }
                }
                Deed::Publish(who, values) => {
                    let message = news(values);
                    published += 1;
                    let mut recipients = 0;
                    for client in &mut clients {
                        if naively_matches(&client.wish, &message) {
                            recipients += 1;
                            client.expected.push(client.hears(&message, published));
                        }
                    }
                    match clients.get_mut(who) {
                        None => device.publish(&message),
                        Some(client) if client.is_v1 => {
                            device.say(client.place, &message);
                            client.expected.push(text(&format!(
                                r#"{{"sender":"server","published":{{"position":"{}","recipients":{recipients}}}}}"#,
                                position(published)
                            )));
                        }
                        // A subscriber publishes, and is closed for it.
                        Some(client) => {
                            device.say(client.place, &message);
                            client.expected.push(close(1000, "published"));
                            client.replace(&mut device, 1000);
                        }
                    }
                }
                Deed::Leave(who) => {
                    let client = &mut clients[who];
                    device.receive(client.place, &Frame::close(4000).masked());
                    client.expected.push(Frame::close(4000));
                    client.replace(&mut device, 4000);
                }
            }
            for client in &mut clients {
                prop_assert_eq!(device.heard(client.place), core::mem::take(&mut client.expected));
            }
        }
    }

    #[test]
    fn however_bytes_are_cut_the_answers_are_the_same(cuts in vec(1_usize..700, 1..40)) {
        let long = news(&format!("\"{}\"", "x".repeat(800)));
        let (start, end) = long.split_at(300);
        let talk = [
            Wire::handshake(([127, 0, 0, 1], 1).into()).into_bytes(),
            Frame::text(wish("true")).masked(),
            Frame::ping([7; 125]).masked(),
            Frame::text("{").masked(),
            Frame::text(PING).masked(),
            Frame::text(start).unfinished().masked(),
            Frame::ping("between").masked(),
            Frame::continuation(end).masked(),
            Frame::text(PING).masked(), // not heard
            Frame::close(1000).masked(),
        ].concat();
        let answers = |cuts: &[usize]| {
            let mut device = Device::new();
            let place = device.connect();
            let (mut rest, mut cuts) = (&talk[..], cuts.iter().cycle());
            let mut answers = Vec::new();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().expect("a cycle")));
                device.receive(place, now);
                answers.extend(device.take(place));
                rest = later;
            }
            assert!(device.net.places[place].is_shut_down);
            answers
        };
        prop_assert_eq!(answers(&cuts), answers(&[talk.len()]));
    }

    #[test]
    fn no_bytes_break_the_hub(
        talks in vec((any::<bool>(), vec(any::<u8>(), 0..300), any::<bool>()), 1..12),
    ) {
        let mut device = Device::new();
        for (opens, bytes, ends) in talks {
            let place = if opens { device.open() } else { device.connect() };
            device.receive(place, &bytes);
            device.net.places[place].has_ended = ends;
            device.wait(HANDSHAKE_TIME);
            device.take(place);
            device.net.places[place].has_ended = true;
            device.run();
            prop_assert!(device.is_free(place));
        }
    }
}

/// A client, and what the naive twin knows of it.
struct Client {
    place: usize,
    is_v1: bool,
    wish: String,
    expected: Vec<Frame>,
}

impl Client {
    fn new(device: &mut Device, is_v1: bool) -> Self {
        let place = if is_v1 {
            device.open_v1()
        } else {
            device.open()
        };
        Self {
            place,
            is_v1,
            wish: PING.into(),
            expected: Vec::new(),
        }
    }

    /// It has heard all that it should before it went, and comes again.
    fn replace(&mut self, device: &mut Device, code: u16) {
        assert_eq!(device.heard(self.place), self.expected);
        device.leave(self.place, code);
        *self = Self::new(device, self.is_v1);
    }

    fn hears(&self, message: &str, published: u64) -> Frame {
        if !self.is_v1 {
            return text(message);
        }
        let members = message.trim_start().strip_prefix('{').expect("an object");
        text(&format!(
            r#"{{"position":"{}",{members}"#,
            position(published)
        ))
    }
}

fn position(published: u64) -> String {
    format!("000000000000-{published:012x}")
}

fn naively_matches(wished: &str, message: &str) -> bool {
    let limits = Limits::default();
    let Ok(Message::Publication(notification)) = parse(message.as_bytes(), &limits) else {
        panic!("{message} is a notification");
    };
    match parse(wished.as_bytes(), &limits) {
        Ok(Message::Client(client)) => {
            let mut set = client.subscriptions().into_iter().flatten();
            set.any(|subscription| matches(&subscription, &notification))
        }
        _ => false,
    }
}

/// The hub, its network and its clock.
struct Device {
    hub: Hub,
    net: Net,
    now: Instant,
}

impl Device {
    fn new() -> Self {
        Self {
            hub: Hub::new(),
            net: Net {
                places: Default::default(),
                may_publish: true,
            },
            now: Instant::ZERO,
        }
    }

    /// Lets the hub do all that it can.
    fn run(&mut self) {
        let mut turns = 0;
        while self.hub.poll(&mut self.net, self.now) {
            turns += 1;
            assert!(turns < 100_000, "the hub is busy with nothing");
        }
    }

    /// Lets some time pass, in which the hub is asked ten times a second.
    fn wait(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(Duration::from_millis(100)).min(end);
            self.run();
        }
    }

    /// A peer comes to a place that is free.
    fn connect(&mut self) -> usize {
        let is_free = |pipe: &Pipe| !pipe.is_taken && !pipe.is_here;
        let place = self.net.places.iter().position(is_free);
        let place = place.expect("there is room");
        self.net.places[place] = Pipe {
            is_here: true,
            ..Pipe::default()
        };
        self.run();
        place
    }

    /// The same, with the opening handshake.
    fn open(&mut self) -> usize {
        let place = self.connect();
        self.receive(
            place,
            Wire::handshake(([127, 0, 0, 1], 1).into()).as_bytes(),
        );
        let response = self.take(place);
        assert!(response.starts_with(b"HTTP/1.1 101 "));
        place
    }

    /// The same for a v1 session.
    fn open_v1(&mut self) -> usize {
        let place = self.connect();
        let request = Wire::handshake(([127, 0, 0, 1], 1).into());
        let offer = "\r\nSec-WebSocket-Protocol: other, campanile.v1\r\n\r\n";
        let request = request.replace("\r\n\r\n", offer);
        self.receive(place, request.as_bytes());
        let response = String::from_utf8(self.take(place)).expect("text");
        assert!(response.contains("\r\nSec-WebSocket-Protocol: campanile.v1\r\n"));
        place
    }

    fn receive(&mut self, place: usize, bytes: &[u8]) {
        self.net.receive(place, bytes);
        self.run();
    }

    fn say(&mut self, place: usize, text: &str) {
        self.receive(place, &Frame::text(text).masked());
    }

    /// Publishes over a connection of its own.
    fn publish(&mut self, message: &str) {
        let publisher = self.open();
        self.say(publisher, message);
        assert_eq!(self.heard(publisher), [close(1000, "published")]);
        self.leave(publisher, 1000);
    }

    /// The peer closes, or answers a close, and ends its direction when the hub has.
    fn leave(&mut self, place: usize, code: u16) {
        self.receive(place, &Frame::close(code).masked());
        assert!(self.net.places[place].is_shut_down);
        self.net.places[place].has_ended = true;
        self.run();
        assert!(self.is_free(place));
    }

    /// The peer reads all that was sent.
    fn take(&mut self, place: usize) -> Vec<u8> {
        let bytes = core::mem::take(&mut self.net.places[place].outgoing);
        self.run(); // there is room again
        bytes
    }

    /// The same as frames.
    fn heard(&mut self, place: usize) -> Vec<Frame> {
        let bytes = core::mem::take(&mut self.net.places[place].outgoing);
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let [first, len, behind @ ..] = rest {
            let (len, behind) = match (len, behind) {
                (126, [high, low, behind @ ..]) => {
                    (u16::from_be_bytes([*high, *low]).into(), behind)
                }
                (len, behind) => (usize::from(*len), behind),
            };
            assert_eq!(first & 0x80, 0x80, "the hub sends no fragments");
            frames.push(Frame::new(first & 0x0f, &behind[..len]));
            rest = &behind[len..];
        }
        assert!(rest.is_empty(), "a frame was cut off");
        frames
    }

    fn is_free(&self, place: usize) -> bool {
        !self.net.places[place].is_taken
    }
}

fn text(text: &str) -> Frame {
    Frame::text(text)
}

fn said(frame: &Frame) -> &str {
    core::str::from_utf8(&frame.payload).expect("text")
}

fn close(code: u16, reason: &str) -> Frame {
    let mut frame = Frame::close(code);
    frame.payload.extend(reason.as_bytes());
    frame
}

/// Pipes that hold what is promised, and not a byte more.
struct Net {
    places: [Pipe; PLACES],
    may_publish: bool,
}

#[derive(Default)]
struct Pipe {
    /// A peer has come.
    is_here: bool,
    /// And the hub has taken it in.
    is_taken: bool,
    incoming: VecDeque<u8>,
    /// Whether the peer has ended its direction.
    has_ended: bool,
    outgoing: Vec<u8>,
    is_shut_down: bool,
}

impl Net {
    fn receive(&mut self, place: usize, bytes: &[u8]) {
        self.places[place].incoming.extend(bytes);
    }
}

impl Transport for Net {
    fn accept(&mut self, place: usize) -> bool {
        let pipe = &mut self.places[place];
        assert!(!pipe.is_taken, "it was not released");
        pipe.is_taken = pipe.is_here;
        pipe.is_here
    }

    fn may_publish(&self, _: usize) -> bool {
        self.may_publish
    }

    fn peek(&mut self, place: usize, room: &mut [u8]) -> Arrived {
        let pipe = &self.places[place];
        assert!(pipe.is_taken && !room.is_empty());
        if pipe.incoming.is_empty() && pipe.has_ended {
            return Arrived::End;
        }
        let count = room.iter_mut().zip(&pipe.incoming);
        Arrived::Bytes(count.map(|(to, from)| *to = *from).count())
    }

    fn consume(&mut self, place: usize, count: usize) {
        self.places[place].incoming.drain(..count); // panics where there are not so many
    }

    fn room(&self, place: usize) -> usize {
        OUTBOX - self.places[place].outgoing.len()
    }

    fn send(&mut self, place: usize, bytes: &[u8]) {
        let room = self.room(place);
        let pipe = &mut self.places[place];
        assert!(
            pipe.is_taken && !pipe.is_shut_down,
            "nobody is to be sent anything"
        );
        assert!(bytes.len() <= room, "{} bytes into {room}", bytes.len());
        pipe.outgoing.extend(bytes);
    }

    fn shut_down(&mut self, place: usize) {
        self.places[place].is_shut_down = true;
    }

    fn release(&mut self, place: usize) {
        let pipe = &mut self.places[place];
        assert!(pipe.is_taken, "it was not taken");
        (pipe.is_taken, pipe.is_here) = (false, false);
        pipe.incoming.clear();
    }
}

#[test]
fn the_longest_notification_fits_an_empty_outbox() {
    let mut device = Device::new();
    let subscriber = device.open();
    device.say(subscriber, &wish("true"));
    let empty = news("1").len();
    let longest = news(&format!("1{}", " ".repeat(MESSAGE - empty)));
    assert_eq!(longest.len(), MESSAGE);
    device.publish(&longest);
    assert_eq!(device.heard(subscriber), [text(&longest)]);
}
