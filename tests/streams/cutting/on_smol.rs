//! Streams of smol, and however often one gives up waiting for them.

use core::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{
    io::{self, Read as _, Write as _},
    rc::Rc,
};

use campanile_core::{
    conn::{Assembler, Client, CloseCause, Config, Event, Role, Server},
    handshake::Opening,
    wire::{Kind, OpCode},
};
use campanile_smol::Stream;
use proptest::prelude::*;
use smol::{
    Async, block_on,
    io::{AsyncRead, AsyncWrite},
};

use super::{TIMELESS, oracle, traffic, turns};
use crate::support::{KEY, REQUEST, RESPONSE, expect, frame, masks, sockets};

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
        turns in turns(Turn::Pass, vec![Turn::Wait]),
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
        turns in turns(Turn::Pass, vec![Turn::Wait]),
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

#[test]
fn a_connect_that_is_dropped_midway_drops_its_transport() {
    let (client, mut raw) = sockets();
    raw.write_all(&RESPONSE[..RESPONSE.len() / 2]).unwrap();
    let client: smol::net::TcpStream = Async::new(client).unwrap().into();
    let opening = Opening::new("localhost", "/");
    let mut connecting = Box::pin(Stream::connect(client, &opening, masks(), &TIMELESS));
    assert!(block_on(smol::future::poll_once(&mut connecting)).is_none());
    expect(&mut raw, REQUEST);
    drop(connecting);
    // Unread bytes make a reset of the end.
    let end = raw.read(&mut [0]);
    assert!(
        matches!(&end, Ok(0))
            || matches!(&end, Err(error) if error.kind() == io::ErrorKind::ConnectionReset),
        "{end:?}"
    );
}
