//! What is on its way from the hub to one socket. The hub takes it for the transport: it takes what it
//! has room for and never waits, and a thread of the connection empties it, which may.

use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many bytes a pipe holds, those included that its thread is writing: as much as may become due to
/// a connection before the hub has it written. The memory is there only while something is on its way.
const CAPACITY: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Pipe {
    inner: Mutex<Inner>,
    /// There is something to do for the thread, or it has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    /// How many more the thread is writing.
    in_flight: usize,
    /// Whether there was more than it had room for.
    overflows: bool,
    /// Whether the socket's writing direction is to be shut down behind the bytes.
    shuts_down: bool,
    /// Whether the socket takes no more.
    has_failed: bool,
    /// Whether nothing more comes.
    has_ended: bool,
    /// Whether the thread waits for something to do.
    is_idle: bool,
    /// Whether the thread has done everything.
    is_done: bool,
}

/// What is to be done with the socket.
pub(super) enum Task {
    /// These bytes are to be written.
    Write(Vec<u8>),
    /// Its writing direction is to be shut down.
    ShutDown,
}

impl Pipe {
    /// Takes what it has room for; how many bytes. `None`: the socket takes no more.
    pub(super) fn push<'c>(&self, chunks: impl Iterator<Item = &'c [u8]>) -> Option<usize> {
        let mut inner = self.lock();
        if inner.has_failed {
            return None;
        }
        let before = inner.bytes.len();
        let mut room = CAPACITY.saturating_sub(before.saturating_add(inner.in_flight));
        for chunk in chunks {
            let part = chunk.get(..room).unwrap_or(chunk);
            inner.bytes.extend_from_slice(part);
            room = room.saturating_sub(part.len());
            if part.len() < chunk.len() {
                inner.overflows = true;
                break;
            }
        }
        let count = inner.bytes.len().saturating_sub(before);
        if count > 0 {
            self.ring(inner);
        }
        Some(count)
    }

    /// The socket's writing direction is to be shut down, behind what was taken.
    pub(super) fn shut_down(&self) {
        let mut inner = self.lock();
        inner.shuts_down = true;
        self.ring(inner);
    }

    /// Nothing more comes: the thread is to end behind what was taken.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.has_ended = true;
        self.ring(inner);
    }

    /// Waits for the thread to have done everything, for at most `time`.
    pub(super) fn wait_until_done(&self, time: Duration) {
        let inner = self.lock();
        let _ = self
            .changed
            .wait_timeout_while(inner, time, |inner| !inner.is_done);
    }

    /// For the thread: waits for something to do; `None` if there will be no more.
    pub(super) fn next(&self) -> Option<Task> {
        let mut inner = self.lock();
        loop {
            if !inner.bytes.is_empty() {
                let bytes = core::mem::take(&mut inner.bytes);
                inner.in_flight = bytes.len();
                return Some(Task::Write(bytes));
            }
            if core::mem::take(&mut inner.shuts_down) {
                return Some(Task::ShutDown);
            }
            if inner.has_ended {
                inner.is_done = true;
                self.changed.notify_all();
                return None;
            }
            inner.is_idle = true;
            let woken = self.changed.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
            inner.is_idle = false;
        }
    }

    /// For the thread: so many bytes are written. Whether the hub has more.
    pub(super) fn written(&self, count: usize) -> bool {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(count);
        core::mem::take(&mut inner.overflows)
    }

    /// For the thread: the socket takes no more.
    pub(super) fn fail(&self) {
        let mut inner = self.lock();
        inner.has_failed = true;
        inner.bytes = Vec::new();
    }

    /// Wakes the thread, if it waits. A wake-up is a system call, and the hub is locked.
    fn ring(&self, inner: MutexGuard<'_, Inner>) {
        let is_idle = inner.is_idle;
        drop(inner);
        if is_idle {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
