//! However a transport cuts and delays, and however often one gives up waiting for it, what comes
//! out is the same.

use core::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{io, rc::Rc};

use campanile_core::{
    Instant,
    conn::{
        Assembler, Client, CloseCause, Config, Connection, Event, Input, Role, Server, Transmit,
    },
    handshake::Opening,
    wire::{Kind, MAX_CONTROL, MAX_HEAD, OpCode},
};
use campanile_smol::Stream;
use proptest::prelude::*;
use smol::{
    block_on,
    io::{AsyncRead, AsyncWrite},
};

use crate::support::{KEY, REQUEST, RESPONSE, frame, masks};

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
    /// Not now, but soon.
    Wait,
    /// Never again.
    Stall,
}

#[derive(Debug, Default)]
struct Outgoing {
    /// Written, and kept back.
    kept: Vec<u8>,
    /// Flushed: the peer has it.
    sent: Vec<u8>,
    closed: bool,
}

/// Goes through its turns again and again, and keeps what is written until it is flushed.
struct Scripted {
    incoming: Vec<u8>,
    outgoing: Rc<RefCell<Outgoing>>,
    turns: Vec<Turn>,
    turn: usize,
}

impl Scripted {
    fn next(&mut self, context: &Context<'_>) -> Poll<usize> {
        let turn = self.turns[self.turn % self.turns.len()];
        self.turn += 1;
        match turn {
            Turn::Pass(count) => Poll::Ready(count),
            Turn::Wait => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Turn::Stall => {
                self.turn -= 1;
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // The peer may be waiting for it.
        assert_eq!(self.outgoing.borrow().kept, b"");
        self.next(context).map(|count| {
            let count = count.min(room.len()).min(self.incoming.len());
            for (to, from) in room.iter_mut().zip(self.incoming.drain(..count)) {
                *to = from;
            }
            Ok(count)
        })
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.next(context).map(|count| {
            let count = count.min(bytes.len());
            let outgoing = &mut *self.outgoing.borrow_mut();
            assert!(!outgoing.closed);
            outgoing.kept.extend_from_slice(&bytes[..count]);
            Ok(count)
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.next(context).map(|_| {
            let outgoing = &mut *self.outgoing.borrow_mut();
            outgoing.sent.append(&mut outgoing.kept);
            Ok(())
        })
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.next(context).map(|_| {
            let outgoing = &mut *self.outgoing.borrow_mut();
            outgoing.sent.append(&mut outgoing.kept);
            outgoing.closed = true;
            Ok(())
        })
    }
}

/// Fills, and gives up each time at the given number of looks at it; zero: never.
async fn fill<R: Role>(stream: &mut Stream<Scripted, R>, patience: usize) -> io::Result<bool> {
    loop {
        let mut filling = Box::pin(stream.fill());
        let mut looks = 0;
        let filled = poll_fn(|context| {
            if let Poll::Ready(filled) = filling.as_mut().poll(context) {
                return Poll::Ready(Some(filled));
            }
            looks += 1;
            if looks == patience {
                return Poll::Ready(None);
            }
            Poll::Pending
        });
        if let Some(filled) = filled.await {
            return filled;
        }
    }
}

async fn echo<R: Role>(
    mut stream: Stream<Scripted, R>,
    patience: usize,
) -> io::Result<Option<CloseCause>> {
    let mut assembler = Assembler::new(Vec::new());
    while fill(&mut stream, patience).await? {
        let mut events = stream.events();
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(data) = event
                && let Some(message) = assembler.push(data).unwrap()
            {
                let _ = events.send(message.kind, message.bytes);
            }
        }
    }
    Ok(stream.closed_by())
}

/// An echo without a stream: all bytes at once, straight into the core.
fn oracle<R: Role>(role: R, mut bytes: Vec<u8>) -> (Vec<u8>, Option<CloseCause>) {
    let mut conn = Connection::new(role, &TIMELESS, Instant::ZERO);
    let mut assembler = Assembler::new(Vec::new());
    let mut said = Vec::new();
    let mut input = Input::new(&mut bytes);
    let transmit = |conn: &mut Connection<R>, input: &mut Input<'_>, said: &mut Vec<u8>| {
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
        2 => Just(Turn::Wait),
    ];
    // At least one that gets on.
    (prop::collection::vec(turn, 0..12), 1_usize..2000).prop_map(|(mut turns, last)| {
        turns.push(Turn::Pass(last));
        turns
    })
}

/// Frames of a peer that masks or not, most of them in an order that is allowed, some bytes of them
/// spoiled.
fn traffic(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "[a-zé€😀]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..125),
        (100_usize..70_000).prop_map(|len| vec![b'x'; len]),
    ];
    let frames = (0_u8..10, any::<bool>(), any::<[u8; 4]>(), payload);
    let spoiled = prop::option::weighted(0.2, (any::<prop::sample::Index>(), 1_u8..));
    (prop::collection::vec(frames, 0..12), spoiled).prop_map(move |(frames, spoiled)| {
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
            bytes.extend(frame(opcode, fin, masked.then_some(mask), &payload));
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

/// A transport that delivers `head` and `bytes`, and where to look for what is said on it.
fn scripted(head: &[u8], bytes: &[u8], turns: Vec<Turn>) -> (Scripted, Rc<RefCell<Outgoing>>) {
    let outgoing = Rc::new(RefCell::new(Outgoing::default()));
    let transport = Scripted {
        incoming: [head, bytes].concat(),
        outgoing: Rc::clone(&outgoing),
        turns,
        turn: 0,
    };
    (transport, outgoing)
}

proptest! {
    #[test]
    fn a_server_over_any_transport_says_what_it_says_over_the_simplest(
        bytes in traffic(true),
        turns in turns(),
        patience in 0_usize..4,
    ) {
        let (transport, outgoing) = scripted(REQUEST, &bytes, turns);
        let ended = block_on(async {
            echo(Stream::accept(transport, &TIMELESS).await.unwrap(), patience).await
        });
        let (said, cause) = oracle(Server, bytes);
        prop_assert_eq!(ended.unwrap(), cause);
        prop_assert_eq!(&outgoing.borrow().sent, &[RESPONSE, &said].concat());
    }

    #[test]
    fn a_client_over_any_transport_says_what_it_says_over_the_simplest(
        bytes in traffic(false),
        turns in turns(),
        patience in 0_usize..4,
    ) {
        let (transport, outgoing) = scripted(RESPONSE, &bytes, turns);
        let ended = block_on(async {
            let opening = Opening::new("localhost", "/");
            let stream = Stream::connect(transport, &opening, masks(), &TIMELESS).await;
            echo(stream.unwrap(), patience).await
        });
        let (said, cause) = oracle(Client(|| KEY), bytes);
        prop_assert_eq!(ended.unwrap(), cause);
        prop_assert_eq!(&outgoing.borrow().sent, &[REQUEST, &said].concat());
    }
}

#[test]
fn a_shutdown_that_was_given_up_waiting_for_is_done_at_the_next_flush() {
    let close = frame(OpCode::Close, true, Some(KEY), b"");
    let (transport, outgoing) = scripted(&[], &close, vec![Turn::Pass(100), Turn::Wait]);
    let mut stream = Stream::new(transport, Server, &TIMELESS, &[]);
    stream.send(Kind::Text, b"before").unwrap();
    assert!(block_on(fill(&mut stream, 1)).unwrap());
    assert!(matches!(
        stream.events().next(),
        Some(Ok(Event::Close(None)))
    ));
    for _ in 0..6 {
        assert!(!outgoing.borrow().closed);
        if block_on(smol::future::poll_once(stream.flush())).is_some() {
            break;
        }
    }
    let outgoing = outgoing.borrow();
    assert!(outgoing.closed);
    let said = [
        frame(OpCode::Text, true, None, b"before"),
        frame(OpCode::Close, true, None, b""),
    ];
    assert_eq!(outgoing.sent, said.concat());
}

#[test]
fn a_shutdown_that_never_comes_to_an_end_is_given_up_in_time() {
    let config = Config {
        close_timeout: Duration::from_millis(50),
        ..TIMELESS
    };
    let close = frame(OpCode::Close, true, Some(KEY), b"");
    // One read, one write, one flush.
    let pass = Turn::Pass(100);
    let (transport, outgoing) = scripted(&[], &close, vec![pass, pass, pass, Turn::Stall]);
    let mut stream = Stream::new(transport, Server, &config, &[]);
    assert!(block_on(stream.fill()).unwrap());
    assert!(stream.events().next().is_some());
    block_on(stream.flush()).unwrap();
    assert!(!block_on(stream.fill()).unwrap());
    assert_eq!(stream.closed_by(), Some(CloseCause::Peer(None)));
    let outgoing = outgoing.borrow();
    assert!(!outgoing.closed);
    assert_eq!(outgoing.sent, frame(OpCode::Close, true, None, b""));
}
