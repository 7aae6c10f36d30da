//! A client that subscribes and hears.

use core::cell::RefCell;
use std::rc::Rc;

use super::{
    board::{Board, Faults},
    client::{Client, Heard},
    ledger::{Ledger, Verdict},
};

/// A client whose subscription is in force, and what it heard.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) number: u64,
    pub(crate) client: Client,
    pub(crate) ledger: RefCell<Ledger>,
    v1: bool,
}

impl Subscriber {
    /// Says `subscription` and waits until it is in force; the error is a line for a person.
    pub(crate) async fn subscribe(
        board: &Rc<Board>,
        number: u64,
        client: Client,
        v1: bool,
        subscription: &str,
    ) -> Result<Self, String> {
        client.queue(subscription.as_bytes())?;
        // A classic session is not told; but the answer to a Ping comes behind whatever the
        // subscription led to.
        client.queue_ping()?;
        client.flush().await.map_err(|error| error.to_string())?;
        let mut confirmed = !v1;
        let mut answered = false;
        while !answered {
            client.readable().await.map_err(|error| error.to_string())?;
            let mut complaint = None;
            let there = client.read(&mut board.scratch.borrow_mut(), |heard| match heard {
                Heard::Pong => answered = true,
                Heard::Message(message) if v1 && message.starts_with(SUBSCRIBED) => {
                    confirmed = true;
                }
                Heard::Message(message) => {
                    complaint.get_or_insert_with(|| said(message));
                }
                Heard::Close(how) => {
                    complaint.get_or_insert(how);
                }
            })?;
            if let Some(complaint) = complaint {
                return Err(format!("to its subscription: {complaint}"));
            }
            if !there {
                return Err("the server is gone before it confirmed the subscription".to_owned());
            }
        }
        if !confirmed {
            return Err(
                "the server opened a v1 session and did not confirm the subscription; \
                 the protocol, section 5, says how"
                    .to_owned(),
            );
        }
        Ok(Self {
            number,
            client,
            ledger: RefCell::new(Ledger::new(board.plan, number)),
            v1,
        })
    }

    /// Hears and keeps account, until the connection ends.
    pub(crate) async fn listen(self: Rc<Self>, board: Rc<Board>) {
        let ended = self.hear_all(&board).await;
        board.end(ended, || format!("client {}", self.number));
    }

    async fn hear_all(&self, board: &Board) -> Result<(), String> {
        let mut closed = None;
        loop {
            let waited = self.client.ready().await;
            waited.map_err(|error| error.to_string())?;
            let mut counted = 0;
            let now = board.now();
            let there = self
                .client
                .read(&mut board.scratch.borrow_mut(), |heard| match heard {
                    Heard::Message(message) => counted += self.hear(board, message, now),
                    Heard::Pong => counted += 1,
                    Heard::Close(how) => closed = Some(how),
                })?;
            if counted > 0 {
                board.count(counted);
            }
            self.client.write().map_err(|error| error.to_string())?;
            match closed.take() {
                Some(how) if !board.closing.get() => return Err(how),
                Some(_) => return Ok(()),
                None if !there => return Ok(()),
                None => {}
            }
        }
    }

    /// Takes a message down: how many deliveries that were waited for it is, 1 or 0.
    #[inline]
    fn hear(&self, board: &Board, message: &[u8], now: u64) -> u64 {
        let template = board.template.borrow();
        let stamp = if self.v1 {
            template.read_positioned(message)
        } else {
            template.read(message)
        };
        let verdict = stamp.map_or(Verdict::Foreign, |stamp| {
            let verdict = self.ledger.borrow_mut().enter(&stamp);
            if matches!(verdict, Verdict::Next | Verdict::Late) {
                board.deliver(&stamp, now);
            }
            verdict
        });
        if verdict == Verdict::Next {
            return 1;
        }
        self.complain(board, verdict, message)
    }

    #[cold]
    fn complain(&self, board: &Board, verdict: Verdict, message: &[u8]) -> u64 {
        let faults = &board.faults;
        let (counter, what, counted) = match verdict {
            Verdict::Next => return 1,
            Verdict::Late => (&faults.reordered, "was overtaken by a later one", 1),
            Verdict::Doubled => (&faults.doubled, "came twice", 0),
            Verdict::Foreign => (
                &faults.foreign,
                "was not published like this, or not for this client",
                0,
            ),
        };
        let number = self.number;
        Faults::add(
            counter,
            &faults.examples,
            format!("client {number}: this {what}: {}", excerpt(message)),
        );
        counted
    }
}

const SUBSCRIBED: &[u8] = br#"{"sender":"server","subscribed":{"#;

/// How the server put something that it should not have said.
pub(crate) fn said(message: &[u8]) -> String {
    format!("the server says {}", excerpt(message))
}

/// The beginning of a message, fit for a terminal.
fn excerpt(message: &[u8]) -> String {
    const LONGEST: usize = 400;
    let text = String::from_utf8_lossy(message.get(..LONGEST).unwrap_or(message));
    text.replace(char::is_control, "\u{FFFD}")
}
