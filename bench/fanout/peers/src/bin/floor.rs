//! The floor: what hardly any hub can save.
//!
//! It parses nothing but frame lengths, and of a text the few bytes by which it tells a publication and
//! a channel: no JSON, no UTF-8, no filters, no limits, no keep-alive. Sockets are read and written
//! directly on epoll, edge-triggered. A publication is unmasked once, and the same bytes go to everybody.
//! A channel is never forgotten: it is good for one load, and then to be started anew.
//!
//! With `batch`, everything that waited in a publisher's socket goes to each receiver in one `send`;
//! without, each message in one of its own, as a hub must do to which they come one by one.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read as _, Write as _},
    mem,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use campanile_fanout_peers::{V1, listen, published};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

const LISTENER: Token = Token(usize::MAX);

/// How many bytes are read at once.
const READ: usize = 64 * 1024;

/// How many are read before others have their turn.
const TURN: usize = 16 * 1024 * 1024;

fn main() -> io::Result<()> {
    let (listener, batch) = listen("batch");
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut hub = Hub {
        batch,
        ..Hub::default()
    };
    let mut buffer = vec![0; READ];
    loop {
        let wait = (!hub.again.is_empty()).then_some(Duration::ZERO);
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    let token = hub.sessions.len();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    socket.set_nodelay(true)?;
                    poll.registry().register(&mut socket, Token(token), both)?;
                    hub.sessions.push(Some(Session::new(socket)));
                }
                continue;
            }
            let token = event.token().0;
            if event.is_writable() {
                hub.flush(token);
            }
            if event.is_readable() {
                hub.turn(token, &mut buffer);
            }
        }
        for token in mem::take(&mut hub.again) {
            hub.turn(token, &mut buffer);
        }
    }
}

#[derive(Default)]
struct Hub {
    batch: bool,
    sessions: Vec<Option<Session>>,
    everybody: Vec<usize>,
    channels: HashMap<Box<[u8]>, usize>,
    /// Frames for everybody, and who has frames of its own, until the end of a turn.
    common: Vec<u8>,
    dirty: Vec<usize>,
    /// Whose turn ended before there was nothing left.
    again: Vec<usize>,
    published: u64,
}

struct Session {
    socket: TcpStream,
    open: bool,
    v1: bool,
    /// What is cut in the middle.
    left: Vec<u8>,
    /// What the socket has not taken, or waits for the end of a turn.
    out: Vec<u8>,
}

impl Session {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            open: false,
            v1: false,
            left: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Sends at once, unless something waits already.
    fn send(&mut self, bytes: &[u8]) {
        let sent = if self.out.is_empty() {
            self.socket.write(bytes).unwrap_or(0)
        } else {
            0
        };
        self.out.extend_from_slice(&bytes[sent..]);
    }

    fn flush(&mut self) {
        if !self.out.is_empty() {
            let sent = self.socket.write(&self.out).unwrap_or(0);
            self.out.drain(..sent);
        }
        if self.out.is_empty() {
            self.out.shrink_to(READ);
        }
    }
}

impl Hub {
    fn flush(&mut self, token: usize) {
        if let Some(Some(session)) = self.sessions.get_mut(token) {
            session.flush();
        }
    }

    fn turn(&mut self, token: usize, buffer: &mut [u8]) {
        let read = self.read(token, buffer);
        self.send_collected();
        if read.is_err() {
            self.sessions[token] = None; // the tokens of a benchmark need not be used again
        }
    }

    /// Reads all there is; an error is the end of the session.
    fn read(&mut self, token: usize, buffer: &mut [u8]) -> io::Result<()> {
        let mut left = TURN;
        loop {
            if left == 0 {
                self.again.push(token);
                return Ok(());
            }
            let Some(Some(session)) = self.sessions.get_mut(token) else {
                return Ok(());
            };
            let kept = session.left.len();
            let count = match session.socket.read(&mut buffer[kept..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            buffer[..kept].copy_from_slice(&session.left);
            session.left.clear();
            let bytes = &mut buffer[..kept + count];
            let mut at = 0;
            if !session.open {
                let Some(consumed) = shake_hands(session, bytes) else {
                    session.left.extend_from_slice(bytes);
                    continue;
                };
                at = consumed;
            }
            while let Some((opcode, payload, end)) = frame(bytes, at) {
                self.hear(token, opcode, &bytes[payload..end])?;
                at = end;
            }
            if let Some(Some(session)) = self.sessions.get_mut(token) {
                session.left.extend_from_slice(&bytes[at..]);
            }
            if kept + count < buffer.len() {
                return Ok(()); // what comes later is another event
            }
            left = left.saturating_sub(count);
        }
    }

    fn hear(&mut self, token: usize, opcode: u8, payload: &[u8]) -> io::Result<()> {
        match opcode {
            1 if payload.starts_with(br#"{"sender":"server""#) => self.publish(token, payload),
            1 => match quoted_behind(payload, br#""channel":[""#) {
                Some(channel) => drop(self.channels.insert(channel.into(), token)),
                None => self.everybody.push(token),
            },
            8 => {
                if let Some(Some(session)) = self.sessions.get_mut(token) {
                    let mut close = Vec::new();
                    put_frame(0x88, payload, &mut close);
                    session.send(&close);
                }
                return Err(ErrorKind::ConnectionAborted.into());
            }
            9 => {
                let mut pong = Vec::new();
                put_frame(0x8A, payload, &mut pong);
                if let Some(Some(session)) = self.sessions.get_mut(token) {
                    session.send(&pong);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn publish(&mut self, publisher: usize, payload: &[u8]) {
        self.published += 1;
        let one = quoted_behind(payload, br#""channel":""#)
            .and_then(|channel| self.channels.get(channel))
            .copied();
        if one.is_none() && self.batch {
            put_frame(0x81, payload, &mut self.common);
        } else if let Some(one) = one {
            if let Some(Some(session)) = self.sessions.get_mut(one) {
                if session.out.is_empty() {
                    self.dirty.push(one);
                }
                put_frame(0x81, payload, &mut session.out);
                if !self.batch {
                    session.flush();
                }
            }
        } else {
            self.common.clear();
            put_frame(0x81, payload, &mut self.common);
            for token in &self.everybody {
                if let Some(Some(session)) = self.sessions.get_mut(*token) {
                    session.send(&self.common);
                }
            }
            self.common.clear();
        }
        let recipients = one.map_or(self.everybody.len(), |_| 1);
        if let Some(Some(session)) = self.sessions.get_mut(publisher)
            && session.v1
        {
            if session.out.is_empty() {
                self.dirty.push(publisher);
            }
            let answer = published(self.published, recipients);
            put_frame(0x81, answer.as_bytes(), &mut session.out);
        }
    }

    fn send_collected(&mut self) {
        if !self.common.is_empty() {
            for token in &self.everybody {
                if let Some(Some(session)) = self.sessions.get_mut(*token) {
                    session.send(&self.common);
                }
            }
            self.common.clear();
        }
        while let Some(token) = self.dirty.pop() {
            self.flush(token);
        }
    }
}

/// Answers the opening handshake if it is all there; how long it was.
fn shake_hands(session: &mut Session, bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (it, value) = line.split_once(':')?;
            it.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(field("Sec-WebSocket-Key")?.as_bytes());
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(sha1.digest().bytes());
    session.v1 = field("Sec-WebSocket-Protocol").is_some_and(campanile_fanout_peers::offers_v1);
    let protocol = if session.v1 {
        format!("Sec-WebSocket-Protocol: {V1}\r\n")
    } else {
        String::new()
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    );
    session.open = true;
    session.send(answer.as_bytes());
    Some(end)
}

/// The frame at this place, unmasked: its opcode, and where its payload starts and ends.
fn frame(bytes: &mut [u8], at: usize) -> Option<(u8, usize, usize)> {
    let head = bytes.get(at..)?;
    let opcode = head.first()? & 15;
    let (len, mask) = match head.get(1)? & 0x7F {
        126 => {
            let len = head.get(2..4)?.try_into().ok()?;
            (usize::from(u16::from_be_bytes(len)), at + 4)
        }
        127 => {
            let len = head.get(2..10)?.try_into().ok()?;
            (usize::try_from(u64::from_be_bytes(len)).ok()?, at + 10)
        }
        len => (usize::from(len), at + 2),
    };
    let payload = mask + 4;
    let end = payload + len;
    let key: [u8; 4] = bytes.get(mask..payload)?.try_into().ok()?;
    let word = u64::from_ne_bytes([key, key].concat().try_into().ok()?);
    let (words, rest) = bytes.get_mut(payload..end)?.as_chunks_mut::<8>();
    for it in words {
        *it = (u64::from_ne_bytes(*it) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([key, key].concat()) {
        *byte ^= key;
    }
    Some((opcode, payload, end))
}

fn put_frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..126), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// What is between `opening` and the next quote.
fn quoted_behind<'p>(payload: &'p [u8], opening: &[u8]) -> Option<&'p [u8]> {
    let start = payload
        .windows(opening.len())
        .position(|window| window == opening)?
        + opening.len();
    let rest = &payload[start..];
    rest.get(..rest.iter().position(|byte| *byte == b'"')?)
}
