//! Forms on the heap.

use alloc::{boxed::Box, vec};

use super::{CompiledNotification, CompiledSubscriptions, bytes::Writer, write, write::Size};
use crate::notify::{notification::Notification, subscription::Subscriptions};

impl Subscriptions<'_> {
    /// The canonical form on the heap, in just as many bytes as it has.
    #[must_use]
    pub fn compile_owned(&self) -> CompiledSubscriptions<Box<[u8]>> {
        let bytes = fill(Size::of_set(self), |out, scratch| {
            write::set(self, out, scratch)
        });
        CompiledSubscriptions::trusted(bytes)
    }
}

impl Notification<'_> {
    /// The canonical form on the heap, in just as many bytes as it has.
    #[must_use]
    pub fn compile_owned(&self) -> CompiledNotification<Box<[u8]>> {
        let bytes = fill(Size::of_notification(self), |out, scratch| {
            write::notification(self, out, scratch)
        });
        CompiledNotification::trusted(bytes)
    }
}

fn fill(size: Size, write: impl FnOnce(&mut Writer<'_>, &mut [u8]) -> Option<()>) -> Box<[u8]> {
    let mut memory = vec![0; size.total()];
    // There is as much as is needed.
    let len = size.fill(&mut memory, write).map_or(0, <[u8]>::len);
    memory.truncate(len);
    memory.into_boxed_slice()
}
