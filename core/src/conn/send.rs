//! The sending half: data frames, control frames, frames for many receivers.

use crate::{
    Instant,
    wire::{
        CloseCode, ClosePayload, EncodedHead, FrameHead, Kind, LENGTH_IN_2, MAX_CLOSE_REASON,
        MAX_CONTROL, MAX_CONTROL_PAYLOAD, OpCode, apply_mask, copy_masked,
    },
};

#[cfg(feature = "deflate")]
use crate::wire::RSV1;

use super::{
    Client, CloseCause, CloseFrame, Connection, MaskSource, Role, SendError, Server, state::Signal,
};

impl<R: Role> Connection<R> {
    /// Whether a whole message may be sent now.
    ///
    /// # Errors
    /// [`SendError::Closing`] or [`SendError::Unfinished`] if not.
    pub fn check_ready(&self) -> Result<(), SendError> {
        if !self.may_send() {
            return Err(SendError::Closing);
        }
        if self.sending.is_some() {
            return Err(SendError::Unfinished);
        }
        Ok(())
    }

    /// Writes a data frame into `out`: a whole message, or with `last` false a fragment of one
    /// (section 5.4), whose fragments all have its `kind`. A text must be UTF-8 (section 5.6), which
    /// is not checked. Room for the payload and [`MAX_HEAD`](crate::wire::MAX_HEAD) bytes is always
    /// enough.
    ///
    /// # Errors
    /// [`SendError::Closing`], [`SendError::Unfinished`] or [`SendError::BufferTooSmall`]; nothing
    /// is written then, and the connection is as before.
    #[inline]
    pub fn encode<'o>(
        &mut self,
        kind: Kind,
        payload: &[u8],
        last: bool,
        out: &'o mut [u8],
    ) -> Result<&'o mut [u8], SendError> {
        let opcode = self.next_opcode(kind)?;
        let frame = put_frame(opcode, payload, last, self.role.next_mask(), out)?;
        self.sent(kind, last);
        Ok(frame)
    }

    /// Writes a frame of a compressed message into `out`, as [`encode`](Self::encode) does one of a
    /// plain message; `payload` is what a `Deflater` made of the message or of a piece of it (feature
    /// `deflate`). All frames of a compressed message are to be encoded with this.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and [`SendError::NotAgreed`].
    #[cfg(feature = "deflate")]
    pub fn encode_deflated<'o>(
        &mut self,
        kind: Kind,
        payload: &[u8],
        last: bool,
        out: &'o mut [u8],
    ) -> Result<&'o mut [u8], SendError> {
        if !self.deflate {
            return Err(SendError::NotAgreed);
        }
        let begins = self.sending.is_none();
        let frame = self.encode(kind, payload, last, out)?;
        // RFC 7692, section 6.1.
        if begins && let Some(first) = frame.first_mut() {
            *first |= RSV1;
        }
        Ok(frame)
    }

    /// Writes a Ping into `out` (section 5.5.2). A sign of life is due within
    /// [`Config::pong_timeout`](super::Config::pong_timeout), also where pings are off; if one is
    /// awaited already, that deadline stays.
    ///
    /// # Errors
    /// [`SendError::Closing`], or [`SendError::PayloadTooLong`] beyond 125 bytes.
    pub fn ping<'o>(
        &mut self,
        payload: &[u8],
        out: &'o mut [u8; MAX_CONTROL],
        now: Instant,
    ) -> Result<&'o [u8], SendError> {
        if !self.may_send() {
            return Err(SendError::Closing);
        }
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::PayloadTooLong);
        }
        self.timers.await_pong(&self.config, now);
        Ok(self.control_frame(OpCode::Ping, &[payload], out))
    }

    /// Starts the closing handshake (section 7.1.2): writes the Close frame into `out`. Nothing can be
    /// sent after it; messages of the peer are still heard until its Close, which is due within
    /// [`Config::close_timeout`](super::Config::close_timeout).
    ///
    /// # Errors
    /// [`SendError::Closing`] if a Close frame is sent or due already, or
    /// [`SendError::PayloadTooLong`] if the reason has more than [`MAX_CLOSE_REASON`] bytes.
    pub fn close<'o>(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &'o mut [u8; MAX_CONTROL],
        now: Instant,
    ) -> Result<&'o [u8], SendError> {
        if !self.may_send() || self.close_frame != CloseFrame::NotDue {
            return Err(SendError::Closing);
        }
        if reason.len() > MAX_CLOSE_REASON {
            return Err(SendError::PayloadTooLong);
        }
        self.signal(Signal::LocalClose, CloseCause::Local(code), now);
        Ok(self.close_frame(Some(ClosePayload { code, reason }), out))
    }

    pub(super) fn pong_frame<'o>(
        &mut self,
        payload: &[u8],
        out: &'o mut [u8; MAX_CONTROL],
    ) -> &'o [u8] {
        self.control_frame(OpCode::Pong, &[payload], out)
    }

    pub(super) fn ping_frame<'o>(&mut self, out: &'o mut [u8; MAX_CONTROL]) -> &'o [u8] {
        self.control_frame(OpCode::Ping, &[], out)
    }

    pub(super) fn close_frame<'o>(
        &mut self,
        payload: Option<ClosePayload<'_>>,
        out: &'o mut [u8; MAX_CONTROL],
    ) -> &'o [u8] {
        self.close_frame = CloseFrame::Sent;
        match payload {
            None => self.control_frame(OpCode::Close, &[], out),
            Some(ClosePayload { code, reason }) => {
                let code = code.get().to_be_bytes();
                self.control_frame(OpCode::Close, &[&code, reason.as_bytes()], out)
            }
        }
    }

    /// A control frame; callers see to it that the parts are at most 125 bytes together.
    fn control_frame<'o>(
        &mut self,
        opcode: OpCode,
        parts: &[&[u8]],
        out: &'o mut [u8; MAX_CONTROL],
    ) -> &'o [u8] {
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let mut len = 0_usize;
        let bytes = parts.iter().flat_map(|part| part.iter());
        for (to, from) in payload.iter_mut().zip(bytes) {
            *to = *from;
            len = len.saturating_add(1);
        }
        let payload = payload.get(..len).unwrap_or_default();
        match put_frame(opcode, payload, true, self.role.next_mask(), out) {
            Ok(frame) => frame,
            Err(_) => &[], // cannot be: the buffer holds the largest control frame
        }
    }

    /// The opcode of the next data frame of this kind.
    fn next_opcode(&self, kind: Kind) -> Result<OpCode, SendError> {
        if !self.may_send() {
            return Err(SendError::Closing);
        }
        match self.sending {
            None => Ok(kind.into()),
            Some(sending) if sending == kind => Ok(OpCode::Continuation),
            Some(_) => Err(SendError::Unfinished),
        }
    }

    const fn sent(&mut self, kind: Kind, last: bool) {
        self.sending = if last { None } else { Some(kind) };
    }
}

impl Connection<Server> {
    /// The head of a data frame whose payload of `len` bytes, below 2^63, the caller sends behind it,
    /// from where it is. A text must be UTF-8 (section 5.6), which is not checked.
    ///
    /// # Errors
    /// [`SendError::Closing`] or [`SendError::Unfinished`].
    pub fn head(&mut self, kind: Kind, len: u64, last: bool) -> Result<EncodedHead, SendError> {
        let opcode = self.next_opcode(kind)?;
        self.sent(kind, last);
        Ok(head(opcode, len, last, None).encode())
    }

    /// The head of a frame of a compressed message, as [`head`](Self::head) for a plain one (feature
    /// `deflate`).
    ///
    /// # Errors
    /// [`SendError::Closing`], [`SendError::Unfinished`] or [`SendError::NotAgreed`].
    #[cfg(feature = "deflate")]
    pub fn deflated_head(
        &mut self,
        kind: Kind,
        len: u64,
        last: bool,
    ) -> Result<EncodedHead, SendError> {
        if !self.deflate {
            return Err(SendError::NotAgreed);
        }
        let begins = self.sending.is_none();
        let head = self.head(kind, len, last)?;
        Ok(if begins { head.with_rsv1() } else { head })
    }

    /// Whether a prepared frame may be sent now, and its bytes.
    ///
    /// # Errors
    /// [`SendError::Closing`] or [`SendError::Unfinished`].
    pub fn send_prepared<'p>(&self, frame: &Prepared<'p>) -> Result<&'p [u8], SendError> {
        self.check_ready()?;
        Ok(frame.bytes)
    }
}

impl<M: MaskSource> Connection<Client<M>> {
    /// Masks `payload` in place and answers the head that goes before it. A text must be UTF-8
    /// (section 5.6), which is not checked.
    ///
    /// # Errors
    /// [`SendError::Closing`] or [`SendError::Unfinished`]; the payload is as it was then.
    pub fn head(
        &mut self,
        kind: Kind,
        payload: &mut [u8],
        last: bool,
    ) -> Result<EncodedHead, SendError> {
        let opcode = self.next_opcode(kind)?;
        let mask = self.role.next_mask();
        if let Some(key) = mask {
            let _ = apply_mask(key, payload);
        }
        self.sent(kind, last);
        Ok(head(opcode, payload.len() as u64, last, mask).encode())
    }
}

/// A whole message of a server, encoded once for any number of receivers.
///
/// A server's frames carry no key, so the same bytes suit everybody.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'p> {
    bytes: &'p [u8],
}

impl<'p> Prepared<'p> {
    /// Writes the frame into `out`. A text must be UTF-8 (section 5.6), which is not checked.
    ///
    /// # Errors
    /// [`SendError::BufferTooSmall`].
    pub fn encode(kind: Kind, payload: &[u8], out: &'p mut [u8]) -> Result<Self, SendError> {
        let bytes = put_frame(kind.into(), payload, true, None, out)?;
        Ok(Self { bytes })
    }

    /// The head of such a frame, for a caller that puts the two together itself; the payload has
    /// `len` bytes, below 2^63.
    #[must_use]
    pub fn head(kind: Kind, len: u64) -> EncodedHead {
        head(kind.into(), len, true, None).encode()
    }

    /// The same for a compressed message (feature `deflate`); the `len` bytes of its payload are what a
    /// `Deflater` makes. Only for connections that have agreed on compression.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflated_head(kind: Kind, len: u64) -> EncodedHead {
        Self::head(kind, len).with_rsv1()
    }

    /// The whole frame.
    #[must_use]
    pub const fn as_bytes(&self) -> &'p [u8] {
        self.bytes
    }
}

/// Both are of one length. Not `copy_from_slice`, because the compiler must see at every level of
/// optimisation that this cannot panic. It makes the same copy of it.
#[inline]
fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[inline]
const fn head(opcode: OpCode, payload_len: u64, fin: bool, mask: Option<[u8; 4]>) -> FrameHead {
    FrameHead {
        fin,
        opcode,
        mask,
        payload_len,
    }
}

#[inline]
fn put_frame<'o>(
    opcode: OpCode,
    payload: &[u8],
    fin: bool,
    mask: Option<[u8; 4]>,
    out: &'o mut [u8],
) -> Result<&'o mut [u8], SendError> {
    let head = head(opcode, payload.len() as u64, fin, mask);
    if cfg!(feature = "fast") && mask.is_none() {
        // What nearly every message of a server is. A head whose length the compiler knows is
        // written at once, not piece by piece.
        let two = head.first_two();
        if payload.len() < usize::from(LENGTH_IN_2) {
            return put_behind(two, payload, out);
        }
        if let Ok(len) = u16::try_from(payload.len()) {
            let ([first, second], [g, h]) = (two, len.to_be_bytes());
            return put_behind([first, second, g, h], payload, out);
        }
    }
    let needed = head.encoded_len().saturating_add(payload.len());
    let too_small = SendError::BufferTooSmall { needed };
    let frame = out.get_mut(..needed).ok_or(too_small)?;
    let body = head.put(frame).ok_or(too_small)?;
    match mask {
        None => copy(payload, body),
        Some(key) => copy_masked(key, payload, body),
    }
    Ok(frame)
}

#[inline]
fn put_behind<'o, const N: usize>(
    head: [u8; N],
    payload: &[u8],
    out: &'o mut [u8],
) -> Result<&'o mut [u8], SendError> {
    let needed = N.saturating_add(payload.len());
    let too_small = SendError::BufferTooSmall { needed };
    let frame = out.get_mut(..needed).ok_or(too_small)?;
    let (front, body) = frame.split_first_chunk_mut().ok_or(too_small)?;
    *front = head;
    copy(payload, body);
    Ok(frame)
}
