//! Tokens, grants and revocation (the protocol, section 7), as operators and clients meet them.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process,
};

use campanile_tests::{Daemon, Ended, Program, Received, Wire};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";
const WISH: &str = r#"[{"package":"p","page":"q"}]"#;
const NEWS: &str = r#"{"sender":"server","notification":{"package":"p","page":"q","data":1}}"#;

/// A folder with files that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("campanile-tokens-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        let folder = Self(path);
        folder.write("secret", SECRET);
        folder.write("other", OTHER);
        folder.write("revoked", "# nobody\n");
        folder
    }

    fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a temporary file");
    }

    /// A daemon with the key `secret`, and with what is revoked.
    #[track_caller]
    fn daemon(&self, arguments: &[&str]) -> Daemon {
        let (secret, revoked) = (self.path("secret"), self.path("revoked"));
        let own = ["--auth-keys", &secret, "--auth-revoked", &revoked];
        Daemon::with(&[&own, arguments].concat())
    }

    /// What `campanile token mint` prints.
    #[track_caller]
    fn mint(&self, key: &str, arguments: &[&str]) -> String {
        let key = self.path(key);
        let mut command = Daemon::command(&["token", "mint", "--key", &key]);
        let ended = Program::run(command.args(arguments));
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        String::from_utf8(ended.output)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// A token that allows everything.
    fn good(&self) -> String {
        let all = ["--subscribe", "*/*", "--publish", "p/*"];
        self.mint(
            "secret",
            &[&["--subject", "alice", "--id", "t1"][..], &all].concat(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A connection that asks for an upgrade with these header fields, and this target.
fn ask(daemon: &Daemon, target: &str, fields: &str) -> Wire {
    let request = Wire::handshake(daemon.address())
        .replacen("GET / ", &format!("GET {target} "), 1)
        .replacen("\r\n\r\n", &format!("\r\n{fields}\r\n"), 1);
    let mut wire = Wire::connect(daemon.address());
    wire.send(request.as_bytes());
    wire
}

fn open(daemon: &Daemon, token: &str) -> Wire {
    let mut wire = ask(daemon, "/", &bearer(token));
    wire.expect_upgrade();
    wire
}

/// The answer to `POST /notifications`.
fn post(daemon: &Daemon, fields: &str) -> String {
    let mut stream = TcpStream::connect(daemon.address()).expect("the daemon listens");
    let request = format!(
        "POST /notifications HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{NEWS}",
        NEWS.len()
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn run(arguments: &[&str], token: Option<&str>) -> Ended {
    let mut command = Daemon::command(arguments);
    if let Some(token) = token {
        command.env("CAMPANILE_TOKEN", token);
    }
    Program::run(&mut command)
}

#[test]
fn with_keys_everybody_needs_a_token_also_beside_the_server() {
    let folder = Folder::new();
    let daemon = folder.daemon(&[]);
    assert!(
        daemon
            .ready_line()
            .contains("(publishing: with a token only, 1 key is configured)"),
        "{}",
        daemon.ready_line()
    );
    let good = folder.good();
    let mut hearer = open(&daemon, &good);
    hearer.subscribe(WISH);
    hearer.synchronise();
    assert!(post(&daemon, "").starts_with("HTTP/1.1 401 "));
    let hear_only = folder.mint("secret", &["--subscribe", "*/*"]);
    assert!(post(&daemon, &bearer(&hear_only)).starts_with("HTTP/1.1 403 "));
    let answer = post(&daemon, &bearer(&good));
    assert!(answer.contains(r#""recipients":1"#), "{answer}");
    hearer.expect_text(NEWS);
    let mut stranger = daemon.connect();
    stranger.send_text(NEWS);
    stranger.expect_error("unauthorized");
    stranger.expect_close(4401);
}

#[test]
fn the_clients_show_their_token() {
    let folder = Folder::new();
    let daemon = folder.daemon(&[]);
    let (url, good) = (daemon.url(), folder.good());
    folder.write("token", &format!("{good}\n"));
    let file = folder.path("token");
    let one = ["--package", "p", "--page", "q"];
    let mut command = Daemon::command(&["subscribe", &url, "--json", "--count", "1"]);
    let mut subscriber = Program::start(command.args(one).args(["--token-file", &file]));
    daemon.wait_for_log("subscribed");
    let publish = [&["publish", &url][..], &one].concat();
    let refused = run(&publish, None);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.errors.contains("token"), "{refused:?}");
    let accepted = run(&publish, Some(&good));
    assert_eq!(accepted.status.code(), Some(0), "{accepted:?}");
    assert_eq!(subscriber.wait().status.code(), Some(0));
    let all = folder.mint("secret", &["--subscribe", "*/*", "--publish", "*/*"]);
    let bench = [
        "bench",
        &url,
        "--clients",
        "3",
        "--notifications",
        "50",
        "--token",
        &all,
    ];
    let ended = run(&bench, None);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn who_is_revoked_is_closed_without_a_signal_and_stays_out() {
    let folder = Folder::new();
    let daemon = folder.daemon(&[]);
    let bob = folder.mint("secret", &["--subject", "bob", "--subscribe", "*/*"]);
    let mut gone = open(&daemon, &folder.good());
    let mut stays = open(&daemon, &bob);
    folder.write("revoked", "sub alice\n");
    gone.expect_error("unauthorized");
    gone.expect_close(4401);
    daemon.wait_for_log("revocations reloaded");
    stays.synchronise();
    let mut again = ask(&daemon, "/", &bearer(&folder.good()));
    let answer = again.expect_refusal();
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("revoked"), "{answer:?}");
    // What cannot be read changes nothing.
    folder.write("revoked", "alice\n");
    daemon.wait_for_log("revoked:1: not a line");
    let mut again = ask(&daemon, "/", &bearer(&folder.good()));
    assert_eq!(again.expect_refusal().status, 401);
    stays.synchronise();
}

#[test]
fn other_keys_are_in_force_after_sighup() {
    let folder = Folder::new();
    let daemon = folder.daemon(&[]);
    let old = folder.good();
    let new = folder.mint("other", &["--subscribe", "*/*"]);
    let mut stays = open(&daemon, &old);
    assert_eq!(
        ask(&daemon, "/", &bearer(&new)).expect_refusal().status,
        401
    );
    folder.write("secret", OTHER);
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    open(&daemon, &new);
    assert_eq!(
        ask(&daemon, "/", &bearer(&old)).expect_refusal().status,
        401
    );
    stays.synchronise();
    // A key that is none leaves those that are.
    folder.write("secret", "short");
    daemon.signal("HUP");
    daemon.wait_for_log("configuration not reloaded");
    open(&daemon, &new);
}

#[test]
fn no_token_is_in_a_log_a_metric_or_an_answer() {
    let folder = Folder::new();
    let (secret, revoked) = (folder.path("secret"), folder.path("revoked"));
    let own = [
        "--auth-keys",
        &secret,
        "--auth-revoked",
        &revoked,
        "--log",
        "debug",
        "--log-rate",
        "0",
    ];
    let (daemon, admin) = Daemon::with_admin(&own);
    let good = folder.good();
    let forged = folder.mint("other", &["--subject", "mallory", "--subscribe", "*/*"]);
    let expired = folder.mint("secret", &["--expires-in", "0", "--id", "SECRETID"]);
    let long = "x".repeat(5_000);
    let mut answers = String::new();
    for token in [good.as_str(), &forged, &expired, &long] {
        for (target, fields) in [
            ("/".to_owned(), bearer(token)),
            (format!("/?access_token={token}"), String::new()),
            (
                "/".to_owned(),
                format!("Sec-WebSocket-Protocol: campanile.v1, campanile.token.{token}\r\n"),
            ),
            (format!("/?access_token={token}"), bearer("another")),
        ] {
            let mut wire = ask(&daemon, &target, &fields);
            answers.push_str(&wire.receive_head());
            wire.finish_sending();
            answers.push_str(&String::from_utf8_lossy(&wire.read_to_end()));
        }
        answers.push_str(&post(&daemon, &bearer(token)));
        for message in [
            format!(r#"{{"sender":"client","token":"{token}"}}"#),
            format!(r#"{{"sender":"client","token":"{token}","subscriptions":7}}"#),
            format!(r#"{{"sender":"client","token":"{token}"#),
        ] {
            let mut wire = daemon.connect();
            wire.send_text(&message);
            wire.finish_sending();
            loop {
                match wire.receive() {
                    Received::Text(text) => answers.push_str(&text),
                    Received::Close(..) | Received::End => break,
                    Received::Binary(_) | Received::Pong(_) | Received::CloseWithoutCode => {}
                }
            }
        }
    }
    let mut page = String::new();
    let mut stream = TcpStream::connect(admin).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    stream.read_to_string(&mut page).expect("it answers");
    assert!(page.contains("campanile_"), "{page}");
    let log = daemon.log();
    assert!(log.contains("unauthorized"), "{log}");
    for token in [&good, &forged, &expired, &long] {
        // Any of its three parts, or half of one.
        for part in token.split('.').filter(|part| part.len() > 8) {
            let piece = &part[part.len() / 2..];
            for (place, text) in [
                ("the log", &log),
                ("an answer", &answers),
                ("a metric", &page),
            ] {
                assert!(
                    !text.contains(piece),
                    "{place} has a piece of a token: {text}"
                );
            }
        }
    }
}

#[test]
fn a_token_is_explained_without_its_signature() {
    let folder = Folder::new();
    let explain = |token: &str, arguments: &[&str]| {
        folder.write("token", token);
        let file = folder.path("token");
        let all = [&["token", "explain", &file][..], arguments].concat();
        let ended = run(&all, None);
        let text = String::from_utf8(ended.output.clone()).expect("text");
        let signature = token.rsplit('.').next().expect("one").to_owned();
        assert!(signature.is_empty() || !format!("{text}{}", ended.errors).contains(&signature));
        (ended.status.code(), text)
    };
    let (secret, other) = (folder.path("secret"), folder.path("other"));
    let good = folder.good();
    let (code, text) = explain(&good, &["--auth-keys", &secret]);
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "algorithm  HS256",
        "subject    alice",
        "token id   t1",
        r#"publish    [{"package":"p","page":"*"}]"#,
        "accepted   by the key",
        "expires    in ",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let expired = folder.mint("secret", &["--expires-in", "0"]);
    for (token, arguments, reason) in [
        (
            &good,
            &["--auth-keys", &other][..],
            "refused    the signature",
        ),
        (&good, &[], "refused    this configuration has no keys"),
        (
            &good,
            &["--auth-keys", &secret, "--auth-issuer", "me"],
            "`iss`",
        ),
        (
            &good,
            &["--auth-keys", &secret, "--auth-audience", "me"],
            "`aud`",
        ),
        (
            &expired,
            &["--auth-keys", &secret, "--auth-leeway", "0"],
            "has expired",
        ),
        (
            &"nonsense".to_owned(),
            &["--auth-keys", &secret],
            "no JSON Web Token",
        ),
    ] {
        let (code, text) = explain(token, arguments);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(reason), "{reason} in {text}");
    }
}

#[test]
fn keys_that_are_none_and_rules_without_keys_are_refused_at_the_start() {
    let folder = Folder::new();
    folder.write("short", "short");
    let short = folder.path("short");
    for (arguments, reason) in [
        (&["--auth-keys", &short][..], "has a secret of 5 bytes"),
        (&["--auth-keys", "/nonexistent"], "cannot be read"),
        (&["--auth-issuer", "me"], "but no keys"),
        (
            &[
                "--auth-keys",
                &folder.path("secret"),
                "--auth-revoked",
                &short,
            ],
            "short:1: not a line",
        ),
    ] {
        let ended = run(&[&["check"][..], arguments].concat(), None);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.errors.contains(reason), "{ended:?}");
    }
    let mut command = Daemon::command(&["check"]);
    let ended = Program::run(command.env("CAMPANILE_SECRET", SECRET));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!String::from_utf8_lossy(&ended.output).contains(SECRET));
}
