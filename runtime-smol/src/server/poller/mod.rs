//! Sockets that do not block, and which of a shard's are ready. A shard has thousands of them and one
//! task.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod epoll;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod portable;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(super) use epoll::{Listener, Poller, Socket};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(super) use portable::{Listener, Poller, Socket};

/// What may be done with a socket without waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// What it was added as.
    pub(super) key: u32,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Its peer says no more, or it has failed: read on until that is told.
    pub(super) ended: bool,
}
