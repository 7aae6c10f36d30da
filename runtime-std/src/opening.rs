//! A client's opening handshake over a transport, and what can go wrong in either role's.

use core::time::Duration;
use std::io::{self, ErrorKind};

use campanile_core::{
    Instant,
    conn::{self, Connecting},
    deflate::{Agreed, Offer},
    handshake::{self, Opening, Response},
};

use crate::{Transport, clock::Clock, transport};

/// Why a server's connection did not get past its opening handshake.
pub type Refused = conn::Refused<io::Error>;

/// Why a client's connection did not get past its opening handshake.
pub type ConnectError = handshake::ConnectError<io::Error>;

/// What a client's opening handshake led to, with what of the offers to compress was agreed to.
pub(crate) type Opened = conn::Opened<Option<Agreed>>;

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
    let mut connecting = Connecting::start(nonce, opening).map_err(ConnectError::BadOpening)?;
    exchange.write_all(connecting.unsent())?;
    loop {
        let count = exchange.read(connecting.space())?;
        if count == 0 {
            return Err(ConnectError::Lost(ErrorKind::UnexpectedEof.into()));
        }
        let agree = |response: &Response<'_, '_>| Ok(Offer::check(offers, response.extensions())?);
        if let Some(verdict) = connecting.received(count, opening, agree) {
            return verdict;
        }
    }
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
