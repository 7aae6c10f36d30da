//! The sessions of a hub with keys: what their tokens allow, and when they expire. There is nothing here
//! for sessions of a hub without.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
};

use super::Admitted;
use crate::{
    Instant,
    notify::{Notification, OwnedGrants, Values},
};

/// By the slots of their sessions. One ordered set of deadlines stands for as many timers.
#[derive(Debug, Default)]
pub(super) struct Guests {
    by_slot: BTreeMap<u32, Guest>,
    deadlines: BTreeSet<(Instant, u32)>,
    /// How many hear fewer notifications with bare values than they subscribe to.
    narrowed: usize,
    /// Whether some may be revoked.
    is_doubtful: bool,
}

#[derive(Debug)]
struct Guest {
    /// When its token expires, or has to be there.
    until: Option<Instant>,
    /// `None`: it has not shown a token yet.
    pass: Option<Box<Pass>>,
}

/// What a session has shown.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) subject: Option<Box<str>>,
    pub(super) id: Option<Box<str>>,
    pub(super) subscribe: OwnedGrants,
    pub(super) publish: OwnedGrants,
    /// The JSON array of its subscriptions, to be held against the grants of its next token.
    set: Box<[u8]>,
    is_narrowed: bool,
}

impl Pass {
    pub(super) fn new(admitted: Admitted) -> Self {
        Self {
            subject: admitted.subject,
            id: admitted.id,
            subscribe: admitted.subscribe,
            publish: admitted.publish,
            set: Box::default(),
            is_narrowed: false,
        }
    }
}

impl Guests {
    /// A session is to show a token by then.
    pub(super) fn expect(&mut self, index: u32, until: Instant) {
        self.put(index, None, Some(until));
    }

    /// A session has shown a token, which expires then.
    pub(super) fn admit(&mut self, index: u32, pass: Pass, until: Option<Instant>) {
        self.put(index, Some(Box::new(pass)), until);
    }

    fn put(&mut self, index: u32, pass: Option<Box<Pass>>, until: Option<Instant>) {
        self.forget(index);
        if let Some(until) = until {
            self.deadlines.insert((until, index));
        }
        self.by_slot.insert(index, Guest { until, pass });
    }

    pub(super) fn forget(&mut self, index: u32) {
        let Some(guest) = self.by_slot.remove(&index) else {
            return;
        };
        if let Some(until) = guest.until {
            self.deadlines.remove(&(until, index));
        }
        let is_narrowed = guest.pass.is_some_and(|pass| pass.is_narrowed);
        self.narrowed = self.narrowed.saturating_sub(is_narrowed.into());
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn pass(&self, index: u32) -> Option<&Pass> {
        self.by_slot.get(&index)?.pass.as_deref()
    }

    /// Whether a session has still time to show a token.
    pub(super) fn is_expected(&self, index: u32) -> bool {
        let guest = self.by_slot.get(&index);
        guest.is_some_and(|guest| guest.pass.is_none())
    }

    /// A session has this set of subscriptions.
    pub(super) fn keep_set(&mut self, index: u32, set: &[u8], is_narrowed: bool) {
        let guest = self.by_slot.get_mut(&index);
        let Some(pass) = guest.and_then(|guest| guest.pass.as_mut()) else {
            return;
        };
        pass.set = set.into();
        let was_narrowed = core::mem::replace(&mut pass.is_narrowed, is_narrowed);
        self.narrowed = self
            .narrowed
            .saturating_sub(was_narrowed.into())
            .saturating_add(is_narrowed.into());
    }

    /// The set that a session has, if it has one.
    pub(super) fn take_set(&mut self, index: u32) -> Option<Box<[u8]>> {
        let pass = self.by_slot.get_mut(&index)?.pass.as_mut()?;
        Some(core::mem::take(&mut pass.set)).filter(|set| !set.is_empty())
    }

    /// Whether the grants of narrowed sessions have a say in who hears a notification: if its values are
    /// bare.
    pub(super) fn have_a_say(&self, notification: &Notification<'_>) -> bool {
        self.narrowed > 0 && matches!(notification.values(), Values::Unkeyed(_))
    }

    /// Whether a session may hear a notification.
    pub(super) fn may_hear(&self, index: u32, notification: &Notification<'_>) -> bool {
        let pass = self.pass(index);
        pass.is_some_and(|pass| pass.subscribe.get().admit(notification))
    }

    /// A session whose time is up, and whether it has a token: it is no longer one of those whose time
    /// ends.
    pub(super) fn next_expired(&mut self, now: Instant) -> Option<(u32, bool)> {
        let &(until, index) = self.deadlines.first().filter(|(until, _)| *until <= now)?;
        self.deadlines.remove(&(until, index));
        Some((index, self.pass(index).is_some()))
    }

    /// Some may be revoked from now on.
    pub(super) const fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    /// Whether some may have been revoked since this was asked last.
    pub(super) const fn take_doubt(&mut self) -> bool {
        core::mem::replace(&mut self.is_doubtful, false)
    }
}
