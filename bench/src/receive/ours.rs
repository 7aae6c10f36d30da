//! Our ways from bytes to messages, and the floor under everyone's.

use std::io::Read;

use campanile_core::{
    Instant,
    conn::{Buffered, Config, Connection, Event, Input, MAX_LEFTOVER, Server},
    wire::{Kind, MAX_CONTROL},
};
use campanile_std::Stream;

use super::BUFFER;
use crate::{Sink, Traffic, mask_into};

/// Limits play no part.
const LIMITS: Config = Config {
    max_message: u64::MAX,
    ping_interval: None,
    ..Config::new()
};

/// The core as its contract wants to be driven, chunks handed out as they come.
pub(super) fn core_chunks<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let mut stream = traffic.stream(piece);
    let mut connection = Connection::new(Server, &LIMITS, Instant::ZERO);
    let mut buffer = vec![0; BUFFER + MAX_LEFTOVER];
    let mut scratch = [0; MAX_CONTROL];
    let mut left = 0;
    loop {
        let count = stream.read(&mut buffer[left..]).expect("it is in memory");
        if count == 0 {
            break;
        }
        let filled = left + count;
        let mut input = Input::new(&mut buffer[..filled]);
        while let Some(event) = connection
            .receive(&mut input, Instant::ZERO)
            .expect("the traffic is valid")
        {
            if let Event::Data(data) = event {
                sink.take(data.bytes, data.last);
            }
            assert!(connection.poll_transmit(&mut input, &mut scratch).is_none());
        }
        let consumed = input.consumed();
        buffer.copy_within(consumed..filled, 0);
        left = filled - consumed;
    }
}

/// The core with its buffers, whole messages.
pub(super) fn core_messages<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let mut stream = traffic.stream(piece);
    let mut connection = Buffered::new(Server, &LIMITS, &[], Instant::ZERO);
    loop {
        let count = stream.read(connection.space()).expect("it is in memory");
        if count == 0 {
            break;
        }
        connection.received(count);
        for event in connection.messages(Instant::ZERO) {
            if let Event::Data(message) = event.expect("the traffic is valid") {
                sink.take(message.bytes, message.last);
            }
        }
    }
}

/// The blocking runtime on top of the core, whole messages.
pub(super) fn std<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let mut transport = traffic.stream(piece);
    let mut stream = Stream::new(&mut transport, Server, &LIMITS, &[]);
    while stream.fill().expect("it is in memory") {
        for event in stream.messages() {
            if let Event::Data(message) = event.expect("the traffic is valid") {
                sink.take(message.bytes, message.last);
            }
        }
    }
}

/// What nobody can save: each payload is copied once and unmasked on the way, and a text is checked.
/// Believes every head, cuts texts where it knows that it may, and knows no pieces.
pub(super) fn floor<S: Sink>(traffic: &Traffic, sink: &mut S) {
    for _ in 0..traffic.times {
        floor_once(traffic, sink);
    }
}

fn floor_once<S: Sink>(traffic: &Traffic, sink: &mut S) {
    /// Fits the first cache, as a larger buffer would not.
    const BLOCK: usize = 256 * Traffic::PERIOD;
    let mut buffer = [0; BLOCK];
    let mut rest = traffic.bytes.as_slice();
    while let [_, short, after @ ..] = rest {
        let (len, after) = match short & 0x7F {
            126 => after
                .split_first_chunk()
                .map_or((0, after), |(len, after)| {
                    (usize::from(u16::from_be_bytes(*len)), after)
                }),
            127 => after
                .split_first_chunk()
                .map_or((0, after), |(len, after)| {
                    (usize::from_be_bytes(*len), after)
                }),
            short => (usize::from(short), after),
        };
        let (key, after) = after.split_first_chunk::<4>().expect("a masking key");
        let (payload, after) = after.split_at(len);
        rest = after;
        let mut left = len;
        for block in payload.chunks(BLOCK) {
            let buffer = &mut buffer[..block.len()];
            mask_into(*key, block, buffer);
            if traffic.kind == Kind::Text {
                simdutf8::basic::from_utf8(buffer).expect("a text");
            }
            left -= block.len();
            sink.take(buffer, left == 0);
        }
    }
}
