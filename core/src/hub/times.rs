//! What time does to sessions.

use core::time::Duration;

use super::{
    Ending, Fact, Hub,
    session::{Answer, Stage},
};
use crate::{
    Instant,
    conn::Input,
    notify::{ErrorCode, Refusal, Reply},
};

/// How often deadlines are looked at. All sessions share this one timer; a ping, or the end of a dead
/// peer, may be late by as much.
const TICK: Duration = Duration::from_millis(250);

/// How often while the sessions are being closed, so that they are closed evenly.
const DRAIN_TICK: Duration = Duration::from_millis(20);

/// Sessions are being closed, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    start: Instant,
    window: Duration,
    /// Slots below this have had their turn.
    done: usize,
}

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// When [`handle_timeouts`](Self::handle_timeouts) is to be called; `None` if there is nobody to
    /// wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.open > 0).then_some(self.next_tick)
    }

    /// The time is `now`: pings who is due, gives up who is overdue. It may be called too early, which
    /// does nothing, or late.
    pub fn handle_timeouts(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now.after(self.tick());
        // Nearly always there is nothing in it: a few bytes for each session, one behind the other.
        for index in 0..self.deadlines.len() {
            if self.deadlines.get(index).is_some_and(|at| *at <= now)
                && let Ok(index) = u32::try_from(index)
            {
                self.handle_timeout(index, now);
            }
        }
        self.check_guests(now);
        self.go_on_draining(now);
    }

    /// Starts to close all sessions with 1001 (RFC 6455 section 7.4.1), evenly over `window`, so that
    /// their clients do not come back all at once. Who comes meanwhile is declined.
    pub fn drain(&mut self, window: Duration, now: Instant) {
        if self.drain.is_none() {
            self.drain = Some(Drain {
                start: now,
                window,
                done: 0,
            });
            self.next_tick = now;
        }
    }

    pub(super) fn tick(&self) -> Duration {
        if self.drain.is_some() {
            DRAIN_TICK
        } else {
            TICK
        }
    }

    fn handle_timeout(&mut self, index: u32, now: Instant) {
        match self.session_mut(index).map(|session| &mut session.stage) {
            Some(Stage::Opening(door)) => {
                door.opening.handle_timeout(now);
                if door.opening.is_over() {
                    self.in_turn(index, Answer::Eof, now);
                }
            }
            Some(Stage::Http(_)) => self.attend_no_longer(index, now),
            Some(Stage::Open(conn)) => {
                conn.handle_timeout(now);
                self.transmit(index, &mut Input::default());
            }
            None => {}
        }
        self.refresh(index);
    }

    fn go_on_draining(&mut self, now: Instant) {
        let Some(Drain {
            start,
            window,
            done,
        }) = self.drain
        else {
            return;
        };
        let slots = self.slots.len() as u64;
        let share = slots.saturating_mul(now.micros_since(start));
        let window = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let due = share.checked_div(window).unwrap_or(slots).min(slots);
        let due = usize::try_from(due).unwrap_or(usize::MAX);
        for index in done..due {
            if let Ok(index) = u32::try_from(index) {
                self.shut_down(index, now);
            }
        }
        if let Some(drain) = &mut self.drain {
            drain.done = due.max(done);
        }
    }

    fn shut_down(&mut self, index: u32, now: Instant) {
        match self.session(index).map(|session| &session.stage) {
            // It has heard nothing, and will come again.
            Some(Stage::Opening(_)) => self.in_turn(index, Answer::Eof, now),
            Some(Stage::Http(_)) => {
                self.attend_to_nobody(index, now);
                self.refresh(index);
            }
            Some(Stage::Open(_)) if self.session(index).is_some_and(|s| s.is_open()) => {
                let refusal = Refusal::new(ErrorCode::ShuttingDown);
                self.answer(index, &Reply::Error(&refusal), now);
                self.close(index, Ending::SHUTTING_DOWN, now);
            }
            Some(Stage::Open(_)) | None => {}
        }
    }
}
