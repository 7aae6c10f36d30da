//! The command line of `campanile bench`.

use std::num::{NonZeroU16, NonZeroU32};

use clap::{Args, ValueEnum};

use crate::client::TlsArguments;

/// What to do to which server.
#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    /// The server's address
    #[arg(value_name = "URL", default_value = "ws://127.0.0.1:8000/")]
    pub(crate) url: String,

    #[command(flatten)]
    pub(crate) tls: TlsArguments,

    /// How many clients connect and subscribe
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) clients: NonZeroU32,

    /// Who hears a notification: all clients, or one by turns, each having a channel of its own
    #[arg(long = "match", value_name = "WHO", value_enum, default_value_t = Audience::All)]
    pub(crate) audience: Audience,

    /// How many connections publish
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) publishers: NonZeroU16,

    /// How many notifications are published, by all publishers together
    #[arg(long, value_name = "N", default_value = "10000")]
    pub(crate) notifications: NonZeroU32,

    /// The length of a notification's message, JSON and all
    #[arg(long, value_name = "BYTES", default_value_t = 250)]
    pub(crate) size: usize,

    /// Notifications a second, by all publishers together; 0 is as fast as it goes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) rate: u32,

    /// How many notifications of one publisher may be under way: not answered by the server, or not
    /// delivered. As fast as it goes is no faster than that; more than a server keeps for a slow
    /// client may end in its closing the connection
    #[arg(long, value_name = "N", default_value = "256")]
    pub(crate) window: NonZeroU32,

    #[command(flatten)]
    pub(crate) credentials: crate::client::Credentials,

    /// Have the clients open v1 sessions too, which hear each notification's position
    #[arg(long)]
    pub(crate) v1: bool,

    /// Have the clients ask for compression (permessage-deflate, nothing kept between messages), and
    /// inflate what comes; the server must compress
    #[arg(long)]
    pub(crate) deflate: bool,

    /// Publish nothing: connect, subscribe, and hold the connections for --hold seconds
    #[arg(long, conflicts_with_all = ["audience", "publishers", "notifications", "size", "rate", "window"])]
    pub(crate) idle: bool,

    /// How long --idle holds the connections
    #[arg(long, value_name = "SECONDS", default_value_t = 3, requires = "idle")]
    pub(crate) hold: u32,

    /// The package that is subscribed to and published
    #[arg(long, value_name = "NAME", default_value = "campanile-bench")]
    pub(crate) package: String,

    /// The page; by default one that no other run uses
    #[arg(long, value_name = "NAME")]
    pub(crate) page: Option<String>,

    /// How long nothing may happen before what is missing counts as lost
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub(crate) patience: NonZeroU16,

    /// From how many addresses (127.0.0.1, 127.0.0.2, ...) to connect to a server on this machine,
    /// as each has 28,000 ports on most systems; by default one for each 8,000 clients
    #[arg(long, value_name = "N")]
    pub(crate) sources: Option<NonZeroU16>,

    /// The server's process, if it runs on this machine: tells its processor time and its memory
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,

    /// Print the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who hears a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Audience {
    /// All clients
    All,
    /// One client, by turns
    One,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile bench --server-pid $(pidof campanile)
      10,000 notifications, as fast as it goes, each to 100 clients
  campanile bench --clients 1000 --notifications 1000 --rate 100
      how long a notification takes at 100 a second
  campanile bench --clients 1000 --match one --notifications 200000
      each notification to one of 1,000 clients
  campanile bench --clients 1000 --size 16384 --notifications 500 --deflate
      the bytes on the wire, and what compression costs, where the server compresses
  campanile bench --clients 15000 --idle --server-pid $(pidof campanile)
      how much memory a connection takes that only waits

Every delivery is checked: it comes once, byte for byte, and in the order of its publisher.
Publishing takes a server that speaks campanile.v1 and lets this machine publish.

Exit codes: 0 all is well, 1 the server cannot be reached, closed a connection, or lost, doubled,
reordered or altered a delivery, 2 wrong arguments.";
