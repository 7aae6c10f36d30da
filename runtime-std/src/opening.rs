//! The opening handshake over a transport, both roles.

use core::{fmt, time::Duration};
use std::io::{self, ErrorKind};

use campanile_core::{
    Instant,
    handshake::{
        self, BadRequest, BadResponse, ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER,
        LINGER_BYTES, LINGER_TIME, Limits, Opening, RESPONSE_BYTES, Reply, ServerHandshake, Status,
        WriteError,
    },
};

use crate::{Transport, clock::Clock, transport};

/// Why a server's connection did not get past its opening handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// The request is not one for a WebSocket; the answer was sent.
    BadRequest(BadRequest),
    /// The transport ended or failed first, or the time was up ([`ErrorKind::TimedOut`]).
    Lost(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(bad) => bad.fmt(f),
            Self::Lost(error) => fmt_lost(error, f),
        }
    }
}

impl core::error::Error for Refused {}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Why a client's connection did not get past its opening handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// What was to be asked for cannot be; nothing was sent.
    BadOpening(WriteError),
    /// The server says no, with an HTTP status other than 101.
    Refused {
        /// The status.
        status: u16,
        /// What it means here and what to do about it.
        advice: String,
    },
    /// The server's answer breaks a rule of HTTP or of RFC 6455.
    BadResponse {
        /// Which rule, and what to do about it.
        advice: String,
    },
    /// The transport ended or failed first, or the time was up ([`ErrorKind::TimedOut`]).
    Lost(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadOpening(error) => error.fmt(f),
            Self::Refused { advice, .. } | Self::BadResponse { advice } => f.write_str(advice),
            Self::Lost(error) => fmt_lost(error, f),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<BadResponse<'_>> for ConnectError {
    fn from(bad: BadResponse<'_>) -> Self {
        let advice = bad.to_string();
        let status = if let BadResponse::Redirect { status, .. } | BadResponse::Status(status) = bad
        {
            status
        } else if let BadResponse::Unauthorized { .. } = bad {
            401
        } else if let BadResponse::UpgradeRequired { .. } = bad {
            426
        } else {
            return Self::BadResponse { advice };
        };
        Self::Refused { status, advice }
    }
}

/// Does a server's part on `transport`, for at most `time`.
///
/// Answers the bytes that came behind the request: the first ones of the WebSocket connection.
pub(crate) fn accept<T: Transport>(transport: &mut T, time: Duration) -> Result<Vec<u8>, Refused> {
    let mut exchange = Exchange::start(transport, time);
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    let mut out = [0; RESPONSE_BYTES];
    let ((verdict, written), mut received) = exchange.read_until(|received| {
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        let (verdict, response) = match handshake.receive(received, &mut headers) {
            Ok(Status::Partial) => return None,
            Ok(Status::Complete { value, consumed }) => {
                let response = handshake::accept(&value, &Reply::default(), &mut out);
                (Ok(consumed), response)
            }
            Err(bad) => (Err(bad), handshake::reject(&bad, &mut out)),
        };
        // Both fit, as the constant says.
        Some((verdict, response.map_or(0, <[u8]>::len)))
    })?;
    let response = out.get(..written).unwrap_or_default();
    match verdict {
        Ok(consumed) => {
            // A peer that is gone already may have said all it wanted: its bytes count.
            let _ = exchange.write_all(response);
            received.drain(..consumed.min(received.len()));
            Ok(received)
        }
        Err(bad) => {
            // The reason is worth more than how the telling went.
            let _ = exchange.tell(response);
            Err(Refused::BadRequest(bad))
        }
    }
}

/// What a client's opening handshake led to.
pub(crate) struct Opened {
    /// The subprotocol that the server selected.
    pub(crate) protocol: Option<String>,
    /// The bytes that came behind the response: the first ones of the WebSocket connection.
    pub(crate) behind: Vec<u8>,
}

/// Does a client's part on `transport`, for at most `time`; `nonce` is random.
pub(crate) fn connect<T: Transport>(
    transport: &mut T,
    opening: &Opening<'_>,
    nonce: [u8; 16],
    time: Duration,
) -> Result<Opened, ConnectError> {
    let mut exchange = Exchange::start(transport, time);
    let mut out = vec![0; STEP];
    let mut started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
    if let Err(WriteError::BufferTooSmall { needed }) = started {
        out.resize(needed, 0);
        started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
    }
    let (request, mut handshake) = started.map_err(ConnectError::BadOpening)?;
    exchange.write_all(request)?;
    let (verdict, mut received) = exchange.read_until(|received| {
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        match handshake.receive(opening, received, &mut headers) {
            Ok(Status::Partial) => None,
            Ok(Status::Complete { value, consumed }) => {
                Some(Ok((value.protocol().map(str::to_owned), consumed)))
            }
            Err(bad) => Some(Err(ConnectError::from(bad))),
        }
    })?;
    let (protocol, consumed) = verdict?;
    received.drain(..consumed.min(received.len()));
    Ok(Opened {
        protocol,
        behind: received,
    })
}

/// How much is read at once before the head is complete: most heads are shorter.
const STEP: usize = 1024;

/// A transport during the handshake, whose time runs from when this was made.
struct Exchange<'t, T> {
    transport: &'t mut T,
    clock: Clock,
    time: Duration,
}

impl<'t, T: Transport> Exchange<'t, T> {
    fn start(transport: &'t mut T, time: Duration) -> Self {
        Self {
            transport,
            clock: Clock::start(),
            time,
        }
    }

    /// Reads until `judge`, who sees everything received so far, has a verdict; answers both.
    fn read_until<V>(
        &mut self,
        mut judge: impl FnMut(&[u8]) -> Option<V>,
    ) -> io::Result<(V, Vec<u8>)> {
        let mut received = Vec::new();
        loop {
            let filled = received.len();
            received.resize(filled + STEP, 0);
            let count = self.read(received.get_mut(filled..).unwrap_or_default())?;
            received.truncate(filled + count);
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(verdict) = judge(&received) {
                return Ok((verdict, received));
            }
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.left()?;
            if let Some(count) = transport::read(self.transport, room, Some(left))? {
                return Ok(count);
            }
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.left()?;
            if let Some(count) = transport::write(self.transport, bytes, Some(left))? {
                bytes = bytes.get(count..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Sends a last answer, and waits until the peer has had a chance to read it.
    fn tell(&mut self, response: &[u8]) -> io::Result<()> {
        self.write_all(response)?;
        self.transport.shutdown_write()?;
        self.time = self
            .time
            .min(self.clock.now().since(Instant::ZERO) + LINGER_TIME);
        let mut rest = [0; STEP];
        for _ in 0..LINGER_BYTES / STEP {
            if self.read(&mut rest)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// How much of the time is left.
    fn left(&self) -> io::Result<Duration> {
        let left = self.clock.until(Instant::ZERO.after(self.time));
        if left.is_zero() {
            let text = format!("the opening handshake took longer than {:?}", self.time);
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        Ok(left)
    }
}

fn fmt_lost(error: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the connection was lost: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream},
        thread,
        time::Instant,
    };

    const TIME: Duration = Duration::from_millis(100);

    /// Runs `ours` against a peer that sends `bytes`, one each 20 ms; how it failed, and when.
    fn against_a_trickle<E>(
        bytes: &'static [u8],
        ours: impl FnOnce(&mut TcpStream) -> E,
    ) -> (E, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        let trickle = thread::spawn(move || {
            for byte in bytes {
                thread::sleep(TIME / 5);
                if peer.write_all(&[*byte]).is_err() {
                    break;
                }
            }
        });
        let start = Instant::now();
        let error = ours(&mut socket);
        let elapsed = start.elapsed();
        drop(socket);
        trickle.join().unwrap();
        (error, elapsed)
    }

    #[test]
    fn a_peer_that_trickles_its_head_is_given_up_in_time() {
        let (refused, elapsed) = against_a_trickle(b"GET / HTTP/1.1\r\n", |socket| {
            accept(socket, TIME).map(drop).unwrap_err()
        });
        assert!(matches!(refused, Refused::Lost(error) if error.kind() == ErrorKind::TimedOut));
        assert!(elapsed >= TIME, "{elapsed:?}");

        let (error, elapsed) = against_a_trickle(b"HTTP/1.1 101 \r\n", |socket| {
            let opening = Opening::new("a", "/");
            connect(socket, &opening, [0; 16], TIME)
                .map(|_| ())
                .unwrap_err()
        });
        assert!(matches!(error, ConnectError::Lost(error) if error.kind() == ErrorKind::TimedOut));
        assert!(elapsed >= TIME, "{elapsed:?}");
    }
}
