//! The same bytes through tungstenite. Every difference belongs to a class of
//! `docs/differences.md`, and every class is met.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read, Write},
};

use campanile_core::{conn::Violation, wire::Kind};
use campanile_differential::{End, Heard, Ours, Outcome, Stream, documented, ours, streams};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig, frame::coding::CloseCode},
};

/// Zeroes that bring every frame to its end which is not beyond the limits.
const FILL: usize = 70_000;

/// A difference between what we make of a stream and what tungstenite makes of it.
struct Difference<'a> {
    stream: &'a Stream,
    violation: Option<Violation>,
    ours: &'a Outcome,
    theirs: &'a Outcome,
}

/// Whether a difference belongs to a class.
type Belongs = fn(&Difference<'_>) -> bool;

/// The classes by the names in the document, each with what belongs to it.
const CLASSES: [(&str, Belongs); 8] = [
    ("longer length", |it| match it.violation {
        Some(Violation::NonMinimalLength) => it.they_go_on(),
        // A control frame whose length is short but written long is one that they hear.
        Some(Violation::OversizedControl) => {
            let filled = theirs(&it.filled());
            let more = filled.heard.strip_prefix(&it.ours.heard[..]);
            let more = more.and_then(<[Heard]>::first);
            matches!(more, Some(Heard::Ping(_) | Heard::Pong(_)))
                || (it.same_heard() && matches!(filled.end, End::Closed(_)))
        }
        _ => false,
    }),
    ("length beyond all limits", |it| {
        it.violation == Some(Violation::LengthTooLarge)
            && it.same_heard()
            && theirs(&it.filled()).end == End::Failed(1009)
    }),
    ("later verdict", |it| {
        // Judged when the frame is whole, and then with the same code.
        it.same_heard()
            && it.violation.is_some()
            && it.theirs.end == End::Open
            && theirs(&it.filled()) == *it.ours
    }),
    ("limit before rule", |it| {
        let of_head = matches!(
            it.violation,
            Some(
                Violation::ReservedBits
                    | Violation::FragmentedControl
                    | Violation::OversizedControl
                    | Violation::Unmasked
                    | Violation::Masked
                    | Violation::UnexpectedContinuation
                    | Violation::InterleavedMessage
            )
        );
        of_head && it.same_heard() && theirs(&it.filled()).end == End::Failed(1009)
    }),
    ("fragments without bound", |it| {
        it.violation == Some(Violation::TooManyFragments) && it.they_go_on()
    }),
    ("control frames without bound", |it| {
        it.violation == Some(Violation::ControlFlood) && it.they_go_on()
    }),
    ("close code 1014", |it| {
        it.same_heard()
            && (it.ours.end, it.theirs.end) == (End::Closed(Some(1014)), End::Failed(1002))
    }),
    ("close reason before code", |it| {
        it.violation == Some(Violation::InvalidCloseCode)
            && it.same_heard()
            && it.theirs.end == End::Failed(1007)
    }),
];

impl Difference<'_> {
    fn same_heard(&self) -> bool {
        self.ours.heard == self.theirs.heard
    }

    /// Where we fail the connection, they hear the same and then something else.
    fn they_go_on(&self) -> bool {
        self.theirs.heard.starts_with(&self.ours.heard) && self.theirs != self.ours
    }

    /// The stream with zeroes behind it.
    fn filled(&self) -> Stream {
        let mut stream = self.stream.clone();
        stream.bytes.extend([0; FILL]);
        stream
    }

    fn class(&self) -> Option<&'static str> {
        let class = CLASSES.iter().find(|(_, belongs)| belongs(self));
        class.map(|(name, _)| *name)
    }
}

#[test]
fn tungstenite_hears_the_same_but_for_the_documented_differences() {
    let mut met = BTreeMap::new();
    let (mut equal, mut unexplained) = (0, Vec::new());
    for stream in streams() {
        let Ours {
            outcome: ours,
            violation,
            ..
        } = ours(&stream);
        let theirs = theirs(&stream);
        if ours == theirs {
            equal += 1;
            continue;
        }
        let difference = Difference {
            stream: &stream,
            violation,
            ours: &ours,
            theirs: &theirs,
        };
        match difference.class() {
            Some(name) => *met.entry(name).or_insert(0) += 1,
            None => unexplained.push(format!(
                "{} ({}), {:02x?}\n    we: {ours:?}, {violation:?}\n    they: {theirs:?}",
                stream.name,
                if stream.is_server { "server" } else { "client" },
                stream.bytes,
            )),
        }
    }
    println!("{equal} streams are heard alike, and these are not: {met:?}");
    assert!(
        unexplained.is_empty(),
        "{} differences that docs/differences.md does not explain, the first of them:\n{}",
        unexplained.len(),
        unexplained[..unexplained.len().min(5)].join("\n")
    );
    for (name, _) in CLASSES {
        assert!(met.contains_key(name), "no stream differs by: {name}");
    }
}

#[test]
fn the_document_has_just_the_classes_that_are_allowed() {
    assert_eq!(documented("tungstenite"), CLASSES.map(|(name, _)| name));
}

/// What tungstenite makes of a stream that comes in its pieces.
fn theirs(stream: &Stream) -> Outcome {
    let max_message = usize::try_from(stream.config.max_message).expect("a small limit");
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_message))
        // It has no limit of its own for control frames.
        .max_frame_size(Some(max_message.max(125)));
    let role = if stream.is_server {
        Role::Server
    } else {
        Role::Client
    };
    let transport = Pieces {
        rest: &stream.bytes,
        lens: &stream.pieces,
        next: 0,
    };
    let mut socket = WebSocket::from_raw_socket(transport, role, Some(config));
    let mut heard = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                heard.push(Heard::Message(Kind::Text, text.as_bytes().to_vec()));
            }
            Ok(Message::Binary(bytes)) => heard.push(Heard::Message(Kind::Binary, bytes.to_vec())),
            Ok(Message::Ping(payload)) => heard.push(Heard::Ping(payload.to_vec())),
            Ok(Message::Pong(payload)) => heard.push(Heard::Pong(payload.to_vec())),
            Ok(Message::Close(None)) => break End::Closed(None),
            Ok(Message::Close(Some(frame))) => {
                // A code that must not be sent is told and answered as a Close frame of
                // tungstenite's own making.
                let is_verdict = frame.code == CloseCode::Protocol
                    && frame.reason.as_str() == "Protocol violation";
                break if is_verdict {
                    End::Failed(1002)
                } else {
                    End::Closed(Some(frame.code.into()))
                };
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break End::Open,
            Err(Error::Protocol(_)) => break End::Failed(1002),
            Err(Error::Utf8(_)) => break End::Failed(1007),
            Err(Error::Capacity(_)) => break End::Failed(1009),
            other => panic!("{}: {other:?}", stream.name),
        }
    };
    Outcome { heard, end }
}

/// A transport that gives bytes in pieces, then blocks; what is written is forgotten.
struct Pieces<'a> {
    rest: &'a [u8],
    lens: &'a [usize],
    next: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = self.lens[self.next % self.lens.len()];
        self.next += 1;
        let (piece, after) = self
            .rest
            .split_at(len.min(buffer.len()).min(self.rest.len()));
        buffer[..piece.len()].copy_from_slice(piece);
        self.rest = after;
        Ok(piece.len())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
