//! `campanile subscribe` and `campanile publish` against the running daemon.

use std::fs;
use std::process::{self, Command};

use campanile_tests::{Daemon, Ended, Program};
use serde_json::{Value, json};

const NEWS: &str = r#"{"sender":"server","notification":{"package":"p","page":"q","data":1}}"#;

fn start(arguments: &[&str]) -> Program {
    Program::start(Command::new(Daemon::binary()).args(arguments))
}

/// Runs a verb with this on its standard input.
fn run_with(arguments: &[&str], input: &str) -> Ended {
    let mut program = start(arguments);
    program.write(input.as_bytes());
    program.close_input();
    program.wait()
}

fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, "")
}

/// A listener of `p/q` that is subscribed.
fn listening(daemon: &Daemon, more: &[&str]) -> Program {
    let url = daemon.url();
    let first = ["subscribe", &url, "--package", "p", "--page", "q"];
    let program = start(&[&first, more].concat());
    program.wait_for_errors("subscribed (1)", 1);
    program
}

fn said(ended: &Ended) -> String {
    String::from_utf8(ended.output.clone()).expect("it says UTF-8")
}

#[track_caller]
fn assert_code(ended: &Ended, code: i32) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
}

/// A URL where nobody listens.
fn nowhere() -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("ws://{}", closed.local_addr().expect("it is bound"))
}

#[test]
fn what_is_published_is_printed_and_the_receipt_told() {
    let daemon = Daemon::start();
    let mut pretty = listening(&daemon, &["--count", "1"]);
    let mut json = listening(&daemon, &["--count", "1", "--json"]);
    let published = run(&[
        "publish",
        &daemon.url(),
        "--package",
        "p",
        "--page",
        "q",
        "--values",
        "channel=2",
        "--data",
        r#"{"id": 7}"#,
        "--message",
        "Nouveau message reçu",
    ]);
    assert_code(&published, 0);
    assert!(
        said(&published).starts_with("published at "),
        "{published:?}"
    );
    assert!(
        said(&published).ends_with(" to 2 recipients\n"),
        "{published:?}"
    );
    let text = json.next_line();
    let heard: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(
        heard["notification"],
        json!({
            "package": "p", "page": "q", "filters": {"values": {"channel": "2"}},
            "data": {"id": 7}, "message": "Nouveau message reçu",
        })
    );
    assert_code(&json.wait(), 0);
    assert!(pretty.next_line().starts_with("p/q "));
    let ended = pretty.wait();
    assert_code(&ended, 0);
    let said = said(&ended);
    for line in [
        r#"  values {"channel":"2"}"#,
        "  message Nouveau message reçu",
        r#"  data {"id":7}"#,
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(
        !said.contains('\x1b'),
        "no colours but on a terminal: {said}"
    );
}

#[test]
fn json_is_what_was_received_byte_for_byte_on_one_line() {
    let daemon = Daemon::start();
    let mut program = listening(&daemon, &["--json"]);
    let text = "{ \"sender\" :\"server\",\r\n\t\"notification\":{\"package\":\"p\", \"page\":\"\\u0071\",\n\"data\":1.50}}";
    daemon.publish(text);
    let line = program.next_line();
    let (_, rest) = line.split_once("\",").expect("a position in front");
    let expected = text.replace(['\n', '\r'], " ");
    assert_eq!(rest, &expected[1..]);
    program.signal("INT");
    assert_code(&program.wait(), 0);
}

#[test]
fn filters_say_what_is_heard() {
    let daemon = Daemon::start();
    let url = daemon.url();
    let mut program = listening(
        &daemon,
        &["--json", "--filter", "channel=2,3", "--filter", "kind"],
    );
    for (values, recipients) in [
        (r#"{"channel":2,"kind":"x"}"#, 1),
        (r#"{"channel":"4","kind":"x"}"#, 0),
        (r#"{"channel":"3"}"#, 0),
    ] {
        let ended = run(&[
            "publish",
            &url,
            "--package",
            "p",
            "--page",
            "q",
            "--values",
            values,
            "--json",
        ]);
        let receipt: Value = serde_json::from_str(&said(&ended)).expect("it is JSON");
        assert_eq!(receipt["recipients"], json!(recipients), "{values}");
        assert_eq!(receipt["line"], json!(1));
    }
    assert!(program.next_line().contains(r#""channel":2"#));
}

#[test]
fn subscriptions_come_from_a_file_or_from_standard_input() {
    let daemon = Daemon::start();
    let url = daemon.url();
    let file = std::env::temp_dir().join(format!("campanile-{}-wish.json", process::id()));
    let wish = r#"[{"package":"p","page":"q"},{"package":"p","page":"r"}]"#;
    fs::write(&file, wish).expect("it can be written");
    let path = file.to_str().expect("UTF-8");
    let mut from_file = start(&["subscribe", &url, "--subscriptions", path, "--count", "1"]);
    from_file.wait_for_errors("subscribed (2)", 1);
    let mut from_input = start(&["subscribe", &url, "--subscriptions", "-", "--count", "1"]);
    from_input.write(wish.as_bytes());
    from_input.close_input();
    from_input.wait_for_errors("subscribed (2)", 1);
    daemon.publish(NEWS);
    assert_code(&from_file.wait(), 0);
    assert_code(&from_input.wait(), 0);
    fs::remove_file(file).expect("it is there");
}

#[test]
fn a_subscriber_comes_back_after_the_server_was_killed_and_says_so() {
    let mut daemon = Daemon::start();
    let address = daemon.address().to_string();
    let mut program = listening(&daemon, &["--json"]);
    daemon.publish(NEWS);
    program.next_line();
    daemon.signal("KILL");
    daemon.wait_for_end();
    program.wait_for_errors("the next attempt is in", 1);
    let again = Daemon::listening_on(&address);
    program.wait_for_errors("may have been missed", 1);
    again.publish(NEWS);
    program.next_line();
    program.signal("INT");
    assert_code(&program.wait(), 0);
    again.wait_for_logs("code=1000", 2); // the publisher, and this one
}

#[test]
fn a_subscriber_ends_in_time() {
    let daemon = Daemon::start();
    assert_code(&listening(&daemon, &["--timeout", "1"]).wait(), 0);
    let ended = listening(&daemon, &["--timeout", "1", "--count", "1"]).wait();
    assert_code(&ended, 1);
    assert!(ended.errors.contains("0 of 1 notifications"), "{ended:?}");
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_reason() {
    let url = nowhere();
    for arguments in [
        ["subscribe", &url, "--package", "p", "--page", "q"],
        ["publish", &url, "--package", "p", "--page", "q"],
    ] {
        let ended = run(&arguments);
        assert_code(&ended, 1);
        assert!(ended.errors.contains("cannot connect: "), "{ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn wrong_arguments_are_named_and_the_exit_code_is_2() {
    for (arguments, named) in [
        (["subscribe", "ws://a"].as_slice(), "--package"),
        (&["subscribe", "ws://a", "--package", "p"], "--page"),
        (
            &[
                "subscribe",
                "wss://a",
                "--ca",
                "/nowhere",
                "--package",
                "p",
                "--page",
                "q",
            ],
            "/nowhere",
        ),
        (
            &[
                "subscribe",
                "ws://a",
                "--ca",
                "/nowhere",
                "--package",
                "p",
                "--page",
                "q",
            ],
            "--ca",
        ),
        (
            &["subscribe", "http://a", "--package", "p", "--page", "q"],
            "ws://HOST",
        ),
        (
            &["subscribe", "ws://a", "--subscriptions", "/nowhere"],
            "/nowhere",
        ),
        (
            &["subscribe", "ws://a", "--subscriptions", "-"],
            "subscriptions",
        ),
        (&["publish", "ws://a", "/nowhere"], "/nowhere"),
        (
            &[
                "publish",
                "ws://a",
                "--package",
                "p",
                "--page",
                "q",
                "--data",
                "x",
            ],
            "--data",
        ),
        (
            &[
                "publish",
                "ws://a",
                "--package",
                "p",
                "--page",
                "q",
                "--values",
                "x",
            ],
            "--values",
        ),
    ] {
        let ended = run(arguments);
        assert_code(&ended, 2);
        assert!(ended.errors.contains(named), "{named} in {}", ended.errors);
    }
}

#[test]
fn many_lines_are_published_and_counted() {
    let daemon = Daemon::start();
    let url = daemon.url();
    let mut program = listening(&daemon, &["--json", "--count", "1000"]);
    let lines: String = (0..1000)
        .map(|number| format!("{{\"package\":\"p\",\"page\":\"q\",\"data\":{number}}}\n"))
        .collect();
    let ended = run_with(&["publish", &url], &lines);
    assert_code(&ended, 0);
    assert_eq!(said(&ended), "1000 published, 0 not\n");
    for number in 0..1000 {
        let line = program.next_line();
        assert!(line.ends_with(&format!(r#""data":{number}}}}}"#)), "{line}");
    }
    assert_code(&program.wait(), 0);
}

#[test]
fn a_broken_line_is_named_with_the_reason_and_the_others_are_published() {
    let daemon = Daemon::with(&["--max-values", "2"]);
    let input = format!(
        "{NEWS}\n\n{{\"package\":\"p\",\n{}\n{}\n{NEWS}\n",
        r#"{"package":"p"}"#, r#"{"package":"p","page":"q","filters":{"values":[1,2,3]}}"#
    );
    let ended = run_with(&["publish", &daemon.url(), "-", "--json"], &input);
    assert_code(&ended, 1);
    let mut lines: Vec<Value> = said(&ended)
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect();
    lines.sort_by_key(|line| line["line"].as_u64());
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().expect("a number"),
                line["error"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, None),
            (3, Some("invalid_json")),
            (4, Some("invalid_notification")),
            (5, Some("invalid_notification")),
            (6, None),
        ]
    );
    for part in [
        "line 3: byte 15",
        "line 4: page is missing",
        "line 5: invalid_notification",
    ] {
        assert!(ended.errors.contains(part), "{part:?} in {}", ended.errors);
    }
}

#[test]
fn a_publisher_that_is_told_to_end_says_that_it_is_not_done() {
    let daemon = Daemon::start();
    let mut program = start(&["publish", &daemon.url(), "--json"]);
    program.write(format!("{NEWS}\n").as_bytes());
    program.next_line();
    program.signal("INT");
    let ended = program.wait();
    assert_code(&ended, 1);
    assert!(ended.errors.contains("told to end"), "{ended:?}");
    daemon.wait_for_logs("code=1000", 1);
}

#[test]
fn help_has_examples_and_exit_codes() {
    for verb in ["subscribe", "publish"] {
        let ended = run(&[verb, "--help"]);
        assert_code(&ended, 0);
        for part in ["Examples:", "Exit codes:", "ws://127.0.0.1:8000"] {
            assert!(said(&ended).contains(part), "{part} in {ended:?}");
        }
    }
}
