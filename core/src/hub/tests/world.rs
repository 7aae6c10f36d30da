//! Hubs, their driver and their peers, in virtual time: what is between them takes as many bytes as a
//! test says.

use alloc::{
    boxed::Box, collections::VecDeque, format, rc::Rc, string::String, sync::Arc, vec, vec::Vec,
};
use core::{cell::RefCell, net::SocketAddr};

#[cfg(feature = "deflate")]
use super::codec::Codec;
use crate::{
    Instant,
    conn::{Client, Config, Connection, Event, Input, MAX_LEFTOVER, Transmit},
    hub::{Fact, HashKey, Hub, Options, Placed, Rights, Sequence, SessionId, Version},
    notify::{Position, Refusal},
    wire::{CloseCode, Kind, MAX_CONTROL, MAX_HEAD},
};

pub(super) const PUBLISHER: Rights = Rights { publish: true };
pub(super) const LISTENER: Rights = Rights { publish: false };

pub(super) const EPOCH: u64 = 7;

type Mask = fn() -> [u8; 4];
type Watch = Box<dyn FnMut(&Fact<'_>)>;

/// What was observed, as far as tests ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Connected(u64, Version),
    HandshakeFailed(String),
    OriginRefused(String),
    ForwardingRefused(SocketAddr),
    TurnedAway(SocketAddr),
    UnknownProxy(SocketAddr),
    Published { position: Position, recipients: u64 },
    Requested(u64, String, u16),
    Refused(u64, Refusal),
    SlowConsumer(u64),
    Dropped(u64, usize),
    Disconnected(u64, u16),
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Text(String),
    Ping,
    Pong(Vec<u8>),
    Close(Option<u16>),
}

pub(super) struct World {
    pub(super) hubs: Vec<Hub<Watch>>,
    pub(super) sequence: Sequence,
    pub(super) now: Instant,
    pub(super) peers: Vec<Peer>,
    pub(super) seen: Rc<RefCell<Vec<Seen>>>,
    /// For each hub, what is placed and not delivered there.
    pub(super) transit: Vec<VecDeque<Rc<Flight>>>,
    /// As the hubs have it.
    #[cfg(feature = "deflate")]
    pub(super) compression: Option<crate::deflate::Settings>,
    /// For each hub, what everybody has delivered.
    pub(super) delivered: Vec<VecDeque<Rc<Flight>>>,
}

/// A batch on its way.
pub(super) struct Flight {
    pub(super) placed: Arc<Placed>,
    pub(super) origin: usize,
    pub(super) heard: RefCell<(Vec<u64>, usize)>,
}

/// A connection: a real client at one end, a session at the other.
pub(super) struct Peer {
    pub(super) hub: usize,
    pub(super) id: SessionId,
    pub(super) number: u64,
    pub(super) version: Version,
    conn: Connection<Client<Mask>>,
    /// If it compresses.
    #[cfg(feature = "deflate")]
    pub(super) codec: Option<Codec>,
    /// Bytes on their way to the hub.
    pub(super) wire: VecDeque<u8>,
    /// How many were said, and how many the hub took.
    pub(super) said: usize,
    pub(super) taken: usize,
    /// All bytes that came from the hub.
    pub(super) bytes: Vec<u8>,
    /// How many of them the client has looked at, once the response is there.
    looked_at: Option<usize>,
    pub(super) told: Vec<Told>,
    /// How many bytes the kernel takes now.
    pub(super) room: usize,
    blocked: bool,
    pub(super) fails: bool,
    /// The client says no more; the hub knows.
    pub(super) ended: bool,
    pub(super) end_known: bool,
    /// The hub's writing direction is shut down.
    pub(super) shut: bool,
    /// The hub has dropped it.
    pub(super) gone: bool,
    /// Something due did not get through.
    pub(super) lost: bool,
}

pub(super) fn request(version: Version) -> String {
    request_with(version, "")
}

/// With more header fields.
pub(super) fn request_with(version: Version, fields: &str) -> String {
    let protocol = match version {
        Version::Classic => String::new(),
        Version::V1 => format!("Sec-WebSocket-Protocol: chat, {}\r\n", Version::SUBPROTOCOL),
    };
    format!(
        "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}{fields}\r\n"
    )
}

pub(super) fn address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4711))
}

pub(super) fn subscription(channels: &[u8]) -> String {
    let list: Vec<String> = channels.iter().map(|c| format!("\"{c}\"")).collect();
    let list = list.join(",");
    format!(
        r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{{"c":[{list}]}}}}}}]}}"#
    )
}

pub(super) fn publication(channel: u8, id: usize) -> String {
    format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{channel}}},"data":{id}}}}}"#
    )
}

impl World {
    pub(super) fn new(hubs: usize, options: &Options) -> Self {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let sequence = Sequence::new(EPOCH);
        let hub = |at: usize| {
            let seen = Rc::clone(&seen);
            let watch: Watch = Box::new(move |fact| note(&mut seen.borrow_mut(), fact));
            Hub::new(options, HashKey([at as u64, 2]), sequence.position(), watch)
        };
        Self {
            hubs: (0..hubs).map(hub).collect(),
            sequence,
            now: Instant::from_millis(1_000),
            peers: Vec::new(),
            seen: Rc::clone(&seen),
            transit: (0..hubs).map(|_| VecDeque::new()).collect(),
            #[cfg(feature = "deflate")]
            compression: options.compression,
            delivered: (0..hubs).map(|_| VecDeque::new()).collect(),
        }
    }

    pub(super) fn alone() -> Self {
        Self::new(1, &Options::default())
    }

    /// A connection whose client has said nothing yet.
    pub(super) fn connect(&mut self, hub: usize, rights: Rights) -> usize {
        self.connect_from(hub, address(), rights)
    }

    /// The same from another address.
    pub(super) fn connect_from(&mut self, hub: usize, from: SocketAddr, rights: Rights) -> usize {
        let number = self.peers.len() as u64;
        let id = self.hubs[hub]
            .accept(number, from, rights, self.now)
            .expect("there is room");
        self.add(hub, id, Version::Classic)
    }

    pub(super) fn add(&mut self, hub: usize, id: SessionId, version: Version) -> usize {
        let mask: Mask = || [1, 2, 3, 4];
        let config = Config {
            max_message: u64::MAX,
            ping_interval: None,
            control_rate: 0,
            // It is patient: whatever ends early, the hub has ended.
            close_timeout: core::time::Duration::from_secs(1_000_000),
            ..Config::new()
        };
        self.peers.push(Peer {
            hub,
            id,
            number: self.peers.len() as u64,
            version,
            conn: Connection::new(Client(mask), &config, self.now),
            #[cfg(feature = "deflate")]
            codec: None,
            wire: VecDeque::new(),
            said: 0,
            taken: 0,
            bytes: Vec::new(),
            looked_at: None,
            told: Vec::new(),
            room: usize::MAX,
            blocked: false,
            fails: false,
            ended: false,
            end_known: false,
            shut: false,
            gone: false,
            lost: false,
        });
        self.peers.len() - 1
    }

    /// A connection that is open.
    pub(super) fn open(&mut self, hub: usize, version: Version, rights: Rights) -> usize {
        let peer = self.connect(hub, rights);
        self.peers[peer].version = version;
        self.say_raw(peer, request(version).as_bytes());
        self.carry(peer, usize::MAX);
        self.flush(hub);
        peer
    }

    /// A connection that is open, whose client offers compression.
    #[cfg(feature = "deflate")]
    pub(super) fn open_offering(
        &mut self,
        version: Version,
        rights: Rights,
        client: &crate::deflate::Settings,
    ) -> usize {
        let peer = self.connect(0, rights);
        self.peers[peer].version = version;
        let fields = self.offer(peer, client);
        self.say_raw(peer, request_with(version, &fields).as_bytes());
        self.carry(peer, usize::MAX);
        self.flush(0);
        peer
    }

    /// Has a client compress as it will be agreed; the field of its request.
    #[cfg(feature = "deflate")]
    pub(super) fn offer(&mut self, peer: usize, client: &crate::deflate::Settings) -> String {
        let peer = &mut self.peers[peer];
        peer.codec = self.compression.and_then(|hub| Codec::new(client, &hub));
        if peer.codec.is_some() {
            peer.conn.enable_deflate();
        }
        format!("Sec-WebSocket-Extensions: {}\r\n", client.offer().text())
    }

    pub(super) fn say_raw(&mut self, peer: usize, bytes: &[u8]) {
        let peer = &mut self.peers[peer];
        if !peer.ended {
            peer.wire.extend(bytes);
            peer.said += bytes.len();
        }
    }

    /// The client sends a message; whether it still may.
    pub(super) fn say(&mut self, peer: usize, kind: Kind, payload: &[u8]) -> bool {
        #[cfg(feature = "deflate")]
        if self.peers[peer].codec.is_some() {
            return self.say_deflated(peer, kind, payload);
        }
        let mut out = vec![0; payload.len() + MAX_HEAD];
        match self.peers[peer].conn.encode(kind, payload, true, &mut out) {
            Err(_) => false,
            Ok(frame) => {
                let frame = frame.to_vec();
                self.say_raw(peer, &frame);
                true
            }
        }
    }

    #[cfg(feature = "deflate")]
    fn say_deflated(&mut self, at: usize, kind: Kind, payload: &[u8]) -> bool {
        let peer = &mut self.peers[at];
        let (Some(codec), Ok(())) = (&mut peer.codec, peer.conn.check_ready()) else {
            return false;
        };
        let payload = codec.deflate(payload);
        let mut out = vec![0; payload.len() + MAX_HEAD];
        let frame = peer.conn.encode_deflated(kind, &payload, true, &mut out);
        let frame = frame.expect("it is ready").to_vec();
        self.say_raw(at, &frame);
        true
    }

    pub(super) fn text(&mut self, peer: usize, text: &str) -> bool {
        self.say(peer, Kind::Text, text.as_bytes())
    }

    pub(super) fn say_ping(&mut self, peer: usize, payload: &[u8]) -> bool {
        let mut out = [0; MAX_CONTROL];
        let now = self.now;
        let frame = match self.peers[peer].conn.ping(payload, &mut out, now) {
            Ok(frame) => frame.to_vec(),
            Err(_) => return false,
        };
        self.say_raw(peer, &frame);
        true
    }

    pub(super) fn say_close(&mut self, peer: usize) -> bool {
        let mut out = [0; MAX_CONTROL];
        let now = self.now;
        let code = CloseCode::NORMAL;
        let frame = match self.peers[peer].conn.close(code, "", &mut out, now) {
            Ok(frame) => frame.to_vec(),
            Err(_) => return false,
        };
        self.say_raw(peer, &frame);
        true
    }

    /// Brings at most so many bytes of a client's to its hub, in one piece.
    pub(super) fn carry(&mut self, at: usize, most: usize) {
        let now = self.now;
        let mut buffer = [0; MAX_LEFTOVER];
        let peer = &mut self.peers[at];
        if peer.gone {
            return;
        }
        let hub = peer.hub;
        let kept = self.hubs[hub].take_unfinished(peer.id, &mut buffer);
        let mut bytes = buffer[..kept].to_vec();
        let count = most.min(peer.wire.len());
        bytes.extend(peer.wire.drain(..count));
        peer.taken += count;
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let taken = self.hubs[hub].receive(self.peers[at].id, rest, now);
            rest = &mut rest[taken..];
            if !rest.is_empty() {
                self.hand_out(hub);
            }
        }
        let peer = &mut self.peers[at];
        if peer.ended && peer.wire.is_empty() && !peer.end_known {
            peer.end_known = true;
            self.hubs[hub].receive_eof(peer.id, now);
        }
    }

    /// Has what was published at a hub delivered, by all of them as far as nothing is in its way.
    pub(super) fn hand_out(&mut self, hub: usize) {
        if self.hubs.len() == 1 {
            self.hubs[0].hand_out(&mut self.sequence, self.now);
            return;
        }
        self.place(hub);
        for hub in 0..self.hubs.len() {
            while self.deliver(hub) {}
        }
        for hub in 0..self.hubs.len() {
            while self.settle(hub) {}
        }
    }

    pub(super) fn place(&mut self, hub: usize) -> bool {
        let Some(batch) = self.hubs[hub].poll_batch() else {
            return false;
        };
        let placed = self.sequence.place(batch);
        let flight = Rc::new(Flight {
            origin: hub,
            heard: RefCell::new((vec![0; placed.len()], 0)),
            placed,
        });
        for transit in &mut self.transit {
            transit.push_back(Rc::clone(&flight));
        }
        true
    }

    pub(super) fn deliver(&mut self, hub: usize) -> bool {
        let Some(flight) = self.transit[hub].pop_front() else {
            return false;
        };
        let mut heard = flight.heard.borrow_mut();
        let is_own = flight.origin == hub;
        self.hubs[hub].deliver(&flight.placed, is_own, &mut heard.0, self.now);
        heard.1 += 1;
        if heard.1 == self.hubs.len() {
            self.delivered[flight.origin].push_back(Rc::clone(&flight));
        }
        true
    }

    pub(super) fn settle(&mut self, hub: usize) -> bool {
        let Some(flight) = self.delivered[hub].pop_front() else {
            return false;
        };
        let heard = &flight.heard.borrow().0;
        self.hubs[hub].settle(&flight.placed, heard, self.now);
        true
    }

    /// Writes what is due at a hub, as far as there is room.
    pub(super) fn flush(&mut self, hub: usize) {
        let now = self.now;
        while let Some(id) = self.hubs[hub].poll_transmit(now) {
            let of_it = |peer: &Peer| peer.hub == hub && peer.id == id && !peer.gone;
            let at = self.peers.iter().position(of_it).expect("it has not left");
            let peer = &mut self.peers[at];
            let due = self.hubs[hub].chunks(id).flatten().count();
            let most = due.min(peer.room);
            if peer.fails && due > 0 {
                peer.lost = true;
                self.hubs[hub].write_failed(id);
            } else {
                let bytes = self.hubs[hub].chunks(id).flatten().copied();
                peer.bytes.extend(bytes.take(most));
                self.hubs[hub].sent(id, most);
                peer.room = peer.room.saturating_sub(most);
                peer.blocked = most < due;
            }
            if self.hubs[hub].is_over(id) {
                peer.lost |= most < due;
                peer.gone = true;
                self.hubs[hub].leave(id);
            } else if self.hubs[hub].take_shutdown(id) {
                assert!(!core::mem::replace(&mut peer.shut, true), "shut down twice");
            }
            self.look(at);
        }
        assert!(self.hubs[hub].poll_transmit(now).is_none());
        assert!(!self.hubs[hub].is_filling());
        self.hubs[hub].check_load();
    }

    /// A client makes room for so many bytes more.
    pub(super) fn make_room(&mut self, peer: usize, room: usize) {
        let peer = &mut self.peers[peer];
        peer.room = peer.room.saturating_add(room);
        if peer.blocked && !peer.gone {
            peer.blocked = false;
            self.hubs[peer.hub].writable(peer.id);
        }
    }

    /// The client looks at what has come, and answers as a client does.
    fn look(&mut self, at: usize) {
        let now = self.now;
        let peer = &mut self.peers[at];
        let start = match peer.looked_at {
            Some(start) => start,
            None => {
                let Some(end) = peer.bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return;
                };
                if !peer.bytes.starts_with(b"HTTP/1.1 101 ") {
                    return;
                }
                let head = String::from_utf8_lossy(&peer.bytes[..end]).into_owned();
                let echo = format!("Sec-WebSocket-Protocol: {}", Version::SUBPROTOCOL);
                assert_eq!(head.contains(&echo), peer.version == Version::V1);
                #[cfg(feature = "deflate")]
                {
                    let (_, answer) = head
                        .split_once("Sec-WebSocket-Extensions: ")
                        .unwrap_or_default();
                    let agreed = peer.codec.as_ref().map(|codec| codec.agreed.response());
                    let answer = answer.lines().next().unwrap_or_default();
                    assert_eq!(answer, agreed.as_deref().unwrap_or_default());
                }
                end + 4
            }
        };
        // A frame of which half is here is looked at when all of it is.
        let whole = whole_frames(&peer.bytes[start..]);
        let mut bytes = peer.bytes[start..start + whole].to_vec();
        let mut input = Input::new(&mut bytes);
        let mut answers = Vec::new();
        let mut out = [0; MAX_CONTROL];
        let mut text = Vec::new();
        loop {
            let event = peer.conn.receive(&mut input, now);
            let event = event.unwrap_or_else(|violation| panic!("{violation}"));
            let is_done = event.is_none();
            match event {
                Some(Event::Data(data)) => {
                    assert_eq!(data.kind, Kind::Text);
                    text.extend_from_slice(data.bytes);
                    if data.last {
                        let text = String::from_utf8(core::mem::take(&mut text));
                        peer.told.push(Told::Text(text.expect("it is text")));
                    }
                }
                Some(Event::Ping(_)) => peer.told.push(Told::Ping),
                Some(Event::Pong(payload)) => peer.told.push(Told::Pong(payload.to_vec())),
                Some(Event::Close(close)) => peer
                    .told
                    .push(Told::Close(close.map(|close| close.code.get()))),
                #[cfg(feature = "deflate")]
                Some(Event::Deflated(data)) => {
                    assert!(data.first && data.last && data.kind == Kind::Text);
                    let codec = peer.codec.as_mut().expect("it was agreed on");
                    let text = String::from_utf8(codec.inflate(data.kind, data.bytes));
                    peer.told.push(Told::Text(text.expect("it is text")));
                }
                None => {}
            }
            while let Some(transmit) = peer.conn.poll_transmit(&mut input, &mut out) {
                if let Transmit::Bytes(bytes) = transmit {
                    answers.extend_from_slice(bytes);
                }
            }
            if is_done {
                break;
            }
        }
        if let Some(close) = peer
            .told
            .iter()
            .position(|told| matches!(told, Told::Close(_)))
        {
            assert_eq!(close + 1, peer.told.len(), "nothing follows a Close");
            let bytes = peer.bytes.len();
            assert_eq!(bytes, start + whole, "no byte follows a Close");
        }
        peer.looked_at = Some(start + whole);
        let ends = peer.shut;
        self.say_raw(at, &answers);
        if ends {
            self.peers[at].ended = true;
        }
    }

    /// Everything goes on until nothing more happens.
    pub(super) fn quiesce(&mut self) {
        for peer in 0..self.peers.len() {
            self.make_room(peer, usize::MAX);
        }
        loop {
            let before = self.progress();
            for peer in 0..self.peers.len() {
                self.carry(peer, usize::MAX);
            }
            for hub in 0..self.hubs.len() {
                self.hand_out(hub);
            }
            for hub in 0..self.hubs.len() {
                self.flush(hub);
            }
            if self.progress() == before {
                return;
            }
        }
    }

    fn progress(&self) -> (usize, usize) {
        let bytes = self.peers.iter();
        let bytes = bytes.map(|peer| {
            peer.taken + peer.bytes.len() + usize::from(peer.end_known) + usize::from(peer.gone)
        });
        (bytes.sum(), self.seen.borrow().len())
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now = self.now.after(core::time::Duration::from_millis(millis));
        for hub in 0..self.hubs.len() {
            self.hubs[hub].handle_timeouts(self.now);
            self.flush(hub);
        }
    }

    pub(super) fn texts(&self, peer: usize) -> Vec<&str> {
        let told = self.peers[peer].told.iter();
        told.filter_map(|told| match told {
            Told::Text(text) => Some(text.as_str()),
            Told::Ping | Told::Pong(_) | Told::Close(_) => None,
        })
        .collect()
    }

    pub(super) fn close_code(&self, peer: usize) -> Option<u16> {
        match self.peers[peer].told.last() {
            Some(Told::Close(code)) => *code,
            _ => None,
        }
    }
}

/// The length of the whole frames at the front of what a server has sent, read naively.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some([first, second]) = bytes.get(at..at + 2) {
        assert_eq!(second & 0x80, 0, "a server does not mask");
        // The bit of compressed messages apart.
        assert_eq!(first & 0xB0, 0x80, "a hub does not fragment");
        let (head, len) = match second {
            126 => match bytes.get(at + 2..at + 4) {
                Some(len) => (4, usize::from(len[0]) * 256 + usize::from(len[1])),
                None => break,
            },
            127 => match bytes.get(at + 2..at + 10) {
                Some(len) => (10, len.iter().fold(0, |sum, b| sum * 256 + usize::from(*b))),
                None => break,
            },
            len => (2, usize::from(*len)),
        };
        if at + head + len > bytes.len() {
            break;
        }
        at += head + len;
    }
    at
}

fn note(seen: &mut Vec<Seen>, fact: &Fact<'_>) {
    seen.push(match fact {
        Fact::Connected {
            connection,
            version,
            ..
        } => Seen::Connected(*connection, *version),
        Fact::HandshakeFailed { error, .. } => Seen::HandshakeFailed(format!("{error:?}")),
        Fact::Published {
            position,
            recipients,
            ..
        } => Seen::Published {
            position: *position,
            recipients: *recipients,
        },
        Fact::Requested {
            connection,
            request,
            status,
            ..
        } => Seen::Requested(*connection, String::from(*request), *status),
        Fact::Refused {
            connection,
            refusal,
        } => Seen::Refused(*connection, (*refusal).clone()),
        Fact::SlowConsumer { connection } => Seen::SlowConsumer(*connection),
        Fact::Dropped {
            connection,
            notifications,
        } => Seen::Dropped(*connection, *notifications),
        Fact::Disconnected { connection, cause } => Seen::Disconnected(*connection, cause.code()),
        Fact::OriginRefused { origin, .. } => Seen::OriginRefused(String::from(*origin)),
        Fact::ForwardingRefused { peer, .. } => Seen::ForwardingRefused(*peer),
        Fact::TurnedAway { peer, .. } => Seen::TurnedAway(*peer),
        Fact::UnknownProxy { peer } => Seen::UnknownProxy(*peer),
        Fact::Subscribed { .. } | Fact::Violated { .. } => return,
    });
}
