//! Frames that are none, texts that are none, and what is larger than it may be.

use campanile_tests::Frame;

use crate::attack::{Attack, End, counter};

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::frames(
        "a frame that is not masked",
        |_| Frame::text("{}").unmasked(),
        &[End::Close(1002)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "a frame with a reserved opcode",
        |random| Frame::new(0x3 + random.number().to_be_bytes()[0] % 5, "").masked(),
        &[End::Close(1002)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "a frame that claims to be compressed where nothing was agreed on",
        |_| {
            let mut frame = Frame::text([0x00]);
            frame.rsv = 4;
            frame.masked()
        },
        &[End::Close(1002)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "a Ping of 64 KiB",
        |_| Frame::ping([0; 65_536]).masked(),
        &[End::Close(1002)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "a message that announces the most that a head can say",
        |_| {
            let mut head = vec![0x81, 0xff];
            head.extend(i64::MAX.to_be_bytes());
            head.extend([1, 2, 3, 4]);
            head
        },
        &[End::Close(1009)],
    )
    .reaches(&["bytes of a message"])
    .counted(counter::MESSAGE_SIZE),
    Attack::frames(
        "a message that grows by fragments",
        |_| {
            let first = Frame::text(" ".repeat(1_000)).unfinished().masked();
            let next = Frame::continuation(" ".repeat(1_000)).unfinished().masked();
            [first, next.repeat(70)].concat()
        },
        &[End::Close(1009)],
    )
    .reaches(&["bytes of a message"])
    .counted(counter::MESSAGE_SIZE),
    Attack::frames(
        "text that is not UTF-8, in a message without an end",
        |random| {
            // Never used in UTF-8 (RFC 3629 section 1).
            let never = 0xf8 + random.number().to_be_bytes()[0] % 8;
            Frame::text([b' ', never]).unfinished().masked()
        },
        &[End::Close(1007)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "a slash in two bytes, over two fragments",
        |_| {
            let first = Frame::text([0xc0]).unfinished().masked();
            [first, Frame::continuation([0xaf]).masked()].concat()
        },
        &[End::Close(1007)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "half a surrogate pair",
        |_| Frame::text([b'"', 0xed, 0xa0, 0x80, b'"']).masked(),
        &[End::Close(1007)],
    )
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "a binary message",
        |random| Frame::binary(random.bytes(1_000)).masked(),
        &[End::Close(1003)],
    ),
    Attack::request(
        "a head of nothing but one header field",
        || {
            [
                b"GET / HTTP/1.1\r\nHost: h\r\nA: ".as_slice(),
                &[b'a'; 9_000],
            ]
            .concat()
        },
        &[End::Status(431)],
    )
    .reaches(&["head of the request"])
    .counted(counter::REFUSED),
    Attack::request(
        "hundreds of header fields",
        || {
            format!(
                "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
                "A: b\r\n".repeat(300)
            )
            .into_bytes()
        },
        &[End::Status(431)],
    )
    .reaches(&["head of the request"])
    .counted(counter::REFUSED),
    Attack::request(
        "a path of 9,000 bytes",
        || format!("GET /{} HTTP/1.1\r\n", "a".repeat(9_000)).into_bytes(),
        &[End::Status(431)],
    )
    .reaches(&["head of the request"])
    .counted(counter::REFUSED),
    Attack::request(
        "a thousand subprotocols",
        || {
            upgrade(&format!(
                "Sec-WebSocket-Protocol: {}a\r\n",
                "a,".repeat(1_000)
            ))
        },
        &[End::Status(400)],
    )
    .counted(counter::REFUSED),
    Attack::request(
        "a thousand extensions without a name",
        || {
            upgrade(&format!(
                "Sec-WebSocket-Extensions: {};\r\n",
                "a;".repeat(1_000)
            ))
        },
        &[End::Status(400)],
    )
    .counted(counter::REFUSED),
    Attack::request(
        "TLS where there is none",
        || b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        &[End::Status(400)],
    )
    .counted(counter::REFUSED),
];

/// An opening handshake with these header fields beside the usual ones.
fn upgrade(fields: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{fields}\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}
