//! The clients and the servers of both runtimes against each other, over a link that cuts.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
    time::Instant,
};

use campanile_core::{
    conn::{CloseCause, Config, SendError},
    handshake::Opening,
    wire::{CloseCode, Kind},
};
use campanile_smol::{HashedMasks, Stream};
use smol::block_on;

use crate::support::{LIMITS, Talk, asynchronous, echo, finish, next_message, sockets};

/// Every border between lengths of head, and more than the buffer.
const LENGTHS: [usize; 8] = [0, 1, 125, 126, 1024, 0xFFFF, 0x1_0000, 200_000];

#[derive(Clone, Copy, Debug)]
enum Runtime {
    Smol,
    Std,
}

const RUNTIMES: [Runtime; 2] = [Runtime::Smol, Runtime::Std];

/// What is done with a stream, whatever it is.
trait Part: Send {
    type Outcome: Send;

    fn play(self, stream: impl Talk) -> Self::Outcome;
}

/// Plays a client's part over this socket.
fn as_client<P: Part>(runtime: Runtime, socket: TcpStream, part: P) -> P::Outcome {
    let opening = Opening::new("localhost", "/");
    match runtime {
        Runtime::Smol => {
            let socket = asynchronous(socket);
            let masks = HashedMasks::new();
            part.play(block_on(Stream::connect(socket, &opening, masks, &LIMITS)).unwrap())
        }
        Runtime::Std => {
            let masks = campanile_std::HashedMasks::new();
            let stream = campanile_std::Stream::connect(socket, &opening, masks, &LIMITS);
            part.play(stream.unwrap())
        }
    }
}

/// Plays a server's part over this socket.
fn as_server<P: Part>(runtime: Runtime, socket: TcpStream, part: P) -> P::Outcome {
    match runtime {
        Runtime::Smol => {
            let socket = asynchronous(socket);
            part.play(block_on(Stream::accept(socket, &LIMITS)).unwrap())
        }
        Runtime::Std => part.play(campanile_std::Stream::accept(socket, &LIMITS).unwrap()),
    }
}

/// Says something of every length, one by one and then all at once, and hears it back.
struct Converse;

impl Part for Converse {
    type Outcome = Option<CloseCause>;

    fn play(self, mut stream: impl Talk) -> Self::Outcome {
        let messages = || {
            LENGTHS.into_iter().flat_map(|len| {
                // Characters of two bytes, so that reads cut some of them.
                let text = "é".repeat(len / 2).into_bytes();
                let binary = (0..len).map(|i| (i % 251).to_le_bytes()[0]).collect();
                [(Kind::Text, text), (Kind::Binary, binary)]
            })
        };
        for message in messages() {
            stream.send(message.0, &message.1).unwrap();
            assert_eq!(next_message(&mut stream), message);
        }
        // The small ones again, unread while they are sent.
        let small = || messages().filter(|message| message.1.len() <= 1024);
        for message in small() {
            stream.send(message.0, &message.1).unwrap();
        }
        for message in small() {
            assert_eq!(next_message(&mut stream), message);
        }
        stream.close(CloseCode::NORMAL, "done").unwrap();
        finish(&mut stream)
    }
}

struct Echo;

impl Part for Echo {
    type Outcome = Option<CloseCause>;

    fn play(self, stream: impl Talk) -> Self::Outcome {
        echo(stream).unwrap()
    }
}

/// Closes with this code, or waits for the peer to do so.
struct End(Option<CloseCode>);

impl Part for End {
    type Outcome = Option<CloseCause>;

    fn play(self, mut stream: impl Talk) -> Self::Outcome {
        if let Some(code) = self.0 {
            stream.close(code, "because").unwrap();
        }
        let cause = finish(&mut stream);
        assert_eq!(stream.send(Kind::Text, b"late"), Err(SendError::Closing));
        assert!(!stream.fill().unwrap());
        cause
    }
}

/// Two sockets with something in between that passes on a few bytes at a time: one for the first
/// hundreds, among them the handshake, then up to some thousands, in turns without a pattern.
fn cut_sockets() -> (TcpStream, TcpStream) {
    let (client, near) = sockets();
    let (far, server) = sockets();
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let mut passed = 0_usize;
            let mut buffer = [0; 4096];
            let mut state = 1_u32;
            loop {
                // A generator of Numerical Recipes; its high bits are good enough.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let most = if passed < 600 { 0 } else { state >> 20 };
                let room = &mut buffer[..=usize::try_from(most).unwrap()];
                match from.read(room) {
                    Ok(count @ 1..) if to.write_all(&room[..count]).is_ok() => passed += count,
                    _ => break,
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    (client, server)
}

/// Plays a client's and a server's part against each other; what came of each.
fn play<C: Part, S: Part + 'static>(
    (client, server): (Runtime, Runtime),
    (near, far): (TcpStream, TcpStream),
    (as_one, as_other): (C, S),
) -> (C::Outcome, S::Outcome) {
    let serving = thread::spawn(move || as_server(server, far, as_other));
    let outcome = as_client(client, near, as_one);
    (outcome, serving.join().unwrap())
}

fn pairs() -> impl Iterator<Item = (Runtime, Runtime)> {
    RUNTIMES
        .into_iter()
        .flat_map(|client| RUNTIMES.map(|server| (client, server)))
}

#[test]
fn any_client_and_any_server_understand_each_other_however_their_bytes_are_cut() {
    let normal = CloseCode::NORMAL;
    let (closer, closed) = (
        Some(CloseCause::Local(normal)),
        Some(CloseCause::Peer(Some(normal))),
    );
    for pair in pairs() {
        for link in [sockets, cut_sockets] {
            let outcomes = play(pair, link(), (Converse, Echo));
            assert_eq!(outcomes, (closer, closed), "{pair:?}");
            let outcomes = play(pair, link(), (Echo, Converse));
            assert_eq!(outcomes, (closed, closer), "{pair:?}");
        }
    }
}

#[test]
fn either_side_closes_with_a_code_and_both_know_it() {
    for pair in pairs() {
        for number in [1000, 1001, 1011, 3000, 4999] {
            let code = CloseCode::new(number).unwrap();
            let (closer, closed) = (
                Some(CloseCause::Local(code)),
                Some(CloseCause::Peer(Some(code))),
            );
            let start = Instant::now();
            let outcomes = play(pair, sockets(), (End(Some(code)), End(None)));
            assert_eq!(outcomes, (closer, closed), "{pair:?}");
            let outcomes = play(pair, sockets(), (End(None), End(Some(code))));
            assert_eq!(outcomes, (closed, closer), "{pair:?}");
            // By the closing handshake, and not by its time running out.
            assert!(start.elapsed() < Config::CLOSE_TIMEOUT / 2);
        }
    }
}
