//! What stands in the place of TLS in a server without the feature `tls`: no connection has any.

use std::{io, net::SocketAddr};

use campanile_core::hub::{self, Hub, SessionId};

use super::{Fact, poller::Socket};

/// What no listener can hand on.
#[derive(Clone, Debug)]
pub(super) enum Terms {}

/// None of a shard's connections.
#[derive(Debug, Default)]
pub(super) struct Secure(());

/// What was read.
pub(super) struct Read {
    pub(super) result: io::Result<usize>,
    pub(super) goes_on: bool,
}

#[expect(
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    reason = "as with TLS"
)]
impl Secure {
    pub(super) fn begin(&mut self, _: SessionId, terms: &Terms, _: u64, _: SocketAddr) -> bool {
        match *terms {}
    }

    pub(super) fn end(&mut self, _: SessionId, _: &Socket) {}

    pub(super) fn is_owed(&self, _: SessionId) -> bool {
        false
    }

    pub(super) fn read(
        &mut self,
        _: SessionId,
        _: &Socket,
        _: &mut [u8],
        _: bool,
        _: impl FnOnce(&[u8]) -> usize,
        _: &dyn Fn(&Fact<'_>),
    ) -> Read {
        Read {
            result: Err(io::ErrorKind::NotConnected.into()),
            goes_on: false,
        }
    }

    pub(super) fn write<W: FnMut(&hub::Fact<'_>)>(
        &mut self,
        id: SessionId,
        _: &Socket,
        hub: &mut Hub<W>,
    ) {
        hub.write_failed(id);
    }

    pub(super) fn shut_down(&mut self, _: SessionId, _: &Socket) {}
}
