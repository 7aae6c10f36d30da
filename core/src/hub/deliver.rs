//! Publications from their publishers to everybody.

use alloc::{sync::Arc, vec::Vec};

use super::{
    Announced, Batch, Ending, Fact, Hub, Placed, Sequence, SessionId, Version, form::Forms,
    session::Answer,
};
use crate::{
    Instant,
    conn::Input,
    notify::{self, Limits},
};

/// A new set of subscriptions, whose place is behind publications of the same hub.
#[derive(Debug)]
pub(super) struct Later {
    /// How many of its batch are before it.
    pub(super) behind: usize,
    pub(super) session: SessionId,
    /// For the answer.
    pub(super) ticket: u64,
    /// The client's message.
    pub(super) message: Vec<u8>,
}

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// Places, delivers and settles what was published: for a hub that has its `sequence` to itself.
    pub fn hand_out(&mut self, sequence: &mut Sequence, now: Instant) {
        let mut heard = Vec::new();
        while let Some(batch) = self.poll_batch() {
            let placed = sequence.place(batch);
            heard.clear();
            heard.resize(placed.len(), 0);
            self.deliver(&placed, true, &mut heard, now);
            self.settle(&placed, &heard, now);
        }
    }

    /// What was published and is to be placed, if there is anything. Each batch that is taken must
    /// come back to be [delivered](Self::deliver) as the hub's own, in the same order.
    #[must_use]
    pub fn poll_batch(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            return None;
        }
        let later = core::mem::take(&mut self.later);
        self.later_bytes = 0;
        self.in_flight.push_back(later);
        Some(self.batch.take())
    }

    /// How many of the hub's own batches are placed and not delivered here yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Makes publications due to everybody here who wants to hear them, in the order of their places;
    /// `is_own` if they were published here. Adds to each of `heard`, which has one number for each
    /// publication, by how many.
    pub fn deliver(&mut self, placed: &Arc<Placed>, is_own: bool, heard: &mut [u64], now: Instant) {
        let own = if is_own {
            self.in_flight.pop_front()
        } else {
            None
        };
        let mut later = own.unwrap_or_default().into_iter().peekable();
        let mut forms = Forms::new(placed, &mut self.turn);
        let publications = placed.publications();
        for (at, publication) in publications.iter().enumerate() {
            while let Some(next) = later.next_if(|next| next.behind <= at) {
                self.subscribe_later(&next, now);
            }
            let notification = placed.notification(publication);
            // Most receivers have the form of the one before.
            let (mut form, mut place) = forms.begin(at, publication);
            let mut count: u64 = 0;
            let asks_grants = self.guests.have_a_say(&notification);
            for &index in self.index.recipients(&notification) {
                let Some(receiver) = self.receivers.get_mut(index as usize) else {
                    continue;
                };
                if !receiver.hears {
                    continue;
                }
                if asks_grants
                    && receiver.is_narrowed
                    && !self.guests.may_hear(index, &notification)
                {
                    continue;
                }
                if receiver.form != form {
                    form = receiver.form;
                    place = forms.place(
                        form,
                        &mut self.turn,
                        #[cfg(feature = "deflate")]
                        &mut self.compression,
                    );
                }
                self.turn
                    .add(&mut receiver.due, place.segment, place.frame());
                receiver.enlist(index, &mut self.dirty, &mut self.filling);
                count = count.saturating_add(1);
            }
            self.load.deliveries = self.load.deliveries.saturating_add(count);
            if let Some(heard) = heard.get_mut(at) {
                *heard = heard.saturating_add(count);
            }
            self.reached = placed.position(at);
        }
        for next in later {
            self.subscribe_later(&next, now);
        }
        forms.finish(&mut self.turn);
    }

    /// Tells the publishers of a batch of this hub's that every hub has delivered it: `heard` is, for
    /// each publication, by how many.
    pub fn settle(&mut self, placed: &Placed, heard: &[u64], now: Instant) {
        for (at, publication) in placed.publications().iter().enumerate() {
            let recipients = heard.get(at).copied().unwrap_or_default();
            let position = placed.position(at);
            self.observe(&Fact::Published {
                connection: publication.connection,
                notification: &placed.notification(publication),
                position,
                bytes: publication.len,
                recipients,
            });
            if publication.session == SessionId::SERVER {
                self.announced.push_back(Announced {
                    position,
                    recipients,
                });
            }
            // It may have left meanwhile.
            let Some(index) = self.find(publication.session) else {
                continue;
            };
            let Some(session) = self.session_mut(index) else {
                continue;
            };
            let answer = match session.version {
                Version::Classic => Answer::Close(Ending::PUBLISHED),
                Version::V1 => Answer::Published {
                    position,
                    recipients,
                },
            };
            if let Some(answers) = &mut session.answers {
                answers.tell(publication.ticket, 0, answer);
            }
            self.answer_what_waited(index, now);
        }
    }

    /// Says what need not wait any longer.
    pub(super) fn answer_what_waited(&mut self, index: u32, now: Instant) {
        loop {
            let Some(session) = self.session_mut(index) else {
                return;
            };
            let Some(answers) = &mut session.answers else {
                return;
            };
            match answers.next() {
                Some(answer) => self.give(index, answer, now),
                None if answers.is_empty() => {
                    session.answers = None;
                    // Such as the answer to its Close.
                    return self.transmit(index, &mut Input::default());
                }
                None => return,
            }
        }
    }

    fn subscribe_later(&mut self, later: &Later, now: Instant) {
        let Some(index) = self.find(later.session) else {
            return;
        };
        let mut answer = Answer::Nothing;
        // It was parsed before, perhaps within limits that have changed since.
        if self
            .session(index)
            .is_some_and(|session| session.may_be_told())
            && let Ok(notify::Message::Client(client)) =
                notify::parse(&later.message, &Limits::NONE)
            && let Some(set) = client.subscriptions()
        {
            answer = self.subscribe(index, &set);
        }
        let answers = self.session_mut(index).and_then(|s| s.answers.as_mut());
        if let Some(answers) = answers {
            answers.tell(later.ticket, later.message.len(), answer);
        }
        self.answer_what_waited(index, now);
    }
}
