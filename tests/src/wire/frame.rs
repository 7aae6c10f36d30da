//! Frames, legal or not.

use core::fmt;

use super::abbreviated;

/// The masking key of the example in RFC 6455 section 5.7: four different bytes, so that a wrong phase shows.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame in the terms of RFC 6455 section 5.2.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The FIN bit.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as one number, 0 to 7.
    pub rsv: u8,
    /// The opcode, 0 to 15.
    pub opcode: u8,
    /// The payload before masking.
    pub payload: Vec<u8>,
}

impl Frame {
    pub(super) const CONTINUATION: u8 = 0x0;
    /// The opcode of a text.
    pub const TEXT: u8 = 0x1;
    pub(super) const BINARY: u8 = 0x2;
    pub(super) const CLOSE: u8 = 0x8;
    pub(super) const PING: u8 = 0x9;
    pub(super) const PONG: u8 = 0xa;

    /// A frame with FIN set.
    #[must_use]
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            payload: payload.into(),
        }
    }

    /// A whole text message.
    #[must_use]
    pub fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Self::TEXT, payload)
    }

    /// A whole binary message.
    #[must_use]
    pub fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Self::BINARY, payload)
    }

    /// A continuation frame, which ends its message.
    #[must_use]
    pub fn continuation(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Self::CONTINUATION, payload)
    }

    /// A ping.
    #[must_use]
    pub fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Self::PING, payload)
    }

    /// A pong.
    #[must_use]
    pub fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Self::PONG, payload)
    }

    /// A close frame with a code and no reason.
    #[must_use]
    pub fn close(code: u16) -> Self {
        Self::new(Self::CLOSE, code.to_be_bytes())
    }

    /// The frame with FIN cleared: more of the message follows.
    #[must_use]
    pub fn unfinished(self) -> Self {
        Self { fin: false, ..self }
    }

    /// The frame as a client must send it, masked.
    #[must_use]
    pub fn masked(&self) -> Vec<u8> {
        let mut bytes = self.head(0x80);
        bytes.extend(MASK);
        bytes.extend(
            self.payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        bytes
    }

    /// The frame as only a server may send it, unmasked.
    #[must_use]
    pub fn unmasked(&self) -> Vec<u8> {
        let mut bytes = self.head(0);
        bytes.extend(&self.payload);
        bytes
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        let length = self.payload.len();
        if let Ok(short @ 0..=125) = u8::try_from(length) {
            bytes.push(mask_bit | short);
        } else if let Ok(medium) = u16::try_from(length) {
            bytes.push(mask_bit | 126);
            bytes.extend(medium.to_be_bytes());
        } else {
            bytes.push(mask_bit | 127);
            bytes.extend(
                u64::try_from(length)
                    .expect("a length in memory")
                    .to_be_bytes(),
            );
        }
        bytes
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fin,
            rsv,
            opcode,
            payload,
        } = self;
        let payload = abbreviated(&payload.escape_ascii().to_string());
        write!(
            f,
            "Frame {{ fin: {fin}, rsv: {rsv}, opcode: {opcode:#x}, payload: {payload:?} }}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_examples_in_rfc_6455_section_5_7() {
        let hello = Frame::text("Hello");
        assert_eq!(hello.unmasked(), *b"\x81\x05Hello");
        assert_eq!(
            hello.masked(),
            *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
        );
        let fragments = [Frame::text("Hel").unfinished(), Frame::continuation("lo")];
        assert_eq!(
            fragments.map(|frame| frame.unmasked()),
            [&b"\x01\x03Hel"[..], b"\x80\x02lo"]
        );
        assert_eq!(Frame::ping("Hello").unmasked(), *b"\x89\x05Hello");
        assert_eq!(
            Frame::pong("Hello").masked(),
            *b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
        );
        assert!(
            Frame::binary([0; 256])
                .unmasked()
                .starts_with(b"\x82\x7e\x01\x00")
        );
        assert!(
            Frame::binary([0; 65536])
                .unmasked()
                .starts_with(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00")
        );
    }

    #[test]
    fn every_field_of_the_head_has_its_bits() {
        let frame = Frame {
            fin: false,
            rsv: 0b101,
            opcode: 0xb,
            payload: vec![],
        };
        assert_eq!(frame.unmasked(), [0b0101_1011, 0]);
        assert_eq!(Frame::close(1002).unmasked(), [0x88, 2, 0x03, 0xea]);
    }
}
