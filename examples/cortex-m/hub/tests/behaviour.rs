//! What the hub does, on the sockets of this machine and, with `CAMPANILE_BOARD=127.0.0.1:PORT` in the
//! environment, on the board that is reached there: one list of behaviours, one trial for each and
//! where it runs.
//!
//! The clients are the hand-made one of the integration tests, wscat, and Chromium; where one of the
//! latter is missing, its trial is ignored, or with `CI=true` fails.

use core::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use campanile_tests::messages::{ELSEWHERE, PECULIAR, PLAIN, SUBSCRIPTION};
use campanile_tests::{Daemon, Frame, PATIENCE, Program, Received, Wire, hex, tools};
use campanile_tiny_hub::{CLIENTS, MESSAGE, SUBSCRIPTIONS};
use libtest_mimic::{Arguments, Failed, Trial};

type Behaviour = (&'static str, fn(SocketAddr));

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

const BEHAVIOURS: &[Behaviour] = behaviours![
    exactly_those_who_match_hear_a_notification_byte_for_byte,
    two_hundred_notifications_arrive_in_order,
    a_publisher_hears_its_own_subscription_and_is_closed,
    a_set_replaces_the_one_before,
    who_does_not_read_is_cut_off_and_nobody_else_is,
    a_v1_session_has_its_answers_and_positions_and_stays_open,
    the_longest_message_arrives_and_a_longer_one_is_refused,
    fragments_make_one_message,
    bytes_may_come_one_by_one,
    pings_are_answered,
    a_close_is_answered_with_its_code,
    a_broken_rule_is_answered_with_its_code,
    errors_have_a_code_and_a_path_and_the_session_goes_on,
    a_publisher_whose_message_is_broken_is_closed,
    a_wrong_request_gets_its_status,
    one_too_many_is_told_so_and_served_when_there_is_room,
    a_client_that_goes_away_frees_its_place,
];

/// A behaviour with a real client, which its tools are for.
type RealClient = (
    &'static str,
    fn() -> Result<Tools, String>,
    fn(SocketAddr, &Tools),
);
type Tools = Vec<PathBuf>;

const REAL_CLIENTS: &[RealClient] = &[
    ("wscat_subscribes", wscat, wscat_subscribes),
    ("wscat_publishes", wscat, wscat_publishes),
    (
        "a_browser_subscribes_and_wscat_publishes",
        browser_and_wscat,
        a_browser_subscribes,
    ),
];

/// There is one board, and a trial wants all of its places.
static BOARD: Mutex<()> = Mutex::new(());

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let board: Option<SocketAddr> = env::var("CAMPANILE_BOARD")
        .ok()
        .map(|address| address.parse().expect("CAMPANILE_BOARD is ADDRESS:PORT"));
    let missing_is_failure = env::var("CI").is_ok_and(|value| value == "true");
    let mut trials = Vec::new();
    for at in [None, board]
        .into_iter()
        .take(1 + usize::from(board.is_some()))
    {
        let name = |name: &str| format!("{}::{name}", at.map_or("sockets", |_| "board"));
        for &(behaviour, run) in BEHAVIOURS {
            trials.push(Trial::test(name(behaviour), move || {
                on(at, run);
                Ok(())
            }));
        }
        for &(behaviour, tools, run) in REAL_CLIENTS {
            let found = tools();
            let is_ignored = found.is_err() && !missing_is_failure;
            let trial = Trial::test(name(behaviour), move || {
                let tools = found.map_err(|missing| {
                    Failed::from(format!("{missing}; run: sh tests/clients/install.sh"))
                })?;
                on(at, |address| run(address, &tools));
                Ok(())
            });
            trials.push(trial.with_ignored_flag(is_ignored));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs `behaviour` on the board, or on a process of its own, which must still run afterwards.
fn on(board: Option<SocketAddr>, behaviour: impl FnOnce(SocketAddr)) {
    if let Some(address) = board {
        // What a failed trial left behind is for the next one to cope with.
        let _turn = BOARD.lock().unwrap_or_else(PoisonError::into_inner);
        wait_for_all_places(address);
        behaviour(address);
        // It is still there, and nobody was left behind.
        wait_for_all_places(address);
        return;
    }
    // `cargo test` builds the examples of a package before it runs the tests.
    let mut path: PathBuf = env::current_exe().expect("the path of this test");
    path.pop();
    path.set_file_name("examples");
    path.push(format!("sockets{}", env::consts::EXE_SUFFIX));
    let hub = Daemon::from_command(Command::new(path).arg("127.0.0.1:0"));
    behaviour(hub.address());
    wait_for_all_places(hub.address());
}

fn exactly_those_who_match_hear_a_notification_byte_for_byte(hub: SocketAddr) {
    let mut wires: Vec<Wire> = (0..4).map(|_| Wire::open(hub)).collect();
    let [both, one, all, other] = &mut wires[..] else {
        unreachable!("four were opened");
    };
    both.send_text(SUBSCRIPTION); // channels 2, 3 and 5
    both.synchronise();
    one.subscribe(r#"[{"package":"amaiia_msg_srv","page":"messages","filters":{"values":4}}]"#);
    // Twice, and heard once.
    all.subscribe(
        r#"[{"package":"amaiia_msg_srv","page":"messages"},
            {"package":"amaiia_msg_srv","page":"messages","filters":{"values":true}}]"#,
    );
    other.subscribe(r#"[{"package":"amaiia_msg_srv","page":"elsewhere"}]"#);
    for notification in [PECULIAR, ELSEWHERE, PLAIN] {
        publish(hub, notification);
    }
    for (wire, heard) in [
        (both, &[PECULIAR, PLAIN][..]),
        (one, &[ELSEWHERE]),
        (all, &[PECULIAR, ELSEWHERE, PLAIN]),
        (other, &[]),
    ] {
        heard.iter().for_each(|text| wire.expect_text(text));
        wire.synchronise(); // and nothing else
    }
    wires.into_iter().for_each(leave);
}

fn two_hundred_notifications_arrive_in_order(hub: SocketAddr) {
    let numbered = |number: u32| PECULIAR.replace("9007199254740993", &format!("1{number:0200}"));
    let mut wires: Vec<Wire> = (0..4).map(|_| Wire::open(hub)).collect();
    for wire in &mut wires {
        wire.send_text(SUBSCRIPTION);
        wire.synchronise();
    }
    for number in 0..200 {
        publish(hub, &numbered(number));
    }
    for wire in &mut wires {
        (0..200).for_each(|number| wire.expect_text(&numbered(number)));
        wire.synchronise();
    }
    wires.into_iter().for_each(leave);
}

fn a_publisher_hears_its_own_subscription_and_is_closed(hub: SocketAddr) {
    let mut wire = Wire::open(hub);
    wire.send_text(SUBSCRIPTION);
    // What is behind a publication is not heard.
    wire.send(&[Frame::text(PLAIN).masked(), Frame::text(PECULIAR).masked()].concat());
    wire.expect_text(PLAIN);
    wire.expect_close(1000);
}

fn a_set_replaces_the_one_before(hub: SocketAddr) {
    let mut wire = Wire::open(hub);
    wire.send_text(SUBSCRIPTION);
    wire.subscribe(r#"[{"package":"amaiia_msg_srv","page":"messages","filters":{"values":4}}]"#);
    publish(hub, PLAIN);
    publish(hub, ELSEWHERE);
    wire.expect_text(ELSEWHERE);
    wire.subscribe("[]");
    publish(hub, ELSEWHERE);
    wire.synchronise();
    leave(wire);
}

/// Through all the buffers between the hub and a client on this machine, which take some megabytes.
fn who_does_not_read_is_cut_off_and_nobody_else_is(hub: SocketAddr) {
    let mut slow = Wire::open(hub);
    let mut quick = Wire::open(hub);
    for wire in [&mut slow, &mut quick] {
        wire.send_text(SUBSCRIPTION);
        wire.synchronise();
    }
    let mut publisher = Wire::open_v1(hub);
    let padding = "x".repeat(MESSAGE - PLAIN.len() - 10);
    let numbered = |number: u32| PLAIN.replace("12345", &format!("{number:010}{padding}"));
    let mut published = 0;
    loop {
        publisher.send_text(&numbered(published));
        let Received::Text(acknowledged) = publisher.receive() else {
            panic!("no acknowledgement");
        };
        quick.expect_text(&numbered(published));
        if acknowledged.ends_with(r#""recipients":1}}"#) {
            break;
        }
        published += 1;
        assert!(
            published < 20_000,
            "40 MB wait for a client that does not read"
        );
    }
    // All that had been sent to it, and why there is no more.
    (0..published).for_each(|number| slow.expect_text(&numbered(number)));
    slow.expect_error("slow_consumer");
    slow.expect_close(1013);
    [publisher, quick].into_iter().for_each(leave);
}

fn a_v1_session_has_its_answers_and_positions_and_stays_open(hub: SocketAddr) {
    let mut subscriber = Wire::open_v1(hub);
    let mut classic = Wire::open(hub);
    classic.send_text(SUBSCRIPTION);
    classic.synchronise();
    subscriber.send_text(SUBSCRIPTION);
    let start = position_in(&mut subscriber, "subscribed", "count", 1);
    let mut publisher = Wire::open_v1(hub);
    let mut last = start;
    for notification in [PECULIAR, PLAIN] {
        publisher.send_text(notification);
        let position = position_in(&mut publisher, "published", "recipients", 2);
        assert!(position > last, "{position} behind {last}");
        let members = notification.trim_start().strip_prefix('{');
        let members = members.expect("an object");
        subscriber.expect_text(&format!(r#"{{"position":"{position}",{members}"#));
        classic.expect_text(notification);
        last = position;
    }
    // What ends a classic publisher does not end this one.
    publisher.send_text(r#"{"sender":"server","notification":"#);
    publisher.expect_error("invalid_json");
    publisher.send_text(r#"{"sender":"server","position":"1","notification":{}}"#);
    publisher.expect_error("invalid_message");
    for wire in [&mut publisher, &mut subscriber, &mut classic] {
        wire.synchronise();
    }
    [publisher, subscriber, classic].into_iter().for_each(leave);
}

/// The position in an acknowledgement, whose other member is this number.
fn position_in(wire: &mut Wire, what: &str, member: &str, number: u64) -> String {
    let received = wire.receive();
    let Received::Text(text) = &received else {
        panic!("{received:?} acknowledges nothing");
    };
    let acknowledged = &serde_json::from_str::<serde_json::Value>(text).expect("JSON")[what];
    assert_eq!(acknowledged[member], number, "{text}");
    acknowledged["position"]
        .as_str()
        .expect("a text")
        .to_owned()
}

fn the_longest_message_arrives_and_a_longer_one_is_refused(hub: SocketAddr) {
    let mut subscriber = Wire::open(hub);
    subscriber.send_text(SUBSCRIPTION);
    let padding = MESSAGE - PLAIN.len();
    let longest = PLAIN.replace("12345", &format!("12345{}", "x".repeat(padding)));
    assert_eq!(longest.len(), MESSAGE);
    publish(hub, &longest);
    subscriber.expect_text(&longest);
    let mut publisher = Wire::open(hub);
    publisher.send_text(&format!("{longest} "));
    publisher.expect_error("message_too_big");
    publisher.expect_close(1009);
    // It may not be put together of fragments either.
    let mut publisher = Wire::open(hub);
    publisher.send_frame(&Frame::text(longest).unfinished());
    publisher.send_frame(&Frame::continuation(" "));
    publisher.expect_error("message_too_big");
    publisher.expect_close(1009);
    subscriber.synchronise();
    leave(subscriber);
}

fn fragments_make_one_message(hub: SocketAddr) {
    let mut wire = Wire::open(hub);
    wire.send_text(SUBSCRIPTION);
    let mut publisher = Wire::open(hub);
    let cut = PECULIAR.find('ç').expect("it is there") + 1; // in the middle of a character
    let (start, end) = PECULIAR.as_bytes().split_at(cut);
    publisher.send_frame(&Frame::text(start).unfinished());
    publisher.send_frame(&Frame::continuation("").unfinished());
    publisher.send_frame(&Frame::ping("now"));
    assert_eq!(publisher.receive(), Received::Pong(b"now".to_vec()));
    publisher.send_frame(&Frame::continuation(end).unfinished());
    publisher.send_frame(&Frame::continuation(""));
    publisher.expect_close(1000);
    wire.expect_text(PECULIAR);
    wire.synchronise();
    leave(wire);
}

fn bytes_may_come_one_by_one(hub: SocketAddr) {
    let mut wire = Wire::connect(hub);
    let mut bytes = Wire::handshake(hub).into_bytes();
    bytes.extend(Frame::text(SUBSCRIPTION).masked());
    bytes.extend(Frame::ping("ping").masked());
    bytes.extend(Frame::text(PLAIN).masked());
    for byte in bytes {
        wire.send(&[byte]);
    }
    wire.expect_upgrade();
    assert_eq!(wire.receive(), Received::Pong(b"ping".to_vec()));
    wire.expect_text(PLAIN);
    wire.expect_close(1000);
}

fn pings_are_answered(hub: SocketAddr) {
    let mut wire = Wire::open(hub);
    for payload in [vec![], b"ping".to_vec(), vec![0xff; 125]] {
        wire.send_frame(&Frame::ping(payload.clone()));
        assert_eq!(wire.receive(), Received::Pong(payload));
    }
    wire.synchronise(); // the one of the mobile client
    leave(wire);
}

fn a_close_is_answered_with_its_code(hub: SocketAddr) {
    for code in [1000, 1001, 3000, 4999] {
        let mut wire = Wire::open(hub);
        wire.send_frame(&Frame::close(code));
        wire.expect_close(code);
    }
}

fn a_broken_rule_is_answered_with_its_code(hub: SocketAddr) {
    let unmasked = Frame::text("{}").unmasked();
    let not_utf8 = Frame::text([b'"', 0xff]).masked();
    for (bytes, code) in [
        (unmasked, 1002),
        (Frame::continuation("").masked(), 1002),
        (not_utf8, 1007),
        (Frame::binary("{}").masked(), 1003),
        (Frame::close(999).masked(), 1002),
    ] {
        let mut wire = Wire::open(hub);
        wire.send(&bytes);
        wire.expect_close(code);
    }
}

fn errors_have_a_code_and_a_path_and_the_session_goes_on(hub: SocketAddr) {
    let mut wire = Wire::open(hub);
    wire.send_text(SUBSCRIPTION);
    let subscription = r#"{"package":"p","page":"q"}"#;
    let too_many = [subscription; SUBSCRIPTIONS + 1].join(",");
    // More than a client has memory for.
    let long = "x".repeat(600);
    for (message, code, path) in [
        (r#"{"sender":"client",}"#, "invalid_json", None),
        (
            r#"{"sender":"client","cmd":["x"]}"#,
            "invalid_message",
            Some("subscriptions"),
        ),
        (r#"{"sender":"nobody"}"#, "invalid_message", Some("sender")),
        (
            r#"{"sender":"client","subscriptions":[{"package":"p"}]}"#,
            "invalid_subscription",
            Some("subscriptions[0].page"),
        ),
        (
            r#"{"sender":"server","notification":{"package":"p"}}"#,
            "invalid_notification",
            Some("notification.page"),
        ),
        (
            &format!(r#"{{"sender":"client","subscriptions":[{too_many}]}}"#),
            "too_many_subscriptions",
            Some("subscriptions"),
        ),
        (
            &format!(
                r#"{{"sender":"client","subscriptions":[{{"package":"{long}","page":"q"}}]}}"#
            ),
            "too_many_subscriptions",
            None,
        ),
    ] {
        wire.send_text(message);
        let error = wire.expect_error(code);
        assert_eq!(error["path"].as_str(), path, "{error}");
    }
    // The earlier set stands.
    publish(hub, PLAIN);
    wire.expect_text(PLAIN);
    wire.synchronise();
    leave(wire);
}

fn a_publisher_whose_message_is_broken_is_closed(hub: SocketAddr) {
    let mut wire = Wire::open(hub);
    wire.send_text(r#"{"sender":"server","notification":"#);
    wire.expect_error("invalid_json");
    wire.expect_close(1007);
    // More to match than there is memory for.
    let long = "x".repeat(MESSAGE - 200);
    let mut wire = Wire::open(hub);
    wire.send_text(&format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"{long}"}}}}"#
    ));
    wire.expect_error("message_too_big");
    wire.expect_close(1009);
}

fn a_wrong_request_gets_its_status(hub: SocketAddr) {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(MESSAGE));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
        ("\u{1}\u{2}\u{3}\r\n\r\n", 400),
        (&Wire::handshake(hub).replace("Key: ", "Key: x"), 400),
        (&long, 431),
    ] {
        let mut wire = Wire::connect(hub);
        wire.send(request.as_bytes());
        let refusal = wire.expect_refusal();
        assert_eq!(refusal.status, status, "{request:?}: {refusal:?}");
    }
    let mut wire = Wire::open(hub);
    wire.synchronise();
    leave(wire);
}

fn one_too_many_is_told_so_and_served_when_there_is_room(hub: SocketAddr) {
    let mut wires: Vec<Wire> = (0..CLIENTS).map(|_| Wire::open(hub)).collect();
    for wire in &mut wires {
        wire.send_text(SUBSCRIPTION);
        wire.synchronise();
    }
    for _ in 0..3 {
        let mut wire = Wire::connect(hub);
        wire.send(Wire::handshake(hub).as_bytes());
        let refusal = wire.expect_refusal();
        assert_eq!(refusal.status, 503, "{refusal:?}");
        assert_eq!(refusal.header("retry-after"), "5", "{refusal:?}");
        assert!(refusal.body.contains("connect again"), "{refusal:?}");
        drop(wire);
        thread::sleep(Duration::from_millis(50)); // there is one place for those who are refused
    }
    leave(wires.pop().expect("there are some"));
    publish(hub, PLAIN);
    for wire in &mut wires {
        wire.expect_text(PLAIN);
        wire.synchronise();
    }
    wires.into_iter().for_each(leave);
}

fn a_client_that_goes_away_frees_its_place(hub: SocketAddr) {
    let mut others: Vec<Wire> = (1..CLIENTS).map(|_| Wire::open(hub)).collect();
    others.iter_mut().for_each(Wire::synchronise);
    for round in 0..20 {
        let mut wire = wait_for_room(hub);
        wire.send_text(SUBSCRIPTION);
        wire.synchronise();
        match round % 3 {
            0 => leave(wire),
            // In the middle of a message, without a word.
            1 => wire.send(&Frame::text(PLAIN).masked()[..40]),
            // With a reset.
            _ => {
                wire.send_frame(&Frame::ping("unread"));
                wire.wait_for_unread_bytes();
            }
        }
    }
    // The subscriptions have gone with their owners: who comes into a place hears nothing of them.
    let mut wire = wait_for_room(hub);
    leave(others.pop().expect("there are some"));
    publish(hub, PLAIN);
    wire.synchronise();
    leave(wire);
    others.into_iter().for_each(leave);
}

fn wscat_subscribes(hub: SocketAddr, tools: &Tools) {
    let wscat = Program::start(Command::new(&tools[0]).args([
        "-c",
        &format!("ws://{hub}"),
        "-x",
        SUBSCRIPTION.trim_end(),
        "-x",
        r#"{"type":"ping"}"#,
        "-w",
        "-1",
    ]));
    wscat.assert_output("{\"type\":\"pong\"}\n");
    for notification in [PECULIAR, ELSEWHERE, PLAIN] {
        publish(hub, notification);
    }
    wscat.assert_output(&format!("{{\"type\":\"pong\"}}\n{PECULIAR}\n{PLAIN}\n"));
}

fn wscat_publishes(hub: SocketAddr, tools: &Tools) {
    let mut subscriber = Wire::open(hub);
    subscriber.send_text(SUBSCRIPTION);
    subscriber.synchronise();
    for notification in [PLAIN, PECULIAR] {
        publish_with_wscat(hub, &tools[0], notification);
        subscriber.expect_text(notification);
    }
    subscriber.synchronise();
    leave(subscriber);
}

fn a_browser_subscribes(hub: SocketAddr, tools: &Tools) {
    let [wscat, chromium, node] = &tools[..] else {
        unreachable!("these were looked for");
    };
    let name = format!("tiny-hub-{}.json", hub.port());
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, SUBSCRIPTION).expect("the target folder can be written");
    let mut command = Command::new(node);
    command
        .arg(tools::clients().join("browser.cjs"))
        .env("NODE_PATH", tools::node_modules())
        .args([chromium.as_os_str(), format!("ws://{hub}").as_ref()])
        .arg(file);
    let mut browser = Program::start(&mut command);
    assert_eq!(browser.next_line(), "ready");
    for notification in [PECULIAR, ELSEWHERE, PLAIN] {
        publish_with_wscat(hub, wscat, notification);
    }
    for notification in [PECULIAR, PLAIN] {
        let heard = format!("message {}", hex(notification.as_bytes()));
        assert_eq!(browser.next_line(), heard);
    }
    browser.finish();
}

/// wscat leaves because the hub closes the connection, or never.
fn publish_with_wscat(hub: SocketAddr, wscat: &PathBuf, notification: &str) {
    let url = format!("ws://{hub}");
    let mut command = Command::new(wscat);
    let mut wscat = Program::start(command.args(["-c", &url, "-x", notification, "-w", "-1"]));
    let ended = wscat.wait();
    assert!(ended.status.success(), "{ended:?}");
}

fn wscat() -> Result<Tools, String> {
    Ok(vec![tools::wscat()?])
}

fn browser_and_wscat() -> Result<Tools, String> {
    let node = tools::node_with("playwright-core")?;
    Ok(vec![tools::wscat()?, tools::chromium()?, node])
}

/// Publishes over a connection of its own, as a back end does.
fn publish(hub: SocketAddr, message: &str) {
    let mut publisher = Wire::open(hub);
    publisher.send_text(message);
    publisher.expect_close(1000);
}

/// Leaves in order, so that the place is free afterwards.
fn leave(mut wire: Wire) {
    wire.send_frame(&Frame::close(1000));
    wire.expect_close(1000);
}

/// A connection as soon as there is room for it.
fn wait_for_room(hub: SocketAddr) -> Wire {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(wire) = Wire::open_if_there_is_room(hub) {
            return wire;
        }
        assert!(Instant::now() < deadline, "no place becomes free");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until all places are free: each has been taken at the same time.
fn wait_for_all_places(hub: SocketAddr) {
    let wires: Vec<Wire> = (0..CLIENTS).map(|_| wait_for_room(hub)).collect();
    wires.into_iter().for_each(leave);
}
