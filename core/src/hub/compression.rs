//! Compression at a hub (RFC 7692; feature `deflate`): the codecs, which all its sessions share.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{fmt, ops::Range};

use super::outbox::payload;
use crate::{
    conn::{Config, Data, Violation},
    deflate::{Deflater, Direction, Inflater, Settings, WindowBits},
    wire::Kind,
};

/// Windows for which notifications are compressed. Whoever agreed on another hears what is compressed
/// for the next smaller one, whose distances its own window has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// 256 bytes.
    Small,
    /// 4 KiB: what Python's `websockets` asks for.
    Medium,
    /// 32 KiB: what browsers leave it at.
    Large,
}

impl Class {
    pub(super) const COUNT: usize = 3;

    const MEDIUM: u8 = 12;

    /// The largest one that stays within `window`.
    pub(super) const fn within(window: WindowBits) -> Self {
        match window.get() {
            ..Self::MEDIUM => Self::Small,
            Self::MEDIUM..15 => Self::Medium,
            15.. => Self::Large,
        }
    }

    /// The smallest one in which a message of `len` bytes loses nothing.
    pub(super) const fn fitting(len: usize) -> Self {
        match WindowBits::fitting(len).get() {
            ..=8 => Self::Small,
            9..=Self::MEDIUM => Self::Medium,
            13.. => Self::Large,
        }
    }

    const fn window(self) -> WindowBits {
        let window = match self {
            Self::Small => Some(WindowBits::MIN),
            Self::Medium => WindowBits::new(Self::MEDIUM),
            Self::Large => Some(WindowBits::MAX),
        };
        match window {
            Some(window) => window,
            None => WindowBits::MIN,
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Small => 0,
            Self::Medium => 1,
            Self::Large => 2,
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Small),
            1 => Some(Self::Medium),
            2 => Some(Self::Large),
            _ => None,
        }
    }
}

/// How much of the memory that a message was inflated in is kept for the next one: the usual message,
/// whoever sends it.
const KEPT: usize = 16 * 1024;

/// The room that a message gets to be inflated in before it is known to need more.
const ROOM: usize = 4 * 1024;

/// What inflates messages, and the length of the longest.
struct Codec {
    inflater: Box<Inflater<Vec<u8>>>,
    most: usize,
}

/// The codecs of a hub. They are made when they are needed, and dropped when no session is left that
/// compresses.
pub(super) struct Compression {
    settings: Settings,
    config: Config,
    /// How many open sessions compress.
    sessions: usize,
    deflaters: [Option<Deflater>; Class::COUNT],
    /// For the messages of all who keep nothing between them; and its window.
    inflater: Option<(WindowBits, Codec)>,
    /// Those of sessions, by their slots, whose clients refer to earlier messages.
    own_inflaters: BTreeMap<u32, Codec>,
    inflated: Vec<u8>,
}

impl Compression {
    pub(super) const fn new(settings: &Settings, config: &Config) -> Self {
        Self {
            settings: Self::terms(settings),
            config: *config,
            sessions: 0,
            deflaters: [const { None }; Class::COUNT],
            inflater: None,
            own_inflaters: BTreeMap::new(),
            inflated: Vec::new(),
        }
    }

    /// What a hub of these settings agrees to.
    pub(super) const fn terms(settings: &Settings) -> Settings {
        Settings {
            // What is shared by many refers to nothing that some of them have not heard.
            send_takeover: false,
            ..*settings
        }
    }

    /// Messages from now on are within `config`; but not those of clients that refer to earlier ones,
    /// whose inflaters are what they were.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.config = *config;
        self.inflater = None;
    }

    /// A session has agreed on compression.
    pub(super) const fn enter(&mut self) {
        self.sessions = self.sessions.saturating_add(1);
    }

    /// Such a session is gone, whose slot was `index`.
    pub(super) fn leave(&mut self, index: u32) {
        self.own_inflaters.remove(&index);
        self.sessions = self.sessions.saturating_sub(1);
        if self.sessions == 0 {
            *self = Self::new(&self.settings, &self.config);
        }
    }

    /// Whether a message of so many bytes may shrink enough to be worth the work.
    pub(super) const fn is_worthwhile(&self, len: usize) -> bool {
        len > 0 && len >= self.settings.threshold
    }

    /// Appends `plain`, a whole frame with a text, compressed to `frames`; where it is, `None` if it
    /// would be no smaller.
    pub(super) fn frame(
        &mut self,
        class: Class,
        plain: &[u8],
        frames: &mut Vec<u8>,
    ) -> Option<Range<usize>> {
        let deflater = self.deflaters.get_mut(usize::from(class.number()))?;
        let deflater = deflater.get_or_insert_with(|| {
            let direction = Direction {
                window: class.window(),
                takeover: false,
            };
            Deflater::new(direction, self.settings.level)
        });
        let start = frames.len();
        let is_made = deflater.frame(Kind::Text, payload(plain), frames);
        let frame = start..frames.len();
        if is_made && frame.len() < plain.len() {
            return Some(frame);
        }
        frames.truncate(start);
        None
    }

    /// Inflates a whole message of the session whose slot is `index` and whose client compresses as
    /// `direction` says. Give the answer [back](Self::take_back) when it is read.
    ///
    /// # Errors
    /// The rule that the client broke.
    pub(super) fn inflate(
        &mut self,
        index: u32,
        direction: Direction,
        kind: Kind,
        bytes: &mut [u8],
    ) -> Result<Inflated, Violation> {
        let (settings, config) = (&self.settings, &self.config);
        let make = || Codec {
            inflater: Box::new(Inflater::on_heap(direction, settings, config)),
            most: usize::try_from(config.max_message).unwrap_or(usize::MAX),
        };
        let codec = if direction.takeover {
            self.own_inflaters.entry(index).or_insert_with(make)
        } else {
            // A distance beyond its own window must not be within the one of somebody else.
            let slot = &mut self.inflater;
            if slot.as_ref().is_some_and(|(w, _)| *w != direction.window) {
                *slot = None;
            }
            &mut slot.get_or_insert_with(|| (direction.window, make())).1
        };
        let mut message = Inflated {
            buffer: core::mem::take(&mut self.inflated),
            len: 0,
        };
        let inflated = message.fill(codec, kind, bytes);
        if let Err(violation) = inflated {
            codec.inflater.reset();
            self.take_back(message);
            return Err(violation);
        }
        Ok(message)
    }

    /// The memory of a message is good for the next one.
    pub(super) fn take_back(&mut self, message: Inflated) {
        self.inflated = message.buffer;
        self.inflated.truncate(KEPT);
        self.inflated.shrink_to(KEPT);
    }
}

/// A message, inflated.
pub(super) struct Inflated {
    buffer: Vec<u8>,
    len: usize,
}

impl Inflated {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    fn fill(&mut self, codec: &mut Codec, kind: Kind, bytes: &mut [u8]) -> Result<(), Violation> {
        let mut data = Data {
            kind,
            bytes,
            first: true,
            last: true,
        };
        loop {
            if self.len >= self.buffer.len() {
                // A byte too many is room enough to find that a message is too large.
                let len = self.len.saturating_mul(2).max(ROOM);
                let len = len.min(codec.most.saturating_add(1));
                self.buffer.resize(len.max(self.len.saturating_add(1)), 0);
            }
            let room = self.buffer.get_mut(self.len..).unwrap_or_default();
            let Some(piece) = codec.inflater.inflate(&mut data, room)? else {
                return Ok(());
            };
            self.len = self.len.saturating_add(piece.bytes.len());
            if piece.last {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Compression {
    /// How many compressors there are, and inflaters of sessions.
    pub(super) fn made(&self) -> (usize, usize) {
        let deflaters = self.deflaters.iter().flatten().count();
        (deflaters, self.own_inflaters.len())
    }
}
