//! Publishes notifications and reports what became of them.

use core::{future::Future, pin::pin};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use campanile_smol::client::{Client, Error, Event, Options, PublishError, Receipt};
use serde_json::json;
use smol::future::{self, FutureExt as _};

use super::{Failure, PublishArguments, lines::Source};
use crate::{bench::Progress, complain, stop};

/// How many notifications may be under way: enough that reading the next ones costs no round trip.
const UNDER_WAY: usize = 2 * Options::WINDOW;

enum Happened {
    Event(Result<Option<Event>, Error>),
    Line(Option<io::Result<String>>),
    Stopped,
}

pub(super) fn run(arguments: &PublishArguments) -> Result<(), Failure> {
    let options = Options {
        max_attempts: Some(arguments.attempts),
        // There are no more lines under way than UNDER_WAY, however long.
        max_waiting_bytes: usize::MAX,
        ..Options::new()
    };
    let (tls, credentials) = (&arguments.tls, &arguments.credentials);
    let mut client = super::client(&arguments.url, tls, credentials, options)?;
    let source = Source::new(arguments)?;
    let stop = stop::signalled()
        .map_err(|error| Failure::Trouble(format!("cannot wait for signals: {error}")))?;
    let mut report = Report {
        is_json: arguments.json,
        is_many: source.is_many(),
        under_way: BTreeMap::new(),
        lines: 0,
        accepted: 0,
        failed: 0,
        progress: Progress::new(),
    };
    report.progress.start("published");
    smol::block_on(async {
        let ended = publish_all(&mut client, source, &mut report, stop).await;
        report.progress.clear();
        client.close().await;
        ended.map_err(|error| match report.is_many || report.failed == 0 {
            true => Failure::Trouble(format!("{}: {error}", arguments.url)),
            false => Failure::Told, // it was the one
        })
    })?;
    report.sum_up()
}

/// Publishes until there is no more, or somebody ends it; the error is why the client has ended.
async fn publish_all(
    client: &mut Client,
    mut source: Source,
    report: &mut Report,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let mut stop = pin!(stop);
    let (mut is_read, mut is_stopped) = (false, false);
    loop {
        if is_read && report.under_way.is_empty() {
            return Ok(());
        }
        let stopped = async {
            if is_stopped {
                future::pending().await
            }
            stop.as_mut().await;
            Happened::Stopped
        };
        let is_enough = is_read || report.under_way.len() >= UNDER_WAY;
        let line = async {
            if is_enough {
                future::pending().await
            }
            Happened::Line(source.next().await)
        };
        let event = async { Happened::Event(client.next().await) };
        match stopped.or(line).or(event).await {
            Happened::Event(Err(error)) => return Err(error.to_string()),
            Happened::Event(Ok(None)) => return Ok(()),
            Happened::Event(Ok(Some(event))) => match event {
                Event::Published { id, outcome } => report.outcome(id.number(), &outcome)?,
                Event::Disconnected { cause, retry_in } => {
                    report.progress.clear();
                    complain(&format!(
                        "{cause}; the next attempt is in {:.1} s",
                        retry_in.as_secs_f64()
                    ));
                }
                Event::Connected
                | Event::Reconnected
                | Event::Subscribed { .. }
                | Event::SubscriptionRefused(_)
                | Event::Notification(_)
                | Event::Other(_)
                | _ => {}
            },
            Happened::Line(None) => is_read = true,
            Happened::Line(Some(line)) => {
                report.lines += 1;
                match line {
                    Ok(line) if line.trim().is_empty() => {}
                    Ok(line) => match client.send(&line) {
                        Ok(id) => drop(report.under_way.insert(id.number(), report.lines)),
                        Err(error) => report.tell(report.lines, &Err(error))?,
                    },
                    Err(error) => {
                        is_read = true;
                        report.failed += 1;
                        complain(&format!("line {}: cannot be read: {error}", report.lines));
                    }
                }
            }
            Happened::Stopped => {
                (is_read, is_stopped) = (true, true);
                report.failed += 1;
                report.progress.clear();
                complain(
                    "told to end: no more is read, and what was not sent is not sent any more",
                );
                client.start_closing();
            }
        }
    }
}

struct Report {
    is_json: bool,
    is_many: bool,
    /// Which line each publication was.
    under_way: BTreeMap<u64, u64>,
    lines: u64,
    accepted: u64,
    failed: u64,
    progress: Progress,
}

impl Report {
    fn outcome(
        &mut self,
        number: u64,
        outcome: &Result<Receipt, PublishError>,
    ) -> Result<(), String> {
        let line = self.under_way.remove(&number).unwrap_or_default();
        self.tell(line, outcome)?;
        self.progress.show(self.accepted, self.lines);
        Ok(())
    }

    fn tell(&mut self, line: u64, outcome: &Result<Receipt, PublishError>) -> Result<(), String> {
        match outcome {
            Ok(receipt) => {
                self.accepted += 1;
                if self.is_json {
                    return say(&json!({
                        "line": line, "position": receipt.position,
                        "recipients": receipt.recipients,
                    }));
                }
                if !self.is_many {
                    let count = receipt.recipients;
                    return say(&format_args!(
                        "published at {} to {count} recipient{}",
                        super::shown::harmless(&receipt.position),
                        if count == 1 { "" } else { "s" }
                    ));
                }
            }
            Err(error) => {
                self.failed += 1;
                self.progress.clear();
                let place = if self.is_many {
                    format!("line {line}: ")
                } else {
                    String::new()
                };
                complain(&format!("{place}{error}"));
                if self.is_json {
                    return say(&json!({
                        "line": line, "error": name(error), "message": error.to_string(),
                    }));
                }
            }
        }
        Ok(())
    }

    fn sum_up(&self) -> Result<(), Failure> {
        if self.is_many && !self.is_json {
            say(&format_args!(
                "{} published, {} not",
                self.accepted, self.failed
            ))
            .map_err(Failure::Trouble)?;
        }
        if self.failed == 0 {
            Ok(())
        } else {
            Err(Failure::Told)
        }
    }
}

/// What an error is called, for programs: the server's code where it has one.
fn name(error: &PublishError) -> &str {
    match error {
        PublishError::Refused(error) => error.name(),
        PublishError::Invalid(refusal) => refusal.code().as_str(),
        PublishError::Unknown(_) => "unknown",
        PublishError::NotSent(_) => "not_sent",
        PublishError::TooMany | PublishError::Over | PublishError::Unread | _ => "not_taken",
    }
}

fn say(text: &dyn core::fmt::Display) -> Result<(), String> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
