//! What a connection tells its driver.

use core::fmt;

use crate::wire::{CloseCode, ClosePayload, Kind};

use super::Violation;

/// What the peer said. Borrows the buffer that the bytes arrived in.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A piece of a message (sections 5.4 and 5.6); an [`Assembler`](super::Assembler) makes it whole.
    Data(Data<'b>),
    /// A piece of a compressed message, as it came; an [`Inflater`](crate::deflate::Inflater) makes
    /// pieces of a message of it, whose text is not checked yet. Only where compression was agreed on
    /// (feature `deflate`; [`Connection::enable_deflate`](super::Connection::enable_deflate)).
    #[cfg(feature = "deflate")]
    Deflated(Data<'b>),
    /// A Ping and its payload, at most 125 bytes (section 5.5.2);
    /// [`poll_transmit`](super::Connection::poll_transmit) has the answer.
    Ping(&'b [u8]),
    /// A Pong and its payload, at most 125 bytes, asked for or not (section 5.5.3).
    Pong(&'b [u8]),
    /// A Close, `None` if it has no code (section 5.5.1): nothing more will be heard.
    /// [`poll_transmit`](super::Connection::poll_transmit) has the answer.
    Close(Option<ClosePayload<'b>>),
}

/// A piece of a message, unmasked where it arrived.
///
/// A message is cut where the buffer ended, not where its frames did. The bytes
/// of a text are valid UTF-8 up to an unfinished character at the end, and with
/// `last` altogether.
#[derive(PartialEq, Eq)]
pub struct Data<'b> {
    /// What the message carries.
    pub kind: Kind,
    /// The bytes of this piece; empty only in a message without content or at the end of one.
    pub bytes: &'b mut [u8],
    /// Whether the message starts here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

impl fmt::Debug for Data<'_> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data")
            .field("kind", &self.kind)
            .field("len", &self.bytes.len())
            .field("first", &self.first)
            .field("last", &self.last)
            .finish()
    }
}

/// What the transport has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit<'o> {
    /// Send these bytes: one whole frame.
    Bytes(&'o [u8]),
    /// When everything is sent, shut down the writing direction (a FIN), and go on reading (section
    /// 7.1.1).
    ShutdownWrite,
    /// Send what is queued as far as it goes without waiting, then drop the transport.
    Disconnect,
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCause {
    /// We closed, with this code.
    Local(CloseCode),
    /// The peer closed, with this code if it gave one.
    Peer(Option<CloseCode>),
    /// The peer broke a rule.
    Violation(Violation),
    /// The transport ended before a closing handshake did.
    Eof,
    /// The peer was silent after a Ping, or late with its part of the closing handshake.
    Overdue,
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(_) => f.write_str("closed by this side"),
            Self::Peer(_) => f.write_str("closed by the peer"),
            Self::Violation(violation) => violation.fmt(f),
            Self::Eof => f.write_str("the peer is gone"),
            Self::Overdue => f.write_str("the peer did not answer in time"),
        }
    }
}

impl CloseCause {
    /// The close code that describes it, for logs: ours where we closed or the peer broke a rule, the
    /// peer's where it closed, 1005 for a Close without a code, 1006 for an end without a Close
    /// (sections 7.1.5 and 7.4.1). The last two are never on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Local(code) | Self::Peer(Some(code)) => code.get(),
            Self::Peer(None) => 1005,
            Self::Violation(violation) => violation.close_code().get(),
            Self::Eof | Self::Overdue => 1006,
        }
    }
}
