//! Compression, as the command line has it.

use campanile_core::deflate::{Level, Settings};
use clap::{Args, ValueEnum};

/// Whether the server compresses with clients that ask for it, as browsers do, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Compression")]
pub(crate) struct Compression {
    /// Whether to compress with clients that ask for it (permessage-deflate)
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Switch::Off)]
    compression: Switch,

    /// Bytes from which on a notification is compressed
    #[arg(long, value_name = "BYTES", default_value_t = Settings::THRESHOLD)]
    compression_threshold: usize,

    /// How hard to try: 1 is the least work, 9 the most
    #[arg(long, value_name = "LEVEL", default_value_t = Level::DEFAULT.get(),
        value_parser = clap::value_parser!(u8).range(1..=9))]
    compression_level: u8,

    /// Let a client refer to its earlier messages, which takes 43 KiB of memory for each that does
    #[arg(long)]
    compression_client_takeover: bool,
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// Notifications are compressed once for all, and clients' messages may be
    On,
    /// Nothing is compressed, whatever clients ask for
    Off,
}

impl Compression {
    /// What the hubs are told.
    pub(crate) fn settings(&self) -> Option<Settings> {
        (self.compression == Switch::On).then(|| Settings {
            threshold: self.compression_threshold,
            level: Level::new(self.compression_level).unwrap_or_default(),
            receive_takeover: self.compression_client_takeover,
            ..Settings::server()
        })
    }
}
