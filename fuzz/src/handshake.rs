//! The opening handshake: each half on any bytes, and both halves with each other.

use campanile_core::handshake::{
    BadResponse, ClientHandshake, EMPTY_HEADER, Extension, Limits, Opening, RESPONSE_BYTES, Reply,
    ServerHandshake, Status, WriteError, accept, reject,
};

use crate::script::{Script, pieces};

/// More than any head that is made here has.
const SLOTS: usize = 64;

/// More than any head that is made here is long.
const LIMITS: Limits = Limits {
    head_bytes: 16 * 1024,
};

/// The nonce of RFC 6455, section 1.3, so that inputs can hold the answer to its key.
const NONCE: [u8; 16] = *b"the sample nonce";

/// Format: a byte that chooses the question (modulo 3), then for a server's half (0) and a client's
/// (1) a byte for the number of header slots, one for the limit on the head in units of 8 bytes
/// (0: the default), a chunk of cuts, and the bytes of the peer; for both halves together (2), see
/// the code.
pub fn handshake(data: &[u8]) {
    let mut script = Script::new(data);
    match script.below(3) {
        0 => each_cut(script, server_verdict),
        1 => each_cut(script, client_verdict),
        _ => together(script),
    }
}

/// What a half makes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Partial,
    Refused(String),
    Complete { read: String, consumed: usize },
}

/// What a half makes of bytes that arrive in pieces, given the number of slots and the limits.
type Half = fn(&[&[u8]], usize, Limits) -> Verdict;

fn each_cut(mut script: Script<'_>, half: Half) {
    let slots = script.below(SLOTS);
    let limits = match script.byte() {
        0 => Limits::DEFAULT,
        units => Limits {
            head_bytes: 8 * usize::from(units),
        },
    };
    let cuts = script.chunk();
    let bytes = script.rest();
    let early = half(&[bytes], slots, limits);
    // Cuts may delay a verdict but not change it. So that there is one, the stream goes on until
    // the head ends or is too long.
    let mut stream = bytes.to_vec();
    stream.extend_from_slice(b"\r\n\r\n");
    stream.resize(stream.len().max(limits.head_bytes), b'x');
    let whole = half(&[&stream], slots, limits);
    assert_ne!(whole, Verdict::Partial);
    if early != Verdict::Partial {
        assert_eq!(early, whole, "what follows changes the verdict");
    }
    assert_eq!(
        half(&pieces(&stream, cuts), slots, limits),
        whole,
        "{cuts:?}"
    );
    let bytewise: Vec<_> = stream.chunks(1).collect();
    assert_eq!(half(&bytewise, slots, limits), whole, "byte by byte");
}

fn server_verdict(pieces: &[&[u8]], slots: usize, limits: Limits) -> Verdict {
    let mut handshake = ServerHandshake::new(limits);
    let mut received = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        let mut headers = vec![EMPTY_HEADER; slots];
        match handshake.receive(&received, &mut headers) {
            Ok(Status::Partial) => {}
            Ok(Status::Complete { value, consumed }) => {
                assert!(consumed <= received.len().min(limits.head_bytes));
                let protocols: Vec<_> = value.protocols().collect();
                let extensions: Vec<_> = value.extensions().map(describe).collect();
                for protocol in protocols.iter().copied().map(Some).chain([None]) {
                    let reply = Reply {
                        protocol,
                        extensions: None,
                    };
                    answer(|out| accept(&value, &reply, out));
                }
                let read = format!(
                    "{value:?} {} {:?} {:?} {:?} {protocols:?} {extensions:?}",
                    value.resource(),
                    value.query(),
                    value.origin(),
                    value.authorization()
                );
                return Verdict::Complete { read, consumed };
            }
            Err(refusal) => {
                let mut out = [0; RESPONSE_BYTES];
                let rejection = reject(&refusal, &mut out).expect("the buffer is large enough");
                check_rejection(rejection, refusal.status());
                return Verdict::Refused(format!("{refusal:?}"));
            }
        }
    }
    Verdict::Partial
}

fn client_verdict(pieces: &[&[u8]], slots: usize, limits: Limits) -> Verdict {
    let opening = Opening {
        protocols: &["campanile.v1", "b"],
        extensions: Some("permessage-deflate; client_max_window_bits"),
        ..Opening::new("example.com", "/")
    };
    let mut out = [0; 512];
    let (_, mut handshake) =
        ClientHandshake::start(NONCE, &opening, limits, &mut out).expect("all of it is valid");
    let mut received = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        let mut headers = vec![EMPTY_HEADER; slots];
        match handshake.receive(&opening, &received, &mut headers) {
            Ok(Status::Partial) => {}
            Ok(Status::Complete { value, consumed }) => {
                assert!(consumed <= received.len().min(limits.head_bytes));
                let extensions: Vec<_> = value.extensions().map(describe).collect();
                let read = format!("{:?} {extensions:?}", value.protocol());
                return Verdict::Complete { read, consumed };
            }
            Err(refusal) => return Verdict::Refused(format!("{refusal:?} {refusal}")),
        }
    }
    Verdict::Partial
}

/// A client is told with valid HTTP that it was refused, and why.
fn check_rejection(rejection: &[u8], status: u16) {
    let opening = Opening::new("example.com", "/");
    let mut out = [0; 512];
    let (_, mut client) =
        ClientHandshake::start(NONCE, &opening, LIMITS, &mut out).expect("all of it is valid");
    let mut headers = [EMPTY_HEADER; SLOTS];
    match client.receive(&opening, rejection, &mut headers) {
        Err(BadResponse::Status(told)) => assert_eq!(told, status),
        Err(BadResponse::UpgradeRequired { versions }) => {
            assert_eq!((status, versions), (426, Some("13")));
        }
        other => panic!("a client makes {other:?} of the rejection"),
    }
}

/// Whatever a client is allowed to ask for, a server understands as it was meant, and its answer
/// opens the connection.
fn together(mut script: Script<'_>) {
    let nonce = script.array();
    let (host, path) = (text(&mut script), text(&mut script));
    let host = Some(host.as_str()).filter(|host| !host.is_empty());
    let host = host.unwrap_or("example.com");
    let path = format!("/{path}");
    let origin = text(&mut script);
    let protocols: Vec<String> = (0..script.below(4)).map(|_| text(&mut script)).collect();
    let protocols: Vec<&str> = protocols.iter().map(String::as_str).collect();
    let extensions = text(&mut script);
    let (value, name) = (text(&mut script), text(&mut script));
    let headers = [(name.as_str(), value.as_str())];
    let opening = Opening {
        host,
        path: &path,
        origin: (!origin.is_empty()).then_some(&origin),
        protocols: &protocols,
        extensions: (!extensions.is_empty()).then_some(&extensions),
        headers: if name.is_empty() { &[] } else { &headers },
    };
    let mut out = vec![0; LIMITS.head_bytes];
    let (request, mut client) = match ClientHandshake::start(nonce, &opening, LIMITS, &mut out) {
        Ok(started) => started,
        Err(error) => {
            assert!(matches!(error, WriteError::Invalid(_)), "{error:?}");
            return;
        }
    };

    let mut slots = [EMPTY_HEADER; SLOTS];
    let mut server = ServerHandshake::new(LIMITS);
    let asked = match server.receive(request, &mut slots) {
        Ok(Status::Complete { value, consumed }) => {
            assert_eq!(consumed, request.len());
            value
        }
        other => panic!("a server makes {other:?} of {}", request.escape_ascii()),
    };
    assert_eq!((asked.host(), asked.resource()), (host, path.as_str()));
    assert_eq!(asked.origin(), opening.origin);
    let offered: Vec<_> = asked.protocols().map(|name| name.as_str()).collect();
    assert_eq!(offered, protocols);
    if !name.is_empty() {
        let told: Vec<_> = asked.header(&name).collect();
        let value = value.trim_matches([' ', '\t']).as_bytes();
        assert!(told.contains(&value), "{name}: {told:?}");
    }

    let chosen = asked.protocols().nth(script.below(4));
    let reply = Reply {
        protocol: chosen,
        // What was offered may be the answer, as far as this layer is concerned.
        extensions: opening.extensions,
    };
    let response = answer(|out| accept(&asked, &reply, out));
    let mut slots = [EMPTY_HEADER; SLOTS];
    match client.receive(&opening, &response, &mut slots) {
        Ok(Status::Complete { value, consumed }) => {
            assert_eq!(consumed, response.len());
            assert_eq!(value.protocol(), chosen.map(|name| name.as_str()));
            let agreed: Vec<_> = value.extensions().map(describe).collect();
            let offered: Vec<_> = asked.extensions().map(describe).collect();
            assert_eq!(agreed, offered);
        }
        other => panic!("a client makes {other:?} of the answer"),
    };
}

/// Runs `write` with just the room that it says it needs.
fn answer(write: impl Fn(&mut [u8]) -> Result<&[u8], WriteError>) -> Vec<u8> {
    match write(&mut []) {
        Err(WriteError::BufferTooSmall { needed }) => {
            let mut out = vec![0; needed];
            let len = write(&mut out).map(<[u8]>::len);
            assert_eq!(len, Ok(needed));
            out
        }
        other => panic!("{other:?} without any room"),
    }
}

fn describe(extension: Extension<'_>) -> String {
    let parameters = extension.parameters().map(|parameter| {
        let value = parameter.value().map(|value| value.to_string());
        format!("{}={value:?}", parameter.name())
    });
    format!("{}{:?}", extension.name(), parameters.collect::<Vec<_>>())
}

fn text(script: &mut Script<'_>) -> String {
    String::from_utf8_lossy(script.chunk()).into_owned()
}
