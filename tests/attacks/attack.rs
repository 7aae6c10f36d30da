//! What an attack is: a program, and how the daemon must end it.

use core::net::{IpAddr, SocketAddr};

use campanile_tests::{Frame, Received, Wire, error_in};

use crate::network;

/// An attack: a bounded program that speaks to the daemon, and what must come of it.
pub(crate) struct Attack {
    /// What it does.
    pub(crate) name: &'static str,
    /// Whether it comes from the daemon's own machine, and so may publish.
    pub(crate) is_beside: bool,
    /// Whether it makes sense only where attackers come from another machine.
    pub(crate) is_afar: bool,
    /// Whether it waits for seconds that no setting shortens.
    pub(crate) is_slow: bool,
    /// The limits that it runs into, as `docs/limits.md` calls them.
    pub(crate) limits: &'static [&'static str],
    /// How it may end.
    pub(crate) ends: &'static [End],
    /// The sample of the metrics that counts it.
    pub(crate) counted: Option<&'static str>,
    run: Program,
}

/// How the daemon ends an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By one HTTP response with this status, and the end of the connection.
    Status(u16),
    /// By a Close with this code, and the end of the connection.
    Close(u16),
    /// By the end of the connection, without a word about it.
    CutOff,
    /// By this error, and the connection stays open.
    Error(&'static str),
    /// Not at all: it is served like anybody.
    Served,
}

/// What an attacker does.
enum Program {
    /// Sends these bytes in place of an opening handshake, and a publication that nobody may hear
    /// behind them.
    Request(fn() -> Vec<u8>),
    /// Sends these bytes after an opening handshake.
    Frames(fn(&mut Random) -> Vec<u8>),
    /// Sends this message after an opening handshake.
    Message(fn(&mut Random) -> String),
    /// Whatever it likes.
    Any(fn(&mut Attacker) -> End),
}

/// The samples of the metrics that count attacks.
pub(crate) mod counter {
    pub(crate) const FORBIDDEN: &str = "campanile_messages_refused_total{error=\"forbidden\"}";
    pub(crate) const GONE: &str = "campanile_disconnections_total{cause=\"gone\"}";
    pub(crate) const HTTP_ERRORS: &str = "campanile_http_errors_total";
    pub(crate) const LOST: &str = "campanile_handshakes_total{result=\"lost\"}";
    pub(crate) const MESSAGE_SIZE: &str = "campanile_limits_hit_total{limit=\"message_size\"}";
    pub(crate) const OTHER: &str = "campanile_messages_refused_total{error=\"other\"}";
    pub(crate) const PER_ADDRESS: &str =
        "campanile_limits_hit_total{limit=\"connections_per_address\"}";
    pub(crate) const RATE: &str = "campanile_limits_hit_total{limit=\"rate\"}";
    pub(crate) const REFUSED: &str = "campanile_handshakes_total{result=\"refused\"}";
    pub(crate) const SILENT: &str = "campanile_disconnections_total{cause=\"silent\"}";
    pub(crate) const SUBSCRIPTIONS: &str = "campanile_limits_hit_total{limit=\"subscriptions\"}";
    pub(crate) const TIMED_OUT: &str = "campanile_handshakes_total{result=\"timed_out\"}";
    pub(crate) const VIOLATIONS: &str = "campanile_protocol_violations_total";
    pub(crate) const WAITING: &str = "campanile_limits_hit_total{limit=\"waiting\"}";
}

/// What the hostile publication is about that smugglers hide behind a request.
pub(crate) const SMUGGLED: &str = r#"{"package":"attack","page":"smuggled"}"#;

impl Attack {
    const fn new(name: &'static str, run: Program, ends: &'static [End]) -> Self {
        Self {
            name,
            is_beside: false,
            is_afar: false,
            is_slow: false,
            limits: &[],
            ends,
            counted: None,
            run,
        }
    }

    /// Bytes in place of an opening handshake, with a publication behind them.
    pub(crate) const fn request(
        name: &'static str,
        bytes: fn() -> Vec<u8>,
        ends: &'static [End],
    ) -> Self {
        Self::new(name, Program::Request(bytes), ends)
    }

    /// Bytes after an opening handshake.
    pub(crate) const fn frames(
        name: &'static str,
        bytes: fn(&mut Random) -> Vec<u8>,
        ends: &'static [End],
    ) -> Self {
        Self::new(name, Program::Frames(bytes), ends)
    }

    /// A message, which is answered with an error.
    pub(crate) const fn message(
        name: &'static str,
        text: fn(&mut Random) -> String,
        ends: &'static [End],
    ) -> Self {
        Self::new(name, Program::Message(text), ends)
    }

    /// Any program.
    pub(crate) const fn any(
        name: &'static str,
        run: fn(&mut Attacker) -> End,
        ends: &'static [End],
    ) -> Self {
        Self::new(name, Program::Any(run), ends)
    }

    /// It comes from the daemon's own machine, and so may publish.
    pub(crate) const fn beside(mut self) -> Self {
        self.is_beside = true;
        self
    }

    /// It makes sense only from another machine.
    pub(crate) const fn afar(mut self) -> Self {
        self.is_afar = true;
        self
    }

    /// It waits for many seconds.
    pub(crate) const fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    /// It runs into these limits.
    pub(crate) const fn reaches(mut self, limits: &'static [&'static str]) -> Self {
        self.limits = limits;
        self
    }

    /// This sample counts it.
    pub(crate) const fn counted(mut self, sample: &'static str) -> Self {
        self.counted = Some(sample);
        self
    }

    /// Whether it can be made here.
    pub(crate) fn is_possible(&self) -> bool {
        !self.is_afar || network::is_inside()
    }

    /// Does it, from a host of this number; panics where the daemon does what it must not.
    pub(crate) fn run(&self, daemon: SocketAddr, host: u8, seed: u64) -> End {
        let local = if self.is_beside {
            network::beside(host)
        } else {
            network::host(host)
        };
        let mut attacker = Attacker {
            daemon,
            local,
            random: Random::new(seed),
        };
        let end = match self.run {
            Program::Request(bytes) => {
                let mut wire = attacker.connect();
                wire.send(&bytes());
                wire.try_send(&request("", &publication(SMUGGLED)));
                status(&mut wire)
            }
            Program::Frames(bytes) => {
                let mut wire = attacker.open();
                let bytes = bytes(&mut attacker.random);
                wire.try_send(&bytes);
                end(&mut wire)
            }
            Program::Message(text) => {
                let mut wire = attacker.open();
                wire.send_text(&text(&mut attacker.random));
                next_error(&mut wire)
            }
            Program::Any(run) => run(&mut attacker),
        };
        assert!(
            self.ends.contains(&end),
            "“{}” ended in {end:?}, not in one of {:?}",
            self.name,
            self.ends
        );
        end
    }
}

/// Who attacks.
pub(crate) struct Attacker {
    pub(crate) daemon: SocketAddr,
    local: IpAddr,
    pub(crate) random: Random,
}

impl Attacker {
    /// A connection, and nothing said.
    pub(crate) fn connect(&self) -> Wire {
        Wire::connect_from(self.local, self.daemon)
    }

    /// A connection after its opening handshake.
    pub(crate) fn open(&self) -> Wire {
        self.open_with("")
    }

    /// A v1 session.
    pub(crate) fn open_v1(&self) -> Wire {
        self.open_with("Sec-WebSocket-Protocol: campanile.v1\r\n")
    }

    /// A connection after an opening handshake with these header fields beside the usual ones.
    pub(crate) fn open_with(&self, fields: &str) -> Wire {
        let mut wire = self.connect();
        let request = Wire::handshake(self.daemon);
        let request = request.replacen("\r\n", &format!("\r\n{fields}"), 1);
        wire.send(request.as_bytes());
        let head = wire.receive_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        wire
    }
}

/// Numbers that look random, the same for the same seed (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a number in 64 bits");
        usize::try_from(self.number() % bound).expect("below a usize")
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number().to_be_bytes()[0]).collect()
    }
}

/// A publication about this.
pub(crate) fn publication(target: &str) -> String {
    format!(r#"{{"sender":"server","notification":{target}}}"#)
}

/// A request that publishes, with header fields beside the usual ones.
pub(crate) fn request(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /notifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// How an open connection ends, whatever is said on it before.
pub(crate) fn end(wire: &mut Wire) -> End {
    loop {
        match wire.receive() {
            Received::Close(code, _) => {
                wire.try_send(&Frame::close(code).masked());
                wire.expect_end();
                return End::Close(code);
            }
            Received::CloseWithoutCode => return End::Close(1005),
            Received::End => return End::CutOff,
            Received::Text(_) | Received::Binary(_) | Received::Pong(_) => {}
        }
    }
}

/// How a connection ends that has no handshake: by a single response, or by none.
pub(crate) fn status(wire: &mut Wire) -> End {
    let bytes = wire.read_to_end();
    let answer = String::from_utf8_lossy(&bytes);
    if answer.is_empty() {
        return End::CutOff;
    }
    // A status line, and not what a text says about HTTP.
    let lines = answer.match_indices("HTTP/1.1 ");
    let statuses: Vec<u16> = lines
        .filter_map(|(at, line)| answer.get(at + line.len()..)?.get(..3)?.parse().ok())
        .collect();
    match statuses[..] {
        [status] => End::Status(status),
        _ => panic!("not one response: {answer}"),
    }
}

/// The first error that is answered, on a connection that is then as good as before; or that there is
/// nothing but service.
pub(crate) fn next_error(wire: &mut Wire) -> End {
    const PING: &str = r#"{"type":"ping"}"#;
    wire.send_text(PING);
    let mut first = End::Served;
    loop {
        match wire.receive() {
            Received::Text(text) if text == r#"{"type":"pong"}"# => return first,
            Received::Text(text) => {
                let error = error_in(&text);
                let code = error.as_ref().and_then(|error| error["code"].as_str());
                let known = CODES.iter().find(|known| Some(**known) == code);
                if let (End::Served, Some(code)) = (first, known) {
                    first = End::Error(code);
                }
            }
            Received::Close(code, _) => return End::Close(code),
            Received::CloseWithoutCode => return End::Close(1005),
            Received::End => return End::CutOff,
            Received::Binary(_) | Received::Pong(_) => {}
        }
    }
}

/// Codes of errors that the attacks provoke.
const CODES: &[&str] = &[
    "forbidden",
    "invalid_json",
    "invalid_message",
    "invalid_notification",
    "invalid_subscription",
    "rate_limited",
    "too_many_subscriptions",
];
