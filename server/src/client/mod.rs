//! `campanile subscribe` and `campanile publish`: a client on the command line.

mod arguments;
mod credentials;
mod lines;
mod publish;
mod shown;
mod subscribe;

use std::process::ExitCode;

use campanile_smol::client::{BadUrl, Client, Options, Url};

pub(crate) use arguments::{
    PUBLISH_EXAMPLES, PublishArguments, SUBSCRIBE_EXAMPLES, SubscribeArguments, TlsArguments,
};

pub(crate) use credentials::{Credentials, TOKEN};

use crate::{WRONG, complain};

/// Notifications are on standard output, what else happens on standard error, and the verdict is in the
/// exit code, which `campanile subscribe --help` lists.
pub(crate) fn subscribe(arguments: &SubscribeArguments) -> ExitCode {
    end(subscribe::run(arguments))
}

/// Receipts are on standard output, what is wrong on standard error, and the verdict is in the exit
/// code, which `campanile publish --help` lists.
pub(crate) fn publish(arguments: &PublishArguments) -> ExitCode {
    end(publish::run(arguments))
}

/// Why a verb has not done what it was told.
enum Failure {
    /// The command line or what it names is wrong: nothing was done.
    Arguments(String),
    /// It was tried.
    Trouble(String),
    /// What there is to say has been said.
    Told,
}

fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Arguments(reason)) => {
            complain(&reason);
            ExitCode::from(WRONG)
        }
        Err(Failure::Trouble(reason)) => {
            complain(&reason);
            ExitCode::FAILURE
        }
        Err(Failure::Told) => ExitCode::FAILURE,
    }
}

/// A client of the server at `url`, which shows it the token, if there is one.
fn client(
    url: &str,
    tls: &TlsArguments,
    credentials: &Credentials,
    options: Options,
) -> Result<Client, Failure> {
    let url = self::url(url)?;
    let tls = tls.client(&url).map_err(Failure::Arguments)?;
    let mut client = Client::with_options(url, options);
    if let Some(tls) = tls {
        client.set_tls(tls);
    }
    if let Some(token) = credentials.token().map_err(Failure::Arguments)? {
        client.set_token(&token);
    }
    Ok(client)
}

fn url(text: &str) -> Result<Url, Failure> {
    text.parse()
        .map_err(|bad: BadUrl| Failure::Arguments(format!("{text}: {bad}")))
}
