//! A language for tests of a connection: bytes in, in any pieces; events and bytes out.

mod behaviour;
#[cfg(feature = "alloc")]
mod buffered;
#[cfg(feature = "deflate")]
mod deflating;
mod drawing;
#[cfg(feature = "alloc")]
mod opening;
mod splitting;
mod strictness;
mod timing;
mod vectors;

use core::time::Duration;

use alloc::{string::String, vec, vec::Vec};

use super::*;
use crate::wire::{FrameHead, Kind, OpCode, apply_mask};

/// What happened, with the chunks of a message run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Part(Kind, Vec<u8>),
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Violation(Violation),
}

/// What the transport was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Bytes(Vec<u8>),
    ShutdownWrite,
    Disconnect,
}

/// A connection with a scripted peer and a clock that is moved by hand.
pub(super) struct Side<R: Role> {
    pub(super) conn: Connection<R>,
    pub(super) now: Instant,
    pub(super) seen: Vec<Seen>,
    pub(super) told: Vec<Told>,
    left: Vec<u8>,
}

pub(super) const KEY: [u8; 4] = [0xA1, 0x02, 0x7F, 0xE0];

/// Always the same key, so that frames can be compared.
pub(super) struct TestKey;

impl MaskSource for TestKey {
    fn next_mask(&mut self) -> [u8; 4] {
        KEY
    }
}

pub(super) fn server() -> Side<Server> {
    server_with(&Config::new())
}

pub(super) fn server_with(config: &Config) -> Side<Server> {
    Side::new(Server, config)
}

pub(super) fn client_with(config: &Config) -> Side<Client<TestKey>> {
    Side::new(Client(TestKey), config)
}

impl<R: Role> Side<R> {
    fn new(role: R, config: &Config) -> Self {
        Self {
            conn: Connection::new(role, config, Instant::ZERO),
            now: Instant::ZERO,
            seen: Vec::new(),
            told: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Gives the connection these bytes as one read, as a driver would.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> &mut Self {
        let mut buffer = core::mem::take(&mut self.left);
        buffer.extend(bytes);
        let mut input = Input::new(&mut buffer);
        loop {
            let event = self.conn.receive(&mut input, self.now);
            let go_on = matches!(event, Ok(Some(_)));
            match event {
                Ok(Some(event)) => see(&mut self.seen, event),
                Ok(None) => {}
                Err(violation) => self.seen.push(Seen::Violation(violation)),
            }
            transmit(&mut self.conn, &mut input, &mut self.told);
            if !go_on {
                break;
            }
        }
        assert!(input.rest().len() <= MAX_LEFTOVER);
        self.left = input.into_rest().to_vec();
        self
    }

    pub(super) fn receive_eof(&mut self) -> &mut Self {
        self.conn.receive_eof(self.now);
        self.transmit()
    }

    /// Moves the clock to the next deadline and lets it expire.
    pub(super) fn next_deadline(&mut self) -> &mut Self {
        self.now = self.conn.poll_timeout().expect("something to wait for");
        self.conn.handle_timeout(self.now);
        self.transmit()
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) -> &mut Self {
        let mut out = [0; MAX_CONTROL];
        let frame = self.conn.close(code, reason, &mut out, self.now);
        self.told.push(Told::Bytes(frame.expect("open").to_vec()));
        self
    }

    fn transmit(&mut self) -> &mut Self {
        transmit(&mut self.conn, &mut Input::default(), &mut self.told);
        self
    }

    /// What was seen since the last question.
    pub(super) fn seen(&mut self) -> Vec<Seen> {
        core::mem::take(&mut self.seen)
    }

    /// What the transport was told since the last question.
    pub(super) fn told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.told)
    }
}

fn see(seen: &mut Vec<Seen>, event: Event<'_>) {
    let next = match event {
        Event::Data(data) => {
            let mut bytes = Vec::new();
            if data.first {
                assert!(!matches!(seen.last(), Some(Seen::Part(..))));
            } else if let Some(at) = seen.iter().rposition(|s| matches!(s, Seen::Part(..))) {
                let Seen::Part(kind, part) = seen.remove(at) else {
                    unreachable!("it was just found");
                };
                assert_eq!(kind, data.kind);
                bytes = part;
            } else {
                panic!("a chunk in the middle of nothing");
            }
            bytes.extend_from_slice(data.bytes);
            if data.last {
                Seen::Message(data.kind, bytes)
            } else {
                Seen::Part(data.kind, bytes)
            }
        }
        #[cfg(feature = "deflate")]
        Event::Deflated(_) => panic!("compression was not agreed on"),
        Event::Ping(payload) => Seen::Ping(payload.to_vec()),
        Event::Pong(payload) => Seen::Pong(payload.to_vec()),
        Event::Close(close) => Seen::Close(close.map(|c| (c.code.get(), String::from(c.reason)))),
    };
    seen.push(next);
}

fn transmit<R: Role>(conn: &mut Connection<R>, input: &mut Input<'_>, told: &mut Vec<Told>) {
    let mut out = [0; MAX_CONTROL];
    while let Some(transmit) = conn.poll_transmit(input, &mut out) {
        told.push(match transmit {
            Transmit::Bytes(bytes) => Told::Bytes(bytes.to_vec()),
            Transmit::ShutdownWrite => Told::ShutdownWrite,
            Transmit::Disconnect => Told::Disconnect,
        });
    }
}

/// A frame as a client sends it.
pub(super) fn masked(opcode: OpCode, fin: bool, payload: &[u8]) -> Vec<u8> {
    frame(opcode, fin, Some(KEY), payload)
}

/// A frame as a server sends it.
pub(super) fn plain(opcode: OpCode, fin: bool, payload: &[u8]) -> Vec<u8> {
    frame(opcode, fin, None, payload)
}

fn frame(opcode: OpCode, fin: bool, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead {
        fin,
        opcode,
        mask,
        payload_len: payload.len() as u64,
    };
    let mut body = payload.to_vec();
    if let Some(key) = mask {
        let _ = apply_mask(key, &mut body);
    }
    [head.encode().as_bytes(), &body].concat()
}

pub(super) fn close_frame(code: CloseCode, reason: &str) -> Told {
    let payload = [&code.get().to_be_bytes()[..], reason.as_bytes()].concat();
    Told::Bytes(plain(OpCode::Close, true, &payload))
}

pub(super) fn text(content: &str) -> Seen {
    Seen::Message(Kind::Text, content.as_bytes().to_vec())
}
