//! Slow-loris: who keeps a connection by saying next to nothing, in every phase of it.

use core::time::Duration;
use std::{io::ErrorKind, thread};

use campanile_tests::{Frame, Received, Wire};

use crate::attack::{Attack, Attacker, End, counter, next_error, publication, status};

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::any("a connection that says nothing", nothing, &[End::CutOff])
        .reaches(&["time for the opening handshake"])
        .counted(counter::TIMED_OUT),
    Attack::any(
        "a request line byte by byte",
        |attacker| {
            let mut wire = attacker.connect();
            trickle(&mut wire, "GET /", "a");
            status(&mut wire)
        },
        &[End::CutOff],
    )
    .reaches(&["time for the opening handshake"])
    .counted(counter::TIMED_OUT),
    Attack::any(
        "header fields byte by byte",
        |attacker| {
            let mut wire = attacker.connect();
            trickle(
                &mut wire,
                "GET / HTTP/1.1\r\nHost: localhost\r\n",
                "A: b\r\n",
            );
            status(&mut wire)
        },
        &[End::CutOff],
    )
    .reaches(&["time for the opening handshake"])
    .counted(counter::TIMED_OUT),
    Attack::any(
        "a body byte by byte",
        |attacker| {
            let mut wire = attacker.connect();
            trickle(&mut wire, &head("Content-Length: 9999\r\n"), " ");
            status(&mut wire)
        },
        &[End::Status(408)],
    )
    .beside()
    .slow()
    .reaches(&["time for an HTTP body"])
    .counted(counter::HTTP_ERRORS),
    Attack::any(
        "a chunked body byte by byte",
        |attacker| {
            let mut wire = attacker.connect();
            trickle(
                &mut wire,
                &head("Transfer-Encoding: chunked\r\n"),
                "1\r\n \r\n",
            );
            status(&mut wire)
        },
        &[End::Status(408)],
    )
    .beside()
    .slow()
    .reaches(&["time for an HTTP body"])
    .counted(counter::HTTP_ERRORS),
    Attack::any(
        "a frame without its second byte",
        |attacker| {
            let mut wire = attacker.open();
            wire.send(&[0x81]);
            // It answers no Ping.
            while wire.receive_frame().is_some() {}
            End::CutOff
        },
        &[End::CutOff],
    )
    .slow()
    .reaches(&["time without a sign of life"])
    .counted(counter::SILENT),
    Attack::any(
        "a payload byte by byte",
        |attacker| {
            let mut wire = attacker.open();
            for byte in Frame::text("x".repeat(40)).masked() {
                wire.send(&[byte]);
                thread::sleep(Duration::from_millis(20));
            }
            next_error(&mut wire)
        },
        // It lives as long as it speaks, with no more kept of it than a message.
        &[End::Error("invalid_json")],
    ),
    Attack::any(
        "a Close that is not answered",
        |attacker| {
            let mut wire = attacker.open();
            wire.send_frame(&Frame::new(0x3, ""));
            let Received::Close(code, _) = wire.receive() else {
                panic!("a Close comes");
            };
            wire.expect_end();
            End::Close(code)
        },
        &[End::Close(1002)],
    )
    .reaches(&["time for the closing handshake"]),
    Attack::any(
        "requests without end, whose answers are not read",
        unread,
        &[End::CutOff],
    )
    .slow()
    .reaches(&["time for the opening handshake"])
    .counted(counter::TIMED_OUT),
    Attack::any("notifications that are not read", deaf, &[End::CutOff])
        .beside()
        .reaches(&["waiting for a client"])
        .counted(counter::WAITING),
];

fn nothing(attacker: &mut Attacker) -> End {
    let mut crowd: Vec<_> = (0..20).map(|_| attacker.connect()).collect();
    let ends = crowd.iter_mut().map(status);
    ends.fold(
        End::CutOff,
        |so_far, end| {
            if end == End::CutOff { so_far } else { end }
        },
    )
}

/// The daemon does not read on, and a request that has begun is not complete in time; where it stopped
/// just between two requests, the next one does not come in time.
fn unread(attacker: &mut Attacker) -> End {
    let mut wire = attacker.connect();
    wire.keep_little();
    let ask = format!(
        "GET /healthz HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n",
        "a".repeat(120)
    );
    let asks = ask.repeat(250);
    let mut patience = 0;
    while patience < 3 {
        match wire.push(asks.as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => patience += 1,
            Err(_) => return End::CutOff,
        }
    }
    End::Served
}

/// Sends this at once, and then that byte by byte, as long as the daemon takes it.
fn trickle(wire: &mut Wire, first: &str, without_end: &str) {
    wire.send(first.as_bytes());
    let mut bytes = without_end.bytes().cycle();
    while bytes.next().is_some_and(|byte| wire.try_send(&[byte])) {
        thread::sleep(Duration::from_millis(50));
    }
}

/// A request to publish, but for its body.
fn head(framing: &str) -> String {
    format!(
        "POST /notifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {framing}\r\n"
    )
}

/// Subscribes, reads nothing, and publishes to itself.
fn deaf(attacker: &mut Attacker) -> End {
    let target = format!(
        r#""package":"attack","page":"deaf {}""#,
        attacker.random.number()
    );
    let mut stuck = attacker.open();
    stuck.keep_little();
    stuck.subscribe(&format!("[{{{target}}}]"));
    let mut publisher = attacker.open_v1();
    let long = publication(&format!(r#"{{{target},"data":"{}"}}"#, "x".repeat(60_000)));
    for number in 0..300 {
        publisher.send_text(&long);
        if number % 2 == 0 {
            stuck.try_send(&Frame::pong("").masked()); // it is there, and does not read
        }
        let Received::Text(answer) = publisher.receive() else {
            panic!("an answer comes");
        };
        if answer.contains("\"recipients\":0") {
            return End::CutOff; // what it was told last, it may read or not
        }
    }
    End::Served
}
