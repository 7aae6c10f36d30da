//! Opcodes: exactly the values that may be on the wire.

/// What a message carries (RFC 6455 section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Arbitrary bytes.
    Binary,
}

/// The opcode of a frame (RFC 6455 section 5.2); reserved values cannot be represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpCode {
    /// A further fragment of the message in progress.
    Continuation,
    /// The first fragment of a text message.
    Text,
    /// The first fragment of a binary message.
    Binary,
    /// The closing handshake.
    Close,
    /// A request to be answered with a Pong.
    Ping,
    /// An answer to a Ping, or a one-way heartbeat.
    Pong,
}

impl OpCode {
    /// The opcode with these four bits, or `None` for a reserved one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits of this opcode.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether this is a control frame (RFC 6455 section 5.5): the highest of the four bits is set.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

impl From<Kind> for OpCode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive_a_round_trip_and_ten_values_are_reserved() {
        let known = (0..=u8::MAX).filter_map(|bits| Some((bits, OpCode::from_bits(bits)?)));
        let mut count = 0;
        for (bits, opcode) in known {
            assert_eq!(opcode.bits(), bits);
            assert_eq!(opcode.is_control(), bits >= 8);
            count += 1;
        }
        assert_eq!(count, 6);
    }
}
