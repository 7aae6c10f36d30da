//! Who publishes how much, and who is to hear what of it.

/// The plan of a run, in numbers. Clients, publishers and notifications are counted from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: u64,
    pub(crate) publishers: u64,
    /// By all publishers together.
    pub(crate) notifications: u64,
    /// Whether each notification is for one client, and not for all.
    pub(crate) one: bool,
}

impl Plan {
    /// How many notifications this publisher publishes.
    pub(crate) const fn published_by(&self, publisher: u64) -> u64 {
        let more = publisher < self.notifications % self.publishers;
        self.notifications / self.publishers + more as u64
    }

    /// The channel of a notification: the client that is to hear it, where it is one.
    pub(crate) const fn channel(&self, publisher: u64, sequence: u64) -> u64 {
        if !self.one {
            return 0;
        }
        // The publishers start at different clients, so that they do not all write to the same one.
        (self.start(publisher) + sequence) % self.clients
    }

    const fn start(&self, publisher: u64) -> u64 {
        publisher * self.clients / self.publishers
    }

    /// How many clients hear a notification.
    pub(crate) const fn recipients(&self) -> u64 {
        if self.one { 1 } else { self.clients }
    }

    /// How many deliveries there are to be.
    pub(crate) const fn deliveries(&self) -> u64 {
        self.notifications * self.recipients()
    }

    /// The first notification of this publisher that the client hears.
    pub(crate) const fn first(&self, client: u64, publisher: u64) -> u64 {
        if self.one {
            (client + self.clients - self.start(publisher) % self.clients) % self.clients
        } else {
            0
        }
    }

    /// By how much the next notification for a client is behind one.
    pub(crate) const fn step(&self) -> u64 {
        if self.one { self.clients } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clients_wait_for_is_what_is_published() {
        for (clients, publishers, notifications) in
            [(1, 1, 1), (3, 1, 10), (5, 3, 100), (2, 7, 30), (4, 4, 3)]
        {
            for one in [false, true] {
                let plan = Plan {
                    clients,
                    publishers,
                    notifications,
                    one,
                };
                let mut deliveries = 0;
                for client in 0..clients {
                    for publisher in 0..publishers {
                        let mut next = plan.first(client, publisher);
                        for sequence in 0..plan.published_by(publisher) {
                            let hears = !one || plan.channel(publisher, sequence) == client;
                            assert_eq!(hears, sequence == next, "{plan:?} {client} {sequence}");
                            if hears {
                                next += plan.step();
                                deliveries += 1;
                            }
                        }
                    }
                }
                assert_eq!(deliveries, plan.deliveries(), "{plan:?}");
                let published: u64 = (0..publishers).map(|it| plan.published_by(it)).sum();
                assert_eq!(published, notifications);
            }
        }
    }
}
