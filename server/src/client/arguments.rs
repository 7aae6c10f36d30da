//! The command lines of `campanile subscribe` and `campanile publish`.

use core::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use campanile_smol::{client::Url, tls};
use clap::Args;

use super::Credentials;

/// Whom to trust, and who the client is, where the server's address is of TLS.
#[derive(Args, Debug)]
pub(crate) struct TlsArguments {
    /// For wss://, a PEM file with the authorities to trust; without it those that this system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// For wss://, a PEM file with a certificate to show to the server
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// A PEM file with the private key of that
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl TlsArguments {
    /// What a client of `url` needs; `None` if that is not of TLS. The error is a line for a person.
    pub(crate) fn client(&self, url: &Url) -> Result<Option<tls::Client>, String> {
        if !url.is_secure() {
            return match (&self.ca, &self.cert) {
                (None, None) => Ok(None),
                _ => Err(
                    "--ca, --cert and --key are for wss:// addresses; leave them out".to_owned(),
                ),
            };
        }
        let identity = self.cert.clone().zip(self.key.clone());
        let identity = identity.map(|(certificate, key)| tls::Identity { certificate, key });
        let client = tls::Client::new(self.ca.as_deref(), identity.as_ref());
        client.map(Some).map_err(|error| error.to_string())
    }
}

/// What to hear from which server.
#[derive(Args, Debug)]
pub(crate) struct SubscribeArguments {
    /// The server's address, such as ws://127.0.0.1:8000/ or wss://example.com/
    #[arg(value_name = "URL")]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) tls: TlsArguments,

    /// The package that notifications must name
    #[arg(
        long,
        value_name = "NAME",
        requires = "page",
        required_unless_present = "subscriptions"
    )]
    pub(super) package: Option<String>,

    /// The page that notifications must name
    #[arg(
        long,
        value_name = "NAME",
        requires = "package",
        conflicts_with = "subscriptions"
    )]
    pub(super) page: Option<String>,

    /// What a value must be, one of several if there are commas; KEY alone takes any value. More than
    /// one must be met all
    #[arg(
        long = "filter",
        value_name = "KEY=VALUE[,VALUE]",
        requires = "package"
    )]
    pub(super) filters: Vec<String>,

    /// A file with JSON instead: a subscription, an array of them, or a client's whole message; - is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with = "package")]
    pub(super) subscriptions: Option<PathBuf>,

    /// Print each notification as it was received, one on a line
    #[arg(long)]
    pub(super) json: bool,

    /// End after so many notifications
    #[arg(long, value_name = "N")]
    pub(super) count: Option<NonZeroU64>,

    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,

    #[command(flatten)]
    pub(super) credentials: Credentials,
}

/// What to publish to which server.
#[derive(Args, Debug)]
pub(crate) struct PublishArguments {
    /// The server's address, such as ws://127.0.0.1:8000/ or wss://example.com/
    #[arg(value_name = "URL")]
    pub(super) url: String,

    #[command(flatten)]
    pub(super) tls: TlsArguments,

    /// A file with a JSON text on each line: a notification, or a publisher's whole message; - is
    /// standard input. Without it, and without --package, standard input is read
    #[arg(value_name = "FILE", conflicts_with = "package")]
    pub(super) file: Option<PathBuf>,

    /// The notification's package
    #[arg(long, value_name = "NAME", requires = "page")]
    pub(super) package: Option<String>,

    /// The notification's page
    #[arg(long, value_name = "NAME", requires = "package")]
    pub(super) page: Option<String>,

    /// The values that subscriptions filter by: KEY=VALUE, as often as there are keys, or all of them
    /// as one JSON text
    #[arg(long, value_name = "KEY=VALUE|JSON", requires = "package")]
    pub(super) values: Vec<String>,

    /// The notification's data, any JSON text
    #[arg(long, value_name = "JSON", requires = "package")]
    pub(super) data: Option<String>,

    /// The notification's message for people
    #[arg(long, value_name = "TEXT", requires = "package")]
    pub(super) message: Option<String>,

    /// Print what became of each notification as a JSON text on a line
    #[arg(long)]
    pub(super) json: bool,

    /// How many attempts to connect may fail one after the other
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) attempts: NonZeroU32,

    #[command(flatten)]
    pub(super) credentials: Credentials,
}

pub(crate) const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  campanile subscribe ws://127.0.0.1:8000 --package plant --page alerts
      print every notification of that package and page, until Ctrl-C
  campanile subscribe ws://127.0.0.1:8000 --package chat --page messages --filter channel=2,3,5
      only those whose channel is 2, 3 or 5
  campanile subscribe ws://127.0.0.1:8000 --subscriptions wish.json --json --count 1
      what wish.json asks for, as JSON, and only the first notification

A connection that is lost is made anew, which is said on standard error: notifications may have been
missed meanwhile.

Exit codes: 0 after Ctrl-C, after --count notifications, and after --timeout seconds without --count;
1 the server cannot be reached at first, refuses the subscriptions or this client, or --timeout came
before --count; 2 wrong arguments.";

pub(crate) const PUBLISH_EXAMPLES: &str = "\
Examples:
  campanile publish ws://127.0.0.1:8000 --package plant --page alerts --message 'Fire in hall 3'
  campanile publish ws://127.0.0.1:8000 --package chat --page messages \\
      --values channel=2 --data '{\"messageId\":\"12345\"}'
  campanile publish ws://127.0.0.1:8000 notifications.jsonl
      one notification for each line of the file, as fast as the server takes them
  some-command | campanile publish ws://127.0.0.1:8000 --json
      the same from another program, with the position and the recipients of each as JSON

Nothing is published twice: where the connection is lost before the server has answered, it is not known
whether it has accepted a notification, and the error says so.

Exit codes: 0 the server has accepted all of them; 1 at least one was not accepted, or that is not known;
2 wrong arguments.";
