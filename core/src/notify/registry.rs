//! Who wants to hear what, in memory of a fixed size: the index of a device without a heap.

use core::{error::Error, fmt, fmt::Write as _, iter::FusedIterator};

use super::{
    compiled::{CompiledNotification, CompiledSubscriptions, Size, shift_down},
    subscription::Subscriptions,
};
use crate::decimal;

/// The subscribers of a device and their sets of subscriptions, in memory of the caller's.
///
/// `S` are the slots, one for each subscriber: `[Slot; N]` or `&mut [Slot]`. `B` are the bytes in
/// which the sets are kept in [canonical form](CompiledSubscriptions): `[u8; N]` or `&mut [u8]`. The
/// sets lie one behind the other without gaps, so all that is free is free for any set. Finding the
/// recipients of a notification looks at all subscriptions, which is right for a few dozen clients.
///
/// ```
/// use campanile_core::notify::{
///     Limits, Message, parse,
///     registry::{Registry, Slot},
/// };
///
/// let mut registry = Registry::new([Slot::EMPTY; 24], [0; 2784]);
///
/// let wish = br#"{"sender":"client","subscriptions":[
///     {"package":"plant","page":"alerts","filters":{"values":{"channel":["2","3"]}}}]}"#;
/// let Ok(Message::Client(client)) = parse(wish, &Limits::default()) else { panic!() };
/// if let Some(set) = client.subscriptions() {
///     registry.replace(7, &set)?; // an error is an answer to the client: it is not subscribed
/// }
///
/// let news = br#"{"sender":"server","notification":{
///     "package":"plant","page":"alerts","filters":{"values":2},"data":{"id":7}}}"#;
/// let Ok(Message::Publication(notification)) = parse(news, &Limits::default()) else { panic!() };
/// let mut memory = [0; 256];
/// let notification = notification.compile(&mut memory).unwrap();
/// assert!(registry.recipients(&notification).eq([7]));
///
/// registry.forget(7);
/// assert_eq!(registry.recipients(&notification).next(), None);
/// # Ok::<(), campanile_core::notify::registry::Full>(())
/// ```
///
/// Twenty-four clients with four subscriptions like that one fit into 3 KiB on a 32-bit machine: 12
/// bytes for the slot of a client, and 28 for a subscription. While a set is written, sorting takes
/// some more: what [`Full`] says includes it.
#[derive(Clone)]
pub struct Registry<S, B> {
    slots: S,
    memory: B,
    /// How many slots are taken, all of them at the front.
    subscribers: usize,
    /// How many bytes are taken, likewise, by the sets in the order of the slots.
    used: usize,
}

/// A place for one subscriber of a [`Registry`].
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    subscriber: u32,
    subscriptions: usize,
    bytes: usize,
}

impl Slot {
    /// A place that is free.
    pub const EMPTY: Self = Self {
        subscriber: 0,
        subscriptions: 0,
        bytes: 0,
    };
}

/// How much of a [`Registry`] is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Subscribers with at least one subscription.
    pub subscribers: usize,
    /// Subscriptions of all of them.
    pub subscriptions: usize,
    /// Bytes of the sets.
    pub bytes: usize,
}

impl<S, B> Registry<S, B>
where
    S: AsRef<[Slot]> + AsMut<[Slot]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// A registry without subscribers. What is in `slots` and `memory` does not matter.
    pub const fn new(slots: S, memory: B) -> Self {
        Self {
            slots,
            memory,
            subscribers: 0,
            used: 0,
        }
    }

    /// Puts `set` in the place of the subscriber's whole set; an empty one is as good as
    /// [`forget`](Self::forget). Subscribers have any numbers.
    ///
    /// # Errors
    /// [`Full`]: the earlier set stands.
    pub fn replace(&mut self, subscriber: u32, set: &Subscriptions<'_>) -> Result<(), Full> {
        if set.is_empty() {
            self.forget(subscriber);
            return Ok(());
        }
        let earlier = self.find(subscriber);
        let capacity = self.slots.as_ref().len();
        if earlier.is_none() && self.subscribers >= capacity {
            return Err(Full {
                capacity: Capacity::Subscribers(capacity),
                needed: self.subscribers.saturating_add(1),
            });
        }
        let capacity = self.memory.as_ref().len();
        let others = self
            .used
            .saturating_sub(earlier.map_or(0, |place| place.slot.bytes));
        let full = Full {
            capacity: Capacity::Bytes(capacity),
            needed: others.saturating_add(Size::of_set(set).total()),
        };
        if full.needed > capacity {
            return Err(full);
        }
        // From here on there is room.
        if let Some(place) = earlier {
            self.remove(place);
        }
        let free = self.memory.as_mut().get_mut(self.used..).ok_or(full)?;
        let bytes = set.compile(free).map_err(|_| full)?.size();
        let slot = self.slots.as_mut().get_mut(self.subscribers).ok_or(full)?;
        *slot = Slot {
            subscriber,
            subscriptions: set.len(),
            bytes,
        };
        self.subscribers = self.subscribers.saturating_add(1);
        self.used = self.used.saturating_add(bytes);
        Ok(())
    }

    /// Forgets the subscriber and its set. One that is not known is left alone.
    pub fn forget(&mut self, subscriber: u32) {
        if let Some(place) = self.find(subscriber) {
            self.remove(place);
        }
    }

    /// The subscribers that are to hear `notification`: each once, however many of its subscriptions
    /// match.
    pub fn recipients<'r, N: AsRef<[u8]>>(
        &'r self,
        notification: &'r CompiledNotification<N>,
    ) -> Recipients<'r, N> {
        Recipients {
            slots: self.taken(),
            sets: self.memory.as_ref(),
            notification,
        }
    }

    /// How much is in use. Takes time proportional to the number of subscribers.
    pub fn usage(&self) -> Usage {
        let subscriptions = self.taken().iter().map(|slot| slot.subscriptions);
        Usage {
            subscribers: self.subscribers,
            subscriptions: subscriptions.fold(0, usize::saturating_add),
            bytes: self.used,
        }
    }

    fn taken(&self) -> &[Slot] {
        let slots = self.slots.as_ref().get(..self.subscribers);
        slots.unwrap_or_default()
    }

    fn find(&self, subscriber: u32) -> Option<Place> {
        let mut start: usize = 0;
        for (index, slot) in self.taken().iter().enumerate() {
            if slot.subscriber == subscriber {
                let slot = *slot;
                return Some(Place { index, start, slot });
            }
            start = start.saturating_add(slot.bytes);
        }
        None
    }

    fn remove(&mut self, place: Place) {
        let sets = self.memory.as_mut().get_mut(place.start..self.used);
        shift_down(sets.unwrap_or_default(), place.slot.bytes);
        let slots = self.slots.as_mut().get_mut(place.index..self.subscribers);
        shift_down(slots.unwrap_or_default(), 1);
        self.used = self.used.saturating_sub(place.slot.bytes);
        self.subscribers = self.subscribers.saturating_sub(1);
    }
}

/// Where a subscriber is.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    /// Of its set, in the memory.
    start: usize,
    slot: Slot,
}

impl<S, B> fmt::Debug for Registry<S, B> {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("subscribers", &self.subscribers)
            .field("bytes", &self.used)
            .finish_non_exhaustive()
    }
}

/// Iterator over the subscribers that are to hear a notification, in no order that is promised.
#[derive(Clone)]
pub struct Recipients<'r, N> {
    slots: &'r [Slot],
    /// The sets of these slots, and whatever is behind them.
    sets: &'r [u8],
    notification: &'r CompiledNotification<N>,
}

impl<N: AsRef<[u8]>> Iterator for Recipients<'_, N> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            let (slot, slots) = self.slots.split_first()?;
            let (set, sets) = self.sets.split_at_checked(slot.bytes)?;
            (self.slots, self.sets) = (slots, sets);
            if CompiledSubscriptions::trusted(set).matches(self.notification) {
                return Some(slot.subscriber);
            }
        }
    }
}

impl<N: AsRef<[u8]>> FusedIterator for Recipients<'_, N> {}

impl<N> fmt::Debug for Recipients<'_, N> {
    /// Leaves out what is subscribed to, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipients").finish_non_exhaustive()
    }
}

/// A set of subscriptions does not fit into a [`Registry`]; the earlier one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// What there is too little of.
    pub capacity: Capacity,
    /// How much of it would be enough for this set beside those of the others, the sorting included.
    pub needed: usize,
}

/// A capacity of a [`Registry`], and how much there is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// Slots for subscribers.
    Subscribers(usize),
    /// Bytes for their sets.
    Bytes(usize),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (has, of_what) = match self.capacity {
            Capacity::Subscribers(has) => (has, " subscribers; "),
            Capacity::Bytes(has) => (has, " bytes of subscriptions; "),
        };
        f.write_str("the registry has room for ")?;
        write_number(f, has)?;
        f.write_str(of_what)?;
        write_number(f, self.needed)?;
        f.write_str(" are needed")
    }
}

impl Error for Full {}

fn write_number(f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
    decimal::digits(number).try_for_each(|digit| f.write_char(char::from(digit)))
}
