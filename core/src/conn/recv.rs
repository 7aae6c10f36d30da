//! The receiving half: frames, fragmentation, limits, control frames.

use core::mem;

use crate::{
    Instant,
    wire::{
        ClosePayload, Decoded, FrameHead, Kind, OpCode, Utf8Validator, apply_mask, decode_message,
        decode_with,
    },
};

#[cfg(feature = "deflate")]
use crate::{deflate::Fault, wire::RSV1};

use super::{
    BLOCK, CloseCause, Connection, Data, Event, Input, Role, State, Violation, config::Compact,
    state::Signal,
};

/// Where in a message and in a frame the receiving half is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiving {
    /// Bytes of the current data frame's payload that are still to come.
    frame_left: u64,
    /// Bytes that the frames of the current message have announced.
    message_len: u64,
    /// When, at the allowed rate, the control frames so far would all have been due.
    control_due: Instant,
    /// Fragments of the current message.
    fragments: u32,
    /// The masking key from the current place in the frame on.
    mask: [u8; 4],
    utf8: Utf8Validator,
    /// The kind of the current message; `None` between messages.
    message: Option<Kind>,
    /// Whether the current frame ends its message.
    fin: bool,
    /// Whether nothing of the current message was handed out yet.
    first: bool,
    /// A violation behind the bytes that were handed out last.
    found: Option<Violation>,
    /// How many bytes of the input were left over last time: they are no news.
    seen: u16,
    /// Whether the current message is compressed.
    #[cfg(feature = "deflate")]
    deflated: bool,
}

impl Receiving {
    pub(super) const fn new() -> Self {
        Self {
            frame_left: 0,
            message_len: 0,
            control_due: Instant::ZERO,
            fragments: 0,
            mask: [0; 4],
            utf8: Utf8Validator::new(),
            message: None,
            fin: false,
            first: false,
            found: None,
            seen: 0,
            #[cfg(feature = "deflate")]
            deflated: false,
        }
    }

    /// Whether the current message is compressed: its bytes are for an inflater, which checks its text
    /// and its size.
    #[cfg(feature = "deflate")]
    const fn is_deflated(&self) -> bool {
        self.deflated
    }

    #[cfg(not(feature = "deflate"))]
    const fn is_deflated(&self) -> bool {
        let _ = self;
        false
    }

    /// Enters a data frame: section 5.4, and the limits.
    fn enter(
        &mut self,
        head: &FrameHead,
        deflated: bool,
        config: &Compact,
    ) -> Result<(), Violation> {
        let kind = match (head.opcode, self.message) {
            (OpCode::Continuation, None) => return Err(Violation::UnexpectedContinuation),
            (OpCode::Text | OpCode::Binary, Some(_)) => {
                return Err(Violation::InterleavedMessage);
            }
            (OpCode::Continuation, Some(kind)) => kind,
            (OpCode::Text, None) => Kind::Text,
            // Control frames do not come here.
            (OpCode::Binary | OpCode::Close | OpCode::Ping | OpCode::Pong, _) => Kind::Binary,
        };
        if self.message.is_none() {
            self.message_len = 0;
            self.fragments = 0;
            self.utf8 = Utf8Validator::new();
            self.first = true;
            #[cfg(feature = "deflate")]
            {
                self.deflated = deflated;
            }
            let _ = deflated;
        }
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > config.max_fragments {
            return Err(Violation::TooManyFragments);
        }
        self.message_len = self.message_len.saturating_add(head.payload_len);
        let most = if self.is_deflated() {
            most_deflated(config.max_message)
        } else {
            config.max_message
        };
        if self.message_len > most {
            return Err(Violation::MessageTooBig);
        }
        self.message = Some(kind);
        self.fin = head.fin;
        self.frame_left = head.payload_len;
        self.mask = head.mask.unwrap_or_default();
        Ok(())
    }

    /// Takes what is there of the frame's payload, which may be all of no bytes.
    fn chunk<'b>(
        &mut self,
        kind: Kind,
        input: &mut Input<'b>,
        masked: bool,
    ) -> Result<Data<'b>, Violation> {
        let unchecked = self.is_deflated().then_some(Kind::Binary);
        let len = usize::try_from(self.frame_left).unwrap_or(usize::MAX);
        let bytes = input.front(len);
        let len = bytes.len();
        self.frame_left = self.frame_left.saturating_sub(len as u64);
        let last = self.fin && self.frame_left == 0;
        let content = unchecked.unwrap_or(kind);
        let checked = unmask(content, bytes, last, masked, &mut self.mask, &mut self.utf8);
        if last {
            self.message = None;
        }
        let first = mem::take(&mut self.first);
        self.hand_out(kind, input, len, first, last, checked)
    }

    /// Takes `len` bytes that were checked. Good ones before a bad one are handed out first, as
    /// they would have been had they come alone.
    #[inline]
    fn hand_out<'b>(
        &mut self,
        kind: Kind,
        input: &mut Input<'b>,
        len: usize,
        first: bool,
        last: bool,
        checked: Result<(), usize>,
    ) -> Result<Data<'b>, Violation> {
        let (len, last) = match checked {
            Ok(()) => (len, last),
            Err(0) => return Err(Violation::InvalidUtf8),
            Err(good) => {
                self.found = Some(Violation::InvalidUtf8);
                (good, false)
            }
        };
        Ok(Data {
            kind,
            bytes: input.take(len),
            first,
            last,
        })
    }

    /// Counts a control frame against the allowed rate.
    fn count_control(&mut self, config: &Compact, now: Instant) -> Result<(), Violation> {
        let Some((each, burst)) = config.control_budget() else {
            return Ok(());
        };
        let due = self.control_due.max(now);
        if due.micros_since(now) > burst {
            return Err(Violation::ControlFlood);
        }
        self.control_due = due.after_micros(each);
        Ok(())
    }
}

/// How many bytes a compressed message may have so that it does not become too large. What cannot be
/// compressed becomes a little larger: by 5 bytes in 64 KiB with blocks that are not compressed, by an
/// eighth with a compressor that has none.
const fn most_deflated(max_message: u64) -> u64 {
    max_message
        .saturating_add(max_message / 8)
        .saturating_add(64)
}

/// Unmasks a piece of a payload in place and, in a text, checks it (section 8.1).
///
/// The error is how many bytes come before the first bad one.
#[inline]
fn unmask(
    kind: Kind,
    mut bytes: &mut [u8],
    last: bool,
    masked: bool,
    key: &mut [u8; 4],
    utf8: &mut Utf8Validator,
) -> Result<(), usize> {
    if kind == Kind::Binary {
        if masked {
            *key = apply_mask(*key, bytes);
        }
        return Ok(());
    }
    let mut before = 0_usize;
    loop {
        let (block, rest) = bytes.split_at_mut(bytes.len().min(BLOCK));
        if masked {
            *key = apply_mask(*key, block);
        }
        if let Err(index) = utf8.push(block) {
            return Err(before.saturating_add(index));
        }
        before = before.saturating_add(block.len());
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    if last && !utf8.is_complete() {
        return Err(before.saturating_sub(1));
    }
    Ok(())
}

impl<R: Role> Connection<R> {
    /// Takes the next event off the front of `input`; see the contract above.
    ///
    /// `Ok(None)`: everything is understood but what is left in `input`, at most
    /// [`MAX_LEFTOVER`](super::MAX_LEFTOVER) bytes, which need more behind them.
    ///
    /// # Errors
    /// The rule that the peer broke. The Close frame is queued, and all further input is swallowed.
    #[inline(always)]
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        if let Some(result) = self.receive_message(input, now) {
            return result.map(Some);
        }
        if input.rest().is_empty() && self.receiving.found.is_none() {
            self.receiving.seen = 0;
            return Ok(None);
        }
        self.receive_any(input, now)
    }

    /// The next event if it is a whole message, which is the usual case.
    #[inline(always)]
    pub(super) fn receive_message<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Option<Result<Event<'b>, Violation>> {
        if self.state != State::Open {
            return None;
        }
        let result = self.whole_message(input)?;
        self.timers.heard(&self.config);
        Some(match result {
            Ok(data) => Ok(Event::Data(data)),
            Err(violation) => Err(self.fail(violation, input, now)),
        })
    }

    /// The next event, whatever it is.
    #[inline(never)]
    fn receive_any<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        if self.state != State::Open {
            self.handle_timeout(now); // bytes do not put the end off
        }
        if !self.state.hears() {
            input.take(usize::MAX);
            return Ok(None);
        }
        if input.rest().len() > usize::from(self.receiving.seen) {
            self.timers.heard(&self.config);
        }
        let event = self.next_event(input, now);
        self.receiving.seen = u16::try_from(input.rest().len()).unwrap_or(u16::MAX);
        event.map_err(|violation| self.fail(violation, input, now))
    }

    #[cold]
    fn fail(&mut self, violation: Violation, input: &mut Input<'_>, now: Instant) -> Violation {
        input.take(usize::MAX);
        self.signal(Signal::Violation, CloseCause::Violation(violation), now);
        violation
    }

    /// How many bytes of the current data frame are still to come, `bytes` being the unread ones.
    #[cfg(feature = "alloc")]
    pub(super) fn frame_left(&self, bytes: &[u8]) -> u64 {
        match self.binary_message(bytes) {
            Some(len) => (len as u64).saturating_sub(bytes.len() as u64),
            None => self.receiving.frame_left,
        }
    }

    /// The length, with its head, of the binary message at the front of `bytes` that is one frame.
    /// Nothing behind such a head can be wrong, so whoever wants it whole may wait for the rest.
    #[cfg(feature = "alloc")]
    pub(super) fn binary_message(&self, bytes: &[u8]) -> Option<usize> {
        if self.state != State::Open {
            return None;
        }
        match self.next_message(bytes)? {
            (Kind::Binary, _, payload_len, head_len) => payload_len.checked_add(head_len),
            (Kind::Text, ..) => None,
        }
    }

    /// More bytes have come of a message that is being waited for.
    #[cfg(feature = "alloc")]
    pub(super) fn heard(&mut self) {
        self.timers.heard(&self.config);
    }

    /// Takes `bytes` if they are the middle of a frame whose end is still to come, as nearly all
    /// bytes of long messages are; whether they were. If not, nothing has happened.
    #[cfg(feature = "alloc")]
    pub(super) fn receive_middle(&mut self, bytes: &mut [u8]) -> bool {
        let receiving = &mut self.receiving;
        let len = bytes.len() as u64;
        let (State::Open, Some(kind), None) = (self.state, receiving.message, receiving.found)
        else {
            return false;
        };
        if cfg!(not(feature = "fast"))
            || receiving.first
            || receiving.frame_left <= len
            || receiving.is_deflated()
        {
            return false;
        }
        let (mut key, mut utf8) = (receiving.mask, receiving.utf8);
        if unmask(kind, bytes, false, R::IS_SERVER, &mut key, &mut utf8).is_err() {
            // What is good comes before the violation, and both in order.
            if R::IS_SERVER {
                let _ = apply_mask(receiving.mask, bytes);
            }
            return false;
        }
        receiving.frame_left = receiving.frame_left.saturating_sub(len);
        (receiving.mask, receiving.utf8, receiving.seen) = (key, utf8, 0);
        if len > 0 {
            self.timers.heard(&self.config);
        }
        true
    }

    /// A message that is one frame and all here; `None` in all other cases, which
    /// [`next_event`](Self::next_event) knows, as it does this one.
    #[inline(always)]
    fn whole_message<'b>(&mut self, input: &mut Input<'b>) -> Option<Result<Data<'b>, Violation>> {
        let (kind, mut key, payload_len, head_len) = self.next_message(input.rest())?;
        if payload_len > input.rest().len().checked_sub(head_len)? {
            return None;
        }
        input.take(head_len);
        let bytes = input.front(payload_len);
        let mut utf8 = Utf8Validator::new();
        let checked = unmask(kind, bytes, true, R::IS_SERVER, &mut key, &mut utf8);
        let receiving = &mut self.receiving;
        Some(receiving.hand_out(kind, input, payload_len, true, true, checked))
    }

    /// The head at the front of `bytes` if it is that of a message that is one frame and not too
    /// long: kind, masking key, length of the payload and of the head. Always `None` where a small
    /// program is worth more than a fast one.
    #[inline(always)]
    fn next_message(&self, bytes: &[u8]) -> Option<(Kind, [u8; 4], usize, usize)> {
        if cfg!(not(feature = "fast")) {
            return None; // no short cuts
        }
        if self.receiving.message.is_some() || self.receiving.found.is_some() {
            return None;
        }
        let (kind, key, payload_len, head_len) = decode_message(bytes, R::PEER_MASKING)?;
        if payload_len > self.config.max_message {
            return None;
        }
        Some((kind, key, usize::try_from(payload_len).ok()?, head_len))
    }

    fn next_event<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        if let Some(violation) = self.receiving.found.take() {
            return Err(violation);
        }
        loop {
            if let Some(kind) = self.receiving.message
                && self.receiving.frame_left > 0
            {
                if input.rest().is_empty() {
                    return Ok(None);
                }
                return self.chunk(kind, input).map(Some);
            }
            let (allowed, deflated) = self.reserved_bits(input.rest())?;
            let (head, len) = match decode_with(input.rest(), R::PEER_MASKING, allowed)? {
                Decoded::NeedMore(_) => return Ok(None),
                Decoded::Done { head, len } => (head, len),
            };
            if head.opcode.is_control() {
                return self.control(&head, len, input, now);
            }
            self.receiving.enter(&head, deflated, &self.config)?;
            input.take(len);
            // The end of a message is told even if its last frame is empty; other empty frames
            // mean nothing.
            if let Some(kind) = self.receiving.message
                && head.payload_len == 0
                && head.fin
            {
                return self.chunk(kind, input).map(Some);
            }
        }
    }

    fn chunk<'b>(&mut self, kind: Kind, input: &mut Input<'b>) -> Result<Event<'b>, Violation> {
        let data = self.receiving.chunk(kind, input, R::IS_SERVER)?;
        #[cfg(feature = "deflate")]
        if self.receiving.deflated {
            return Ok(Event::Deflated(data));
        }
        Ok(Event::Data(data))
    }

    /// The reserved bits that may be set in the head at the front of `bytes`, and whether it begins a
    /// compressed message.
    #[cfg(feature = "deflate")]
    fn reserved_bits(&self, bytes: &[u8]) -> Result<(u8, bool), Violation> {
        let first = bytes.first().copied().unwrap_or_default();
        if !self.deflate || first & RSV1 == 0 {
            return Ok((0, false));
        }
        // RFC 7692, section 6.1: on the first frame of a message and on no other. What is no frame at
        // all is found next.
        match OpCode::from_bits(first & 0x0F) {
            Some(OpCode::Text | OpCode::Binary) => Ok((RSV1, true)),
            None => Ok((RSV1, false)),
            Some(OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong) => {
                Err(Violation::Deflate(Fault::MisplacedRsv1))
            }
        }
    }

    #[cfg(not(feature = "deflate"))]
    #[expect(clippy::unnecessary_wraps, reason = "with compression it may be wrong")]
    const fn reserved_bits(&self, _: &[u8]) -> Result<(u8, bool), Violation> {
        Ok((0, false))
    }

    /// The peer broke a rule that only the driver can see: an
    /// [`Inflater`](crate::deflate::Inflater) found it in what came last. `input` is the one last
    /// received from, whose rest is swallowed. The Close frame is queued as if
    /// [`receive`](Self::receive) had found it (feature `deflate`).
    #[cfg(feature = "deflate")]
    pub fn violate(&mut self, violation: Violation, input: &mut Input<'_>, now: Instant) {
        if self.state.hears() {
            self.fail(violation, input, now);
        }
    }

    /// A control frame is taken when it is whole: the caller's buffer keeps it until then.
    fn control<'b>(
        &mut self,
        head: &FrameHead,
        head_len: usize,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        // The head was checked: at most 125.
        let payload_len = usize::try_from(head.payload_len).unwrap_or(usize::MAX);
        if input.rest().len() < head_len.saturating_add(payload_len) {
            return Ok(None);
        }
        // A Close is the last one: it is answered however many came before it.
        if head.opcode != OpCode::Close {
            self.receiving.count_control(&self.config, now)?;
        }
        input.take(head_len);
        let payload = input.take(payload_len);
        if let Some(key) = head.mask {
            let _ = apply_mask(key, payload);
        }
        let payload: &'b [u8] = payload;
        Ok(Some(match head.opcode {
            OpCode::Ping => {
                // Section 5.5.2: answered "unless it already received a Close frame".
                if self.state == State::Open {
                    input.ping = Some(payload);
                }
                Event::Ping(payload)
            }
            OpCode::Close => {
                let close = ClosePayload::parse(payload)?;
                let code = close.map(|close| close.code);
                self.signal(Signal::PeerClose, CloseCause::Peer(code), now);
                Event::Close(close)
            }
            // Data frames do not come here.
            OpCode::Pong | OpCode::Continuation | OpCode::Text | OpCode::Binary => {
                Event::Pong(payload)
            }
        }))
    }
}
