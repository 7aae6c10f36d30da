//! How fast a payload becomes a frame: a server's, and a client's with its mask.
//!
//! Nobody looks at what a text holds on its way out, so binary messages stand for all.

mod ours;
mod peers;

use core::{cell::RefCell, hint::black_box};

use bytes::Bytes;
use campanile_core::wire::Kind;

use crate::{
    Column, Options, Pieces, Side, Table, WHOLE,
    harness::{Subject, add_row},
    options::{bytes, kind_name},
    traffic::payload,
};

const LENGTHS: [usize; 7] = crate::receive::LENGTHS;

/// Messages to be sent.
struct Case {
    payload: Vec<u8>,
    /// The same, for those that want to own it.
    shared: Bytes,
    /// The same, for those that mask it where it is: true until they have done so.
    scratch: RefCell<Vec<u8>>,
    messages: usize,
}

impl Case {
    fn new(len: usize, messages: usize) -> Self {
        let payload = payload(Kind::Binary, len);
        Self {
            shared: Bytes::from(payload.clone()),
            scratch: RefCell::new(payload.clone()),
            payload,
            messages,
        }
    }

    /// The next message; each could be another one, for all that the compiler knows.
    fn payload(&self) -> &[u8] {
        black_box(&self.payload)
    }

    /// The same, to own.
    fn shared(&self) -> Bytes {
        black_box(&self.shared).clone()
    }
}

/// Who sends, and what becomes of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// A server copies it behind its head: one piece for the transport.
    ServerCopies,
    /// A server leaves it where it is: two pieces.
    ServerShares,
    /// A client masks a copy.
    ClientCopies,
    /// A client masks it where it is.
    ClientInPlace,
}

impl Sending {
    const ALL: [Self; 4] = [
        Self::ServerCopies,
        Self::ServerShares,
        Self::ClientCopies,
        Self::ClientInPlace,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::ServerCopies => "Sending, a server, the payload copied behind its head",
            Self::ServerShares => "Sending, a server, the payload left where it is",
            Self::ClientCopies => "Sending, a client, a copy of the payload masked",
            Self::ClientInPlace => "Sending, a client, the payload masked where it is",
        }
    }

    const fn masks(self) -> bool {
        matches!(self, Self::ClientCopies | Self::ClientInPlace)
    }

    /// Those that can do it, in the order of the table's columns.
    const fn candidates(self) -> &'static [Candidate] {
        use Side::{Judged, Peer, Reference};
        match self {
            Self::ServerCopies => &[
                Candidate("floor", Reference, ours::floor_server),
                Candidate("core", Judged, ours::core_server),
                Candidate("std", Reference, ours::std_server),
                Candidate("tungstenite", Peer, peers::tungstenite_server),
                Candidate("fastwebsockets", Peer, peers::fastwebsockets_copying),
                Candidate("ws-net", Peer, peers::ws_net_server),
                Candidate("embedded-websocket", Peer, peers::embedded_websocket_server),
            ],
            Self::ServerShares => &[
                Candidate("core-head", Judged, ours::core_head_server),
                Candidate("fastwebsockets", Peer, peers::fastwebsockets_sharing),
                Candidate("tokio-websockets", Peer, peers::tokio_websockets_server),
                Candidate("soketto", Peer, peers::soketto_server),
            ],
            Self::ClientCopies => &[
                Candidate("floor", Reference, ours::floor_client),
                Candidate("core", Judged, ours::core_client),
                Candidate("std", Reference, ours::std_client),
                Candidate("tungstenite", Peer, peers::tungstenite_client),
                Candidate("fastwebsockets", Peer, peers::fastwebsockets_client),
                Candidate("tokio-websockets", Peer, peers::tokio_websockets_client),
                Candidate("soketto", Peer, peers::soketto_client),
                Candidate("ws-net", Peer, peers::ws_net_client),
                Candidate("embedded-websocket", Peer, peers::embedded_websocket_client),
            ],
            Self::ClientInPlace => &[
                Candidate("core-head", Judged, ours::core_head_client),
                Candidate("fastwebsockets", Peer, peers::fastwebsockets_in_place),
                Candidate("soketto", Peer, peers::soketto_in_place),
            ],
        }
    }
}

/// A way from a payload to a frame: its name, what it is to the comparison, and how it goes.
#[derive(Clone, Copy, Debug)]
struct Candidate(&'static str, Side, fn(&Case, &mut Pieces<'_>));

impl Candidate {
    fn time(self, case: &Case) {
        let Self(_, _, run) = self;
        let mut out = Pieces::new(&[], WHOLE);
        run(case, &mut out);
        black_box(out.written());
    }
}

/// Measures, or runs the one candidate that `options` ask for.
///
/// # Errors
/// A candidate whose answers are wrong.
pub fn send(options: &Options) -> Result<Vec<Table>, String> {
    let mut tables = Vec::new();
    for sending in Sending::ALL {
        let title = sending.title();
        let candidates = sending.candidates();
        let columns = candidates.iter();
        let columns = columns.map(|&Candidate(name, side, _)| Column { name, side });
        let mut table = Table::new(title.to_owned(), columns.collect());
        for len in LENGTHS {
            let name = kind_name(Kind::Binary);
            if !options.wants(name, len, None) {
                continue;
            }
            let label = format!("{name} {}", bytes(len));
            let case = Case::new(len, options.messages(len));
            if options.only.is_none() {
                agree(sending, candidates, len)
                    .map_err(|why| format!("{title}, {label}: {why}"))?;
            }
            let units = case.messages;
            add_row(
                &mut table,
                options,
                Subject { label, len, units },
                candidates,
                |_| false,
                |candidate| candidate.time(&case),
            );
        }
        tables.push(table);
    }
    Ok(tables)
}

/// Whether every candidate sends the frame that the RFC asks for.
fn agree(sending: Sending, candidates: &[Candidate], len: usize) -> Result<(), String> {
    let expected = [frame_head(len), payload(Kind::Binary, len)].concat();
    // One message each for those that spoil the payload.
    let messages = if sending == Sending::ClientInPlace {
        1
    } else {
        3
    };
    for Candidate(name, _, run) in candidates {
        let mut out = Pieces::keeping(&[], WHOLE);
        run(&Case::new(len, messages), &mut out);
        let frames = if sending.masks() {
            unmasked(out.kept())
        } else {
            Some(out.kept().to_vec())
        };
        if frames.is_none_or(|frames| frames != expected.repeat(messages)) {
            return Err(format!("{name} sends other frames"));
        }
    }
    Ok(())
}

/// The head of an unmasked binary frame (RFC 6455 section 5.2).
fn frame_head(len: usize) -> Vec<u8> {
    let mut head = vec![0x82];
    if let Ok(len @ 0..126) = u8::try_from(len) {
        head.push(len);
    } else if let Ok(len) = u16::try_from(len) {
        head.push(126);
        head.extend(len.to_be_bytes());
    } else {
        head.push(127);
        head.extend((len as u64).to_be_bytes());
    }
    head
}

/// The frames as they would be without masks; `None` if one has none or they are cut.
fn unmasked(mut frames: &[u8]) -> Option<Vec<u8>> {
    let mut unmasked = Vec::new();
    while let [opcode, short, after @ ..] = frames {
        let short = short.checked_sub(0x80)?;
        let (extended, len) = match short {
            126 => (2, usize::from(u16::from_be_bytes(*after.first_chunk()?))),
            127 => (
                8,
                usize::try_from(u64::from_be_bytes(*after.first_chunk()?)).ok()?,
            ),
            short => (0, usize::from(short)),
        };
        let (extended, after) = after.split_at_checked(extended)?;
        let (key, after) = after.split_first_chunk::<4>()?;
        let (payload, after) = after.split_at_checked(len)?;
        unmasked.extend([*opcode, short]);
        unmasked.extend(extended);
        unmasked.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
        frames = after;
    }
    frames.is_empty().then_some(unmasked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn all_candidates_send_the_frames_that_the_rfc_asks_for() {
        // 0xFFFF is missing: embedded-websocket gives it the long form.
        let short = LENGTHS.into_iter().filter(|&len| len <= 0x1_0000);
        let borders = [1, 125, 126, 1025, 0xFFFE];
        for len in short.chain(borders) {
            for sending in Sending::ALL {
                let agreed = agree(sending, sending.candidates(), len);
                assert_eq!(agreed, Ok(()), "{sending:?} {len}");
            }
        }
    }

    #[test]
    fn a_wrong_frame_is_noticed() {
        let server = Candidate("", Side::Judged, ours::floor_server);
        let client = Candidate("", Side::Judged, ours::floor_client);
        let closing = Candidate("", Side::Judged, |_, out| {
            out.write_all(&[0x88, 0]).expect("it is in memory");
        });
        let one_too_few = Candidate("", Side::Judged, |case, out| {
            let messages = case.messages - 1;
            ours::core_server(&Case::new(case.payload.len(), messages), out);
        });
        assert!(agree(Sending::ServerCopies, &[server], 16).is_ok());
        assert!(agree(Sending::ClientCopies, &[client], 16).is_ok());
        for wrong in [client, closing, one_too_few] {
            assert!(agree(Sending::ServerCopies, &[wrong], 16).is_err());
        }
        for wrong in [server, closing, one_too_few] {
            assert!(agree(Sending::ClientCopies, &[wrong], 16).is_err());
        }
    }

    #[test]
    fn frames_lose_their_mask_and_nothing_else() {
        let mut out = Pieces::keeping(&[], WHOLE);
        ours::floor_client(&Case::new(16, 2), &mut out);
        let whole = unmasked(out.kept());
        assert!(whole.is_some());
        let mut spoiled = out.kept().to_vec();
        assert_eq!(unmasked(&spoiled[..spoiled.len() - 1]), None);
        spoiled[9] ^= 1;
        assert_ne!(unmasked(&spoiled), whole);
    }

    #[test]
    fn only_those_in_place_spoil_the_payload() {
        for sending in Sending::ALL {
            for Candidate(name, _, run) in sending.candidates() {
                let case = Case::new(64, 1);
                run(&case, &mut Pieces::new(&[], WHOLE));
                let spoiled = *case.scratch.borrow() != case.payload;
                assert_eq!(spoiled, sending == Sending::ClientInPlace, "{name}");
                assert_eq!(case.payload, case.shared);
            }
        }
    }
}
