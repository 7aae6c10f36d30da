//! What is heard of a stream.

use campanile_core::{
    Instant,
    conn::{Client, Config, Connection, Event, Input, Role, Server, Violation},
    wire::Kind,
};

use crate::Stream;

/// What an implementation makes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was heard before the end.
    pub heard: Vec<Heard>,
    /// How it ended.
    pub end: End,
}

/// A whole message, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A text or binary message.
    Message(Kind, Vec<u8>),
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It does not: more may come.
    Open,
    /// With a Close frame of the peer's, and this code if it has one.
    Closed(Option<u16>),
    /// With a broken rule, and this close code.
    Failed(u16),
}

/// What the core makes of a stream that comes in its pieces, and the rule that was broken.
#[must_use]
pub fn ours(stream: &Stream) -> (Outcome, Option<Violation>) {
    if stream.is_server {
        run(Server, &stream.config, stream)
    } else {
        // Nothing that is sent is looked at.
        run(Client(|| [0; 4]), &stream.config, stream)
    }
}

fn run<R: Role>(role: R, config: &Config, stream: &Stream) -> (Outcome, Option<Violation>) {
    let mut connection = Connection::new(role, config, Instant::ZERO);
    let mut heard = Vec::new();
    let mut message = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    let mut lens = stream.pieces.iter().cycle();
    let mut rest = &stream.bytes[..];
    while !rest.is_empty() {
        let len = lens.next().map_or(rest.len(), |len| (*len).min(rest.len()));
        let (piece, after) = rest.split_at(len);
        rest = after;
        kept.extend_from_slice(piece);
        let mut input = Input::new(&mut kept);
        loop {
            match connection.receive(&mut input, Instant::ZERO) {
                Ok(None) => break,
                Ok(Some(Event::Data(data))) => {
                    message.extend_from_slice(data.bytes);
                    if data.last {
                        let message = core::mem::take(&mut message);
                        heard.push(Heard::Message(data.kind, message));
                    }
                }
                Ok(Some(Event::Ping(payload))) => heard.push(Heard::Ping(payload.to_vec())),
                Ok(Some(Event::Pong(payload))) => heard.push(Heard::Pong(payload.to_vec())),
                Ok(Some(Event::Close(close))) => {
                    let end = End::Closed(close.map(|close| close.code.get()));
                    return (Outcome { heard, end }, None);
                }
                Ok(Some(event)) => unreachable!("an event of a new kind: {event:?}"),
                Err(violation) => {
                    let end = End::Failed(violation.close_code().get());
                    return (Outcome { heard, end }, Some(violation));
                }
            }
        }
        let consumed = input.consumed();
        drop(kept.drain(..consumed));
    }
    let end = End::Open;
    (Outcome { heard, end }, None)
}
