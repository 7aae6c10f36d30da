//! What all connections of a run share: what is to happen, and what has.

use core::{
    cell::{Cell, RefCell},
    time::Duration,
};
use std::time::Instant;

use hdrhistogram::Histogram;
use smol::{
    Timer,
    channel::{Receiver, Sender, bounded},
    future::FutureExt as _,
};

use super::{
    client::Scratch,
    message::{Stamp, Template},
    plan::Plan,
    progress::Progress,
};

/// How often is looked whether anything happened, and the progress shown.
const TICK: Duration = Duration::from_millis(200);

/// The longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(60);

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// The run so far.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) plan: Plan,
    pub(crate) template: RefCell<Template>,
    /// Where bytes are read to and understood, by one connection at a time.
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) faults: Faults,
    pub(crate) delivered: Cell<u64>,
    pub(crate) flows: Box<[Flow]>,
    latencies: RefCell<Histogram<u64>>,
    /// How far the phase is, and how far it is to come.
    reached: Cell<u64>,
    goal: Cell<u64>,
    /// Whether connections end as they should.
    pub(crate) closing: Cell<bool>,
    /// Why the run cannot go on.
    failure: RefCell<Option<String>>,
    wake: Sender<()>,
    woken: Receiver<()>,
    origin: Instant,
}

/// The notifications of one publisher on their way.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) published: Cell<u64>,
    /// Deliveries of them, to all clients together.
    arrived: Cell<u64>,
    /// How many the publisher waits for.
    wanted: Cell<u64>,
    wake: Sender<()>,
    woken: Receiver<()>,
}

impl Flow {
    fn new() -> Self {
        let (wake, woken) = bounded(1);
        Self {
            published: Cell::new(0),
            arrived: Cell::new(0),
            wanted: Cell::new(0),
            wake,
            woken,
        }
    }

    fn arrive(&self) {
        let arrived = self.arrived.get() + 1;
        self.arrived.set(arrived);
        if arrived == self.wanted.get() {
            // Full: it is woken already.
            let _ = self.wake.try_send(());
        }
    }

    /// How many notifications have arrived, on an average of the `recipients` that each has.
    pub(crate) const fn arrived(&self, recipients: u64) -> u64 {
        self.arrived.get() / recipients
    }

    /// Waits until so many have arrived.
    pub(crate) async fn wait(&self, notifications: u64, recipients: u64) {
        self.wanted.set(notifications.saturating_mul(recipients));
        while self.arrived.get() < self.wanted.get() {
            let _ = self.woken.recv().await;
        }
    }
}

/// What was wrong with deliveries and answers.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Deliveries which came after later ones of their publisher.
    pub(crate) reordered: Cell<u64>,
    /// Deliveries which had come before.
    pub(crate) doubled: Cell<u64>,
    /// Messages that were not published like this, or not for this client.
    pub(crate) foreign: Cell<u64>,
    /// Publications that were for fewer clients than subscribed to them.
    pub(crate) too_few: Cell<u64>,
    /// The first of each, for whoever looks for the reason.
    pub(crate) examples: RefCell<Vec<String>>,
}

impl Faults {
    /// Counts one; the first of its kind is told.
    pub(crate) fn add(counter: &Cell<u64>, examples: &RefCell<Vec<String>>, example: String) {
        if counter.replace(counter.get() + 1) == 0 {
            examples.borrow_mut().push(example);
        }
    }
}

impl Board {
    /// For messages of at most `longest` bytes.
    pub(crate) fn new(plan: Plan, template: Template, longest: u64) -> Self {
        let (wake, woken) = bounded(1);
        let latencies = Histogram::new_with_bounds(1, nanos(LONGEST), DIGITS);
        Self {
            plan,
            template: RefCell::new(template),
            scratch: RefCell::new(Scratch::new(longest)),
            faults: Faults::default(),
            delivered: Cell::new(0),
            flows: (0..plan.publishers).map(|_| Flow::new()).collect(),
            // These bounds are valid ones.
            latencies: RefCell::new(latencies.unwrap_or_else(|_| unreachable!())),
            reached: Cell::new(0),
            goal: Cell::new(0),
            closing: Cell::new(false),
            failure: RefCell::new(None),
            wake,
            woken,
            origin: Instant::now(),
        }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }

    /// The moment so many nanoseconds after the start.
    pub(crate) fn moment(&self, nanos: u64) -> Instant {
        self.origin + Duration::from_nanos(nanos)
    }

    /// A notification was delivered, and read `now`.
    pub(crate) fn deliver(&self, stamp: &Stamp, now: u64) {
        self.delivered.set(self.delivered.get() + 1);
        if let Some(flow) = self.flow(stamp.publisher) {
            flow.arrive();
        }
        self.latencies
            .borrow_mut()
            .saturating_record(now.saturating_sub(stamp.sent).max(1));
    }

    pub(crate) fn flow(&self, publisher: u64) -> Option<&Flow> {
        self.flows.get(usize::try_from(publisher).ok()?)
    }

    /// How many notifications were published.
    pub(crate) fn published(&self) -> u64 {
        self.flows.iter().map(|flow| flow.published.get()).sum()
    }

    pub(crate) fn latencies(&self) -> core::cell::Ref<'_, Histogram<u64>> {
        self.latencies.borrow()
    }

    /// `count` more of what the phase waits for has happened.
    pub(crate) fn count(&self, count: u64) {
        let reached = self.reached.get() + count;
        self.reached.set(reached);
        if reached >= self.goal.get() {
            self.wake();
        }
    }

    /// The connection of `who` has ended: as it should while all are closed, and a failure before.
    pub(crate) fn end(&self, ended: Result<(), String>, who: impl FnOnce() -> String) {
        if self.closing.get() {
            self.count(1);
            return;
        }
        self.fail(|| {
            let how = ended
                .err()
                .unwrap_or_else(|| "the server is gone".to_owned());
            format!("{}: {how}", who())
        });
    }

    /// The run cannot go on; the first reason stands.
    pub(crate) fn fail(&self, reason: impl FnOnce() -> String) {
        self.failure.borrow_mut().get_or_insert_with(reason);
        self.wake();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    fn wake(&self) {
        // Full: it is woken already.
        let _ = self.wake.try_send(());
    }

    /// Starts a phase that waits for `goal` things to be counted.
    pub(crate) fn start_phase(&self, goal: u64) {
        self.reached.set(0);
        self.goal.set(goal);
        let _ = self.woken.try_recv();
    }

    /// Waits until the phase has reached its goal: whether it has, before `patience` went by without
    /// anything counted, and before the run failed.
    pub(crate) async fn wait(&self, patience: Duration, progress: &mut Progress) -> bool {
        let mut last = (self.reached.get(), Instant::now());
        loop {
            if self.failure.borrow().is_some() {
                return false;
            }
            let (reached, goal) = (self.reached.get(), self.goal.get());
            progress.show(reached, goal);
            if reached >= goal {
                return true;
            }
            if reached != last.0 {
                last = (reached, Instant::now());
            } else if last.1.elapsed() > patience {
                return false;
            }
            let tick = async {
                Timer::after(TICK).await;
            };
            let woken = async {
                let _ = self.woken.recv().await;
            };
            woken.or(tick).await;
        }
    }

    pub(crate) const fn reached(&self) -> u64 {
        self.reached.get()
    }
}

pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
