//! An echo server on tokio, a task for each connection.
//!
//! It drives `Buffered`, a connection with its buffers. Nothing is read while something is to be
//! sent, so what a peer can make grow is bounded: one message on its way in, and on the way out
//! what one read has completed.
//!
//! `cargo run -p campanile-examples --example tokio_echo -- 127.0.0.1:9001`

use std::{env, io, sync::Arc, time::Duration};

use campanile_core::Instant;
use campanile_core::conn::{Assembler, Buffered, Config, Event, Server};
use campanile_core::handshake::{self, BadRequest, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME};
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
    let Some(behind) = time::timeout(HANDSHAKE_TIME, open(&mut socket)).await?? else {
        let _ = time::timeout(LINGER_TIME, linger(&mut socket)).await;
        return Ok(());
    };
    let start = time::Instant::now();
    let now = || Instant::ZERO.after(start.elapsed());
    let system_time = |at: Instant| start + at.since(Instant::ZERO);
    let mut conn = Buffered::new(Server, &CONFIG, &behind, now());
    let mut assembler = Assembler::new(Vec::new());
    loop {
        // 1. Send what is queued.
        while !conn.is_over() && !conn.unsent().is_empty() {
            let until = conn.poll_timeout().map(system_time);
            match in_time(until, socket.write(conn.unsent())).await {
                Some(count) => conn.sent(count?),
                None => conn.handle_timeout(now()),
            }
        }
        if conn.take_shutdown() {
            let _ = socket.shutdown().await; // a peer that is gone cannot be told
        }
        if conn.is_over() {
            return Ok(());
        }
        // 2. Wait for more bytes, when those that came are understood.
        if conn.is_understood() {
            let until = conn.poll_timeout().map(system_time);
            match in_time(until, socket.read(conn.space()))
                .await
                .transpose()?
            {
                Some(0) => conn.receive_eof(now()),
                Some(count) => conn.received(count),
                None => conn.handle_timeout(now()),
            }
        }
        // 3. See what they mean. After an error, which the peer is told, there are no more.
        let mut events = conn.events(now());
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(data) = event
                && let Some(message) = assembler.push(data).map_err(io::Error::other)?
            {
                let _ = events.send(message.kind, message.bytes); // refused only when we close
            }
        }
    }
}

/// The opening handshake. Answers the bytes that came behind it, the first ones of the connection;
/// `None` when there is none, and the peer was told why.
async fn open(socket: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut handshake = handshake::ServerHandshake::new(handshake::Limits::DEFAULT);
    let mut received = Vec::with_capacity(1024);
    loop {
        if socket.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The head is limited: a verdict always comes.
        if let Some((verdict, response)) = judge(&mut handshake, &received) {
            socket.write_all(&response).await?;
            return Ok(verdict.ok().map(|consumed| received.split_off(consumed)));
        }
    }
}

/// What is to be answered to the bytes so far, and how many of them were the request. Not async: the
/// header slots are too large to be kept across a wait.
fn judge(
    handshake: &mut handshake::ServerHandshake,
    received: &[u8],
) -> Option<(Result<usize, BadRequest>, Vec<u8>)> {
    let mut headers = [handshake::EMPTY_HEADER; handshake::DEFAULT_HEADERS];
    let mut out = [0; handshake::RESPONSE_BYTES];
    let (verdict, response) = match handshake.receive(received, &mut headers) {
        Ok(handshake::Status::Partial) => return None,
        Ok(handshake::Status::Complete { value, consumed }) => {
            let reply = handshake::Reply::default();
            (Ok(consumed), handshake::accept(&value, &reply, &mut out))
        }
        Err(bad) => (Err(bad), handshake::reject(&bad, &mut out)),
    };
    let response = response.unwrap_or_default(); // it fits, as the constant says
    Some((verdict, response.to_vec()))
}

/// Lets the peer read our last answer: bytes left unread would reset the connection under it.
async fn linger(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut rest = socket.take(LINGER_BYTES as u64);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// What `io` gives; `None` when the time is up first.
async fn in_time<T>(until: Option<time::Instant>, io: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => time::timeout_at(until, io).await.ok(),
        None => Some(io.await),
    }
}
