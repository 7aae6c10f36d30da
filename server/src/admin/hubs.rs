//! What the pages ask of the running server, whichever runtime it is on.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use campanile_core::{
    hub::{Announced, Inspection},
    notify::Refusal,
    server::{Meter, Readings},
};
use smol::channel::{self, Receiver, Sender};

/// What is to be done with a look at a hub.
pub(crate) type Look = Box<dyn FnOnce(Inspection<'_>) + Send>;

/// Is told what became of an announcement.
pub(crate) type Told = Box<dyn FnOnce(Result<Announced, Refusal>) + Send>;

/// A server's hubs.
pub(crate) trait Hubs: Send + Sync {
    /// What they do and hold.
    fn readings(&self) -> Readings;

    /// How many there are.
    fn count(&self) -> usize;

    /// Has the hub of this number looked at soon; `false` if it cannot be.
    fn inspect(&self, hub: usize, look: Look) -> bool;

    /// Publishes a publisher's message of the server's own; `false` if that cannot be.
    fn announce(&self, message: String, told: Told) -> bool;
}

impl Hubs for campanile_smol::server::Control {
    fn readings(&self) -> Readings {
        self.readings()
    }

    fn count(&self) -> usize {
        self.shards()
    }

    fn inspect(&self, hub: usize, look: Look) -> bool {
        self.inspect(hub, look)
    }

    fn announce(&self, message: String, told: Told) -> bool {
        self.announce(message, told)
    }
}

/// The one hub of the runtime std, for pages that may outlive it: what they ask waits for who
/// [serves](Asked::serve) them.
pub(crate) struct Relay {
    meter: Arc<Meter>,
    asked: Sender<Request>,
}

/// What is asked through a [`Relay`].
pub(crate) struct Asked(Receiver<Request>);

enum Request {
    Look(Look),
    Announce(String, Told),
}

impl Relay {
    pub(crate) fn new(meter: Arc<Meter>) -> (Self, Asked) {
        // Each of those who are answered waits for one.
        let (asked, requests) = channel::bounded(super::CONNECTIONS);
        (Self { meter, asked }, Asked(requests))
    }
}

impl Hubs for Relay {
    fn readings(&self) -> Readings {
        self.meter.read()
    }

    fn count(&self) -> usize {
        1
    }

    fn inspect(&self, _: usize, look: Look) -> bool {
        self.asked.try_send(Request::Look(look)).is_ok()
    }

    fn announce(&self, message: String, told: Told) -> bool {
        let request = Request::Announce(message, told);
        self.asked.try_send(request).is_ok()
    }
}

impl Asked {
    /// Does what is asked, for as long as anybody can ask.
    pub(crate) async fn serve(self, control: &campanile_std::server::Control<'_>) {
        while let Ok(request) = self.0.recv().await {
            match request {
                Request::Look(look) => control.inspect(look),
                Request::Announce(message, told) => told(control.announce(&message)),
            }
        }
    }
}

/// How long a hub has for an answer. Its turns take milliseconds: one that needs longer is in trouble, or
/// ends.
const ANSWER: Duration = Duration::from_secs(3);

/// What `look` makes of a hub; `None` if the hub has ended, or did not answer in time.
pub(super) fn look<T: Send + 'static>(
    hubs: &dyn Hubs,
    hub: usize,
    look: impl FnOnce(Inspection<'_>) -> T + Send + 'static,
) -> Option<T> {
    let (send, answer) = mpsc::sync_channel(1);
    let look = Box::new(move |inspection: Inspection<'_>| {
        // Whoever has given up waiting needs no answer.
        let _ = send.try_send(look(inspection));
    });
    if !hubs.inspect(hub, look) {
        return None;
    }
    answer.recv_timeout(ANSWER).ok()
}

/// Publishes a publisher's message; `None` as with [`look`].
pub(super) fn announce(hubs: &dyn Hubs, message: String) -> Option<Result<Announced, Refusal>> {
    let (send, answer) = mpsc::sync_channel(1);
    let told = Box::new(move |told| {
        let _ = send.try_send(told);
    });
    if !hubs.announce(message, told) {
        return None;
    }
    answer.recv_timeout(ANSWER).ok()
}
