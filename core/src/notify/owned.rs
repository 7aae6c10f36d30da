//! Subscriptions that outlive the message they came in.

use alloc::boxed::Box;
use core::fmt;

use super::subscription::{Subscriptions, SubscriptionsIter};

/// A connection's set of subscriptions on the heap: one copy of the JSON array, never validated
/// again. An empty set, which is the default, owns no memory.
#[derive(Clone, Default)]
pub struct OwnedSubscriptions {
    /// Empty if the set is.
    list: Box<[u8]>,
    len: usize,
}

impl OwnedSubscriptions {
    /// The set, borrowed.
    #[must_use]
    pub const fn as_subscriptions(&self) -> Subscriptions<'_> {
        if self.len == 0 {
            Subscriptions::none()
        } else {
            Subscriptions::trusted(&self.list, self.len)
        }
    }

    /// How many subscriptions these are; equal ones count each.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether these are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The subscriptions in the order of the text.
    #[must_use]
    pub fn iter(&self) -> SubscriptionsIter<'_> {
        self.as_subscriptions().iter()
    }

    /// How many bytes this owns on the heap.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.list.len()
    }
}

impl From<Subscriptions<'_>> for OwnedSubscriptions {
    fn from(subscriptions: Subscriptions<'_>) -> Self {
        if subscriptions.is_empty() {
            return Self::default();
        }
        Self {
            list: subscriptions.as_bytes().into(),
            len: subscriptions.len(),
        }
    }
}

impl fmt::Debug for OwnedSubscriptions {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSubscriptions")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a OwnedSubscriptions {
    type Item = super::Subscription<'a>;
    type IntoIter = SubscriptionsIter<'a>;

    fn into_iter(self) -> SubscriptionsIter<'a> {
        self.iter()
    }
}
