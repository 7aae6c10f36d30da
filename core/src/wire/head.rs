//! The head of a frame (RFC 6455 section 5.2).

use core::fmt;

use super::{Kind, MAX_CONTROL_PAYLOAD, OpCode};

/// The longest frame head, in bytes: two fixed ones, eight of length, four of masking key.
pub const MAX_HEAD: usize = 2 + 8 + 4;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// RSV1, which begins a compressed message where that was agreed on (RFC 7692, section 6).
#[cfg(feature = "deflate")]
pub(crate) const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;
pub(crate) const LENGTH_IN_2: u8 = 126;
pub(crate) const LENGTH_IN_8: u8 = 127;
const FIRST_OF_TEXT: u8 = FIN | OpCode::Text.bits();
const FIRST_OF_BINARY: u8 = FIN | OpCode::Binary.bits();
/// Section 5.2: "the most significant bit MUST be 0".
const MAX_PAYLOAD: u64 = u64::MAX >> 1;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: OpCode,
    /// The masking key, where the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Length of the payload in bytes; at most 2^63 - 1.
    pub payload_len: u64,
}

/// Whether the frames of the peer must be masked (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// The peer is a client: it must mask every frame.
    Required,
    /// The peer is a server: it must not mask any frame.
    Forbidden,
}

/// What [`decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole head, `len` bytes long; the payload follows it.
    Done {
        /// The head.
        head: FrameHead,
        /// Its length in bytes, at most [`MAX_HEAD`].
        len: usize,
    },
    /// The head goes on: at least so many bytes more are needed.
    NeedMore(usize),
}

/// A head that breaks a rule of RFC 6455 section 5; the peer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A reserved bit is set and no extension that gives it a meaning was negotiated (section 5.2).
    ReservedBits,
    /// The opcode is reserved (section 5.2).
    ReservedOpcode,
    /// A control frame is a fragment (section 5.5).
    FragmentedControl,
    /// A control frame has a payload of more than 125 bytes (section 5.5).
    OversizedControl,
    /// The payload is not masked and must be (section 5.1).
    Unmasked,
    /// The payload is masked and must not be (section 5.1).
    Masked,
    /// The length takes more bytes than it needs (section 5.2).
    NonMinimalLength,
    /// The length has its highest bit set (section 5.2).
    LengthTooLarge,
}

impl HeadError {
    /// What is wrong, in words short enough for a close reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "a reserved bit is set, but no extension was negotiated",
            Self::ReservedOpcode => "the opcode is reserved",
            Self::FragmentedControl => "a control frame must not be fragmented",
            Self::OversizedControl => "a control frame carries at most 125 bytes",
            Self::Unmasked => "a client must mask its frames",
            Self::Masked => "a server must not mask its frames",
            Self::NonMinimalLength => "the payload length is not in its shortest form",
            Self::LengthTooLarge => "the payload length has its highest bit set",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for HeadError {}

/// Reads the head of a frame from the front of `bytes`.
///
/// Rules are checked in the order of the bytes, each as soon as its byte is
/// there, so the verdict does not depend on how the bytes arrive.
///
/// # Errors
/// The first rule of RFC 6455 section 5 that the bytes break.
pub fn decode(bytes: &[u8], masking: Masking) -> Result<Decoded, HeadError> {
    decode_with(bytes, masking, 0)
}

/// The same where the reserved bits `allowed` have a meaning, which is for the caller to see to.
#[inline]
pub(crate) fn decode_with(
    bytes: &[u8],
    masking: Masking,
    allowed: u8,
) -> Result<Decoded, HeadError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(Decoded::NeedMore(2));
    };
    // Section 5.2, RSV1-3: "MUST be 0 unless an extension is negotiated".
    if first & RESERVED & !allowed != 0 {
        return Err(HeadError::ReservedBits);
    }
    // Section 5.2, Opcode: "If an unknown opcode is received, … MUST _Fail_".
    let opcode = OpCode::from_bits(first & OPCODE).ok_or(HeadError::ReservedOpcode)?;
    let fin = first & FIN != 0;
    // Section 5.5: control frames "MUST NOT be fragmented".
    if opcode.is_control() && !fin {
        return Err(HeadError::FragmentedControl);
    }

    let Some((&second, rest)) = rest.split_first() else {
        return Ok(Decoded::NeedMore(1));
    };
    // Section 5.1: a client MUST mask, a server MUST NOT.
    let masked = second & MASK != 0;
    match masking {
        Masking::Required if !masked => return Err(HeadError::Unmasked),
        Masking::Forbidden if masked => return Err(HeadError::Masked),
        Masking::Required | Masking::Forbidden => {}
    }
    let short = second & LENGTH;
    // Section 5.5: control frames "MUST have a payload length of 125 bytes or less".
    if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
        return Err(HeadError::OversizedControl);
    }

    let mask_len = if masked { 4 } else { 0 };
    let (payload_len, rest, len) = match short {
        LENGTH_IN_2 => {
            let Some((length, rest)) = rest.split_first_chunk::<2>() else {
                return Ok(need(2 + mask_len, rest));
            };
            (u64::from(u16::from_be_bytes(*length)), rest, 4)
        }
        LENGTH_IN_8 => {
            // Section 5.2: "the most significant bit MUST be 0".
            if rest.first().is_some_and(|byte| byte & 0x80 != 0) {
                return Err(HeadError::LengthTooLarge);
            }
            let Some((length, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(need(8 + mask_len, rest));
            };
            (u64::from_be_bytes(*length), rest, 10)
        }
        _ => (u64::from(short), rest, 2),
    };
    // Section 5.2: "the minimal number of bytes MUST be used to encode the length".
    if length_code(payload_len) != short {
        return Err(HeadError::NonMinimalLength);
    }

    let mask = if masked {
        let Some(key) = rest.first_chunk::<4>() else {
            return Ok(need(4, rest));
        };
        Some(*key)
    } else {
        None
    };
    Ok(Decoded::Done {
        head: FrameHead {
            fin,
            opcode,
            mask,
            payload_len,
        },
        len: len + mask_len,
    })
}

/// The usual case of [`decode`], a message that is one frame, with little work: kind, masking key,
/// length of the payload and length of the head. `None` for everything else, right or wrong.
#[inline(always)]
pub(crate) fn decode_message(
    bytes: &[u8],
    masking: Masking,
) -> Option<(Kind, [u8; 4], u64, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let kind = match first {
        FIRST_OF_TEXT => Kind::Text,
        FIRST_OF_BINARY => Kind::Binary,
        _ => return None,
    };
    let (marked, mask_len) = match masking {
        Masking::Required => (second ^ MASK, 4),
        Masking::Forbidden => (second, 0),
    };
    let (payload_len, rest, len) = match marked {
        0..LENGTH_IN_2 => (u64::from(marked), rest, 2),
        LENGTH_IN_2 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*length)), rest, 4)
        }
        LENGTH_IN_8 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length), rest, 10)
        }
        _ => return None,
    };
    if length_code(payload_len) != marked || payload_len > MAX_PAYLOAD {
        return None;
    }
    let key = match masking {
        Masking::Required => *rest.first_chunk()?,
        Masking::Forbidden => [0; 4],
    };
    Some((kind, key, payload_len, len + mask_len))
}

/// An encoded head, by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedHead {
    /// The head, and zeros behind it.
    bytes: [u8; MAX_HEAD],
    len: u8,
}

impl EncodedHead {
    /// The bytes of the head; the payload follows them on the wire.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The head of the first frame of a compressed message.
    #[cfg(feature = "deflate")]
    pub(crate) const fn with_rsv1(mut self) -> Self {
        let [first, ..] = &mut self.bytes;
        *first |= RSV1;
        self
    }
}

impl FrameHead {
    /// The bytes of this head, with the length in its shortest form (section 5.2). Nothing is checked:
    /// a head that breaks a rule is encoded as it is.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> EncodedHead {
        let mut bytes = [0; MAX_HEAD];
        let unused = self.put(&mut bytes).map_or(0, |rest| rest.len());
        let len = u8::try_from(MAX_HEAD.saturating_sub(unused)).unwrap_or(0);
        EncodedHead { bytes, len }
    }

    /// The part of the head that every head has.
    #[inline]
    pub(crate) fn first_two(&self) -> [u8; 2] {
        let fin = if self.fin { FIN } else { 0 };
        let mask = if self.mask.is_some() { MASK } else { 0 };
        [
            fin | self.opcode.bits(),
            mask | length_code(self.payload_len),
        ]
    }

    /// How many bytes the head has, at most [`MAX_HEAD`].
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        let extended = match length_code(self.payload_len) {
            LENGTH_IN_8 => 8,
            LENGTH_IN_2 => 2,
            _ => 0,
        };
        let key = if self.mask.is_some() { 4 } else { 0 };
        2 + extended + key
    }

    /// Writes the head to the front of `out`; answers what follows it, or `None` if it does not fit.
    #[inline]
    pub(crate) fn put<'o>(&self, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        // Each part has a fixed length: a copy of any length would be a call.
        let rest = put_chunk(self.first_two(), out)?;
        let length = self.payload_len.to_be_bytes();
        let rest = match length_code(self.payload_len) {
            LENGTH_IN_8 => put_chunk(length, rest)?,
            LENGTH_IN_2 => {
                let [.., g, h] = length;
                put_chunk([g, h], rest)?
            }
            _ => rest,
        };
        match self.mask {
            Some(key) => put_chunk(key, rest),
            None => Some(rest),
        }
    }
}

#[inline]
fn put_chunk<const N: usize>(chunk: [u8; N], out: &mut [u8]) -> Option<&mut [u8]> {
    let (front, rest) = out.split_first_chunk_mut()?;
    *front = chunk;
    Some(rest)
}

/// The seven bits that announce a length in its shortest form (section 5.2).
fn length_code(payload_len: u64) -> u8 {
    match payload_len {
        0..=125 => u8::try_from(payload_len).unwrap_or(LENGTH_IN_8),
        126..=0xFFFF => LENGTH_IN_2,
        _ => LENGTH_IN_8,
    }
}

fn need(total: usize, have: &[u8]) -> Decoded {
    Decoded::NeedMore(total.saturating_sub(have.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn opcode() -> impl Strategy<Value = OpCode> {
        prop_oneof![
            Just(OpCode::Continuation),
            Just(OpCode::Text),
            Just(OpCode::Binary),
            Just(OpCode::Close),
            Just(OpCode::Ping),
            Just(OpCode::Pong)
        ]
    }

    fn valid_head() -> impl Strategy<Value = FrameHead> {
        let length = prop_oneof![
            0_u64..300,
            65_000_u64..66_000,
            any::<u64>().prop_map(|n| n >> 1)
        ];
        (opcode(), any::<bool>(), any::<Option<[u8; 4]>>(), length).prop_map(
            |(opcode, fin, mask, length)| FrameHead {
                fin: fin || opcode.is_control(),
                opcode,
                mask,
                payload_len: if opcode.is_control() {
                    length.min(125)
                } else {
                    length
                },
            },
        )
    }

    const fn masking_of(head: &FrameHead) -> Masking {
        if head.mask.is_some() {
            Masking::Required
        } else {
            Masking::Forbidden
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(head in valid_head(), after: [u8; 3]) {
            let encoded = head.encode();
            let mut bytes = Vec::from(encoded.as_bytes());
            let len = bytes.len();
            bytes.extend(after);
            prop_assert_eq!(decode(&bytes, masking_of(&head)), Ok(Decoded::Done { head, len }));
        }

        #[test]
        fn a_cut_head_needs_just_the_bytes_that_were_cut_or_a_step_towards_them(head in valid_head()) {
            let encoded = head.encode();
            let bytes = encoded.as_bytes();
            for cut in 0..bytes.len() {
                let Ok(Decoded::NeedMore(more)) = decode(&bytes[..cut], masking_of(&head)) else {
                    return Err(TestCaseError::fail("a cut head is neither whole nor wrong"));
                };
                prop_assert!(more >= 1 && cut + more <= bytes.len());
                if cut >= 2 {
                    prop_assert_eq!(cut + more, bytes.len());
                }
            }
        }

        #[test]
        fn the_usual_case_is_found_exactly_where_it_is(
            bytes: [u8; MAX_HEAD],
            usual in prop::option::of((any::<bool>(), any::<bool>())),
            len in 0..=MAX_HEAD,
        ) {
            let mut bytes = bytes;
            let mut required = bytes[0] & 1 != 0;
            if let Some((text, masked)) = usual {
                // Random bytes are hardly ever such a head.
                bytes[0] = if text { FIRST_OF_TEXT } else { FIRST_OF_BINARY };
                bytes[1] = bytes[1] & LENGTH | if masked { MASK } else { 0 };
                required = masked;
            }
            let masking = if required { Masking::Required } else { Masking::Forbidden };
            let bytes = &bytes[..len];
            let expected = match decode(bytes, masking) {
                Ok(Decoded::Done { head, len }) if head.fin => {
                    let key = head.mask.unwrap_or_default();
                    match head.opcode {
                        OpCode::Text => Some((Kind::Text, key, head.payload_len, len)),
                        OpCode::Binary => Some((Kind::Binary, key, head.payload_len, len)),
                        OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong => None,
                    }
                }
                _ => None,
            };
            prop_assert_eq!(decode_message(bytes, masking), expected);
        }

        #[test]
        fn an_error_stays_the_same_whatever_follows(bytes: [u8; MAX_HEAD], required: bool) {
            let masking = if required { Masking::Required } else { Masking::Forbidden };
            let whole = decode(&bytes, masking);
            for cut in 0..bytes.len() {
                if let Err(early) = decode(&bytes[..cut], masking) {
                    prop_assert_eq!(whole, Err(early));
                }
            }
            if let Ok(Decoded::Done { head, len }) = whole {
                let encoded = head.encode();
                prop_assert_eq!(encoded.as_bytes(), &bytes[..len]);
            }
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        use HeadError::*;
        use Masking::*;
        let table: [(&[u8], Masking, HeadError); 15] = [
            (&[0xC1], Required, ReservedBits),
            (&[0xA1], Required, ReservedBits),
            (&[0x91], Required, ReservedBits),
            (&[0x83], Required, ReservedOpcode),
            (&[0x8F], Required, ReservedOpcode),
            (&[0x09], Required, FragmentedControl),
            (&[0x08], Required, FragmentedControl),
            (&[0x89, 0xFE], Required, OversizedControl),
            (&[0x8A, 0x7F], Forbidden, OversizedControl),
            (&[0x81, 0x00], Required, Unmasked),
            (&[0x81, 0x80], Forbidden, Masked),
            (&[0x82, 0xFE, 0x00, 0x7D], Required, NonMinimalLength),
            (
                &[0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
                Forbidden,
                NonMinimalLength,
            ),
            (&[0x82, 0x7F, 0x80], Forbidden, LengthTooLarge),
            (&[0x82, 0xFF, 0xFF], Required, LengthTooLarge),
        ];
        for (bytes, masking, error) in table {
            assert_eq!(decode(bytes, masking), Err(error), "{bytes:02x?}");
        }
    }
}
