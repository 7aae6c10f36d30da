//! The opening handshake of a buffered connection, and that nobody sees where it ends.

use alloc::format;
use core::{iter, mem};

use proptest::prelude::*;

use super::{
    splitting::{cut, stream},
    *,
};
use crate::handshake::{
    Answer, BadRequest, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME, Limits, RESPONSE_BYTES,
    ServerHandshake,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const MOMENT: Duration = Duration::from_micros(1);

/// A connection from its first byte on, with a transport that takes and gives what it is told to.
struct Served {
    conn: Buffered<Server>,
    now: Instant,
    seen: Vec<Seen>,
    sent: Vec<u8>,
    shut_down: bool,
}

impl Served {
    fn new(limits: Limits) -> Self {
        let config = Config {
            control_burst: 1_000,
            ..Config::new()
        };
        Self {
            conn: Buffered::accept(&config, limits, Instant::ZERO),
            now: Instant::ZERO,
            seen: Vec::new(),
            sent: Vec::new(),
            shut_down: false,
        }
    }

    /// Gives it these bytes as one read, or as many as its space makes necessary.
    fn receive(&mut self, mut bytes: &[u8]) -> &mut Self {
        while !bytes.is_empty() && !self.conn.is_over() {
            if self.conn.is_understood() {
                let space = self.conn.space();
                let count = space.len().min(bytes.len());
                assert!(count > 0, "bytes for which there is no room");
                space[..count].copy_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                self.conn.received(count);
            }
            self.listen();
        }
        self
    }

    fn listen(&mut self) -> &mut Self {
        while !self.conn.is_understood() {
            for event in self.conn.messages(self.now) {
                match event {
                    Ok(event) => see(&mut self.seen, event),
                    Err(violation) => self.seen.push(Seen::Violation(violation)),
                }
            }
        }
        self.write()
    }

    fn write(&mut self) -> &mut Self {
        let unsent = self.conn.unsent().to_vec();
        assert!(unsent.is_empty() || !self.shut_down, "bytes behind the end");
        self.sent.extend(&unsent);
        self.conn.sent(unsent.len());
        self.shut_down |= self.conn.take_shutdown();
        self
    }

    fn receive_eof(&mut self) -> &mut Self {
        self.conn.receive_eof(self.now);
        self.write()
    }

    fn handle_timeout(&mut self, now: Instant) -> &mut Self {
        self.now = now;
        self.conn.handle_timeout(now);
        self.write()
    }

    fn status(&self) -> &str {
        let line = self.sent.get(..12).unwrap_or_default();
        core::str::from_utf8(line).unwrap()
    }
}

type Outcome = (Vec<Seen>, Vec<u8>, bool, Option<OpeningError>);

fn served(pieces: &[&[u8]], limits: Limits) -> Outcome {
    let mut served = Served::new(limits);
    for piece in pieces {
        served.receive(piece);
    }
    served.receive_eof();
    assert!(served.conn.is_over() && served.shut_down);
    let error = served.conn.opening_error();
    assert_eq!(served.conn.is_open(), error.is_none());
    assert_eq!(served.conn.poll_timeout(), None);
    (served.seen, served.sent, served.shut_down, error)
}

/// The same by hand: the handshake, then a connection that starts behind it.
fn by_hand(bytes: &[u8], limits: Limits) -> (Vec<Seen>, Vec<u8>, Option<OpeningError>) {
    let mut out = [0; RESPONSE_BYTES];
    match ServerHandshake::new(limits).answer(bytes, &mut out) {
        Answer::Partial => (Vec::new(), Vec::new(), Some(OpeningError::Lost)),
        Answer::Refused { bad, response } => {
            let bad = OpeningError::BadRequest(bad);
            (Vec::new(), response.to_vec(), Some(bad))
        }
        Answer::Declined { .. } => panic!("nobody judges"),
        Answer::Accepted { consumed, response } => {
            let mut side = server_with(&Config {
                control_burst: 1_000,
                ..Config::new()
            });
            side.receive(&bytes[consumed..]);
            let mut sent = response.to_vec();
            for told in side.told() {
                if let Told::Bytes(bytes) = told {
                    sent.extend(bytes);
                }
            }
            (side.seen(), sent, None)
        }
    }
}

/// Mostly the sample, sometimes with a fault or with more than `Limits` have room for.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let request = REQUEST.as_bytes().to_vec();
    let damaged = (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| {
        let mut bytes = REQUEST.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // Enough behind it that there is a verdict before the end, whatever the fault is.
        bytes.resize(bytes.len() + Limits::DEFAULT.head_bytes, b'x');
        bytes
    });
    let padded = (0_usize..3_000).prop_map(|len| {
        let field = format!("\r\nCookie: {}\r\n\r\n", "x".repeat(len));
        REQUEST.replace("\r\n\r\n", &field).into_bytes()
    });
    prop_oneof![4 => Just(request), 2 => damaged, 2 => padded]
}

/// Messages whole, control frames between them: how the tests of `splitting` see a stream.
fn in_order(mut seen: Vec<Seen>) -> (Vec<Seen>, Vec<Seen>) {
    seen.retain(|seen| !matches!(seen, Seen::Part(..)));
    let of_a_message = |seen: &Seen| matches!(seen, Seen::Message(..));
    seen.into_iter().partition(of_a_message)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn where_the_bytes_of_request_and_frames_are_cut_makes_no_difference(
        request in request(),
        frames in stream(masked),
        cuts in prop::collection::vec(1_usize..400, 1..6),
        head_bytes in prop_oneof![Just(0_usize), Just(1_500), Just(8_192)],
    ) {
        let limits = Limits { head_bytes };
        let bytes = [request, frames].concat();
        let whole = served(&[&bytes], limits);
        prop_assert_eq!(&served(&cut(&bytes, &[1]), limits), &whole);
        prop_assert_eq!(&served(&cut(&bytes, &cuts), limits), &whole);
        let (seen, sent, _, error) = whole;
        let (heard, told, fault) = by_hand(&bytes, limits);
        prop_assert_eq!((in_order(seen), sent, error), (in_order(heard), told, fault));
    }
}

/// Without this, what is above would prove little.
#[test]
fn the_sample_opens_a_connection_whose_first_frame_came_with_it() {
    let bytes = [
        REQUEST.as_bytes(),
        &masked(OpCode::Text, true, "at once".as_bytes()),
    ]
    .concat();
    let mut served = Served::new(Limits::DEFAULT);
    served.receive(&bytes);
    assert!(served.conn.is_open() && !served.conn.is_over());
    assert_eq!(served.seen, [text("at once")]);
    assert_eq!(served.status(), "HTTP/1.1 101");
    assert_eq!(
        served.conn.poll_timeout(),
        Some(Instant::ZERO.after(Config::PING_INTERVAL))
    );
}

#[test]
fn a_head_may_be_larger_than_what_is_read_at_once_as_far_as_the_limits_allow() {
    let long = format!("\r\nCookie: {}\r\n\r\n", "x".repeat(100_000));
    let request = REQUEST.replace("\r\n\r\n", &long);
    let limits = |head_bytes| Limits { head_bytes };
    let mut taken = Served::new(limits(request.len()));
    taken.receive(request.as_bytes());
    assert!(taken.conn.is_open());
    assert_eq!(taken.conn.space().len(), BUFFER);

    let mut refused = Served::new(limits(request.len() - 1));
    refused.receive(request.as_bytes());
    let limit = request.len() - 1;
    let bad = BadRequest::HeadTooLarge { limit };
    assert_eq!(
        refused.conn.opening_error(),
        Some(OpeningError::BadRequest(bad))
    );
    assert_eq!(refused.status(), "HTTP/1.1 431");
}

#[test]
fn nothing_makes_the_opening_take_more_room_than_the_limits_say() {
    for head_bytes in [0, 1, 1_024, 1_025, 5_000] {
        let mut conn = Buffered::accept(&Config::new(), Limits { head_bytes }, Instant::ZERO);
        let mut filled = 0;
        while conn.opening_error().is_none() {
            conn.events(Instant::ZERO).for_each(drop);
            if conn.opening_error().is_none() {
                let space = conn.space();
                // A head without an end.
                let head = b"GET / HTTP/1.1\r\nx: ".iter().chain(iter::repeat(&b'x'));
                for (to, from) in space.iter_mut().zip(head.skip(filled)) {
                    *to = *from;
                }
                let len = space.len();
                assert!(len > 0);
                filled += len;
                conn.received(len);
            }
        }
        assert!(filled <= head_bytes.max(1_024), "{filled}");
    }
    // A driver that does not look at what it reads.
    let mut conn = Buffered::accept(&Config::new(), Limits::DEFAULT, Instant::ZERO);
    let len = conn.space().len();
    conn.received(len);
    assert!(len <= 1_024 && conn.space().is_empty());
}

#[test]
fn who_says_nothing_or_trickles_a_request_is_given_up_in_time() {
    let deadline = Instant::ZERO.after(HANDSHAKE_TIME);
    for said in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut served = Served::new(Limits::DEFAULT);
        served.receive(said.as_bytes());
        assert_eq!(served.conn.poll_timeout(), Some(deadline));
        served.handle_timeout(deadline.before(MOMENT));
        assert!(!served.conn.is_over());
        served.receive(b"X");
        assert_eq!(served.conn.poll_timeout(), Some(deadline));
        served.handle_timeout(deadline);
        assert!(served.conn.is_over() && served.shut_down && !served.conn.is_open());
        assert_eq!(served.conn.opening_error(), Some(OpeningError::TimedOut));
        assert_eq!(served.conn.closed_by(), None);
        assert_eq!(served.sent, b"");
    }
}

#[test]
fn who_is_refused_has_time_and_room_to_read_why() {
    let expected = Some(OpeningError::BadRequest(BadRequest::Method));
    let refuse = || {
        let mut served = Served::new(Limits::DEFAULT);
        served.now = Instant::from_millis(9_000);
        served.receive(REQUEST.replace("GET", "POST").as_bytes());
        assert_eq!(served.status(), "HTTP/1.1 405");
        assert!(served.shut_down && !served.conn.is_over());
        assert_eq!(served.conn.opening_error(), expected);
        served
    };
    let deadline = Instant::from_millis(9_000).after(LINGER_TIME);

    let mut silent = refuse();
    assert_eq!(silent.conn.poll_timeout(), Some(deadline));
    silent.handle_timeout(deadline.before(MOMENT));
    assert!(!silent.conn.is_over());
    silent.handle_timeout(deadline);
    assert!(silent.conn.is_over());

    let mut talking = refuse();
    talking.receive(&[b'x'; LINGER_BYTES - 1]);
    assert!(!talking.conn.is_over());
    talking.receive(b"x");
    assert!(talking.conn.is_over());

    let mut leaving = refuse();
    leaving.receive_eof();
    assert!(leaving.conn.is_over());

    let mut reset = refuse();
    assert!(!reset.conn.transport_failed(), "it is no news");
    assert!(reset.conn.is_over());

    for mut over in [silent, talking, leaving, reset] {
        assert_eq!(over.conn.opening_error(), expected);
        assert_eq!(over.conn.poll_timeout(), None);
        assert!(!over.conn.is_open());
        let sent = mem::take(&mut over.sent);
        over.listen().handle_timeout(deadline);
        assert!(!sent.is_empty() && over.sent.is_empty());
    }
}

#[test]
fn an_end_in_the_middle_of_a_request_is_a_lost_transport() {
    for end in 0..REQUEST.len() {
        let mut served = Served::new(Limits::DEFAULT);
        served.receive(&REQUEST.as_bytes()[..end]).receive_eof();
        assert!(served.conn.is_over() && served.shut_down);
        assert_eq!(served.conn.opening_error(), Some(OpeningError::Lost));
        assert_eq!(served.sent, b"");
        let mut failed = Served::new(Limits::DEFAULT);
        failed.receive(&REQUEST.as_bytes()[..end]);
        assert!(failed.conn.transport_failed(), "it is news");
        assert_eq!(failed.conn.opening_error(), Some(OpeningError::Lost));
    }
}

#[test]
fn nothing_can_be_said_before_the_connection_is_open() {
    let mut served = Served::new(Limits::DEFAULT);
    let conn = &mut served.conn;
    assert_eq!(conn.send(Kind::Text, b"early"), Err(SendError::Closing));
    let closed = conn.close(CloseCode::NORMAL, "", Instant::ZERO);
    assert_eq!(closed, Err(SendError::Closing));
    let mut events = conn.events(Instant::ZERO);
    assert_eq!(events.send(Kind::Text, b"early"), Err(SendError::Closing));
    assert_eq!(events.next(), None);
    assert_eq!(conn.unsent(), b"");
    served.receive(REQUEST.as_bytes());
    assert_eq!(served.status(), "HTTP/1.1 101");
    assert_eq!(served.conn.send(Kind::Text, b"now"), Ok(()));
}

#[test]
fn what_came_behind_the_request_can_be_handed_on() {
    let mut conn = Buffered::accept(&Config::new(), Limits::DEFAULT, Instant::ZERO);
    let bytes = [REQUEST, "behind"].concat();
    conn.space()[..bytes.len()].copy_from_slice(bytes.as_bytes());
    conn.received(bytes.len());
    let _ = conn.events(Instant::ZERO);
    assert!(conn.is_open() && !conn.is_understood());
    assert_eq!(conn.into_unread(), b"behind");
}
