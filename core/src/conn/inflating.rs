//! The compressed half of a [`Buffered`](super::Buffered): memory for what compressed messages
//! inflate to, and for what is sent in their place (features `alloc` and `deflate`).

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use crate::{
    deflate::{Agreed, Deflater, Direction, Inflater, Settings, WindowBits},
    wire::Kind,
};

use super::{BUFFER, Config, Connection, Data, Role, SendError, Violation};

/// What is inflated, and with what.
pub(super) struct Inflating {
    direction: Direction,
    settings: Settings,
    config: Config,
    codec: Option<Box<Inflater<Vec<u8>>>>,
    /// Pieces of messages, until they are handed out.
    buffer: Vec<u8>,
    /// Where in it the part of a message is that is to be handed out whole.
    part: Range<usize>,
    /// What that message carries, and whether the part starts where it does.
    part_kind: Kind,
    part_first: bool,
}

/// A chunk of a compressed message that is not inflated yet, as places in a buffer.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    pub(super) first: bool,
    pub(super) last: bool,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// An [`Inflating`] while events are handed out.
pub(super) struct Inflation<'a> {
    direction: Direction,
    settings: &'a Settings,
    config: &'a Config,
    codec: &'a mut Option<Box<Inflater<Vec<u8>>>>,
    /// What was not handed out yet of the buffer, and where it starts in it.
    room: &'a mut [u8],
    base: usize,
    part: &'a mut Range<usize>,
    part_kind: &'a mut Kind,
    part_first: &'a mut bool,
    pending: &'a mut Option<Pending>,
    /// The bytes to inflate next.
    data: Option<Data<'a>>,
}

impl Inflating {
    pub(super) fn new<R: Role>(agreed: &Agreed, settings: &Settings, config: &Config) -> Self {
        Self {
            direction: agreed.incoming::<R>(),
            settings: *settings,
            config: *config,
            codec: None,
            buffer: Vec::new(),
            part: 0..0,
            part_kind: Kind::Binary,
            part_first: false,
        }
    }

    /// Makes room for more: the part moves to the front, and what it fills is doubled, so that a byte
    /// is moved once on average.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.part.clone(), 0);
        self.part = 0..self.part.len();
        if self.part.end == self.buffer.len() {
            // A message that is at its limit needs a byte of room to be found too large.
            let most = usize::try_from(self.config.max_message).unwrap_or(usize::MAX);
            let len = self.part.end.saturating_mul(2).max(BUFFER);
            let len = len
                .min(most.saturating_add(1))
                .max(self.part.end.saturating_add(1));
            let more = len.saturating_sub(self.buffer.len());
            self.buffer.reserve_exact(more);
            self.buffer.resize(len, 0);
        }
    }

    /// Gives back what nobody needs now.
    pub(super) fn release(&mut self) {
        if self.part.is_empty() {
            self.buffer = Vec::new();
            self.part = 0..0;
        }
    }

    /// `data` are the bytes of `pending` that are not inflated yet.
    pub(super) fn start<'a>(
        &'a mut self,
        pending: &'a mut Option<Pending>,
        data: Option<Data<'a>>,
    ) -> Inflation<'a> {
        if data.is_some() {
            self.make_room();
        }
        let base = self.part.start;
        Inflation {
            direction: self.direction,
            settings: &self.settings,
            config: &self.config,
            codec: &mut self.codec,
            room: self.buffer.get_mut(base..).unwrap_or_default(),
            base,
            part: &mut self.part,
            part_kind: &mut self.part_kind,
            part_first: &mut self.part_first,
            pending,
            data,
        }
    }

    /// How many bytes it holds.
    #[cfg(test)]
    pub(super) fn memory(&self) -> (usize, bool) {
        (self.buffer.capacity(), self.codec.is_some())
    }
}

/// What comes of inflating what is there.
pub(super) enum Outcome<'a> {
    Piece(Data<'a>),
    /// All of it is inflated.
    Done,
    /// What was handed out has to be dropped first.
    NoRoom,
    Broken(Violation),
}

impl<'a> Inflation<'a> {
    /// The chunk that is to be inflated, `end` being where it ends in its buffer.
    pub(super) fn begin(&mut self, data: Data<'a>, end: usize) {
        *self.pending = Some(Pending {
            kind: data.kind,
            first: data.first,
            last: data.last,
            start: end.saturating_sub(data.bytes.len()),
            end,
        });
        self.data = Some(data);
    }

    /// A part that was kept for a message which is now wanted in pieces.
    pub(super) fn take_part(&mut self) -> Option<Data<'a>> {
        match self.part.len() {
            0 => None,
            len => Some(self.hand_out(len, false)),
        }
    }

    /// Forgets what no message will come of.
    pub(super) fn forget(&mut self) {
        self.data = None;
        *self.pending = None;
        *self.codec = None;
        self.part.end = self.part.start;
    }

    /// Inflates on; with `whole`, until a message is complete.
    pub(super) fn advance(&mut self, whole: bool) -> Outcome<'a> {
        loop {
            let Some(data) = &mut self.data else {
                return Outcome::Done;
            };
            let kept = self.part.len();
            let out = self.room.get_mut(kept..).unwrap_or_default();
            if out.is_empty() {
                return Outcome::NoRoom;
            }
            let codec = self.codec.get_or_insert_with(|| {
                let inflater = Inflater::on_heap(self.direction, self.settings, self.config);
                Box::new(inflater)
            });
            let piece = codec.inflate(data, out);
            let piece = piece.map(|piece| {
                piece.map(|piece| (piece.kind, piece.bytes.len(), piece.first, piece.last))
            });
            // What was taken need not be kept for another time.
            if let Some(pending) = self.pending {
                pending.first = data.first;
                pending.start = pending.end.saturating_sub(data.bytes.len());
            }
            match piece {
                Err(violation) => {
                    self.forget();
                    return Outcome::Broken(violation);
                }
                Ok(None) => {
                    self.data = None;
                    *self.pending = None;
                }
                Ok(Some((kind, len, first, last))) => {
                    if last {
                        self.data = None;
                        *self.pending = None;
                        if !self.direction.takeover {
                            // Idle connections hold no memory of the codec's.
                            *self.codec = None;
                        }
                    }
                    if kept == 0 {
                        *self.part_kind = kind;
                        *self.part_first = first;
                    }
                    let len = kept.saturating_add(len);
                    if last || !whole {
                        return Outcome::Piece(self.hand_out(len, last));
                    }
                    self.part.end = self.part.start.saturating_add(len);
                }
            }
        }
    }

    /// Splits the first `len` bytes off the room.
    fn hand_out(&mut self, len: usize, last: bool) -> Data<'a> {
        let room = core::mem::take(&mut self.room);
        let (bytes, rest) = room.split_at_mut(len.min(room.len()));
        self.room = rest;
        self.base = self.base.saturating_add(bytes.len());
        *self.part = self.base..self.base;
        Data {
            kind: *self.part_kind,
            bytes,
            first: core::mem::take(self.part_first),
            last,
        }
    }
}

/// What is sent compressed, and with what.
pub(super) struct Deflating {
    direction: Direction,
    settings: Settings,
    codec: Option<Deflater>,
}

impl Deflating {
    pub(super) fn new<R: Role>(agreed: &Agreed, settings: &Settings) -> Self {
        Self {
            direction: agreed.outgoing::<R>(),
            settings: *settings,
            codec: None,
        }
    }

    /// The compressed form of a message, if it is worth sending.
    pub(super) fn deflate<R: Role>(
        &mut self,
        conn: &Connection<R>,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, SendError> {
        // With takeover, what is not sent must not be said to the compressor.
        conn.check_ready()?;
        if payload.len() < self.settings.threshold.max(1) {
            return Ok(None);
        }
        let mut direction = self.direction;
        if !direction.takeover {
            // A short message needs no large window, nor the memory for it.
            direction.window = direction.window.min(WindowBits::fitting(payload.len()));
        }
        let level = self.settings.level;
        let codec = self
            .codec
            .get_or_insert_with(|| Deflater::new(direction, level));
        let mut deflated = Vec::new();
        let is_compressed = if self.settings.larger_too {
            codec.deflate(payload, true, &mut deflated);
            true
        } else {
            codec.deflate_if_smaller(payload, &mut deflated)
        };
        if !self.direction.takeover {
            self.codec = None;
        }
        Ok(is_compressed.then_some(deflated))
    }

    /// Whether it holds a compressor.
    #[cfg(test)]
    pub(super) const fn holds_memory(&self) -> bool {
        self.codec.is_some()
    }
}
