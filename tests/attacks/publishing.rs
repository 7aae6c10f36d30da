//! Publishing without the right, and what would make it worth one's while.

use campanile_tests::{Frame, Received};

use crate::attack::{
    Attack, Attacker, End, counter, end, next_error, publication, request, status,
};

const TARGET: &str = r#"{"package":"attack","page":"amplified"}"#;

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::any(
        "a publication without the right",
        |attacker| {
            let mut wire = attacker.open();
            wire.send_text(&publication(TARGET));
            end(&mut wire)
        },
        &[End::Close(1008)],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::any(
        "a publication without the right, in a v1 session",
        |attacker| {
            let mut wire = attacker.open_v1();
            wire.send_text(&publication(TARGET));
            next_error(&mut wire)
        },
        &[End::Error("forbidden")],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::request(
        "a publication without the right, by HTTP",
        || request("", &publication(TARGET)),
        &[End::Status(403)],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::request(
        "a body of which nobody hears, without the right",
        // It is refused from the head alone, before there is anything to keep.
        || {
            b"POST /notifications HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
              Content-Length: 60000\r\n\r\n"
                .to_vec()
        },
        &[End::Status(403)],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::any(
        "one publication to many, without the right",
        amplified,
        &[End::Error("forbidden")],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::any(
        "publications without the right, without end",
        |attacker| {
            let mut wire = attacker.open_v1();
            let news = Frame::text(publication(TARGET)).masked();
            wire.try_send(&news.repeat(1_000));
            end(&mut wire)
        },
        &[End::Close(1008)],
    )
    .afar()
    .reaches(&["messages"])
    .counted(counter::FORBIDDEN),
    Attack::request(
        "an address in X-Forwarded-For that may publish",
        || {
            request(
                "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: ::1\r\n",
                &publication(TARGET),
            )
        },
        &[End::Status(403)],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::request(
        "an address in Forwarded that may publish",
        || {
            request(
                "Forwarded: for=127.0.0.1;by=127.0.0.1\r\n",
                &publication(TARGET),
            )
        },
        &[End::Status(403)],
    )
    .afar()
    .counted(counter::FORBIDDEN),
    Attack::request(
        "a PROXY header that nobody asked for",
        || {
            let proxy = b"PROXY TCP4 127.0.0.1 127.0.0.1 50000 8000\r\n".as_slice();
            [proxy, &request("", &publication(TARGET))].concat()
        },
        &[End::Status(400)],
    )
    .counted(counter::REFUSED),
    Attack::request(
        "a PROXY header in binary that nobody asked for",
        || {
            let proxy =
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\xc3\x50\x1f\x40";
            [proxy.as_slice(), &request("", &publication(TARGET))].concat()
        },
        &[End::Status(400)],
    )
    .counted(counter::REFUSED),
    Attack::request(
        "a publication from a web page on the daemon's machine",
        || request("Origin: http://localhost:3000\r\n", &publication(TARGET)),
        &[End::Status(403)],
    )
    .beside()
    .counted(counter::HTTP_ERRORS),
    Attack::any(
        "a form that a web page sends on the daemon's machine",
        |attacker| {
            let mut wire = attacker.connect();
            let bytes = request("", &publication(TARGET));
            let text = String::from_utf8(bytes).expect("UTF-8");
            wire.send(text.replace("application/json", "text/plain").as_bytes());
            status(&mut wire)
        },
        &[End::Status(415)],
    )
    .beside()
    .counted(counter::HTTP_ERRORS),
];

/// Subscribes twenty times, and publishes to all of these with one message.
fn amplified(attacker: &mut Attacker) -> End {
    let mut crowd: Vec<_> = (0..20).map(|_| attacker.open()).collect();
    for wire in &mut crowd {
        wire.subscribe(&format!("[{TARGET}]"));
    }
    let mut publisher = attacker.open_v1();
    publisher.send_text(&publication(TARGET));
    let Received::Text(answer) = publisher.receive() else {
        panic!("an answer comes");
    };
    for wire in &mut crowd {
        wire.synchronise(); // the first thing that it hears
    }
    assert!(answer.contains("\"forbidden\""), "{answer}");
    End::Error("forbidden")
}
