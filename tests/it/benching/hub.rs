//! A tiny hub that does what `campanile bench` needs, and does it wrong on purpose.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use campanile_core::{
    Instant,
    conn::{Buffered, Config, Event, Server},
    handshake::{
        DEFAULT_HEADERS, EMPTY_HEADER, Limits, RESPONSE_BYTES, Refusal, Reply, ServerHandshake,
        Status, accept, refuse,
    },
    wire::{CloseCode, Kind},
};
use campanile_tests::Frame;
use serde_json::Value;

/// What the hub does wrong, once, on the way to the first client that subscribed, or to a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// Leaves a delivery out.
    Lose,
    /// Delivers one twice.
    Double,
    /// Delivers the last one twice.
    DoubleLast,
    /// Delivers one behind the next.
    Swap,
    /// Changes a byte of one.
    Alter,
    /// Delivers one that was never published.
    Invent,
    /// Delivers one to a client that did not subscribe to its channel.
    Misroute,
    /// Closes the client's connection.
    Close,
    /// Drops the client's connection.
    Drop,
    /// Says that nobody hears a publication.
    Belittle,
    /// Answers a publication with an error.
    Forbid,
    /// Does not answer a publication.
    Ignore,
    /// Does not know `campanile.v1`.
    Classic,
    /// Refuses all connections, with HTTP status 503.
    Refuse,
    /// Does not confirm the subscriptions of v1 sessions.
    Unconfirmed,
    /// Answers a subscription with an error.
    RefuseSubscription,
}

/// Which delivery is treated so.
const CHOSEN: u64 = 5;

/// How many notifications a run publishes, for the fault that comes last.
pub(super) const LAST: u64 = 40;

#[derive(Debug)]
struct Hub {
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    published: u64,
    /// Frames that were held back for the first member.
    held: Vec<u8>,
}

#[derive(Debug)]
struct Member {
    socket: TcpStream,
    v1: bool,
    /// `None` hears all.
    channel: Option<Value>,
}

/// Starts a hub, which ends with the test process; answers where it is.
pub(super) fn start(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let hub = Arc::new(Hub {
        fault,
        state: Mutex::default(),
    });
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (hub, socket) = (Arc::clone(&hub), socket.expect("a connection"));
            thread::spawn(move || hub.serve(socket));
        }
    });
    address
}

impl Hub {
    fn serve(&self, mut socket: TcpStream) {
        let Some((v1, behind)) = self.shake_hands(&mut socket) else {
            return;
        };
        let config = Config {
            ping_interval: None,
            ..Config::new()
        };
        let mut session = Buffered::new(Server, &config, &behind, Instant::ZERO);
        loop {
            let mut texts = Vec::new();
            for event in session.messages(Instant::ZERO) {
                if let Event::Data(data) = event.expect("the tool keeps the protocol") {
                    texts.push(data.bytes.to_vec());
                }
            }
            for text in texts {
                let Some(answer) = self.hear(&text, v1, &socket) else {
                    continue;
                };
                session.send(Kind::Text, answer.as_bytes()).expect("open");
            }
            {
                // Deliveries to this session are written by others.
                let _turn = self.state.lock().expect("no holder panics");
                let out = session.unsent();
                let written = socket.write_all(out);
                let count = out.len();
                session.sent(count);
                if written.is_err() || session.is_over() {
                    return;
                }
                if session.take_shutdown() {
                    let _ = socket.shutdown(std::net::Shutdown::Both);
                    return;
                }
            }
            match socket.read(session.space()) {
                Ok(count @ 1..) => session.received(count),
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Whether it is a v1 session, and the bytes behind.
    fn shake_hands(&self, socket: &mut TcpStream) -> Option<(bool, Vec<u8>)> {
        let mut handshake = ServerHandshake::new(Limits::DEFAULT);
        let mut received = Vec::new();
        let mut chunk = [0; 1024];
        loop {
            let count = socket.read(&mut chunk).ok().filter(|count| *count > 0)?;
            received.extend_from_slice(&chunk[..count]);
            let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
            let request = handshake.receive(&received, &mut headers);
            let Status::Complete { value, consumed } = request.expect("a good request") else {
                continue;
            };
            let mut out = [0; RESPONSE_BYTES];
            if self.fault == Fault::Refuse {
                let refusal = Refusal {
                    status: 503,
                    reason: "Service Unavailable",
                    headers: &[],
                    body: "",
                };
                let response = refuse(&refusal, &mut out).expect("it fits");
                let _ = socket.write_all(response);
                return None;
            }
            let protocol = value
                .protocols()
                .find(|offered| *offered == "campanile.v1" && self.fault != Fault::Classic);
            let reply = Reply {
                protocol,
                extensions: None,
            };
            let response = accept(&value, &reply, &mut out).expect("it fits");
            socket.write_all(response).ok()?;
            return Some((protocol.is_some(), received[consumed..].to_vec()));
        }
    }

    /// Takes a message, and gives the answer.
    fn hear(&self, text: &[u8], v1: bool, socket: &TcpStream) -> Option<String> {
        let message: Value = serde_json::from_slice(text).expect("JSON");
        let mut state = self.state.lock().expect("no holder panics");
        if let Some(subscription) = message["subscriptions"].get(0) {
            if self.fault == Fault::RefuseSubscription {
                return Some(ERROR.to_owned());
            }
            state.members.push(Member {
                socket: socket.try_clone().expect("a descriptor"),
                v1,
                channel: subscription["filters"]["values"]["channel"].get(0).cloned(),
            });
            let confirmed = v1 && self.fault != Fault::Unconfirmed;
            return confirmed.then(|| {
                r#"{"sender":"server","subscribed":{"count":1,"position":"0"}}"#.to_owned()
            });
        }
        let channel = &message["notification"]["filters"]["values"]["channel"];
        let recipients = self.deliver(&mut state, text, channel);
        if !v1 {
            return None;
        }
        let State { published, .. } = *state;
        let is = |fault| published == CHOSEN && self.fault == fault;
        if is(Fault::Forbid) {
            Some(ERROR.to_owned())
        } else if is(Fault::Ignore) {
            None
        } else if is(Fault::Belittle) {
            Some(answer(published, 0))
        } else {
            Some(answer(published, recipients))
        }
    }

    fn deliver(&self, state: &mut State, text: &[u8], channel: &Value) -> usize {
        state.published += 1;
        let State {
            members,
            published,
            held,
        } = state;
        let now = *published;
        let is = |fault| now == CHOSEN && self.fault == fault;
        let mut recipients = 0;
        for (number, member) in members.iter_mut().enumerate() {
            let hears = member.channel.as_ref().is_none_or(|it| it == channel);
            recipients += usize::from(hears);
            let misrouted = is(Fault::Misroute) && !hears;
            if !hears && !misrouted {
                continue;
            }
            let mut text = text.to_vec();
            if member.v1 {
                let position = format!(r#"{{"position":"{now}","#);
                text.splice(..1, position.into_bytes());
            }
            if number > 0 {
                member.send(&text);
                continue;
            }
            if is(Fault::Lose) {
                continue;
            } else if is(Fault::Double) || self.fault == Fault::DoubleLast && now == LAST {
                member.send(&text);
                member.send(&text);
            } else if is(Fault::Swap) {
                held.clone_from(&text);
            } else if is(Fault::Alter) {
                let spoilt = text.len() - 4;
                text[spoilt] ^= 1;
                member.send(&text);
            } else if is(Fault::Invent) {
                member.send(&text);
                let invented =
                    String::from_utf8_lossy(&text).replace(r#""sequence":"0"#, r#""sequence":"9"#);
                member.send(invented.as_bytes());
            } else if is(Fault::Close) {
                member.close();
            } else if is(Fault::Drop) {
                let _ = member.socket.shutdown(std::net::Shutdown::Both);
            } else {
                member.send(&text);
                if !held.is_empty() {
                    member.send(&std::mem::take(held));
                }
            }
        }
        recipients
    }
}

impl Member {
    /// A client that is gone hears nothing.
    fn send(&mut self, text: &[u8]) {
        let _ = self.socket.write_all(&Frame::text(text).unmasked());
    }

    fn close(&mut self) {
        let mut payload = CloseCode::TRY_AGAIN_LATER.get().to_be_bytes().to_vec();
        payload.extend_from_slice(b"slow consumer");
        let _ = self.socket.write_all(&Frame::new(0x8, payload).unmasked());
    }
}

const ERROR: &str = r#"{"sender":"server","error":{"code":"forbidden","message":"not today"}}"#;

fn answer(position: u64, recipients: usize) -> String {
    format!(
        r#"{{"sender":"server","published":{{"position":"{position}","recipients":{recipients}}}}}"#
    )
}
