//! One to three hubs and their clients, whatever happens to them, against a naive model of who is to
//! be told what.

use alloc::{collections::VecDeque, format, string::String, vec, vec::Vec};

use proptest::{prelude::*, sample::Index};

use super::world::{
    EPOCH, LISTENER, PUBLISHER, Seen, Told, World, publication, request_with, subscription,
};
use crate::{
    conn::{Config, MAX_LEFTOVER},
    hub::{Options, OutboxLimits, Rate, SlowPolicy, Version},
    notify::{self, Message, Position},
    wire::Kind,
};

#[derive(Clone, Debug)]
enum Say {
    Subscribe(Vec<u8>),
    /// To a channel, so many in a row.
    Publish(u8, u8),
    Ping,
    WebSocketPing(u8),
    Bad,
    Binary,
    /// A frame that is not masked.
    Garbage,
    Close,
}

#[derive(Clone, Debug)]
enum Step {
    Connect {
        hub: Index,
        v1: bool,
        publisher: bool,
        /// Of a client that offers compression.
        offer: Option<[u8; 3]>,
    },
    Say(Index, Say),
    Carry(Index, usize),
    Flush(Index),
    Place(Index),
    Deliver(Index),
    Settle(Index),
    /// The peer takes only so many bytes more.
    Stall(Index, usize),
    Room(Index, usize),
    End(Index),
    Reset(Index),
    WriteFails(Index),
    Wait(u64),
}

fn say() -> impl Strategy<Value = Say> {
    prop_oneof![
        6 => prop::collection::vec(0_u8..4, 0..4).prop_map(Say::Subscribe),
        6 => (0_u8..4, 1_u8..4).prop_map(|(channel, count)| Say::Publish(channel, count)),
        1 => (0_u8..4, 120_u8..140).prop_map(|(channel, count)| Say::Publish(channel, count)),
        2 => Just(Say::Ping),
        2 => any::<u8>().prop_map(Say::WebSocketPing),
        1 => Just(Say::Bad),
        1 => Just(Say::Binary),
        1 => Just(Say::Garbage),
        1 => Just(Say::Close),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let bytes = || prop_oneof![Just(1_usize), 2_usize..300, Just(usize::MAX)];
    prop_oneof![
        4 => (index(), any::<bool>(), any::<bool>(), any::<Option<[u8; 3]>>()).prop_map(
            |(hub, v1, publisher, offer)| Step::Connect { hub, v1, publisher, offer }
        ),
        12 => (index(), say()).prop_map(|(who, say)| Step::Say(who, say)),
        10 => (index(), bytes()).prop_map(|(who, most)| Step::Carry(who, most)),
        6 => index().prop_map(Step::Flush),
        4 => index().prop_map(Step::Place),
        6 => index().prop_map(Step::Deliver),
        3 => index().prop_map(Step::Settle),
        2 => (index(), 0_usize..600).prop_map(|(who, room)| Step::Stall(who, room)),
        2 => (index(), 0_usize..600).prop_map(|(who, room)| Step::Room(who, room)),
        1 => index().prop_map(Step::End),
        1 => index().prop_map(Step::Reset),
        1 => index().prop_map(Step::WriteFails),
        1 => (0_u64..7_000).prop_map(Step::Wait),
    ]
}

/// What a client has said, as the model understands it.
#[derive(Clone, Debug)]
enum Said {
    Request,
    Subscribe(String),
    Publish(String),
    Ping,
    WebSocketPing(u8),
    Bad,
    Binary,
    Over,
}

/// What a client is to be answered.
#[derive(Clone, Debug)]
enum Answer {
    /// At this place, once it has one.
    Subscribed(Option<u64>),
    Published(usize),
    Pong,
    Error(&'static str),
}

#[derive(Debug)]
struct News {
    text: String,
    place: u64,
    /// By how many it is certainly heard, and by how many at most.
    heard: (u64, u64),
    is_settled: bool,
}

#[derive(Debug)]
struct Client {
    may_publish: bool,
    /// What it has said, and how long its stream was then.
    said: VecDeque<(usize, Said)>,
    is_open: bool,
    /// Nothing more is heard of it.
    is_deaf: bool,
    /// It is closing, or broken.
    is_over: bool,
    close: Option<u16>,
    set: String,
    answers: Vec<Answer>,
    news: Vec<usize>,
    pongs: Vec<Vec<u8>>,
}

/// Publications, and subscriptions with the client and the number of its answer.
#[derive(Clone, Debug)]
enum Item {
    News(usize),
    Set(usize, String, usize),
}

#[derive(Debug, Default)]
struct HubModel {
    /// What was accepted, in order.
    pending: Vec<Item>,
    /// The same in batches that it has not delivered itself.
    in_flight: VecDeque<Vec<Item>>,
    /// News on their way to it; of its own if `true`.
    transit: VecDeque<(bool, Vec<usize>)>,
    /// Its own that all have delivered or will.
    unsettled: VecDeque<Vec<usize>>,
    reached: u64,
}

struct Simulation {
    world: World,
    clients: Vec<Client>,
    hubs: Vec<HubModel>,
    news: Vec<News>,
}

impl Simulation {
    fn new(
        hubs: usize,
        policy: SlowPolicy,
        outbox: (usize, usize),
        compression: Option<[u8; 3]>,
    ) -> Self {
        #[cfg(not(feature = "deflate"))]
        let _ = compression;
        let options = Options {
            messages: Rate::UNLIMITED,
            connection: Config {
                ping_interval: None,
                control_rate: 0,
                ..Config::new()
            },
            handshake_time: core::time::Duration::from_secs(1_000_000),
            outbox: OutboxLimits {
                bytes: outbox.0,
                frames: outbox.1,
                policy,
            },
            #[cfg(feature = "deflate")]
            compression: compression.map(|[choices, level, threshold]| crate::deflate::Settings {
                threshold: usize::from(threshold),
                ..super::codec::Codec::settings([!0, choices, level])
            }),
            ..Options::default()
        };
        Self {
            world: World::new(hubs, &options),
            clients: Vec::new(),
            hubs: (0..hubs).map(|_| HubModel::default()).collect(),
            news: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        let hubs = self.hubs.len();
        let peers = self.clients.len();
        match step {
            Step::Connect {
                hub,
                v1,
                publisher,
                offer,
            } => self.connect(hub.index(hubs), *v1, *publisher, *offer),
            Step::Flush(hub) => self.world.flush(hub.index(hubs)),
            Step::Place(hub) => self.place(hub.index(hubs)),
            Step::Deliver(hub) => drop(self.deliver(hub.index(hubs))),
            Step::Settle(hub) => drop(self.settle(hub.index(hubs))),
            Step::Wait(millis) => self.world.wait(*millis),
            _ if peers == 0 => {}
            Step::Say(who, say) => self.say(who.index(peers), say),
            Step::Carry(who, most) => self.carry(who.index(peers), *most),
            Step::Stall(who, room) => self.world.peers[who.index(peers)].room = *room,
            Step::Room(who, room) => self.world.make_room(who.index(peers), *room),
            Step::End(who) => self.world.peers[who.index(peers)].ended = true,
            Step::WriteFails(who) => self.world.peers[who.index(peers)].fails = true,
            Step::Reset(who) => {
                let who = who.index(peers);
                let peer = &mut self.world.peers[who];
                peer.ended = true;
                peer.fails = true;
                peer.wire.clear();
                let taken = peer.taken;
                self.clients[who].said.retain(|(end, _)| *end <= taken);
            }
        }
    }

    fn connect(&mut self, hub: usize, v1: bool, publisher: bool, offer: Option<[u8; 3]>) {
        let rights = if publisher { PUBLISHER } else { LISTENER };
        let who = self.world.connect(hub, rights);
        let version = if v1 { Version::V1 } else { Version::Classic };
        self.world.peers[who].version = version;
        let fields = offer.map(|offer| self.offer(who, offer));
        let request = request_with(version, &fields.unwrap_or_default());
        self.world.say_raw(who, request.as_bytes());
        let said = self.world.peers[who].said;
        self.clients.push(Client {
            may_publish: publisher,
            said: VecDeque::from([(said, Said::Request)]),
            is_open: false,
            is_deaf: false,
            is_over: false,
            close: None,
            set: subscription(&[]),
            answers: Vec::new(),
            news: Vec::new(),
            pongs: Vec::new(),
        });
    }

    /// The field of a client's offer.
    #[cfg(feature = "deflate")]
    fn offer(&mut self, who: usize, offer: [u8; 3]) -> String {
        let settings = super::codec::Codec::settings(offer);
        self.world.offer(who, &settings)
    }

    #[cfg(not(feature = "deflate"))]
    #[expect(clippy::unused_self, reason = "nothing comes of it")]
    fn offer(&self, _: usize, _: [u8; 3]) -> String {
        "Sec-WebSocket-Extensions: permessage-deflate\r\n".into()
    }

    fn say(&mut self, who: usize, say: &Say) {
        if self.world.peers[who].ended {
            return;
        }
        match say {
            Say::Subscribe(channels) => {
                let text = subscription(channels);
                if self.world.text(who, &text) {
                    self.note(who, Said::Subscribe(text));
                }
            }
            Say::Publish(channel, count) => {
                for _ in 0..*count {
                    let id = self.world.peers[who].said;
                    // Some are long enough to be compressed.
                    let length = if id.is_multiple_of(3) { id % 600 } else { 0 };
                    let text = publication(*channel, who * 1_000_000 + id).replace(
                        "\"data\":",
                        &format!("\"data\":[\"{id:0length$}\"],\"id\":"),
                    );
                    if self.world.text(who, &text) {
                        self.note(who, Said::Publish(text));
                    }
                }
            }
            Say::Ping => {
                if self.world.text(who, r#"{"type":"ping"}"#) {
                    self.note(who, Said::Ping);
                }
            }
            Say::WebSocketPing(byte) => {
                if self.world.say_ping(who, &[*byte]) {
                    self.note(who, Said::WebSocketPing(*byte));
                }
            }
            Say::Bad => {
                if self.world.text(who, r#"{"sender":"client"}"#) {
                    self.note(who, Said::Bad);
                }
            }
            Say::Binary => {
                if self.world.say(who, Kind::Binary, b"\xFF") {
                    self.note(who, Said::Binary);
                }
            }
            Say::Garbage => {
                self.world.say_raw(who, &[0x81, 0x01, b'{']);
                self.note(who, Said::Over);
            }
            Say::Close => {
                if self.world.say_close(who) {
                    self.note(who, Said::Over);
                }
            }
        }
    }

    fn note(&mut self, who: usize, said: Said) {
        let end = self.world.peers[who].said;
        self.clients[who].said.push_back((end, said));
    }

    fn carry(&mut self, who: usize, most: usize) {
        let now = self.world.now;
        let peer = &mut self.world.peers[who];
        if peer.gone {
            return;
        }
        let (hub, id) = (peer.hub, peer.id);
        let mut kept = [0; MAX_LEFTOVER];
        let count = self.world.hubs[hub].take_unfinished(id, &mut kept);
        let mut bytes = kept[..count].to_vec();
        let count = most.min(peer.wire.len());
        bytes.extend(peer.wire.drain(..count));
        peer.taken += count;
        let given = peer.taken;
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let taken = self.world.hubs[hub].receive(id, rest, now);
            rest = &mut rest[taken..];
            let understood = given - rest.len();
            self.understand(who, understood);
            if !rest.is_empty() && self.clients[who].is_open {
                self.place(hub);
            }
        }
        let peer = &mut self.world.peers[who];
        if peer.ended && peer.wire.is_empty() && !peer.end_known {
            peer.end_known = true;
            self.world.hubs[hub].receive_eof(id, now);
        }
    }

    /// The hub has taken so much of a client's stream.
    fn understand(&mut self, who: usize, taken: usize) {
        while let Some((_, said)) = self.clients[who]
            .said
            .pop_front_if(|(end, _)| *end <= taken)
        {
            self.heard(who, said);
        }
    }

    fn heard(&mut self, who: usize, said: Said) {
        let hub = &mut self.hubs[self.world.peers[who].hub];
        let client = &mut self.clients[who];
        let peer = &self.world.peers[who];
        let is_v1 = peer.version == Version::V1;
        // It is closed already, though it does not know.
        let slow = Seen::SlowConsumer(peer.number);
        client.is_deaf |= self.world.seen.borrow().contains(&slow);
        match said {
            Said::Request => client.is_open = true,
            Said::Over => {
                client.is_over = true;
                client.is_deaf = true;
            }
            _ if client.is_over => {}
            Said::WebSocketPing(byte) => client.pongs.push(vec![byte]),
            _ if client.is_deaf => {}
            Said::Ping => client.answers.push(Answer::Pong),
            Said::Bad => client.answers.push(Answer::Error("invalid_message")),
            Said::Binary => {
                client.is_deaf = true;
                client.close = Some(1003);
            }
            Said::Publish(_) if !client.may_publish => {
                client.answers.push(Answer::Error("forbidden"));
                if !is_v1 {
                    client.is_deaf = true;
                    client.close = Some(1008);
                }
            }
            Said::Publish(text) => {
                let id = self.news.len();
                self.news.push(News {
                    text,
                    place: 0,
                    heard: (0, 0),
                    is_settled: false,
                });
                hub.pending.push(Item::News(id));
                if is_v1 {
                    client.answers.push(Answer::Published(id));
                } else {
                    client.is_deaf = true;
                    client.close = Some(1000);
                }
            }
            Said::Subscribe(text) => {
                let answer = client.answers.len();
                if is_v1 {
                    client.answers.push(Answer::Subscribed(None));
                }
                let item = Item::Set(who, text, answer);
                if !hub.pending.is_empty() {
                    hub.pending.push(item);
                } else if let Some(last) = hub.in_flight.back_mut() {
                    last.push(item);
                } else {
                    let reached = hub.reached;
                    self.subscribe(item, reached);
                }
            }
        }
    }

    fn subscribe(&mut self, item: Item, reached: u64) {
        let Item::Set(who, text, answer) = item else {
            panic!("it is a set");
        };
        let client = &mut self.clients[who];
        client.set = text;
        if let Some(Answer::Subscribed(place)) = client.answers.get_mut(answer) {
            *place = Some(reached);
        }
    }

    fn place(&mut self, hub: usize) {
        let before = self.world.sequence.position().sequence();
        if !self.world.place(hub) {
            assert!(
                self.hubs[hub].pending.is_empty(),
                "what was accepted is placed"
            );
            return;
        }
        let items = core::mem::take(&mut self.hubs[hub].pending);
        let news = items.iter().filter_map(|item| match item {
            Item::News(id) => Some(*id),
            Item::Set(..) => None,
        });
        let news: Vec<usize> = news.collect();
        for (id, place) in news.iter().zip(before + 1..) {
            self.news[*id].place = place;
        }
        let after = self.world.sequence.position().sequence();
        assert_eq!(after, before + news.len() as u64, "places have no gaps");
        for (at, other) in self.hubs.iter_mut().enumerate() {
            other.transit.push_back((at == hub, news.clone()));
        }
        self.hubs[hub].unsettled.push_back(news);
        self.hubs[hub].in_flight.push_back(items);
    }

    fn deliver(&mut self, hub: usize) -> bool {
        let Some((is_own, news)) = self.hubs[hub].transit.pop_front() else {
            return false;
        };
        let items = if is_own {
            let items = self.hubs[hub].in_flight.pop_front();
            items.expect("it was placed here")
        } else {
            news.into_iter().map(Item::News).collect()
        };
        for item in items {
            match item {
                Item::Set(..) => {
                    let reached = self.hubs[hub].reached;
                    self.subscribe(item, reached);
                }
                Item::News(id) => {
                    self.tell(hub, id);
                    self.hubs[hub].reached = self.news[id].place;
                }
            }
        }
        assert!(self.world.deliver(hub));
        true
    }

    fn tell(&mut self, hub: usize, id: usize) {
        let news = &mut self.news[id];
        for (client, peer) in self.clients.iter_mut().zip(&self.world.peers) {
            let is_here = client.is_open && peer.hub == hub && !peer.gone;
            if !is_here || !meets(&client.set, &news.text) {
                continue;
            }
            let certain = !client.is_deaf && !peer.end_known && !peer.lost;
            let slow = Seen::SlowConsumer(peer.number);
            let certain = certain && !self.world.seen.borrow().contains(&slow);
            news.heard.0 += u64::from(certain);
            news.heard.1 += 1;
            client.news.push(id);
        }
    }

    fn settle(&mut self, hub: usize) -> bool {
        let before = self.world.seen.borrow().len();
        if !self.world.settle(hub) {
            return false;
        }
        let news = self.hubs[hub].unsettled.pop_front();
        let mut news = news.expect("it was placed here").into_iter();
        for seen in &self.world.seen.borrow()[before..] {
            if let Seen::Published {
                position,
                recipients,
            } = seen
            {
                let news = &mut self.news[news.next().expect("it was accepted")];
                assert_eq!(*position, Position::new(EPOCH, news.place));
                let (least, most) = news.heard;
                assert!(
                    (least..=most).contains(recipients),
                    "{recipients}: {news:?}"
                );
                news.heard = (*recipients, *recipients);
                news.is_settled = true;
            }
        }
        assert_eq!(news.next(), None, "all are settled");
        true
    }

    /// Goes on until nothing happens any more.
    fn finish(&mut self) {
        for who in 0..self.clients.len() {
            self.world.make_room(who, usize::MAX);
        }
        loop {
            let before = self
                .world
                .peers
                .iter()
                .map(|p| p.taken + p.bytes.len())
                .sum::<usize>();
            let mut any = false;
            for who in 0..self.clients.len() {
                self.carry(who, usize::MAX);
            }
            for hub in 0..self.hubs.len() {
                self.place(hub);
            }
            for hub in 0..self.hubs.len() {
                while self.deliver(hub) {
                    any = true;
                }
            }
            for hub in 0..self.hubs.len() {
                while self.settle(hub) {
                    any = true;
                }
                self.world.flush(hub);
            }
            let after = self
                .world
                .peers
                .iter()
                .map(|p| p.taken + p.bytes.len())
                .sum::<usize>();
            if !any && before == after {
                break;
            }
        }
        assert!(self.news.iter().all(|news| news.is_settled));
    }

    /// Whether each client has been told what it was to be told. Not yet all of it, perhaps, unless
    /// `all` is done.
    fn check(&self, all: bool) {
        for hub in &self.world.hubs {
            hub.check_load();
        }
        for (who, (client, peer)) in self.clients.iter().zip(&self.world.peers).enumerate() {
            let seen = self.world.seen.borrow();
            let is_slow = seen.contains(&Seen::SlowConsumer(peer.number));
            let dropped = seen.iter().map(|seen| match seen {
                Seen::Dropped(number, count) => count * usize::from(*number == peer.number),
                Seen::Connected(..)
                | Seen::HandshakeFailed(_)
                | Seen::Published { .. }
                | Seen::Refused(..)
                | Seen::SlowConsumer(_)
                | Seen::Requested(..)
                | Seen::OriginRefused(_)
                | Seen::ForwardingRefused(_)
                | Seen::TurnedAway(_)
                | Seen::UnknownProxy(_)
                | Seen::Disconnected(..) => 0,
            });
            let dropped: usize = dropped.sum();
            let is_whole = all && !client.is_deaf && !peer.end_known && !peer.lost && !is_slow;
            if is_whole {
                assert_eq!(client.is_open, peer.taken > 0 && !peer.gone, "{client:?}");
            }
            self.check_stream(client, peer.version, &peer.told, is_slow, dropped, is_whole);
            let ends = all && !client.is_over && !peer.end_known && !peer.lost && !is_slow;
            if ends
                || (all
                    && client.is_deaf
                    && !client.is_over
                    && !peer.ended
                    && !peer.lost
                    && !is_slow)
            {
                assert_eq!(self.world.close_code(who), client.close, "{client:?}");
            }
            if is_slow && !peer.lost {
                assert!(
                    peer.told
                        .iter()
                        .all(|told| *told != Told::Close(Some(1003)))
                );
            }
        }
    }

    fn check_stream(
        &self,
        client: &Client,
        version: Version,
        told: &[Told],
        is_slow: bool,
        dropped: usize,
        is_whole: bool,
    ) {
        let mut answers = client.answers.iter();
        let mut news = client.news.iter();
        let mut pongs = client.pongs.iter();
        let mut missed = 0;
        let mut behind = 0;
        let mut last_words = is_slow;
        for told in told {
            match told {
                Told::Text(text) if text.contains("\"notification\":") => loop {
                    let id = news.next().expect("it was to be told that");
                    let news = &self.news[*id];
                    if *text == news.as_heard(version) {
                        assert!(news.place > behind, "told again, or late");
                        break;
                    }
                    missed += 1;
                    assert!(missed <= dropped, "{text} and not {news:?}");
                },
                Told::Text(text) if last_words && text.contains("slow_consumer") => {
                    last_words = false;
                }
                Told::Text(text) => {
                    let answer = answers.next().expect("it was to be answered that");
                    assert_eq!(*text, self.expected(answer, text), "{answer:?}");
                    if let Answer::Subscribed(Some(place)) = answer {
                        behind = *place;
                    }
                }
                Told::Pong(payload) => assert_eq!(Some(payload), pongs.next()),
                Told::Ping => panic!("pings are off"),
                Told::Close(code) => assert_eq!(*code == Some(1013), is_slow),
            }
        }
        if is_whole {
            missed += news.count();
            assert_eq!(missed, dropped, "{client:?}");
            assert_eq!(answers.next().map(|_| ()), None, "{client:?} {told:?}");
            assert_eq!(pongs.next(), None);
        }
    }

    fn expected(&self, answer: &Answer, text: &str) -> String {
        match answer {
            Answer::Pong => r#"{"type":"pong"}"#.into(),
            Answer::Error(code) => {
                assert!(text.contains(code), "{text} and not {code}");
                text.into()
            }
            Answer::Subscribed(place) => {
                let place = place.expect("it has a place");
                format!(
                    r#"{{"sender":"server","subscribed":{{"count":1,"position":"{EPOCH:012x}-{place:012x}"}}}}"#
                )
            }
            Answer::Published(id) => {
                let news = &self.news[*id];
                assert!(news.is_settled);
                let (place, heard) = (news.place, news.heard.0);
                format!(
                    r#"{{"sender":"server","published":{{"position":"{EPOCH:012x}-{place:012x}","recipients":{heard}}}}}"#
                )
            }
        }
    }

    /// Everybody goes.
    fn end(mut self) {
        for peer in &mut self.world.peers {
            peer.ended = true;
        }
        self.finish();
        for hub in 0..self.hubs.len() {
            self.world.flush(hub);
            let hub = &self.world.hubs[hub];
            assert_eq!(hub.sessions(), 0);
            assert_eq!(hub.counters().subscriptions, 0);
            hub.check_load();
            assert_eq!(hub.poll_timeout(), None);
            assert!(hub.slots.is_empty() && hub.later.is_empty() && hub.dirty.is_empty());
        }
    }
}

impl News {
    fn as_heard(&self, version: Version) -> String {
        match version {
            Version::Classic => self.text.clone(),
            Version::V1 => {
                let (place, members) = (self.place, &self.text[1..]);
                format!(r#"{{"position":"{EPOCH:012x}-{place:012x}",{members}"#)
            }
        }
    }
}

/// Whether a notification meets some of a set of subscriptions, by asking each of them.
fn meets(set: &str, news: &str) -> bool {
    let limits = notify::Limits::default();
    let set = notify::parse(set.as_bytes(), &limits);
    let news = notify::parse(news.as_bytes(), &limits);
    let (Ok(Message::Client(client)), Ok(Message::Publication(news))) = (set, news) else {
        panic!("both are valid");
    };
    let mut set = client.subscriptions().into_iter().flatten();
    set.any(|subscription| notify::matches(&subscription, &news))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn each_is_told_all_that_it_asked_for_once_in_order_and_nothing_else(
        hubs in 1_usize..4,
        drops in any::<bool>(),
        outbox in (300_usize..3_000, 2_usize..20),
        compression in any::<Option<[u8; 3]>>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let policy = if drops { SlowPolicy::DropOldest } else { SlowPolicy::Disconnect };
        let mut simulation = Simulation::new(hubs, policy, outbox, compression);
        for step in &steps {
            simulation.step(step);
            simulation.check(false);
        }
        simulation.finish();
        simulation.check(true);
        simulation.end();
    }
}
