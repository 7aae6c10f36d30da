//! How fast a server takes in the masked frames of a client, from bytes to checked messages.
//!
//! `cargo run --release -p campanile-bench --bin receive -- [--quick]` prints a table. Times are
//! per message, GB count payload. The *floor* is what nobody can save: each payload copied once,
//! unmasked eight bytes at a time and, in a text, checked by the standard library; it knows no
//! pieces, and no rules.

use core::{hint::black_box, time::Duration};
use std::{
    env,
    io::{self, Read, Write},
    process::ExitCode,
};

use campanile_bench::{Checksum, Lengths, Pieces, Sink, Traffic, median_of_rounds, ratio};
use campanile_core::{
    Instant,
    conn::{Assembler, Config, Connection, Event, Input, MAX_LEFTOVER, Server},
    wire::{Kind, MAX_CONTROL},
};
use campanile_std::{Stream, Transport};
use tungstenite::{Message, WebSocket, protocol};

const KINDS: [(Kind, &str); 2] = [(Kind::Text, "text"), (Kind::Binary, "binary")];

const LENGTHS: [(usize, &str); 6] = [
    (16, "16 B"),
    (64, "64 B"),
    (250, "250 B"),
    (1 << 10, "1 KiB"),
    (16 << 10, "16 KiB"),
    (1 << 20, "1 MiB"),
];

/// What a full socket gives at once, and what one Ethernet packet does.
const PIECES: [(usize, &str); 2] = [(64 << 10, "64 KiB"), (1460, "1,460 B")];

/// The buffer of every candidate that lets one choose.
const BUFFER: usize = 64 << 10;

/// Limits play no part.
const LIMITS: Config = Config {
    max_message: u64::MAX,
    ping_interval: None,
    ..Config::new()
};

fn main() -> ExitCode {
    let quick = match env::args().nth(1).as_deref() {
        None => false,
        Some("--quick") => true,
        Some(_) => {
            eprintln!("usage: receive [--quick]");
            return ExitCode::from(2);
        }
    };
    let (rounds, stream_bytes) = if quick { (15, 1 << 20) } else { (61, 4 << 20) };
    println!(
        "| kind | message | pieces | floor ns | core, in chunks ns | core ns | std ns | tungstenite ns \
         | core GB/s | core / floor | tungstenite / core |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    for (kind, kind_name) in KINDS {
        for (len, len_name) in LENGTHS {
            let traffic = Traffic::new(kind, len, (stream_bytes / len).max(4));
            for (piece, piece_name) in PIECES {
                if let Err(disagreement) = agree(&traffic, piece) {
                    eprintln!("receive: {kind_name}, {len_name}, {piece_name}: {disagreement}");
                    return ExitCode::FAILURE;
                }
                let times = measure(&traffic, piece, rounds);
                println!(
                    "| {kind_name} | {len_name} | {piece_name} {}",
                    row(&times, &traffic)
                );
            }
        }
    }
    ExitCode::SUCCESS
}

/// A way from bytes to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    Floor,
    /// The core, chunks handed out as they come.
    CoreInChunks,
    /// The core, whole messages.
    Core,
    /// The blocking runtime on top of it, whole messages.
    Std,
    Tungstenite,
}

impl Candidate {
    /// In the order of the table's columns.
    const ALL: [Self; 5] = [
        Self::Floor,
        Self::CoreInChunks,
        Self::Core,
        Self::Std,
        Self::Tungstenite,
    ];

    fn run<S: Sink>(self, traffic: &Traffic, piece: usize, sink: &mut S) {
        match self {
            Self::Floor => floor(traffic, sink),
            Self::CoreInChunks => core(traffic, piece, |event| {
                if let Event::Data(data) = event {
                    sink.take(data.bytes, data.last);
                }
            }),
            Self::Core => {
                let mut assembler = Assembler::new(Vec::new());
                core(traffic, piece, |event| {
                    if let Event::Data(data) = event
                        && let Some(message) = assembler.push(data).expect("memory is there")
                    {
                        sink.take(message.bytes, true);
                    }
                });
            }
            Self::Std => std(traffic, piece, sink),
            Self::Tungstenite => tungstenite(traffic, piece, sink),
        }
    }
}

/// Whether every candidate gives the floor's messages.
fn agree(traffic: &Traffic, piece: usize) -> Result<(), String> {
    let answer = |candidate: Candidate| {
        let mut sink = (Lengths::default(), Checksum::default());
        candidate.run(traffic, piece, &mut sink);
        sink
    };
    let expected = answer(Candidate::Floor);
    let total = Lengths {
        messages: traffic.messages,
        bytes: traffic.messages * traffic.payload_len,
    };
    if expected.0 != total {
        return Err(format!("the floor took {:?} of {total:?}", expected.0));
    }
    for candidate in Candidate::ALL {
        let given = answer(candidate);
        if given != expected {
            return Err(format!("{candidate:?} gave {given:?}, not {expected:?}"));
        }
    }
    Ok(())
}

/// The median time of each candidate for all of the traffic.
fn measure(traffic: &Traffic, piece: usize, rounds: usize) -> Vec<Duration> {
    median_of_rounds(Candidate::ALL.len(), rounds, |candidate| {
        let mut lengths = Lengths::default();
        Candidate::ALL[candidate].run(black_box(traffic), piece, &mut lengths);
        black_box(lengths);
    })
}

/// The numbers of a line of the table.
fn row(times: &[Duration], traffic: &Traffic) -> String {
    let [floor, _, core, _, tungstenite] = *times else {
        return String::new();
    };
    let mut row = String::new();
    for time in times {
        let nanos = time.as_secs_f64() * 1e9 / traffic.messages as f64;
        row += &format!("| {nanos:.1} ");
    }
    let bytes = (traffic.messages * traffic.payload_len) as f64;
    row + &format!(
        "| {:.2} | {:.2} | {:.2} |",
        bytes / core.as_secs_f64() / 1e9,
        ratio(core, floor),
        ratio(tungstenite, core)
    )
}

/// Believes every head, and cuts texts where it knows that it may.
fn floor<S: Sink>(traffic: &Traffic, sink: &mut S) {
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
        let key = u64::from(u32::from_ne_bytes(*key));
        let key = key << 32 | key;
        let mut left = len;
        for block in payload.chunks(BLOCK) {
            let buffer = &mut buffer[..block.len()];
            buffer.copy_from_slice(block);
            let (lanes, tail) = buffer.as_chunks_mut::<8>();
            for lane in lanes {
                *lane = (u64::from_ne_bytes(*lane) ^ key).to_ne_bytes();
            }
            for (byte, key) in tail.iter_mut().zip(key.to_ne_bytes()) {
                *byte ^= key;
            }
            if traffic.kind == Kind::Text {
                str::from_utf8(buffer).expect("a text");
            }
            left -= block.len();
            sink.take(buffer, left == 0);
        }
    }
}

/// The core as its contract wants to be driven.
fn core(traffic: &Traffic, piece: usize, mut hear: impl FnMut(Event<'_>)) {
    let mut stream = Pieces::new(&traffic.bytes, piece);
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
            hear(event);
            assert!(connection.poll_transmit(&mut input, &mut scratch).is_none());
        }
        let consumed = input.consumed();
        buffer.copy_within(consumed..filled, 0);
        left = filled - consumed;
    }
}

fn std<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let transport = Timeless(Pieces::new(&traffic.bytes, piece));
    let mut stream = Stream::new(transport, Server, &LIMITS, &[]);
    let mut assembler = Assembler::new(Vec::new());
    while stream.fill().expect("it is in memory") {
        for event in stream.events() {
            if let Event::Data(data) = event.expect("the traffic is valid")
                && let Some(message) = assembler.push(data).expect("memory is there")
            {
                sink.take(message.bytes, true);
            }
        }
    }
}

fn tungstenite<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let stream = Pieces::new(&traffic.bytes, piece);
    let config = protocol::WebSocketConfig::default().read_buffer_size(BUFFER);
    let mut socket = WebSocket::from_raw_socket(stream, protocol::Role::Server, Some(config));
    for _ in 0..traffic.messages {
        match socket.read().expect("the traffic is valid") {
            Message::Text(text) => sink.take(text.as_bytes(), true),
            Message::Binary(bytes) => sink.take(&bytes, true),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
}

/// Bytes in memory as a transport: they never wait.
struct Timeless<'a>(Pieces<'a>);

impl Read for Timeless<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl Write for Timeless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Timeless<'_> {
    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_candidates_give_the_same_messages() {
        // The lengths that are measured, and those around which heads and buffers change.
        let borders = [1, 125, 126, 0xFFFF, 0x1_0000, BUFFER + MAX_LEFTOVER];
        for len in LENGTHS.map(|(len, _)| len).into_iter().chain(borders) {
            for (kind, _) in KINDS {
                let traffic = Traffic::new(kind, len, 2);
                for piece in PIECES.map(|(piece, _)| piece).into_iter().chain([7, 1009]) {
                    if len / piece > 10_000 {
                        continue; // what it would show, shorter messages show sooner
                    }
                    assert_eq!(agree(&traffic, piece), Ok(()), "{kind:?} {len} {piece}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_answer_is_noticed() {
        let traffic = Traffic::new(Kind::Binary, 100, 3);
        let answer = |traffic: &Traffic| {
            let mut checksum = Checksum::default();
            floor(traffic, &mut checksum);
            checksum
        };
        let mut spoiled = Traffic::new(Kind::Binary, 100, 3);
        if let Some(last) = spoiled.bytes.last_mut() {
            *last ^= 1;
        }
        assert_ne!(answer(&traffic), answer(&spoiled));
        let split = Traffic::new(Kind::Binary, 50, 6);
        assert_ne!(answer(&traffic), answer(&split));
    }
}
