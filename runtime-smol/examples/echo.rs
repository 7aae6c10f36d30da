//! An echo server: every message comes back. It is what a conformance suite is pointed at, so its
//! limits are high.
//!
//! `cargo run --release -p campanile-smol --example echo -- 127.0.0.1:9001`

use std::{env, io, process::ExitCode};

use campanile_core::{
    conn::{Config, Event},
    deflate::{Level, Settings},
};
use campanile_smol::Stream;
use smol::{
    Executor,
    net::{TcpListener, TcpStream},
};

/// Above what the Autobahn suite sends: 16 MiB in a message, 65,536 fragments.
const LIMITS: Config = Config {
    max_message: 64 << 20,
    max_fragments: 1 << 20,
    control_rate: 0,
    ..Config::new()
};

/// Whatever a client offers is agreed to, and everything is compressed.
const COMPRESSION: Settings = Settings {
    send_takeover: true,
    receive_takeover: true,
    level: Level::FASTEST, // the suite's cases have little time on a busy machine
    threshold: 0,
    larger_too: true,
    ..Settings::server()
};

fn main() -> ExitCode {
    let Some(address) = env::args().nth(1) else {
        eprintln!("usage: echo ADDR:PORT");
        return ExitCode::from(2);
    };
    match smol::block_on(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("echoing on ws://{}", listener.local_addr()?);
    let executor = Executor::new();
    let accept = async {
        loop {
            let (socket, _) = listener.accept().await?;
            executor.spawn(echo(socket)).detach();
        }
    };
    executor.run(accept).await
}

async fn echo(socket: TcpStream) {
    if let Err(error) = converse(socket).await {
        eprintln!("echo: {error}");
    }
}

async fn converse(socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = Stream::accept_deflating(socket, &LIMITS, &COMPRESSION)
        .await
        .map_err(io::Error::other)?;
    while stream.fill().await? {
        let mut events = stream.messages();
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(message) = event {
                events
                    .send(message.kind, message.bytes)
                    .map_err(io::Error::other)?;
            }
        }
    }
    Ok(())
}
