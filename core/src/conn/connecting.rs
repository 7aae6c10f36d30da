//! A client's opening handshake with its buffers (feature `alloc`).

use alloc::{string::String, vec, vec::Vec};
use core::fmt;

use crate::handshake::{
    ClientHandshake, ConnectError, DEFAULT_HEADERS, EMPTY_HEADER, Limits, Opening, Response,
    Status, WriteError,
};

/// How much is read at once before the head is complete: most heads are shorter.
const STEP: usize = 1024;

/// A client's opening handshake with a buffer for the request and one for the response (feature
/// `alloc`): what an adapter needs before it makes a [`Buffered`](super::Buffered).
///
/// Write what is [`unsent`](Self::unsent) and report with [`sent`](Self::sent); then read into
/// [`space`](Self::space) and report with [`received`](Self::received) until that has a verdict. How
/// long all of it may take, such as [`HANDSHAKE_TIME`](crate::handshake::HANDSHAKE_TIME), is the
/// adapter's affair.
pub struct Connecting {
    handshake: ClientHandshake,
    request: Vec<u8>,
    sent: usize,
    response: Vec<u8>,
    received: usize,
}

/// What a client's opening handshake led to; `X` is what was made of the extensions in use.
#[derive(Debug)]
pub struct Opened<X> {
    /// The subprotocol that the server selected.
    pub protocol: Option<String>,
    /// What was made of the extensions.
    pub extensions: X,
    /// The bytes that came behind the response: the first ones of the connection.
    pub behind: Vec<u8>,
}

impl Connecting {
    /// Asks for what `opening` says; `nonce` is random, as [`ClientHandshake::start`] demands.
    ///
    /// # Errors
    /// [`WriteError::Invalid`] for a part of the opening that cannot be sent.
    pub fn start(nonce: [u8; 16], opening: &Opening<'_>) -> Result<Self, WriteError> {
        let mut out = vec![0; STEP];
        let mut started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
        if let Err(WriteError::BufferTooSmall { needed }) = started {
            out.resize(needed, 0);
            started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
        }
        let (request, handshake) = started?;
        let written = request.len();
        out.truncate(written);
        Ok(Self {
            handshake,
            request: out,
            sent: 0,
            response: Vec::new(),
            received: 0,
        })
    }

    /// What is to be written to the transport.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.request.get(self.sent..).unwrap_or_default()
    }

    /// The first `count` bytes of [`unsent`](Self::unsent) are written.
    pub const fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count);
    }

    /// Where the next bytes from the transport go; never empty.
    #[must_use]
    pub fn space(&mut self) -> &mut [u8] {
        let len = self.received.saturating_add(STEP);
        self.response.resize(len, 0);
        self.response.get_mut(self.received..).unwrap_or_default()
    }

    /// The first `count` bytes of the [`space`](Self::space) have arrived, at least one. Nothing as
    /// long as more are needed; this is of no more use after a verdict.
    ///
    /// `opening` is that of [`start`](Self::start). `extensions` says what the connection makes of
    /// the extensions that the server has selected, all of them offered.
    pub fn received<X, E>(
        &mut self,
        count: usize,
        opening: &Opening<'_>,
        extensions: impl FnOnce(&Response<'_, '_>) -> Result<X, ConnectError<E>>,
    ) -> Option<Result<Opened<X>, ConnectError<E>>> {
        let received = self.received.saturating_add(count);
        self.received = received.min(self.response.len());
        let bytes = self.response.get(..self.received).unwrap_or_default();
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        let (protocol, extensions, consumed) =
            match self.handshake.receive(opening, bytes, &mut headers) {
                Ok(Status::Partial) => return None,
                Ok(Status::Complete { value, consumed }) => match extensions(&value) {
                    Ok(extensions) => (value.protocol().map(String::from), extensions, consumed),
                    Err(error) => return Some(Err(error)),
                },
                Err(bad) => return Some(Err(bad.into())),
            };
        let behind = bytes.get(consumed..).unwrap_or_default().to_vec();
        Some(Ok(Opened {
            protocol,
            extensions,
            behind,
        }))
    }
}

impl fmt::Debug for Connecting {
    /// Leaves out the request and the response, which may have secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("unsent", &self.unsent().len())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{Answer, RESPONSE_BYTES, ServerHandshake};
    use core::convert::Infallible;

    /// The answer of our server to `request`, and a byte behind it.
    fn answer(request: &[u8]) -> Vec<u8> {
        let mut out = [0; RESPONSE_BYTES];
        let answer = ServerHandshake::new(Limits::DEFAULT).answer(request, &mut out);
        let Answer::Accepted { response, .. } = answer else {
            panic!("{answer:?}");
        };
        [response, b"x"].concat()
    }

    #[test]
    fn however_bytes_are_cut_the_connection_opens_with_what_came_behind() {
        let long = "x".repeat(3 * STEP);
        for path in ["/", &alloc::format!("/{long}")] {
            let opening = Opening::new("a", path);
            for cut in [1, 7, 10_000] {
                let mut connecting = Connecting::start([7; 16], &opening).unwrap();
                let mut request = Vec::new();
                while !connecting.unsent().is_empty() {
                    let count = connecting.unsent().len().min(cut);
                    request.extend_from_slice(&connecting.unsent()[..count]);
                    connecting.sent(count);
                }
                let answer = answer(&request);
                let mut rest = &answer[..];
                let opened = loop {
                    let space = connecting.space();
                    let count = space.len().min(cut).min(rest.len());
                    assert!(count > 0);
                    space[..count].copy_from_slice(&rest[..count]);
                    rest = &rest[count..];
                    let verdict =
                        connecting.received::<_, Infallible>(count, &opening, |_| Ok("none"));
                    if let Some(verdict) = verdict {
                        break verdict.unwrap();
                    }
                };
                assert_eq!((opened.protocol, opened.extensions), (None, "none"));
                assert_eq!([&opened.behind, rest].concat(), b"x");
            }
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_not() {
        assert!(Connecting::start([7; 16], &Opening::new("a", "b")).is_err());
    }
}
