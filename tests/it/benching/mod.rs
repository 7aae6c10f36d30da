//! `campanile bench`: that it measures, and that it notices what a hub does wrong.

mod hub;

use std::{net::TcpListener, process::Command};

use campanile_tests::{Daemon, Ended, Program};
use hub::{Fault, LAST};
use serde_json::Value;

/// Runs the tool against a hub with this fault; 40 notifications and 3 clients.
#[track_caller]
fn bench(fault: Fault, arguments: &[&str]) -> Ended {
    let url = format!("ws://{}/", hub::start(fault));
    let last = LAST.to_string();
    let load = [
        "--clients",
        "3",
        "--notifications",
        &last,
        "--patience",
        "2",
    ];
    run(&[&[&*url], &load[..], arguments].concat())
}

#[track_caller]
fn run(arguments: &[&str]) -> Ended {
    let mut command = Command::new(Daemon::binary());
    Program::run(command.arg("bench").args(arguments))
}

#[track_caller]
fn report(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.output).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn each_delivery_is_counted_once_however_it_is_published_and_heard() {
    for arguments in [
        &["--json"][..],
        &["--json", "--v1"],
        &["--json", "--publishers", "7"],
        &["--json", "--match", "one", "--publishers", "2"],
        &["--json", "--match", "one", "--v1", "--window", "1"],
        &["--json", "--window", "3"],
        &["--json", "--rate", "400"],
        &["--json", "--size", "20000"],
    ] {
        let ended = bench(Fault::Nothing, arguments);
        assert_eq!(ended.status.code(), Some(0), "{arguments:?} {ended:?}");
        assert_eq!(ended.errors, "", "{arguments:?}");
        let report = report(&ended);
        let each = if arguments.contains(&"one") { 1 } else { 3 };
        let delivery = &report["delivery"];
        assert_eq!(delivery["delivered"], LAST * each, "{report}");
        for nothing in ["lost", "doubled", "reordered", "foreign"] {
            assert_eq!(delivery[nothing], 0, "{report}");
        }
        assert_eq!(report["ok"], true);
        let latencies = &delivery["latency_us"];
        let latency = |name: &str| latencies[name].as_f64().expect("a number");
        assert!(latency("min") > 0.0, "{report}");
        assert!(latency("p50") <= latency("p99") && latency("p99") <= latency("max"));
    }
}

#[test]
fn people_read_the_same_in_lines() {
    let ended = bench(Fault::Nothing, &["--publishers", "2"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.output);
    for part in [
        "3 clients, classic sessions; 40 notifications of 250 bytes, flat out, by 2 publishers",
        "3 connected and subscribed in ",
        "120 of 120 in ",
        "each once and in order",
        "p99 ",
    ] {
        assert!(said.contains(part), "{part:?} in\n{said}");
    }
    assert_eq!(ended.errors, "", "nobody watches its progress");
}

#[test]
fn whatever_is_wrong_with_a_delivery_is_noticed_and_named() {
    let sessions: [&[&str]; 2] = [&["--json"], &["--json", "--v1"]];
    for (fault, counter, complaint) in [
        (Fault::Lose, "lost", "1 of 120 deliveries are lost"),
        (Fault::Double, "doubled", "came twice"),
        (Fault::DoubleLast, "doubled", "came twice"),
        (Fault::Swap, "reordered", "was overtaken"),
        (Fault::Alter, "foreign", "not published like this"),
        (Fault::Invent, "foreign", "not published like this"),
    ] {
        for session in sessions {
            let ended = bench(fault, session);
            assert_eq!(ended.status.code(), Some(1), "{fault:?} {ended:?}");
            let report = report(&ended);
            assert_eq!(report["ok"], false);
            assert_eq!(report["delivery"][counter], 1, "{fault:?} {report}");
            assert!(ended.errors.contains(complaint), "{fault:?} {ended:?}");
            assert!(
                ended.errors.starts_with("campanile: "),
                "{fault:?} {ended:?}"
            );
        }
    }
}

#[test]
fn a_delivery_to_the_wrong_client_is_noticed() {
    let ended = bench(Fault::Misroute, &["--json", "--match", "one"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let report = report(&ended);
    assert_eq!(report["delivery"]["delivered"], LAST, "{report}");
    assert!(report["delivery"]["foreign"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_hub_that_ends_a_connection_or_denies_something_is_told_by_its_own_words() {
    for (fault, arguments, complaint) in [
        (Fault::Close, &[][..], "closed with 1013 slow consumer"),
        (Fault::Drop, &[], "the server is gone"),
        (
            Fault::Belittle,
            &[],
            "a publication went to 0 clients, and 3",
        ),
        (Fault::Forbid, &[], "not today"),
        (Fault::Ignore, &[], "and 1 of 40 publications unanswered"),
        (Fault::Classic, &[], "does not speak campanile.v1"),
        (Fault::Refuse, &["--idle"], "503"),
        (Fault::Unconfirmed, &["--v1"], "did not confirm"),
        (
            Fault::RefuseSubscription,
            &[],
            "to its subscription: the server says",
        ),
    ] {
        let ended = if arguments.contains(&"--idle") {
            let url = format!("ws://{}/", hub::start(fault));
            run(&[&url, "--idle"])
        } else {
            bench(fault, arguments)
        };
        assert_eq!(ended.status.code(), Some(1), "{fault:?} {ended:?}");
        assert!(ended.errors.contains(complaint), "{fault:?} {ended:?}");
    }
}

#[test]
fn idle_connections_to_the_daemon_are_held_and_its_cost_is_told() {
    let daemon = Daemon::start();
    let pid = daemon.pid().to_string();
    let arguments = ["--clients", "50", "--idle", "--hold", "1"];
    let measure = ["--server-pid", &pid, "--json"];
    let ended = run(&[&[&*daemon.url()], &arguments[..], &measure[..]].concat());
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let report = report(&ended);
    assert_eq!(report["clients"], 50);
    assert!(report["setup"]["server_cpu_us_each"].as_f64() > Some(0.0));
    assert!(report["setup"]["server_bytes"].as_u64() > Some(0));
    assert!(report["delivery"].is_null(), "{report}");
    let gone = daemon.wait_for_logs("disconnected", 50);
    assert!(gone.contains("code=1000"), "each left as it should: {gone}");
}

#[test]
fn arguments_that_cannot_be_are_refused_with_the_remedy() {
    for (arguments, complaint) in [
        (
            &["http://127.0.0.1/"][..],
            "write it as ws://HOST:PORT/PATH",
        ),
        (&["wss://127.0.0.1/", "--ca", "/nowhere"], "/nowhere"),
        (&["--size", "100"], "a notification takes at least"),
        (&["--clients", "100000000"], "`ulimit -n"),
        (&["--clients", "0"], "--clients"),
        (&["--server-pid", "4294967295"], "check the process id"),
        (&["--idle", "--rate", "7"], "--rate"),
        (&["ws://[::1]:9/", "--sources", "2"], "leave it out"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?} {ended:?}");
        assert!(ended.output.is_empty(), "{arguments:?} {ended:?}");
        assert!(ended.errors.contains(complaint), "{arguments:?} {ended:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound").to_string();
    drop(free);
    let ended = run(&[&format!("ws://{address}/")]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.errors.contains(&address), "{ended:?}");
    assert!(ended.errors.contains("start the server"), "{ended:?}");
}

#[test]
fn more_addresses_than_one_are_connected_from() {
    let ended = bench(Fault::Nothing, &["--sources", "3", "--json"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn the_daemon_delivers_each_notification_once_and_in_order() {
    let daemon = Daemon::start();
    for more in [&["--v1"][..], &["--match", "one", "--publishers", "2"]] {
        let load = ["--clients", "20", "--notifications", "500", "--json"];
        let ended = run(&[&[&*daemon.url()], &load[..], more].concat());
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[test]
fn compressed_deliveries_are_inflated_and_checked_and_fewer_bytes_are_on_the_wire() {
    let daemon = Daemon::with(&["--compression", "on"]);
    let url = daemon.url();
    let load = [
        &*url,
        "--json",
        "--clients",
        "4",
        "--notifications",
        "30",
        "--size",
        "3000",
    ];
    for (arguments, compresses) in [
        (&[][..], false),
        (&["--deflate"], true),
        (&["--deflate", "--v1"], true),
    ] {
        let ended = run(&[&load[..], arguments].concat());
        assert_eq!(ended.status.code(), Some(0), "{arguments:?} {ended:?}");
        let report = report(&ended);
        assert_eq!(report["delivery"]["delivered"], 120, "{report}");
        assert_eq!(report["deflate"], compresses);
        let bytes = report["delivery"]["wire_bytes_each"]
            .as_f64()
            .expect("a number");
        let expected = if compresses {
            500.0..2_000.0
        } else {
            3_000.0..3_010.0
        };
        assert!(expected.contains(&bytes), "{report}");
    }
}

#[test]
fn a_server_that_does_not_compress_is_told_so() {
    let daemon = Daemon::start();
    let ended = run(&[&*daemon.url(), "--deflate"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended.errors.contains("the server does not compress"),
        "{ended:?}"
    );
}
