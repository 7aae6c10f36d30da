//! One encoding for many receivers.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use crate::{conn::Prepared, wire::Kind};

/// Bytes on their way to any number of peers; a copy costs a counter.
///
/// A counted `Vec` and not a counted slice: a slice would be one more copy of the publisher's
/// bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Arc<Vec<u8>>);

impl Frame {
    /// A whole text message of a server, encoded once for everybody.
    #[must_use]
    pub fn text(payload: &[u8]) -> Self {
        let head = Prepared::head(Kind::Text, payload.len() as u64);
        let head = head.as_bytes();
        let mut bytes = Vec::with_capacity(head.len().saturating_add(payload.len()));
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(payload);
        Self(Arc::new(bytes))
    }

    /// Bytes that are encoded already, such as a control frame.
    #[must_use]
    pub fn encoded(bytes: &[u8]) -> Self {
        Self(Arc::new(bytes.to_vec()))
    }

    /// The bytes, as they are on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Frame {
    /// Leaves out what is said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("len", &self.0.len()).finish()
    }
}
