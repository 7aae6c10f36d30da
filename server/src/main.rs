//! The Campanile notification server.

mod bench;
mod cli;
mod client;
mod descriptors;
mod explain;
mod limits;
mod log;
mod stop;

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
};

use campanile_smol::server::{self, Counters, Fact, Options};
use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match &arguments.command {
        Some(cli::Command::Explain(arguments)) => return explain::run(arguments),
        Some(cli::Command::Bench(arguments)) => return bench::run(arguments),
        Some(cli::Command::Subscribe(arguments)) => return client::subscribe(arguments),
        Some(cli::Command::Publish(arguments)) => return client::publish(arguments),
        None => {}
    }
    let _log = log::init(arguments.log.into());
    match serve(arguments.listen, &arguments.options()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Where even this cannot be written, the exit code has to do.
            let _ = writeln!(io::stderr(), "campanile: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Connections that may wait to be accepted, as far as the kernel allows (`net.core.somaxconn`,
/// 4096 by default): after a restart all clients come back at once.
const BACKLOG: i32 = 4096;

/// Serves until it is told to end; the error is a line for the person who started the server.
fn serve(address: SocketAddr, options: &Options) -> Result<(), String> {
    let listener =
        TcpListener::bind(address).map_err(|error| refusal_to_listen(address, &error))?;
    // Where that is refused, what `bind` asked for stands.
    let _ = rustix::net::listen(&listener, BACKLOG);
    let local = listener.local_addr().unwrap_or(address);
    descriptors::raise_limit();
    let stop = stop::signalled().map_err(|error| format!("cannot wait for signals: {error}"))?;
    announce(local, options);
    let counters = Arc::new(Counters::default());
    let observer = {
        let counters = Arc::clone(&counters);
        move |fact: &Fact<'_>| {
            counters.count(fact);
            log::record(fact);
        }
    };
    let served = server::serve(listener, *options, observer, stop);
    log::sum_up(&counters);
    served.map_err(|error| format!("cannot serve on {local}: {error}"))
}

/// Says where the server listens, and who may publish.
fn announce(local: SocketAddr, options: &Options) {
    let mut out = io::stdout();
    // Nobody has to listen to this.
    let _ = writeln!(
        out,
        "campanile {} listening on ws://{local} (publishing: {}, no keys are configured)",
        env!("CARGO_PKG_VERSION"),
        options.publishers,
    );
    let _ = out.flush();
}

fn refusal_to_listen(address: SocketAddr, error: &io::Error) -> String {
    let known = [
        (
            io::ErrorKind::AddrInUse,
            "the address is in use; stop the other server, or choose another address with --listen",
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            "this machine has no such address; choose another one with --listen",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "permission denied; choose a port above 1023 with --listen",
        ),
    ];
    match known.iter().find(|(kind, _)| *kind == error.kind()) {
        Some((_, reason)) => format!("cannot listen on {address}: {reason}"),
        None => format!("cannot listen on {address}: {error}"),
    }
}
