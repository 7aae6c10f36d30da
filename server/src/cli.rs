//! The command line.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// A real-time notification server: clients subscribe over WebSocket, a back end publishes,
/// and exactly the clients concerned hear it.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The address and port to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8000")]
    pub(crate) listen: SocketAddr,

    /// How much to log, on standard error
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Info)]
    pub(crate) log: Level,
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

Publishing is accepted from loopback addresses only. Behind a proxy on this machine
every client has one, so keep such a proxy from forwarding to it.

Exit codes: 0 after --help and --version, 1 cannot serve, 2 wrong arguments.";
