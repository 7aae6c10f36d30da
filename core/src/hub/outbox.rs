//! What a peer has not taken yet.

use alloc::collections::VecDeque;

use super::{Frame, Unsent};

/// How much a peer may leave waiting before it counts as a slow consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Bytes.
    pub bytes: usize,
    /// Frames.
    pub frames: usize,
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
        }
    }
}

/// Frames that wait for the transport, in order. Empty, it owns no memory.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<Frame>,
    /// How much of the first frame is on its way already.
    sent: usize,
    /// Bytes of all the frames.
    bytes: usize,
}

impl Outbox {
    /// Appends a frame if it fits.
    ///
    /// One frame always fits, so that a limit below the largest message does not cut off
    /// peers that keep up.
    ///
    /// # Errors
    /// [`Unsent::Full`]; the frame is not appended.
    pub(super) fn push(&mut self, frame: Frame, limits: &OutboxLimits) -> Result<(), Unsent> {
        let bytes = self.bytes.saturating_add(frame.as_bytes().len());
        if !self.frames.is_empty() && (bytes > limits.bytes || self.frames.len() >= limits.frames) {
            return Err(Unsent::Full);
        }
        self.push_last(frame);
        Ok(())
    }

    /// Appends a frame whatever the limits: for the last frames of a connection.
    pub(super) fn push_last(&mut self, frame: Frame) {
        self.bytes = self.bytes.saturating_add(frame.as_bytes().len());
        self.frames.push_back(frame);
    }

    /// What is to be written, in order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.sent;
        self.frames.iter().map(move |frame| {
            let skip = core::mem::take(&mut skip);
            frame.as_bytes().get(skip..).unwrap_or_default()
        })
    }

    /// The first `written` bytes of the [`chunks`](Self::chunks) are on their way.
    pub(super) fn advance(&mut self, written: usize) {
        let mut left = written;
        while let Some(first) = self.frames.front() {
            let len = first.as_bytes().len();
            let rest = len.saturating_sub(self.sent);
            if left < rest {
                self.sent = self.sent.saturating_add(left);
                return;
            }
            left = left.saturating_sub(rest);
            self.bytes = self.bytes.saturating_sub(len);
            self.sent = 0;
            self.frames.pop_front();
        }
        self.frames = VecDeque::new();
    }

    /// Drops every frame of which nothing was sent; the rest of one that was begun must follow.
    pub(super) fn drop_unsent(&mut self) {
        self.frames.truncate(usize::from(self.sent > 0));
        self.bytes = self.frames.iter().map(|frame| frame.as_bytes().len()).sum();
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many bytes wait, those of a begun frame altogether.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const ROOMY: OutboxLimits = OutboxLimits {
        bytes: usize::MAX,
        frames: usize::MAX,
    };

    fn waiting(outbox: &Outbox) -> Vec<u8> {
        outbox.chunks().flatten().copied().collect()
    }

    proptest! {
        #[test]
        fn what_is_written_in_any_steps_is_what_was_queued(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            steps in prop::collection::vec(0_usize..20, 0..20),
        ) {
            let mut outbox = Outbox::default();
            for frame in &frames {
                outbox.push(Frame::encoded(frame), &ROOMY).unwrap();
            }
            let expected = frames.concat();
            let mut written = Vec::new();
            for step in steps {
                let waiting = waiting(&outbox);
                let step = step.min(waiting.len());
                written.extend(&waiting[..step]);
                outbox.advance(step);
            }
            written.extend(waiting(&outbox));
            prop_assert_eq!(written, expected);
        }
    }

    #[test]
    fn limits_hold_for_bytes_and_for_frames_but_one_frame_always_fits() {
        let limits = OutboxLimits {
            bytes: 10,
            frames: 3,
        };
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(Frame::encoded(&[0; 20]), &limits), Ok(()));
        assert_eq!(
            outbox.push(Frame::encoded(&[0; 1]), &limits),
            Err(Unsent::Full)
        );
        outbox.advance(20);
        for _ in 0..3 {
            assert_eq!(outbox.push(Frame::encoded(&[0; 2]), &limits), Ok(()));
        }
        assert_eq!(outbox.push(Frame::encoded(&[]), &limits), Err(Unsent::Full));
        outbox.advance(6);
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn a_frame_that_was_begun_is_finished_when_the_others_are_dropped() {
        let mut outbox = Outbox::default();
        for content in [b"abc", b"def", b"ghi"] {
            outbox.push(Frame::encoded(content), &ROOMY).unwrap();
        }
        outbox.advance(1);
        outbox.drop_unsent();
        assert_eq!(waiting(&outbox), b"bc");
        outbox.advance(2);
        outbox.push(Frame::encoded(b"xyz"), &ROOMY).unwrap();
        outbox.drop_unsent();
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes, 0);
    }
}
