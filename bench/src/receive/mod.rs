//! How fast a server takes in the masked frames of a client, from bytes to checked messages.

mod ours;
mod peers;

use core::hint::black_box;

use campanile_core::wire::Kind;

use crate::{
    Checksum, Column, Lengths, Options, Side, Sink, Table, Traffic, WHOLE,
    harness::{Subject, add_row},
    options::{bytes, kind_name},
};

const KINDS: [Kind; 2] = [Kind::Text, Kind::Binary];

pub(crate) const LENGTHS: [usize; 7] = [16, 64, 250, 1 << 10, 16 << 10, 64 << 10, 1 << 20];

/// What a transport gives at once: all that one asks for, or what one Ethernet packet holds.
const PIECES: [usize; 2] = [WHOLE, 1460];

/// The buffer of every candidate that lets one choose.
const BUFFER: usize = 16 << 10;

/// A way from bytes to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    Floor,
    CoreChunks,
    Core,
    Std,
    Tungstenite,
    Fastwebsockets,
    TokioWebsockets,
    Soketto,
    WsNet,
    EmbeddedWebsocket,
}

impl Candidate {
    /// In the order of the table's columns.
    const ALL: [Self; 10] = [
        Self::Floor,
        Self::CoreChunks,
        Self::Core,
        Self::Std,
        Self::Tungstenite,
        Self::Fastwebsockets,
        Self::TokioWebsockets,
        Self::Soketto,
        Self::WsNet,
        Self::EmbeddedWebsocket,
    ];

    const fn column(self) -> Column {
        let (name, side) = match self {
            Self::Floor => ("floor", Side::Reference),
            Self::CoreChunks => ("core-chunks", Side::Reference),
            Self::Core => ("core", Side::Judged),
            Self::Std => ("std", Side::Reference),
            Self::Tungstenite => ("tungstenite", Side::Peer),
            Self::Fastwebsockets => ("fastwebsockets", Side::Peer),
            Self::TokioWebsockets => ("tokio-websockets", Side::Peer),
            Self::Soketto => ("soketto", Side::Peer),
            Self::WsNet => ("ws-net", Side::Peer),
            Self::EmbeddedWebsocket => ("embedded-websocket", Side::Peer),
        };
        Column { name, side }
    }

    /// Whether each message comes in one piece.
    const fn gives_whole_messages(self) -> bool {
        !matches!(self, Self::Floor | Self::CoreChunks)
    }

    /// Whether it leaves out work that the others do: the check of what a text holds.
    fn does_less(self, kind: Kind) -> bool {
        kind == Kind::Text && matches!(self, Self::Soketto | Self::EmbeddedWebsocket)
    }

    fn run<S: Sink>(self, traffic: &Traffic, piece: usize, sink: &mut S) {
        match self {
            Self::Floor => ours::floor(traffic, sink),
            Self::CoreChunks => ours::core_chunks(traffic, piece, sink),
            Self::Core => ours::core_messages(traffic, piece, sink),
            Self::Std => ours::std(traffic, piece, sink),
            Self::Tungstenite => peers::tungstenite(traffic, piece, sink),
            Self::Fastwebsockets => peers::fastwebsockets(traffic, piece, sink),
            Self::TokioWebsockets => peers::tokio_websockets(traffic, piece, sink),
            Self::Soketto => peers::soketto(traffic, piece, sink),
            Self::WsNet => peers::ws_net(traffic, piece, sink),
            Self::EmbeddedWebsocket => peers::embedded_websocket(traffic, piece, sink),
        }
    }

    /// Takes all of the traffic in, and touches no byte more than that needs.
    fn time(self, traffic: &Traffic, piece: usize) {
        let mut lengths = Lengths::default();
        self.run(black_box(traffic), piece, &mut lengths);
        black_box(lengths);
    }
}

/// Measures, or runs the one candidate that `options` ask for.
///
/// # Errors
/// A candidate whose answers are wrong.
pub fn receive(options: &Options) -> Result<Vec<Table>, String> {
    let mut tables = Vec::new();
    for piece in PIECES {
        let title = if piece == WHOLE {
            "Receiving, as much at once as is asked for".to_owned()
        } else {
            format!("Receiving, in pieces of {piece} bytes")
        };
        let mut table = Table::new(title, Candidate::ALL.map(Candidate::column).to_vec());
        for kind in KINDS {
            for len in LENGTHS {
                let name = kind_name(kind);
                if !options.wants(name, len, Some(piece)) {
                    continue;
                }
                let label = format!("{name} {}", bytes(len));
                let traffic = Traffic::new(kind, len, options.messages(len));
                if options.only.is_none() {
                    agree(&traffic, piece).map_err(|why| format!("{label}: {why}"))?;
                }
                let units = traffic.messages;
                add_row(
                    &mut table,
                    options,
                    Subject { label, len, units },
                    &Candidate::ALL,
                    |candidate| candidate.does_less(kind),
                    |candidate| candidate.time(&traffic, piece),
                );
            }
        }
        tables.push(table);
    }
    Ok(tables)
}

/// Whether every candidate gives the floor's messages, and whole where it says so.
fn agree(traffic: &Traffic, piece: usize) -> Result<(), String> {
    let answer = |candidate: Candidate| {
        let mut sink = (Lengths::default(), Checksum::default());
        candidate.run(traffic, piece, &mut sink);
        sink
    };
    let (floor, expected) = answer(Candidate::Floor);
    if (floor.messages, floor.bytes) != (traffic.messages, traffic.messages * traffic.payload_len) {
        return Err(format!("the floor took {floor:?}"));
    }
    for candidate in Candidate::ALL {
        let (lengths, given) = answer(candidate);
        if given != expected {
            return Err(format!("{candidate:?} gave other messages: {lengths:?}"));
        }
        if candidate.gives_whole_messages() && lengths.pieces != lengths.messages {
            return Err(format!("{candidate:?} gave pieces: {lengths:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::conn::MAX_LEFTOVER;
    use std::panic::catch_unwind;

    #[test]
    fn all_candidates_give_the_same_messages() {
        // Those that are measured, but for the longest, and those around which heads and buffers
        // change. The longest is looked at before it is measured.
        let short = LENGTHS.into_iter().filter(|&len| len <= BUFFER);
        let borders = [1, 125, 126, 0xFFFF, 0x1_0000, BUFFER + MAX_LEFTOVER];
        for len in short.chain(borders) {
            for kind in KINDS {
                let traffic = Traffic::new(kind, len, 3);
                for piece in PIECES.into_iter().chain([7, 1009]) {
                    if len / piece > 1_000 {
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
            Candidate::Floor.run(traffic, WHOLE, &mut checksum);
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

    #[test]
    fn only_those_marked_so_let_a_broken_text_pass() {
        // Texts with the payload of binary messages: the same heads but for the opcode.
        let mut traffic = Traffic::new(Kind::Binary, 1024, 1);
        traffic.kind = Kind::Text;
        let frame = traffic.bytes.len() / (traffic.messages / traffic.times);
        for frame in traffic.bytes.chunks_mut(frame) {
            if let Some(first) = frame.first_mut() {
                *first = 0x81;
            }
        }
        for candidate in Candidate::ALL {
            let taken = catch_unwind(|| {
                let mut lengths = Lengths::default();
                candidate.run(&traffic, WHOLE, &mut lengths);
                lengths.messages == traffic.messages
            });
            assert_eq!(
                taken.unwrap_or(false),
                candidate.does_less(Kind::Text),
                "{candidate:?}"
            );
        }
    }
}
