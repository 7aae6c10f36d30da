//! Tests of the opening handshake, and what they share: heads to vary, and verdicts to compare.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

mod client;
mod digest;
mod extensions;
mod hostile;
mod http;
mod reply;
mod server;
mod together;

/// A head under construction.
#[derive(Clone, Debug)]
struct Head {
    line: String,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The request of RFC 6455, section 1.2, without what is optional in it.
    fn request() -> Self {
        Self::new("GET /chat HTTP/1.1")
            .with("Host", "server.example.com")
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .with("Sec-WebSocket-Version", "13")
    }

    /// The response of RFC 6455, section 1.2, which answers that request.
    fn response() -> Self {
        Self::new("HTTP/1.1 101 Switching Protocols")
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    fn new(line: &str) -> Self {
        let line = line.to_string();
        let fields = vec![];
        Self { line, fields }
    }

    fn line(mut self, line: &str) -> Self {
        self.line = line.to_string();
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_string(), value.to_string()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        let before = self.fields.len();
        self.fields.retain(|(other, _)| other != name);
        assert!(
            self.fields.len() < before,
            "there is no {name} to leave out"
        );
        self
    }

    fn instead(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// A verdict that outlives the buffers: `None` as long as there is none, otherwise what was seen or
/// what is wrong.
type Verdict = Option<Result<String, String>>;

/// What a server makes of `bytes` when they arrive in the pieces that end at `cuts`.
fn serve_in_pieces(bytes: &[u8], cuts: &[usize], limits: Limits) -> Verdict {
    let mut handshake = ServerHandshake::new(limits);
    in_pieces(bytes, cuts, |received| {
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        match handshake.receive(received, &mut headers) {
            Ok(Status::Partial) => None,
            Ok(Status::Complete { value, consumed }) => {
                let protocols: Vec<_> = value.protocols().collect();
                let extensions = describe(value.extensions());
                Some(Ok(format!(
                    "{value:?} {} {:?} {protocols:?} {extensions:?} {:?} {consumed}",
                    value.resource(),
                    value.origin(),
                    value.authorization(),
                )))
            }
            Err(refusal) => Some(Err(format!("{refusal:?}"))),
        }
    })
}

/// What a server makes of `bytes` which arrive at once.
fn serve(bytes: &[u8]) -> Verdict {
    serve_in_pieces(bytes, &[], Limits::DEFAULT)
}

/// Calls `check` with the request that `head` is.
#[track_caller]
fn with_request<T>(head: &Head, check: impl FnOnce(Request<'_, '_>) -> T) -> T {
    let bytes = head.bytes();
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let received = ServerHandshake::new(Limits::DEFAULT).receive(&bytes, &mut headers);
    let Ok(Status::Complete { value, consumed }) = received else {
        panic!("{received:?} for {head:?}");
    };
    assert_eq!(consumed, bytes.len());
    check(value)
}

/// What a client with the nonce of RFC 6455, section 1.2 makes of `bytes`.
fn answer_in_pieces(
    opening: &Opening<'_>,
    bytes: &[u8],
    cuts: &[usize],
    limits: Limits,
) -> Verdict {
    let mut out = [0; 8 * 1024];
    let (_, mut handshake) =
        ClientHandshake::start(*b"the sample nonce", opening, limits, &mut out).unwrap();
    in_pieces(bytes, cuts, |received| {
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        match handshake.receive(opening, received, &mut headers) {
            Ok(Status::Partial) => None,
            Ok(Status::Complete { value, consumed }) => {
                let extensions = describe(value.extensions());
                Some(Ok(format!("{value:?} {extensions:?} {consumed}")))
            }
            Err(refusal) => Some(Err(format!("{refusal:?}"))),
        }
    })
}

/// Shows a receiver ever more of `bytes`, up to each cut and at last everything, until it gives a
/// verdict; and then once more, because a verdict does not change.
fn in_pieces(bytes: &[u8], cuts: &[usize], mut receive: impl FnMut(&[u8]) -> Verdict) -> Verdict {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| (*cut).min(bytes.len())).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    for end in ends {
        let verdict = receive(&bytes[..end]);
        if verdict.is_some() {
            assert_eq!(receive(&bytes[..end]), verdict, "asked twice");
            return verdict;
        }
    }
    None
}

/// Extensions, each with its parameters.
type Described = Vec<(String, Vec<(String, Option<String>)>)>;

/// Extensions by what they stand for, however they were written.
fn describe<'b>(extensions: impl Iterator<Item = Extension<'b>>) -> Described {
    extensions
        .map(|extension| {
            let parameters = extension.parameters().map(|parameter| {
                let value = parameter.value().map(|value| value.to_string());
                (parameter.name().to_string(), value)
            });
            (extension.name().to_string(), parameters.collect())
        })
        .collect()
}

fn every_byte(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..6)
}

fn at(cuts: &[Index], bytes: &[u8]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect()
}
