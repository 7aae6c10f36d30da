//! A client and a server of its own, without sockets and with a clock that stands still.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::time::Duration;

use crate::{
    Instant,
    client::{Event, Machine, Options, Step},
    conn::{self, Buffered, Server},
    handshake::{Answer, Limits, RESPONSE_BYTES, Reply, ServerHandshake, Verdict},
    wire::{CloseCode, Kind},
};

pub(super) type Masks = fn() -> [u8; 4];

pub(super) struct World {
    pub(super) machine: Machine<Masks>,
    pub(super) now: Instant,
    /// What the server does with who connects.
    pub(super) door: Door,
    pub(super) link: Link,
    /// The messages that the server has received, with the number of their connection.
    pub(super) received: Vec<(usize, String)>,
    /// The close code that it has received last.
    pub(super) closed: Option<u16>,
    /// How many connections there were.
    pub(super) connections: usize,
    pub(super) random: u64,
    /// How many bytes go over the wire at once.
    pub(super) cut: usize,
    /// Whether the server reads.
    pub(super) reads: bool,
}

#[derive(Clone)]
pub(super) enum Door {
    Closed,
    /// Nobody answers.
    Black,
    /// This is answered to each request.
    Answers(String),
    /// A v1 session.
    Open,
}

pub(super) enum Link {
    Down,
    Shaking(Vec<u8>, Vec<u8>),
    Up(alloc::boxed::Box<Buffered<Server>>),
    /// The server's end is gone, and what it said before is still to be read.
    Gone(Vec<u8>),
}

/// The least draw that makes the shortest backoff longer than nothing: without any time, the clock
/// would stand still.
pub(super) const SOME: u64 = 1 << 45;

pub(super) const URL: &str = "ws://example.com:8000/a?b";

impl World {
    pub(super) fn new(options: Options) -> Self {
        Self {
            machine: Machine::new(URL.parse().unwrap(), options),
            now: Instant::from_millis(1000),
            door: Door::Open,
            link: Link::Down,
            received: Vec::new(),
            closed: None,
            connections: 0,
            random: u64::MAX,
            cut: usize::MAX,
            reads: true,
        }
    }

    /// Drives the client until it waits; its events.
    pub(super) fn run(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            while let Some(event) = self.machine.next_event() {
                events.push(event);
            }
            if !self.step() {
                return events;
            }
        }
    }

    /// Does one step; whether there is another one without waiting.
    pub(super) fn step(&mut self) -> bool {
        let random = self.random;
        match self.machine.poll(self.now, || random) {
            Step::Take => panic!("all events were taken"),
            Step::Wait => {
                self.link = Link::Down;
                self.machine.has_events()
            }
            Step::Over => {
                self.link = Link::Down;
                self.machine.has_events()
            }
            Step::Connect => match self.door {
                Door::Closed => {
                    self.machine.connect_failed("refused".into(), self.now);
                    true
                }
                Door::Black => false,
                Door::Answers(_) | Door::Open => {
                    self.link = Link::Shaking(Vec::new(), Vec::new());
                    self.connections += 1;
                    self.machine.connected(|| [1, 2, 3, 4], self.now);
                    true
                }
            },
            Step::Write => self.write(),
            Step::Read => self.read(),
            Step::ShutDown => true,
        }
    }

    fn write(&mut self) -> bool {
        if !self.reads {
            return false;
        }
        let count = self.machine.unsent().len().min(self.cut);
        let bytes = self.machine.unsent()[..count].to_vec();
        self.machine.sent(count);
        match &mut self.link {
            Link::Down => panic!("there is no transport"),
            Link::Gone(_) => self.machine.transport_failed("broken".into(), self.now),
            Link::Shaking(request, answer) => {
                request.extend_from_slice(&bytes);
                if request.ends_with(b"\r\n\r\n") {
                    *answer = match &self.door {
                        Door::Answers(text) => text.clone().into_bytes(),
                        Door::Open | Door::Closed | Door::Black => accept(request),
                    };
                }
            }
            Link::Up(conn) => {
                for byte in bytes.chunks(conn.space().len().max(1)) {
                    conn.space()[..byte.len()].copy_from_slice(byte);
                    conn.received(byte.len());
                    for event in conn.messages(self.now) {
                        let event = event.unwrap();
                        if let conn::Event::Data(data) = event {
                            let text = String::from_utf8(data.bytes.to_vec()).unwrap();
                            self.received.push((self.connections, text));
                        } else if let conn::Event::Close(payload) = event {
                            self.closed = payload.map(|payload| payload.code.get());
                        }
                    }
                }
            }
        }
        true
    }

    fn read(&mut self) -> bool {
        let cut = self.cut;
        let space = self.machine.space();
        let (count, is_up) = match &mut self.link {
            Link::Down => panic!("there is no transport"),
            Link::Shaking(_, answer) => {
                let count = answer.len().min(cut).min(space.len());
                space[..count].copy_from_slice(&answer[..count]);
                answer.drain(..count);
                (count, answer.is_empty())
            }
            Link::Up(conn) => {
                let count = conn.unsent().len().min(cut).min(space.len());
                space[..count].copy_from_slice(&conn.unsent()[..count]);
                conn.sent(count);
                if count == 0 && (conn.take_shutdown() || conn.is_over()) {
                    self.machine.receive_eof(self.now);
                    return true;
                }
                (count, false)
            }
            Link::Gone(rest) => {
                let count = rest.len().min(cut).min(space.len());
                space[..count].copy_from_slice(&rest[..count]);
                rest.drain(..count);
                if count == 0 {
                    self.machine.receive_eof(self.now);
                    return true;
                }
                (count, false)
            }
        };
        if count == 0 {
            return false;
        }
        if is_up {
            self.link = Link::Up(Buffered::new(Server, &server(), b"", self.now).into());
        }
        self.machine.received(count, self.now);
        true
    }

    /// Lets time pass, with everything that is due in it.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Event> {
        let end = self.now.after(time);
        let mut events = self.run();
        while self.machine.deadline() <= end {
            self.now = self.now.max(self.machine.deadline());
            self.machine.handle_timeout(self.now);
            events.extend(self.run());
        }
        self.now = end;
        events
    }

    /// Lets time pass until there is a connection again.
    pub(super) fn come_back(&mut self) -> Vec<Event> {
        let connections = self.connections;
        let mut events = Vec::new();
        while self.connections == connections {
            events.extend(self.pass(Duration::from_millis(100)));
        }
        events
    }

    /// Lets time pass in which nobody drives the client.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    pub(super) fn says(&mut self, text: &str) {
        self.conn().send(Kind::Text, text.as_bytes()).unwrap();
    }

    pub(super) fn closes(&mut self, code: u16) {
        let now = self.now;
        let code = CloseCode::new(code).unwrap();
        self.conn().close(code, "so it is", now).unwrap();
    }

    /// The server is killed; what it said before is still under way.
    pub(super) fn dies(&mut self) {
        self.link = match core::mem::replace(&mut self.link, Link::Down) {
            Link::Up(conn) => Link::Gone(conn.unsent().to_vec()),
            Link::Down | Link::Shaking(..) | Link::Gone(_) => Link::Gone(Vec::new()),
        };
    }

    fn conn(&mut self) -> &mut Buffered<Server> {
        match &mut self.link {
            Link::Up(conn) => conn,
            Link::Down | Link::Shaking(..) | Link::Gone(_) => panic!("there is no connection"),
        }
    }

    pub(super) fn take_received(&mut self) -> Vec<String> {
        let received = core::mem::take(&mut self.received);
        received.into_iter().map(|(_, message)| message).collect()
    }
}

/// The server does not ping: its client is under test.
fn server() -> conn::Config {
    conn::Config {
        ping_interval: None,
        ..conn::Config::new()
    }
}

fn accept(request: &[u8]) -> Vec<u8> {
    let mut out = [0; RESPONSE_BYTES];
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    let mut offered = None;
    let answer = handshake.answer_as(request, &mut out, |request| {
        let protocol = request.protocols().next();
        offered = protocol.map(|name| name.to_string());
        Verdict::Accept(Reply {
            protocol,
            extensions: None,
        })
    });
    let Answer::Accepted { response, .. } = answer else {
        panic!("the request is valid: {answer:?}");
    };
    assert_eq!(offered.as_deref(), Some("campanile.v1"));
    assert!(request.starts_with(b"GET /a?b HTTP/1.1\r\nHost: example.com:8000\r\n"));
    response.to_vec()
}

pub(super) fn subscribed(position: u64) -> String {
    format!(r#"{{"sender":"server","subscribed":{{"count":1,"position":"{position}"}}}}"#)
}

pub(super) fn published(position: u64) -> String {
    format!(r#"{{"sender":"server","published":{{"position":"{position}","recipients":2}}}}"#)
}

pub(super) fn error(code: &str) -> String {
    format!(r#"{{"sender":"server","error":{{"code":"{code}","message":"no"}}}}"#)
}

pub(super) fn notification(number: u64) -> String {
    format!(
        r#"{{"position":"{number}","sender":"server","notification":{{"package":"p","page":"q","data":{number}}}}}"#
    )
}
