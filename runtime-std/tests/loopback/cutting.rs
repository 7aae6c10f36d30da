//! However a transport cuts, delays and interrupts, what comes out is the same.

use core::{cell::RefCell, time::Duration};
use std::{
    io::{self, ErrorKind, Read, Write},
    rc::Rc,
};

use campanile_core::{
    Instant,
    conn::{Assembler, CloseCause, Config, Connection, Event, Input, Server, Transmit},
    wire::{Kind, MAX_CONTROL, MAX_HEAD, OpCode},
};
use campanile_std::{Stream, Transport};
use proptest::prelude::*;

use crate::support::{echo, frame};

/// No pings, no rates: time plays no part.
const TIMELESS: Config = Config {
    max_message: 1 << 20,
    max_fragments: 1 << 16,
    control_rate: 0,
    ping_interval: None,
    ..Config::new()
};

/// What a transport does at one call.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Reads or writes up to so many bytes.
    Pass(usize),
    Fail(ErrorKind),
}

/// Goes through its turns again and again.
struct Scripted {
    incoming: Vec<u8>,
    outgoing: Rc<RefCell<Vec<u8>>>,
    turns: Vec<Turn>,
    turn: usize,
}

impl Scripted {
    fn next(&mut self, most: usize) -> io::Result<usize> {
        let turn = self.turns[self.turn % self.turns.len()];
        self.turn += 1;
        match turn {
            Turn::Pass(count) => Ok(count.min(most)),
            Turn::Fail(kind) => Err(kind.into()),
        }
    }
}

impl Read for Scripted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.next(room.len().min(self.incoming.len()))?;
        for (to, from) in room.iter_mut().zip(self.incoming.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.next(bytes.len())?;
        self.outgoing.borrow_mut().extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Scripted {
    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        assert_ne!(limit, Some(Duration::ZERO));
        Ok(())
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        assert_ne!(limit, Some(Duration::ZERO));
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An echo without a stream: all bytes at once, straight into the core.
fn oracle(mut bytes: Vec<u8>) -> (Vec<u8>, Option<CloseCause>) {
    let mut conn = Connection::new(Server, &TIMELESS, Instant::ZERO);
    let mut assembler = Assembler::new(Vec::new());
    let mut said = Vec::new();
    let mut input = Input::new(&mut bytes);
    let transmit = |conn: &mut Connection<Server>, input: &mut Input<'_>, said: &mut Vec<u8>| {
        let mut scratch = [0; MAX_CONTROL];
        while let Some(transmit) = conn.poll_transmit(input, &mut scratch) {
            if let Transmit::Bytes(bytes) = transmit {
                said.extend_from_slice(bytes);
            }
        }
    };
    while let Ok(Some(event)) = conn.receive(&mut input, Instant::ZERO) {
        if let Event::Data(data) = event
            && let Some(message) = assembler.push(data).unwrap()
        {
            let mut out = vec![0; MAX_HEAD + message.bytes.len()];
            let frame = conn.encode(message.kind, message.bytes, true, &mut out);
            said.extend_from_slice(frame.unwrap());
        }
        transmit(&mut conn, &mut input, &mut said);
    }
    transmit(&mut conn, &mut input, &mut said);
    conn.receive_eof(Instant::ZERO);
    transmit(&mut conn, &mut input, &mut said);
    (said, conn.closed_by())
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        4 => (1_usize..30).prop_map(Turn::Pass),
        1 => Just(Turn::Pass(usize::MAX)),
        1 => prop::sample::select(vec![
            ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted,
        ]).prop_map(Turn::Fail),
    ];
    // At least one that gets on.
    (prop::collection::vec(turn, 0..12), 1_usize..2000).prop_map(|(mut turns, last)| {
        turns.push(Turn::Pass(last));
        turns
    })
}

/// Frames of a client, most of them in an order that is allowed, some bytes of them spoiled.
fn traffic() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "[a-zé€😀]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..125),
        (100_usize..70_000).prop_map(|len| vec![b'x'; len]),
    ];
    let frames = (0_u8..10, any::<bool>(), any::<[u8; 4]>(), payload);
    let spoiled = prop::option::weighted(0.2, (any::<prop::sample::Index>(), 1_u8..));
    (prop::collection::vec(frames, 0..12), spoiled).prop_map(|(frames, spoiled)| {
        let mut bytes = Vec::new();
        let mut open = false;
        for (what, fin, mask, mut payload) in frames {
            let (opcode, fin) = match what {
                0 => (OpCode::Ping, true),
                1 => (OpCode::Pong, true),
                2 if payload.len() % 5 == 0 => (OpCode::Close, true),
                _ if open => (OpCode::Continuation, fin),
                3..=5 if payload.is_ascii() => (OpCode::Text, fin),
                _ => (OpCode::Binary, fin),
            };
            if opcode.is_control() {
                payload.truncate(125);
            } else {
                open = !fin;
            }
            bytes.extend(frame(opcode, fin, Some(mask), &payload));
        }
        if let Some((index, bits)) = spoiled
            && !bytes.is_empty()
        {
            let at = index.index(bytes.len());
            bytes[at] ^= bits;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn an_echo_over_any_transport_says_what_it_says_over_the_simplest(
        bytes in traffic(),
        turns in turns(),
        behind in any::<prop::sample::Index>(),
    ) {
        let expected = oracle(bytes.clone());
        let outgoing = Rc::new(RefCell::new(Vec::new()));
        // Some of it came with the handshake.
        let behind = behind.index(bytes.len().min(3000) + 1);
        let transport = Scripted {
            incoming: bytes[behind..].to_vec(),
            outgoing: Rc::clone(&outgoing),
            turns,
            turn: 0,
        };
        let ended = echo(Stream::new(transport, Server, &TIMELESS, &bytes[..behind]));
        prop_assert_eq!(ended.unwrap(), expected.1);
        prop_assert_eq!(outgoing.take(), expected.0);
    }
}

#[test]
fn a_transport_that_failed_is_not_asked_again() {
    let outgoing = Rc::default();
    let mut stream = Stream::new(
        Scripted {
            incoming: Vec::new(),
            outgoing: Rc::clone(&outgoing),
            turns: vec![Turn::Fail(ErrorKind::ConnectionReset), Turn::Pass(1)],
            turn: 0,
        },
        Server,
        &TIMELESS,
        &[],
    );
    stream.send(Kind::Text, b"unheard").unwrap();
    let error = stream.fill().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    stream.flush().unwrap();
    assert!(!stream.fill().unwrap());
    assert!(outgoing.borrow().is_empty());
}
