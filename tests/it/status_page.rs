//! The status page, and what it asks of the daemon.

use std::{collections::BTreeSet, env, fs, net::SocketAddr, process};

use campanile_tests::{Daemon, PATIENCE, Wire};
use serde_json::Value;

use campanile_tests::metrics::{ask, get};

/// The body of an answer, whose status is this.
#[track_caller]
fn body(answer: &str, status: u16) -> &str {
    let expected = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&expected), "{status}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    body
}

#[track_caller]
fn json(answer: &str, status: u16) -> Value {
    serde_json::from_str(body(answer, status)).expect("JSON")
}

#[track_caller]
fn read(admin: SocketAddr, path: &str) -> Value {
    json(&get(admin, path), 200)
}

/// Posts JSON with these header fields more.
#[track_caller]
fn post_with(admin: SocketAddr, path: &str, fields: &str, text: &str) -> String {
    let length = text.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{fields}\r\n{text}"
    );
    ask(admin, request.as_bytes())
}

#[track_caller]
fn post(admin: SocketAddr, path: &str, text: &str) -> Value {
    json(&post_with(admin, path, "", text), 200)
}

/// The numbers of connections in a list of an answer.
fn numbers(list: &Value) -> Vec<u64> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one["number"].as_u64().expect("a number"))
        .collect()
}

/// All pages of a list, from answers that `load` gives for where they begin.
#[track_caller]
fn pages(list: &str, load: impl Fn(&str) -> Value) -> Vec<Vec<u64>> {
    let mut pages = Vec::new();
    let mut place = String::new();
    loop {
        let answer = load(&place);
        pages.push(numbers(&answer[list]));
        assert!(pages.len() < 20, "no end: {answer}");
        match answer["next"].as_str() {
            Some(next) => place = next.to_owned(),
            None => return pages,
        }
    }
}

/// Clients that subscribe to a page of their own each, and to one with all others.
fn crowd(daemon: &Daemon, count: usize) -> Vec<Wire> {
    (0..count)
        .map(|at| {
            daemon.subscriber(&format!(
                r#"[{{"package":"crowd","page":"own-{at}-of-them"}},
                    {{"package":"crowd","page":"all","filters":{{"values":{{"parity":{}}}}}}}]"#,
                at % 2
            ))
        })
        .collect()
}

#[test]
fn the_page_is_served_whole_under_a_strict_policy_and_asks_nobody_else() {
    let (_daemon, admin) = Daemon::with_admin(&[]);
    let page = get(admin, "/");
    let html = body(&page, 200).to_owned();
    let mut parts = vec![html.clone()];
    for attribute in ["src=\"", "href=\""] {
        for piece in html.split(attribute).skip(1) {
            let (path, _) = piece.split_once('"').expect("its end");
            assert!(path.starts_with(['/', '#']), "{path} is elsewhere");
            if let Some(id) = path.strip_prefix('#') {
                assert!(html.contains(&format!("id=\"{id}\"")), "{path}");
            } else if path != "/metrics" {
                parts.push(body(&get(admin, path), 200).to_owned());
            }
        }
    }
    parts.push(body(&get(admin, "/charts.js"), 200).to_owned());
    assert_eq!(parts.len(), 5, "the page, a style, two scripts and an icon");
    for part in &parts {
        let elsewhere = part.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("://"), "{part}");
    }
    // What the policy would not let run.
    assert!(
        !html.contains("style=") && !html.contains("<style"),
        "{html}"
    );
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    for field in [
        "Content-Type: text/html; charset=utf-8",
        "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';",
        "frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
        "Cache-Control: no-store",
    ] {
        assert!(page.contains(field), "{field}: {page}");
    }
}

#[test]
fn the_status_tells_what_happens_and_which_settings_are_in_force() {
    let (daemon, admin) = Daemon::with_admin(&["--max-connections", "777"]);
    let _wires = crowd(&daemon, 3);
    daemon.publish(crate::LAST);
    let start = std::time::Instant::now();
    let status = loop {
        let status = read(admin, "/api/status");
        if status["readings"]["connections"] == 3 {
            break status;
        }
        assert!(start.elapsed() < PATIENCE, "{status}");
        std::thread::sleep(core::time::Duration::from_millis(20));
    };
    assert_eq!(status["counters"]["notifications"], 1, "{status}");
    assert_eq!(status["readings"]["subscriptions"], 6, "{status}");
    assert_eq!(status["listen"], daemon.address().to_string());
    assert!(status["started"].as_f64() <= status["now"].as_f64());
    let settings = status["settings"].as_array().expect("a list");
    let set = settings
        .iter()
        .find(|setting| setting["key"] == "limits.connections")
        .expect("it is there");
    assert_eq!(set["value"], "777", "{set}");
    assert_eq!(set["set"], "--max-connections", "{set}");
}

#[test]
fn connections_come_in_pages_each_once_whatever_the_number_of_shards() {
    for shards in ["1", "3"] {
        let (daemon, admin) = Daemon::with_admin(&["--shards", shards]);
        let _wires = crowd(&daemon, 60);
        let pages = pages("connections", |place| {
            read(admin, &format!("/api/connections?page={place}"))
        });
        let lens: Vec<_> = pages.iter().map(Vec::len).collect();
        assert_eq!(lens, [25, 25, 10]);
        let all: BTreeSet<_> = pages.into_iter().flatten().collect();
        assert_eq!(all, (1..=60).collect());
    }
}

#[test]
fn a_connection_is_told_with_what_it_subscribes_to_and_found_by_any_of_it() {
    let (daemon, admin) = Daemon::with_admin(&[]);
    let _wires = crowd(&daemon, 30);
    let mut v1 = daemon.connect_v1();
    v1.synchronise();
    let one = read(admin, "/api/connections?search=OWN-7-of%20CROWD");
    let connection = &one["connections"][0];
    assert_eq!(numbers(&one["connections"]), [8], "{one}");
    assert_eq!(connection["session"], "classic", "{one}");
    assert_eq!(connection["subscriptions"], 2, "{one}");
    assert_eq!(connection["waiting_bytes"], 0, "{one}");
    assert_eq!(connection["is_all"], true, "{one}");
    let expected = serde_json::json!([
        {"package": "crowd", "page": "own-7-of-them"},
        {"package": "crowd", "page": "all", "filters": {"values": {"parity": ["1"]}}},
    ]);
    let simple = |list: &Value| list.to_string().replace("[\"1\"]", "\"1\"");
    assert_eq!(simple(&connection["subscribed"]), simple(&expected));
    let address = connection["address"].as_str().expect("an address");
    let by_address = read(admin, &format!("/api/connections?search={address}"));
    assert_eq!(numbers(&by_address["connections"]), [8]);
    let session = read(admin, "/api/connections?search=v1");
    assert_eq!(numbers(&session["connections"]), [31]);
    assert_eq!(
        session["connections"][0]["subscribed"],
        serde_json::json!([])
    );
    let nobody = read(admin, "/api/connections?search=own-7-of+own-9-of");
    assert_eq!(numbers(&nobody["connections"]), [0; 0]);
    assert_eq!(nobody["looked_at"], 31);
    assert_eq!(nobody["next"], Value::Null);
}

#[test]
fn a_test_notification_is_heard_by_subscribers_as_it_was_written() {
    for shards in ["1", "3"] {
        let (daemon, admin) = Daemon::with_admin(&["--shards", shards]);
        let mut wires: Vec<_> = (0..4)
            .map(|_| crate::listener(&daemon, r#"{"package":"p","page":"q"}"#))
            .collect();
        let alone = r#"{ "package":"p","page":"q", "data":"ä" }"#;
        let whole = r#"{"sender":"server","notification":{"package":"p","page":"q"},"more":1}"#;
        let answers = [alone, whole].map(|text| post(admin, "/api/publish", text));
        let positions = answers.each_ref().map(|answer| {
            assert_eq!(answer["recipients"], 4, "{answer}");
            answer["position"].as_str().expect("a position")
        });
        assert!(positions[0] < positions[1], "{positions:?}");
        let heard = format!(r#"{{"sender":"server","notification":{alone}}}"#);
        for wire in &mut wires {
            wire.expect_text(&heard);
            wire.expect_text(whole);
        }
        daemon.wait_for_logs("test notification", 2);
        daemon.wait_for_log("notification connection=0 package=\"p\"");
    }
}

#[test]
fn with_keys_nobody_publishes_without_a_token_on_the_page_either() {
    let key = env::temp_dir().join(format!("campanile-status-page-{}", process::id()));
    fs::write(&key, "0123456789abcdef0123456789abcdef").expect("a temporary file");
    let keys = ["--auth-keys", key.to_str().expect("text")];
    let (_daemon, admin) = Daemon::with_admin(&keys);
    let answer = post_with(admin, "/api/publish", "", r#"{"package":"p","page":"q"}"#);
    assert!(body(&answer, 403).contains("needs a token"), "{answer}");
    let _ = fs::remove_file(&key);
}

#[test]
fn who_would_receive_a_notification_and_why_others_would_not_is_told_without_telling_them() {
    for shards in ["1", "3"] {
        let (daemon, admin) = Daemon::with_admin(&["--shards", shards]);
        let mut wires = crowd(&daemon, 60);
        let _idle = daemon.connect();
        let asked = r#"{"package":"crowd","page":"all","filters":{"values":{"parity":1}}}"#;
        let first = post(admin, "/api/explain", asked);
        assert_eq!(first["recipients"], 30, "{first}");
        let receiving = numbers(&first["receiving"]);
        assert_eq!(receiving.len(), 25, "a page of them");
        assert!(receiving.iter().all(|number| number % 2 == 0), "{first}");
        let why = &first["receiving"][0]["why"][0];
        assert!(
            why.as_str().is_some_and(|why| why.starts_with("matches: ")),
            "{why}"
        );
        let others = pages("others", |place| {
            post(admin, &format!("/api/explain?page={place}"), asked)
        });
        let others: BTreeSet<_> = others.into_iter().flatten().collect();
        let mut expected: BTreeSet<_> = (1..=59).step_by(2).collect();
        expected.insert(61);
        assert_eq!(others, expected);
        let one = post(admin, "/api/explain?search=own-8-of", asked);
        assert_eq!(numbers(&one["others"]), [9], "{one}");
        let why: Vec<_> = one["others"][0]["why"]
            .as_array()
            .expect("a list")
            .iter()
            .collect();
        let expected = "does not match: at filters.values.parity the notification has 1, and the \
                        subscription accepts \"0\"";
        assert!(why.iter().any(|why| **why == expected), "{one}");
        // They hear what is published, and nothing before it.
        for (at, wire) in wires.iter_mut().enumerate() {
            let text = format!(r#"{{"package":"crowd","page":"own-{at}-of-them"}}"#);
            assert_eq!(post(admin, "/api/publish", &text)["recipients"], 1);
            wire.expect_text(&format!(r#"{{"sender":"server","notification":{text}}}"#));
        }
    }
}

#[test]
fn nothing_is_done_for_other_web_sites() {
    let (daemon, admin) = Daemon::with_admin(&[]);
    let mut wire = crate::listener(&daemon, r#"{"package":"p","page":"q"}"#);
    let text = r#"{"package":"p","page":"q"}"#;
    for path in ["/api/publish", "/api/explain"] {
        for fields in [
            "Origin: http://evil.example\r\n",
            "Origin: null\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\n",
        ] {
            body(&post_with(admin, path, fields, text), 403);
        }
        // A form can send these.
        for kind in ["text/plain", "application/x-www-form-urlencoded"] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: {kind}\r\n\
                 Content-Length: {}\r\n\r\n{text}",
                text.len()
            );
            body(&ask(admin, request.as_bytes()), 415);
        }
        let port = admin.port();
        let rebound = format!(
            "POST {path} HTTP/1.1\r\nHost: evil.example:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        );
        body(&ask(admin, rebound.as_bytes()), 403);
        body(&get(admin, path), 405);
    }
    for path in ["/api/status", "/api/connections", "/api/events"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nSec-Fetch-Site: cross-site\r\n\r\n");
        body(&ask(admin, request.as_bytes()), 403);
    }
    let own = format!("Origin: http://{admin}\r\nSec-Fetch-Site: same-origin\r\n");
    let answer = post_with(admin, "/api/publish", &own, crate::LAST);
    assert_eq!(json(&answer, 200)["recipients"], 1);
    // Nothing came before it.
    wire.expect_text(crate::LAST);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let (_daemon, admin) = Daemon::with_admin(&[]);
    for (path, text, expected) in [
        ("/api/publish", "{", "Byte 1: expected"),
        ("/api/publish", r#"{"package":"p"}"#, "page is missing"),
        ("/api/publish", r#"{"type":"ping"}"#, "publisher's message"),
        (
            "/api/publish",
            r#"{"sender":"client","subscriptions":[]}"#,
            "client's message",
        ),
        ("/api/explain", "[]", "expected an object"),
        ("/api/explain?page=x", "{}", "page must be"),
    ] {
        let answer = json(&post_with(admin, path, "", text), 400);
        let error = answer["error"].as_str().expect("an error");
        assert!(error.contains(expected), "{path} {text}: {error}");
    }
    let big = format!(
        r#"{{"package":"p","page":"q","data":"{}"}}"#,
        "x".repeat(70_000)
    );
    let answer = json(&post_with(admin, "/api/publish", "", &big), 413);
    let error = answer["error"].as_str().expect("an error");
    assert!(error.contains("limits.message_size"), "{error}");
    post(admin, "/api/explain", &big);
    let long = "x".repeat(300);
    for path in [
        "/api/connections?page=1",
        &format!("/api/connections?search={long}"),
        "/api/events?after=x",
    ] {
        let answer = json(&get(admin, path), 400);
        assert!(answer["error"].is_string(), "{answer}");
    }
    // Far behind the last one.
    for place in [
        "0.4000000000",
        "77.0",
        "18446744073709551615.18446744073709551615",
    ] {
        let answer = read(admin, &format!("/api/connections?page={place}"));
        assert_eq!(numbers(&answer["connections"]), [0; 0], "{answer}");
    }
}

#[test]
fn the_events_are_the_end_of_the_log_without_what_is_said() {
    let (daemon, admin) = Daemon::with_admin(&[]);
    let secret = r#"{"sender":"server","notification":{"package":"p","page":"q","filters":{"values":{"k":"hidden"}},"data":"hidden"}}"#;
    daemon.publish(secret);
    post(admin, "/api/publish", secret);
    daemon.wait_for_log("test notification");
    let events = read(admin, "/api/events");
    let list = events["events"].as_array().expect("a list");
    let names: Vec<_> = list
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    for name in [
        "listening",
        "connected",
        "notification",
        "disconnected",
        "test notification",
    ] {
        assert!(names.contains(&name), "{name}: {events}");
    }
    assert!(!events.to_string().contains("hidden"), "{events}");
    let last = list
        .last()
        .and_then(|event| event["number"].as_u64())
        .expect("a number");
    let more = read(admin, &format!("/api/events?after={last}"));
    assert_eq!(more["events"], serde_json::json!([]));
    // However many there are, the last ones are kept.
    for _ in 0..150 {
        daemon.publish(secret);
    }
    daemon.wait_for_logs("disconnected", 151);
    let events = read(admin, "/api/events");
    assert_eq!(events["events"].as_array().map(Vec::len), Some(256));
}
