//! What was asked for and is not answered, and what was heard and is not taken.

use alloc::{collections::VecDeque, string::ToString as _, vec::Vec};

use super::{
    Cause, Delivery, Event, Late, Options, PublicationId, PublishError, Receipt, ServerError,
};
use crate::{
    Instant,
    conn::{BUFFER, Buffered, Role},
    notify::{self, ErrorCode, Heard},
    wire::Kind,
};

/// The messages of a client: those to be sent, those that wait for their answer, and what is to be
/// told. It outlives connections.
#[derive(Debug, Default)]
pub(super) struct Book {
    events: VecDeque<Event>,
    unread: usize,
    /// What is to be sent, in order.
    queue: VecDeque<Queued>,
    /// How many publications are in the queue, and their bytes.
    waiting: usize,
    waiting_bytes: usize,
    /// What was sent, in order, as it will be answered (the protocol, section 5).
    awaited: VecDeque<Awaited>,
    /// How many publications are in there.
    in_flight: usize,
    /// The message of the set that stands, or will after a reconnect.
    accepted: Option<Vec<u8>>,
    publications: u64,
    /// An error of the server's that answers nothing: why it closes, perhaps.
    last_words: Option<ServerError>,
}

#[derive(Debug)]
struct Queued {
    what: What,
    message: Vec<u8>,
    /// When a publication has waited for long enough.
    until: Instant,
}

#[derive(Debug)]
struct Awaited {
    what: What,
    /// That of subscriptions.
    message: Vec<u8>,
    /// When the server is late.
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Subscriptions,
    /// The set that stood on the last connection.
    Again,
    Publication(PublicationId),
}

impl Book {
    pub(super) fn tell(&mut self, event: Event) {
        self.unread = self.unread.saturating_add(cost(&event));
        self.events.push_back(event);
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.unread = self.unread.saturating_sub(cost(&event));
        Some(event)
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The outcome of a publication, before its turn.
    pub(super) fn take_outcome(
        &mut self,
        wanted: PublicationId,
    ) -> Option<Result<Receipt, PublishError>> {
        let is_wanted =
            |event: &Event| matches!(event, Event::Published { id, .. } if *id == wanted);
        let index = self.events.iter().position(is_wanted)?;
        let Event::Published { outcome, .. } = self.events.remove(index)? else {
            return None;
        };
        self.unread = self.unread.saturating_sub(EVENT);
        Some(outcome)
    }

    pub(super) const fn is_full(&self, options: &Options) -> bool {
        self.unread >= options.max_unread_bytes
    }

    /// The set to ask for, in the place of one that was not sent yet.
    pub(super) fn subscribe(&mut self, message: Vec<u8>) {
        self.queue
            .retain(|queued| queued.what != What::Subscriptions);
        self.queue.push_back(Queued {
            what: What::Subscriptions,
            message,
            until: Instant::MAX,
        });
    }

    /// Takes a publication, if there is room for it.
    pub(super) fn publish(
        &mut self,
        message: Vec<u8>,
        options: &Options,
        now: Instant,
    ) -> Result<PublicationId, PublishError> {
        let bytes = self.waiting_bytes.saturating_add(message.len());
        let is_too_much = self.waiting > 0 && bytes > options.max_waiting_bytes;
        if is_too_much || self.waiting >= options.max_waiting {
            return Err(PublishError::TooMany);
        }
        let id = PublicationId(self.publications);
        self.publications = self.publications.saturating_add(1);
        self.waiting = self.waiting.saturating_add(1);
        self.waiting_bytes = bytes;
        self.queue.push_back(Queued {
            what: What::Publication(id),
            message,
            until: now.after(options.publish_time),
        });
        Ok(id)
    }

    /// Puts on the wire what the window and the buffer have room for.
    pub(super) fn fill<R: Role>(
        &mut self,
        conn: &mut Buffered<R>,
        options: &Options,
        now: Instant,
    ) {
        while conn.unsent().len() < BUFFER
            && let Some(next) = self.queue.front()
        {
            let publishes = matches!(next.what, What::Publication(_));
            if publishes && self.in_flight >= options.window.max(1) {
                return;
            }
            if conn.send(Kind::Text, &next.message).is_err() {
                return; // it is closing
            }
            let Some(Queued { what, message, .. }) = self.queue.pop_front() else {
                return;
            };
            if publishes {
                self.not_waiting(message.len());
                self.in_flight = self.in_flight.saturating_add(1);
            }
            self.awaited.push_back(Awaited {
                what,
                message: if publishes { Vec::new() } else { message },
                until: now.after(options.answer_time),
            });
        }
    }

    const fn not_waiting(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_sub(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
    }

    /// When something that waits has waited for long enough.
    pub(super) fn deadline(&self) -> Instant {
        self.first_waiting().min(self.first_awaited())
    }

    /// Publications have waited in the order in which they came.
    fn first_waiting(&self) -> Instant {
        let mut publications = self.queue.iter().map(|queued| queued.until);
        publications
            .find(|until| *until != Instant::MAX)
            .unwrap_or(Instant::MAX)
    }

    fn first_awaited(&self) -> Instant {
        self.awaited
            .front()
            .map_or(Instant::MAX, |awaited| awaited.until)
    }

    /// Whether the server is late with an answer.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.first_awaited() <= now
    }

    /// Gives up the publications that have waited for long enough.
    pub(super) fn expire(&mut self, now: Instant, last: Option<&Cause>) {
        if self.first_waiting() <= now {
            self.give_up_waiting(last, |until| until <= now);
        }
    }

    /// Gives up everything that was not sent.
    pub(super) fn give_up(&mut self, last: Option<&Cause>) {
        self.give_up_waiting(last, |_| true);
        self.queue.clear();
    }

    fn give_up_waiting(&mut self, last: Option<&Cause>, is_due: impl Fn(Instant) -> bool) {
        for queued in core::mem::take(&mut self.queue) {
            match queued.what {
                What::Publication(id) if is_due(queued.until) => {
                    self.not_waiting(queued.message.len());
                    let outcome = Err(PublishError::NotSent(last.cloned()));
                    self.tell(Event::Published { id, outcome });
                }
                What::Publication(_) | What::Subscriptions | What::Again => {
                    self.queue.push_back(queued);
                }
            }
        }
    }

    /// What there is to be had from the last words of the server.
    pub(super) const fn take_last_words(&mut self) -> Option<ServerError> {
        self.last_words.take()
    }

    /// The connection is over: what it was to answer is unknown, and what stood is to be asked for
    /// again, before all else.
    pub(super) fn lost(&mut self, cause: &Cause) {
        let mut asked = None;
        for awaited in core::mem::take(&mut self.awaited) {
            match awaited.what {
                What::Publication(id) => {
                    let outcome = Err(PublishError::Unknown(cause.clone()));
                    self.tell(Event::Published { id, outcome });
                }
                What::Subscriptions => asked = Some(awaited.message),
                What::Again => {}
            }
        }
        self.in_flight = 0;
        self.queue.retain(|queued| queued.what != What::Again);
        let has_newer = |queued: &Queued| queued.what == What::Subscriptions;
        let asked = asked.filter(|_| !self.queue.iter().any(has_newer));
        let again = self.accepted.clone();
        let first = [(What::Again, again), (What::Subscriptions, asked)];
        for (what, message) in first.into_iter().rev() {
            if let Some(message) = message {
                self.queue.push_front(Queued {
                    what,
                    message,
                    until: Instant::MAX,
                });
            }
        }
    }

    /// Whether a set stood on the last connection.
    pub(super) const fn has_subscriptions(&self) -> bool {
        self.accepted.is_some()
    }

    /// Takes down a message of the server; why the connection is of no use, if it is not.
    pub(super) fn hear(&mut self, text: &[u8]) -> Option<Cause> {
        let Ok(text) = core::str::from_utf8(text) else {
            return None; // cannot be: it is a text message
        };
        match notify::hear(text.as_bytes()) {
            Some(Heard::Notification(delivered)) => {
                self.tell(Event::Notification(Delivery::new(text, &delivered)));
            }
            Some(Heard::Published {
                position,
                recipients,
                duplicate,
            }) => {
                let receipt = Receipt {
                    position: position.to_string(),
                    recipients,
                    duplicate,
                };
                match self.awaited.front().map(|awaited| awaited.what) {
                    Some(What::Publication(id)) => self.published(id, Ok(receipt)),
                    _ => return Some(Cause::OutOfTurn),
                }
            }
            Some(Heard::Subscribed { count, position }) => {
                let position = position.to_string();
                match self.awaited.front().map(|awaited| awaited.what) {
                    Some(What::Again) => self.tell(Event::Reconnected),
                    Some(What::Subscriptions) => self.tell(Event::Subscribed { count, position }),
                    Some(What::Publication(_)) | None => return Some(Cause::OutOfTurn),
                }
                self.accepted = self.awaited.pop_front().map(|awaited| awaited.message);
            }
            Some(Heard::Error {
                code,
                message,
                path,
            }) => {
                let error = ServerError::new(code, message, path);
                return self.refused(error, text);
            }
            Some(Heard::Pong | Heard::Authorized { .. }) | None => {
                self.tell(Event::Other(text.into()));
            }
        }
        None
    }

    fn refused(&mut self, error: ServerError, text: &str) -> Option<Cause> {
        // These are about the session, not about what was asked.
        let is_last = matches!(
            error.code(),
            Some(ErrorCode::SlowConsumer | ErrorCode::ShuttingDown | ErrorCode::Unauthorized)
        );
        if is_last {
            self.last_words = Some(error);
            return None;
        }
        match self.awaited.front().map(|awaited| awaited.what) {
            Some(What::Publication(id)) => self.published(id, Err(PublishError::Refused(error))),
            Some(What::Subscriptions) => {
                self.awaited.pop_front();
                self.tell(Event::SubscriptionRefused(error));
            }
            Some(What::Again) => return Some(Cause::Deaf(error)),
            None => self.tell(Event::Other(text.into())),
        }
        None
    }

    fn published(&mut self, id: PublicationId, outcome: Result<Receipt, PublishError>) {
        self.awaited.pop_front();
        self.in_flight = self.in_flight.saturating_sub(1);
        self.tell(Event::Published { id, outcome });
    }

    /// Why the connection counts as dead where an answer is late.
    pub(super) const LATE: Cause = Cause::TimedOut(Late::Answer);
}

/// What an event costs beside its text, in bytes.
const EVENT: usize = size_of::<Event>();

fn cost(event: &Event) -> usize {
    let text = match event {
        Event::Notification(delivery) => delivery.len(),
        Event::Other(text) => text.len(),
        Event::Connected
        | Event::Reconnected
        | Event::Subscribed { .. }
        | Event::SubscriptionRefused(_)
        | Event::Published { .. }
        | Event::Disconnected { .. } => 0,
    };
    text.saturating_add(EVENT)
}
