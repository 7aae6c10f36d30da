//! One WebSocket connection after its opening handshake, as a state machine.
//!
//! [`Connection`] has the driving contract. Around it: [`Input`] is the bytes on their way in,
//! [`Event`] what they mean, [`Transmit`] what the transport has to do, [`Assembler`] puts chunks
//! together where whole messages are wanted; with the feature `alloc`, `Buffered` is a connection
//! with its buffers.

mod assemble;
#[cfg(feature = "alloc")]
mod buffered;
mod config;
#[cfg(feature = "alloc")]
mod connecting;
mod error;
mod event;
#[cfg(feature = "alloc")]
mod incoming;
#[cfg(all(feature = "alloc", feature = "deflate"))]
mod inflating;
mod input;
mod masks;
#[cfg(feature = "alloc")]
mod opening;
mod recv;
mod role;
mod send;
mod state;
#[cfg(test)]
mod tests;
mod timers;

pub use assemble::{Assembler, Message, Store, StoreFull};
#[cfg(feature = "alloc")]
pub use buffered::{BUFFER, Buffered};
pub use config::Config;
#[cfg(feature = "alloc")]
pub use connecting::{Connecting, Opened};
pub use error::{SendError, Violation};
pub use event::{CloseCause, Data, Event, Transmit};
#[cfg(feature = "alloc")]
pub use incoming::Events;
pub use input::Input;
pub use masks::HashedMasks;
#[cfg(feature = "alloc")]
pub(crate) use opening::Opening;
#[cfg(feature = "alloc")]
pub use opening::{OpeningError, Refused};
pub use role::{Client, MaskSource, Role, Server};
pub use send::Prepared;
pub use state::State;

use crate::{
    Instant,
    wire::{CloseCode, ClosePayload, MAX_CONTROL},
};
use config::Compact;
use recv::Receiving;
use state::{Duty, Signal};
use timers::Timers;

/// The most bytes that [`Connection::receive`] leaves over when it needs more:
/// an unfinished control frame.
pub const MAX_LEFTOVER: usize = MAX_CONTROL - 1;

/// One end of a WebSocket connection (RFC 6455), without a transport, a clock or a heap.
///
/// # The contract
///
/// 1. **In.** Put the bytes that arrived into an [`Input`], behind what the last one left over, and
///    call [`receive`](Self::receive) until it answers `Ok(None)` or a [`Violation`]. What
///    [`Input::rest`] then holds, at most [`MAX_LEFTOVER`] bytes, goes in front of the next bytes.
///    Where bytes are cut makes no difference: the events and the answers are the same.
/// 2. **Events** borrow the buffer and never the connection, so one may reply while holding one.
/// 3. **Out.** After each call that takes the time, drain [`poll_transmit`](Self::poll_transmit)
///    and do what it says, in order. Pongs, the answers to a Close, the closing handshake and
///    keep-alive pings come out there. A Pong that is not fetched before the next Ping is received
///    is replaced (section 5.5.3); one that is not fetched before its `Input` is dropped is never
///    sent.
/// 4. **Commands** ([`encode`](Self::encode), [`ping`](Self::ping), [`close`](Self::close), …)
///    write whole frames into a buffer of the caller's; bytes appended to the transport in the
///    order in which they came out are valid on the wire.
/// 5. **Time.** Call [`handle_timeout`](Self::handle_timeout) at or after
///    [`poll_timeout`](Self::poll_timeout); late is allowed, and too early does nothing. When the
///    transport has no more bytes, and all of them were received, call
///    [`receive_eof`](Self::receive_eof). Then go on with 2 and 3 as after bytes.
///
/// After a [`Violation`] the Close frame is queued, further input is swallowed, and `poll_transmit`
/// says when to shut the transport down. No order of calls is an error of its own.
#[derive(Debug)]
pub struct Connection<R: Role> {
    role: R,
    config: Compact,
    receiving: Receiving,
    /// The kind of the message of which we have sent fragments, but not the last one.
    sending: Option<crate::wire::Kind>,
    state: State,
    cause: Option<CloseCause>,
    close_frame: CloseFrame,
    transport: Transport,
    timers: Timers,
    /// Whether compression was agreed on.
    #[cfg(feature = "deflate")]
    deflate: bool,
}

/// How much of a payload is gone through twice at once, to mask it and to check or to copy it: both
/// find it in the first cache.
const BLOCK: usize = 8192;

/// The one Close frame that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseFrame {
    NotDue,
    /// To be sent: the answer to the peer's.
    Answer(Option<CloseCode>),
    /// To be sent: the peer broke a rule.
    Failure(Violation),
    Sent,
}

/// What the transport still has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Up,
    ShutDownDue,
    ShutDown,
    DisconnectDue,
    Gone,
}

impl<R: Role> Connection<R> {
    /// A connection whose opening handshake is done at `now`.
    #[must_use]
    pub fn new(role: R, config: &Config, now: Instant) -> Self {
        let config = Compact::new(config);
        Self {
            role,
            config,
            receiving: Receiving::new(),
            sending: None,
            state: State::Open,
            cause: None,
            close_frame: CloseFrame::NotDue,
            transport: Transport::Up,
            timers: Timers::new(&config, now),
            #[cfg(feature = "deflate")]
            deflate: false,
        }
    }

    /// Compression was agreed on in the opening handshake: messages may come as
    /// [`Event::Deflated`], and be sent with [`encode_deflated`](Self::encode_deflated) (RFC 7692;
    /// feature `deflate`). Before this, RSV1 is a reserved bit like the others.
    #[cfg(feature = "deflate")]
    pub const fn enable_deflate(&mut self) {
        self.deflate = true;
    }

    /// The transport has delivered its last byte: the connection is over, at once (section 7.1.4).
    /// Receive what came before it first; what was not received is swallowed.
    pub fn receive_eof(&mut self, now: Instant) {
        self.signal(Signal::Eof, CloseCause::Eof, now);
    }

    /// The time is `now`: sends a Ping that is due, gives up a peer that is overdue.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timers.expire(&self.config, now) {
            self.signal(Signal::Overdue, CloseCause::Overdue, now);
        }
    }

    /// There is another sign of life than bytes: its transport has acknowledged what waited for it,
    /// say.
    pub fn peer_lives(&mut self) {
        self.timers.heard(&self.config);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` if there is nothing to
    /// wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open | State::Closing | State::Draining => self.timers.deadline(),
        }
    }

    /// What the transport has to do next; call until `None`.
    ///
    /// `input` is the one last given to [`receive`](Self::receive), or an empty one: a Ping is
    /// answered from where it arrived. `out` is scratch space.
    #[inline]
    pub fn poll_transmit<'o>(
        &mut self,
        input: &mut Input<'_>,
        out: &'o mut [u8; MAX_CONTROL],
    ) -> Option<Transmit<'o>> {
        if !self.owes(input) {
            return None;
        }
        self.next_transmit(input, out)
    }

    /// Whether there may be something to transmit. Nearly always there is not, and it is asked
    /// after every event.
    #[inline]
    fn owes(&self, input: &Input<'_>) -> bool {
        input.ping.is_some() || self.state != State::Open || self.timers.ping_is_due()
    }

    fn next_transmit<'o>(
        &mut self,
        input: &mut Input<'_>,
        out: &'o mut [u8; MAX_CONTROL],
    ) -> Option<Transmit<'o>> {
        // In the order in which the peer's frames made them due.
        if let Some(payload) = input.ping.take()
            && self.may_send()
        {
            return Some(Transmit::Bytes(self.pong_frame(payload, out)));
        }
        if self.timers.take_ping() && self.may_send() {
            return Some(Transmit::Bytes(self.ping_frame(out)));
        }
        match self.close_frame {
            CloseFrame::NotDue | CloseFrame::Sent => {}
            CloseFrame::Answer(code) => {
                let payload = code.map(|code| ClosePayload { code, reason: "" });
                return Some(Transmit::Bytes(self.close_frame(payload, out)));
            }
            CloseFrame::Failure(violation) => {
                let payload = Some(ClosePayload {
                    code: violation.close_code(),
                    reason: violation.reason(),
                });
                return Some(Transmit::Bytes(self.close_frame(payload, out)));
            }
        }
        match self.transport {
            Transport::ShutDownDue => {
                self.transport = Transport::ShutDown;
                Some(Transmit::ShutdownWrite)
            }
            Transport::DisconnectDue => {
                self.transport = Transport::Gone;
                Some(Transmit::Disconnect)
            }
            Transport::Up | Transport::ShutDown | Transport::Gone => None,
        }
    }

    /// Where the connection is in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What ended or is ending the connection: the first thing that did. `None` while it is open.
    #[must_use]
    pub const fn closed_by(&self) -> Option<CloseCause> {
        self.cause
    }

    /// Lets the table decide what `signal` means, and takes on the duty.
    fn signal(&mut self, signal: Signal, cause: CloseCause, now: Instant) {
        let (state, duty) = self.state.after(signal);
        self.state = state;
        if duty != Duty::Nothing && self.cause.is_none() {
            self.cause = Some(cause);
        }
        match duty {
            Duty::Nothing => {}
            Duty::Await => self.timers.await_close(&self.config, now),
            Duty::CloseAndShutDown => {
                self.close_frame = match cause {
                    CloseCause::Violation(violation) => CloseFrame::Failure(violation),
                    CloseCause::Peer(code) => CloseFrame::Answer(code),
                    CloseCause::Local(_) | CloseCause::Eof | CloseCause::Overdue => {
                        CloseFrame::Answer(None)
                    }
                };
                self.shut_down(cause, now);
            }
            Duty::ShutDown => self.shut_down(cause, now),
            Duty::Disconnect => self.transport = Transport::DisconnectDue,
            Duty::Abort => {
                self.close_frame = CloseFrame::Sent; // too late to say anything
                self.transport = Transport::DisconnectDue;
            }
        }
    }

    fn shut_down(&mut self, cause: CloseCause, now: Instant) {
        self.timers.await_close(&self.config, now);
        // Section 7.1.1: after a clean closing handshake the server closes the transport first.
        // Whoever does keeps the connection in TIME_WAIT, which hinders a server least.
        if R::IS_SERVER || matches!(cause, CloseCause::Violation(_)) {
            self.transport = Transport::ShutDownDue;
        }
    }

    /// Whether a frame may still follow what was sent (section 5.5.1: none after a Close).
    fn may_send(&self) -> bool {
        self.close_frame != CloseFrame::Sent && self.state != State::Closed
    }
}
