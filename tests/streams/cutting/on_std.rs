//! Blocking streams, and however often waiting for them is interrupted.

use core::{cell::RefCell, time::Duration};
use std::{
    io::{self, ErrorKind, Read, Write},
    rc::Rc,
};

use campanile_core::{
    conn::{Client, Server},
    handshake::Opening,
    wire::Kind,
};
use campanile_std::{Stream, Transport};
use proptest::prelude::*;

use super::{TIMELESS, oracle, traffic, turns};
use crate::support::{KEY, REQUEST, RESPONSE, echo, masks};

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

/// A transport that delivers `head` and `bytes`, and where to look for what is said on it.
fn scripted(head: &[u8], bytes: &[u8], turns: Vec<Turn>) -> (Scripted, Rc<RefCell<Vec<u8>>>) {
    let outgoing = Rc::default();
    let transport = Scripted {
        incoming: [head, bytes].concat(),
        outgoing: Rc::clone(&outgoing),
        turns,
        turn: 0,
    };
    (transport, outgoing)
}

/// The ways to say that nothing happened in time.
fn hindrances() -> Vec<Turn> {
    [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ]
    .map(Turn::Fail)
    .to_vec()
}

proptest! {
    #[test]
    fn a_server_over_any_transport_says_what_it_says_over_the_simplest(
        bytes in traffic(true),
        turns in turns(Turn::Pass, hindrances()),
    ) {
        let (transport, outgoing) = scripted(REQUEST, &bytes, turns);
        let ended = echo(Stream::accept(transport, &TIMELESS).unwrap());
        let (said, cause) = oracle(Server, bytes);
        prop_assert_eq!(ended.unwrap(), cause);
        prop_assert_eq!(outgoing.take(), [RESPONSE, &said].concat());
    }

    #[test]
    fn a_client_over_any_transport_says_what_it_says_over_the_simplest(
        bytes in traffic(false),
        turns in turns(Turn::Pass, hindrances()),
    ) {
        let (transport, outgoing) = scripted(RESPONSE, &bytes, turns);
        let opening = Opening::new("localhost", "/");
        let ended = echo(Stream::connect(transport, &opening, masks(), &TIMELESS).unwrap());
        let (said, cause) = oracle(Client(|| KEY), bytes);
        prop_assert_eq!(ended.unwrap(), cause);
        prop_assert_eq!(outgoing.take(), [REQUEST, &said].concat());
    }

    #[test]
    fn what_came_with_the_handshake_of_somebody_else_is_heard_first(
        bytes in traffic(true),
        turns in turns(Turn::Pass, hindrances()),
        behind in any::<prop::sample::Index>(),
    ) {
        let (said, cause) = oracle(Server, bytes.clone());
        let (behind, bytes) = bytes.split_at(behind.index(bytes.len().min(3000) + 1));
        let (transport, outgoing) = scripted(&[], bytes, turns);
        let ended = echo(Stream::new(transport, Server, &TIMELESS, behind));
        prop_assert_eq!(ended.unwrap(), cause);
        prop_assert_eq!(outgoing.take(), said);
    }
}

#[test]
fn a_transport_that_failed_is_not_asked_again() {
    let fails = Turn::Fail(ErrorKind::ConnectionReset);
    let (transport, outgoing) = scripted(&[], &[], vec![fails, Turn::Pass(1)]);
    let mut stream = Stream::new(transport, Server, &TIMELESS, &[]);
    stream.send(Kind::Text, b"unheard").unwrap();
    let error = stream.fill().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    stream.flush().unwrap();
    assert!(!stream.fill().unwrap());
    assert!(outgoing.borrow().is_empty());
}
