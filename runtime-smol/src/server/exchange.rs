//! Between the shards: connections on their way to one, and publications on their way to all.

use core::{
    convert::Infallible,
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};
use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

use campanile_core::{
    Instant,
    hub::{Announced, Batch, Inspection, Place, Placed, Sequence, TurnedAway},
    notify::Refusal,
};
use smol::channel::{self, Receiver, Sender};

use super::{Options, secure::Terms};

/// The shards' letter boxes, and the order of all publications.
#[derive(Debug)]
pub(super) struct Exchange {
    sequence: Mutex<Sequence>,
    boxes: Vec<Sender<Letter>>,
}

/// What a shard is told.
#[derive(Debug)]
pub(super) enum Letter {
    /// A new connection is its own.
    Connection(Newcomer),
    /// A batch is placed: deliver it.
    Placed(Arc<Delivery>),
    /// Every shard has delivered a batch of this one's.
    Settled(Arc<Delivery>),
    /// Other options are in force.
    Options(Arc<Options>),
    /// Somebody wants to look.
    Look(Look),
    /// The server itself publishes.
    Announce(Box<Announcement>),
    /// Drop this in the next turn: somebody waits for that.
    Turn(Sender<Infallible>),
    /// Close everything.
    Drain,
}

#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) number: u64,
    /// Its place, or why it is to be declined.
    pub(super) entered: Result<Place, TurnedAway>,
    /// What it has of TLS, if any.
    pub(super) terms: Option<Terms>,
}

/// What is to be done with a look at a hub.
pub(super) struct Look(pub(super) Box<dyn FnOnce(Inspection<'_>) + Send>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").finish_non_exhaustive()
    }
}

/// A publisher's message from the server itself, and who is to know what became of it.
pub(super) struct Announcement {
    pub(super) message: String,
    pub(super) told: Told,
}

/// Is told what became of an announcement.
pub(super) type Told = Box<dyn FnOnce(Result<Announced, Refusal>) + Send>;

impl fmt::Debug for Announcement {
    /// Leaves out what is said, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement").finish_non_exhaustive()
    }
}

/// A batch on its way through all shards.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) placed: Arc<Placed>,
    /// The shard that it was published at.
    pub(super) origin: usize,
    /// When the first of its publications had come in.
    pub(super) since: Instant,
    /// How many hear each of its publications, at the shards that have delivered it.
    heard: Box<[AtomicU64]>,
    /// How many shards have not.
    left: AtomicUsize,
}

impl Exchange {
    /// One for `shards` shards, with a letter box for each.
    pub(super) fn new(sequence: Sequence, shards: usize) -> (Self, Vec<Receiver<Letter>>) {
        let (boxes, openings) = (0..shards).map(|_| channel::unbounded()).unzip();
        let sequence = Mutex::new(sequence);
        (Self { sequence, boxes }, openings)
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> usize {
        self.boxes.len()
    }

    /// Writes to the shard of this number; whether it gets the letter, as one that has ended does not.
    pub(super) fn post(&self, shard: usize, letter: Letter) -> bool {
        let letter_box = self.boxes.get(shard);
        letter_box.is_some_and(|letter_box| letter_box.try_send(letter).is_ok())
    }

    /// Writes the same to every shard.
    pub(super) fn post_to_all(&self, letter: impl Fn() -> Letter) {
        for shard in 0..self.boxes.len() {
            self.post(shard, letter());
        }
    }

    /// Places a batch of the shard `origin`, the first of which had come in at `since`, and sends it
    /// to all shards, its own included: each gets all batches in the order of their places.
    pub(super) fn publish(&self, origin: usize, batch: Batch, since: Instant) {
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let placed = sequence.place(batch);
        let delivery = Arc::new(Delivery {
            origin,
            since,
            heard: (0..placed.len()).map(|_| AtomicU64::new(0)).collect(),
            left: AtomicUsize::new(self.boxes.len()),
            placed,
        });
        for shard in 0..self.boxes.len() {
            if !self.post(shard, Letter::Placed(Arc::clone(&delivery))) {
                // Nobody is left there to hear it, and its publisher waits for all.
                self.delivered(Arc::clone(&delivery), &[]);
            }
        }
    }

    /// A shard has delivered a batch to so many. The last one tells the shard that it is from.
    pub(super) fn delivered(&self, delivery: Arc<Delivery>, heard: &[u64]) {
        for (total, more) in delivery.heard.iter().zip(heard) {
            total.fetch_add(*more, Ordering::Relaxed);
        }
        // What the others have added is to be seen by who comes last.
        if delivery.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.post(delivery.origin, Letter::Settled(delivery));
        }
    }
}

impl Delivery {
    /// How many hear each of the publications, when all shards have delivered it.
    pub(super) fn heard(&self) -> impl Iterator<Item = u64> {
        self.heard.iter().map(|count| count.load(Ordering::Relaxed))
    }
}
