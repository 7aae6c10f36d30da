//! The clients of both runtimes against the running daemon: one suite, each test once for each of them.

use core::{future::Future, num::NonZeroU32, time::Duration};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use campanile_smol::client as smol_client;
use campanile_std::client as std_client;
use campanile_tests::{Daemon, PATIENCE, Program};
use std_client::{
    Backoff, Cause, Error, Event, Options, PublicationId, PublishError, Receipt, Url,
};

const NEWS: &str = r#"{"package":"p","page":"q","data":1}"#;
const WISH: &str = r#"{"package":"p","page":"q"}"#;

/// Reconnects as quickly as a test wants.
fn impatient() -> Options {
    Options {
        backoff: Backoff {
            base: Duration::from_millis(50),
            cap: Duration::from_millis(200),
            ..Backoff::new()
        },
        ..Options::new()
    }
}

/// What both clients can do. What hangs fails.
trait Client: Sized {
    fn new(url: &str, options: Options) -> Self;
    fn subscribe(&mut self, subscriptions: &str);
    fn next(&mut self) -> Result<Option<Event>, Error>;
    fn publish(&mut self, notification: &str) -> Result<Receipt, PublishError>;
    fn send(&mut self, notification: &str) -> Result<PublicationId, PublishError>;
    fn close(self);

    /// The next event, which there is.
    #[track_caller]
    fn event(&mut self) -> Event {
        self.next().expect("no fatal error").expect("an event")
    }

    /// The next event of interest: others than of coming and going.
    #[track_caller]
    fn wait_for(&mut self, mut is_wanted: impl FnMut(&Event) -> bool) -> Event {
        loop {
            let event = self.event();
            if is_wanted(&event) {
                return event;
            }
        }
    }
}

struct OnSmol(smol_client::Client);

fn block<T>(future: impl Future<Output = T>) -> T {
    smol::block_on(smol::future::or(async { Some(future.await) }, async {
        smol::Timer::after(PATIENCE).await;
        None
    }))
    .expect("it comes to an end")
}

impl Client for OnSmol {
    fn new(url: &str, options: Options) -> Self {
        let url: Url = url.parse().expect("a URL");
        Self(smol_client::Client::with_options(url, options))
    }

    fn subscribe(&mut self, subscriptions: &str) {
        self.0.subscribe(subscriptions).expect("it is valid");
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        block(self.0.next())
    }

    fn publish(&mut self, notification: &str) -> Result<Receipt, PublishError> {
        block(self.0.publish(notification))
    }

    fn send(&mut self, notification: &str) -> Result<PublicationId, PublishError> {
        self.0.send(notification)
    }

    fn close(self) {
        block(self.0.close());
    }
}

struct OnStd(std_client::Client);

impl Client for OnStd {
    fn new(url: &str, options: Options) -> Self {
        let url: Url = url.parse().expect("a URL");
        Self(std_client::Client::with_options(url, options))
    }

    fn subscribe(&mut self, subscriptions: &str) {
        self.0.subscribe(subscriptions).expect("it is valid");
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        let event = self.0.next_within(PATIENCE)?;
        assert!(event.is_some() || self.0.is_over(), "it comes to an end");
        Ok(event)
    }

    fn publish(&mut self, notification: &str) -> Result<Receipt, PublishError> {
        self.0.publish(notification)
    }

    fn send(&mut self, notification: &str) -> Result<PublicationId, PublishError> {
        self.0.send(notification)
    }

    fn close(self) {
        self.0.close();
    }
}

/// A client whose subscription stands.
#[track_caller]
fn listener<C: Client>(url: &str) -> C {
    let mut client = C::new(url, impatient());
    client.subscribe(WISH);
    assert!(matches!(client.event(), Event::Connected));
    assert!(matches!(client.event(), Event::Subscribed { count: 1, .. }));
    client
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::Disconnected { .. })
}

fn who_listens_hears_what_is_published_with_receipts<C: Client>() {
    let daemon = Daemon::start();
    let mut listening: C = listener(&daemon.url());
    let mut publishing = C::new(&daemon.url(), impatient());
    for number in 0..50 {
        let news = format!(r#"{{"package":"p","page":"q","data":{number}}}"#);
        let receipt = publishing.publish(&news).expect("it is accepted");
        assert_eq!((receipt.recipients, receipt.duplicate), (1, false));
        let Event::Notification(delivery) = listening.event() else {
            panic!("a notification");
        };
        assert_eq!(delivery.position(), receipt.position);
        let expected = format!(
            r#"{{"position":"{}","sender":"server","notification":{news}}}"#,
            receipt.position
        );
        assert_eq!(delivery.text(), expected);
    }
    let other = r#"{"package":"p","page":"nobody"}"#;
    assert_eq!(publishing.publish(other).expect("accepted").recipients, 0);
    publishing.close();
    listening.close();
    daemon.wait_for_logs("code=1000", 2);
}

fn receipts_of_many_come_in_their_order<C: Client>() {
    let daemon = Daemon::start();
    let mut client = C::new(&daemon.url(), impatient());
    let ids: Vec<_> = (0..500)
        .map(|_| client.send(NEWS).expect("there is room"))
        .collect();
    let mut last = String::new();
    for id in ids {
        let event = client.wait_for(|event| matches!(event, Event::Published { .. }));
        let Event::Published { id: told, outcome } = event else {
            unreachable!();
        };
        assert_eq!(told, id);
        let position = outcome.expect("it is accepted").position;
        assert!(position > last, "{position} comes after {last}");
        last = position;
    }
}

fn who_publishes_hears_itself_and_loses_nothing_by_waiting_for_the_receipt<C: Client>() {
    let daemon = Daemon::start();
    let mut client: C = listener(&daemon.url());
    let positions: Vec<_> = (0..20)
        .map(|_| client.publish(NEWS).expect("accepted").position)
        .collect();
    for position in positions {
        let Event::Notification(delivery) = client.event() else {
            panic!("a notification");
        };
        assert_eq!(delivery.position(), position);
    }
}

fn refusals_are_typed<C: Client>() {
    let daemon = Daemon::with(&["--max-message", "1000", "--max-subscriptions", "1"]);
    let mut client = C::new(&daemon.url(), impatient());
    let long = format!(r#"{{"package":"p","page":"{}"}}"#, "x".repeat(2000));
    let Err(PublishError::Refused(error)) = client.publish(&long) else {
        panic!("it is refused");
    };
    assert_eq!(error.name(), "message_too_big");
    // The daemon has closed with 1009; what is published then goes over the next connection.
    client.publish(NEWS).expect("it is accepted");
    assert!(matches!(client.publish("{"), Err(PublishError::Invalid(_))));
    client.subscribe(&format!("[{WISH},{WISH}]"));
    let event = client.wait_for(|event| matches!(event, Event::SubscriptionRefused(_)));
    let Event::SubscriptionRefused(error) = event else {
        unreachable!();
    };
    assert_eq!(error.name(), "too_many_subscriptions");
}

fn a_server_that_is_not_there_is_an_error_where_attempts_are_counted<C: Client>() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}", closed.local_addr().expect("it is bound"));
    drop(closed);
    let once = Options {
        max_attempts: NonZeroU32::new(1),
        ..impatient()
    };
    let mut client = C::new(&url, once);
    let error = client.publish(NEWS).expect_err("nobody is there");
    assert!(
        matches!(error, PublishError::NotSent(Some(Cause::Unreachable(_)))),
        "{error:?}"
    );
    let error = client.next().expect_err("it has given up");
    assert!(
        matches!(error, Error::GaveUp { attempts: 1, .. }),
        "{error:?}"
    );
    assert!(matches!(client.next(), Ok(None)));
}

fn a_wrong_place_is_a_fatal_error<C: Client>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}", listener.local_addr().expect("it is bound"));
    let server = thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut socket, _) = listener.accept().expect("a client");
        let _ = socket.read(&mut [0; 4096]).expect("a request");
        socket
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .expect("it reads");
    });
    let mut client = C::new(&url, impatient());
    let error = client.next().expect_err("it is refused");
    assert!(
        matches!(error, Error::Fatal(Cause::Refused { status: 403, .. })),
        "{error:?}"
    );
    server.join().expect("it has served");
}

fn a_client_hears_again_after_the_server_was_killed<C: Client>() {
    let mut daemon = Daemon::start();
    let address = daemon.address().to_string();
    let mut client: C = listener(&daemon.url());
    daemon.publish(r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#);
    assert!(matches!(client.event(), Event::Notification(_)));
    daemon.signal("KILL");
    daemon.wait_for_end();
    assert!(is_down(&client.event()));
    let again = Daemon::listening_on(&address);
    let event = client.wait_for(|event| !is_down(event));
    assert!(matches!(event, Event::Reconnected), "{event:?}");
    again.publish(r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#);
    assert!(matches!(client.event(), Event::Notification(_)));
}

fn what_is_published_during_a_restart_waits_for_it<C: Client>() {
    let mut daemon = Daemon::start();
    let address = daemon.address().to_string();
    let mut client = C::new(&daemon.url(), impatient());
    client.publish(NEWS).expect("it is accepted");
    daemon.signal("KILL");
    daemon.wait_for_end();
    client.wait_for(is_down);
    client.send(NEWS).expect("it waits");
    let _again = Daemon::listening_on(&address);
    let event = client.wait_for(|event| matches!(event, Event::Published { .. }));
    assert!(
        matches!(event, Event::Published { outcome: Ok(_), .. }),
        "{event:?}"
    );
}

fn a_silent_server_is_given_up<C: Client>() {
    let daemon = Daemon::start();
    let mut options = impatient();
    options.connection.ping_interval = Some(Duration::from_millis(100));
    options.connection.pong_timeout = Duration::from_millis(500);
    let mut client = C::new(&daemon.url(), options);
    assert!(matches!(client.event(), Event::Connected));
    // Its sockets stay open, and nobody answers.
    daemon.signal("STOP");
    let Event::Disconnected { cause, .. } = client.event() else {
        panic!("it is given up");
    };
    assert!(matches!(cause, Cause::TimedOut(_)), "{cause:?}");
    daemon.signal("CONT");
    client.wait_for(|event| matches!(event, Event::Reconnected));
}

macro_rules! for_both {
    ($($name:ident)*) => {
        mod on_smol { $(#[test] fn $name() { super::$name::<super::OnSmol>(); })* }
        mod on_std { $(#[test] fn $name() { super::$name::<super::OnStd>(); })* }
    };
}

for_both! {
    who_listens_hears_what_is_published_with_receipts
    receipts_of_many_come_in_their_order
    who_publishes_hears_itself_and_loses_nothing_by_waiting_for_the_receipt
    refusals_are_typed
    a_server_that_is_not_there_is_an_error_where_attempts_are_counted
    a_wrong_place_is_a_fatal_error
    a_client_hears_again_after_the_server_was_killed
    what_is_published_during_a_restart_waits_for_it
    a_silent_server_is_given_up
}

/// Every future is dropped after a random number of polls, and made anew.
#[test]
fn on_smol_nothing_is_lost_by_dropping_futures() {
    let daemon = Daemon::start();
    let mut publisher: OnStd = OnStd::new(&daemon.url(), impatient());
    let mut client = smol_client::Client::new(&daemon.url()).expect("a URL");
    client.subscribe(WISH).expect("it is valid");
    let mut seed = 1_u32;
    let mut next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 24
    };
    let mut broken_off = 0;
    let mut event = || {
        block(async {
            loop {
                let micros = u64::from(next());
                let limit = async {
                    smol::Timer::after(Duration::from_micros(micros)).await;
                    None
                };
                let event = async { Some(client.next().await) };
                match smol::future::or(event, limit).await {
                    Some(event) => return event.expect("no fatal error").expect("an event"),
                    None => broken_off += 1,
                }
            }
        })
    };
    assert!(matches!(event(), Event::Connected));
    assert!(matches!(event(), Event::Subscribed { .. }));
    for round in 0..30 {
        let positions: Vec<_> = (0..=round % 7)
            .map(|_| publisher.publish(NEWS).expect("accepted").position)
            .collect();
        for position in positions {
            let Event::Notification(delivery) = event() else {
                panic!("a notification");
            };
            assert_eq!(delivery.position(), position);
        }
    }
    assert!(broken_off > 0, "nothing was broken off");
}

#[test]
fn a_publication_whose_future_is_dropped_has_its_outcome_all_the_same() {
    let daemon = Daemon::start();
    let mut client = smol_client::Client::new(&daemon.url()).expect("a URL");
    let dropped = smol::block_on(smol::future::poll_once(client.publish(NEWS)));
    assert!(dropped.is_none());
    let event = block(async {
        loop {
            let event = client.next().await.expect("no fatal error");
            if let Some(Event::Published { outcome, .. }) = event {
                return outcome;
            }
        }
    });
    event.expect("it is accepted");
    daemon.wait_for_logs("notification", 1);
}

#[test]
fn the_examples_of_both_runtimes_listen_and_publish() {
    for runtime in ["campanile-smol", "campanile-std"] {
        let daemon = Daemon::start();
        let [listen, publish] = ["listen", "publish"].map(|name| Daemon::example(runtime, name));
        let mut listening = Program::start(Command::new(listen).args([&daemon.url(), WISH]));
        listening.wait_for_errors("Subscribed", 1);
        let ended = Program::run(Command::new(publish).args([&daemon.url(), NEWS]));
        assert!(ended.status.success(), "{ended:?}");
        let said = String::from_utf8(ended.output).expect("it says UTF-8");
        assert!(said.starts_with("1 heard it, at "), "{said}");
        let heard = listening.next_line();
        assert!(
            heard.ends_with(&format!(r#""notification":{NEWS}}}"#)),
            "{heard}"
        );
    }
}
