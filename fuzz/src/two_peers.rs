//! A client and a server with a link between them that delivers in pieces.

use core::time::Duration;
use std::collections::VecDeque;

use campanile_core::{
    Instant,
    conn::{
        Client, CloseCause, Config, Connection, Event, Input, MaskSource, Role, Server, State,
        Transmit,
    },
    wire::{CloseCode, Kind, MAX_CONTROL},
};

use crate::script::Script;

/// Format: a byte that says how it ends (odd: the link is dead then), one for the interval of Pings
/// (0: none), and one each for the patience for Pongs and for closing, in units of 16 ms; then
/// operations. The highest bit of an operation's first byte says whose it is, the lower six modulo 6
/// which: say (a chunk of text, or of binary data if the next to highest bit is set, to be sent
/// later), send (a byte: so many bytes of it), ping (a chunk), deliver to (a byte: so many bytes),
/// wait (a byte, in units of 16 ms), close (two bytes of code).
pub fn two_peers(data: &[u8]) {
    let mut script = Script::new(data);
    let link_dies = script.byte() % 2 == 1;
    let interval = units(script.byte());
    let config = Config {
        // The script decides how much is sent; that limits hold is another target's question.
        max_message: u64::MAX,
        max_fragments: u32::MAX,
        control_rate: 0,
        ping_interval: (interval > Duration::ZERO).then_some(interval),
        pong_timeout: units(script.byte()),
        close_timeout: units(script.byte()),
        ..Config::new()
    };
    let mut world = World {
        client: Peer::new(Connection::new(
            Client(Counter(0)),
            &config,
            Instant::default(),
        )),
        server: Peer::new(Connection::new(Server, &config, Instant::default())),
        now: Instant::default(),
    };
    while !script.is_empty() {
        world.step(&mut script);
    }
    if link_dies {
        world.end_in_silence();
    } else {
        world.end_together();
    }
}

fn units(count: u8) -> Duration {
    Duration::from_millis(16 * u64::from(count))
}

/// Keys that differ, which is all that matters here.
struct Counter(u32);

impl MaskSource for Counter {
    fn next_mask(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        self.0.to_be_bytes()
    }
}

struct World {
    client: Peer<Client<Counter>>,
    server: Peer<Server>,
    now: Instant,
}

impl World {
    fn step(&mut self, script: &mut Script<'_>) {
        let first = script.byte();
        let (is_server, is_binary, operation) =
            (first & 0x80 != 0, first & 0x40 != 0, first & 0x3F);
        let now = self.now;
        match operation % 6 {
            3 => {
                let most = usize::from(script.byte());
                if is_server {
                    self.server.deliver(&mut self.client.wire, most, now);
                } else {
                    self.client.deliver(&mut self.server.wire, most, now);
                }
            }
            4 => {
                self.now = now.after(units(script.byte()));
                self.pass_time();
            }
            own if is_server => self.server.act(own, is_binary, script, now),
            own => self.client.act(own, is_binary, script, now),
        }
    }

    fn pass_time(&mut self) {
        self.client.pass_time(self.now);
        self.server.pass_time(self.now);
    }

    /// Delivers until nothing moves.
    fn settle(&mut self) {
        loop {
            let to_client = self
                .client
                .deliver(&mut self.server.wire, usize::MAX, self.now);
            let to_server = self
                .server
                .deliver(&mut self.client.wire, usize::MAX, self.now);
            if !to_client && !to_server {
                return;
            }
        }
    }

    /// Everything is delivered, then one end closes: no time needs to pass.
    fn end_together(mut self) {
        self.settle();
        self.client.close(CloseCode::NORMAL, self.now);
        self.settle();
        let (client, server) = (&self.client, &self.server);
        client.check_ended();
        server.check_ended();
        let cut_off = client.overdue || server.overdue;
        client.check_heard(server, cut_off);
        server.check_heard(client, cut_off);
        if !cut_off {
            match (client.connection.closed_by(), server.connection.closed_by()) {
                (Some(CloseCause::Local(_)), Some(CloseCause::Local(_))) => {}
                (Some(CloseCause::Local(ours)), Some(CloseCause::Peer(Some(theirs))))
                | (Some(CloseCause::Peer(Some(theirs))), Some(CloseCause::Local(ours))) => {
                    assert_eq!(ours, theirs);
                }
                other => panic!("a clean end, but {other:?}"),
            }
        }
    }

    /// Nothing is delivered any more, and both ends close: each of them gives up in time.
    fn end_in_silence(mut self) {
        self.client.close(CloseCode::NORMAL, self.now);
        self.server.close(CloseCode::NORMAL, self.now);
        let client = self.client.connection.poll_timeout();
        let server = self.server.connection.poll_timeout();
        self.now = self.now.max(client.max(server).unwrap_or_default());
        self.pass_time();
        let (client, server) = (&self.client, &self.server);
        client.check_ended();
        server.check_ended();
        client.check_heard(server, true);
        server.check_heard(client, true);
    }
}

/// Bytes on their way from one end to the other.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    /// No byte will follow these.
    ended: bool,
    end_delivered: bool,
}

type Spoken = (Kind, Vec<u8>);

struct Peer<R: Role> {
    connection: Connection<R>,
    /// What we sent.
    wire: Wire,
    /// Received and not understood yet.
    kept: Vec<u8>,
    /// The transport is dropped.
    gone: bool,
    /// The other end's silence, or the transport's slowness, was too much.
    overdue: bool,
    to_say: VecDeque<Spoken>,
    /// How much of the first one to say is sent; nothing if it was not begun.
    said_of_first: Option<usize>,
    said: Vec<Spoken>,
    heard: Vec<Spoken>,
    hearing: Option<Spoken>,
    pinged: Vec<Vec<u8>>,
    pings: Vec<Vec<u8>>,
    /// The Pings among them that must be answered: those before our Close.
    owed: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
}

impl<R: Role> Peer<R> {
    fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            wire: Wire::default(),
            kept: Vec::new(),
            gone: false,
            overdue: false,
            to_say: VecDeque::new(),
            said_of_first: None,
            said: Vec::new(),
            heard: Vec::new(),
            hearing: None,
            pinged: Vec::new(),
            pings: Vec::new(),
            owed: Vec::new(),
            pongs: Vec::new(),
        }
    }

    /// The operations that need no other end.
    fn act(&mut self, operation: u8, is_binary: bool, script: &mut Script<'_>, now: Instant) {
        match operation {
            0 => {
                let bytes = script.chunk();
                self.to_say.push_back(if is_binary {
                    (Kind::Binary, bytes.to_vec())
                } else {
                    let text = String::from_utf8_lossy(bytes);
                    (Kind::Text, text.into_owned().into_bytes())
                });
            }
            1 => self.send(usize::from(script.byte())),
            2 => self.ping(script.chunk(), now),
            _ => {
                let code = CloseCode::new(u16::from_be_bytes(script.array()));
                self.close(code.unwrap_or(CloseCode::GOING_AWAY), now);
            }
        }
    }

    /// Sends so many bytes of what is to be said: text may be cut inside of a character.
    fn send(&mut self, most: usize) {
        let Some((kind, message)) = self.to_say.front() else {
            return;
        };
        let start = self.said_of_first.unwrap_or(0);
        let end = message.len().min(start + most);
        let last = end == message.len();
        let mut out = [0; 1024];
        let Ok(frame) = self
            .connection
            .encode(*kind, &message[start..end], last, &mut out)
        else {
            let state = self.connection.state();
            assert_ne!(state, State::Open, "an open connection does not send");
            return;
        };
        self.wire.bytes.extend(frame.iter());
        self.said_of_first = (!last).then_some(end);
        if last {
            self.said.extend(self.to_say.pop_front());
        }
    }

    fn ping(&mut self, payload: &[u8], now: Instant) {
        let mut out = [0; MAX_CONTROL];
        if let Ok(frame) = self.connection.ping(payload, &mut out, now) {
            self.wire.bytes.extend(frame);
            self.pinged.push(payload.to_vec());
        }
        self.drain(&mut Input::default());
    }

    fn close(&mut self, code: CloseCode, now: Instant) {
        let mut out = [0; MAX_CONTROL];
        if let Ok(frame) = self.connection.close(code, "bye", &mut out, now) {
            self.wire.bytes.extend(frame);
        }
        self.drain(&mut Input::default());
    }

    fn pass_time(&mut self, now: Instant) {
        let state = self.connection.state();
        self.connection.handle_timeout(now);
        self.overdue |= state != State::Closed && self.connection.state() == State::Closed;
        self.drain(&mut Input::default());
    }

    /// Receives at most so many bytes, or the end of them; tells whether anything came.
    fn deliver(&mut self, wire: &mut Wire, most: usize, now: Instant) -> bool {
        let bytes: Vec<u8> = wire.bytes.drain(..most.min(wire.bytes.len())).collect();
        if !bytes.is_empty() {
            if !self.gone {
                self.receive(&bytes, now);
            }
            return true;
        }
        if wire.bytes.is_empty() && wire.ended && !wire.end_delivered {
            wire.end_delivered = true;
            self.connection.receive_eof(now);
            self.drain(&mut Input::default());
            return true;
        }
        false
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        // Who is to be gone by now is given up, though it still sends.
        let ending = matches!(self.connection.state(), State::Closing | State::Draining);
        let due = self.connection.poll_timeout();
        let late = ending && due.is_some_and(|due| due <= now);
        self.overdue |= late;
        let mut buffer = core::mem::take(&mut self.kept);
        buffer.extend_from_slice(bytes);
        let mut input = Input::new(&mut buffer);
        loop {
            let event = match self.connection.receive(&mut input, now) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(violation) => panic!("the other end broke a rule: {violation}"),
            };
            self.hear(event);
            self.drain(&mut input);
        }
        self.drain(&mut input);
        self.kept = input.rest().to_vec();
        assert!(!late || self.connection.state() == State::Closed);
    }

    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Data(data) => {
                assert_eq!(data.first, self.hearing.is_none());
                let (kind, message) = self.hearing.get_or_insert_with(|| (data.kind, Vec::new()));
                assert_eq!(data.kind, *kind);
                message.extend_from_slice(data.bytes);
                if data.last {
                    self.heard.extend(self.hearing.take());
                }
            }
            Event::Ping(payload) => {
                self.pings.push(payload.to_vec());
                if self.connection.state() == State::Open {
                    self.owed.push(payload.to_vec());
                }
            }
            Event::Pong(payload) => self.pongs.push(payload.to_vec()),
            // What it means shows at the end.
            Event::Close(_) => {}
            other @ (Event::Deflated(_) | _) => panic!("{other:?} is unknown here"),
        }
    }

    fn drain(&mut self, input: &mut Input<'_>) {
        let mut out = [0; MAX_CONTROL];
        while let Some(transmit) = self.connection.poll_transmit(input, &mut out) {
            match transmit {
                Transmit::Bytes(bytes) => {
                    assert!(!self.wire.ended, "a frame behind the end");
                    self.wire.bytes.extend(bytes);
                }
                Transmit::ShutdownWrite => self.wire.ended = true,
                Transmit::Disconnect => {
                    self.wire.ended = true;
                    self.gone = true;
                    return;
                }
            }
        }
    }

    fn check_ended(&self) {
        assert_eq!(self.connection.state(), State::Closed);
        assert_eq!(self.connection.poll_timeout(), None);
        assert!(self.gone, "the transport is still up");
    }

    /// Whole messages in order, and Pongs; all of them, unless the connection was given up on.
    fn check_heard<P: Role>(&self, from: &Peer<P>, cut_off: bool) {
        assert!(
            from.said.starts_with(&self.heard),
            "heard what was not said"
        );
        assert!(
            cut_off || self.heard.len() == from.said.len(),
            "{} of {} messages heard",
            self.heard.len(),
            from.said.len()
        );
        // Pings of the connection's own have no payload.
        let told = |pings: &[Vec<u8>]| -> Vec<Vec<u8>> {
            let pings = pings.iter().filter(|ping| !ping.is_empty());
            pings.cloned().collect()
        };
        assert!(told(&from.pinged).starts_with(&told(&self.pings)));
        assert!(from.owed.starts_with(&self.pongs), "a Pong for no Ping");
        assert!(
            cut_off || self.pongs.len() == from.owed.len(),
            "a Ping without a Pong"
        );
    }
}
