//! Messages that are sent, deflated (feature `alloc`).

use alloc::vec::Vec;
use core::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use crate::{
    conn::Prepared,
    wire::{Kind, MAX_HEAD},
};

use super::{Direction, Level};

/// What a [`Deflater`] takes besides 7.5 times its window, in bytes: its table of hashes, whose size
/// is fixed, and its codes (feature `alloc`).
pub const DEFLATER_BYTES: usize = 137 * 1024;

/// What a flush ends with and section 7.2.1 of RFC 7692 has us remove.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// What is left of the empty block that a flush makes: its head.
const EMPTY: u8 = 0x00;

/// The least room that a compressor gets to go on, in bytes: it must be more than a flush takes.
const ROOM: usize = 256;

/// The most, so that room which is not needed is not made.
const MOST_ROOM: usize = 64 * 1024;

/// Compresses messages, in order (RFC 7692, section 7.2.1; feature `alloc`).
///
/// Its distances stay within the window, whatever its level. Without takeover, a message depends on
/// no other, so that one `Deflater` may serve any number of connections with the same window, one
/// message at a time.
pub struct Deflater {
    zlib: Deflate,
    takeover: bool,
    /// Whether the current message has begun.
    open: bool,
    /// Whether there may be something to refer to.
    used: bool,
}

impl Deflater {
    /// A compressor for what `direction` says.
    #[must_use]
    pub fn new(direction: Direction, level: Level) -> Self {
        // zlib knows no raw stream with a window of 8 bits. It is needed for none: the largest
        // distance is the window less 262 bytes, which is 250 for one of 9 bits.
        let bits = direction.window.get().max(9);
        let config = DeflateConfig {
            level: i32::from(level.get()),
            window_bits: -i32::from(bits), // negative: raw, without a header
            // Symbols of a block are counted in proportion to the window: 8 is zlib's for 15.
            mem_level: i32::from(bits.saturating_sub(7)),
            ..DeflateConfig::default()
        };
        Self {
            zlib: Deflate::new_with_config(config),
            takeover: direction.takeover,
            open: false,
            used: false,
        }
    }

    /// Appends the compressed form of a piece of a message to `out`; `last` if it ends there. The
    /// pieces of a message are the payloads of its frames, the first of which has RSV1 set
    /// ([`encode_deflated`](crate::conn::Connection::encode_deflated)).
    ///
    /// The peer can inflate each piece when it comes. Each costs about five bytes more than if it were
    /// a part of one.
    pub fn deflate(&mut self, payload: &[u8], last: bool, out: &mut Vec<u8>) {
        self.begin();
        let _ = self.run(payload, usize::MAX, out);
        if !last {
            return;
        }
        if payload.is_empty() {
            // Behind a flush, or at the beginning: section 7.2.3.6.
            out.push(EMPTY);
        } else {
            out.truncate(out.len().saturating_sub(TAIL.len()));
        }
        self.open = false;
    }

    /// Appends the compressed form of a whole message to `out` if it has at most as many bytes as the
    /// message; whether it does. If not, `out` is as before, and the message is to be sent as it is:
    /// what was said so far is forgotten then, with takeover too.
    pub fn deflate_if_smaller(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        self.begin();
        let most = payload.len().saturating_add(TAIL.len());
        if payload.is_empty() || !self.run(payload, most, out) {
            out.truncate(start);
            self.reset();
            return false;
        }
        out.truncate(out.len().saturating_sub(TAIL.len()));
        self.open = false;
        true
    }

    /// Appends a whole compressed frame of a server to `out` if its payload has at most as many bytes
    /// as the message; whether it does. If not, `out` is as before, and the message is to be sent as
    /// it is.
    ///
    /// It depends on nothing but the arguments, the window and the level: what was said before is
    /// forgotten, and nothing is kept for what comes. So it is for every receiver whose inflater has
    /// this window or a larger one, whether it keeps its window or not, unless another compressor with
    /// takeover serves it as well.
    pub fn frame(&mut self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) -> bool {
        self.reset();
        let start = out.len();
        // The head is written when the length of the payload is known.
        out.resize(start.saturating_add(MAX_HEAD), 0);
        let body = out.len();
        if !self.deflate_if_smaller(payload, out) {
            out.truncate(start);
            return false;
        }
        self.reset();
        let len = out.len().saturating_sub(body);
        let head = Prepared::deflated_head(kind, len as u64);
        let head = head.as_bytes();
        let unused = MAX_HEAD.saturating_sub(head.len());
        let frame = out.get_mut(start..).unwrap_or_default();
        for (to, from) in frame.iter_mut().zip(head) {
            *to = *from;
        }
        if let Some(behind) = frame.get_mut(head.len()..) {
            behind.copy_within(unused.min(behind.len()).., 0);
        }
        out.truncate(out.len().saturating_sub(unused));
        true
    }

    /// Forgets the earlier messages, and an unfinished one. The peer need not know: to refer to
    /// nothing is always allowed.
    pub fn reset(&mut self) {
        if self.used {
            self.zlib.reset();
        }
        self.used = false;
        self.open = false;
    }

    fn begin(&mut self) {
        if !self.open && !self.takeover {
            self.reset();
        }
        self.open = true;
    }

    /// Appends `payload`, compressed and flushed, which ends with the tail; nothing for nothing.
    /// Whether it has at most `most` bytes.
    fn run(&mut self, mut payload: &[u8], most: usize, out: &mut Vec<u8>) -> bool {
        if payload.is_empty() {
            return true;
        }
        self.used = true;
        let start = out.len();
        loop {
            let at = out.len();
            // A flush is complete when it leaves room, so there must be room for a byte too many.
            let left = most.saturating_sub(at.saturating_sub(start));
            let room = payload.len().clamp(ROOM, MOST_ROOM);
            let room = room.min(left.saturating_add(1));
            out.resize(at.saturating_add(room), 0);
            let to = out.get_mut(at..).unwrap_or_default();
            let (read, written) = (self.zlib.total_in(), self.zlib.total_out());
            let status = self.zlib.compress(payload, to, DeflateFlush::SyncFlush);
            let read = moved(read, self.zlib.total_in());
            let written = moved(written, self.zlib.total_out());
            out.truncate(at.saturating_add(written));
            payload = payload.get(read..).unwrap_or_default();
            if written < room {
                // An error cannot be: the stream is one that zlib made, and there was room.
                return status.is_ok() && payload.is_empty();
            }
            if written > left {
                return false;
            }
        }
    }
}

/// How far a count of all bytes has moved.
fn moved(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}

impl fmt::Debug for Deflater {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("takeover", &self.takeover)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
