//! Which end of a connection we are, resolved at compile time.

use crate::wire::Masking;

/// An end of a connection: [`Server`] or [`Client`].
///
/// Sealed: RFC 6455 knows these two.
pub trait Role: sealed::Sealed {
    /// Whether this is the server's end.
    const IS_SERVER: bool;

    /// What this end demands of the peer's frames (section 5.1).
    const PEER_MASKING: Masking = if Self::IS_SERVER {
        Masking::Required
    } else {
        Masking::Forbidden
    };

    /// The masking key of our next frame; `None` where we do not mask.
    fn next_mask(&mut self) -> Option<[u8; 4]>;
}

/// The server's end: never masks and needs no entropy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Server;

/// The client's end: masks each frame with a fresh key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<M: MaskSource>(pub M);

/// Where a client takes its masking keys from.
///
/// Section 10.3 wants keys that cannot be predicted from earlier ones, so that no page in a
/// browser can choose what is on the wire: use a generator that is cryptographically strong
/// wherever untrusted parties choose what is sent.
pub trait MaskSource {
    /// A fresh key.
    fn next_mask(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4]> MaskSource for F {
    fn next_mask(&mut self) -> [u8; 4] {
        self()
    }
}

impl Role for Server {
    const IS_SERVER: bool = true;

    fn next_mask(&mut self) -> Option<[u8; 4]> {
        None
    }
}

impl<M: MaskSource> Role for Client<M> {
    const IS_SERVER: bool = false;

    fn next_mask(&mut self) -> Option<[u8; 4]> {
        Some(self.0.next_mask())
    }
}

mod sealed {
    use super::{Client, MaskSource, Server};

    /// Keeps [`super::Role`] to the two roles of the RFC.
    #[allow(unnameable_types)] // sealing is the point
    pub trait Sealed {}
    impl Sealed for Server {}
    impl<M: MaskSource> Sealed for Client<M> {}
}
