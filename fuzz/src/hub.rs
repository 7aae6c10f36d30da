//! Sessions, their subscriptions, and who hears what.

use std::collections::HashSet;

use campanile_core::{
    conn::Message,
    hub::{HashKey, Hub, IndexLimits, Response, Rights, SessionId},
    notify::Limits,
    wire::Kind,
};

use crate::{
    model::{self, Reading, Target},
    script::Script,
    wishes,
};

/// Format: operations. A byte says which: open (0: a subscriber, 1: a publisher), close (2), a
/// message by a session (3: to subscribe, 4: to publish, 5: a chunk of text, 6: a chunk of binary
/// data). A byte says which session, ended ones included.
pub fn hub(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World {
        // No message here is long enough to reach them; the model has none.
        hub: Hub::new(Limits::default(), VERIFYING, HashKey([0; 2])),
        sessions: Vec::new(),
    };
    while !script.is_empty() {
        world.step(&mut script);
        let open = world.sessions.iter().filter(|session| session.is_open);
        assert_eq!(world.hub.sessions(), open.count());
    }
}

/// Nothing is refused for the sake of what it costs: the index has a target of its own.
const VERIFYING: IndexLimits = IndexLimits {
    shapes: IndexLimits::SHAPES,
    expansion: IndexLimits::EXPANSION,
    tuples: IndexLimits::TUPLES,
    verified: usize::MAX,
};

struct World {
    hub: Hub,
    /// Every session there ever was.
    sessions: Vec<Session>,
}

struct Session {
    id: SessionId,
    is_open: bool,
    may_publish: bool,
    subscriptions: Vec<Target>,
}

impl World {
    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.below(7);
        if operation < 2 || self.sessions.is_empty() {
            self.open(operation == 1);
            return;
        }
        let who = script.below(self.sessions.len().min(256));
        match operation {
            2 => {
                self.hub.close(self.sessions[who].id);
                self.sessions[who].is_open = false;
            }
            3 => self.text(who, wishes::subscribing(script).into_bytes()),
            4 => self.text(who, wishes::publishing(script).into_bytes()),
            5 => self.text(who, script.chunk().to_vec()),
            _ => {
                let mut bytes = script.chunk().to_vec();
                let message = Message {
                    kind: Kind::Binary,
                    bytes: &mut bytes,
                };
                let response = self.hub.receive(self.sessions[who].id, &message);
                assert_eq!(
                    matches!(response, Response::Binary),
                    self.sessions[who].is_open
                );
            }
        }
    }

    fn open(&mut self, may_publish: bool) {
        let rights = Rights {
            publish: may_publish,
        };
        let id = self.hub.open(rights).expect("there is room");
        assert!(
            self.sessions.iter().all(|session| session.id != id
                && !(session.is_open && session.id.index() == id.index())),
            "a name twice"
        );
        self.sessions.push(Session {
            id,
            is_open: true,
            may_publish,
            subscriptions: Vec::new(),
        });
    }

    fn text(&mut self, who: usize, mut bytes: Vec<u8>) {
        let Some(reading) = model::read(&bytes) else {
            return;
        };
        let message = Message {
            kind: Kind::Text,
            bytes: &mut bytes,
        };
        let session = &mut self.sessions[who];
        let response = self.hub.receive(session.id, &message);
        if !session.is_open {
            assert!(matches!(response, Response::Nothing), "{response:?}");
            return;
        }
        match (&response, reading) {
            (Response::Refused(_), Reading::NotJson | Reading::Refused { .. })
            | (Response::Pong, Reading::Ping)
            | (
                Response::Nothing,
                Reading::Client {
                    subscriptions: None,
                    ..
                },
            ) => {}
            (
                Response::Subscribed { subscriptions },
                Reading::Client {
                    subscriptions: Some(wishes),
                    ..
                },
            ) => {
                assert_eq!(*subscriptions, wishes.len());
                session.subscriptions = wishes;
            }
            (Response::Forbidden, Reading::Publication(_)) if !session.may_publish => {}
            (Response::Published(notification), Reading::Publication(news))
                if session.may_publish =>
            {
                let heard: Vec<_> = self.hub.recipients(notification).collect();
                let names: HashSet<_> = heard.iter().copied().collect();
                assert_eq!(names.len(), heard.len(), "somebody hears it twice");
                let wanted = self.sessions.iter().filter(|session| {
                    let mut wishes = session.subscriptions.iter();
                    session.is_open && wishes.any(|wish| model::matches(wish, &news))
                });
                assert_eq!(names, wanted.map(|session| session.id).collect());
            }
            (response, reading) => panic!("{response:?} to {reading:?}"),
        }
    }
}
