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
/// Section 5.3 demands a fresh key for each frame, from a strong source of entropy, which cannot be
/// predicted from earlier ones; section 10.3 says why: no page in a browser may choose what is on the
/// wire. Use a cryptographically strong generator; any `FnMut() -> [u8; 4]` is a source.
/// [`HashedMasks`](super::HashedMasks) is one without a generator, and says what that means.
pub trait MaskSource {
    /// A fresh key: asked for once a frame, control frames included, and for a frame that then does
    /// not fit its buffer.
    fn next_mask(&mut self) -> [u8; 4];

    /// The 16 random bytes of an opening handshake (section 4.1, item 7), in four keys.
    fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        for part in nonce.as_chunks_mut().0 {
            *part = self.next_mask();
        }
        nonce
    }
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
