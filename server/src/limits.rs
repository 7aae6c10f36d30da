//! The limits that the command line sets.

use core::time::Duration;

use campanile_core::{
    hub::{OutboxLimits, Rate, SlowPolicy},
    server::Options,
};
use clap::{Args, ValueEnum};

/// What the server lets its peers do. Each has a default that suits a server which the whole world can
/// reach.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Connections in all; 0 leaves it to the descriptors that the process may open
    #[arg(long, value_name = "N", default_value_t = defaults().admission.connections)]
    max_connections: usize,

    /// Connections from one address, loopback addresses excepted; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = defaults().admission.per_address)]
    max_connections_per_address: usize,

    /// Seconds that a client has for its opening handshake
    #[arg(long, value_name = "SECONDS", default_value_t = defaults().hub.handshake_time.as_secs())]
    handshake_time: u64,

    /// Bytes of one message
    #[arg(long, value_name = "BYTES", default_value_t = defaults().hub.connection.max_message)]
    max_message: u64,

    /// Subscriptions of one connection
    #[arg(long, value_name = "N", default_value_t = defaults().hub.message.subscriptions)]
    max_subscriptions: usize,

    /// Values in one subscription or notification
    #[arg(long, value_name = "N", default_value_t = defaults().hub.message.values)]
    max_values: usize,

    /// Messages a minute that a connection may send, publications excepted, and as many at once; 0
    /// for no limit
    #[arg(long, value_name = "N", default_value_t = defaults().hub.messages.count)]
    messages_per_minute: u32,

    /// Publications a second of one connection, and as many at once; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = defaults().hub.publications.count)]
    publications_per_second: u32,

    /// Bytes that may wait for a client which does not read
    #[arg(long, value_name = "BYTES", default_value_t = defaults().hub.outbox.bytes)]
    max_waiting_bytes: usize,

    /// Messages that may wait for a client which does not read
    #[arg(long, value_name = "N", default_value_t = defaults().hub.outbox.frames)]
    max_waiting_messages: usize,

    /// What becomes of a client for which more would wait
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Slow::Disconnect)]
    slow_consumers: Slow,
}

/// What becomes of a slow consumer.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Slow {
    /// It is closed with 1013, so that it knows that it has missed something
    Disconnect,
    /// It loses what has waited longest, and is not told
    DropOldest,
}

impl Limits {
    /// The options that these are the limits of.
    pub(crate) fn options(&self) -> Options {
        let mut options = defaults();
        options.admission.connections = self.max_connections;
        options.admission.per_address = self.max_connections_per_address;
        options.hub.handshake_time = Duration::from_secs(self.handshake_time);
        options.hub.connection.max_message = self.max_message;
        options.hub.message.subscriptions = self.max_subscriptions;
        options.hub.message.values = self.max_values;
        options.hub.messages = Rate {
            count: self.messages_per_minute,
            period: Duration::from_secs(60),
            burst: self.messages_per_minute,
        };
        options.hub.publications = Rate::per_second(self.publications_per_second);
        options.hub.outbox = OutboxLimits {
            bytes: self.max_waiting_bytes,
            frames: self.max_waiting_messages,
            policy: match self.slow_consumers {
                Slow::Disconnect => SlowPolicy::Disconnect,
                Slow::DropOldest => SlowPolicy::DropOldest,
            },
        };
        options
    }
}

fn defaults() -> Options {
    Options::default()
}
