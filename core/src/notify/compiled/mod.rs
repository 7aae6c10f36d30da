//! Subscriptions and notifications in canonical form: a few bytes, written once, that are compared
//! without looking at JSON again.
//!
//! ```text
//! set          = *(length form)                 one for each subscription
//! form         = text text [values]             package, page
//! values       = UNKEYED scalars / KEYED 1*(text scalars)
//! scalars      = ANY / (length + 1) *text       a wildcard, or the texts in so many bytes
//! text         = length *byte
//! length       = 1*byte                         seven bits each, the lowest first (LEB128)
//! ```
//!
//! Keys are sorted and each is there once, with the last of its values; scalars are sorted and each
//! is there once, by its canonical bytes with runs of zeros shortened. So two forms are equal exactly
//! when they say the same, and matching is a merge of sorted lists.

mod bytes;
#[cfg(feature = "alloc")]
mod owned;
mod read;
mod sort;
mod write;

#[cfg(test)]
pub(super) use bytes::SHORTEST_RUN;
#[cfg(any(test, feature = "alloc"))]
pub(super) use bytes::ZEROS;
pub(super) use bytes::shift_down;
#[cfg(feature = "alloc")]
pub(crate) use bytes::shorten;
#[cfg(any(test, feature = "alloc"))]
pub(super) use read::split_length;
#[cfg(test)]
pub(super) use read::{Filter, Set};
#[cfg(test)]
pub(super) use sort::sort;
pub(super) use write::Size;

use core::{error::Error, fmt, fmt::Write as _, iter::FusedIterator};

use super::{notification::Notification, subscription::Subscriptions};
use crate::decimal;
use read::Form;

/// A connection's set of subscriptions in canonical form, in memory of the caller's (`&[u8]`) or on
/// the heap (`Box<[u8]>`).
///
/// It is made by [`Subscriptions::compile`] or, with the feature `alloc`, by
/// `Subscriptions::compile_owned`, and in no other way: so there is none that is not valid. Two are
/// equal when they have subscriptions that say the same, in the same order, however they were
/// written.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompiledSubscriptions<M> {
    bytes: M,
}

impl<'a> Subscriptions<'a> {
    /// Writes the canonical form into the caller's memory.
    ///
    /// The form is at most half as long again as the JSON was, and mostly shorter. Sorting takes more
    /// while it is written, at worst as much again and a few bytes for each key and each scalar. Time
    /// is proportional to the length of the JSON, but for the sorting: that of n keys or scalars takes
    /// n log n comparisons.
    ///
    /// # Errors
    /// [`MemoryTooSmall`]; what is in the memory then is of no use.
    pub fn compile<'m>(
        &self,
        memory: &'m mut [u8],
    ) -> Result<CompiledSubscriptions<&'m [u8]>, MemoryTooSmall> {
        let size = Size::of_set(self);
        let bytes = size.fill(memory, |out, scratch| write::set(self, out, scratch))?;
        Ok(CompiledSubscriptions::trusted(bytes))
    }
}

impl<M: AsRef<[u8]>> CompiledSubscriptions<M> {
    /// `bytes` must be those of a compiled set.
    pub(super) const fn trusted(bytes: M) -> Self {
        Self { bytes }
    }

    /// The subscriptions in the order in which they were written.
    #[must_use]
    pub fn iter(&self) -> CompiledSubscriptionsIter<'_> {
        CompiledSubscriptionsIter {
            rest: self.bytes.as_ref(),
        }
    }

    /// Whether `notification` matches one of the subscriptions.
    #[must_use]
    pub fn matches<N: AsRef<[u8]>>(&self, notification: &CompiledNotification<N>) -> bool {
        self.iter()
            .any(|subscription| subscription.matches(notification))
    }

    /// The length of the form in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.as_ref().len()
    }

    #[cfg(test)]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl<'s, M: AsRef<[u8]>> IntoIterator for &'s CompiledSubscriptions<M> {
    type Item = CompiledSubscription<'s>;
    type IntoIter = CompiledSubscriptionsIter<'s>;

    fn into_iter(self) -> CompiledSubscriptionsIter<'s> {
        self.iter()
    }
}

impl<M> fmt::Debug for CompiledSubscriptions<M> {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledSubscriptions")
            .finish_non_exhaustive()
    }
}

/// Iterator over [`CompiledSubscriptions`].
#[derive(Clone)]
pub struct CompiledSubscriptionsIter<'s> {
    rest: &'s [u8],
}

impl<'s> Iterator for CompiledSubscriptionsIter<'s> {
    type Item = CompiledSubscription<'s>;

    fn next(&mut self) -> Option<CompiledSubscription<'s>> {
        let (form, rest) = read::split_text(self.rest)?;
        self.rest = rest;
        Some(CompiledSubscription { bytes: form })
    }
}

impl FusedIterator for CompiledSubscriptionsIter<'_> {}

impl fmt::Debug for CompiledSubscriptionsIter<'_> {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledSubscriptionsIter")
            .finish_non_exhaustive()
    }
}

/// One subscription in canonical form, from [`CompiledSubscriptions`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompiledSubscription<'s> {
    bytes: &'s [u8],
}

impl<'s> CompiledSubscription<'s> {
    /// The package that a notification must name, in UTF-8.
    #[must_use]
    pub fn package(&self) -> &'s [u8] {
        self.form().package
    }

    /// The page that a notification must name, in UTF-8.
    #[must_use]
    pub fn page(&self) -> &'s [u8] {
        self.form().page
    }

    /// Whether `notification` is to be delivered: what [`matches()`](super::matches()) says of the
    /// parsed ones.
    ///
    /// Time is proportional to the lengths of the two forms; where one side alone has keys, to that of
    /// the other once for each key.
    #[must_use]
    pub fn matches<N: AsRef<[u8]>>(&self, notification: &CompiledNotification<N>) -> bool {
        self.form().meets(&notification.form())
    }

    pub(super) fn form(&self) -> Form<'s> {
        Form::trusted(self.bytes)
    }
}

impl fmt::Debug for CompiledSubscription<'_> {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledSubscription")
            .finish_non_exhaustive()
    }
}

/// A notification in canonical form, as far as matching reads it, in memory of the caller's (`&[u8]`)
/// or on the heap (`Box<[u8]>`).
///
/// It is made by [`Notification::compile`] or, with the feature `alloc`, by
/// `Notification::compile_owned`, and in no other way: so there is none that is not valid. Two are
/// equal when they say the same, however they were written.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompiledNotification<M> {
    bytes: M,
}

impl<'a> Notification<'a> {
    /// Writes the canonical form into the caller's memory, as [`Subscriptions::compile`] does.
    ///
    /// # Errors
    /// [`MemoryTooSmall`]; what is in the memory then is of no use.
    pub fn compile<'m>(
        &self,
        memory: &'m mut [u8],
    ) -> Result<CompiledNotification<&'m [u8]>, MemoryTooSmall> {
        let size = Size::of_notification(self);
        let bytes = size.fill(memory, |out, scratch| {
            write::notification(self, out, scratch)
        })?;
        Ok(CompiledNotification::trusted(bytes))
    }
}

impl<M: AsRef<[u8]>> CompiledNotification<M> {
    /// The package that subscriptions must name, in UTF-8.
    #[must_use]
    pub fn package(&self) -> &[u8] {
        self.form().package
    }

    /// The page that subscriptions must name, in UTF-8.
    #[must_use]
    pub fn page(&self) -> &[u8] {
        self.form().page
    }

    /// The length of the form in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.as_ref().len()
    }

    #[cfg(test)]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// `bytes` must be those of a compiled notification.
    pub(super) const fn trusted(bytes: M) -> Self {
        Self { bytes }
    }

    pub(super) fn form(&self) -> Form<'_> {
        Form::trusted(self.bytes.as_ref())
    }
}

impl<M> fmt::Debug for CompiledNotification<M> {
    /// Leaves out what it is about, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledNotification")
            .finish_non_exhaustive()
    }
}

/// The memory given to [`Subscriptions::compile`] or [`Notification::compile`] was too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryTooSmall {
    /// How many bytes are enough: the form itself, and while it is made, the sorting.
    pub needed: usize,
}

impl fmt::Display for MemoryTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory is too small for the canonical form; it needs ")?;
        decimal::digits(self.needed).try_for_each(|digit| f.write_char(char::from(digit)))?;
        f.write_str(" bytes")
    }
}

impl Error for MemoryTooSmall {}
