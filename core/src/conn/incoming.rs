//! The receiving half of a [`Buffered`](super::Buffered): a buffer in which bytes arrive, and in
//! which they become messages where they are.

use alloc::{vec, vec::Vec};
use core::{fmt, mem, ops::Range};

use crate::{Instant, wire::ClosePayload, wire::Kind};

#[cfg(feature = "deflate")]
use super::inflating::{Inflating, Inflation, Outcome, Pending};
use super::{
    BUFFER, Connection, Data, Event, Input, Role, SendError, Violation, buffered::Outgoing,
};

/// How many bytes are moved without a second thought: what a read usually gives at most when they
/// come one packet at a time.
const LITTLE: usize = 2048;

/// How long a message may be that is not looked at before it is all here; of longer ones, each part
/// is unmasked while it is in the first cache.
const SHORT: usize = 2 * BUFFER;

/// How much memory a peer gets for merely announcing a large frame, in bytes.
const AHEAD: usize = 1024 * 1024;

/// Bytes that arrived, in order: a part of a message, what was between its fragments, and what was
/// not looked at yet.
pub(super) struct Incoming {
    buffer: Vec<u8>,
    part: Option<Part>,
    unread: Range<usize>,
    understood: bool,
    /// Bytes in front of the unread ones that are to be inflated.
    #[cfg(feature = "deflate")]
    pending: Option<Pending>,
}

/// What there is of a message that is to be handed out whole.
#[derive(Clone, Copy)]
struct Part {
    kind: Kind,
    /// Whether it starts where the message does.
    first: bool,
    start: usize,
    end: usize,
}

impl Incoming {
    pub(super) fn new(behind: &[u8]) -> Self {
        let mut buffer = behind.to_vec();
        buffer.resize(BUFFER.max(behind.len()), 0);
        Self {
            buffer,
            part: None,
            unread: 0..behind.len(),
            understood: behind.is_empty(),
            #[cfg(feature = "deflate")]
            pending: None,
        }
    }

    /// Nothing, and no memory for it.
    pub(super) const fn none() -> Self {
        Self {
            buffer: Vec::new(),
            part: None,
            unread: 0..0,
            understood: true,
            #[cfg(feature = "deflate")]
            pending: None,
        }
    }

    pub(super) fn into_unread(self) -> Vec<u8> {
        self.buffer.get(self.unread).unwrap_or_default().to_vec()
    }

    /// Whether all bytes were looked at.
    pub(super) const fn is_understood(&self) -> bool {
        self.understood
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    /// Where the next bytes go: never nothing, and never so much that the first cache of a
    /// processor could not hold it. `frame_left` bytes of a frame are still to come.
    pub(super) fn space(&mut self, frame_left: u64) -> &mut [u8] {
        // What is kept is moved while it is little, so that a message has the buffer before it.
        if self.kept() <= LITTLE {
            self.move_to_front();
        }
        let left = usize::try_from(frame_left).unwrap_or(usize::MAX);
        let enough = if left == 0 {
            LITTLE
        } else {
            left.min(BUFFER / 2)
        };
        if self.room() < enough {
            self.move_to_front();
        }
        if self.room() < enough {
            self.grow(left);
        }
        // Behind a message that fills the buffer there is not much to come, as what comes is moved
        // when it is handed out.
        let is_long = self.kept().saturating_add(left) >= BUFFER;
        let most = if is_long && left > 0 {
            left.saturating_add(LITTLE).min(BUFFER)
        } else {
            BUFFER
        };
        let space = self.buffer.get_mut(self.unread.end..).unwrap_or_default();
        let len = space.len().min(most);
        space.get_mut(..len).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) const fn buffer_len(&self) -> usize {
        self.buffer.len()
    }

    const fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.unread.end)
    }

    /// Makes room for what a frame announces: since that may be a lie, for no more than [`AHEAD`] or
    /// what is there already. A message that outgrows that, one of many frames for instance, gets
    /// twice its room, so that a byte is moved twice on average. How large a message may become is
    /// the connection's affair.
    #[cold]
    fn grow(&mut self, announced: usize) {
        let used = self.unread.end;
        let again = if self.buffer.len() > BUFFER { used } else { 0 };
        let more = announced.min(AHEAD.max(used)).max(again);
        let len = used.saturating_add(more).saturating_add(BUFFER);
        // Not `resize`: the system has memory that is zero already.
        let mut buffer = vec![0; len];
        if let (Some(to), Some(from)) = (buffer.get_mut(..used), self.buffer.get(..used)) {
            to.copy_from_slice(from);
        }
        self.buffer = buffer;
    }

    pub(super) fn received(&mut self, count: usize) {
        let end = self.unread.end.saturating_add(count);
        self.unread.end = end.min(self.buffer.len());
        self.understood &= count == 0;
    }

    /// Gives back what a large message took and nobody needs now: in the middle of one, nothing.
    pub(super) fn release(&mut self) {
        if self.kept() <= LITTLE {
            self.move_to_front();
            self.buffer.truncate(BUFFER);
            self.buffer.shrink_to_fit();
        }
    }

    /// How many bytes cannot be forgotten.
    fn kept(&self) -> usize {
        self.unread.end.saturating_sub(self.start())
    }

    /// Where what is kept begins.
    fn start(&self) -> usize {
        #[cfg(feature = "deflate")]
        if let Some(pending) = self.pending {
            return pending.start;
        }
        self.part.map_or(self.unread.start, |part| part.start)
    }

    fn move_to_front(&mut self) {
        let start = self.start();
        if start == 0 || self.unread.end > self.buffer.len() {
            return;
        }
        self.buffer.copy_within(start..self.unread.end, 0);
        self.unread.start = self.unread.start.saturating_sub(start);
        self.unread.end = self.unread.end.saturating_sub(start);
        if let Some(part) = &mut self.part {
            part.start = 0;
            part.end = part.end.saturating_sub(start);
        }
        #[cfg(feature = "deflate")]
        if let Some(pending) = &mut self.pending {
            pending.start = 0;
            pending.end = pending.end.saturating_sub(start);
        }
    }

    pub(super) fn events<'a, R: Role>(
        &'a mut self,
        conn: &'a mut Connection<R>,
        outgoing: &'a mut Outgoing,
        #[cfg(feature = "deflate")] inflating: Option<&'a mut Inflating>,
        whole: bool,
        now: Instant,
    ) -> Events<'a, R> {
        let Self {
            buffer,
            part,
            unread,
            understood,
            #[cfg(feature = "deflate")]
            pending,
        } = self;
        let base = part.map_or(unread.start, |part| part.start);
        #[cfg(feature = "deflate")]
        let (buffer, inflation) = {
            // Where something is pending, no part is kept.
            let start = pending.map_or(0, |pending| pending.start);
            let end = base.min(buffer.len());
            let (front, behind) = buffer.split_at_mut(end);
            let data = pending.map(|pending| Data {
                kind: pending.kind,
                bytes: front.get_mut(start..).unwrap_or_default(),
                first: pending.first,
                last: pending.last,
            });
            (
                behind,
                inflating.map(|inflating| inflating.start(pending, data)),
            )
        };
        #[cfg(not(feature = "deflate"))]
        let buffer = buffer.get_mut(base..).unwrap_or_default();
        let unread_len = unread.end.saturating_sub(base);
        Events {
            conn,
            outgoing,
            whole,
            now,
            buffer: buffer.get_mut(..unread_len).unwrap_or_default(),
            base,
            next: unread.start.saturating_sub(base),
            part,
            unread,
            understood,
            #[cfg(feature = "deflate")]
            inflation,
        }
    }
}

/// The events in the bytes that have arrived, until more are needed (feature `alloc`). What it did
/// not give when it is dropped comes next time.
///
/// An event borrows the buffer and not this, so one may [`send`](Self::send) while holding one.
pub struct Events<'a, R: Role> {
    conn: &'a mut Connection<R>,
    outgoing: &'a mut Outgoing,
    /// Whether messages are handed out whole.
    whole: bool,
    now: Instant,
    /// What was not handed out yet, and where it starts in the whole buffer.
    buffer: &'a mut [u8],
    base: usize,
    /// Where in `buffer` the unread bytes start; at its front where no part is kept.
    next: usize,
    /// As places in the whole buffer, like `unread`.
    part: &'a mut Option<Part>,
    unread: &'a mut Range<usize>,
    understood: &'a mut bool,
    /// Where compression was agreed on.
    #[cfg(feature = "deflate")]
    inflation: Option<Inflation<'a>>,
}

impl<R: Role> Events<'_, R> {
    /// Queues a whole message. A text must be UTF-8 (RFC 6455 section 5.6), which is not checked.
    ///
    /// # Errors
    /// [`SendError::Closing`] when the connection is closing.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.send(self.conn, kind, payload)
    }
}

/// An event without its bytes, which are the last ones that were consumed.
enum Heard {
    Data {
        kind: Kind,
        first: bool,
        last: bool,
    },
    #[cfg(feature = "deflate")]
    Deflated {
        kind: Kind,
        first: bool,
        last: bool,
    },
    Ping,
    Pong,
    Close,
}

impl<'a, R: Role> Iterator for Events<'a, R> {
    type Item = Result<Event<'a>, Violation>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        #[cfg(feature = "deflate")]
        if self.inflation.is_some() {
            return self.next_inflated();
        }
        self.next_as_it_came()
    }
}

impl<'a, R: Role> Events<'a, R> {
    /// The next event; messages that are compressed as they came.
    #[inline(always)]
    fn next_as_it_came(&mut self) -> Option<Result<Event<'a>, Violation>> {
        if self.part.is_none() {
            let mut input = Input::new(mem::take(&mut self.buffer));
            let message = self.conn.receive_message(&mut input, self.now);
            self.skip(input);
            match message {
                // The beginning of a text whose end is not UTF-8: the violation is next.
                Some(Ok(Event::Data(data))) if self.whole && !data.last => self.keep(&data),
                Some(Ok(message)) => return Some(Ok(message)),
                Some(Err(violation)) => {
                    self.outgoing.transmit(self.conn, &mut Input::default());
                    *self.understood = true;
                    return Some(Err(violation));
                }
                None => {}
            }
        }
        if self.whole {
            self.next_whole()
        } else {
            self.next_chunk()
        }
    }

    /// The next event where compression was agreed on. What there is to inflate comes before the
    /// bytes behind it.
    #[cfg(feature = "deflate")]
    #[inline(never)]
    fn next_inflated(&mut self) -> Option<Result<Event<'a>, Violation>> {
        loop {
            let hears = self.conn.state().hears();
            let inflation = self.inflation.as_mut()?;
            if !hears {
                // A message that the peer has not ended before its Close is none.
                inflation.forget();
            } else if !self.whole
                && let Some(part) = inflation.take_part()
            {
                return Some(Ok(Event::Data(part)));
            }
            match inflation.advance(self.whole) {
                Outcome::Piece(piece) => return Some(Ok(Event::Data(piece))),
                Outcome::NoRoom => {
                    *self.understood = false;
                    return None;
                }
                Outcome::Broken(violation) => {
                    let mut input = Input::new(mem::take(&mut self.buffer));
                    self.conn.violate(violation, &mut input, self.now);
                    self.outgoing.transmit(self.conn, &mut input);
                    self.skip(input);
                    *self.understood = true;
                    return Some(Err(violation));
                }
                Outcome::Done => {}
            }
            match self.next_as_it_came()? {
                Ok(Event::Deflated(data)) => {
                    let end = self.base;
                    self.inflation.as_mut()?.begin(data, end);
                }
                event => return Some(event),
            }
        }
    }

    /// The next event, messages as they come.
    #[inline(never)]
    fn next_chunk(&mut self) -> Option<Result<Event<'a>, Violation>> {
        if let Some(part) = self.part.take()
            && self.conn.state().hears()
        {
            return Some(Ok(Event::Data(self.hand_out_part(part, false))));
        }
        self.forget_read();
        let mut input = Input::new(mem::take(&mut self.buffer));
        let event = self.conn.receive(&mut input, self.now);
        self.outgoing.transmit(self.conn, &mut input);
        self.skip(input);
        // Behind a violation everything is swallowed.
        *self.understood = !matches!(event, Ok(Some(_)));
        event.transpose()
    }

    /// The next event, messages whole, however they came.
    #[inline(never)]
    fn next_whole(&mut self) -> Option<Result<Event<'a>, Violation>> {
        if self.part.is_none()
            && let Some(len) = self.conn.binary_message(self.buffer)
            && len <= SHORT
        {
            // It is not all here, and unmasked in one go when it is.
            if !*self.understood {
                self.conn.heard();
            }
            *self.understood = true;
            return None;
        }
        if self.is_middle() {
            return None;
        }
        loop {
            let bytes = self.buffer.get_mut(self.next..).unwrap_or_default();
            let mut input = Input::new(bytes);
            let event = self.conn.receive(&mut input, self.now);
            let (heard, len) = match &event {
                Ok(Some(Event::Data(Data {
                    kind,
                    bytes,
                    first,
                    last,
                }))) => {
                    let (kind, first, last) = (*kind, *first, *last);
                    (Heard::Data { kind, first, last }, bytes.len())
                }
                #[cfg(feature = "deflate")]
                Ok(Some(Event::Deflated(data))) => {
                    let (kind, first, last) = (data.kind, data.first, data.last);
                    (Heard::Deflated { kind, first, last }, data.bytes.len())
                }
                Ok(Some(Event::Ping(payload))) => (Heard::Ping, payload.len()),
                Ok(Some(Event::Pong(payload))) => (Heard::Pong, payload.len()),
                Ok(Some(Event::Close(payload))) => (Heard::Close, close_len(payload.as_ref())),
                Ok(None) | Err(_) => {
                    *self.understood = true;
                    let violation = event.err();
                    self.outgoing.transmit(self.conn, &mut input);
                    let consumed = input.consumed();
                    self.advance(consumed);
                    self.forget_part_after_the_end();
                    self.forget_read();
                    return violation.map(Err);
                }
            };
            self.outgoing.transmit(self.conn, &mut input);
            let consumed = input.consumed();
            self.advance(consumed);
            self.forget_part_after_the_end();
            let bytes = self.next.saturating_sub(len)..self.next;
            let event = match heard {
                Heard::Data { kind, first, last } => {
                    let part = self.gather(kind, first, bytes);
                    if !last {
                        continue;
                    }
                    *self.part = None;
                    Event::Data(self.hand_out_part(part, true))
                }
                #[cfg(feature = "deflate")]
                Heard::Deflated { kind, first, last } => Event::Deflated(Data {
                    kind,
                    bytes: self.hand_out(bytes),
                    first,
                    last,
                }),
                Heard::Ping => Event::Ping(self.hand_out_control(bytes)),
                Heard::Pong => Event::Pong(self.hand_out_control(bytes)),
                // It was parsed before, so it is no error.
                Heard::Close => Event::Close(
                    ClosePayload::parse(self.hand_out_control(bytes)).unwrap_or_default(),
                ),
            };
            return Some(Ok(event));
        }
    }

    /// Whether all there is was more of one frame of a message that goes on.
    #[inline]
    fn is_middle(&mut self) -> bool {
        let bytes = self.buffer.get_mut(self.next..).unwrap_or_default();
        let len = bytes.len();
        match self.part {
            Some(part) if part.end == self.unread.start && self.conn.receive_middle(bytes) => {
                part.end = part.end.saturating_add(len);
                self.advance(len);
                *self.understood = true;
                true
            }
            _ => false,
        }
    }

    /// Goes on behind what `input` consumed; nothing of it is kept.
    #[inline]
    fn skip(&mut self, input: Input<'a>) {
        self.base = self.base.saturating_add(input.consumed());
        self.unread.start = self.base;
        self.buffer = input.into_rest();
    }

    /// Keeps what was just skipped as a part.
    #[cold]
    fn keep(&mut self, data: &Data<'_>) {
        *self.part = Some(Part {
            kind: data.kind,
            first: data.first,
            start: self.base.saturating_sub(data.bytes.len()),
            end: self.base,
        });
    }

    fn advance(&mut self, consumed: usize) {
        self.next = self.next.saturating_add(consumed);
        self.unread.start = self.base.saturating_add(self.next);
    }

    /// Puts `bytes` behind what there is of the message.
    fn gather(&mut self, kind: Kind, first: bool, bytes: Range<usize>) -> Part {
        let len = bytes.len();
        let part = match *self.part {
            None => {
                let start = self.base.saturating_add(bytes.start);
                Part {
                    kind,
                    first,
                    start,
                    end: start.saturating_add(len),
                }
            }
            Some(part) => {
                let end = part.end.saturating_sub(self.base);
                // The head of a fragment is between them.
                if end < bytes.start && bytes.end <= self.buffer.len() {
                    self.buffer.copy_within(bytes, end);
                }
                Part {
                    end: part.end.saturating_add(len),
                    ..part
                }
            }
        };
        *self.part = Some(part);
        part
    }

    fn hand_out_part(&mut self, part: Part, last: bool) -> Data<'a> {
        let start = part.start.saturating_sub(self.base);
        let end = part.end.saturating_sub(self.base);
        Data {
            kind: part.kind,
            bytes: self.hand_out(start..end),
            first: part.first,
            last,
        }
    }

    /// A control frame may come in the middle of a message (section 5.4), whose part must stay in
    /// one piece: the two change places.
    fn hand_out_control(&mut self, mut payload: Range<usize>) -> &'a [u8] {
        if let Some(part) = self.part {
            let len = payload.len();
            let start = part.start.saturating_sub(self.base);
            let both = self.buffer.get_mut(start..payload.end).unwrap_or_default();
            both.rotate_right(len.min(both.len()));
            payload = start..start.saturating_add(len);
            part.start = part.start.saturating_add(len);
            part.end = part.end.saturating_add(len);
        }
        self.hand_out(payload)
    }

    /// Splits off everything up to the end of `bytes`.
    fn hand_out(&mut self, bytes: Range<usize>) -> &'a mut [u8] {
        let buffer = mem::take(&mut self.buffer);
        let (front, rest) = buffer.split_at_mut(bytes.end.min(buffer.len()));
        self.base = self.base.saturating_add(front.len());
        self.next = self.next.saturating_sub(front.len());
        self.buffer = rest;
        self.forget_read();
        front.get_mut(bytes.start..).unwrap_or_default()
    }

    /// A message that the peer has not ended before its Close, or before it broke a rule, is none.
    fn forget_part_after_the_end(&mut self) {
        if !self.conn.state().hears() {
            *self.part = None;
        }
    }

    /// Goes on with the unread bytes unless a part is kept in front of them.
    fn forget_read(&mut self) {
        if self.part.is_none() {
            let buffer = mem::take(&mut self.buffer);
            self.base = self.base.saturating_add(self.next);
            self.buffer = buffer.get_mut(self.next..).unwrap_or_default();
            self.next = 0;
        }
    }
}

/// How many bytes the payload had.
fn close_len(payload: Option<&ClosePayload<'_>>) -> usize {
    payload.map_or(0, |close| close.reason.len().saturating_add(2))
}

impl<R: Role> fmt::Debug for Events<'_, R> {
    /// Leaves out what was said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("state", &self.conn.state())
            .finish_non_exhaustive()
    }
}
