//! What a peer has not taken yet.

use alloc::{collections::VecDeque, sync::Arc};

use super::turn::{OWN, Piece, RAW, Segment, Turn};
use crate::wire::{LENGTH_IN_2, LENGTH_IN_8};

/// How much a peer may leave waiting before it counts as a slow consumer, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Bytes.
    pub bytes: usize,
    /// Frames, answers and control frames apart.
    pub frames: usize,
    /// What becomes of a slow consumer.
    pub policy: SlowPolicy,
}

impl OutboxLimits {
    /// 256 KiB: a few seconds of a busy phone's link, and 1 GiB for 4,000 stuck peers.
    pub const BYTES: usize = 256 * 1024;
    /// 256: small frames cost more than their bytes.
    pub const FRAMES: usize = 256;
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            bytes: Self::BYTES,
            frames: Self::FRAMES,
            policy: SlowPolicy::default(),
        }
    }
}

/// What becomes of a session that does not take what waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowPolicy {
    /// It is closed with 1013, so that the client knows that it has missed something.
    #[default]
    Disconnect,
    /// It loses the notifications that have waited longest, and is not told: for those where only the
    /// latest matter.
    DropOldest,
}

/// Frames that wait for the transport, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    bytes: usize,
    frames: usize,
    /// How many of the frames are not answers and control frames.
    notifications: usize,
}

/// Frames that lie one behind the other in memory that others may share.
#[derive(Debug)]
struct Entry {
    segment: Segment,
    start: usize,
    end: usize,
    /// How many bytes at the start are the rest of a frame that was begun.
    begun: usize,
    /// Whether these are answers and control frames, which are for this session alone.
    own: bool,
}

impl Entry {
    fn bytes(&self) -> &[u8] {
        self.segment.get(self.start..self.end).unwrap_or_default()
    }

    const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Length of the frame at the start, or of the rest of it.
    fn first_frame(&self) -> usize {
        match self.begun {
            0 => frame_len(self.bytes()).clamp(1, self.len().max(1)),
            begun => begun,
        }
    }
}

/// A small piece of a large segment is copied, so that what waits takes at most twice its length of
/// memory; a larger one shares it, which costs nothing.
const SHARED_FROM: usize = 2;

impl Outbox {
    /// Appends what `turn` has due and did not get rid of.
    pub(super) fn keep(&mut self, piece: &Piece<'_>, turn: &Turn) {
        let Some(rest) = piece.bytes.get(piece.sent..) else {
            return;
        };
        let begun = match piece.run.segment {
            RAW => rest.len(), // as if it were a frame: all of it has to go out
            _ => rest_of_frame(piece.bytes, piece.sent),
        };
        let shared = turn
            .shared(piece.run.segment)
            .filter(|segment| rest.len().saturating_mul(SHARED_FROM) >= segment.len());
        let (segment, start) = match shared {
            Some(segment) => {
                let start = rest.as_ptr().addr().saturating_sub(segment.as_ptr().addr());
                (Arc::clone(segment), start)
            }
            None => (Arc::new(rest.to_vec()), 0),
        };
        self.push(Entry {
            end: start.saturating_add(rest.len()),
            segment,
            start,
            begun,
            own: matches!(piece.run.segment, OWN | RAW),
        });
    }

    /// Appends a frame for this session alone.
    pub(super) fn write(&mut self, frame: &[u8]) {
        self.push(Entry {
            segment: Arc::new(frame.to_vec()),
            start: 0,
            end: frame.len(),
            begun: 0,
            own: true,
        });
    }

    fn push(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.len());
        let frames = count(&entry);
        self.frames = self.frames.saturating_add(frames);
        if !entry.own {
            self.notifications = self.notifications.saturating_add(frames);
        }
        self.entries.push_back(entry);
    }

    /// What is to be written, in order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(Entry::bytes)
    }

    /// The first `written` bytes of the [`chunks`](Self::chunks) are on their way; how many bytes
    /// there were not.
    pub(super) fn advance(&mut self, written: usize) -> usize {
        let mut left = written;
        while left > 0
            && let Some(first) = self.entries.front_mut()
        {
            let frame = first.first_frame();
            let step = frame.min(left);
            first.start = first.start.saturating_add(step);
            first.begun = frame.saturating_sub(step);
            if first.begun == 0 {
                self.frames = self.frames.saturating_sub(1);
                if !first.own {
                    self.notifications = self.notifications.saturating_sub(1);
                }
            }
            if first.len() == 0 {
                self.entries.pop_front();
            }
            self.bytes = self.bytes.saturating_sub(step);
            left = left.saturating_sub(step);
        }
        left
    }

    /// Drops every frame of which nothing was sent; the rest of one that was begun must follow.
    pub(super) fn drop_unsent(&mut self) {
        let begun = self.entries.pop_front().filter(|entry| entry.begun > 0);
        *self = Self::default();
        if let Some(mut entry) = begun {
            entry.end = entry.start.saturating_add(entry.begun);
            self.push(entry);
        }
    }

    /// Drops the frames that have waited longest, but for answers, until the rest is within `limits`;
    /// how many.
    pub(super) fn drop_oldest(&mut self, limits: &OutboxLimits) -> usize {
        let mut dropped: usize = 0;
        let mut kept = VecDeque::new();
        while self.is_over(limits)
            && let Some(mut entry) = self.entries.pop_front()
        {
            if entry.begun > 0 && entry.begun < entry.len() {
                // The rest of a frame that was begun stays, and the frames behind it may go.
                let end = entry.start.saturating_add(entry.begun);
                kept.push_back(Entry {
                    segment: Arc::clone(&entry.segment),
                    end,
                    ..entry
                });
                entry.start = end;
                entry.begun = 0;
            } else if entry.own || entry.begun > 0 {
                kept.push_back(entry);
                continue;
            }
            while entry.len() > 0 && self.is_over(limits) && !entry.own {
                let frame = entry.first_frame();
                entry.start = entry.start.saturating_add(frame);
                self.bytes = self.bytes.saturating_sub(frame);
                self.frames = self.frames.saturating_sub(1);
                self.notifications = self.notifications.saturating_sub(1);
                dropped = dropped.saturating_add(1);
            }
            if entry.len() > 0 {
                kept.push_back(entry);
            }
        }
        while let Some(entry) = kept.pop_back() {
            self.entries.push_front(entry);
        }
        dropped
    }

    /// Whether more waits than may. One frame always may, so that a limit below the largest message
    /// does not cut off peers that keep up. Answers count by their bytes alone: there are as many as
    /// the peer has asked for, and no more is heard of it while some wait.
    pub(super) const fn is_over(&self, limits: &OutboxLimits) -> bool {
        self.frames > 1 && (self.bytes > limits.bytes || self.notifications > limits.frames)
    }

    /// How many bytes wait.
    pub(super) const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// How many frames there are, one that was begun included.
fn count(entry: &Entry) -> usize {
    let mut frames = usize::from(entry.begun > 0);
    let mut rest = entry.bytes().get(entry.begun..).unwrap_or_default();
    while !rest.is_empty() {
        frames = frames.saturating_add(1);
        rest = rest.get(frame_len(rest).max(1)..).unwrap_or_default();
    }
    frames
}

/// How much is left of the frame of which `sent` bytes of `frames` reach the middle; 0 at its end.
fn rest_of_frame(frames: &[u8], sent: usize) -> usize {
    let mut at = 0_usize;
    while at < sent {
        let frame = frames.get(at..).map_or(0, frame_len);
        at = at.saturating_add(frame.max(1));
    }
    at.saturating_sub(sent)
}

/// Length of the frame at the front of `frames`, which we have made ourselves: it is not masked.
fn frame_len(frames: &[u8]) -> usize {
    let (head, payload) = lengths(frames);
    let payload = usize::try_from(payload).unwrap_or(usize::MAX);
    payload.saturating_add(head).min(frames.len())
}

/// The payload of a whole frame of ours.
#[cfg(feature = "deflate")]
pub(super) fn payload(frame: &[u8]) -> &[u8] {
    frame.get(lengths(frame).0..).unwrap_or_default()
}

/// The lengths of the head and of the payload of the frame at the front of `frames`.
fn lengths(frames: &[u8]) -> (usize, u64) {
    match *frames {
        [_, LENGTH_IN_2, a, b, ..] => (4, u64::from(u16::from_be_bytes([a, b]))),
        [_, LENGTH_IN_8, a, b, c, d, e, f, g, h, ..] => {
            (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
        }
        [_, len, ..] => (2, u64::from(len)),
        _ => (frames.len(), 0),
    }
}
