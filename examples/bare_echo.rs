//! An echo server whose connections need no heap, on blocking sockets with a thread for each.
//!
//! It drives the bare `Connection` with buffers of a fixed size on the stack, as a device would: a
//! message of any length streams through, and comes back in fragments before its end is there.
//! Nothing is read while something is written, so a peer that reads nothing before it has sent some
//! megabytes is given up as dead. Who wants whole messages has an `Assembler` for them, or a heap
//! and `std_echo`.
//!
//! `cargo run -p campanile-examples --example bare_echo -- 127.0.0.1:9001`

use std::io::{
    self,
    ErrorKind::{Interrupted, TimedOut, WouldBlock},
    Read as _, Write as _,
};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, sync::Arc, thread, time, time::Duration};

use campanile_core::Instant;
use campanile_core::conn::{Config, Connection, Event, Input, Server, Transmit};
use campanile_core::handshake::{
    Answer, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME, Limits, RESPONSE_BYTES, ServerHandshake,
};
use campanile_core::wire::{MAX_CONTROL, MAX_HEAD};

/// As large as the Autobahn suite wants it. A message costs no memory here, only time.
const CONFIG: Config = Config {
    max_message: 16 << 20,
    max_fragments: 1 << 17,
    ..Config::new()
};

/// The most connections at once, and so the most threads.
const PEERS: usize = 200;

/// Room for received bytes. A whole request head must fit; later, more than `MAX_LEFTOVER`.
const ROOM: usize = Limits::DEFAULT.head_bytes;

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let peers = Arc::new(()); // each thread holds a clone
    loop {
        let outcome = listener.accept().and_then(|(socket, _)| {
            let place = Arc::clone(&peers);
            if Arc::strong_count(&peers) <= PEERS + 1 {
                // An error of `converse`: the peer is gone, with nobody to be told.
                thread::Builder::new().spawn(move || (converse(socket), place))?;
            }
            Ok(()) // no room: the socket is dropped
        });
        if let Err(error) = outcome {
            eprintln!("bare_echo: {error}");
            thread::sleep(Duration::from_millis(100)); // what is short stays so for a while
        }
    }
}

/// One connection from its first byte to its last.
fn converse(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(CONFIG.pong_timeout))?; // who takes nothing so long is dead
    let mut buffer = [0; ROOM];
    let Some(mut filled) = open(&mut socket, &mut buffer)? else {
        return Ok(());
    };
    let (mut frame, mut scratch) = ([0; ROOM + MAX_HEAD], [0; MAX_CONTROL]);
    let start = time::Instant::now();
    let now = || Instant::ZERO.after(start.elapsed());
    let mut connection = Connection::new(Server, &CONFIG, Instant::ZERO);
    loop {
        let mut input = Input::new(&mut buffer[..filled]);
        loop {
            let event = connection.receive(&mut input, now());
            let done = !matches!(event, Ok(Some(_))); // more bytes are needed, or a rule was broken
            if let Ok(Some(Event::Data(data))) = event {
                let piece = connection.encode(data.kind, data.bytes, data.last, &mut frame);
                socket.write_all(piece.map_err(io::Error::other)?)?;
            }
            while let Some(transmit) = connection.poll_transmit(&mut input, &mut scratch) {
                match transmit {
                    Transmit::Bytes(bytes) => socket.write_all(bytes)?,
                    Transmit::ShutdownWrite => socket.shutdown(Shutdown::Write)?,
                    Transmit::Disconnect => return Ok(()),
                }
            }
            if done {
                break;
            }
        }
        let consumed = input.consumed();
        buffer.copy_within(consumed..filled, 0);
        filled -= consumed;
        let patience = connection.poll_timeout().map(|at| at.since(now()));
        match read(&mut socket, &mut buffer[filled..], patience)? {
            Some(0) => connection.receive_eof(now()),
            Some(count) => filled += count,
            None => connection.handle_timeout(now()),
        }
    }
}

/// The opening handshake. Answers how many bytes of the connection are in `buffer` already; `None`
/// when there is none, and who said something wrong was told.
fn open(socket: &mut TcpStream, buffer: &mut [u8; ROOM]) -> io::Result<Option<usize>> {
    let start = time::Instant::now();
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    let mut filled = 0;
    while let Some(left) = HANDSHAKE_TIME.checked_sub(start.elapsed()) {
        match read(socket, &mut buffer[filled..], Some(left))? {
            Some(0) => break,
            count => filled += count.unwrap_or(0),
        }
        match handshake.answer(&buffer[..filled], &mut [0; RESPONSE_BYTES]) {
            Answer::Partial => {} // there is room: a full buffer has an answer
            Answer::Accepted { consumed, response } => {
                socket.write_all(response)?;
                buffer.copy_within(consumed..filled, 0);
                return Ok(Some(filled - consumed));
            }
            Answer::Refused { response, .. } | Answer::Declined { response, .. } => {
                socket.write_all(response)?;
                linger(socket)?;
                break;
            }
        }
    }
    Ok(None)
}

/// Lets the peer read our last answer: bytes left unread would reset the connection under it.
fn linger(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    let (start, mut swallowed) = (time::Instant::now(), 0);
    while swallowed < LINGER_BYTES
        && let Some(left) = LINGER_TIME.checked_sub(start.elapsed())
    {
        match read(socket, &mut [0; 1024], Some(left))? {
            Some(0) => break,
            count => swallowed += count.unwrap_or(0),
        }
    }
    Ok(())
}

/// Reads once, for at most `patience`. `None`: nothing came, look at the clock.
fn read(
    socket: &mut TcpStream,
    room: &mut [u8],
    patience: Option<Duration>,
) -> io::Result<Option<usize>> {
    // A socket takes no zero.
    socket.set_read_timeout(patience.map(|patience| patience.max(Duration::from_millis(1))))?;
    match socket.read(room) {
        Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => Ok(None),
        outcome => outcome.map(Some),
    }
}
