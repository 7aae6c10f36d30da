//! However a transport cuts, delays and interrupts, what comes out is the same.

mod on_smol;
mod on_std;

use campanile_core::{
    Instant,
    conn::{Assembler, CloseCause, Config, Connection, Event, Input, Role, Transmit},
    wire::{MAX_CONTROL, MAX_HEAD, OpCode},
};
use proptest::prelude::*;

use crate::support::frame;

/// No pings, no rates: time plays no part.
const TIMELESS: Config = Config {
    max_message: 1 << 20,
    max_fragments: 1 << 16,
    control_rate: 0,
    ping_interval: None,
    ..Config::new()
};

/// An echo without a stream: all bytes at once, straight into the core.
fn oracle<R: Role>(role: R, mut bytes: Vec<u8>) -> (Vec<u8>, Option<CloseCause>) {
    let mut conn = Connection::new(role, &TIMELESS, Instant::ZERO);
    let mut assembler = Assembler::new(Vec::new());
    let mut said = Vec::new();
    let mut input = Input::new(&mut bytes);
    let transmit = |conn: &mut Connection<R>, input: &mut Input<'_>, said: &mut Vec<u8>| {
        let mut scratch = [0; MAX_CONTROL];
        while let Some(transmit) = conn.poll_transmit(input, &mut scratch) {
            if let Transmit::Bytes(bytes) = transmit {
                said.extend_from_slice(bytes);
            }
        }
    };
    while let Ok(Some(event)) = conn.receive(&mut input, Instant::ZERO) {
        if let Event::Data(data) = event
            && let Some(message) = assembler.push(data).unwrap()
        {
            let mut out = vec![0; MAX_HEAD + message.bytes.len()];
            let frame = conn.encode(message.kind, message.bytes, true, &mut out);
            said.extend_from_slice(frame.unwrap());
        }
        transmit(&mut conn, &mut input, &mut said);
    }
    transmit(&mut conn, &mut input, &mut said);
    conn.receive_eof(Instant::ZERO);
    transmit(&mut conn, &mut input, &mut said);
    (said, conn.closed_by())
}

/// What a transport does at one call after the other, again and again: `pass` of so many bytes, or one of
/// the `hindrances`.
fn turns<T: Clone + core::fmt::Debug + 'static>(
    pass: fn(usize) -> T,
    hindrances: Vec<T>,
) -> impl Strategy<Value = Vec<T>> {
    let turn = prop_oneof![
        4 => (1_usize..30).prop_map(pass),
        1 => Just(pass(usize::MAX)),
        2 => prop::sample::select(hindrances),
    ];
    // At least one that gets on.
    (prop::collection::vec(turn, 0..12), 1_usize..2000).prop_map(move |(mut turns, last)| {
        turns.push(pass(last));
        turns
    })
}

/// Frames of a peer that masks or not, most of them in an order that is allowed, some bytes of them
/// spoiled.
fn traffic(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "[a-zé€😀]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..125),
        (100_usize..70_000).prop_map(|len| vec![b'x'; len]),
    ];
    let frames = (0_u8..10, any::<bool>(), any::<[u8; 4]>(), payload);
    let spoiled = prop::option::weighted(0.2, (any::<prop::sample::Index>(), 1_u8..));
    (prop::collection::vec(frames, 0..12), spoiled).prop_map(move |(frames, spoiled)| {
        let mut bytes = Vec::new();
        let mut open = false;
        for (what, fin, mask, mut payload) in frames {
            let (opcode, fin) = match what {
                0 => (OpCode::Ping, true),
                1 => (OpCode::Pong, true),
                2 if payload.len() % 5 == 0 => (OpCode::Close, true),
                _ if open => (OpCode::Continuation, fin),
                3..=5 if payload.is_ascii() => (OpCode::Text, fin),
                _ => (OpCode::Binary, fin),
            };
            if opcode.is_control() {
                payload.truncate(125);
            } else {
                open = !fin;
            }
            bytes.extend(frame(opcode, fin, masked.then_some(mask), &payload));
        }
        if let Some((index, bits)) = spoiled
            && !bytes.is_empty()
        {
            let at = index.index(bytes.len());
            bytes[at] ^= bits;
        }
        bytes
    })
}
