//! What is heard of a stream.

use campanile_core::{
    Instant,
    conn::{Client, Connection, Event, Input, Role, Server, Violation},
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

/// What the core makes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// What was heard, and how it ended.
    pub outcome: Outcome,
    /// The rule that was broken.
    pub violation: Option<Violation>,
    /// How many bytes had come when it ended.
    pub bytes: usize,
}

/// What the core makes of a stream that comes in its pieces.
#[must_use]
pub fn ours(stream: &Stream) -> Ours {
    if stream.is_server {
        run(Server, stream)
    } else {
        // Nothing that is sent is looked at.
        run(Client(|| [0; 4]), stream)
    }
}

fn run<R: Role>(role: R, stream: &Stream) -> Ours {
    let mut connection = Connection::new(role, &stream.config, Instant::ZERO);
    let mut heard = Vec::new();
    let mut message = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    let mut lens = stream.pieces.iter().cycle();
    let mut bytes = 0;
    let (end, violation) = 'stream: loop {
        let rest = &stream.bytes[bytes..];
        if rest.is_empty() {
            break (End::Open, None);
        }
        let len = lens.next().map_or(rest.len(), |len| (*len).min(rest.len()));
        bytes += len;
        kept.extend_from_slice(&rest[..len]);
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
                    break 'stream (End::Closed(close.map(|close| close.code.get())), None);
                }
                Ok(Some(event)) => unreachable!("an event of a new kind: {event:?}"),
                Err(violation) => {
                    let end = End::Failed(violation.close_code().get());
                    break 'stream (end, Some(violation));
                }
            }
        }
        let consumed = input.consumed();
        drop(kept.drain(..consumed));
    };
    Ours {
        outcome: Outcome { heard, end },
        violation,
        bytes,
    }
}
