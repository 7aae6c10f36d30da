//! An echo server on blocking sockets of the standard library, a thread for each connection.
//!
//! It drives the bare `Connection` with buffers of a fixed size on the stack, as a device without a
//! heap would: a message of any length streams through, and comes back in fragments before its end
//! is there. Nothing is read while something is written, so a peer that reads nothing before it has
//! sent some megabytes is given up as dead. Who wants whole messages has an `Assembler` for them.
//!
//! `cargo run -p campanile-examples --example std_echo -- 127.0.0.1:9001`

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, sync::Arc, thread, time, time::Duration};

use campanile_core::Instant;
use campanile_core::conn::{Config, Connection, Event, Input, Server, State, Transmit};
use campanile_core::handshake::{self, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME};
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
const ROOM: usize = handshake::Limits::DEFAULT.head_bytes;

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    serve(address.as_deref().unwrap_or("127.0.0.1:9001"))
}

fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let peers = Arc::new(()); // each thread holds a clone
    loop {
        let outcome = listener.accept().and_then(|(socket, _)| {
            if Arc::strong_count(&peers) > PEERS {
                return Ok(()); // no room: the socket is dropped
            }
            let place = Arc::clone(&peers);
            let thread = thread::Builder::new().spawn(move || {
                let _ = converse(socket); // an error: the peer is gone, with nobody to be told
                drop(place);
            });
            thread.map(drop)
        });
        if let Err(error) = outcome {
            eprintln!("std_echo: {error}");
            thread::sleep(Duration::from_millis(100)); // what is short now stays so for a while
        }
    }
}

/// One connection from its first byte to its last.
fn converse(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = [0; ROOM];
    let Some(mut filled) = open(&mut socket, &mut buffer)? else {
        return Ok(());
    };
    let mut peer = Peer {
        socket,
        connection: Connection::new(Server, &CONFIG, Instant::ZERO),
        start: time::Instant::now(),
    };
    let mut frame = [0; ROOM + MAX_HEAD];
    loop {
        let mut input = Input::new(&mut buffer[..filled]);
        loop {
            let event = peer.connection.receive(&mut input, peer.now());
            let done = !matches!(event, Ok(Some(_))); // more bytes are needed, or a rule was broken
            if let Ok(Some(Event::Data(data))) = event {
                let piece = peer
                    .connection
                    .encode(data.kind, data.bytes, data.last, &mut frame);
                peer.write(piece.map_err(io::Error::other)?)?;
            }
            if !peer.transmit(&mut input)? {
                return Ok(());
            }
            if done {
                break;
            }
        }
        let consumed = input.consumed();
        buffer.copy_within(consumed..filled, 0);
        filled -= consumed;
        let patience = peer.patience();
        match read(&mut peer.socket, &mut buffer[filled..], patience)? {
            Some(0) => peer.connection.receive_eof(peer.now()),
            Some(count) => filled += count,
            None => peer.connection.handle_timeout(peer.now()),
        }
    }
}

/// The opening handshake. Answers how many bytes of the connection are in `buffer` already; `None`
/// when there is none, and the peer was told why. Writing never waits here: a new socket has room.
fn open(socket: &mut TcpStream, buffer: &mut [u8; ROOM]) -> io::Result<Option<usize>> {
    let start = time::Instant::now();
    let mut handshake = handshake::ServerHandshake::new(handshake::Limits::DEFAULT);
    let mut filled = 0;
    loop {
        let left = HANDSHAKE_TIME.checked_sub(start.elapsed());
        let left = Some(left.ok_or(ErrorKind::TimedOut)?);
        match read(socket, &mut buffer[filled..], left)? {
            Some(0) => return Ok(None),
            count => filled += count.unwrap_or(0),
        }
        let mut headers = [handshake::EMPTY_HEADER; handshake::DEFAULT_HEADERS];
        let mut out = [0; handshake::RESPONSE_BYTES];
        match handshake.receive(&buffer[..filled], &mut headers) {
            Ok(handshake::Status::Partial) => {} // there is room: a full buffer has a verdict
            Ok(handshake::Status::Complete { value, consumed }) => {
                let reply = handshake::Reply::default();
                let response = handshake::accept(&value, &reply, &mut out);
                socket.write_all(response.map_err(io::Error::other)?)?;
                buffer.copy_within(consumed..filled, 0);
                return Ok(Some(filled - consumed));
            }
            Err(bad) => {
                let response = handshake::reject(&bad, &mut out);
                socket.write_all(response.map_err(io::Error::other)?)?;
                linger(socket)?;
                return Ok(None);
            }
        }
    }
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

/// A connection whose opening handshake is done.
struct Peer {
    socket: TcpStream,
    connection: Connection<Server>,
    start: time::Instant,
}

impl Peer {
    fn now(&self) -> Instant {
        Instant::ZERO.after(self.start.elapsed())
    }

    /// How long the connection can wait from now on; `None` means for ever. A socket takes no zero.
    fn patience(&self) -> Option<Duration> {
        let patience = self.connection.poll_timeout()?.since(self.now());
        Some(patience.max(Duration::from_millis(1)))
    }

    /// Sends what the protocol owes: pings and pongs, close frames. `false`: it is over.
    fn transmit(&mut self, input: &mut Input<'_>) -> io::Result<bool> {
        let mut scratch = [0; MAX_CONTROL];
        while let Some(transmit) = self.connection.poll_transmit(input, &mut scratch) {
            match transmit {
                Transmit::Bytes(bytes) => self.write(bytes)?,
                Transmit::ShutdownWrite => self.socket.shutdown(Shutdown::Write)?,
                Transmit::Disconnect => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Sends all of `bytes`, unless the peer counts as dead before.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.set_write_timeout(self.patience())?;
            match in_time(self.socket.write(bytes))? {
                Some(count) => bytes = &bytes[count..],
                None => self.connection.handle_timeout(self.now()),
            }
            if self.connection.state() == State::Closed {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

/// Reads once, for at most `patience`. `None`: nothing came, look at the clock.
fn read(
    socket: &mut TcpStream,
    room: &mut [u8],
    patience: Option<Duration>,
) -> io::Result<Option<usize>> {
    socket.set_read_timeout(patience)?;
    in_time(socket.read(room))
}

fn in_time(result: io::Result<usize>) -> io::Result<Option<usize>> {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if [WouldBlock, TimedOut, Interrupted].contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}
