//! The Campanile notification server.

mod admin;
mod attend;
mod auth;
mod bench;
mod check;
mod cli;
mod client;
mod config;
mod descriptors;
mod explain;
mod log;
#[cfg(test)]
mod page;
mod reload;
mod stop;
mod token;

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
};

use campanile_core::server::{Counters, Fact, Options};
use clap::Parser as _;

use admin::Admin;
use cli::{Arguments, Command};
use config::{Effective, Flags, Runtime, Sources};
use log::Log;
use reload::Live;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        None => run(arguments.flags),
        Some(Command::Serve { flags }) => run(flags),
        Some(Command::Check(arguments)) => check::run(arguments),
        Some(Command::Explain(arguments)) => explain::run(&arguments),
        Some(Command::Bench(arguments)) => bench::run(&arguments),
        Some(Command::Completions { shell }) => print(&cli::completions(shell)),
        Some(Command::Subscribe(arguments)) => client::subscribe(&arguments),
        Some(Command::Publish(arguments)) => client::publish(&arguments),
        Some(Command::Token { command }) => token::run(command),
    }
}

/// Serves as everything says.
fn run(flags: Flags) -> ExitCode {
    let sources = Sources::new(flags);
    let effective = match sources.load() {
        Ok(effective) => effective,
        Err(problems) => return refuse(&problems),
    };
    let (log, _guard) = log::init(&effective.configuration().log);
    match serve(sources, effective, Arc::new(log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            complain(&reason);
            ExitCode::FAILURE
        }
    }
}

/// The exit code for wrong arguments, which is clap's, and for a wrong configuration.
const WRONG: u8 = 2;

/// Says what is wrong with a configuration.
fn refuse(problems: &[String]) -> ExitCode {
    for problem in problems {
        complain(problem);
    }
    ExitCode::from(WRONG)
}

/// Says what is wrong. Names of files, of members and of variables are anyone's, and so is what a server
/// says; a terminal would obey some characters.
fn complain(reason: &str) {
    let reason = reason.replace(char::is_control, "\u{FFFD}");
    // Where even this cannot be written, the exit code has to do.
    let _ = writeln!(io::stderr(), "campanile: {reason}");
}

fn print(text: &[u8]) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cannot write the script: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Connections that may wait to be accepted, as far as the kernel allows (`net.core.somaxconn`,
/// 4096 by default): after a restart all clients come back at once.
const BACKLOG: i32 = 4096;

/// Serves until it is told to end; the error is a line for the person who started the server.
fn serve(sources: Sources, effective: Effective, log: Arc<Log>) -> Result<(), String> {
    let configuration = effective.configuration();
    let (address, runtime) = (configuration.listen, configuration.runtime);
    let options = effective.options();
    let publishers = publishers(&options);
    let listener = TcpListener::bind(address)
        .map_err(|error| refusal_to_listen(address, &error, "--listen"))?;
    // Where that is refused, what `bind` asked for stands.
    let _ = rustix::net::listen(&listener, BACKLOG);
    let local = listener.local_addr().unwrap_or(address);
    descriptors::raise_limit();
    let signals = attend::signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let admin = Admin::bind(&effective, &log)?;
    log.listening(local, &publishers, &options.hub.policy.origins);
    announce(local, &effective, &publishers);
    let counters = Arc::new(Counters::default());
    let observer = {
        let (counters, log) = (Arc::clone(&counters), Arc::clone(&log));
        move |fact: &Fact<'_>| {
            counters.count(fact);
            log.record(fact);
        }
    };
    let live = Live {
        sources,
        effective,
        log: Arc::clone(&log),
        tried: auth::Stamps::default(),
    };
    let show = |readings: admin::Show| {
        if let Some(admin) = admin {
            admin.start(readings, &counters, &log);
        }
    };
    let served = match runtime {
        Runtime::Smol => campanile_smol::server::serve(listener, options, observer, |control| {
            let shown = control.clone();
            show(Arc::new(move || (shown.readings(), shown.shards())));
            attend::attend(signals, live, move |options| control.reconfigure(options))
        }),
        Runtime::Std => campanile_std::server::serve(listener, options, observer, |control| {
            let meter = control.meter();
            show(Arc::new(move || (meter.read(), 1)));
            smol::block_on(attend::attend(signals, live, |options| {
                control.reconfigure(options)
            }));
        }),
    };
    log.sum_up(&counters);
    served.map_err(|error| format!("cannot serve on {local}: {error}"))
}

/// Says where the server listens, and who may publish.
fn announce(local: SocketAddr, effective: &Effective, publishers: &str) {
    let keys = match effective.keys().map_or(0, auth::Keys::len) {
        0 => "no keys are configured".to_owned(),
        1 => "1 key is configured".to_owned(),
        count => format!("{count} keys are configured"),
    };
    let mut out = io::stdout();
    // Nobody has to listen to this.
    let _ = writeln!(
        out,
        "campanile {} listening on ws://{local} (publishing: {publishers}, {keys})",
        env!("CARGO_PKG_VERSION"),
    );
    let _ = out.flush();
}

/// Who may publish, in words.
fn publishers(options: &Options) -> String {
    match options.hub.authority {
        Some(_) => "with a token only".to_owned(),
        None => options.publishers.to_string(),
    }
}

/// Why there is no listening on `address`, which `flag` sets.
fn refusal_to_listen(address: SocketAddr, error: &io::Error, flag: &str) -> String {
    let known = [
        (
            io::ErrorKind::AddrInUse,
            "the address is in use; stop the other server, or choose another address with",
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            "this machine has no such address; choose another one with",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "permission denied; choose a port above 1023 with",
        ),
    ];
    match known.iter().find(|(kind, _)| *kind == error.kind()) {
        Some((_, reason)) => format!("cannot listen on {address}: {reason} {flag}"),
        None => format!("cannot listen on {address}: {error}"),
    }
}
