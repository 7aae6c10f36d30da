//! An echo server on tokio, a task for each connection.
//!
//! It drives `Buffered`, a connection with its buffers, from the first byte to the last. Nothing is
//! read while something is to be sent, so what a peer can make grow is bounded: one message on its
//! way in, and on the way out what one read has completed.
//!
//! `cargo run -p campanile-examples --example tokio_echo -- 127.0.0.1:9001`

use std::{env, io, sync::Arc, time::Duration};

use campanile_core::Instant;
use campanile_core::conn::{Buffered, Config, Event};
use campanile_core::handshake::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::{runtime, time};

/// As large as the Autobahn suite wants it; `Config::new()` is for a server in the open.
const CONFIG: Config = Config {
    max_message: 16 << 20,
    max_fragments: 1 << 17,
    ..Config::new()
};

/// The most connections at once: each has its buffers and its messages.
const PEERS: usize = 200;

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let serve = serve(address.as_deref().unwrap_or("127.0.0.1:9001"));
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve)
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let peers = Arc::new(()); // each task holds a clone
    loop {
        match listener.accept().await {
            Ok((socket, _)) if Arc::strong_count(&peers) <= PEERS => {
                let place = Arc::clone(&peers);
                tokio::spawn(async move {
                    let _ = converse(socket).await; // an error: the peer is gone
                    drop(place);
                });
            }
            Ok(_) => {} // no room: the socket is dropped
            Err(error) => {
                eprintln!("tokio_echo: {error}");
                time::sleep(Duration::from_millis(100)).await; // what is short stays so for a while
            }
        }
    }
}

/// One connection from its first byte to its last.
async fn converse(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let start = time::Instant::now();
    let now = || Instant::ZERO.after(start.elapsed());
    let mut conn = Buffered::accept(&CONFIG, Limits::DEFAULT, now());
    loop {
        // When time alone is a reason to go on.
        let until = conn.poll_timeout();
        let until = until.map(|at| start + at.since(Instant::ZERO));
        if conn.is_over() {
            return Ok(());
        } else if !conn.unsent().is_empty() {
            match in_time(until, socket.write(conn.unsent())).await {
                Some(count) => conn.sent(count?),
                None => conn.handle_timeout(now()),
            }
        } else if conn.take_shutdown() {
            let _ = socket.shutdown().await; // a peer that is gone cannot be told
        } else if conn.is_understood() {
            match in_time(until, socket.read(conn.space())).await {
                Some(count) => match count? {
                    0 => conn.receive_eof(now()),
                    count => conn.received(count),
                },
                None => conn.handle_timeout(now()),
            }
        } else {
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
}

/// What `io` gives; `None` when the time is up first.
async fn in_time<T>(until: Option<time::Instant>, io: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => time::timeout_at(until, io).await.ok(),
        None => Some(io.await),
    }
}
