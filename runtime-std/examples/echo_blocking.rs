//! An echo server: every message comes back. It is what a conformance suite is pointed at, so its
//! limits are high.
//!
//! `cargo run --release -p campanile-std --example echo_blocking -- 127.0.0.1:9001`

use std::{
    env, io,
    net::{TcpListener, TcpStream},
    process::ExitCode,
    thread,
};

use campanile_core::conn::{Config, Event};
use campanile_std::Stream;

/// Above what the Autobahn suite sends: 16 MiB in a message, 65,536 fragments.
const LIMITS: Config = Config {
    max_message: 64 << 20,
    max_fragments: 1 << 20,
    control_rate: 0,
    ..Config::new()
};

fn main() -> ExitCode {
    let Some(address) = env::args().nth(1) else {
        eprintln!("usage: echo_blocking ADDR:PORT");
        return ExitCode::from(2);
    };
    match serve(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_blocking: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("echoing on ws://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept()?;
        thread::Builder::new().spawn(|| echo(socket))?;
    }
}

fn echo(socket: TcpStream) {
    if let Err(error) = converse(socket) {
        eprintln!("echo_blocking: {error}");
    }
}

fn converse(socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = Stream::accept(socket, &LIMITS).map_err(io::Error::other)?;
    while stream.fill()? {
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
