//! The command line.

use core::time::Duration;
use std::{net::SocketAddr, path::PathBuf};

use campanile_smol::server::Options;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::Limits;

/// A real-time notification server: clients subscribe over WebSocket, a back end publishes,
/// and exactly the clients concerned hear it.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The address and port to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8000")]
    pub(crate) listen: SocketAddr,

    /// How much to log, on standard error
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Info)]
    pub(crate) log: Level,

    /// Threads that serve, each its share of the connections; 0 takes one for each processor
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shards: usize,

    /// Seconds over which the connections are closed when the server is told to end; few take less
    #[arg(long, value_name = "SECONDS", default_value_t = Options::DRAIN_WINDOW.as_secs())]
    pub(crate) drain: u64,

    #[command(flatten)]
    pub(crate) limits: Limits,
}

impl Arguments {
    /// How to serve.
    pub(crate) fn options(&self) -> Options {
        Options {
            shards: self.shards,
            drain_window: Duration::from_secs(self.drain),
            ..self.limits.options()
        }
    }
}

/// What this program does besides serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say why a notification matches a subscription or does not
    ///
    /// FILE holds the JSON text of the whole message as it goes over the wire, or of the one
    /// subscription or notification in it; - is standard input, for one of the two. Each
    /// subscription of a message is explained. No server needs to run.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArguments),

    /// Put a server under load, and check every delivery
    ///
    /// Clients connect and subscribe, publishers publish, and every delivery is checked. Tells
    /// deliveries a second and latencies; with --server-pid also what a delivery and a connection cost
    /// the server.
    #[command(after_help = crate::bench::EXAMPLES)]
    Bench(crate::bench::BenchArguments),

    /// Subscribe, and print the notifications as they come
    #[command(after_help = crate::client::SUBSCRIBE_EXAMPLES)]
    Subscribe(crate::client::SubscribeArguments),

    /// Publish notifications, and tell where each is and who hears it
    #[command(after_help = crate::client::PUBLISH_EXAMPLES)]
    Publish(crate::client::PublishArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// A client's message, or a subscription
    #[arg(long, value_name = "FILE")]
    pub(crate) subscription: PathBuf,

    /// A publisher's message, or a notification
    #[arg(long, value_name = "FILE")]
    pub(crate) notification: PathBuf,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    /// What the server cannot do
    Error,
    /// Also what peers do wrong
    Warn,
    /// Also connections, subscriptions and notifications
    Info,
    /// Also connections that end before their handshake
    Debug,
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  campanile                             serve on all addresses, port 8000
  campanile --listen 127.0.0.1:9000     serve this machine only, port 9000
  campanile explain --help              find out why a client hears something or does not
  campanile subscribe --help            hear notifications in a terminal
  campanile publish --help              publish some
  campanile bench --help                measure a server under load

Publishing is accepted from loopback addresses only. Behind a proxy on this machine
every client has one, so keep such a proxy from forwarding to it.

SIGTERM or SIGINT (Ctrl-C) ends the server: it accepts no more connections, closes those that there
are with 1001, and leaves when all are gone. A second one ends it at once.

Exit codes: 0 when told to end, and after --help and --version; 1 cannot serve, or told twice to end;
2 wrong arguments.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  campanile explain --subscription wish.json --notification news.json
  some-command | campanile explain --subscription wish.json --notification -

Exit codes: 0 a subscription matches, 1 none does, 2 wrong arguments, or a FILE that cannot be
read or is not valid.";
