//! A client that publishes.

use core::{cell::Cell, time::Duration};
use std::rc::Rc;

use smol::{
    Timer,
    future::{self, FutureExt as _},
};

use super::{
    board::{Board, Faults},
    client::{Client, Heard},
    message::Stamp,
    subscriber::said,
};

/// How many bytes may be queued before the socket has to take some.
const QUEUE: usize = 64 * 1024;

/// A connection that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) number: u64,
    pub(crate) client: Client,
    /// How many notifications may be under way: not answered, or not delivered.
    pub(crate) window: u64,
    /// How long it is from one notification of this publisher to the next; zero for no time at all.
    pub(crate) interval: Duration,
}

impl Publisher {
    /// Publishes its share, and takes the answers down until the connection ends.
    pub(crate) async fn publish(self: Rc<Self>, board: Rc<Board>) {
        let ended = self.publish_all(&board).await;
        board.end(ended, || format!("publisher {}", self.number));
    }

    async fn publish_all(&self, board: &Board) -> Result<(), String> {
        let all = board.plan.published_by(self.number);
        let interval = super::board::nanos(self.interval);
        // The publishers take turns.
        let start = board.now() + interval * self.number / board.plan.publishers;
        let due_at = |sequence: u64| start.saturating_add(interval.saturating_mul(sequence));
        let flow = board.flow(self.number).ok_or("it is not planned")?;
        let recipients = board.plan.recipients();
        let (mut sent, answered) = (0, Cell::new(0));
        // How many may be sent until more has come back.
        let limit = || {
            let back = flow.arrived(recipients).min(answered.get());
            all.min(back.saturating_add(self.window))
        };
        loop {
            let now = board.now();
            while sent < limit() && due_at(sent) <= now && self.client.queued() < QUEUE {
                // Where there is a schedule, being late counts as waiting (coordinated omission).
                let moment = if interval == 0 { now } else { due_at(sent) };
                self.queue(board, sent, moment)?;
                sent += 1;
            }
            flow.published.set(sent);
            self.client.write().map_err(|error| error.to_string())?;
            let may_send = sent < limit();
            let is_idle = may_send && self.client.queued() == 0;
            if is_idle && due_at(sent) <= board.now() {
                continue;
            }
            let ready = async {
                let ready = self.client.ready().await;
                ready.map(|()| true).map_err(|error| error.to_string())
            };
            let go_on = async {
                if !may_send && sent < all && sent <= answered.get() + self.window / 2 {
                    // Not one by one: half of the window goes together.
                    let most = sent.saturating_sub(self.window / 2);
                    flow.wait(most, recipients).await;
                } else if is_idle {
                    // The moment may have come since it was looked at: then this is no wait.
                    Timer::at(board.moment(due_at(sent))).await;
                } else {
                    future::pending().await
                }
                Ok(false)
            };
            let is_ready = ready.or(go_on).await?;
            if is_ready && !self.read(board, &answered)? {
                return Ok(());
            }
        }
    }

    fn queue(&self, board: &Board, sequence: u64, moment: u64) -> Result<(), String> {
        let stamp = Stamp {
            channel: board.plan.channel(self.number, sequence),
            publisher: self.number,
            sequence,
            sent: moment,
        };
        self.client.queue(board.template.borrow_mut().write(&stamp))
    }

    /// Takes answers down; whether the server is still there.
    fn read(&self, board: &Board, answered: &Cell<u64>) -> Result<bool, String> {
        let (mut counted, mut complaint) = (0, None);
        let scratch = &mut board.scratch.borrow_mut();
        let there = self.client.read(scratch, |heard| match heard {
            Heard::Message(message) => match recipients(message) {
                Some(recipients) => {
                    counted += 1;
                    if recipients < board.plan.recipients() {
                        self.complain(board, recipients);
                    }
                }
                None => {
                    complaint.get_or_insert_with(|| said(message));
                }
            },
            Heard::Pong => {}
            Heard::Close(how) => {
                complaint.get_or_insert(how);
            }
        })?;
        answered.set(answered.get() + counted);
        board.count(counted);
        match complaint {
            Some(complaint) if !board.closing.get() => Err(complaint),
            _ => Ok(there),
        }
    }

    #[cold]
    fn complain(&self, board: &Board, recipients: u64) {
        let due = board.plan.recipients();
        Faults::add(
            &board.faults.too_few,
            &board.faults.examples,
            format!(
                "publisher {}: a publication went to {recipients} clients, and {due} had subscribed",
                self.number
            ),
        );
    }
}

/// How many clients a publication went to, if this is the answer to one (the protocol, section 5).
fn recipients(answer: &[u8]) -> Option<u64> {
    let published = answer.strip_prefix(br#"{"sender":"server","published":{"position":""#);
    let quick = published.and_then(|rest| {
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let digits = rest.get(end..)?.strip_prefix(br#"","recipients":"#)?;
        let digits = digits.strip_suffix(b"}}")?;
        str::from_utf8(digits).ok()?.parse().ok()
    });
    quick.or_else(|| slowly(answer))
}

/// The same, however it is written.
#[cold]
fn slowly(answer: &[u8]) -> Option<u64> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    answer.get("published")?.get("recipients")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_publication_is_known_however_it_is_written() {
        for (answer, expected) in [
            (
                r#"{"sender":"server","published":{"position":"1-2","recipients":3}}"#,
                Some(3),
            ),
            (
                r#"{"sender": "server", "published": {"recipients": 1000, "position": "a"}}"#,
                Some(1000),
            ),
            (
                r#"{"sender":"server","published":{"position":"1-2","recipients":3,"duplicate":true}}"#,
                Some(3),
            ),
            (
                r#"{"sender":"server","error":{"code":"forbidden","message":"no"}}"#,
                None,
            ),
            (r#"{"sender":"server","published":{}}"#, None),
            ("", None),
        ] {
            assert_eq!(recipients(answer.as_bytes()), expected, "{answer}");
        }
    }
}
