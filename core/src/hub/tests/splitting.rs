//! Wherever the bytes of a session are cut, it is told the same.

use alloc::{string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::world::{LISTENER, PUBLISHER, World, publication, request, subscription};
use crate::{hub::Version, wire::Kind};

/// What a client says, the request included, as bytes.
fn conversation(version: Version, says: &[(u8, u8)]) -> Vec<u8> {
    let mut world = World::alone();
    let peer = world.connect(0, PUBLISHER);
    world.say_raw(peer, request(version).as_bytes());
    for (kind, detail) in says {
        let text: String = match kind {
            0 => subscription(&[*detail % 3, 1]),
            1 | 2 => publication(*detail % 3, usize::from(*detail)),
            3 => r#"{"type":"ping"}"#.into(),
            4 => "{".repeat(usize::from(*detail)),
            5 => {
                world.say_ping(peer, &vec![*detail; usize::from(*detail % 126)]);
                continue;
            }
            6 if *detail < 40 => {
                world.say(peer, Kind::Binary, b"?");
                continue;
            }
            7 if *detail < 40 => {
                world.say_close(peer);
                continue;
            }
            8 if *detail < 40 => {
                world.say_raw(peer, &[0x70 | *detail; 9]);
                continue;
            }
            _ => r#"{"sender":"client"}"#.into(),
        };
        world.text(peer, &text);
    }
    world.peers[peer].wire.make_contiguous().to_vec()
}

/// What the client is told by a hub that hands out at the end, and what another hears.
fn told(version: Version, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<u8>) {
    let mut world = World::alone();
    let listener = world.open(0, Version::V1, LISTENER);
    world.text(listener, &subscription(&[0, 1, 2]));
    world.quiesce();
    let peer = world.connect(0, PUBLISHER);
    world.peers[peer].version = version;
    world.say_raw(peer, bytes);
    let mut cuts = cuts.iter().cycle();
    while !world.peers[peer].wire.is_empty() {
        world.carry(peer, *cuts.next().unwrap_or(&usize::MAX));
    }
    world.hand_out(0);
    world.flush(0);
    let bytes = |peer: usize| world.peers[peer].bytes.clone();
    (bytes(peer), bytes(listener))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn bytes_may_be_cut_anywhere(
        v1 in any::<bool>(),
        says in prop::collection::vec((0_u8..10, any::<u8>()), 0..12),
        cuts in prop::collection::vec(1_usize..90, 1..9),
    ) {
        let version = if v1 { Version::V1 } else { Version::Classic };
        let bytes = conversation(version, &says);
        let whole = told(version, &bytes, &[]);
        prop_assert_eq!(&told(version, &bytes, &[1]), &whole);
        prop_assert_eq!(&told(version, &bytes, &cuts), &whole);
    }
}
