//! Hubs, from bytes to bytes: who is told what, and in which order.

mod client;
mod told;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use campanile_core::{
    Instant,
    conn::Config,
    deflate::{Agreed, Deflater, Level, Settings},
    hub::{
        Fact, HashKey, Hub, Options, OutboxLimits, Rate, Rights, Sequence, SessionId, SlowPolicy,
        Version,
    },
    notify::ErrorCode,
};

use client::{answer, client_settings};

use crate::{
    model::{self, Reading, Target},
    script::Script,
    wishes,
};

/// Format: a byte of which the lowest bit says whether there are one or two hubs, the next whether slow
/// consumers lose the oldest or all, the next whether the hubs compress, the next whether clients may
/// refer to their earlier messages then, the highest four from which length on (in eights); then
/// operations. A byte says which: connect (0: a classic subscriber, 1: a classic publisher, 2 and 3: the
/// same of v1; a byte for the hub, whose highest bit has the client offer compression, with a window of 8
/// bits and as many as the next three bits say for either side, and referring back if the next is set), a
/// message (4: to
/// subscribe, 5: to publish, 6: a chunk of text, 7: a chunk of binary data, 8: a ping with a chunk),
/// 9: a Close, 10: a chunk that is no frame, 11: the end of what is said, 12: hand out, 13: write, 14:
/// the transport takes only so many bytes more (two bytes), 15: it takes all, 16: it fails, 17: wait
/// (a byte, in tenths of a second). A byte says which session, ended ones included; a message is cut
/// behind so many bytes, a byte each.
pub fn hub(data: &[u8]) {
    let mut script = Script::new(data);
    let kind = script.byte();
    let compression = (kind & 4 != 0).then(|| Settings {
        receive_takeover: kind & 8 != 0,
        threshold: usize::from(kind >> 4) * 8,
        ..Settings::server()
    });
    let mut world = World::new(usize::from(kind & 1) + 1, kind & 2 != 0, compression);
    while !script.is_empty() {
        world.step(&mut script);
    }
    world.finish();
}

type Watch = Box<dyn FnMut(&Fact<'_>)>;

#[derive(Debug)]
enum Seen {
    Refused(ErrorCode, bool),
    /// By so many.
    Published(u64),
    Slow(u64),
    Dropped(u64, usize),
}

struct World {
    compression: Option<Settings>,
    hubs: Vec<Hub<Watch>>,
    sequence: Sequence,
    now: Instant,
    seen: Rc<RefCell<Vec<Seen>>>,
    /// Every session there ever was.
    sessions: Vec<Session>,
    news: Vec<News>,
    /// For each hub, what was accepted and waits for its place.
    pending: Vec<Vec<Item>>,
}

enum Item {
    News(usize),
    /// Of a session, and the number of its answer.
    Set(usize, Vec<Target>, usize),
}

struct News {
    text: String,
    target: Target,
    place: u64,
    recipients: u64,
    is_settled: bool,
}

struct Session {
    id: SessionId,
    hub: usize,
    version: Version,
    /// If both sides compress.
    agreed: Option<Agreed>,
    deflater: Option<Deflater>,
    may_publish: bool,
    set: Vec<Target>,
    /// What it was sent.
    bytes: Vec<u8>,
    room: usize,
    fails: bool,
    /// Nothing more is heard of it.
    is_deaf: bool,
    /// It has said its last, or is known to be gone, slow or broken: it may be told less.
    is_over: bool,
    is_gone: bool,
    ended: bool,
    close: Option<u16>,
    dropped: usize,
    is_slow: bool,
    answers: Vec<Answer>,
    pongs: Vec<Vec<u8>>,
    news: Vec<usize>,
}

enum Answer {
    Pong,
    Error(ErrorCode),
    Subscribed(usize, Option<u64>),
    Published(usize),
}

const EPOCH: u64 = 3;

impl World {
    fn new(hubs: usize, drops: bool, compression: Option<Settings>) -> Self {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let sequence = Sequence::new(EPOCH);
        let options = Options {
            messages: Rate::UNLIMITED,
            connection: Config {
                ping_interval: None,
                control_rate: 0,
                ..Config::new()
            },
            handshake_time: Duration::from_secs(1_000_000),
            outbox: OutboxLimits {
                bytes: 1_000,
                frames: 8,
                policy: if drops {
                    SlowPolicy::DropOldest
                } else {
                    SlowPolicy::Disconnect
                },
            },
            compression,
            ..Options::default()
        };
        let hub = |_| {
            let seen = Rc::clone(&seen);
            let watch: Watch = Box::new(move |fact| note(&mut seen.borrow_mut(), fact));
            Hub::new(&options, HashKey([0; 2]), sequence.position(), watch)
        };
        Self {
            compression,
            hubs: (0..hubs).map(hub).collect(),
            sequence,
            now: Instant::from_millis(1),
            seen: Rc::clone(&seen),
            sessions: Vec::new(),
            news: Vec::new(),
            pending: (0..hubs).map(|_| Vec::new()).collect(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.below(18);
        if operation < 4 || self.sessions.is_empty() {
            let choices = script.byte();
            let hub = usize::from(choices) % self.hubs.len();
            let version = if operation & 2 == 0 {
                Version::Classic
            } else {
                Version::V1
            };
            return self.connect(hub, version, operation & 1 == 1, choices);
        }
        match operation {
            12 => return self.hand_out(),
            13 => return self.write(),
            17 => {
                self.now = self
                    .now
                    .after(Duration::from_millis(u64::from(script.byte()) * 100));
                for hub in &mut self.hubs {
                    hub.handle_timeouts(self.now);
                }
                return;
            }
            _ => {}
        }
        let who = script.below(self.sessions.len().min(256));
        match operation {
            4 => self.text(who, wishes::subscribing(script).as_bytes(), script),
            5 => self.text(who, wishes::publishing(script).as_bytes(), script),
            6 => {
                let chunk = script.chunk();
                self.text(who, chunk, script);
            }
            7 => {
                let chunk = script.chunk();
                self.give_frame(who, 2, chunk, script);
                if self.hears(who) {
                    self.sessions[who].close(1003);
                }
            }
            8 => {
                let chunk = script.chunk();
                let payload = &chunk[..chunk.len().min(125)];
                self.give_frame(who, 9, payload, script);
                let session = &mut self.sessions[who];
                if !session.is_over {
                    session.pongs.push(payload.to_vec());
                }
            }
            9 => {
                self.give_frame(who, 8, &[], script);
                self.over(who);
            }
            10 => {
                let mut bytes = vec![0x70 | script.byte()];
                bytes.extend_from_slice(script.chunk());
                self.give(who, &bytes);
                // Perhaps it is no more than half a head yet.
                self.give(who, &[0xFF; 16]);
                self.over(who);
            }
            11 => {
                let session = &mut self.sessions[who];
                if !session.ended {
                    session.ended = true;
                    let (hub, id) = (session.hub, session.id);
                    self.hubs[hub].receive_eof(id, self.now);
                    self.over(who);
                }
            }
            14 => {
                let [low, high] = script.array();
                self.sessions[who].room = usize::from(u16::from_le_bytes([low, high % 16]));
            }
            15 => self.make_room(who),
            _ => self.sessions[who].fails = true,
        }
    }

    fn connect(&mut self, hub: usize, version: Version, may_publish: bool, choices: u8) {
        let rights = Rights {
            publish: may_publish,
        };
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let number = self.sessions.len() as u64;
        let id = self.hubs[hub].accept(number, peer, rights, self.now);
        let id = id.expect("there is room");
        assert!(
            self.sessions
                .iter()
                .filter(|old| old.hub == hub)
                .all(|old| old.id != id && (old.is_gone || old.id.index() != id.index())),
            "a name twice"
        );
        let protocol = match version {
            Version::Classic => "",
            Version::V1 => "Sec-WebSocket-Protocol: campanile.v1\r\n",
        };
        let offer = if choices & 0x80 == 0 {
            String::new()
        } else {
            let client = client_settings(choices);
            format!("Sec-WebSocket-Extensions: {}\r\n", client.offer().text())
        };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             {protocol}{offer}\r\n"
        );
        let agreed = self
            .compression
            .and_then(|settings| answer(&settings, request.as_bytes()));
        self.sessions.push(Session {
            agreed,
            deflater: agreed.map(|agreed| Deflater::new(agreed.client, Level::DEFAULT)),
            id,
            hub,
            version,
            may_publish,
            set: Vec::new(),
            bytes: Vec::new(),
            room: usize::MAX,
            fails: false,
            is_deaf: false,
            is_over: false,
            is_gone: false,
            ended: false,
            close: None,
            dropped: 0,
            is_slow: false,
            answers: Vec::new(),
            pongs: Vec::new(),
            news: Vec::new(),
        });
        self.give(self.sessions.len() - 1, request.as_bytes());
    }

    /// Whether what a session says is heard.
    fn hears(&self, who: usize) -> bool {
        let session = &self.sessions[who];
        !session.is_deaf && !session.is_gone
    }

    /// A session is not to be told all any more, and not heard.
    fn over(&mut self, who: usize) {
        let session = &mut self.sessions[who];
        session.is_over = true;
        session.is_deaf = true;
    }

    fn give_frame(&mut self, who: usize, opcode: u8, payload: &[u8], script: &mut Script<'_>) {
        let (mut first, mut deflated) = (0x80 | opcode, Vec::new());
        let deflater = self.sessions[who].deflater.as_mut();
        let payload = match deflater.filter(|_| opcode < 8) {
            None => payload,
            Some(deflater) => {
                deflater.deflate(payload, true, &mut deflated);
                first |= 0x40;
                &deflated
            }
        };
        let mut bytes = vec![first];
        match u8::try_from(payload.len()) {
            Ok(len @ 0..126) => bytes.push(0x80 | len),
            _ => {
                bytes.push(0x80 | 126);
                bytes.extend(
                    u16::try_from(payload.len())
                        .expect("it is short")
                        .to_be_bytes(),
                );
            }
        }
        let mask = [7, 99, 0, 255];
        bytes.extend(mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        let cut = usize::from(script.byte()).min(bytes.len());
        let (front, back) = bytes.split_at(cut);
        self.give(who, front);
        self.give(who, back);
    }

    fn give(&mut self, who: usize, bytes: &[u8]) {
        let session = &self.sessions[who];
        if session.ended {
            return;
        }
        let (hub, id) = (session.hub, session.id);
        let mut kept = [0; 256];
        let count = self.hubs[hub].take_unfinished(id, &mut kept);
        let mut all = [&kept[..count], bytes].concat();
        let mut rest = &mut all[..];
        while !rest.is_empty() {
            let taken = self.hubs[hub].receive(id, rest, self.now);
            rest = &mut rest[taken..];
            if !rest.is_empty() {
                self.hand_out();
            }
        }
    }

    fn text(&mut self, who: usize, text: &[u8], script: &mut Script<'_>) {
        let Ok(valid) = core::str::from_utf8(text) else {
            self.give_frame(who, 1, text, script);
            return self.over(who); // 1007
        };
        let Some(reading) = model::read(text) else {
            return;
        };
        if self.hears(who) && !self.sessions[who].ended {
            self.understand(who, valid, reading);
        }
        let before = self.seen.borrow().len();
        self.give_frame(who, 1, text, script);
        self.compare_refusal(who, before);
    }

    /// What the model makes of a message.
    fn understand(&mut self, who: usize, text: &str, reading: Reading) {
        let session = &mut self.sessions[who];
        let pending = &mut self.pending[session.hub];
        match reading {
            Reading::Ping => session.answers.push(Answer::Pong),
            Reading::NotJson => session.answers.push(Answer::Error(ErrorCode::InvalidJson)),
            // Which of them is told is found out.
            Reading::Refused { codes, .. } => session.answers.push(Answer::Error(codes[0])),
            Reading::Client {
                subscriptions: None,
                ..
            } => {}
            Reading::Client {
                subscriptions: Some(set),
                ..
            } => {
                let answer = session.answers.len();
                let is_v1 = session.version == Version::V1;
                let mut place = None;
                if pending.is_empty() {
                    session.set = set.clone();
                    place = Some(self.sequence.position().sequence());
                } else {
                    pending.push(Item::Set(who, set.clone(), answer));
                }
                if is_v1 {
                    session.answers.push(Answer::Subscribed(set.len(), place));
                }
            }
            Reading::Publication(_) if !session.may_publish => {
                session.answers.push(Answer::Error(ErrorCode::Forbidden));
            }
            Reading::Publication(target) => {
                let id = self.news.len();
                self.news.push(News {
                    text: text.to_owned(),
                    target,
                    place: 0,
                    recipients: 0,
                    is_settled: false,
                });
                pending.push(Item::News(id));
                match session.version {
                    Version::V1 => session.answers.push(Answer::Published(id)),
                    Version::Classic => session.close(1000),
                }
            }
        }
    }

    /// Which error it was, and whether that ends the session.
    fn compare_refusal(&mut self, who: usize, before: usize) {
        let seen = self.seen.borrow();
        let refused = seen[before..].iter().find_map(|seen| match seen {
            Seen::Refused(code, from_publisher) => Some((*code, *from_publisher)),
            Seen::Published(_) | Seen::Slow(_) | Seen::Dropped(..) => None,
        });
        let session = &mut self.sessions[who];
        let Some((code, from_publisher)) = refused else {
            return;
        };
        assert!(!session.is_deaf, "{code}");
        match session.answers.last_mut() {
            Some(Answer::Error(expected)) => *expected = code,
            _ => panic!("refused ({code}), which is no error"),
        }
        if session.version == Version::Classic {
            if code == ErrorCode::Forbidden {
                session.close(1008);
            } else if code == ErrorCode::InvalidJson && from_publisher {
                session.close(1007);
            }
        }
    }

    /// Everything that was published goes to everybody.
    fn hand_out(&mut self) {
        for hub in 0..self.hubs.len() {
            let Some(batch) = self.hubs[hub].poll_batch() else {
                assert!(self.pending[hub].is_empty());
                continue;
            };
            let placed = self.sequence.place(batch);
            let items = core::mem::take(&mut self.pending[hub]);
            let mut heard = vec![0; placed.len()];
            // What was accepted elsewhere and not placed yet comes later.
            let before = self.sequence.position().sequence() - placed.len() as u64;
            self.tell(hub, items, before);
            for (at, other) in self.hubs.iter_mut().enumerate() {
                other.deliver(&placed, at == hub, &mut heard, self.now);
            }
            let seen = self.seen.borrow().len();
            self.hubs[hub].settle(&placed, &heard, self.now);
            let mut counts = heard.iter();
            for seen in &self.seen.borrow()[seen..] {
                if let Seen::Published(count) = seen {
                    assert_eq!(Some(count), counts.next());
                }
            }
            assert_eq!(counts.next(), None);
            let placed = before + 1..=self.sequence.position().sequence();
            let news = self
                .news
                .iter_mut()
                .filter(|news| placed.contains(&news.place));
            for (news, count) in news.zip(&heard) {
                // Those that are over hear it, or not.
                assert!(*count >= news.recipients, "{count}: {}", news.text);
                news.recipients = *count;
                news.is_settled = true;
            }
        }
    }

    fn tell(&mut self, hub: usize, items: Vec<Item>, before: u64) {
        let mut place = before;
        for item in items {
            match item {
                Item::Set(who, set, answer) => {
                    let session = &mut self.sessions[who];
                    assert_eq!(session.hub, hub);
                    session.set = set;
                    if let Some(Answer::Subscribed(_, at)) = session.answers.get_mut(answer) {
                        *at = Some(place);
                    }
                }
                Item::News(id) => {
                    place += 1;
                    let news = &mut self.news[id];
                    news.place = place;
                    for session in &mut self.sessions {
                        let mut set = session.set.iter();
                        if !session.is_gone && set.any(|wish| model::matches(wish, &news.target)) {
                            session.news.push(id);
                            news.recipients += u64::from(!session.is_over && !session.is_deaf);
                        }
                    }
                }
            }
        }
    }

    fn write(&mut self) {
        for hub in 0..self.hubs.len() {
            while let Some(id) = self.hubs[hub].poll_transmit(self.now) {
                let is_it = |session: &Session| session.hub == hub && session.id == id;
                let at = self.sessions.iter().position(is_it).expect("it is known");
                let session = &mut self.sessions[at];
                assert!(!session.is_gone);
                let due: usize = self.hubs[hub].chunks(id).map(<[u8]>::len).sum();
                if session.fails && due > 0 {
                    session.is_over = true;
                    self.hubs[hub].write_failed(id);
                } else {
                    let count = due.min(session.room);
                    let chunks = self.hubs[hub].chunks(id).flatten();
                    session.bytes.extend(chunks.take(count));
                    session.room -= count;
                    self.hubs[hub].sent(id, count);
                }
                if self.hubs[hub].is_over(id) {
                    session.is_gone = true;
                    session.is_over = true;
                    self.hubs[hub].leave(id);
                } else {
                    let _ = self.hubs[hub].take_shutdown(id);
                }
            }
        }
        for seen in self.seen.borrow().iter() {
            match seen {
                Seen::Slow(number) => {
                    let session = &mut self.sessions[usize::try_from(*number).expect("few")];
                    session.is_slow = true;
                    session.is_over = true;
                    session.is_deaf = true;
                }
                Seen::Dropped(number, count) => {
                    self.sessions[usize::try_from(*number).expect("few")].dropped += count;
                }
                Seen::Refused(..) | Seen::Published(_) => {}
            }
        }
        self.seen.borrow_mut().clear();
    }

    fn make_room(&mut self, who: usize) {
        let session = &mut self.sessions[who];
        session.room = usize::MAX;
        if !session.is_gone {
            self.hubs[session.hub].writable(session.id);
        }
    }

    fn finish(&mut self) {
        self.hand_out();
        self.write();
        for who in 0..self.sessions.len() {
            self.make_room(who);
        }
        self.write();
        for session in &self.sessions {
            self.check(session);
        }
        for session in &self.sessions {
            self.hubs[session.hub].receive_eof(session.id, self.now);
        }
        self.write();
        for hub in &self.hubs {
            assert_eq!(hub.sessions(), 0);
            assert_eq!(hub.counters().subscriptions, 0);
        }
    }
}

impl Session {
    /// It is closed by the hub with this code, behind what it is owed.
    fn close(&mut self, code: u16) {
        self.is_deaf = true;
        self.close = Some(code);
    }
}

impl News {
    fn heard(&self, version: Version) -> String {
        match version {
            Version::Classic => self.text.clone(),
            Version::V1 => {
                let (_, members) = self.text.split_once('{').expect("it is an object");
                let place = self.place;
                format!(r#"{{"position":"{EPOCH:012x}-{place:012x}",{members}"#)
            }
        }
    }
}

fn note(seen: &mut Vec<Seen>, fact: &Fact<'_>) {
    if let Fact::Refused { refusal, .. } = fact {
        seen.push(Seen::Refused(refusal.code(), refusal.from_publisher()));
    } else if let Fact::Published { recipients, .. } = fact {
        seen.push(Seen::Published(*recipients));
    } else if let Fact::SlowConsumer { connection } = fact {
        seen.push(Seen::Slow(*connection));
    } else if let Fact::Dropped {
        connection,
        notifications,
    } = fact
    {
        seen.push(Seen::Dropped(*connection, *notifications));
    }
}
