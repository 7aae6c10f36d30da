//! What one client has heard: each notification for it once, and in the order of its publisher.

use std::collections::BTreeSet;

use super::{message::Stamp, plan::Plan};

/// How many missing notifications of one client are remembered, to tell one that comes late from one
/// that comes twice. Beyond it, one that comes late counts as doubled: that it is wrong is certain.
const MOST_MISSING: usize = 1024;

/// What was heard and is still missing.
#[derive(Debug)]
pub(crate) struct Ledger {
    plan: Plan,
    client: u64,
    /// For each publisher, the notification that is next.
    next: Box<[u64]>,
    /// Those that were passed over.
    missing: BTreeSet<(u64, u64)>,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next one of its publisher; or one behind it, when one between them is missing.
    Next,
    /// One that was missing: it was overtaken.
    Late,
    /// It was heard before.
    Doubled,
    /// It is for somebody else, or was never published.
    Foreign,
}

impl Ledger {
    /// Nothing is heard yet.
    pub(crate) fn new(plan: Plan, client: u64) -> Self {
        let next = (0..plan.publishers).map(|publisher| plan.first(client, publisher));
        Self {
            plan,
            client,
            next: next.collect(),
            missing: BTreeSet::new(),
        }
    }

    /// Takes a delivery down.
    pub(crate) fn enter(&mut self, stamp: &Stamp) -> Verdict {
        let Stamp {
            channel,
            publisher,
            sequence,
            ..
        } = *stamp;
        let next = usize::try_from(publisher)
            .ok()
            .and_then(|publisher| self.next.get_mut(publisher));
        let Some(next) = next else {
            return Verdict::Foreign;
        };
        if sequence == *next && channel == self.plan.channel(publisher, sequence) {
            // Whether it was published at all is seen at the end of each publisher's, and here.
            if sequence < self.plan.published_by(publisher) {
                *next += self.plan.step();
                return Verdict::Next;
            }
            return Verdict::Foreign;
        }
        self.enter_other(channel, publisher, sequence)
    }

    #[cold]
    fn enter_other(&mut self, channel: u64, publisher: u64, sequence: u64) -> Verdict {
        let plan = self.plan;
        let ours = !plan.one || channel == self.client;
        if sequence >= plan.published_by(publisher)
            || channel != plan.channel(publisher, sequence)
            || !ours
        {
            return Verdict::Foreign;
        }
        let place = usize::try_from(publisher).unwrap_or(usize::MAX);
        let Some(next) = self.next.get_mut(place) else {
            return Verdict::Foreign;
        };
        if sequence < *next {
            return if self.missing.remove(&(publisher, sequence)) {
                Verdict::Late
            } else {
                Verdict::Doubled
            };
        }
        let room = MOST_MISSING.saturating_sub(self.missing.len());
        let step = usize::try_from(plan.step()).unwrap_or(usize::MAX);
        let passed_over = (*next..sequence).step_by(step).take(room);
        self.missing.extend(passed_over.map(|it| (publisher, it)));
        *next = sequence + plan.step();
        Verdict::Next
    }

    /// The first notification that is missing, as publisher and sequence.
    pub(crate) fn first_missing(&self) -> Option<(u64, u64)> {
        let behind = (0..).zip(&self.next).find_map(|(publisher, next)| {
            (*next < self.plan.published_by(publisher)).then_some((publisher, *next))
        });
        self.missing.first().copied().or(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const PLAN: Plan = Plan {
        clients: 3,
        publishers: 2,
        notifications: 40,
        one: false,
    };

    fn stamp(plan: &Plan, publisher: u64, sequence: u64) -> Stamp {
        Stamp {
            channel: plan.channel(publisher, sequence),
            publisher,
            sequence,
            sent: 0,
        }
    }

    fn enter(ledger: &mut Ledger, publisher: u64, sequences: &[u64]) -> Vec<Verdict> {
        let plan = ledger.plan;
        let stamps = sequences.iter().map(|it| stamp(&plan, publisher, *it));
        stamps.map(|stamp| ledger.enter(&stamp)).collect()
    }

    #[test]
    fn publishers_are_in_order_each_for_itself() {
        let mut ledger = Ledger::new(PLAN, 1);
        assert_eq!(enter(&mut ledger, 0, &[0, 1]), [Verdict::Next; 2]);
        assert_eq!(enter(&mut ledger, 1, &[0, 1, 2]), [Verdict::Next; 3]);
        assert_eq!(enter(&mut ledger, 0, &[2]), [Verdict::Next]);
        assert_eq!(ledger.first_missing(), Some((0, 3)));
    }

    #[test]
    fn what_comes_late_twice_or_never_is_told_apart() {
        use Verdict::{Doubled, Foreign, Late, Next};
        let mut ledger = Ledger::new(PLAN, 1);
        assert_eq!(
            enter(&mut ledger, 0, &[0, 3, 1, 1, 3, 4, 20, 19, 19]),
            [
                Next, Next, Late, Doubled, Doubled, Next, Foreign, Next, Doubled
            ]
        );
        assert_eq!(ledger.first_missing(), Some((0, 2)));
        assert_eq!(enter(&mut ledger, 2, &[0]), [Foreign]);
    }

    #[test]
    fn with_a_channel_each_only_its_own_are_a_clients() {
        use Verdict::{Doubled, Foreign, Late, Next};
        let plan = Plan { one: true, ..PLAN };
        let mut ledger = Ledger::new(plan, 1);
        assert_eq!(
            enter(&mut ledger, 0, &[1, 2, 4, 10, 7, 7, 4, 0]),
            [Next, Foreign, Next, Next, Late, Doubled, Doubled, Foreign]
        );
        let mut lie = stamp(&plan, 0, 14);
        lie.channel = 1;
        assert_eq!(ledger.enter(&lie), Foreign);
    }

    #[test]
    fn a_whole_run_leaves_nothing_missing() {
        for one in [false, true] {
            let plan = Plan { one, ..PLAN };
            let mut ledgers: HashMap<_, _> = (0..plan.clients)
                .map(|client| (client, Ledger::new(plan, client)))
                .collect();
            for publisher in 0..plan.publishers {
                for sequence in 0..plan.published_by(publisher) {
                    let stamp = stamp(&plan, publisher, sequence);
                    for client in 0..plan.clients {
                        if !one || stamp.channel == client {
                            let ledger = ledgers.get_mut(&client).unwrap();
                            assert_eq!(ledger.enter(&stamp), Verdict::Next);
                        }
                    }
                }
            }
            assert!(ledgers.values().all(|it| it.first_missing().is_none()));
        }
    }

    #[test]
    fn what_a_client_misses_is_bounded() {
        let plan = Plan {
            notifications: 1 << 32,
            ..PLAN
        };
        let mut ledger = Ledger::new(plan, 0);
        assert_eq!(enter(&mut ledger, 0, &[1 << 30]), [Verdict::Next]);
        assert_eq!(ledger.missing.len(), MOST_MISSING);
    }
}
