//! An echo client: every message of the server goes back, until the server closes. It is what a
//! conformance suite's server is given, so its limits are high.
//!
//! `cargo run --release -p campanile-smol --example echo_client -- ws://127.0.0.1:9001/path`
//!
//! Exit status: 0 when the server closed with a closing handshake, 1 when anything else happened, 2
//! when the command line is wrong.

use std::{env, process::ExitCode};

use campanile_core::{
    client::Url,
    conn::{Assembler, CloseCause, Config, Event},
    deflate::{Level, Settings},
    handshake::Opening,
};
use campanile_smol::{ConnectError, HashedMasks, Stream};
use smol::net::TcpStream;

/// Above what the Autobahn suite sends: 16 MiB in a message, 65,536 fragments.
const LIMITS: Config = Config {
    max_message: 64 << 20,
    max_fragments: 1 << 20,
    control_rate: 0,
    ..Config::new()
};

/// Everything is compressed, where the server agrees to that.
const COMPRESSION: Settings = Settings {
    level: Level::FASTEST, // the suite's cases have little time on a busy machine
    threshold: 0,
    larger_too: true,
    ..Settings::client()
};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(text), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: echo_client ws://HOST[:PORT][/PATH][?QUERY]");
        return ExitCode::from(2);
    };
    let url: Url = match text.parse() {
        Ok(url) => url,
        Err(bad) => {
            eprintln!("echo_client: {text}: {bad}");
            return ExitCode::from(2);
        }
    };
    match smol::block_on(echo(&url)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_client: {text}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn echo(url: &Url) -> Result<(), String> {
    let socket = TcpStream::connect((url.name(), url.port()))
        .await
        .map_err(|error| {
            format!("cannot connect: {error}; check host and port, and that the server runs")
        })?;
    let _ = socket.set_nodelay(true); // a socket that refuses is slower, and no worse
    let opening = Opening::new(url.host(), url.resource());
    let connected =
        Stream::connect_deflating(socket, &opening, HashedMasks::new(), &LIMITS, &COMPRESSION);
    let mut stream = connected.await.map_err(|error| {
        let remedy = if let ConnectError::Lost(_) = error {
            "; check that it is a WebSocket server that listens there"
        } else {
            "" // it says so itself
        };
        format!("{error}{remedy}")
    })?;
    let mut assembler = Assembler::new(Vec::new());
    while stream.fill().await.map_err(lost)? {
        let mut events = stream.events();
        // A violation ends the events and, when the server was told, the connection.
        while let Some(Ok(event)) = events.next() {
            if let Event::Data(data) = event {
                let message = assembler.push(data);
                if let Some(message) = message.map_err(|error| error.to_string())? {
                    let sent = events.send(message.kind, message.bytes);
                    sent.map_err(|error| error.to_string())?;
                }
            }
        }
    }
    match stream.closed_by() {
        Some(CloseCause::Peer(_)) => Ok(()),
        Some(CloseCause::Violation(violation)) => {
            Err(format!("{violation}: the server must be mended"))
        }
        cause => Err(format!(
            "the connection ended without a closing handshake{}; look into the server's log",
            cause.map_or_else(String::new, |cause| format!(": {cause}"))
        )),
    }
}

fn lost(error: impl core::fmt::Display) -> String {
    format!("the connection was lost: {error}; look into the server's log")
}
