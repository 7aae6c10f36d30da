//! A connection and the places where its bytes are cut.

use campanile_core::{
    Instant,
    conn::{Client, Config, Connection, Event, Input, MAX_LEFTOVER, Role, Server, State, Transmit},
    wire::{FrameHead, Kind, MAX_CONTROL, OpCode, apply_mask},
};

use crate::{
    buffered,
    script::{Script, pieces},
};

/// Any moment does: time stands still here.
pub(crate) const NOW: Instant = Instant::from_millis(1);

/// Format: a byte of switches (1: a client's end, 2: frames are made from what follows, 4: the
/// bytes end), a byte each for the largest message, the most fragments and the burst of control
/// frames, a chunk of cuts, then the bytes of the peer. Frames are made of a byte each (the final
/// bit, three without a meaning, the opcode) and a chunk of payload.
pub fn receive_split(data: &[u8]) {
    let mut script = Script::new(data);
    let switches = script.byte();
    let (is_client, are_frames) = (switches & 1 != 0, switches & 2 != 0);
    let config = Config {
        max_message: u64::from(script.byte()),
        max_fragments: u32::from(script.byte()),
        control_burst: u16::from(script.byte()),
        ..Config::new()
    };
    let cuts = script.chunk();
    let bytes = if are_frames {
        frames(&mut script, !is_client)
    } else {
        script.rest().to_vec()
    };
    let client = || {
        let mut next = 0_u32;
        Client(move || {
            next = next.wrapping_add(0x9E37_79B9);
            next.to_be_bytes()
        })
    };
    let run = |pieces: &[&[u8]]| {
        let ends = switches & 4 != 0;
        if is_client {
            run(Connection::new(client(), &config, NOW), pieces, ends)
        } else {
            run(Connection::new(Server, &config, NOW), pieces, ends)
        }
    };
    let whole = run(&[&bytes]);
    assert_eq!(
        run(&bytes.chunks(1).collect::<Vec<_>>()),
        whole,
        "byte by byte"
    );
    let pieces = pieces(&bytes, cuts);
    assert_eq!(run(&pieces), whole, "cut at {cuts:?}");
    if is_client {
        buffered::agrees_with(&whole, client(), &config, &pieces);
    } else {
        buffered::agrees_with(&whole, Server, &config, &pieces);
    }
}

/// Frames that are right but for their order, their opcodes and what the limits say.
fn frames(script: &mut Script<'_>, masked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !script.is_empty() {
        let first = script.byte();
        let payload = script.chunk();
        let opcode = OpCode::from_bits(first & 0x0F).unwrap_or(OpCode::Text);
        let mask = masked.then_some([first, 0x55, 0, 0xFF]);
        let head = FrameHead {
            fin: first & 0x80 != 0,
            opcode,
            mask,
            payload_len: payload.len() as u64,
        };
        bytes.extend_from_slice(head.encode().as_bytes());
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        if let Some(key) = mask {
            let _ = apply_mask(key, &mut bytes[start..]);
        }
    }
    bytes
}

/// Everything that can be noticed of a connection from outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Seen>,
    pub(crate) sent: Vec<Told>,
    state: State,
    cause: String,
}

/// An event; pieces of a message that come one after the other are run together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Data {
        kind: Kind,
        bytes: Vec<u8>,
        first: bool,
        last: bool,
    },
    Other(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Bytes(Vec<u8>),
    ShutdownWrite,
    Disconnect,
}

fn run<R: Role>(mut connection: Connection<R>, pieces: &[&[u8]], ends: bool) -> Outcome {
    let mut events = Vec::new();
    let mut sent = Vec::new();
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut input = Input::new(&mut kept);
        loop {
            match connection.receive(&mut input, NOW) {
                Ok(Some(event)) => see(event, &mut events),
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(connection.state(), State::Draining);
                    events.push(Seen::Other(format!("{violation:?}")));
                    break;
                }
            }
            drain(&mut connection, &mut input, &mut sent);
        }
        drain(&mut connection, &mut input, &mut sent);
        kept = input.rest().to_vec();
        assert!(kept.len() <= MAX_LEFTOVER, "{} bytes left over", kept.len());
    }
    if ends {
        connection.receive_eof(NOW);
        drain(&mut connection, &mut Input::default(), &mut sent);
    }
    Outcome {
        events,
        sent,
        state: connection.state(),
        cause: format!("{:?}", connection.closed_by()),
    }
}

pub(crate) fn see(event: Event<'_>, events: &mut Vec<Seen>) {
    let Event::Data(data) = event else {
        events.push(Seen::Other(format!("{event:?}")));
        return;
    };
    if !data.first
        && let Some(Seen::Data { bytes, last, .. }) = events.last_mut()
        && !*last
    {
        bytes.extend_from_slice(data.bytes);
        *last = data.last;
        return;
    }
    events.push(Seen::Data {
        kind: data.kind,
        bytes: data.bytes.to_vec(),
        first: data.first,
        last: data.last,
    });
}

fn drain<R: Role>(connection: &mut Connection<R>, input: &mut Input<'_>, sent: &mut Vec<Told>) {
    let mut out = [0; MAX_CONTROL];
    while let Some(transmit) = connection.poll_transmit(input, &mut out) {
        sent.push(match transmit {
            Transmit::Bytes(bytes) => Told::Bytes(bytes.to_vec()),
            Transmit::ShutdownWrite => Told::ShutdownWrite,
            Transmit::Disconnect => Told::Disconnect,
        });
    }
}
