//! What a connection waits for. One deadline at a time is enough: while the
//! closing handshake runs, nobody is pinged.

use crate::Instant;

use super::config::Compact;

#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    deadline: Instant,
    waiting: Waiting,
    ping_queued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For nothing: pings are off.
    Nothing,
    /// For the next Ping to be due.
    PingDue,
    /// For a sign of life after a Ping.
    Pong,
    /// For the peer's part in the closing handshake.
    Close,
}

impl Timers {
    pub(super) fn new(config: &Compact, now: Instant) -> Self {
        let mut timers = Self {
            deadline: now,
            waiting: Waiting::Nothing,
            ping_queued: false,
        };
        timers.schedule_ping(config, now);
        timers
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.waiting != Waiting::Nothing).then_some(self.deadline)
    }

    /// Whether the peer is overdue at `now`; queues a Ping if one is due.
    pub(super) fn expire(&mut self, config: &Compact, now: Instant) -> bool {
        if now < self.deadline {
            return false;
        }
        match self.waiting {
            Waiting::Nothing => false,
            Waiting::PingDue => {
                self.ping_queued = true;
                self.await_pong(config, now);
                false
            }
            Waiting::Pong | Waiting::Close => {
                self.waiting = Waiting::Nothing;
                true
            }
        }
    }

    /// A Ping goes out at `now`.
    pub(super) fn await_pong(&mut self, config: &Compact, now: Instant) {
        if matches!(self.waiting, Waiting::Nothing | Waiting::PingDue) {
            self.waiting = Waiting::Pong;
            self.deadline = now.after_micros(config.pong_timeout());
        }
    }

    /// Bytes arrived: the peer lives. Any byte counts, since a Pong may have to wait behind a
    /// long message.
    pub(super) fn heard(&mut self, config: &Compact) {
        if self.waiting == Waiting::Pong {
            let pinged = self.deadline.before_micros(config.pong_timeout());
            self.schedule_ping(config, pinged);
        }
    }

    /// From `now` on the peer's part in the closing handshake is awaited.
    pub(super) fn await_close(&mut self, config: &Compact, now: Instant) {
        self.waiting = Waiting::Close;
        self.ping_queued = false;
        self.deadline = now.after_micros(config.close_timeout());
    }

    /// Whether a Ping is to be sent.
    pub(super) const fn ping_is_due(&self) -> bool {
        self.ping_queued
    }

    /// Whether a Ping is to be sent; asks only once.
    pub(super) const fn take_ping(&mut self) -> bool {
        core::mem::replace(&mut self.ping_queued, false)
    }

    fn schedule_ping(&mut self, config: &Compact, last: Instant) {
        match config.ping_interval() {
            Some(interval) => {
                self.waiting = Waiting::PingDue;
                self.deadline = last.after_micros(interval);
            }
            None => self.waiting = Waiting::Nothing,
        }
    }
}
