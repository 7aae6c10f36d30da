//! What is due in a turn, and what waits behind it, beside plain lists of frames.

use alloc::{sync::Arc, vec, vec::Vec};
use core::ops::Range;

use proptest::{prelude::*, sample::Index};

use crate::{
    conn::Prepared,
    hub::{
        OutboxLimits, SlowPolicy,
        outbox::Outbox,
        turn::{Due, OWN, RAW, Segment, Turn},
    },
    wire::Kind,
};

/// A frame that waits, and how much of it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    /// An answer, which is never dropped.
    own: bool,
    raw: bool,
}

#[derive(Debug, Default)]
struct Naive {
    due: Vec<Frame>,
    outbox: Vec<Frame>,
}

impl Frame {
    fn left(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Its rest must follow.
    fn begun(&self) -> bool {
        self.sent > 0 || self.raw
    }
}

fn advance(frames: &mut Vec<Frame>, mut count: usize) -> usize {
    while count > 0 && !frames.is_empty() {
        let step = count.min(frames[0].left().len());
        frames[0].sent += step;
        count -= step;
        if frames[0].left().is_empty() {
            frames.remove(0);
        }
    }
    count
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::left).copied().collect()
}

fn is_over(frames: &[Frame], limits: &OutboxLimits) -> bool {
    let bytes: usize = frames.iter().map(|frame| frame.left().len()).sum();
    let notifications = frames.iter().filter(|frame| !frame.own).count();
    frames.len() > 1 && (bytes > limits.bytes || notifications > limits.frames)
}

fn drop_oldest(frames: &mut Vec<Frame>, limits: &OutboxLimits) -> usize {
    let mut dropped = 0;
    while is_over(frames, limits)
        && let Some(at) = frames.iter().position(|frame| !frame.own && !frame.begun())
    {
        frames.remove(at);
        dropped += 1;
    }
    dropped
}

struct Queues {
    turn: Turn,
    /// Segments, and where their frames are.
    segments: Vec<(Segment, Vec<Range<usize>>)>,
    /// Those that this turn knows.
    shared: Vec<(u32, usize)>,
    due: [Due; 3],
    outboxes: [Outbox; 3],
    naive: [Naive; 3],
}

fn frame(len: usize, byte: u8) -> Vec<u8> {
    let mut out = vec![0; len + 14];
    let frame = Prepared::encode(Kind::Text, &vec![byte; len], &mut out);
    frame.expect("there is room").as_bytes().to_vec()
}

#[derive(Clone, Debug)]
enum Step {
    Share(Vec<usize>),
    /// Frames of a segment to those of the three whose bit is set.
    Add(Index, Vec<Index>, u8),
    Own(usize, usize),
    Raw(usize, usize),
    Sent(usize, usize),
    /// The next turn.
    Turn,
    DropOldest(usize, usize, usize),
    DropUnsent(usize),
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0_usize..20, 2 => 120_usize..130]
}

fn step() -> impl Strategy<Value = Step> {
    let count = || prop_oneof![Just(0_usize), 1_usize..40, 1_usize..400, Just(usize::MAX)];
    prop_oneof![
        2 => prop::collection::vec(len(), 1..12).prop_map(Step::Share),
        8 => (any::<Index>(), prop::collection::vec(any::<Index>(), 1..8), 1_u8..8)
            .prop_map(|(segment, frames, who)| Step::Add(segment, frames, who)),
        3 => (0_usize..3, len()).prop_map(|(who, len)| Step::Own(who, len)),
        1 => (0_usize..3, 1_usize..200).prop_map(|(who, len)| Step::Raw(who, len)),
        6 => (0_usize..3, count()).prop_map(|(who, count)| Step::Sent(who, count)),
        3 => Just(Step::Turn),
        1 => (0_usize..3, 0_usize..600, 0_usize..10)
            .prop_map(|(who, bytes, frames)| Step::DropOldest(who, bytes, frames)),
        1 => (0_usize..3).prop_map(Step::DropUnsent),
    ]
}

impl Queues {
    fn new() -> Self {
        Self {
            turn: Turn::default(),
            segments: Vec::new(),
            shared: Vec::new(),
            due: [Due::NOTHING; 3],
            outboxes: Default::default(),
            naive: Default::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Share(lens) => {
                let mut segment = Vec::new();
                let mut frames = Vec::new();
                for (len, byte) in lens.iter().zip(b'a'..) {
                    let start = segment.len();
                    segment.extend(frame(*len, byte));
                    frames.push(start..segment.len());
                }
                let segment = Arc::new(segment);
                let number = self.turn.share(&segment);
                self.shared.push((number, self.segments.len()));
                self.segments.push((segment, frames));
            }
            Step::Add(..) if self.shared.is_empty() => {}
            Step::Add(segment, frames, who) => {
                let (number, at) = self.shared[segment.index(self.shared.len())];
                let (segment, places) = &self.segments[at];
                let mut frames: Vec<_> = frames.iter().map(|at| at.index(places.len())).collect();
                frames.sort_unstable();
                for at in frames {
                    let place = places[at].clone();
                    let start = u32::try_from(place.start).expect("it is short");
                    let end = u32::try_from(place.end).expect("it is short");
                    for one in (0..3).filter(|one| who >> one & 1 == 1) {
                        self.turn.add(&mut self.due[one], number, start..end);
                        self.naive[one].due.push(Frame {
                            bytes: segment[place.clone()].to_vec(),
                            sent: 0,
                            own: false,
                            raw: false,
                        });
                    }
                }
            }
            Step::Own(who, len) => self.write(*who, OWN, frame(*len, b'o')),
            Step::Raw(who, len) => self.write(*who, RAW, vec![b'r'; *len]),
            Step::Sent(who, count) => {
                let left = self.outboxes[*who].advance(*count);
                let naive = &mut self.naive[*who];
                assert_eq!(left, advance(&mut naive.outbox, *count));
                let rest = self.turn.advance(&mut self.due[*who], left);
                assert_eq!(rest, advance(&mut naive.due, left));
            }
            Step::Turn => {
                for ((due, outbox), naive) in self
                    .due
                    .iter_mut()
                    .zip(&mut self.outboxes)
                    .zip(&mut self.naive)
                {
                    let due = core::mem::replace(due, Due::NOTHING);
                    self.turn
                        .pieces(due)
                        .for_each(|piece| outbox.keep(&piece, &self.turn));
                    naive.outbox.append(&mut naive.due);
                }
                self.turn.clear();
                self.shared.clear();
            }
            Step::DropOldest(who, bytes, frames) => {
                let limits = OutboxLimits {
                    bytes: *bytes,
                    frames: *frames,
                    policy: SlowPolicy::DropOldest,
                };
                let dropped = self.outboxes[*who].drop_oldest(&limits);
                assert_eq!(dropped, drop_oldest(&mut self.naive[*who].outbox, &limits));
            }
            Step::DropUnsent(who) => {
                self.outboxes[*who].drop_unsent();
                let naive = &mut self.naive[*who].outbox;
                naive.truncate(usize::from(naive.first().is_some_and(Frame::begun)));
            }
        }
    }

    fn write(&mut self, who: usize, segment: u32, bytes: Vec<u8>) {
        let place = self.turn.write(&bytes);
        self.turn.add(&mut self.due[who], segment, place);
        self.naive[who].due.push(Frame {
            bytes,
            sent: 0,
            own: true,
            raw: segment == RAW,
        });
    }

    fn check(&self) {
        for ((due, outbox), naive) in self.due.iter().zip(&self.outboxes).zip(&self.naive) {
            let pieces = self.turn.pieces(*due);
            let due: Vec<u8> = pieces
                .flat_map(|piece| piece.bytes[piece.sent..].to_vec())
                .collect();
            assert_eq!(due, bytes(&naive.due));
            let waiting: Vec<u8> = outbox.chunks().flatten().copied().collect();
            assert_eq!(waiting, bytes(&naive.outbox));
            assert_eq!(outbox.is_empty(), naive.outbox.is_empty());
            for (bytes, frames) in [(0, 0), (100, 3), (1_000, 9), (100_000, 2)] {
                let limits = OutboxLimits {
                    bytes,
                    frames,
                    policy: SlowPolicy::default(),
                };
                assert_eq!(outbox.is_over(&limits), is_over(&naive.outbox, &limits));
            }
        }
    }

    /// What is gone everywhere is kept by nobody.
    fn end(mut self) {
        self.step(&Step::Turn);
        for who in 0..3 {
            self.step(&Step::Sent(who, usize::MAX));
        }
        self.check();
        for (segment, _) in &self.segments {
            assert_eq!(Arc::strong_count(segment), 1);
        }
    }
}

/// The one of three.
fn index(at: usize) -> Index {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    loop {
        let tree = any::<Index>()
            .new_tree(&mut runner)
            .expect("there are enough");
        let index = proptest::strategy::ValueTree::current(&tree);
        if index.index(3) == at {
            return index;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn turns_and_outboxes_are_lists_of_frames(steps in prop::collection::vec(step(), 0..60)) {
        let mut queues = Queues::new();
        for step in &steps {
            queues.step(step);
            queues.check();
        }
        queues.end();
    }
}

#[test]
fn long_frames_are_taken_apart_like_short_ones() {
    let first = index(0);
    let steps = [
        Step::Share(vec![70_000, 5, 66_000]),
        Step::Add(first, vec![first, index(1), index(2)], 7),
        Step::Own(1, 65_536),
        Step::Sent(0, 10),
        Step::Turn,
        Step::Sent(0, 69_990),
        Step::DropUnsent(0),
        Step::Sent(1, 70_010),
        Step::Sent(1, 3),
        Step::DropUnsent(1),
        Step::DropOldest(2, 0, 0),
    ];
    let mut queues = Queues::new();
    for step in &steps {
        queues.step(step);
        queues.check();
    }
    queues.end();
}

#[test]
fn a_small_piece_of_a_large_segment_is_copied_and_a_large_one_is_shared() {
    for (frames, is_shared) in [(1, false), (4, false), (5, true), (10, true)] {
        let mut turn = Turn::default();
        let one = frame(100, b'x');
        let segment = Arc::new(one.repeat(10));
        let number = turn.share(&segment);
        let mut due = Due::NOTHING;
        let len = u32::try_from(one.len()).expect("it is short");
        for at in 0..frames {
            turn.add(&mut due, number, at * len..(at + 1) * len);
        }
        assert_eq!(turn.pieces(due).count(), 1, "what lies together is one run");
        let mut outbox = Outbox::default();
        turn.pieces(due)
            .for_each(|piece| outbox.keep(&piece, &turn));
        turn.clear();
        assert_eq!(Arc::strong_count(&segment), 1 + usize::from(is_shared));
        assert_eq!(outbox.chunks().flatten().count(), (frames * len) as usize);
    }
}

#[test]
fn much_is_due_to_one_after_many_frames_or_bytes() {
    for (frame, frames) in [(2, 128), (64 * 1024, 1)] {
        let mut turn = Turn::default();
        let mut due = Due::NOTHING;
        for _ in 0..frames {
            assert!(!due.is_much());
            let place = turn.write(&vec![0; frame]);
            turn.add(&mut due, OWN, place);
        }
        assert!(due.is_much());
        turn.advance(&mut due, usize::MAX);
        assert!(!due.is_much(), "nothing is");
    }
}

#[test]
fn a_turn_is_filling_when_much_is_due_to_all_and_no_longer_when_it_is_over() {
    let fill: [fn(&mut Turn); 2] = [
        |turn| {
            for _ in 0..150 {
                let place = turn.write(&[0; 60_000]);
                turn.add(&mut Due::NOTHING.clone(), OWN, place);
            }
        },
        |turn| {
            for _ in 0..150 {
                turn.share(&Arc::new(vec![0; 60_000]));
            }
        },
    ];
    for fill in fill {
        let mut turn = Turn::default();
        assert!(!turn.is_filling());
        fill(&mut turn);
        assert!(turn.is_filling());
        turn.clear();
        assert!(!turn.is_filling());
    }
}
