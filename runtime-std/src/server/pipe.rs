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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(task: Option<Task>) -> Vec<u8> {
        match task {
            Some(Task::Write(bytes)) => bytes,
            Some(Task::ShutDown) => panic!("there are bytes before"),
            None => panic!("there are bytes"),
        }
    }

    #[test]
    fn a_pipe_takes_what_it_has_room_for_and_says_when_it_has_room_again() {
        let pipe = Pipe::default();
        let chunk: Vec<u8> = (0..=u8::MAX).cycle().take(CAPACITY - 10).collect();
        let more = [7; 30];
        assert_eq!(pipe.push([&*chunk, &more].into_iter()), Some(CAPACITY));
        assert_eq!(pipe.push([&more[..]].into_iter()), Some(0));
        assert_eq!(bytes(pipe.next()), [&*chunk, &more[..10]].concat());
        // They are on their way still.
        assert_eq!(pipe.push([&more[..]].into_iter()), Some(0));
        assert!(pipe.written(20));
        assert!(!pipe.written(1), "that was said");
        assert_eq!(pipe.push([&more[..]].into_iter()), Some(21));
        assert!(pipe.written(CAPACITY - 21));
        assert_eq!(bytes(pipe.next()), &more[..21]);
        assert!(!pipe.written(21), "nobody waits");
    }

    #[test]
    fn the_shutdown_and_the_end_come_behind_the_bytes() {
        let pipe = Pipe::default();
        pipe.shut_down();
        pipe.end();
        assert_eq!(pipe.push([&b"before"[..]].into_iter()), Some(6));
        assert_eq!(bytes(pipe.next()), b"before");
        assert!(matches!(pipe.next(), Some(Task::ShutDown)));
        assert!(pipe.next().is_none());
        pipe.wait_until_done(Duration::MAX);
    }

    #[test]
    fn a_pipe_whose_socket_fails_takes_nothing_and_keeps_nothing() {
        let pipe = Pipe::default();
        assert_eq!(pipe.push([&b"lost"[..]].into_iter()), Some(4));
        pipe.fail();
        assert_eq!(pipe.push([&b"more"[..]].into_iter()), None);
        pipe.end();
        assert!(pipe.next().is_none());
    }
}
