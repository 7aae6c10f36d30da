//! The daemon under the clients that people use: one trial per client.
//!
//! A trial whose tool is missing is ignored, and a line after the run says what is missing and how to install it; with
//! `CI=true` in the environment it fails instead, so that a build server tests everything or says so.

use core::net::SocketAddr;
use core::time::Duration;
use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Instant;

use campanile_tests::messages::{ELSEWHERE, PECULIAR, PLAIN, SUBSCRIPTION};
use campanile_tests::{
    Authority, Daemon, Ended, PATIENCE, Program, Received, Wire, error_in, hex, tools,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// The environment variable by which the network namespace trial starts this program again, inside of a namespace.
const ROLE: &str = "CAMPANILE_NAMESPACE_ROLE";

/// How everything but permissions gets onto a machine.
const REMEDY: &str = "install it with: sh tests/clients/install.sh";

fn main() -> ExitCode {
    if let Ok(role) = env::var(ROLE) {
        return inside_a_namespace(&role);
    }
    let arguments = Arguments::from_args();
    let missing_is_failure = env::var("CI").is_ok_and(|value| value == "true");
    let mut skipped = Vec::new();
    let mut trials = Vec::new();
    for client in clients() {
        let ignored = match &client.obstacle {
            None => false,
            Some(Obstacle::Missing(_)) => !missing_is_failure,
            Some(Obstacle::NotPermitted(_)) => true,
        };
        let why = client.obstacle.map(|obstacle| obstacle.to_string());
        if let Some(why) = why
            .as_ref()
            .filter(|_| ignored && is_selected(&arguments, client.name))
        {
            skipped.push(format!("skipped {}: {why}", client.name));
        }
        let trial = Trial::test(client.name, move || match why {
            None => {
                (client.run)();
                Ok(())
            }
            Some(why) => Err(Failed::from(why)),
        });
        trials.push(trial.with_ignored_flag(ignored));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        skipped.iter().for_each(|line| eprintln!("{line}"));
    }
    conclusion.exit_code()
}

fn clients() -> Vec<Client> {
    let php = || [tools::program("php")];
    let node_ws = || [tools::node_with("ws")];
    let python = || [tools::python_with_websockets()];
    vec![
        client("wscat_subscribes", [tools::wscat()], wscat_subscribes),
        client("wscat_publishes", [tools::wscat()], wscat_publishes),
        client(
            "php_publishes_and_waits_for_the_close",
            php(),
            php_publishes_and_waits_for_the_close,
        ),
        client(
            "php_publishes_and_leaves_at_once",
            php(),
            php_publishes_and_leaves_at_once,
        ),
        client(
            "php_is_told_why_its_notification_was_refused",
            php(),
            php_is_told_why_its_notification_was_refused,
        ),
        client(
            "a_browser_subscribes",
            [tools::chromium(), tools::node_with("playwright-core")],
            a_browser_subscribes,
        ),
        client(
            "a_web_page_cannot_publish_by_http",
            [tools::chromium(), tools::node_with("playwright-core")],
            a_web_page_cannot_publish_by_http,
        ),
        client(
            "a_listed_web_page_publishes_by_http_where_it_has_asked_first",
            [tools::chromium(), tools::node_with("playwright-core")],
            a_listed_web_page_publishes_by_http_where_it_has_asked_first,
        ),
        client(
            "a_browser_clicks_through_the_status_page",
            [
                tools::chromium(),
                tools::node_with("playwright-core"),
                tools::node_with("axe-core"),
            ],
            a_browser_clicks_through_the_status_page,
        ),
        client(
            "a_browser_subscribes_over_tls",
            [
                tools::chromium(),
                tools::node_with("playwright-core"),
                tools::program("certutil"),
            ],
            a_browser_subscribes_over_tls,
        ),
        client(
            "php_publishes_over_tls",
            [tools::php_with("openssl")],
            php_publishes_over_tls,
        ),
        client(
            "python_websockets_over_tls",
            python(),
            python_websockets_over_tls,
        ),
        client("node_ws_subscribes", node_ws(), node_ws_subscribes),
        client("node_ws_publishes", node_ws(), node_ws_publishes),
        client(
            "python_websockets_subscribes",
            python(),
            python_websockets_subscribes,
        ),
        client(
            "python_websockets_publishes",
            python(),
            python_websockets_publishes,
        ),
        client(
            "php_curl_publishes_by_http",
            [tools::php_with("curl")],
            |[php]| assert_publishes_by_http("http-curl.php", &php),
        ),
        client("php_streams_publish_by_http", php(), |[php]| {
            assert_publishes_by_http("http-stream.php", &php)
        }),
        client(
            "fetch_publishes_by_http",
            [tools::program("node")],
            |[node]| assert_publishes_by_http("http-fetch.mjs", &node),
        ),
        client(
            "curl_publishes_by_http",
            [tools::program("curl")],
            curl_publishes_by_http,
        ),
        client(
            "curl_is_told_what_to_do",
            [tools::program("curl")],
            curl_is_told_what_to_do,
        ),
        client(
            "promtool_finds_nothing_to_mend",
            [tools::program("promtool"), tools::program("curl")],
            promtool_finds_nothing_to_mend,
        ),
        client(
            "prometheus_counts_what_was_sent",
            [tools::program("prometheus"), tools::program("promtool")],
            prometheus_counts_what_was_sent,
        ),
        Client {
            obstacle: obstacle_to_namespaces(),
            ..client(
                "only_loopback_publishes_across_network_namespaces",
                [],
                only_loopback_publishes_across_network_namespaces,
            )
        },
    ]
}

fn wscat_subscribes([wscat]: [PathBuf; 1]) {
    let daemon = Daemon::start();
    let mut command = wscat_command(&wscat, &daemon);
    // It leaves two seconds after the last -x unless it is told to stay.
    command.args([
        "-x",
        SUBSCRIPTION.trim_end(),
        "-x",
        r#"{"type":"ping"}"#,
        "-w",
        "-1",
    ]);
    let wscat = Program::start(&mut command);
    wscat.assert_output("{\"type\":\"pong\"}\n");
    for notification in [PECULIAR, ELSEWHERE, PLAIN] {
        daemon.publish(notification);
    }
    wscat.assert_output(&format!("{{\"type\":\"pong\"}}\n{PECULIAR}\n{PLAIN}\n"));
}

fn wscat_publishes([wscat]: [PathBuf; 1]) {
    let daemon = Daemon::start();
    let mut subscriber = quick_start_subscriber(&daemon);
    for (earlier, notification) in [PLAIN, PECULIAR].into_iter().enumerate() {
        let mut command = wscat_command(&wscat, &daemon);
        // Told to stay, it leaves because the daemon closes the connection, or never. Its standard
        // input must stay open for that.
        let mut wscat = Program::start(command.args(["-x", notification, "-w", "-1"]));
        assert_succeeded(&wscat.wait(), "");
        subscriber.expect_text(notification);
        // It keeps the close code to itself when its output is no terminal.
        daemon.wait_for_logs("code=1000", earlier + 1);
    }
}

fn php_publishes_and_waits_for_the_close([php]: [PathBuf; 1]) {
    assert_publishes("php-waits", |daemon, file| {
        let from_file = Program::run(php_command(&php, daemon).arg(file));
        assert_succeeded(&from_file, "closed 1000\n");
        let from_input = run_with_input(&mut php_command(&php, daemon), ELSEWHERE);
        assert_succeeded(&from_input, "closed 1000\n");
    });
}

fn php_publishes_and_leaves_at_once([php]: [PathBuf; 1]) {
    assert_publishes("php-leaves", |daemon, file| {
        let ended = Program::run(php_command(&php, daemon).arg(file).arg("--no-wait"));
        assert_succeeded(&ended, "");
    });
}

fn php_is_told_why_its_notification_was_refused([php]: [PathBuf; 1]) {
    let daemon = Daemon::start();
    for (message, code) in [
        (
            r#"{"sender":"server","notification":{"package":"p"}}"#,
            "invalid_notification",
        ),
        (r#"{"sender":"server","notification":"#, "invalid_json"),
    ] {
        let ended = run_with_input(&mut php_command(&php, &daemon), message);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.errors.contains(code), "{ended:?}");
    }
}

fn a_browser_subscribes([chromium, node]: [PathBuf; 2]) {
    assert_subscribes("browser", |daemon, file| {
        let mut command = node_command(&node, "browser.cjs");
        command.arg(&chromium).arg(daemon.url()).arg(file);
        command
    });
}

/// Whatever a page does, its browser may sit at a loopback address.
fn a_web_page_cannot_publish_by_http([chromium, node]: [PathBuf; 2]) {
    let daemon = Daemon::start();
    let mut subscriber = quick_start_subscriber(&daemon);
    let subscription = temporary_file("page-subscription", SUBSCRIPTION);
    let message = temporary_file("page-message", PLAIN);
    let mut command = node_command(&node, "browser.cjs");
    command.arg(&chromium).arg(daemon.url()).arg(subscription);
    command.arg(notifications(&daemon)).arg(message);
    let mut page = Program::start(&mut command);
    let lines = [page.next_line(), page.next_line()];
    let tried = lines.iter().find_map(|line| line.strip_prefix("tried "));
    assert_eq!(tried, Some("opaque opaque blocked sent"), "{lines:?}");
    // Two by fetch, the beacon and the form; and the question before the other one.
    daemon.wait_for_logs("request=\"POST /notifications\" status=403", 4);
    daemon.wait_for_log("request=\"OPTIONS /notifications\" status=405");
    daemon.publish(PECULIAR);
    subscriber.expect_text(PECULIAR);
    let heard = format!("message {}", hex(PECULIAR.as_bytes()));
    assert_eq!(page.next_line(), heard);
    page.finish();
}

/// Only the way in which its browser asks the server before is open to it.
fn a_listed_web_page_publishes_by_http_where_it_has_asked_first([chromium, node]: [PathBuf; 2]) {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = free.expect("a free port").port().to_string();
    let daemon = Daemon::with(&["--origins", &format!("http://127.0.0.1:{port}")]);
    let mut subscriber = quick_start_subscriber(&daemon);
    let subscription = temporary_file("listed-subscription", SUBSCRIPTION);
    let message = temporary_file("listed-message", PLAIN);
    let mut command = node_command(&node, "browser.cjs");
    command.env("PAGE_PORT", port);
    command.arg(&chromium).arg(daemon.url()).arg(subscription);
    command.arg(notifications(&daemon)).arg(message);
    let mut page = Program::start(&mut command);
    let lines: Vec<_> = (0..3).map(|_| page.next_line()).collect();
    let tried = lines.iter().find_map(|line| line.strip_prefix("tried "));
    assert_eq!(tried, Some("opaque opaque cors sent"), "{lines:?}");
    let heard = format!("message {}", hex(PLAIN.as_bytes()));
    assert!(lines.contains(&heard), "{lines:?}");
    daemon.wait_for_logs("request=\"POST /notifications\" status=415", 4);
    // Once.
    subscriber.expect_text(PLAIN);
    daemon.publish(PECULIAR);
    subscriber.expect_text(PECULIAR);
    let heard = format!("message {}", hex(PECULIAR.as_bytes()));
    assert_eq!(page.next_line(), heard);
    page.finish();
}

/// `$CAMPANILE_SCREENSHOTS` names a folder for pictures of it, for who wants to look.
fn a_browser_clicks_through_the_status_page([chromium, node, _]: [PathBuf; 3]) {
    const HEARD: &str = r#"{"sender":"server","notification":{"package":"tower","page":"bell","filters":{"values":{"hour":12}},"data":"ding"}}"#;
    // The subscribers answer no pings.
    let (mut daemon, admin) = Daemon::with_admin(&["--shards", "2", "--ping-interval", "1h"]);
    let _others: Vec<_> = (0..40)
        .map(|at| {
            daemon.subscriber(&format!(
                r#"[{{"package":"bulk","page":"page {at}","filters":{{"values":{{"a":[1,2],"b":true}}}}}}]"#
            ))
        })
        .collect();
    let mut listener = daemon
        .subscriber(r#"[{"package":"tower","page":"bell","filters":{"values":{"hour":[12]}}}]"#);
    let mut command = node_command(&node, "status-page.cjs");
    command.arg(&chromium).arg(format!("http://{admin}/"));
    command.args(env::var_os("CAMPANILE_SCREENSHOTS"));
    let mut page = Program::start(&mut command);
    loop {
        match &*page.next_line() {
            "publish" => daemon.publish(PLAIN),
            "published" => listener.expect_text(HEARD),
            "end" => {
                daemon.signal("TERM");
                assert_eq!(daemon.wait_for_end(), Some(0));
            }
            "done" => break,
            other => {
                assert!(other.starts_with("seen "), "{other:?}: {page}");
                continue;
            }
        }
        page.write(b"\n");
    }
    let ended = page.wait();
    assert!(ended.status.success(), "{ended:?}");
}

/// A daemon with TLS, whose certificate is of an authority in the files.
fn with_tls() -> (Daemon, SocketAddr, Authority) {
    let ca = Authority::new();
    let (daemon, address) = Daemon::with_tls(&ca.server("server.example"), &[]);
    (daemon, address, ca)
}

fn a_browser_subscribes_over_tls([chromium, node, certutil]: [PathBuf; 3]) {
    let (daemon, address, ca) = with_tls();
    let file = temporary_file("browser-tls", SUBSCRIPTION);
    let command = || {
        let mut command = node_command(&node, "browser.cjs");
        command
            .arg(&chromium)
            .arg(format!("wss://{address}"))
            .arg(&file);
        // Where Chromium looks for whom to trust.
        command.env("HOME", ca.folder()).env_remove("XDG_DATA_HOME");
        command
    };
    // It does not trust just anybody.
    let mut distrusting = Program::start(&mut command());
    assert_eq!(distrusting.next_line(), "closed 1006");
    distrusting.finish();
    daemon.wait_for_log("TLS failed");

    let database = ca.folder().join(".pki/nssdb");
    fs::create_dir_all(&database).expect("a folder");
    let database = format!("sql:{}", database.display());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&certutil);
        let ended = Program::run(command.args(arguments).args(["-d", &database]));
        assert!(ended.status.success(), "{ended:?}");
    };
    let certificate = ca.certificate();
    let certificate = certificate.to_str().expect("text");
    run(&["-N", "--empty-password"]);
    run(&["-A", "-t", "C,,", "-n", "test", "-i", certificate]);
    assert_hears(&daemon, &mut command());
}

fn php_publishes_over_tls([php]: [PathBuf; 1]) {
    let (daemon, address, ca) = with_tls();
    let mut subscriber = quick_start_subscriber(&daemon);
    let file = temporary_file("php-tls", PLAIN);
    let command = |ca: &Authority| {
        let mut command = Command::new(&php);
        let trust = format!("openssl.cafile={}", ca.certificate().display());
        command.args(["-d", &trust]);
        command.arg(tools::clients().join("publish.php"));
        command.args([
            format!("tls://{}", address.ip()),
            address.port().to_string(),
        ]);
        command.arg(&file);
        command
    };
    assert_succeeded(&Program::run(&mut command(&ca)), "closed 1000\n");
    subscriber.expect_text(PLAIN);
    let ended = Program::run(&mut command(&Authority::new()));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}

fn python_websockets_over_tls([python]: [PathBuf; 1]) {
    let (daemon, address, ca) = with_tls();
    let url = format!("wss://{address}");
    let subscription = temporary_file("python-tls-subscription", SUBSCRIPTION);
    let mut subscribe = python_command(&python);
    subscribe
        .args(["subscribe", &url])
        .arg(subscription)
        .arg(ca.certificate());
    assert_hears(&daemon, &mut subscribe);
    let mut subscriber = quick_start_subscriber(&daemon);
    let message = temporary_file("python-tls", PLAIN);
    let mut publish = python_command(&python);
    publish
        .args(["publish", &url])
        .arg(message)
        .arg(ca.certificate());
    assert_succeeded(&Program::run(&mut publish), "closed 1000\n");
    subscriber.expect_text(PLAIN);
}

fn node_ws_subscribes([node]: [PathBuf; 1]) {
    assert_subscribes("ws", |daemon, file| {
        let mut command = node_command(&node, "ws-client.cjs");
        command.args(["subscribe", &daemon.url()]).arg(file);
        command
    });
}

fn node_ws_publishes([node]: [PathBuf; 1]) {
    assert_publishes("ws", |daemon, file| {
        let mut command = node_command(&node, "ws-client.cjs");
        command.args(["publish", &daemon.url()]).arg(file);
        assert_succeeded(&Program::run(&mut command), "closed 1000\n");
    });
}

fn python_websockets_subscribes([python]: [PathBuf; 1]) {
    assert_subscribes("python", |daemon, file| {
        let mut command = python_command(&python);
        command.args(["subscribe", &daemon.url()]).arg(file);
        command
    });
}

fn python_websockets_publishes([python]: [PathBuf; 1]) {
    assert_publishes("python", |daemon, file| {
        let mut command = python_command(&python);
        command.args(["publish", &daemon.url()]).arg(file);
        assert_succeeded(&Program::run(&mut command), "closed 1000\n");
    });
}

/// A script publishes by HTTP what a file says, and prints the status and the body of the answer.
fn assert_publishes_by_http(script: &str, interpreter: &Path) {
    let file = tools::clients().join(script);
    let text = fs::read_to_string(&file).expect("the script is there");
    let manual = fs::read_to_string(tools::checkout().join("docs/publishing.md"));
    assert!(
        manual.expect("the manual is there").contains(&text),
        "docs/publishing.md shows {script} as it is"
    );
    let command = |daemon: &Daemon, message: &Path| {
        let mut command = Command::new(interpreter);
        command.arg(&file).arg(notifications(daemon)).arg(message);
        command
    };
    assert_publishes(script, |daemon, message| {
        let ended = Program::run(&mut command(daemon, message));
        assert!(ended.status.success(), "{ended:?}");
        assert_acknowledged(&String::from_utf8_lossy(&ended.output));
    });
    let daemon = Daemon::start();
    let bad = temporary_file(
        script,
        r#"{"sender":"server","notification":{"package":"p"}}"#,
    );
    let ended = Program::run(&mut command(&daemon, &bad));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let output = String::from_utf8_lossy(&ended.output);
    assert!(
        output.starts_with("400 ") && output.contains("notification.page"),
        "{ended:?}"
    );
}

fn curl_publishes_by_http([curl]: [PathBuf; 1]) {
    for options in [
        &[][..],
        &["-H", "Transfer-Encoding: chunked"],
        &["--http1.0"],
    ] {
        assert_publishes("curl", |daemon, file| {
            let mut command = Command::new(&curl);
            command.args(["-sS", "--max-time", "20", "--data-binary"]);
            command.arg(format!("@{}", file.display()));
            command.args(["-H", "Content-Type: application/json", "-w", "%{http_code}"]);
            command.args(options).arg(notifications(daemon));
            let ended = Program::run(&mut command);
            let output = String::from_utf8_lossy(&ended.output);
            let body = output.strip_suffix("200").expect("the status");
            assert_acknowledged(&format!("200 {body}"));
        });
    }
    // Two over one connection, the second of which waits for a 100 as long bodies do.
    let daemon = Daemon::start();
    let file = temporary_file("curl-twice", PLAIN);
    let data = format!("@{}", file.display());
    let url = notifications(&daemon);
    let mut command = Command::new(&curl);
    command.args(["-sSv", "--max-time", "20"]);
    for separator in ["", "--next"] {
        command.args(Some(separator).filter(|word| !word.is_empty()));
        command.args([
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            &data,
        ]);
        command.args([
            "-H",
            "Expect: 100-continue",
            "--expect100-timeout",
            "15",
            &url,
        ]);
    }
    let ended = Program::run(&mut command);
    let output = String::from_utf8_lossy(&ended.output);
    assert_eq!(output.matches("\"position\"").count(), 2, "{ended:?}");
    assert_eq!(ended.errors.matches("100 Continue").count(), 2, "{ended:?}");
    assert!(
        ended.errors.contains("Re-using existing connection"),
        "{ended:?}"
    );
}

fn notifications(daemon: &Daemon) -> String {
    format!("http://{}/notifications", daemon.address())
}

/// Asserts that this is a status and the answer to a notification that one connection hears.
#[track_caller]
fn assert_acknowledged(output: &str) {
    let answer = output
        .strip_prefix("200 ")
        .unwrap_or_else(|| panic!("{output}"));
    let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    assert_eq!(answer["recipients"], 1, "{output}");
    assert!(answer["position"].is_string(), "{output}");
}

fn curl_is_told_what_to_do([curl]: [PathBuf; 1]) {
    let daemon = Daemon::start();
    // Without --max-time: curl must leave because the answer is complete.
    let url = format!("http://{}/", daemon.address());
    let ended = Program::run(Command::new(curl).args(["-si", &url]));
    assert!(ended.status.success(), "{ended:?}");
    let answer = String::from_utf8(ended.output).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(
        head.to_ascii_lowercase().contains("\r\nupgrade: websocket"),
        "{answer}"
    );
    assert!(
        body.contains("WebSocket") && body.contains("ws://"),
        "{answer}"
    );
}

fn promtool_finds_nothing_to_mend([promtool, curl]: [PathBuf; 2]) {
    let (daemon, admin) = Daemon::with_admin(&[]);
    daemon.publish(PLAIN);
    let url = format!("http://{admin}/metrics");
    let page = Program::run(Command::new(curl).args(["-sSf", &url]));
    assert!(page.status.success(), "{page:?}");
    let page = String::from_utf8(page.output).expect("text");
    let checked = run_with_input(Command::new(&promtool).args(["check", "metrics"]), &page);
    assert_succeeded(&checked, "");
    assert_eq!(checked.errors, "");
    let alerts = tools::checkout().join("deploy/prometheus/alerts.yml");
    let checked = Program::run(Command::new(&promtool).args(["check", "rules"]).arg(alerts));
    assert!(checked.status.success(), "{checked:?}");
}

/// It asks for OpenMetrics.
fn prometheus_counts_what_was_sent([prometheus, promtool]: [PathBuf; 2]) {
    const CLIENTS: u64 = 20;
    const NOTIFICATIONS: u64 = 300;
    let (daemon, admin) = Daemon::with_admin(&["--shards", "2"]);
    let folder = env::temp_dir().join(format!("campanile-prometheus-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    let configuration = folder.join("prometheus.yml");
    let alerts = tools::checkout().join("deploy/prometheus/alerts.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n- job_name: campanile\n  \
         static_configs: [{{targets: ['{admin}']}}]\n",
        alerts.display()
    );
    fs::write(&configuration, text).expect("a temporary file");
    // Free a moment ago: it does not say which port it got when it is asked to choose.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let address = free.expect("a port").to_string();
    let server = Program::start(
        Command::new(prometheus)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}")),
    );
    let bench = Program::run(Command::new(Daemon::binary()).args([
        "bench",
        &daemon.url(),
        "--clients",
        &CLIENTS.to_string(),
        "--notifications",
        &NOTIFICATIONS.to_string(),
        "--json",
    ]));
    assert!(bench.status.success(), "{bench:?}");
    let report: serde_json::Value = serde_json::from_slice(&bench.output).expect("a report");
    assert_eq!(report["delivery"]["delivered"], CLIENTS * NOTIFICATIONS);
    for (query, expected) in [
        ("campanile_deliveries_total", CLIENTS * NOTIFICATIONS),
        ("campanile_notifications_total", NOTIFICATIONS),
        (
            "sum(campanile_publish_latency_seconds_count)",
            2 * NOTIFICATIONS,
        ),
        ("campanile_connections", 0),
        ("campanile_outbox_bytes", 0),
        ("up", 1),
        ("campanile_build_info", 1),
    ] {
        let start = Instant::now();
        loop {
            let mut command = Command::new(&promtool);
            let url = format!("http://{address}");
            let answer = Program::run(command.args(["query", "instant", &url, query]));
            let text = String::from_utf8_lossy(&answer.output).into_owned();
            if text.contains(&format!("=> {expected} @")) {
                break;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{query}: {text} {answer:?} {server}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }
    drop(server);
    fs::remove_dir_all(&folder).expect("it is ours");
}

/// Without keys, everybody may subscribe and only programs on the daemon's machine may publish (the
/// protocol, section 7).
fn only_loopback_publishes_across_network_namespaces([]: [PathBuf; 0]) {
    let namespaces = Namespaces::new();
    let mut command = in_namespace(&namespaces.server);
    let daemon = Daemon::from_command(
        command
            .arg(Daemon::binary())
            .args(["--listen", "0.0.0.0:0"]),
    );
    let port = daemon.address().port();
    let from_afar = SocketAddr::from((Namespaces::SERVER, port));

    let mut subscriber = Program::start(&mut again("subscribe", &namespaces.client, from_afar));
    assert_eq!(subscriber.next_line(), "ready");
    let stranger = run_with_input(&mut again("publish", &namespaces.client, from_afar), PLAIN);
    assert_succeeded(&stranger, "error forbidden\nclosed 1008\n");
    // The daemon's own machine, but not by its loopback address.
    let neighbour = run_with_input(&mut again("publish", &namespaces.server, from_afar), PLAIN);
    assert_succeeded(&neighbour, "error forbidden\nclosed 1008\n");
    let local = run_with_input(
        &mut again("publish", &namespaces.server, daemon.address()),
        PECULIAR,
    );
    assert_succeeded(&local, "closed 1000\n");
    // The first thing that it hears.
    assert_eq!(
        subscriber.next_line(),
        format!("message {}", hex(PECULIAR.as_bytes()))
    );
}

/// A trial of one client, and what keeps it from running here.
struct Client {
    name: &'static str,
    obstacle: Option<Obstacle>,
    run: Box<dyn FnOnce() + Send>,
}

/// Why a trial cannot run here.
enum Obstacle {
    /// A tool is not installed.
    Missing(String),
    /// The machine does not let us. Ignored even with `CI=true`: an installation cannot mend it.
    NotPermitted(String),
}

impl core::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "{what}; {REMEDY}"),
            Self::NotPermitted(what) => write!(f, "{what}; run the tests as root"),
        }
    }
}

/// A trial which `run`s with the tools that it needs.
fn client<const N: usize>(
    name: &'static str,
    needs: [tools::Found; N],
    run: fn([PathBuf; N]),
) -> Client {
    let missing: Vec<_> = needs
        .iter()
        .filter_map(|need| need.as_ref().err())
        .cloned()
        .collect();
    let obstacle = (!missing.is_empty()).then(|| Obstacle::Missing(missing.join(" and ")));
    // The paths of missing tools are never used.
    let found = needs.map(Result::unwrap_or_default);
    Client {
        name,
        obstacle,
        run: Box::new(move || run(found)),
    }
}

fn is_selected(arguments: &Arguments, name: &str) -> bool {
    arguments.filter.as_ref().is_none_or(|filter| {
        if arguments.exact {
            name == filter
        } else {
            name.contains(filter)
        }
    })
}

/// Asserts that a scripted client, subscribed to channels 2, 3 and 5, hears each notification there
/// once, byte for byte, and no other. `command` makes its command line from the daemon and the file of the subscription.
#[track_caller]
fn assert_subscribes(name: &str, command: impl Fn(&Daemon, &Path) -> Command) {
    let daemon = Daemon::start();
    let file = temporary_file(name, SUBSCRIPTION);
    assert_hears(&daemon, &mut command(&daemon, &file));
}

/// Asserts the same of a subscriber to be started.
#[track_caller]
fn assert_hears(daemon: &Daemon, command: &mut Command) {
    let mut subscriber = Program::start(command);
    assert_eq!(subscriber.next_line(), "ready");
    for notification in [PECULIAR, ELSEWHERE, PLAIN] {
        daemon.publish(notification);
    }
    // Notifications keep their order, so the one for the other channel would come in between.
    for notification in [PECULIAR, PLAIN] {
        assert_eq!(
            subscriber.next_line(),
            format!("message {}", hex(notification.as_bytes()))
        );
    }
    subscriber.finish();
}

/// Asserts that what a client publishes arrives byte for byte and once. `publish` has a client publish the file.
#[track_caller]
fn assert_publishes(name: &str, publish: impl Fn(&Daemon, &Path)) {
    let long = PLAIN.replace("12345", &"12345".repeat(12_000));
    let notifications = [PLAIN, PECULIAR, &long];
    let daemon = Daemon::start();
    let mut subscriber = quick_start_subscriber(&daemon);
    for (index, notification) in notifications.iter().enumerate() {
        publish(
            &daemon,
            &temporary_file(&format!("{name}-{index}"), notification),
        );
        subscriber.expect_text(notification);
    }
    subscriber.synchronise();
}

#[track_caller]
fn quick_start_subscriber(daemon: &Daemon) -> Wire {
    let mut subscriber = daemon.connect();
    subscriber.send_text(SUBSCRIPTION);
    subscriber.synchronise();
    subscriber
}

/// Runs a command to its end which takes its message from standard input.
#[track_caller]
fn run_with_input(command: &mut Command, input: &str) -> Ended {
    let mut program = Program::start(command);
    program.write(input.as_bytes());
    program.close_input();
    program.wait()
}

#[track_caller]
fn assert_succeeded(ended: &Ended, output: &str) {
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.output), output, "{ended:?}");
}

fn wscat_command(wscat: &Path, daemon: &Daemon) -> Command {
    let mut command = Command::new(wscat);
    command.args(["-c", &daemon.url()]);
    command
}

fn php_command(php: &Path, daemon: &Daemon) -> Command {
    let mut command = Command::new(php);
    let address = daemon.address();
    command
        .arg(tools::clients().join("publish.php"))
        .args([address.ip().to_string(), address.port().to_string()]);
    command
}

fn node_command(node: &Path, script: &str) -> Command {
    let mut command = Command::new(node);
    command
        .arg(tools::clients().join(script))
        .env("NODE_PATH", tools::node_modules());
    command
}

fn python_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(tools::clients().join("client.py"));
    command
}

/// A file below cargo's target folder; `name` is its own among all trials.
fn temporary_file(name: &str, content: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("real-client-{name}.json"));
    fs::write(&file, content).expect("the target folder can be written");
    file
}

/// Two network namespaces with a cable between them, removed when the value is dropped.
struct Namespaces {
    server: String,
    client: String,
}

impl Namespaces {
    /// The addresses of the two ends of the cable, in a network that only these namespaces know.
    const SERVER: [u8; 4] = [10, 213, 77, 1];
    const CLIENT: [u8; 4] = [10, 213, 77, 2];

    fn new() -> Self {
        let name = |end| format!("campanile-{}-{end}", std::process::id());
        // The value is there before the namespaces, so that a failure on the way removes what was made.
        let namespaces = Self {
            server: name("server"),
            client: name("client"),
        };
        let Self { server, client } = &namespaces;
        for namespace in [server, client] {
            ip(&["netns", "add", namespace]);
        }
        ip(&[
            "link", "add", "cable", "netns", server, "type", "veth", "peer", "name", "cable",
            "netns", client,
        ]);
        for (namespace, address) in [(server, Self::SERVER), (client, Self::CLIENT)] {
            let address = format!("{}/24", core::net::Ipv4Addr::from(address));
            ip(&["-n", namespace, "address", "add", &address, "dev", "cable"]);
            ip(&["-n", namespace, "link", "set", "cable", "up"]);
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
        }
        namespaces
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.client] {
            // It may not have come into being.
            let _ = Command::new("ip")
                .args(["netns", "delete", namespace])
                .output();
        }
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let ended = Program::run(Command::new("ip").args(arguments));
    assert!(
        ended.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        ended.errors
    );
}

fn obstacle_to_namespaces() -> Option<Obstacle> {
    if let Err(missing) = tools::program("ip") {
        return Some(Obstacle::Missing(missing));
    }
    let name = format!("campanile-{}-may", std::process::id());
    let added = Program::run(Command::new("ip").args(["netns", "add", &name]));
    if added.status.success() {
        ip(&["netns", "delete", &name]);
        return None;
    }
    let why = added.errors.trim_end();
    Some(Obstacle::NotPermitted(format!(
        "no network namespaces here: {why}"
    )))
}

fn in_namespace(namespace: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]);
    command
}

/// The command line of this program in another role, inside of a namespace.
fn again(role: &str, namespace: &str, daemon: SocketAddr) -> Command {
    let mut command = in_namespace(namespace);
    command.arg(env::current_exe().expect("the test knows its own path"));
    command.arg(daemon.to_string()).env(ROLE, role);
    command
}

/// A client on [`Wire`] which speaks the lines of the scripted clients: the publisher takes its
/// message from standard input.
fn inside_a_namespace(role: &str) -> ExitCode {
    let daemon = env::args()
        .nth(1)
        .and_then(|address| address.parse().ok())
        .expect("the daemon's address");
    let mut wire = Wire::open(daemon);
    if role == "subscribe" {
        wire.send_text(SUBSCRIPTION);
        wire.synchronise();
        println!("ready");
    } else {
        let message = std::io::read_to_string(std::io::stdin()).expect("a message in UTF-8");
        wire.send_text(&message);
    }
    loop {
        match wire.receive() {
            Received::Text(text) => match error_in(&text) {
                Some(error) => println!("error {}", error["code"].as_str().unwrap_or_default()),
                None => println!("message {}", hex(text.as_bytes())),
            },
            Received::Close(code, _) => println!("closed {code}"),
            Received::End => return ExitCode::SUCCESS,
            Received::Binary(_) | Received::Pong(_) | Received::CloseWithoutCode => {
                return ExitCode::FAILURE;
            }
        }
    }
}
