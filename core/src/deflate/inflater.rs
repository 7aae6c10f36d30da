//! Messages of the peer, inflated in memory of the caller's.

use core::{fmt, mem};

use miniz_oxide::inflate::{
    TINFLStatus as Status,
    core::{
        DecompressorOxide, decompress_with_limit,
        inflate_flags::{
            TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
            TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};

use crate::{
    conn::{Config, Data, Violation},
    wire::{Kind, Utf8Validator},
};

use super::{Direction, Fault, Settings, WindowBits};

/// What an [`Inflater`] takes besides its window, in bytes: the tables of the codes of a block.
pub const INFLATER_BYTES: usize = 11 * 1024;

/// How many bytes of a message are not held against [`Settings::max_ratio`]: 64 KiB, as many as a
/// message may have by default, which is no bomb whatever it came from.
pub const RATIO_FREE: u64 = Config::MAX_MESSAGE;

/// The compressed bytes that each block of a message must have on average: 3. A block makes us build
/// the tables of its codes, which takes as long as inflating two kilobytes of text, and can be as short
/// as ten bits. A compressor that flushes behind every single byte makes blocks of 3.5 bytes.
pub const BYTES_PER_BLOCK: u64 = 3;

/// How many blocks a message may have beyond that: 2. A message of one character is one block.
pub const BLOCKS_AHEAD: u64 = 2;

/// What section 7.2.2 of RFC 7692 has us append: the end of an empty block without compression.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Inflates the messages of one peer, in order (RFC 7692, section 7.2.2).
///
/// `W` is the memory of the window: an array, a slice, a `Vec`. Without takeover nothing in it matters
/// between messages, so that one inflater may serve several connections, one message at a time; or
/// it is dropped and made again.
pub struct Inflater<W> {
    tables: DecompressorOxide,
    /// A ring as large as the window, so that a distance beyond the window is one beyond the ring.
    window: W,
    /// Where in the window the next byte goes.
    position: usize,
    /// Whether the window has been full. Before that, a distance must not reach beyond its start.
    wrapped: bool,
    takeover: bool,
    max_message: u64,
    max_ratio: u64,
    /// Compressed bytes of the current message, in whole bytes of what is inflated.
    consumed: u64,
    /// Inflated bytes of it.
    inflated: u64,
    /// Its blocks.
    blocks: u64,
    utf8: Utf8Validator,
    /// Whether nothing of the current message was handed out yet.
    first: bool,
    /// Whether a message is under way.
    open: bool,
    /// The rule that was broken behind the bytes that were handed out last.
    found: Option<Violation>,
}

/// The memory for a window is not as large as the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongSize {
    /// How many bytes it must have.
    pub needed: usize,
}

impl fmt::Display for WrongSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the window must have {} bytes", self.needed)
    }
}

impl core::error::Error for WrongSize {}

const MALFORMED: Stop = Stop::Broken(Violation::Deflate(Fault::Malformed));

/// What one step of inflating did.
struct Step {
    end: End,
    consumed: usize,
    /// Where in the window the new bytes start, and how many they are.
    start: usize,
    written: usize,
}

/// Where a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Where there was no more room.
    Room,
    /// Where there were no more bytes.
    Input,
    /// Behind a block.
    Block,
    /// Behind the last block of a stream.
    Stream,
    /// At something that is no DEFLATE.
    Malformed,
}

/// Why inflating stopped.
enum Stop {
    /// There is no room for more.
    Full,
    /// All that is there is inflated, and more is to come.
    Empty,
    /// The message is over.
    Over,
    Broken(Violation),
}

impl<W: AsMut<[u8]>> Inflater<W> {
    /// An inflater for what `direction` says, whose messages have at most
    /// [`Config::max_message`] bytes and a ratio of at most [`Settings::max_ratio`].
    ///
    /// # Errors
    /// [`WrongSize`] unless `window` has [`WindowBits::bytes`] bytes.
    pub fn new(
        direction: Direction,
        mut window: W,
        settings: &Settings,
        config: &Config,
    ) -> Result<Self, WrongSize> {
        let needed = direction.window.bytes();
        if window.as_mut().len() != needed {
            return Err(WrongSize { needed });
        }
        Ok(Self::in_window(direction, window, settings, config))
    }

    /// `window` is as large as it must be.
    pub(super) fn in_window(
        direction: Direction,
        window: W,
        settings: &Settings,
        config: &Config,
    ) -> Self {
        Self {
            tables: DecompressorOxide::new(),
            window,
            position: 0,
            wrapped: false,
            takeover: direction.takeover,
            max_message: config.max_message,
            max_ratio: u64::from(settings.max_ratio.max(1)),
            consumed: 0,
            inflated: 0,
            blocks: 0,
            utf8: Utf8Validator::new(),
            first: false,
            open: false,
            found: None,
        }
    }

    /// Forgets everything: the next chunk is the first one of another peer's.
    pub fn reset(&mut self) {
        self.forget();
        self.open = false;
        self.found = None;
    }

    /// The next piece of the message of which `data` is a chunk: that of an
    /// [`Event::Deflated`](crate::conn::Event::Deflated), off whose front it takes bytes. Call with
    /// the same `data` until `Ok(None)`: it is inflated then, as far as it goes.
    ///
    /// A piece is as large as `out`, which must not be empty, or it is the last one for the time
    /// being; empty only in a message without content or at the end of one. As in an
    /// [`Event::Data`](crate::conn::Event::Data), the bytes of a text are valid UTF-8 up to an
    /// unfinished character at the end, and with `last` altogether. How the chunks were cut makes no
    /// difference to the bytes, nor to the error behind them.
    ///
    /// # Errors
    /// The rule that the peer broke; give it to
    /// [`Connection::violate`](crate::conn::Connection::violate). The inflater is of no more use then
    /// until [`reset`](Self::reset).
    pub fn inflate<'o>(
        &mut self,
        data: &mut Data<'_>,
        out: &'o mut [u8],
    ) -> Result<Option<Data<'o>>, Violation> {
        if mem::take(&mut data.first) {
            self.begin();
        }
        if let Some(violation) = self.found {
            return Err(violation);
        }
        if !self.open {
            return Ok(None);
        }
        let (mut filled, stop) = self.fill(data, out);
        let mut last = false;
        match stop {
            Stop::Full => {}
            Stop::Empty if filled == 0 => return Ok(None),
            Stop::Empty => {}
            Stop::Over => last = true,
            Stop::Broken(violation) => self.found = Some(violation),
        }
        if data.kind == Kind::Text {
            let bytes = out.get(..filled).unwrap_or_default();
            if let Err(good) = self.utf8.push(bytes) {
                self.found = Some(Violation::InvalidUtf8);
                (filled, last) = (good, false);
            } else if last && !self.utf8.is_complete() {
                self.found = Some(Violation::InvalidUtf8);
                last = false;
            }
        }
        if let Some(violation) = self.found
            && filled == 0
        {
            return Err(violation);
        }
        if last {
            self.open = false;
            if !self.takeover {
                self.forget();
            }
        }
        Ok(Some(Data {
            kind: data.kind,
            bytes: out.get_mut(..filled).unwrap_or_default(),
            first: mem::take(&mut self.first),
            last,
        }))
    }

    fn begin(&mut self) {
        self.consumed = 0;
        self.inflated = 0;
        self.blocks = 0;
        self.utf8 = Utf8Validator::new();
        self.first = true;
        self.open = true;
    }

    /// Forgets the earlier messages. The window keeps its bytes, but nothing can refer to them.
    fn forget(&mut self) {
        self.tables.init();
        self.position = 0;
        self.wrapped = false;
    }

    /// Inflates until there is a reason to stop; how many bytes of `out` are filled, and the reason.
    fn fill(&mut self, data: &mut Data<'_>, out: &mut [u8]) -> (usize, Stop) {
        let mut filled = 0;
        let stop = loop {
            let free = out.get_mut(filled..).unwrap_or_default();
            if free.is_empty() {
                break Stop::Full;
            }
            match self.advance(data, free) {
                Ok((written, None)) => filled = filled.saturating_add(written),
                Ok((written, Some(stop))) => {
                    filled = filled.saturating_add(written);
                    break stop;
                }
                Err(violation) => break Stop::Broken(violation),
            }
        };
        (filled, stop)
    }

    /// One step forward: how many bytes it wrote to `out`, which has room, and why to stop behind
    /// them.
    fn advance(
        &mut self,
        data: &mut Data<'_>,
        out: &mut [u8],
    ) -> Result<(usize, Option<Stop>), Violation> {
        let left = self.most().saturating_sub(self.inflated);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let step = if left > 0 {
            self.step(data.bytes, left.min(out.len()))
        } else {
            // At a limit, what has come must not need more room. What comes next may, if it moves
            // the limit; it is taken one byte at a time, so that the verdict depends on the bytes and
            // not on their chunks.
            let pending = self.step(&[], 1);
            if pending.written > 0 {
                return Err(self.beyond_most());
            }
            if pending.end == End::Input {
                self.step(data.bytes.get(..1).unwrap_or_default(), 1)
            } else {
                pending
            }
        };
        data.bytes = mem::take(&mut data.bytes)
            .get_mut(step.consumed..)
            .unwrap_or_default();
        self.consumed = self.consumed.saturating_add(step.consumed as u64);
        self.inflated = self.inflated.saturating_add(step.written as u64);
        if self.inflated > self.most() {
            return Err(self.beyond_most());
        }
        let end = step.start.saturating_add(step.written);
        let new = self.window.as_mut().get(step.start..end);
        for (to, from) in out.iter_mut().zip(new.unwrap_or_default()) {
            *to = *from;
        }
        let stop = match step.end {
            End::Room => None,
            End::Block => self.count_block(),
            End::Stream => {
                // Section 7.2.3.4: behind the last block of a stream there may be another stream. Its
                // window is the same.
                self.tables.init();
                self.count_block()
            }
            End::Input if !data.bytes.is_empty() => None,
            End::Input if data.last => Some(self.end_message()),
            End::Input => Some(Stop::Empty),
            End::Malformed => Some(MALFORMED),
        };
        Ok((step.written, stop))
    }

    /// How many bytes the message may have, as far as it has come.
    fn most(&self) -> u64 {
        let by_ratio = self.consumed.saturating_mul(self.max_ratio);
        self.max_message.min(by_ratio.saturating_add(RATIO_FREE))
    }

    fn beyond_most(&self) -> Violation {
        if self.most() >= self.max_message {
            Violation::MessageTooBig
        } else {
            Violation::Deflate(Fault::RatioTooHigh)
        }
    }

    fn count_block(&mut self) -> Option<Stop> {
        self.blocks = self.blocks.saturating_add(1);
        let most = self.consumed.checked_div(BYTES_PER_BLOCK).unwrap_or(0);
        (self.blocks > most.saturating_add(BLOCKS_AHEAD))
            .then_some(Stop::Broken(Violation::Deflate(Fault::TooManyBlocks)))
    }

    /// All of the message is inflated: section 7.2.2, item 1. With the tail, it must end where a
    /// block does, or the next message would begin in the middle of this one.
    fn end_message(&mut self) -> Stop {
        if self.consumed == 0 {
            // Not even an empty block: what zlib makes of a second empty message in a row.
            return Stop::Over;
        }
        let mut tail = TAIL.as_slice();
        loop {
            let step = self.step(tail, 1);
            tail = tail.get(step.consumed..).unwrap_or_default();
            match step.end {
                _ if step.written > 0 => return MALFORMED,
                End::Block => {}
                End::Stream => self.tables.init(),
                End::Input => break,
                End::Room | End::Malformed => return MALFORMED,
            }
        }
        let boundary = self.tables.block_boundary_state();
        if tail.is_empty() && boundary.is_some_and(|between| between.num_bits == 0) {
            Stop::Over
        } else {
            MALFORMED
        }
    }

    /// Inflates some of `input` into the window, at most `room` bytes and not across its end.
    fn step(&mut self, input: &[u8], room: usize) -> Step {
        let mut flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        if !self.wrapped {
            flags |= TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        }
        let start = self.position;
        let window = self.window.as_mut();
        let (status, consumed, written) =
            decompress_with_limit(&mut self.tables, input, window, start, room, flags);
        self.position = start.saturating_add(written);
        if self.position >= window.len() {
            self.position = 0;
            self.wrapped = true;
        }
        let end = match status {
            Status::HasMoreOutput => End::Room,
            Status::NeedsMoreInput => End::Input,
            Status::BlockBoundary => End::Block,
            Status::Done => End::Stream,
            Status::FailedCannotMakeProgress
            | Status::BadParam
            | Status::Adler32Mismatch
            | Status::Failed
            | _ => End::Malformed,
        };
        Step {
            end,
            consumed,
            start,
            written,
        }
    }
}

impl<W> fmt::Debug for Inflater<W> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("takeover", &self.takeover)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Inflater<[u8; 0]>>() <= INFLATER_BYTES);
const _: () = assert!(WindowBits::MAX.bytes() == 1 << 15);
