//! `campanile explain`: why a notification is heard or not, without a server.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use campanile_core::notify::{
    Explanation, Limits, Message, Notification, Refusal, Subscription, explain, parse,
};
use campanile_smol::server::Options;

use crate::cli::ExplainArguments;

/// The answer is on standard output and in the exit code, which `campanile explain --help` lists.
pub(crate) fn run(arguments: &ExplainArguments) -> ExitCode {
    match answer(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NO_MATCH),
        Err(reason) => {
            crate::complain(&reason);
            ExitCode::from(TROUBLE)
        }
    }
}

const NO_MATCH: u8 = 1;
const TROUBLE: u8 = 2;

/// Whether any subscription matches; the error is a line for the person who asked.
fn answer(arguments: &ExplainArguments) -> Result<bool, String> {
    let (subscribing, publishing) = (&*arguments.subscription, &*arguments.notification);
    if is_stdin(subscribing) && is_stdin(publishing) {
        return Err(
            "--subscription and --notification cannot both be standard input; put one of them into a file"
                .to_owned(),
        );
    }
    let (subscriptions, notification) = (read(subscribing)?, read(publishing)?);
    let limits = Options::default().hub.message;
    let subscriptions = parse_subscriptions(&subscriptions, &limits)
        .map_err(|reason| format!("{}: {reason}", name(subscribing)))?;
    let notification = parse_notification(&notification, &limits)
        .map_err(|reason| format!("{}: {reason}", name(publishing)))?;
    let explanations: Vec<_> = subscriptions
        .iter()
        .map(|subscription| explain(subscription, &notification))
        .collect();
    write(&explanations).map_err(|error| format!("cannot write the answer: {error}"))?;
    Ok(explanations.iter().any(Explanation::is_match))
}

fn write(explanations: &[Explanation<'_>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match explanations {
        [] => writeln!(out, "does not match: the message has no subscriptions")?,
        [only] => writeln!(out, "{only}")?,
        several => {
            for (number, explanation) in (1..).zip(several) {
                writeln!(out, "subscription {number} {explanation}")?;
            }
        }
    }
    out.flush()
}

fn is_stdin(path: &Path) -> bool {
    path == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let text = if is_stdin(path) {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text).map(|_| text)
    } else {
        fs::read(path)
    };
    text.map_err(|error| {
        format!(
            "{} cannot be read: {error}; name a file with JSON, or - for standard input",
            name(path)
        )
    })
}

/// The subscriptions of a client's message, or the one that stands alone.
fn parse_subscriptions<'a>(
    text: &'a [u8],
    limits: &Limits,
) -> Result<Vec<Subscription<'a>>, String> {
    let lone = |message: &str| match Subscription::parse(text, limits) {
        Ok(subscription) => Ok(vec![subscription]),
        Err(refusal) => Err(neither("client", message, "subscription", &refusal)),
    };
    match parse(text, limits) {
        Ok(Message::Client(client)) => match client.subscriptions() {
            Some(set) => Ok(set.iter().collect()),
            None => Err("the message has no subscriptions; add some".to_owned()),
        },
        Ok(Message::Publication(_)) => {
            Err("this is a notification; give it as --notification".to_owned())
        }
        Ok(_) => lone("it has no sender"),
        Err(refusal) if refusal.path() == "sender" => lone(&refusal.to_string()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// The notification of a publisher's message, or the one that stands alone.
pub(crate) fn parse_notification<'a>(
    text: &'a [u8],
    limits: &Limits,
) -> Result<Notification<'a>, String> {
    let lone = |message: &str| {
        Notification::parse(text, limits)
            .map_err(|refusal| neither("publisher", message, "notification", &refusal))
    };
    match parse(text, limits) {
        Ok(Message::Publication(notification)) => Ok(notification),
        Ok(Message::Client(_)) => {
            Err("this is a client's message; give it as --subscription".to_owned())
        }
        Ok(_) => lone("it has no sender"),
        Err(refusal) if refusal.path() == "sender" => lone(&refusal.to_string()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn neither(sender: &str, message: &str, thing: &str, lone: &Refusal) -> String {
    format!("neither a {sender}'s message ({message}) nor a {thing} alone ({lone})")
}
