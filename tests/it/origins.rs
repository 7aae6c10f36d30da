//! Web pages, by their origins, and names that they could have chosen.

use core::net::SocketAddr;

use campanile_tests::{Daemon, Response, Wire};

use crate::LAST;

/// The opening handshake of a page.
fn page(address: SocketAddr, origin: &str) -> Wire {
    let mut wire = Wire::connect(address);
    let request = Wire::handshake(address);
    let request = request.trim_end();
    wire.send(format!("{request}\r\nOrigin: {origin}\r\n\r\n").as_bytes());
    wire
}

/// What a request of a page's is answered.
fn ask(address: SocketAddr, said: &str) -> Response {
    let mut wire = Wire::connect(address);
    wire.send(said.as_bytes());
    wire.expect_response()
}

#[test]
fn only_listed_pages_open_connections_and_the_others_are_told_which_setting_says_so() {
    let daemon = Daemon::with(&["--origins", "https://app.example.com,https://*.example.org"]);
    for origin in ["https://app.example.com", "https://a.example.org:443"] {
        let mut wire = page(daemon.address(), origin);
        wire.expect_upgrade();
        wire.synchronise();
    }
    let response = page(daemon.address(), "https://evil.example").expect_refusal();
    assert_eq!(response.status, 403);
    assert!(response.body.contains("`origins`"), "{response:?}");
    daemon.wait_for_log("origin=\"https://evil.example\"");
    daemon.connect().synchronise();
    let listening = daemon.wait_for_log("listening address=");
    assert!(listening.contains("https://*.example.org"), "{listening}");
}

#[test]
fn without_a_list_any_page_may_listen_and_none_may_publish_and_the_log_says_so() {
    let daemon = Daemon::start();
    let mut wire = page(daemon.address(), "https://evil.example");
    wire.expect_upgrade();
    wire.subscribe(r#"[{"package":"test","page":"last"}]"#);
    daemon.publish(LAST);
    wire.expect_text(LAST);
    wire.send_text(LAST);
    wire.expect_error("forbidden");
    wire.expect_close(1008);
    let listening = daemon.wait_for_log("listening address=");
    assert!(listening.contains("origins=\"any"), "{listening}");
}

#[test]
fn a_listed_page_publishes_from_this_machine_with_and_without_a_websocket() {
    let daemon = Daemon::with(&["--origins", "http://localhost:3000"]);
    let mut subscriber = daemon.subscriber(r#"[{"package":"test","page":"last"}]"#);
    let mut wire = page(daemon.address(), "http://localhost:3000");
    wire.expect_upgrade();
    wire.send_text(LAST);
    wire.expect_close(1000);
    subscriber.expect_text(LAST);
    let head = "Host: h\r\nOrigin: http://localhost:3000\r\n";
    let asked = format!(
        "OPTIONS /notifications HTTP/1.1\r\n{head}Access-Control-Request-Method: POST\r\n\r\n"
    );
    let posted = format!(
        "POST /notifications HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{LAST}",
        LAST.len()
    );
    let other = |said: &str| said.replace("localhost:3000", "localhost:3001");
    let answer = ask(daemon.address(), &posted);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://localhost:3000"
    );
    subscriber.expect_text(LAST);
    for said in [other(&asked), other(&posted)] {
        let answer = ask(daemon.address(), &said);
        assert_eq!(answer.status, 403);
        let cors = |(name, _): &(String, String)| name.starts_with("access-control");
        assert!(!answer.headers.iter().any(cors), "{answer:?}");
    }
    subscriber.synchronise();
}

#[test]
fn the_admin_address_answers_by_its_own_names_only() {
    let (_daemon, admin) = Daemon::with_admin(&["--admin-hosts", "metrics.example.com"]);
    for (host, status) in [
        ("metrics.example.com:8001", 200),
        ("localhost", 200),
        ("evil.example", 403),
    ] {
        let said = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(ask(admin, &said).status, status, "{host}");
    }
}
