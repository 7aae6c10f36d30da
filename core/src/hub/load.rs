//! What a hub has done and what it holds, in numbers.

/// Read by [`Hub::load`](super::Hub::load), as often as wanted: it costs a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Bytes that the transports took.
    pub sent_bytes: u64,
    /// Messages that were received whole, the refused ones included.
    pub messages: u64,
    /// Answers to them.
    pub answers: u64,
    /// Notifications that became due to a session, once for each.
    pub deliveries: u64,
    /// Sessions whose transports have not taken what was due to them.
    pub behind: usize,
    /// How many bytes these have not taken.
    pub waiting_bytes: usize,
}

impl Load {
    /// What waited for a session was this many bytes, or nothing, and is now.
    pub(super) const fn waits(&mut self, before: Option<usize>, after: Option<usize>) {
        if let Some(bytes) = after {
            self.behind = self.behind.saturating_add(1);
            self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        }
        if let Some(bytes) = before {
            self.behind = self.behind.saturating_sub(1);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
    }
}
