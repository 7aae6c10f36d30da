//! The forms in which receivers get one and the same notification.

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Placed, Version, batch::Publication, turn::Turn};
#[cfg(feature = "deflate")]
use super::{
    compression::{Class, Compression},
    outbox::payload,
};

/// How a receiver gets notifications: as its version has them and, where it agreed on compression,
/// compressed for its window. One byte, since the table that it is in is what a delivery costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form(u8);

impl Form {
    pub(super) const CLASSIC: Self = Self(0);
    const V1: Self = Self(1);

    #[cfg(not(feature = "deflate"))]
    const COUNT: usize = 2;
    #[cfg(feature = "deflate")]
    const COUNT: usize = 2 * (1 + Class::COUNT);

    /// As it is said to sessions that do not compress.
    pub(super) const fn plain(version: Version) -> Self {
        match version {
            Version::Classic => Self::CLASSIC,
            Version::V1 => Self::V1,
        }
    }

    /// The same compressed.
    #[cfg(feature = "deflate")]
    pub(super) const fn compressed(version: Version, class: Class) -> Self {
        let Self(plain) = Self::plain(version);
        let class = class.number().saturating_add(1);
        Self(plain | class << 1)
    }

    #[cfg(feature = "deflate")]
    const fn version(self) -> Version {
        match self.0 & 1 {
            0 => Version::Classic,
            _ => Version::V1,
        }
    }

    /// What it is compressed for; `None` if it is not.
    #[cfg(feature = "deflate")]
    const fn class(self) -> Option<Class> {
        match (self.0 >> 1).checked_sub(1) {
            None => None,
            Some(number) => Class::from_number(number),
        }
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a frame is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) segment: u32,
    start: u32,
    end: u32,
}

impl Place {
    /// No batch has 4 GiB; what is beyond would be found to be nothing.
    fn new(segment: u32, frame: &Range<usize>) -> Self {
        let [start, end] = [frame.start, frame.end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Self {
            segment,
            start,
            end,
        }
    }

    pub(super) const fn frame(self) -> Range<u32> {
        self.start..self.end
    }

    #[cfg(feature = "deflate")]
    const fn bytes(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Frames, and the segment that they are for.
type Made = (u32, Vec<u8>);

/// The frames of a batch in each form that somebody hears. Those that the publisher's hub has made are
/// there; each of the others is made once, for the first one who is to hear it.
pub(super) struct Forms<'p> {
    placed: &'p Placed,
    /// The segments of the frames that came with the batch.
    classic: u32,
    v1: u32,
    /// Frames that are made here, each form in a segment of its own, so that those for one receiver lie
    /// one behind the other.
    made: [Option<Made>; Form::COUNT],
    /// The publication whose turn it is, and where its frames are.
    at: usize,
    places: [Option<Place>; Form::COUNT],
}

impl<'p> Forms<'p> {
    pub(super) fn new(placed: &'p Placed, turn: &mut Turn) -> Self {
        Self {
            placed,
            classic: turn.share(&placed.classic),
            v1: turn.share(&placed.v1),
            made: [const { None }; Form::COUNT],
            at: 0,
            places: [None; Form::COUNT],
        }
    }

    /// Goes on with the publication of this index: one form that it is there in, and where.
    pub(super) fn begin(&mut self, at: usize, publication: &Publication) -> (Form, Place) {
        self.at = at;
        self.places = [None; Form::COUNT];
        let classic = Place::new(self.classic, &publication.classic);
        self.set(Form::CLASSIC, classic);
        if !publication.v1.is_empty() {
            self.set(Form::V1, Place::new(self.v1, &publication.v1));
        }
        (Form::CLASSIC, classic)
    }

    /// Where its frame of this form is, if it is made.
    fn get(&self, form: Form) -> Option<Place> {
        self.places.get(form.index()).copied().flatten()
    }

    fn set(&mut self, form: Form, place: Place) {
        if let Some(slot) = self.places.get_mut(form.index()) {
            *slot = Some(place);
        }
    }

    /// Where its frame of this form is; it is made if nobody has heard it before.
    #[inline]
    pub(super) fn place(
        &mut self,
        form: Form,
        turn: &mut Turn,
        #[cfg(feature = "deflate")] compression: &mut Option<Box<Compression>>,
    ) -> Place {
        match self.get(form) {
            Some(place) => place,
            None => self.make(
                form,
                turn,
                #[cfg(feature = "deflate")]
                compression,
            ),
        }
    }

    #[cold]
    fn make(
        &mut self,
        form: Form,
        turn: &mut Turn,
        #[cfg(feature = "deflate")] compression: &mut Option<Box<Compression>>,
    ) -> Place {
        #[cfg(feature = "deflate")]
        if let (Some(class), Some(codecs)) = (form.class(), compression.as_mut()) {
            return self.compress(form, class, turn, codecs);
        }
        // It is the one for v1 sessions: the classic one is always there.
        let mut made = self.take(form, turn);
        let place = Place::new(made.0, &self.placed.append_v1(self.at, &mut made.1));
        self.put(form, made, place);
        place
    }

    /// The compressed form; the plain one where that is no larger.
    #[cfg(feature = "deflate")]
    fn compress(
        &mut self,
        form: Form,
        class: Class,
        turn: &mut Turn,
        codecs: &mut Compression,
    ) -> Place {
        let version = form.version();
        let plain = self.place(Form::plain(version), turn, &mut None);
        let len = payload(self.bytes(plain)).len();
        // All whose window is large enough for this message hear the same.
        let class = class.min(Class::fitting(len));
        let shared = Form::compressed(version, class);
        let place = match self.get(shared) {
            Some(place) => place,
            None => {
                let place = self.deflate(shared, class, plain, turn, codecs);
                self.adopt(shared, place.unwrap_or(plain))
            }
        };
        self.adopt(form, place)
    }

    /// Compresses the frame at `plain`; `None` if that is not worth it.
    #[cfg(feature = "deflate")]
    fn deflate(
        &mut self,
        form: Form,
        class: Class,
        plain: Place,
        turn: &mut Turn,
        codecs: &mut Compression,
    ) -> Option<Place> {
        if !codecs.is_worthwhile(payload(self.bytes(plain)).len()) {
            return None;
        }
        let (segment, mut frames) = self.take(form, turn);
        let frame = codecs.frame(class, self.bytes(plain), &mut frames);
        let place = frame.map(|frame| Place::new(segment, &frame));
        // A segment without frames is nothing to go on in.
        if !frames.is_empty() {
            self.put(form, (segment, frames), place.unwrap_or(plain));
        }
        place
    }

    /// Has a frame that is made stand for this form. Behind other frames of the form it is copied: many
    /// that lie one behind the other are one run for each receiver, and frames here and there one each.
    #[cfg(feature = "deflate")]
    fn adopt(&mut self, form: Form, mut place: Place) -> Place {
        let made = self.made.get_mut(form.index()).and_then(Option::take);
        if let Some((segment, mut frames)) = made {
            if segment != place.segment {
                let start = frames.len();
                frames.extend_from_slice(self.bytes(place));
                place = Place::new(segment, &(start..frames.len()));
            }
            self.put(form, (segment, frames), place);
        }
        self.set(form, place);
        place
    }

    /// The frames of this form that are made here.
    fn take(&mut self, form: Form, turn: &mut Turn) -> Made {
        let made = self.made.get_mut(form.index());
        made.and_then(Option::take)
            .unwrap_or_else(|| (turn.reserve(), Vec::new()))
    }

    /// The same with one more, which is there.
    fn put(&mut self, form: Form, made: Made, place: Place) {
        if let Some(slot) = self.made.get_mut(form.index()) {
            *slot = Some(made);
        }
        self.set(form, place);
    }

    /// The bytes of a frame.
    #[cfg(feature = "deflate")]
    fn bytes(&self, place: Place) -> &[u8] {
        let mut made = self.made.iter().flatten();
        let frames = if place.segment == self.classic {
            &**self.placed.classic
        } else if place.segment == self.v1 {
            &**self.placed.v1
        } else {
            let frames = made.find(|(segment, _)| *segment == place.segment);
            frames.map_or(&[][..], |(_, frames)| frames)
        };
        frames.get(place.bytes()).unwrap_or_default()
    }

    /// Gives the frames that were made here to the turn.
    pub(super) fn finish(self, turn: &mut Turn) {
        for (segment, mut frames) in self.made.into_iter().flatten() {
            // A compressor is given room for more than it needs, and this may wait for a while.
            frames.shrink_to_fit();
            turn.fill(segment, frames);
        }
    }
}
