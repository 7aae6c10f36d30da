//! That every event is what its table says, and its manual page.

use core::fmt::Write as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use campanile_core::{
    conn::{CloseCause, Violation},
    handshake::BadRequest,
    hub::Version,
    notify::{ErrorCode, Limits, Notification, Position, Refusal},
    proxy::{BadForwarding, InvalidHeader},
    server::TlsFailure,
};
use serde_json::Value;
use tracing::subscriber::with_default;

use super::{events::EVENTS, *};
use crate::page::assert_generated;

/// What the log would have written.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_or_else(
            |_| Err(io::ErrorKind::Other.into()),
            |mut lines| lines.write(bytes),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `test` logs at the lowest level.
fn logged(form: Form, rate: u32, test: impl FnOnce(&Log)) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let (filter, handle) = reload::Layer::new(LevelFilter::DEBUG);
    let layer = fmt::layer()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .event_format(form);
    let log = Log {
        limiter: Limiter::new(rate),
        filter: handle,
        recent: Arc::default(),
    };
    with_default(registry().with(filter).with(layer), || test(&log));
    let bytes = lines.0.lock().expect("no panic").clone();
    let text = String::from_utf8(bytes).expect("it is text");
    text.lines().map(str::to_owned).collect()
}

/// Everything that can be logged, with strings that need escapes.
fn everything(log: &Log) {
    use hub::Fact as F;
    let peer = SocketAddr::from(([192, 0, 2, 7], 1234));
    let notification = br#"{"package":"p\n\"\u001b[31m","page":"q"}"#;
    let notification =
        Notification::parse(notification, &Limits::default()).expect("a notification");
    let error = io::Error::other("a \"reason\"");
    log.listening(peer, false, "loopback addresses only", &Origins::default());
    log.admin_listening(peer);
    log.no_admin("a reason");
    log.socket_passed("key", peer);
    log.no_effect("key", "1", peer);
    log.no_manager("a reason");
    for fact in [
        &F::Connected {
            connection: 1,
            peer,
            version: Version::V1,
        },
        &F::HandshakeFailed {
            peer,
            error: OpeningError::BadRequest(BadRequest::NotHttp),
        },
        &F::HandshakeFailed {
            peer,
            error: OpeningError::TimedOut,
        },
        &F::HandshakeFailed {
            peer,
            error: OpeningError::Proxy(InvalidHeader::Missing),
        },
        &F::OriginRefused {
            peer,
            origin: "http://\u{1b}[31m",
        },
        &F::ForwardingRefused {
            peer,
            reason: BadForwarding::Malformed,
        },
        &F::UnknownProxy { peer },
        &F::Requested {
            connection: 1,
            peer,
            request: "GET /\u{1b}[31m",
            status: 200,
        },
        &F::Requested {
            connection: 1,
            peer,
            request: "GET /",
            status: 404,
        },
        &F::Subscribed {
            connection: 1,
            subscriptions: 2,
        },
        &F::Published {
            connection: 1,
            notification: &notification,
            position: Position::new(1, 2),
            bytes: 3,
            recipients: 4,
        },
        &F::Refused {
            connection: 1,
            refusal: &Refusal::new(ErrorCode::RateLimited),
        },
        &F::Violated {
            connection: 1,
            violation: Violation::MessageTooBig,
        },
        &F::SlowConsumer { connection: 1 },
        &F::Dropped {
            connection: 1,
            notifications: 2,
        },
        &F::Disconnected {
            connection: 1,
            cause: CloseCause::Eof,
        },
    ] {
        log.record(&Fact::Session(fact));
    }
    log.record(&Fact::TurnedAway {
        peer,
        reason: TurnedAway::Full,
    });
    log.record(&Fact::Secured {
        connection: 1,
        peer,
        version: "1.3",
        cipher: "a suite",
        identity: Some("CN=a\u{1b}[31m"),
    });
    log.record(&Fact::TlsFailed {
        peer,
        failure: TlsFailure::Broken,
        error: &error,
    });
    log.record(&Fact::AcceptFailed { error: &error });
    log.announced(Some(peer), "1-2", 3);
    log.reloaded("a\tfile", 1, 2);
    log.revoked();
    log.changed("key", "1", "2", "at once");
    log.needs_restart("key", "1", "2");
    log.not_reloaded("a\nreason");
    log.record(&Fact::Draining);
    log.sum_up(&Counters::default());
}

#[test]
fn every_event_has_the_name_the_level_and_the_fields_that_its_table_says() {
    let mut lines = logged(Form::Json, 0, everything);
    // What is over the rate, and counted.
    let flood = |log: &Log| {
        for _ in 0..20 {
            log.record(&Fact::Session(&hub::Fact::SlowConsumer { connection: 7 }));
        }
        log.tell_left_out();
        log.tell_left_out();
    };
    let flooded = logged(Form::Json, 1, flood);
    assert_eq!(flooded.len(), 11, "{flooded:?}");
    lines.push(flooded.last().expect("a line").clone());
    let mut said = BTreeSet::new();
    for line in &lines {
        let event: BTreeMap<String, Value> = serde_json::from_str(line).expect("an object");
        let name = event["event"].as_str().expect("a name");
        let own = EVENTS
            .iter()
            .find(|own| own.name == name)
            .expect("it is in the table");
        let level = event["level"].as_str().expect("a level");
        assert_eq!(level, own.level.as_str().to_lowercase());
        let fields: BTreeSet<_> = event.keys().map(String::as_str).collect();
        let own = own.fields.iter().map(|(name, _)| *name);
        let own: BTreeSet<_> = own.chain(["time", "level", "event"]).collect();
        assert_eq!(fields, own, "{line}");
        said.insert(name.to_owned());
    }
    let all: BTreeSet<_> = EVENTS.iter().map(|event| event.name.to_owned()).collect();
    assert_eq!(said, all);
    let numbers: Value = serde_json::from_str(&flooded[10]).expect("an object");
    assert_eq!(
        (&numbers["like"], &numbers["count"]),
        (&"slow consumer".into(), &10.into())
    );
}

#[test]
fn the_last_event_has_counters() {
    let ended = Kind::Ended.event().expect("it is in the table");
    let fields: Vec<_> = ended.fields.iter().map(|(name, _)| *name).collect();
    let counters = Counters::default();
    assert!(fields.iter().all(|name| counters.get(name).is_some()));
}

#[test]
fn each_kind_is_admitted_by_its_own_rate() {
    let lines = logged(Form::Json, 1, |log| {
        for _ in 0..40 {
            everything(log);
        }
    });
    let count = |name: &str| {
        lines
            .iter()
            .filter(|line| line.contains(&format!("\"event\":\"{name}\"")))
            .count()
    };
    for event in &EVENTS {
        // `sum_up` tells what was left out, each time.
        if event.name != "left out" {
            let most = if event.limited { 10..=12 } else { 40..=40 };
            assert!(
                most.contains(&count(event.name)),
                "{}: {}",
                event.name,
                count(event.name)
            );
        }
    }
}

#[test]
fn text_and_json_have_a_peers_words_in_one_line_and_without_control_characters() {
    let texts = logged(Form::text(), 0, everything);
    let objects = logged(Form::Json, 0, everything);
    assert_eq!(texts.len(), objects.len());
    for line in texts.iter().chain(&objects) {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let has = |lines: &[String], part: &str| lines.iter().any(|line| line.contains(part));
    assert!(
        has(
            &texts,
            r#"INFO notification connection=1 package="p\n\"\u{1b}[31m" page="q" "#
        ),
        "{texts:?}"
    );
    let object = objects
        .iter()
        .find(|line| line.contains("notification"))
        .expect("an event");
    let object: Value = serde_json::from_str(object).expect("an object");
    assert_eq!(object["package"], "p\n\"\u{1b}[31m");
    assert_eq!(object["recipients"], 4);
}

#[test]
fn the_manual_page_is_that_of_the_table() {
    let mut page = String::from(
        "\n## Events\n\nThose with a star are left out where there are too many.\n\n\
         | event | level | when | fields |\n| --- | --- | --- | --- |\n",
    );
    for event in &EVENTS {
        let star = if event.limited { " *" } else { "" };
        let level = event.level.as_str().to_lowercase();
        let fields = event.fields.iter();
        let fields: Vec<_> = fields
            .map(|(name, help)| format!("`{name}`: {help}"))
            .collect();
        let fields = fields.join("<br>");
        let fields = if fields.is_empty() {
            ""
        } else {
            &format!(" {fields}")
        };
        let (name, help) = (event.name, event.help);
        writeln!(page, "| `{name}`{star} | {level} | {help} |{fields} |").expect("text");
    }
    assert_generated("logging.md", &page);
}
