//! What is due to sessions in the turn of the driver that is going on.
//!
//! Frames are not handed about: they lie one behind the other in a few *segments*, and what a session
//! is to get is a chain of *runs* in them. Who hears notifications that follow each other, which in a
//! burst is everybody, has one run, however many they are. So a delivery costs a few instructions and
//! no memory, and is one contiguous piece for the system call that writes it.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

/// Frames, encoded, that any number of sessions hear of.
pub(super) type Segment = Arc<Vec<u8>>;

/// The segments of this turn, and the runs in them.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Frames for one session each: answers and control frames. Segment 0.
    own: Vec<u8>,
    /// The segments from 1 on.
    shared: Vec<Segment>,
    /// How many bytes they have.
    shared_bytes: usize,
    runs: Vec<Run>,
    /// Whether so much is due to all together that it should be written before more comes.
    filling: bool,
}

/// Whole frames that lie one behind the other, and where a session's next run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) segment: u32,
    start: u32,
    end: u32,
    /// How much of it is written already.
    sent: u32,
    frames: u32,
    next: u32,
}

/// The chain of runs of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    first: u32,
    last: u32,
    bytes: u32,
    frames: u32,
}

impl Due {
    pub(super) const NOTHING: Self = Self {
        first: NONE,
        last: NONE,
        bytes: 0,
        frames: 0,
    };

    pub(super) const fn is_nothing(self) -> bool {
        self.first == NONE
    }

    /// Whether there is so much that it should be written before more comes.
    #[inline]
    pub(super) const fn is_much(self) -> bool {
        self.bytes >= MUCH_BYTES || self.frames >= MUCH_FRAMES
    }
}

/// No run.
const NONE: u32 = u32::MAX;

/// The segment of frames for one session each.
pub(super) const OWN: u32 = 0;

/// The same memory for bytes that are no frames: the response that opens a connection.
pub(super) const RAW: u32 = u32::MAX;

/// How much may become due to one session before it should be written, in bytes and in frames. A
/// quarter and a half of what may wait: who is offered that much at once has not been slow yet.
const MUCH_BYTES: u32 = 64 * 1024;
const MUCH_FRAMES: u32 = 128;

/// How much may become due to all of them together, in bytes of each kind and in runs: a few
/// megabytes of memory, whoever hears it.
const FILLING_TURN: usize = 8 * 1024 * 1024;
const FILLING_RUNS: usize = 128 * 1024;

/// Bytes of the chunk that is on its way to one session.
pub(super) struct Piece<'t> {
    pub(super) run: Run,
    pub(super) bytes: &'t [u8],
    /// How much of the bytes is written already.
    pub(super) sent: usize,
}

impl Turn {
    /// Takes in frames that many may hear; its segment.
    pub(super) fn share(&mut self, segment: &Segment) -> u32 {
        self.shared_bytes = self.shared_bytes.saturating_add(segment.len());
        self.filling |= self.shared_bytes >= FILLING_TURN;
        self.shared.push(Arc::clone(segment));
        narrow(self.shared.len())
    }

    /// A segment whose frames are known only when it is [filled](Self::fill).
    pub(super) fn reserve(&mut self) -> u32 {
        self.share(&Segment::default())
    }

    /// Takes in the frames of a segment that was [reserved](Self::reserve).
    pub(super) fn fill(&mut self, segment: u32, frames: Vec<u8>) {
        self.shared_bytes = self.shared_bytes.saturating_add(frames.len());
        let reserved = (segment as usize).checked_sub(1);
        if let Some(slot) = reserved.and_then(|at| self.shared.get_mut(at)) {
            *slot = Arc::new(frames);
        }
    }

    /// Takes in a frame for one session; where it is in [`OWN`].
    pub(super) fn write(&mut self, frame: &[u8]) -> Range<u32> {
        let start = narrow(self.own.len());
        self.own.extend_from_slice(frame);
        self.filling |= self.own.len() >= FILLING_TURN;
        start..narrow(self.own.len())
    }

    /// Makes a frame due to the session of `due`.
    #[inline]
    pub(super) fn add(&mut self, due: &mut Due, segment: u32, frame: Range<u32>) {
        let len = frame.end.saturating_sub(frame.start);
        due.bytes = due.bytes.saturating_add(len);
        due.frames = due.frames.saturating_add(1);
        let next = narrow(self.runs.len());
        if let Some(last) = self.runs.get_mut(due.last as usize) {
            if last.segment == segment && last.end == frame.start && segment != RAW {
                last.end = frame.end;
                last.frames = last.frames.saturating_add(1);
                return;
            }
            last.next = next;
        } else {
            due.first = next;
        }
        due.last = next;
        self.filling |= self.runs.len() >= FILLING_RUNS;
        self.runs.push(Run {
            segment,
            start: frame.start,
            end: frame.end,
            sent: 0,
            frames: 1,
            next: NONE,
        });
    }

    /// Whether so much is due to all together that it should be written before more comes.
    pub(super) const fn is_filling(&self) -> bool {
        self.filling
    }

    /// What is due, in order.
    pub(super) fn pieces(&self, due: Due) -> impl Iterator<Item = Piece<'_>> {
        let mut next = due.first;
        core::iter::from_fn(move || {
            let run = *self.runs.get(next as usize)?;
            next = run.next;
            let frames = self.frames(run.segment);
            let bytes = frames.get(run.start as usize..run.end as usize);
            Some(Piece {
                run,
                bytes: bytes.unwrap_or_default(),
                sent: run.sent as usize,
            })
        })
    }

    /// The first `written` bytes of the [`pieces`](Self::pieces) are on their way; how many bytes
    /// there were not.
    pub(super) fn advance(&mut self, due: &mut Due, written: usize) -> usize {
        let mut left = written;
        while let Some(run) = self.runs.get_mut(due.first as usize) {
            let rest = run.end.saturating_sub(run.start).saturating_sub(run.sent);
            if left < rest as usize {
                run.sent = run.sent.saturating_add(narrow(left));
                return 0;
            }
            left = left.saturating_sub(rest as usize);
            due.first = run.next;
        }
        *due = Due::NOTHING;
        left
    }

    /// The segment of this number, which others share; `None` of [`OWN`].
    pub(super) fn shared(&self, segment: u32) -> Option<&Segment> {
        self.shared.get((segment as usize).checked_sub(1)?)
    }

    /// Forgets everything; what is still due to somebody would be something else afterwards.
    pub(super) fn clear(&mut self) {
        self.shared.clear();
        self.shared_bytes = 0;
        self.filling = false;
        forget(&mut self.own, KEPT_BYTES);
        forget(&mut self.runs, KEPT_RUNS);
    }

    fn frames(&self, segment: u32) -> &[u8] {
        match self.shared(segment) {
            Some(shared) => shared,
            None => &self.own,
        }
    }
}

/// How much memory is kept from turn to turn in any case: what a few sessions need.
const KEPT_BYTES: usize = 1024;
const KEPT_RUNS: usize = 64;

/// Clears a list. Its memory is kept while turns need it: one that needs little of it gives half of it
/// back.
fn forget<T>(list: &mut Vec<T>, kept: usize) {
    let (used, room) = (list.len(), list.capacity());
    list.clear();
    if room > kept && used < room / 4 {
        list.shrink_to((room / 2).max(kept));
    }
}

/// No turn has 4 GiB; what is beyond would be found to be nothing.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
