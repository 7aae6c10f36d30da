//! The command line and the first line of output.

use std::net::TcpListener;

use campanile_tests::{Daemon, Ended, Program, Wire};

/// The packages of the workspace share one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn the_ready_line_names_the_version_the_real_port_and_who_may_publish() {
    let daemon = Daemon::start();
    let expected = format!(
        "campanile {VERSION} listening on {} (publishing: loopback addresses only, no keys are configured)",
        daemon.url()
    );
    assert_eq!(daemon.ready_line(), expected);
    assert_ne!(daemon.address().port(), 0);
    drop(Wire::open(daemon.address()));
}

#[test]
fn help_names_the_option_and_its_default() {
    let ended = run(&["--help"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let help = String::from_utf8_lossy(&ended.output);
    for expected in ["--listen", "0.0.0.0:8000", "--version", "--help"] {
        assert!(help.contains(expected), "{expected:?} in\n{help}");
    }
}

#[test]
fn version_is_one_line() {
    let ended = run(&["--version"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(
        String::from_utf8_lossy(&ended.output),
        format!("campanile {VERSION}\n")
    );
}

#[test]
fn an_address_in_use_is_named_in_one_line_with_the_remedy_and_the_exit_code_is_1() {
    let occupant = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = occupant.local_addr().expect("it is bound").to_string();
    let ended = run(&["--listen", &address]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.output.is_empty(), "it was never ready: {ended:?}");
    assert_eq!(
        ended.errors.lines().count(),
        1,
        "one line: {}",
        ended.errors
    );
    assert!(
        ended.errors.contains(&address),
        "the address {address} in {}",
        ended.errors
    );
    assert!(
        ended.errors.contains("--listen"),
        "the remedy in {}",
        ended.errors
    );
}

#[test]
fn an_address_that_is_none_is_named_and_the_exit_code_is_2() {
    for address in [
        "8000",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:65536",
        "127.0.0.1:http",
        "::1:8000",
        "",
    ] {
        let ended = run(&["--listen", address]);
        assert_eq!(ended.status.code(), Some(2), "{address:?}: {ended:?}");
        assert!(ended.output.is_empty(), "it was never ready: {ended:?}");
        assert!(
            ended.errors.contains("--listen"),
            "the option in {}",
            ended.errors
        );
        assert!(
            ended.errors.contains(address),
            "the value {address:?} in {}",
            ended.errors
        );
    }
}

#[test]
fn an_unknown_option_and_a_missing_value_are_named_and_the_exit_code_is_2() {
    for (arguments, named) in [
        (["--lisen", "127.0.0.1:0"].as_slice(), "--lisen"),
        (&["--listen"], "--listen"),
        (&["now"], "now"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.output.is_empty(), "it was never ready: {ended:?}");
        assert!(ended.errors.contains(named), "{named} in {}", ended.errors);
    }
}

#[track_caller]
fn run(arguments: &[&str]) -> Ended {
    Program::run(&mut Daemon::command(arguments))
}
