//! What every notification server of the examples does.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::process::{Command, id};
use std::time::Instant;
use std::{env, fs, thread};

use campanile_tests::messages::{ELSEWHERE, PECULIAR, PLAIN, SUBSCRIPTION};
use campanile_tests::{Daemon, Frame, PATIENCE, Program, Received, Wire, error_in, hex, tools};
use libtest_mimic::{Failed, Trial};
use tungstenite::{Message, WebSocket, protocol::Role};

use super::{Behaviour, next_close, read, socket, start};

const SERVERS: [&str; 2] = ["tokio_server", "mio_server"];

/// How many connections a server takes at once.
const PEERS: usize = 200;

/// What everybody in these tests subscribes to.
const CHANNEL: &str = r#"[{"package":"p","page":"q"}]"#;

/// More than the kernel's buffers of both ends hold, in messages of 60 KB.
const FLOOD: usize = 300;

const BEHAVIOURS: &[Behaviour] = behaviours![
    who_wants_to_hear_it_hears_it_byte_for_byte_and_nobody_else,
    a_v1_session_gets_acknowledgements_and_positions,
    pings_of_either_kind_are_answered,
    a_close_is_answered,
    who_publishes_nonsense_is_told_why,
    a_notification_may_be_published_by_http,
    bytes_may_come_one_by_one,
    many_hear_the_same,
    who_does_not_read_is_closed_and_holds_up_nobody_else,
    who_reads_late_hears_what_waited_without_saying_a_word,
    who_reads_late_what_it_asked_for_itself_hears_all_of_it,
    a_peer_may_leave_at_any_byte,
    only_so_many_are_served_and_the_others_are_told,
];

const SLOW_BEHAVIOURS: &[Behaviour] = behaviours![who_falls_silent_is_given_up];

/// The trials, and what to say of those that are skipped.
pub(super) fn trials() -> (Vec<Trial>, Vec<String>) {
    let mut trials = Vec::new();
    let mut skipped = Vec::new();
    let missing_is_failure = env::var("CI").is_ok_and(|value| value == "true");
    for server in SERVERS {
        for (behaviours, slow) in [(BEHAVIOURS, false), (SLOW_BEHAVIOURS, true)] {
            for &(name, behaviour) in behaviours {
                let trial = Trial::test(format!("{server}::{name}"), move || {
                    behaviour(&start(server));
                    Ok(())
                });
                trials.push(trial.with_ignored_flag(slow));
            }
        }
        let name = format!("{server}::node_ws_subscribes_and_publishes");
        let missing = tools::node_with("ws").err();
        let ignored = missing.is_some() && !missing_is_failure;
        if let Some(why) = missing.as_ref().filter(|_| ignored) {
            skipped.push(format!(
                "skipped {name}: {why}; install it with: sh tests/clients/install.sh"
            ));
        }
        let trial = Trial::test(name, move || match missing {
            None => {
                node_ws_subscribes_and_publishes(server);
                Ok(())
            }
            Some(why) => Err(Failed::from(why)),
        });
        trials.push(trial.with_ignored_flag(ignored));
    }
    (trials, skipped)
}

fn who_wants_to_hear_it_hears_it_byte_for_byte_and_nobody_else(server: &Daemon) {
    let mut hearer = server.connect();
    hearer.send_text(SUBSCRIPTION);
    hearer.synchronise();
    let mut elsewhere = server.subscriber(CHANNEL);
    let mut nowhere = server.connect();
    for notification in [PECULIAR, ELSEWHERE, PLAIN] {
        server.publish(notification);
    }
    hearer.expect_text(PECULIAR);
    hearer.expect_text(PLAIN);
    for wire in [&mut hearer, &mut elsewhere, &mut nowhere] {
        wire.synchronise(); // nothing else came
    }
    hearer.subscribe("[]");
    server.publish(PLAIN);
    hearer.synchronise();
}

fn a_v1_session_gets_acknowledgements_and_positions(server: &Daemon) {
    let mut subscriber = server.connect_v1();
    subscriber.send_text(&format!(
        r#"{{"sender":"client","subscriptions":{CHANNEL}}}"#
    ));
    assert_eq!(json(&mut subscriber)["subscribed"]["count"], 1);
    let mut classic = server.subscriber(CHANNEL);
    let mut publisher = server.connect_v1();
    let mut last = None;
    for index in 0..3 {
        publisher.send_text(&notification(index, ""));
        let published = json(&mut publisher)["published"].clone();
        assert_eq!(published["recipients"], 2, "{published}");
        let position = published["position"].as_str().expect("a position");
        let rest = &notification(index, "")[1..];
        subscriber.expect_text(&format!(r#"{{"position":"{position}",{rest}"#));
        classic.expect_text(&notification(index, ""));
        assert!(last.as_deref() < Some(position), "{last:?}, {position}");
        last = Some(position.to_owned());
    }
}

fn pings_of_either_kind_are_answered(server: &Daemon) {
    let mut wire = server.connect();
    for payload in ["", "ping"] {
        wire.send_frame(&Frame::ping(payload));
        assert_eq!(wire.receive(), Received::Pong(payload.into()));
        wire.synchronise();
    }
}

fn a_close_is_answered(server: &Daemon) {
    for code in [1000, 1001, 4999] {
        let mut wire = server.subscriber(CHANNEL);
        wire.send_frame(&Frame::close(code));
        assert_eq!(wire.receive(), Received::Close(code, String::new()));
        wire.expect_end();
    }
    let mut wire = server.connect();
    wire.send(&Frame::text("").unmasked());
    assert_eq!(next_close(&mut wire).0, 1002);
    wire.finish_sending();
    wire.expect_end();
    server.publish(PLAIN); // nobody hears it
}

fn who_publishes_nonsense_is_told_why(server: &Daemon) {
    let mut wire = server.connect_v1();
    wire.send_text(r#"{"sender":"server","notification":{}}"#);
    wire.expect_error("invalid_notification");
    wire.synchronise();
}

fn a_notification_may_be_published_by_http(server: &Daemon) {
    let mut hearer = server.subscriber(CHANNEL);
    let body = notification(0, "");
    let mut wire = Wire::connect(server.address());
    let head = format!(
        "POST /notifications HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        body.len()
    );
    wire.send(format!("{head}{body}").as_bytes());
    let response = wire.expect_response();
    assert_eq!(response.status, 200, "{response:?}");
    hearer.expect_text(&body);
}

fn bytes_may_come_one_by_one(server: &Daemon) {
    let mut wire = Wire::connect(server.address());
    let mut bytes = Wire::handshake(server.address()).into_bytes();
    let subscription = format!(r#"{{"sender":"client","subscriptions":{CHANNEL}}}"#);
    bytes.extend(Frame::text(subscription).masked());
    bytes.extend(Frame::ping("done").masked());
    for byte in bytes {
        wire.send(&[byte]);
    }
    wire.expect_upgrade();
    assert_eq!(wire.receive(), Received::Pong(b"done".to_vec()));
    server.publish(&notification(0, ""));
    wire.expect_text(&notification(0, ""));
}

fn many_hear_the_same(server: &Daemon) {
    let mut wires: Vec<_> = (0..100).map(|_| server.subscriber(CHANNEL)).collect();
    let mut publisher = server.connect_v1();
    for index in 0..20 {
        publisher.send_text(&notification(index, ""));
    }
    for wire in &mut wires {
        for index in 0..20 {
            wire.expect_text(&notification(index, ""));
        }
    }
    for _ in 0..20 {
        assert_eq!(json(&mut publisher)["published"]["recipients"], 100);
    }
}

fn who_does_not_read_is_closed_and_holds_up_nobody_else(server: &Daemon) {
    let mut stuck = server.subscriber(CHANNEL);
    let mut hearer = server.subscriber(CHANNEL);
    let mut publisher = server.connect_v1();
    let fill = "x".repeat(60_000);
    for index in 0..FLOOD {
        publisher.send_text(&notification(index, &fill));
        hearer.expect_text(&notification(index, &fill));
        assert!(json(&mut publisher)["published"].is_object());
    }
    // What it was given before the end is without a gap.
    for index in 0..FLOOD {
        let received = stuck.receive();
        if received == Received::Text(notification(index, &fill)) {
            continue;
        }
        let is_the_end = match &received {
            Received::Text(text) => {
                error_in(text).is_some_and(|error| error["code"] == "slow_consumer")
            }
            Received::Close(code, _) => *code == 1013,
            Received::End => true,
            Received::Binary(_) | Received::Pong(_) | Received::CloseWithoutCode => false,
        };
        assert!(is_the_end, "a gap, or a message twice: {received:?}");
        return;
    }
    panic!("all was kept for it");
}

fn who_reads_late_hears_what_waited_without_saying_a_word(server: &Daemon) {
    let mut publisher = server.connect_v1();
    let fill = "x".repeat(60_000);
    let mut recipients = |index, fill: &str| {
        publisher.send_text(&notification(index, fill));
        json(&mut publisher)["published"]["recipients"].clone()
    };
    // How many messages it takes until one who reads nothing is closed: that many fill the kernel's
    // buffers, and five of them more than may wait.
    let stuck = server.subscriber(CHANNEL);
    let mut too_many = (0..FLOOD).find(|&index| recipients(index, &fill) == 0);
    drop(stuck);
    // Some that wait, within the limit; fewer, if the kernel takes less this time.
    let (mut late, count) = loop {
        let count = too_many.expect("not all is kept").saturating_sub(3);
        let late = server.subscriber(CHANNEL);
        let hears = (0..count).all(|index| recipients(index, &fill) == 1);
        if hears && recipients(count, "") == 1 {
            break (late, count);
        }
        too_many = too_many.and_then(|count| count.checked_sub(1));
    };
    for index in 0..count {
        late.expect_text(&notification(index, &fill));
    }
    late.expect_text(&notification(count, ""));
    late.synchronise();
}

fn who_reads_late_what_it_asked_for_itself_hears_all_of_it(server: &Daemon) {
    let mut reader = socket(server);
    let handshake = Wire::handshake(server.address());
    let offer = "Sec-WebSocket-Protocol: campanile.v1\r\n\r\n";
    let request = handshake.replace("\r\n\r\n", &format!("\r\n{offer}"));
    reader.write_all(request.as_bytes()).expect("it is taken");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    let fill = "x".repeat(60_000);
    let mut writer = reader.try_clone().expect("a descriptor");
    thread::scope(|scope| {
        scope.spawn(|| {
            let subscription = format!(r#"{{"sender":"client","subscriptions":{CHANNEL}}}"#);
            let frames = (0..FLOOD).map(|index| Frame::text(notification(index, &fill)));
            for frame in [Frame::text(subscription)].into_iter().chain(frames) {
                writer.write_all(&frame.masked()).expect("it is read");
            }
        });
        // Meanwhile every buffer fills; the server stops to read, and keeps within its limits.
        thread::sleep(Duration::from_secs(1));
        let mut client = WebSocket::from_raw_socket(reader, Role::Client, None);
        let (mut heard, mut acknowledged) = (0, 0);
        while heard < FLOOD || acknowledged < FLOOD + 1 {
            let Message::Text(text) = read(&mut client) else {
                continue; // a ping
            };
            if text.starts_with(r#"{"position""#) {
                assert!(text.ends_with(&notification(heard, &fill)[1..]), "{heard}");
                heard += 1;
            } else {
                assert!(error_in(&text).is_none(), "{text}");
                acknowledged += 1;
            }
        }
    });
}

fn a_peer_may_leave_at_any_byte(server: &Daemon) {
    let mut bytes = Wire::handshake(server.address()).into_bytes();
    let subscription = format!(r#"{{"sender":"client","subscriptions":{CHANNEL}}}"#);
    bytes.extend(Frame::text(subscription).masked());
    for end in (0..bytes.len()).step_by(7) {
        let mut wire = Wire::connect(server.address());
        wire.send(&bytes[..end]);
        drop(wire); // with an answer unread, sometimes: that is a reset
        server.publish(&notification(0, ""));
    }
    many_hear_the_same(server);
}

fn only_so_many_are_served_and_the_others_are_told(server: &Daemon) {
    let mut wires: Vec<_> = (0..PEERS).map(|_| server.connect()).collect();
    let mut refused = Wire::connect(server.address());
    refused.send(Wire::handshake(server.address()).as_bytes());
    assert_eq!(refused.expect_refusal().status, 503);
    wires.iter_mut().for_each(Wire::synchronise);
    // Who leaves makes room, as soon as that is noticed.
    drop(wires.pop());
    let deadline = Instant::now() + PATIENCE;
    while Wire::open_if_there_is_room(server.address()).is_none() {
        assert!(Instant::now() < deadline, "there is still no room");
        thread::sleep(Duration::from_millis(10));
    }
}

fn node_ws_subscribes_and_publishes(server: &str) {
    let daemon = start(server);
    let file = |name: &str, text: &str| {
        let path = env::temp_dir().join(format!("campanile-{server}-{name}-{}.json", id()));
        fs::write(&path, text).expect("a file in the folder for temporary ones");
        path
    };
    let run = |role: &str, path| {
        let node = tools::node_with("ws").expect("it was there before");
        let mut command = Command::new(node);
        command
            .arg(tools::clients().join("ws-client.cjs"))
            .args([role, &daemon.url()])
            .arg(path)
            .env("NODE_PATH", tools::node_modules());
        Program::start(&mut command)
    };
    let paths = [
        file("subscription", SUBSCRIPTION),
        file("peculiar", PECULIAR),
        file("elsewhere", ELSEWHERE),
        file("plain", PLAIN),
    ];
    let [subscription, notifications @ ..] = &paths;
    let mut subscriber = run("subscribe", subscription);
    assert_eq!(subscriber.next_line(), "ready");
    for path in notifications {
        let mut publisher = run("publish", path);
        assert_eq!(publisher.next_line(), "closed 1000");
    }
    for notification in [PECULIAR, PLAIN] {
        let heard = format!("message {}", hex(notification.as_bytes()));
        assert_eq!(subscriber.next_line(), heard);
    }
    subscriber.finish();
    for path in paths {
        let _ = fs::remove_file(path); // the system removes it some time
    }
}

fn who_falls_silent_is_given_up(server: &Daemon) {
    thread::scope(|scope| {
        scope.spawn(|| {
            // 10 s for the request.
            Wire::connect(server.address()).expect_end();
        });
        scope.spawn(|| {
            // 25 s to a ping, and 10 s for its pong.
            let mut wire = server.subscriber(CHANNEL);
            assert_eq!(wire.receive_frame(), Some(Frame::ping("")));
            assert_eq!(wire.receive_frame(), None);
        });
        scope.spawn(|| {
            // Who answers is kept.
            let mut wire = server.subscriber(CHANNEL);
            let ping = wire.receive_frame().expect("a ping");
            wire.send_frame(&Frame::pong(ping.payload));
            thread::sleep(Duration::from_secs(15));
            server.publish(&notification(0, ""));
            wire.expect_text(&notification(0, ""));
        });
    });
}

/// A notification for [`CHANNEL`].
fn notification(index: usize, fill: &str) -> String {
    format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{index} {fill}"}}}}"#
    )
}

/// The next thing, which is JSON.
fn json(wire: &mut Wire) -> serde_json::Value {
    let Received::Text(text) = wire.receive() else {
        panic!("a message of text comes");
    };
    serde_json::from_str(&text).expect("JSON")
}
