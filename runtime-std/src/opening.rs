//! A client's opening handshake over a transport, and what can go wrong in either role's.

use core::time::Duration;
use std::io::{self, ErrorKind};

use campanile_core::{
    Instant, conn,
    deflate::{Agreed, Offer},
    handshake::{
        self, ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER, Limits, Opening, Status, WriteError,
    },
};

use crate::{Transport, clock::Clock, transport};

/// How much is read at once before the head is complete: most heads are shorter.
const STEP: usize = 1024;

/// Why a server's connection did not get past its opening handshake.
pub type Refused = conn::Refused<io::Error>;

/// Why a client's connection did not get past its opening handshake.
pub type ConnectError = handshake::ConnectError<io::Error>;

/// What a client's opening handshake led to.
pub(crate) struct Opened {
    /// The subprotocol that the server selected.
    pub(crate) protocol: Option<String>,
    /// What of the offers to compress it agreed to.
    pub(crate) agreed: Option<Agreed>,
    /// The bytes that came behind the response: the first ones of the WebSocket connection.
    pub(crate) behind: Vec<u8>,
}

/// Does a client's part on `transport`, for at most `time`; `nonce` is random, and `offers` are
/// those in the opening.
pub(crate) fn connect<T: Transport>(
    transport: &mut T,
    opening: &Opening<'_>,
    nonce: [u8; 16],
    offers: &[Offer],
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
                let protocol = value.protocol().map(str::to_owned);
                let agreed = Offer::check(offers, value.extensions());
                let opened = agreed.map(|agreed| (protocol, agreed, consumed));
                Some(opened.map_err(ConnectError::from))
            }
            Err(bad) => Some(Err(ConnectError::from(bad))),
        }
    })?;
    let (protocol, agreed, consumed) = verdict?;
    received.drain(..consumed.min(received.len()));
    Ok(Opened {
        protocol,
        agreed,
        behind: received,
    })
}

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
    ) -> Result<(V, Vec<u8>), ConnectError> {
        let mut received = Vec::new();
        loop {
            let filled = received.len();
            received.resize(filled + STEP, 0);
            let count = self.read(received.get_mut(filled..).unwrap_or_default())?;
            received.truncate(filled + count);
            if count == 0 {
                return Err(ConnectError::Lost(ErrorKind::UnexpectedEof.into()));
            }
            if let Some(verdict) = judge(&received) {
                return Ok((verdict, received));
            }
        }
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize, ConnectError> {
        loop {
            let left = self.left()?;
            let read = transport::read(self.transport, room, Some(left));
            if let Some(count) = read.map_err(ConnectError::Lost)? {
                return Ok(count);
            }
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), ConnectError> {
        while !bytes.is_empty() {
            let left = self.left()?;
            let written = transport::write(self.transport, bytes, Some(left));
            if let Some(count) = written.map_err(ConnectError::Lost)? {
                bytes = bytes.get(count..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// How much of the time is left.
    fn left(&self) -> Result<Duration, ConnectError> {
        let left = self.clock.until(Instant::ZERO.after(self.time));
        if left.is_zero() {
            return Err(ConnectError::TimedOut);
        }
        Ok(left)
    }
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
    fn a_server_that_trickles_its_head_is_given_up_in_time() {
        let (error, elapsed) = against_a_trickle(b"HTTP/1.1 101 \r\n", |socket| {
            let opening = Opening::new("a", "/");
            connect(socket, &opening, [0; 16], &[], TIME)
                .map(|_| ())
                .unwrap_err()
        });
        assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
        assert!(elapsed >= TIME, "{elapsed:?}");
    }
}
