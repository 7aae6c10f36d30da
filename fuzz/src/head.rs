//! The frame head decoder and encoder.

use campanile_core::wire::{Decoded, FrameHead, MAX_HEAD, Masking, OpCode, decode};

use crate::script::Script;

/// Format: the head itself, and whatever follows it. The same bytes also choose the fields of a
/// head to encode.
pub fn head(data: &[u8]) {
    for masking in [Masking::Required, Masking::Forbidden] {
        any_bytes(data, masking);
    }
    made_head(&mut Script::new(data), data);
}

fn any_bytes(bytes: &[u8], masking: Masking) {
    let whole = decode(bytes, masking);
    // Nothing is `Done` before this length.
    let mut promised = 0;
    for cut in 0..=bytes.len().min(MAX_HEAD + 1) {
        match decode(&bytes[..cut], masking) {
            Ok(Decoded::NeedMore(more)) => {
                assert!(more > 0, "{cut} bytes lack nothing, and are no head");
                assert!(cut + more <= MAX_HEAD, "{cut} bytes lack {more}");
                promised = promised.max(cut + more);
            }
            Ok(Decoded::Done { len, .. }) => {
                assert!(promised <= len && len <= cut);
                assert_eq!(decode(&bytes[..cut], masking), whole, "{cut}");
            }
            Err(error) => assert_eq!(whole, Err(error), "{cut}"),
        }
    }
    if let Ok(Decoded::Done { head, len }) = whole {
        assert_eq!(head.encode().as_bytes(), &bytes[..len]);
        assert_eq!(head.mask.is_some(), masking == Masking::Required);
    }
}

/// What is encoded is decoded, whatever follows it.
fn made_head(script: &mut Script<'_>, after: &[u8]) {
    let opcode = script.one_of(&[
        OpCode::Text,
        OpCode::Binary,
        OpCode::Continuation,
        OpCode::Close,
        OpCode::Ping,
        OpCode::Pong,
    ]);
    let fin = script.below(2) == 0 || opcode.is_control();
    let mask = (script.below(2) == 0).then(|| script.array());
    // Every order of magnitude up to the largest length there is.
    let shift = 1 + u32::from(script.byte() % 63);
    let length = u64::from_be_bytes(script.array()) >> shift;
    let head = FrameHead {
        fin,
        opcode,
        mask,
        payload_len: if opcode.is_control() {
            length % 126
        } else {
            length
        },
    };
    let encoded = head.encode();
    let len = encoded.as_bytes().len();
    let bytes = [encoded.as_bytes(), after].concat();
    let masking = if mask.is_some() {
        Masking::Required
    } else {
        Masking::Forbidden
    };
    assert_eq!(decode(&bytes, masking), Ok(Decoded::Done { head, len }));
}
