//! Request smuggling: requests of which two readers could disagree where they end. Each comes from who
//! may publish, and has a publication behind it that nobody may hear.

use crate::attack::{Attack, End, counter, publication, request};

/// A request of which the framing is in doubt, or too much: it is answered once, and nothing is heard of
/// what is behind.
const fn doubtful(name: &'static str, bytes: fn() -> Vec<u8>) -> Attack {
    Attack::request(name, bytes, &[End::Status(400)])
        .beside()
        .counted(counter::HTTP_ERRORS)
}

/// One that is no HTTP.
const fn malformed(name: &'static str, bytes: fn() -> Vec<u8>) -> Attack {
    Attack::request(name, bytes, &[End::Status(400)])
        .beside()
        .counted(counter::REFUSED)
}

pub(crate) static ATTACKS: &[Attack] = &[
    doubtful("a length and chunks", || {
        framed(
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        )
    }),
    doubtful("chunks and a length", || {
        framed(
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "0\r\n\r\n",
        )
    }),
    doubtful("two lengths", || {
        framed("Content-Length: 2\r\nContent-Length: 200\r\n", "{}")
    }),
    doubtful("the same length twice", || {
        framed("Content-Length: 2\r\nContent-Length: 2\r\n", "{}")
    }),
    doubtful("a list of lengths", || {
        framed("Content-Length: 2, 2\r\n", "{}")
    }),
    doubtful("a length with a sign", || {
        framed("Content-Length: +2\r\n", "{}")
    }),
    doubtful("a length below zero", || {
        framed("Content-Length: -2\r\n", "{}")
    }),
    doubtful("a hexadecimal length", || {
        framed("Content-Length: 0x2\r\n", "{}")
    }),
    doubtful("a length with a space in it", || {
        framed("Content-Length: 2 2\r\n", "{}")
    }),
    doubtful("no length in words", || {
        framed("Content-Length: \r\n", "{}")
    }),
    doubtful("chunks that are not the last coding", || {
        framed("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")
    }),
    doubtful("chunks twice", || {
        framed(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        )
    }),
    doubtful("a coding that is nearly chunked", || {
        framed("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")
    }),
    doubtful("chunked in quotation marks", || {
        framed("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")
    }),
    doubtful("identity, and a coding without a name", || {
        framed(
            "Transfer-Encoding: identity\r\nTransfer-Encoding: ;chunked\r\n",
            "0\r\n\r\n",
        )
    }),
    doubtful("chunks in HTTP/1.0", || {
        let bytes = framed("Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
        let text = String::from_utf8(bytes).expect("ASCII");
        text.replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes()
    }),
    doubtful("a chunk of 17 digits", || {
        chunks("10000000000000002\r\n{}\r\n0\r\n\r\n")
    }),
    doubtful("a chunk with a sign", || chunks("+2\r\n{}\r\n0\r\n\r\n")),
    doubtful("a chunk size as C writes it", || {
        chunks("0x2\r\n{}\r\n0\r\n\r\n")
    }),
    doubtful("a chunk size behind a space", || {
        chunks(" 2\r\n{}\r\n0\r\n\r\n")
    }),
    doubtful("a chunk that is longer than it says", || {
        chunks("1\r\n{}\r\n0\r\n\r\n")
    }),
    doubtful("a chunk size that ends in a line feed", || {
        chunks("2\n{}\r\n0\r\n\r\n")
    }),
    doubtful("a line feed in an extension of a chunk", || {
        chunks("2;a=b\nc\r\n{}\r\n0\r\n\r\n")
    }),
    doubtful("extensions of chunks without end", || {
        chunks(&format!("2;{}\r\n", "a;".repeat(2_000)))
    })
    .reaches(&["beside the content of a chunked body"]),
    doubtful("trailer fields without end", || {
        chunks(&format!("0\r\n{}", "A: b\r\n".repeat(500)))
    })
    .reaches(&["beside the content of a chunked body"]),
    doubtful("a body of a GET", || {
        b"GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}".to_vec()
    }),
    malformed("a body of an opening handshake", || {
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Content-Length: 2\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Version: 13\r\n\r\n{}"
            .to_vec()
    }),
    malformed("a folded line", || {
        framed("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")
    }),
    malformed("lines that end in a line feed", || {
        b"POST /notifications HTTP/1.1\nHost: h\nContent-Length: 2\n\n{}".to_vec()
    }),
    malformed("a line that ends in a line feed", || {
        framed("A: b\nContent-Length: 2\r\n", "{}")
    }),
    malformed("a carriage return in a value", || {
        framed("A: b\rContent-Length: 2\r\n", "{}")
    }),
    malformed("a zero byte in a value", || {
        framed("A: b\0c\r\nContent-Length: 2\r\n", "{}")
    }),
    malformed("a zero byte in a name", || {
        framed("Content-Length\0: 2\r\n", "{}")
    }),
    malformed("a space before a colon", || {
        framed("Content-Length : 2\r\n", "{}")
    }),
    malformed("a line that begins with a colon", || {
        framed(": b\r\nContent-Length: 2\r\n", "{}")
    }),
    malformed("a field without a colon", || {
        framed("Content-Length 2\r\n", "{}")
    }),
    Attack::request(
        "a batch of too many",
        || {
            let nobody = publication(r#"{"package":"attack","page":"nobody"}"#);
            request("", &format!("[{}]", vec![nobody; 129].join(",")))
        },
        &[End::Status(413)],
    )
    .beside()
    .reaches(&["body of an HTTP request"])
    .counted(counter::HTTP_ERRORS),
    Attack::request(
        "a body that is longer than any",
        || framed("Content-Length: 99999999999999999999\r\n", ""),
        &[End::Status(413), End::Status(400)],
    )
    .beside()
    .reaches(&["body of an HTTP request"])
    .counted(counter::HTTP_ERRORS),
    Attack::request(
        "a compressed body",
        || request("Content-Encoding: gzip\r\n", "{}"),
        &[End::Status(415)],
    )
    .beside()
    .counted(counter::HTTP_ERRORS),
];

/// A request to publish with these fields to frame it.
fn framed(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /notifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\
         \r\n{body}"
    )
    .into_bytes()
}

/// One with these chunks.
fn chunks(body: &str) -> Vec<u8> {
    framed("Transfer-Encoding: chunked\r\n", body)
}
