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
mod health;
mod log;
#[cfg(test)]
mod page;
mod reload;
mod service;
mod stop;
mod tls;
mod token;

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use campanile_core::server::{Counters, Fact, Options};
use campanile_smol::server::Door;
use clap::Parser as _;
use smol::future;

use admin::{About, Admin, Hubs, Relay};
use cli::{Arguments, Command};
use config::{Effective, Flags, Named as _, Runtime, Sources};
use log::Log;
use reload::Live;
use service::{Manager, Sockets};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        None => run(arguments.flags),
        Some(Command::Serve { flags }) => run(flags),
        Some(Command::Check(arguments)) => check::run(arguments),
        Some(Command::Explain(arguments)) => explain::run(&arguments),
        Some(Command::Bench(arguments)) => bench::run(&arguments),
        Some(Command::Completions { shell }) => print(&cli::completions(shell)),
        Some(Command::Health(arguments)) => health::run(&arguments),
        Some(Command::Manual { command }) => match cli::manual(command.as_deref()) {
            Ok(page) => print(&page),
            Err(reason) => refuse(&[reason]),
        },
        Some(Command::Subscribe(arguments)) => client::subscribe(&arguments),
        Some(Command::Publish(arguments)) => client::publish(&arguments),
        Some(Command::Token { command }) => token::run(command),
    }
}

/// Serves as everything says.
fn run(flags: Flags) -> ExitCode {
    // First, for there is one thread yet.
    let sockets = Sockets::take();
    let sources = Sources::new(flags);
    let effective = match sources.load() {
        Ok(effective) => effective,
        Err(problems) => return refuse(&problems),
    };
    let (log, _guard) = log::init(&effective.configuration().log);
    let log = Arc::new(log);
    match sockets.and_then(|sockets| serve(sources, effective, sockets, log)) {
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
            complain(&format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Connections that may wait to be accepted, as far as the kernel allows (`net.core.somaxconn`,
/// 4096 by default): after a restart all clients come back at once.
const BACKLOG: i32 = 4096;

/// Serves until it is told to end; the error is a line for the person who started the server.
fn serve(
    sources: Sources,
    effective: Effective,
    sockets: Sockets,
    log: Arc<Log>,
) -> Result<(), String> {
    let configuration = effective.configuration();
    let runtime = configuration.runtime;
    let options = effective.options();
    let publishers = publishers(&options);
    let tls = tls::load(&configuration)?;
    let (listener, local) = match sockets.clients {
        Some(passed) => {
            passed.replaces(&effective, "listen", &log);
            (passed.listener, passed.address)
        }
        None => listen(configuration.listen, "--listen")?,
    };
    let secured = match configuration.tls.listen {
        Some(address) => Some(listen(address, "--tls-listen")?),
        None => None,
    };
    descriptors::raise_limit();
    let signals = attend::signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let admin = Admin::bind(&effective, sockets.admin, &log)?;
    let origins = &options.hub.policy.origins;
    log.listening(local, false, &publishers, origins);
    announce("ws", local, &effective, &publishers);
    if let Some((_, local)) = &secured {
        log.listening(*local, true, &publishers, origins);
        announce("wss", *local, &effective, &publishers);
    }
    let counters = Arc::new(Counters::default());
    let observer = {
        let (counters, log) = (Arc::clone(&counters), Arc::clone(&log));
        move |fact: &Fact<'_>| {
            counters.count(fact);
            log.record(fact);
        }
    };
    let effective = Arc::new(Mutex::new(effective));
    let about = About {
        runtime: runtime.name(),
        listen: local,
        effective: Arc::clone(&effective),
    };
    let manager = Manager::of_process(local, &log);
    let live = Live {
        sources,
        effective,
        log: Arc::clone(&log),
        tls: tls.clone(),
        tried: auth::Stamps::default(),
    };
    let show = |hubs: Arc<dyn Hubs>| {
        if let Some(admin) = admin {
            admin.start(hubs, &counters, about, &log);
        }
    };
    let served = match runtime {
        Runtime::Smol => {
            let mut doors = vec![Door::from(listener)];
            let secured = secured.map(|(listener, _)| listener).zip(tls);
            doors.extend(secured.map(|(listener, tls)| Door::secured(listener, tls)));
            campanile_smol::server::serve_all(doors, options, observer, |control| {
                show(Arc::new(control.clone()));
                let turning = control.clone();
                let turn = async move || turning.turn().await;
                attend::attend(signals, live, manager, turn, move |options| {
                    control.reconfigure(options)
                })
            })
        }
        Runtime::Std => campanile_std::server::serve(listener, options, observer, |control| {
            let (relay, asked) = Relay::new(control.meter());
            show(Arc::new(relay));
            let turn = async || control.turn();
            let attending = attend::attend(signals, live, manager, turn, |options| {
                control.reconfigure(options)
            });
            let answering = async {
                asked.serve(&control).await;
                future::pending().await
            };
            smol::block_on(future::or(attending, answering));
        }),
    };
    log.sum_up(&counters);
    served.map_err(|error| format!("cannot serve on {local}: {error}"))
}

/// Listens on `address`, which `flag` sets.
fn listen(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), String> {
    let listener =
        TcpListener::bind(address).map_err(|error| refusal_to_listen(address, &error, flag))?;
    // Where that is refused, what `bind` asked for stands.
    let _ = rustix::net::listen(&listener, BACKLOG);
    let local = listener.local_addr().unwrap_or(address);
    Ok((listener, local))
}

/// Says where the server listens, and who may publish.
fn announce(scheme: &str, local: SocketAddr, effective: &Effective, publishers: &str) {
    let keys = match effective.keys().map_or(0, auth::Keys::len) {
        0 => "no keys are configured".to_owned(),
        1 => "1 key is configured".to_owned(),
        count => format!("{count} keys are configured"),
    };
    let mut out = io::stdout();
    // Nobody has to listen to this.
    let _ = writeln!(
        out,
        "campanile {} listening on {scheme}://{local} (publishing: {publishers}, {keys})",
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
