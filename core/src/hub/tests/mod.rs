//! The hub as its driver and its peers see it.

#[cfg(feature = "deflate")]
mod codec;
#[cfg(feature = "deflate")]
mod compression;
mod grants;
mod http;
mod inspecting;
mod order;
mod queues;
mod sessions;
mod simulation;
mod slowness;
mod splitting;
mod visitors;
mod world;

use alloc::vec::Vec;

use super::{Fact, Hub};

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// That what waits is counted right, by counting it anew.
    pub(super) fn check_load(&self) {
        let sessions = self.slots.iter().filter_map(|slot| slot.session.as_ref());
        let waiting = sessions.filter_map(|session| session.outbox.as_ref());
        let bytes = waiting.map(|outbox| outbox.chunks().map(<[u8]>::len).sum::<usize>());
        let bytes: Vec<_> = bytes.collect();
        let load = self.load();
        assert_eq!(load.behind, bytes.len());
        assert_eq!(load.waiting_bytes, bytes.iter().sum::<usize>());
    }
}
