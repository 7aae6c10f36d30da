//! An echo server on blocking sockets of the standard library, a thread for each connection.
//!
//! It drives `Buffered`, a connection with its buffers, from the first byte to the last. Nothing is
//! read while something is to be sent, so what a peer can make grow is bounded, and a peer that takes
//! nothing for long is given up as dead.
//!
//! `cargo run -p campanile-examples --example std_echo -- 127.0.0.1:9001`

use std::io::{
    self,
    ErrorKind::{Interrupted, TimedOut, WouldBlock},
    Read as _, Write as _,
};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, sync::Arc, thread, time, time::Duration};

use campanile_core::Instant;
use campanile_core::conn::{Buffered, Config, Event};
use campanile_core::handshake::Limits;

/// As large as the Autobahn suite wants it; `Config::new()` is for a server in the open.
const CONFIG: Config = Config {
    max_message: 16 << 20,
    max_fragments: 1 << 17,
    ..Config::new()
};

/// The most connections at once, and so the most threads; each has its buffers and its messages.
const PEERS: usize = 200;

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
            eprintln!("std_echo: {error}");
            thread::sleep(Duration::from_millis(100)); // what is short stays so for a while
        }
    }
}

/// One connection from its first byte to its last.
fn converse(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(CONFIG.pong_timeout))?; // who takes nothing so long is dead
    let start = time::Instant::now();
    let now = || Instant::ZERO.after(start.elapsed());
    let mut conn = Buffered::accept(&CONFIG, Limits::DEFAULT, Instant::ZERO);
    loop {
        socket.write_all(conn.unsent())?;
        conn.sent(conn.unsent().len());
        if conn.take_shutdown() {
            socket.shutdown(Shutdown::Write)?;
        }
        if conn.is_over() {
            return Ok(());
        }
        if conn.is_understood() {
            // A socket takes no zero for "at once".
            let patience = conn.poll_timeout().map(|at| at.since(now()));
            socket.set_read_timeout(patience.map(|time| time.max(Duration::from_millis(1))))?;
            match socket.read(conn.space()) {
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
                Ok(0) => conn.receive_eof(now()),
                outcome => conn.received(outcome?),
            }
        }
        conn.handle_timeout(now()); // does nothing before its time
        // After an error, which the peer is told, there are no more events.
        let mut events = conn.messages(now());
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(message) = event {
                let _ = events.send(message.kind, message.bytes); // refused only when we close
            }
        }
        conn.release(); // what a large message took
    }
}
