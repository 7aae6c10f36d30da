//! `campanile explain`: why a notification is heard or not.

use std::{
    fs,
    path::PathBuf,
    process::{self, Command},
};

use campanile_tests::{Daemon, Ended, Program, tools};

const SUBSCRIPTION: &str =
    r#"{"package":"plant","page":"alerts","filters":{"values":{"severity":["high","critical"]}}}"#;

const LOW: &str = r#"{"package":"plant","page":"alerts","filters":{"values":{"severity":"low"}}}"#;

const LOW_EXPLAINED: &str = "does not match: at filters.values.severity the notification has \"low\", \
     and the subscription accepts \"high\" or \"critical\"\n";

const HIGH: &str =
    r#"{"package":"plant","page":"alerts","filters":{"values":{"severity":"high"}}}"#;

const HIGH_EXPLAINED: &str = "matches: at filters.values.severity the notification has \"high\", \
     and the subscription accepts \"high\" or \"critical\"\n";

fn client(subscriptions: &str) -> String {
    format!(r#"{{"sender":"client","subscriptions":[{subscriptions}]}}"#)
}

fn publisher(notification: &str) -> String {
    format!(r#"{{"sender":"server","notification":{notification},"type":"any"}}"#)
}

#[test]
fn whole_messages_and_what_is_in_them_are_explained_alike() {
    let files = Files::new("alike");
    for (notification, explained, code) in [(LOW, LOW_EXPLAINED, 1), (HIGH, HIGH_EXPLAINED, 0)] {
        for subscription in [SUBSCRIPTION, &client(SUBSCRIPTION)] {
            for notification in [notification, &publisher(notification)] {
                let ended = files.explain(subscription, notification);
                assert_eq!(said(&ended), explained);
                assert_eq!(ended.status.code(), Some(code), "{ended:?}");
                assert_eq!(ended.errors, "");
            }
        }
    }
}

#[test]
fn the_messages_of_the_readme_match() {
    let clients = tools::clients();
    let ended = explain(&[
        "--subscription".into(),
        clients.join("subscription.json"),
        "--notification".into(),
        clients.join("notification.json"),
    ]);
    assert_eq!(
        said(&ended),
        "matches: at filters.values the notification has \"2\", and the subscription accepts \"2\", \
         \"3\" or \"5\" at filters.values.channel\n"
    );
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn standard_input_may_be_either_of_the_two_but_not_both() {
    let files = Files::new("stdin");
    for (stdin, file, arguments) in [
        (SUBSCRIPTION, LOW, ["--subscription", "-", "--notification"]),
        (LOW, SUBSCRIPTION, ["--notification", "-", "--subscription"]),
    ] {
        let path = files.file("other.json", file);
        let mut program = Program::start(
            Command::new(Daemon::binary())
                .arg("explain")
                .args(arguments)
                .arg(path),
        );
        program.write(stdin.as_bytes());
        program.close_input();
        let ended = program.wait();
        assert_eq!(said(&ended), LOW_EXPLAINED);
        assert_eq!(ended.status.code(), Some(1));
    }
    let ended = explain(&["--subscription", "-", "--notification", "-"]);
    assert_trouble(
        &ended,
        &["--subscription", "--notification", "both", "file"],
    );
}

#[test]
fn each_subscription_of_a_message_is_explained_by_its_number_and_one_match_is_enough() {
    let files = Files::new("several");
    let other = r#"{"package":"plant","page":"news"}"#;
    let ended = files.explain(&client(&format!("{other},{SUBSCRIPTION}")), HIGH);
    assert_eq!(
        said(&ended),
        format!(
            "subscription 1 does not match: at page the notification has \"alerts\", \
             and the subscription wants \"news\"\nsubscription 2 {HIGH_EXPLAINED}"
        )
    );
    assert_eq!(ended.status.code(), Some(0));
    let ended = files.explain(&client(&format!("{other},{SUBSCRIPTION}")), LOW);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let ended = files.explain(&client(""), HIGH);
    assert_eq!(
        said(&ended),
        "does not match: the message has no subscriptions\n"
    );
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn what_is_no_subscription_is_named_with_its_file_and_the_reason() {
    let files = Files::new("no-subscription");
    for (text, named) in [
        ("", "byte 0"),
        (&client(&format!("{SUBSCRIPTION},")), "byte "),
        (
            "{\"package\":\"p\"}",
            "nor a subscription alone (page is missing; it must be a string)",
        ),
        (
            "{\"sender\":\"Client\"}",
            "neither a client's message (sender is unknown;",
        ),
        (
            "{\"type\":\"ping\"}",
            "neither a client's message (it has no sender)",
        ),
        (
            &client("{\"package\":\"p\",\"page\":1}"),
            "subscriptions[0].page has the wrong type",
        ),
        (
            "{\"sender\":\"client\",\"token\":\"t\"}",
            "has no subscriptions; add some",
        ),
        (&publisher(LOW), "give it as --notification"),
        (
            "{\"sender\":\"\",\"package\":\"p\",\"page\":\"q\",\"filters\":{\"values\":{\"\\n\\u001b\":{}}}}",
            "filters.values.\u{FFFD}\u{FFFD} has the wrong type",
        ),
    ] {
        let ended = files.explain(text, LOW);
        assert_trouble(&ended, &[named, "subscription.json: "]);
    }
}

#[test]
fn what_is_no_notification_is_named_with_its_file_and_the_reason() {
    let files = Files::new("no-notification");
    for (text, named) in [
        ("null", "byte 0"),
        (
            "{\"page\":\"p\"}",
            "nor a notification alone (package is missing; it must be a string)",
        ),
        (
            "{\"sender\":\"server\"}",
            "notification is missing; it must be an object",
        ),
        (&client(SUBSCRIPTION), "give it as --subscription"),
    ] {
        let ended = files.explain(SUBSCRIPTION, text);
        assert_trouble(&ended, &[named, "notification.json: "]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let files = Files::new("missing");
    let path = files.file("there.json", LOW);
    let missing = path.with_file_name("missing.json");
    for (option, other) in [
        ("--subscription", "--notification"),
        ("--notification", "--subscription"),
    ] {
        let ended = explain(&[option.into(), missing.clone(), other.into(), path.clone()]);
        assert_trouble(&ended, &["missing.json cannot be read: ", "name a file"]);
    }
}

#[test]
fn wrong_arguments_are_named_and_nothing_is_served() {
    for (arguments, named) in [
        (&["--subscription", "wish.json"][..], "--notification"),
        (&["--notification", "news.json"], "--subscription"),
        (
            &[
                "--subscription",
                "a",
                "--notification",
                "b",
                "--listen",
                "x",
            ],
            "--listen",
        ),
    ] {
        let ended = explain(arguments);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.output.is_empty(), "{ended:?}");
        assert!(ended.errors.contains(named), "{named} in {}", ended.errors);
    }
}

#[test]
fn help_says_what_the_files_hold_and_what_the_exit_codes_mean() {
    let ended = explain(&["--help"]);
    assert_eq!(ended.status.code(), Some(0));
    let help = said(&ended);
    for expected in [
        "--subscription <FILE>",
        "--notification <FILE>",
        "whole message",
        "standard input",
        "Exit codes: 0 a subscription matches, 1 none does, 2",
    ] {
        assert!(help.contains(expected), "{expected:?} in\n{help}");
    }
}

/// One line of complaint that says all of these, and no answer.
#[track_caller]
fn assert_trouble(ended: &Ended, named: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(ended.output.is_empty(), "{ended:?}");
    assert_eq!(
        ended.errors.lines().count(),
        1,
        "one line: {}",
        ended.errors
    );
    assert!(ended.errors.starts_with("campanile: "), "{}", ended.errors);
    for part in named {
        assert!(ended.errors.contains(part), "{part:?} in {}", ended.errors);
    }
}

fn said(ended: &Ended) -> String {
    String::from_utf8(ended.output.clone()).expect("it says UTF-8")
}

#[track_caller]
fn explain<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Ended {
    Program::run(
        Command::new(Daemon::binary())
            .arg("explain")
            .args(arguments),
    )
}

/// A folder of a test's own, which goes when the test is over.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("campanile-{}-{test}", process::id()));
        fs::create_dir_all(&folder).expect("a folder for files");
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("the folder can be written to");
        path
    }

    #[track_caller]
    fn explain(&self, subscription: &str, notification: &str) -> Ended {
        explain(&[
            "--subscription".into(),
            self.file("subscription.json", subscription),
            "--notification".into(),
            self.file("notification.json", notification),
        ])
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Litter in a temporary folder fails no test.
        let _ = fs::remove_dir_all(&self.0);
    }
}
