//! What a hub holds, for who runs it.

use alloc::{string::String, vec::Vec};
use core::{fmt, net::SocketAddr};

use super::{Fact, Hub, Index, Receiver, Session, Slot, Version, guests::Guests, session::Stage};
use crate::{conn::State, notify::Notification};

/// A look at a hub, from [`Hub::inspect`]. Nothing is kept for it while nobody looks.
pub struct Inspection<'h> {
    slots: &'h [Slot],
    receivers: &'h [Receiver],
    guests: &'h Guests,
    index: &'h mut Index,
}

/// A session, from [`Inspection::sessions`].
#[derive(Clone, Copy)]
pub struct Inspected<'h> {
    place: u32,
    session: &'h Session,
    index: &'h Index,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// In its opening handshake.
    Opening,
    /// It asks for something by HTTP.
    Http,
    /// Open, and speaks this.
    Open(Version),
    /// On its way out, having spoken this.
    Closing(Version),
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => f.write_str("opening"),
            Self::Http => f.write_str("http"),
            Self::Open(version) => version.fmt(f),
            Self::Closing(_) => f.write_str("closing"),
        }
    }
}

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// A look at the sessions and at what they subscribe to.
    pub fn inspect(&mut self) -> Inspection<'_> {
        Inspection {
            slots: &self.slots,
            receivers: &self.receivers,
            guests: &self.guests,
            index: &mut self.index,
        }
    }
}

impl Inspection<'_> {
    /// The sessions whose [place](Inspected::place) is `from` or higher, in the order of the places. Who
    /// looks at many should look at some at a time, and meanwhile let the hub do its work.
    pub fn sessions(&self, from: usize) -> impl Iterator<Item = Inspected<'_>> {
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let slots = self.slots.get(from..).unwrap_or_default();
        (first..)
            .zip(slots)
            .filter_map(|(place, slot)| self.inspected(place, slot))
    }

    /// The session at this place, if there is one.
    #[must_use]
    pub fn session(&self, place: usize) -> Option<Inspected<'_>> {
        self.inspected(u32::try_from(place).ok()?, self.slots.get(place)?)
    }

    fn inspected<'s>(&'s self, place: u32, slot: &'s Slot) -> Option<Inspected<'s>> {
        Some(Inspected {
            place,
            session: slot.session.as_ref()?,
            index: self.index,
        })
    }

    /// The places of the sessions that would hear `notification` if it were published now, in order. It
    /// takes what delivering it would take, and a sort.
    #[must_use]
    pub fn recipients(&mut self, notification: &Notification<'_>) -> Vec<usize> {
        let (receivers, guests) = (self.receivers, self.guests);
        let asks_grants = guests.have_a_say(notification);
        let hears = |place: &u32| {
            let receiver = receivers.get(*place as usize);
            receiver.is_some_and(|receiver| {
                let is_asked = asks_grants && receiver.is_narrowed;
                receiver.hears && (!is_asked || guests.may_hear(*place, notification))
            })
        };
        let found = self.index.recipients(notification).iter().copied();
        let mut places: Vec<_> = found.filter(hears).map(|place| place as usize).collect();
        places.sort_unstable();
        places
    }
}

impl fmt::Debug for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection").finish_non_exhaustive()
    }
}

impl Inspected<'_> {
    /// What [`SessionId::index`](super::SessionId::index) is: sessions are looked at in this order.
    #[must_use]
    pub const fn place(&self) -> usize {
        self.place as usize
    }

    /// The number that [`Hub::accept`] was given.
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.session.number
    }

    /// Where it comes from.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.session.peer.get()
    }

    /// How far it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let version = self.session.version;
        match &self.session.stage {
            Stage::Opening(_) if self.session.speaks_http => Standing::Http,
            Stage::Opening(_) => Standing::Opening,
            Stage::Http(_) => Standing::Http,
            Stage::Open(conn) if conn.state() == State::Open => Standing::Open(version),
            Stage::Open(_) => Standing::Closing(version),
        }
    }

    /// How many bytes wait for its peer to take them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.session.waiting().unwrap_or(0)
    }

    /// How many subscriptions it has; equal ones count each.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.index.subscriptions_of(self.place)
    }

    /// Appends to `out` its subscriptions as JSON, in at most `limit` bytes; `false` if that was not
    /// all. [`Index::describe`] says what is told.
    pub fn describe(&self, out: &mut String, limit: usize) -> bool {
        self.index.describe(self.place, out, limit)
    }
}

impl fmt::Debug for Inspected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspected")
            .field("connection", &self.connection())
            .field("standing", &self.standing())
            .finish_non_exhaustive()
    }
}
