//! What a client sends, and who takes it.

use campanile_core::wire::{FrameHead, Kind, apply_mask};

use crate::Pieces;

/// The frames of a client, each of them a whole message.
#[derive(Debug)]
pub struct Traffic {
    /// Some of the frames, as they are on the wire.
    pub bytes: Vec<u8>,
    /// How many times those come.
    pub times: usize,
    /// What the messages carry.
    pub kind: Kind,
    /// How many messages there are in all.
    pub messages: usize,
    /// The payload of each, in bytes.
    pub payload_len: usize,
}

impl Traffic {
    /// Payloads repeat with this period, in bytes; a text can be cut at every multiple of it.
    pub const PERIOD: usize = 64;

    /// How many bytes there are, unless two messages are longer: bytes that have just arrived are
    /// in the second cache of a processor.
    const BYTES: usize = 1 << 20;

    /// `messages` messages or a few more. Each has a masking key of its own, until they repeat
    /// themselves.
    #[must_use]
    pub fn new(kind: Kind, payload_len: usize, messages: usize) -> Self {
        let different = (Self::BYTES / payload_len.max(1)).clamp(2, messages.max(2));
        let times = messages.div_ceil(different);
        let payload = payload(kind, payload_len);
        let mut bytes = Vec::new();
        let mut key = 0x9E37_79B9_u32;
        for _ in 0..different {
            // A step of a linear congruential generator: any keys will do.
            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mask = key.to_be_bytes();
            let head = FrameHead {
                fin: true,
                opcode: kind.into(),
                mask: Some(mask),
                payload_len: payload_len as u64,
            };
            bytes.extend_from_slice(head.encode().as_bytes());
            let start = bytes.len();
            bytes.extend_from_slice(&payload);
            let _ = apply_mask(mask, &mut bytes[start..]);
        }
        Self {
            bytes,
            times,
            kind,
            messages: different * times,
            payload_len,
        }
    }

    /// All of them, at most `piece` bytes at a time.
    #[must_use]
    pub const fn stream(&self, piece: usize) -> Pieces<'_> {
        Pieces::repeating(self.bytes.as_slice(), self.times, piece)
    }
}

/// What a message carries. A text is what notifications are: mostly ASCII, with an accent here and
/// there.
pub(crate) fn payload(kind: Kind, len: usize) -> Vec<u8> {
    let unit: &[u8; Traffic::PERIOD] = match kind {
        Kind::Text => {
            "\"message\":\"Nouveau message reçu\",\"data\":{\"messageId\":\"12345\"},    "
                .as_bytes()
                .first_chunk()
                .expect("the text is long enough")
        }
        Kind::Binary => &core::array::from_fn(|i| (i * 37).to_le_bytes()[0] | 0x80),
    };
    let mut payload: Vec<u8> = unit.iter().copied().cycle().take(len).collect();
    if kind == Kind::Text {
        // A character that was cut at the end.
        let valid = str::from_utf8(&payload).map_or_else(|cut| cut.valid_up_to(), str::len);
        payload[valid..].fill(b'.');
    }
    payload
}

/// Copies and masks in one pass, for the floors; both are of one length.
pub(crate) fn mask_into(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    let half = u64::from(u32::from_ne_bytes(key));
    let double = half << 32 | half;
    let (from_lanes, from_tail) = from.as_chunks::<8>();
    let (to_lanes, to_tail) = to.as_chunks_mut::<8>();
    for (to, from) in to_lanes.iter_mut().zip(from_lanes) {
        *to = (u64::from_ne_bytes(*from) ^ double).to_ne_bytes();
    }
    for ((to, from), key) in to_tail.iter_mut().zip(from_tail).zip(double.to_ne_bytes()) {
        *to = from ^ key;
    }
}

/// Who takes the messages.
pub trait Sink {
    /// A piece of a message; `last` if it ends there.
    fn take(&mut self, bytes: &[u8], last: bool);
}

/// Counts, and touches no byte.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Messages that ended.
    pub messages: usize,
    /// Bytes in all of them.
    pub bytes: usize,
    /// How often something was handed out.
    pub pieces: usize,
}

impl Sink for Lengths {
    fn take(&mut self, bytes: &[u8], last: bool) {
        self.messages += usize::from(last);
        self.pieces += 1;
        self.bytes += core::hint::black_box(bytes).len();
    }
}

/// A hash (FNV-1a) of every byte and every end of a message, however they were cut.
#[derive(Debug, PartialEq, Eq)]
pub struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Sink for Checksum {
    fn take(&mut self, bytes: &[u8], last: bool) {
        // An end is a value that no byte has.
        let end = last.then_some(0x100);
        for value in bytes.iter().copied().map(u64::from).chain(end) {
            self.0 = (self.0 ^ value).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

/// Both of them.
impl<A: Sink, B: Sink> Sink for (A, B) {
    fn take(&mut self, bytes: &[u8], last: bool) {
        self.0.take(bytes, last);
        self.1.take(bytes, last);
    }
}
