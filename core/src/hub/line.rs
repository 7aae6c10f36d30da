//! The server's end of one connection, with its outbox.

use crate::{
    Instant,
    conn::{CloseCause, Config, Connection, Event, Input, Server, State, Transmit, Violation},
    wire::{CloseCode, MAX_CONTROL},
};

use super::{Ending, Frame, OutboxLimits, outbox::Outbox};

/// A [`Connection`] and the frames that its peer has not taken yet: what a driver keeps for each
/// session, beside the socket.
///
/// Whatever is queued here waits until the driver has written the [`chunks`](Self::chunks). A peer
/// that leaves more waiting than the [`OutboxLimits`] allow is answered with [`Unsent::Full`]: it
/// is up to the driver to [give it up](Self::give_up).
#[derive(Debug)]
pub struct Line {
    conn: Connection<Server>,
    outbox: Outbox,
    limits: OutboxLimits,
    shut_down: bool,
    disconnect: bool,
    /// The socket takes no more: nothing is queued any longer.
    broken: bool,
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The connection is closing.
    Closing,
    /// The peer does not take what waits already: it is a slow consumer.
    Full,
}

impl Line {
    /// A line whose opening handshake is done at `now`.
    #[must_use]
    pub fn new(config: &Config, limits: OutboxLimits, now: Instant) -> Self {
        Self {
            conn: Connection::new(Server, config, now),
            outbox: Outbox::default(),
            limits,
            shut_down: false,
            disconnect: false,
            broken: false,
        }
    }

    /// As [`Connection::receive`]; what the event makes due is queued by
    /// [`transmit`](Self::transmit).
    ///
    /// # Errors
    /// The rule that the peer broke.
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        self.conn.receive(input, now)
    }

    /// The socket has delivered its last byte: the connection is over, at once.
    pub fn receive_eof(&mut self, now: Instant) {
        self.conn.receive_eof(now);
    }

    /// Lets a deadline expire; whether one did. If so, call [`transmit`](Self::transmit). A line does
    /// not say when: call this at a fixed pace, which is how late it may be.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.conn.poll_timeout().is_some_and(|at| at <= now);
        if due {
            self.conn.handle_timeout(now);
        }
        due
    }

    /// Queues what the connection owes of its own; whether that was anything.
    ///
    /// # Errors
    /// [`Unsent::Full`] for a peer that keeps pinging and does not take the answers.
    pub fn transmit(&mut self, input: &mut Input<'_>) -> Result<bool, Unsent> {
        let mut out = [0; MAX_CONTROL];
        let mut any = false;
        let mut full = false;
        while let Some(transmit) = self.conn.poll_transmit(input, &mut out) {
            any = true;
            match transmit {
                Transmit::Bytes(bytes) if self.conn.state() == State::Open => {
                    full |= self.queue(Frame::encoded(bytes)) == Err(Unsent::Full);
                }
                // The last frames of a connection: a Close, and a Pong before it.
                Transmit::Bytes(bytes) => self.queue_last(Frame::encoded(bytes)),
                Transmit::ShutdownWrite => self.shut_down = true,
                Transmit::Disconnect => self.disconnect = true,
            }
        }
        if full { Err(Unsent::Full) } else { Ok(any) }
    }

    /// Queues a whole message.
    ///
    /// # Errors
    /// Why not.
    pub fn send(&mut self, message: Frame) -> Result<(), Unsent> {
        self.conn.check_ready().map_err(|_| Unsent::Closing)?;
        self.queue(message)
    }

    /// Starts the closing handshake (RFC 6455 section 7.1.2). `false`: it was under way before, or the
    /// reason is longer than [`MAX_CLOSE_REASON`](crate::wire::MAX_CLOSE_REASON).
    pub fn close(&mut self, ending: Ending, now: Instant) -> bool {
        let mut out = [0; MAX_CONTROL];
        let Ok(frame) = self
            .conn
            .close(ending.code, ending.reason, &mut out, now)
            .map(Frame::encoded)
        else {
            return false;
        };
        self.queue_last(frame);
        true
    }

    /// Drops what waits and closes with 1013 behind `last_word` (the protocol, section 5).
    pub fn give_up(&mut self, last_word: Frame, now: Instant) {
        self.outbox.drop_unsent();
        self.queue_last(last_word);
        let ending = Ending {
            code: CloseCode::TRY_AGAIN_LATER,
            reason: "slow consumer",
        };
        self.close(ending, now);
    }

    /// What is to be written to the socket, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.outbox.chunks()
    }

    /// The first `written` bytes of the [`chunks`](Self::chunks) are on their way.
    pub fn advance(&mut self, written: usize) {
        self.outbox.advance(written);
    }

    /// The socket takes no more: what waits is dropped, and so is what comes, since it would follow
    /// half a frame. What the peer has said is still to be read.
    pub fn discard(&mut self) {
        self.outbox = Outbox::default();
        self.broken = true;
    }

    /// The peer has taken bytes after it had not: a sign of life, though it said nothing.
    pub fn resumed(&mut self) {
        self.conn.peer_lives();
    }

    /// Whether so much waits that it should be written before more is queued.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.outbox.len() >= self.limits.frames / 2 || self.outbox.bytes() >= self.limits.bytes / 2
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Whether the socket's writing direction is to be shut down now; asks only once.
    #[must_use]
    pub fn take_shutdown(&mut self) -> bool {
        self.is_flushed() && core::mem::take(&mut self.shut_down)
    }

    /// Whether the socket is to be dropped, when what waits was offered to it once more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.disconnect
    }

    /// Where the connection is in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.conn.state()
    }

    /// What ended the connection, or is ending it.
    #[must_use]
    pub const fn closed_by(&self) -> Option<CloseCause> {
        self.conn.closed_by()
    }

    fn queue(&mut self, frame: Frame) -> Result<(), Unsent> {
        if self.broken {
            return Err(Unsent::Closing);
        }
        self.outbox.push(frame, &self.limits)
    }

    fn queue_last(&mut self, frame: Frame) {
        if !self.broken {
            self.outbox.push_last(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FrameHead, OpCode};
    use alloc::vec::Vec;

    const LIMITS: OutboxLimits = OutboxLimits {
        bytes: 1000,
        frames: 3,
    };

    fn line() -> Line {
        Line::new(&Config::new(), LIMITS, Instant::ZERO)
    }

    fn waiting(line: &Line) -> Vec<u8> {
        line.chunks().flatten().copied().collect()
    }

    fn ping(line: &mut Line) -> Result<bool, Unsent> {
        let head = FrameHead {
            fin: true,
            opcode: OpCode::Ping,
            mask: Some([0; 4]),
            payload_len: 0,
        };
        let mut bytes = head.encode().as_bytes().to_vec();
        let mut input = Input::new(&mut bytes);
        assert!(matches!(
            line.receive(&mut input, Instant::ZERO),
            Ok(Some(Event::Ping(_)))
        ));
        line.transmit(&mut input)
    }

    #[test]
    fn a_peer_that_pings_and_never_reads_is_a_slow_consumer() {
        let mut line = line();
        for _ in 0..LIMITS.frames {
            assert_eq!(ping(&mut line), Ok(true));
        }
        let before = waiting(&line);
        assert_eq!(ping(&mut line), Err(Unsent::Full));
        assert_eq!(waiting(&line), before);
    }

    #[test]
    fn a_peer_given_up_gets_the_rest_of_a_begun_frame_the_last_word_and_1013() {
        let mut line = line();
        for content in [b"one", b"two", b"six"] {
            assert_eq!(line.send(Frame::text(content)), Ok(()));
        }
        assert_eq!(line.send(Frame::text(b"ten")), Err(Unsent::Full));
        line.advance(1);
        line.give_up(Frame::text(b"why"), Instant::ZERO);
        assert_eq!(
            waiting(&line),
            b"\x03one\x81\x03why\x88\x0f\x03\xf5slow consumer"
        );
        assert_eq!(line.send(Frame::text(b"ten")), Err(Unsent::Closing));
        assert_eq!(line.closed_by().map(CloseCause::code), Some(1013));
    }

    #[test]
    fn nothing_follows_half_a_frame_that_cannot_be_finished() {
        let mut line = line();
        assert_eq!(line.send(Frame::text(b"one")), Ok(()));
        line.advance(1);
        line.discard();
        assert_eq!(line.send(Frame::text(b"two")), Err(Unsent::Closing));
        assert_eq!(ping(&mut line), Ok(true));
        line.give_up(Frame::text(b"why"), Instant::ZERO);
        assert_eq!(waiting(&line), b"");
    }

    #[test]
    fn a_peer_that_takes_what_waited_for_it_lives_though_it_says_nothing() {
        let mut line = line();
        let timeout = |line: &mut Line| {
            let at = line.conn.poll_timeout().unwrap();
            assert!(line.handle_timeout(at));
            line.transmit(&mut Input::default()).unwrap();
        };
        timeout(&mut line);
        line.resumed();
        timeout(&mut line);
        assert_eq!(line.state(), State::Open);
        timeout(&mut line);
        assert_eq!(line.state(), State::Closed);
    }

    #[test]
    fn a_full_outbox_does_not_keep_a_close_from_going_out() {
        let mut line = line();
        for content in [b"one", b"two", b"six"] {
            assert_eq!(line.send(Frame::text(content)), Ok(()));
        }
        let mut bytes = [0xFF];
        let mut input = Input::new(&mut bytes);
        assert!(line.receive(&mut input, Instant::ZERO).is_err());
        assert_eq!(line.transmit(&mut input), Ok(true));
        assert!(
            waiting(&line)
                .windows(2)
                .any(|code| code == 1002_u16.to_be_bytes())
        );
        assert!(!line.take_shutdown(), "not before everything is sent");
        line.advance(usize::MAX);
        assert!(line.take_shutdown());
        assert!(!line.take_shutdown());
    }
}
