//! What the hub asks of a network.

/// The network of a device, with [`PLACES`](crate::PLACES) places for peers, counted from 0. Nothing
/// here waits.
pub trait Transport {
    /// Whether a peer has come to a place that is free. If so, the place is the hub's until it
    /// [releases](Self::release) it.
    fn accept(&mut self, place: usize) -> bool;

    /// Whether this peer may publish (the protocol, section 7): by its address, say. A device has no
    /// back end of its own, so there is no safe answer that fits all.
    fn may_publish(&self, place: usize) -> bool;

    /// Copies the next bytes that have arrived to the front of `room`; they are still there the next
    /// time, but for those that were [consumed](Self::consume).
    fn peek(&mut self, place: usize, room: &mut [u8]) -> Arrived;

    /// The first `count` of those bytes are not needed any more.
    fn consume(&mut self, place: usize, count: usize);

    /// How many bytes could be sent now: [`OUTBOX`](crate::OUTBOX) at least when none are waiting for
    /// the peer.
    fn room(&self, place: usize) -> usize;

    /// Sends all of it; there is [room](Self::room).
    fn send(&mut self, place: usize, bytes: &[u8]);

    /// When everything is sent, shuts down our direction (a FIN).
    fn shut_down(&mut self, place: usize);

    /// The hub is done with the peer. What is queued may still be sent, for as long as that takes no
    /// waiting; then the place is free.
    fn release(&mut self, place: usize);
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// So many bytes; none: not yet.
    Bytes(usize),
    /// All were consumed, and there will be none any more.
    End,
}
