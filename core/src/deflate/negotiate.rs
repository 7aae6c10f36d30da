//! What a program wants of compression, and what a server makes of offers with it.

use crate::handshake::Extension;

use super::{Agreed, ClientWindow, Direction, NAME, Offer, WindowBits};

/// How hard a compressor tries: 1, the fastest, to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// 1: the least work.
    pub const FASTEST: Self = Self(1);
    /// 6: on 4 KiB of JSON twice the work of 1, and a third smaller; 9 is no smaller than that.
    pub const DEFAULT: Self = Self(6);

    /// The level; `None` unless it is 1 to 9.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if level < 1 || level > 9 {
            return None;
        }
        Some(Self(level))
    }

    /// The level, 1 to 9.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What one end of a connection wants of permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest window for what we send. The peer may ask for a smaller one.
    pub send_window: WindowBits,
    /// Whether we refer to earlier messages of ours. It costs the memory of a compressor for as long
    /// as the connection lives, see the [module](super); the peer may forbid it.
    pub send_takeover: bool,
    /// The largest window for what we receive. A peer that cannot be held to it is not compressed
    /// with.
    pub receive_window: WindowBits,
    /// Whether the peer may refer to earlier messages of its own. It costs the memory of an inflater
    /// for as long as the connection lives.
    pub receive_takeover: bool,
    /// How hard we try.
    pub level: Level,
    /// Messages of fewer bytes are sent as they are.
    pub threshold: usize,
    /// Whether other messages are sent compressed even where that makes them larger, which is for
    /// tests of inflaters.
    pub larger_too: bool,
    /// How many bytes a compressed byte of a message may become, beyond the first
    /// [`RATIO_FREE`](super::RATIO_FREE) ones; at least 1. More are
    /// [`RatioTooHigh`](super::Fault::RatioTooHigh).
    pub max_ratio: u32,
}

impl Settings {
    /// 512: what is shorter hardly shrinks without takeover, and fits one packet anyway.
    pub const THRESHOLD: usize = 512;
    /// 128: text shrinks to a tenth and a table of equal rows to a hundredth; 1,032 is what DEFLATE
    /// can do, and only a bomb needs it.
    pub const MAX_RATIO: u32 = 128;

    /// For a server that the whole world can reach: no memory is held between messages.
    #[must_use]
    pub const fn server() -> Self {
        Self {
            send_window: WindowBits::MAX,
            send_takeover: false,
            receive_window: WindowBits::MAX,
            receive_takeover: false,
            level: Level::DEFAULT,
            threshold: Self::THRESHOLD,
            larger_too: false,
            max_ratio: Self::MAX_RATIO,
        }
    }

    /// For a client, which has one connection: the server may refer to its earlier messages, and
    /// the client, which says less, does not.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            receive_takeover: true,
            ..Self::server()
        }
    }

    /// A server's answer to the extensions of a [`Request`](crate::handshake::Request): the first
    /// offer that is well-formed and can be kept, as RFC 7692 section 7.1 demands; `None` if there is
    /// none, and then there is no compression.
    pub fn answer<'b>(&self, extensions: impl Iterator<Item = Extension<'b>>) -> Option<Agreed> {
        extensions
            .filter(|extension| extension.name() == NAME)
            .filter_map(Offer::parse)
            .find_map(|offer| self.accept(&offer))
    }

    /// A client's offer.
    #[must_use]
    pub fn offer(&self) -> Offer {
        let smaller = |window| (window < WindowBits::MAX).then_some(window);
        Offer {
            server_no_context_takeover: !self.receive_takeover,
            client_no_context_takeover: !self.send_takeover,
            server_max_window_bits: smaller(self.receive_window),
            client_max_window_bits: match smaller(self.send_window) {
                None => ClientWindow::Any,
                Some(window) => ClientWindow::AtMost(window),
            },
        }
    }

    /// Its answer to one offer.
    pub(crate) fn accept(&self, offer: &Offer) -> Option<Agreed> {
        let (client_window, names_client_window) = match offer.client_max_window_bits {
            // It cannot be asked for a smaller one (section 7.1.2.2).
            ClientWindow::Absent if self.receive_window < WindowBits::MAX => return None,
            ClientWindow::Absent => (WindowBits::MAX, false),
            ClientWindow::Any => (self.receive_window, self.receive_window < WindowBits::MAX),
            ClientWindow::AtMost(most) => (most.min(self.receive_window), true),
        };
        let asked = offer.server_max_window_bits;
        let server_window = asked.unwrap_or_default().min(self.send_window);
        Some(Agreed {
            server: Direction {
                window: server_window,
                takeover: self.send_takeover && !offer.server_no_context_takeover,
            },
            client: Direction {
                window: client_window,
                takeover: self.receive_takeover && !offer.client_no_context_takeover,
            },
            names_server_window: asked.is_some() || server_window < WindowBits::MAX,
            names_client_window,
        })
    }
}
