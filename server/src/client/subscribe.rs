//! Hears notifications and prints them.

use core::{future::Future, pin::pin, time::Duration};
use std::{
    env, fs,
    io::{self, ErrorKind, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use campanile_smol::client::{Client, Delivery, Error, Event, Options};
use serde_json::{Map, Value, json};
use smol::{
    Timer,
    future::{self, FutureExt as _},
};

use super::{Failure, SubscribeArguments, shown};
use crate::{complain, stop};

enum Happened {
    Event(Result<Option<Event>, Error>),
    Stopped,
    TimedOut,
}

pub(super) fn run(arguments: &SubscribeArguments) -> Result<(), Failure> {
    let (tls, credentials) = (&arguments.tls, &arguments.credentials);
    let mut client = super::client(&arguments.url, tls, credentials, Options::new())?;
    let subscriptions = subscriptions(arguments)?;
    client
        .subscribe(&subscriptions)
        .map_err(|error| Failure::Arguments(format!("the subscriptions: {error}")))?;
    let stop = stop::signalled()
        .map_err(|error| Failure::Trouble(format!("cannot wait for signals: {error}")))?;
    smol::block_on(async {
        let ended = listen(&mut client, arguments, stop).await;
        client.close().await;
        ended
    })
}

async fn listen(
    client: &mut Client,
    arguments: &SubscribeArguments,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut stop = pin!(stop);
    let mut timeout = pin!(async {
        match arguments.timeout {
            Some(seconds) => drop(Timer::after(Duration::from_secs(seconds)).await),
            None => future::pending().await,
        }
    });
    let printer = Printer {
        is_json: arguments.json,
        is_coloured: io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none(),
    };
    let (mut heard, mut was_connected) = (0, false);
    loop {
        // A server that never pauses must not keep one from ending.
        let stopped = async {
            stop.as_mut().await;
            Happened::Stopped
        };
        let timed_out = async {
            timeout.as_mut().await;
            Happened::TimedOut
        };
        let event = async { Happened::Event(client.next().await) };
        match stopped.or(timed_out).or(event).await {
            Happened::Stopped => return Ok(()),
            Happened::TimedOut => {
                return match arguments.count {
                    None => Ok(()),
                    Some(count) => Err(Failure::Trouble(format!(
                        "{heard} of {count} notifications came in time"
                    ))),
                };
            }
            Happened::Event(Err(error)) => return Err(trouble(arguments, &error)),
            Happened::Event(Ok(None)) => return Ok(()),
            Happened::Event(Ok(Some(event))) => match event {
                Event::Notification(delivery) => {
                    if !printer.print(&delivery)? {
                        return Ok(());
                    }
                    heard += 1;
                    if arguments.count.is_some_and(|count| heard >= count.get()) {
                        return Ok(());
                    }
                }
                Event::Connected => was_connected = true,
                Event::Disconnected { cause, .. } if !was_connected => {
                    return Err(trouble(arguments, &cause));
                }
                Event::Disconnected { cause, retry_in } => complain(&format!(
                    "{cause}; the next attempt is in {:.1} s",
                    retry_in.as_secs_f64()
                )),
                Event::Reconnected => complain(
                    "connected again, and subscribed; notifications may have been missed meanwhile",
                ),
                Event::Subscribed { count, .. } => complain(&format!("subscribed ({count})")),
                Event::SubscriptionRefused(error) => {
                    return Err(trouble(arguments, &error));
                }
                Event::Other(text) => complain(&format!("the server says: {text}")),
                Event::Published { .. } | _ => {}
            },
        }
    }
}

fn trouble(arguments: &SubscribeArguments, reason: &dyn core::fmt::Display) -> Failure {
    Failure::Trouble(format!("{}: {reason}", arguments.url))
}

struct Printer {
    is_json: bool,
    is_coloured: bool,
}

impl Printer {
    /// Prints a notification; whether anybody reads on.
    fn print(&self, delivery: &Delivery) -> Result<bool, Failure> {
        let text = if self.is_json {
            shown::line(delivery.text()) + "\n"
        } else {
            shown::pretty(delivery, self.is_coloured)
        };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::Trouble(format!(
                "cannot write to standard output: {error}"
            ))),
        }
    }
}

/// The JSON of what to subscribe to.
fn subscriptions(arguments: &SubscribeArguments) -> Result<String, Failure> {
    if let Some(path) = &arguments.subscriptions {
        return read(path).map_err(|error| {
            Failure::Arguments(format!(
                "{} cannot be read: {error}; name a file with JSON, or - for standard input",
                path.display()
            ))
        });
    }
    let mut subscription = json!({
        "package": arguments.package.as_deref().unwrap_or_default(),
        "page": arguments.page.as_deref().unwrap_or_default(),
    });
    if !arguments.filters.is_empty() {
        let values: Map<String, Value> =
            arguments.filters.iter().map(|text| filter(text)).collect();
        if let Value::Object(members) = &mut subscription {
            members.insert("filters".to_owned(), json!({ "values": values }));
        }
    }
    Ok(subscription.to_string())
}

/// A key with the values that it may have. A number is given as string, which equals it (the protocol,
/// section 4).
fn filter(text: &str) -> (String, Value) {
    match text.split_once('=') {
        Some((key, values)) => (key.to_owned(), values.split(',').collect()),
        None => (text.to_owned(), Value::Bool(true)),
    }
}

fn read(path: &Path) -> io::Result<String> {
    if path == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    }
}
