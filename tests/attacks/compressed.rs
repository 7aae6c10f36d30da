//! Compression bombs.

use campanile_tests::Frame;

use crate::attack::{Attack, Attacker, End, counter, end};

const INFLATED: &str = "bytes that a compressed message may become";

/// What zlib makes of millions of braces: each of the zeroes behind it becomes a thousand more.
const BRACES: [u8; 15] = [
    0xec, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x82, 0xa0, 0xe1, 0x9e, 0x6f, 0x48, 0x40, 0x01,
];

/// Four empty blocks of ten bits.
const BLOCKS: [u8; 5] = [0x02, 0x08, 0x20, 0x80, 0x00];

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::any(
        "a bomb of braces",
        |attacker| explode(attacker, &braces(), usize::MAX),
        &[End::Close(1009)],
    )
    .reaches(&[INFLATED])
    .counted(counter::MESSAGE_SIZE),
    Attack::any(
        "a bomb in fragments of 20 bytes",
        |attacker| explode(attacker, &braces(), 20),
        &[End::Close(1009)],
    )
    .reaches(&[INFLATED])
    .counted(counter::MESSAGE_SIZE),
    Attack::any(
        "ten thousand blocks without a byte",
        |attacker| explode(attacker, &BLOCKS.repeat(2_500), usize::MAX),
        &[End::Close(1008)],
    )
    .counted(counter::VIOLATIONS),
    Attack::any(
        "a block of a kind that there is not",
        |attacker| explode(attacker, &[0x07; 100], usize::MAX),
        &[End::Close(1007)],
    )
    .counted(counter::VIOLATIONS),
    Attack::any(
        "compressed fragments without end",
        |attacker| explode(attacker, &BLOCKS.repeat(500), 1),
        &[End::Close(1008)],
    )
    .reaches(&["fragments of a message"])
    .counted(counter::VIOLATIONS),
];

fn braces() -> Vec<u8> {
    let mut bytes = BRACES.to_vec();
    bytes.resize(2_000, 0);
    bytes
}

/// Agrees on compression and sends a compressed message, in fragments of so many bytes.
fn explode(attacker: &Attacker, message: &[u8], length: usize) -> End {
    let mut wire = attacker.open_with("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    wire.expect_compression();
    let mut fragments: Vec<_> = message.chunks(length).map(Frame::continuation).collect();
    let last = fragments.len() - 1;
    for frame in &mut fragments[..last] {
        frame.fin = false;
    }
    fragments[0].opcode = Frame::TEXT;
    fragments[0].rsv = 4;
    let bytes: Vec<_> = fragments.iter().flat_map(Frame::masked).collect();
    wire.try_send(&bytes);
    end(&mut wire)
}
