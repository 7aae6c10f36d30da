//! The command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Flags;

/// A real-time notification server: clients subscribe over WebSocket, a back end publishes,
/// and exactly the clients concerned hear it.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What to do; serve, where nothing is said.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// What this program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server; the same as without a command
    #[command(after_help = SERVING)]
    Serve {
        #[command(flatten)]
        flags: Flags,
    },

    /// Check a configuration, and print what it comes to
    ///
    /// Reads flags, environment and file as the server would, and prints every setting with its value
    /// and where that comes from, as a valid configuration file. Takes all options of `serve`.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),

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

    /// Ask whether a server is well, for container health checks and scripts
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(crate::health::HealthArguments),

    /// Make tokens for tests, and explain given ones
    #[command(after_help = crate::token::EXAMPLES)]
    Token {
        #[command(subcommand)]
        command: crate::token::TokenCommand,
    },

    /// Print a script that completes this program's commands and options in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },

    /// Print the manual page of this program, or of one of its commands
    #[command(after_help = MANUAL_EXAMPLES)]
    Manual {
        /// The command
        command: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// Print a file with every setting, its default and what it means
    #[arg(long, exclusive = true)]
    pub(crate) defaults: bool,

    #[command(flatten)]
    pub(crate) flags: Flags,
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

/// What completes this command line in `shell`.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "campanile", &mut script);
    script
}

/// The manual page of `command`, or of the whole program, for man(1).
///
/// # Errors
/// There is no such command; in a line for the person who asked.
pub(crate) fn manual(command: Option<&str>) -> Result<Vec<u8>, String> {
    let mut program = Arguments::command();
    program.build();
    let described = match command {
        None => Some(&program),
        Some(name) => program.find_subcommand(name),
    };
    let described = described.ok_or_else(|| {
        let name = command.unwrap_or_default();
        format!("there is no command {name}: `campanile --help` lists those that there are")
    })?;
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(described.clone()).render(&mut page);
    rendered.map_err(|error| format!("cannot write the manual page: {error}"))?;
    Ok(page)
}

const EXAMPLES: &str = "\
Examples:
  campanile                             serve on all addresses, port 8000
  campanile --listen 127.0.0.1:9000     serve this machine only, port 9000
  campanile check --defaults >my.toml   write a configuration file to start from
  campanile --config my.toml            serve as the file says
  campanile explain --help              find out why a client hears something or does not
  campanile subscribe --help            hear notifications in a terminal
  campanile publish --help              publish some
  campanile token --help                make tokens, and find out why one is refused
  campanile bench --help                measure a server under load

Each option can also be an environment variable or a setting of the configuration file, in this order
of precedence: `campanile check --defaults` lists them, and `campanile check` says which one counts.
SIZE is such as 64KiB, DURATION such as 500ms, 10s or 2m.

With --auth-keys everybody needs a token. Without, publishing is accepted from loopback addresses
only. Behind a proxy on this machine every client has one, so keep such a proxy from forwarding to it.

A status page is on http://127.0.0.1:8001/, and metrics are on http://127.0.0.1:8001/metrics, for this
machine only; --admin-listen says otherwise.

SIGTERM or SIGINT (Ctrl-C) ends the server: it accepts no more connections, closes those that there
are with 1001, and leaves when all are gone. A second one ends it at once. SIGHUP reads the
configuration file again; no connection is closed, and the log says what has changed.

Exit codes: 0 when told to end, and after --help and --version; 1 cannot serve, or told twice to end;
2 wrong arguments, or a wrong configuration.";

const SERVING: &str = "\
`campanile --help` has examples, the signals and the exit codes.";

const CHECK_EXAMPLES: &str = "\
Examples:
  campanile check --config my.toml      is it valid, and what is in force?
  campanile check --defaults            every setting, its default and what it means

Exit codes: 0 valid; 1 cannot write the answer; 2 wrong arguments, or a configuration that is not
valid.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(campanile completions bash)  in this session of bash
  campanile completions zsh >~/.zfunc/_campanile
  campanile completions fish >~/.config/fish/completions/campanile.fish";

const HEALTH_EXAMPLES: &str = "\
Examples:
  campanile health                      does the server on this machine answer?
  campanile health --ready [::1]:9000   does that one take clients?

Exit codes: 0 yes; 1 no, or no answer within five seconds; 2 wrong arguments.";

const MANUAL_EXAMPLES: &str = "\
Examples:
  campanile manual | man -l -           read it
  campanile manual check >campanile-check.1";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  campanile explain --subscription wish.json --notification news.json
  some-command | campanile explain --subscription wish.json --notification -

Exit codes: 0 a subscription matches, 1 none does, 2 wrong arguments, or a FILE that cannot be
read or is not valid.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn each_command_has_a_manual_page_and_others_have_none() {
        let text = |command| String::from_utf8(manual(command).expect("a page")).expect("text");
        let whole = text(None);
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(whole.contains(&format!("campanile\\-{name}(1)")), "{name}");
            let page = text(Some(name));
            assert!(page.contains(&format!(".TH campanile-{name} 1")), "{page}");
        }
        assert!(manual(Some("srve")).is_err_and(|reason| reason.contains("srve")));
    }
}
