//! The whole answer to a request, for servers that take every valid one.

use core::ops::Deref;

use super::{
    BadRequest, DEFAULT_HEADERS, EMPTY_HEADER, RESPONSE_BYTES, Reply, Request, ServerHandshake,
    Status, accept, reject,
};

/// What a server has to do about the bytes it has received so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'o> {
    /// Read more.
    Partial,
    /// Send the response: the connection is open.
    Accepted {
        /// Length of the request in bytes; what follows it belongs to the WebSocket connection.
        consumed: usize,
        /// Opens the connection.
        response: &'o [u8],
    },
    /// Send the response and close, but not before the client had time to read it
    /// ([`LINGER_TIME`](super::LINGER_TIME)).
    Refused {
        /// What is wrong with the request.
        bad: BadRequest,
        /// Tells it to the client.
        response: &'o [u8],
    },
}

impl ServerHandshake {
    /// Looks at `received`, which is everything received so far (more on each call), and gives the
    /// answer, written to `out`, once there is one: at the latest when
    /// [`Limits::head_bytes`](super::Limits::head_bytes) bytes are there, so that a buffer of this
    /// size is enough for any request.
    ///
    /// It takes every valid request, with [`DEFAULT_HEADERS`] header fields at most, and agrees to
    /// no subprotocol and no extension. A server that judges requests by their origin, path or
    /// credentials, or that wants other slots, calls [`receive`](Self::receive), and then
    /// [`accept`], [`refuse`](super::refuse) or [`reject`] itself.
    ///
    /// Called again after an answer, it gives the same answer. A shorter `received` than last time
    /// is taken for a new stream.
    pub fn answer<'o>(&mut self, received: &[u8], out: &'o mut [u8; RESPONSE_BYTES]) -> Answer<'o> {
        self.answer_with(received, out, |_| None::<&str>)
    }

    /// The same, with the extensions that `agree` makes of the request, of at most 512 bytes.
    #[inline]
    pub(crate) fn answer_with<'o, T: Deref<Target = str>>(
        &mut self,
        received: &[u8],
        out: &'o mut [u8; RESPONSE_BYTES],
        agree: impl FnOnce(&Request<'_, '_>) -> Option<T>,
    ) -> Answer<'o> {
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        // The empty responses cannot be: all fit, as the constant says, and nothing was chosen that
        // the request did not offer.
        match self.receive(received, &mut headers) {
            Ok(Status::Partial) => Answer::Partial,
            Ok(Status::Complete { value, consumed }) => {
                let extensions = agree(&value);
                let reply = Reply {
                    extensions: extensions.as_deref(),
                    ..Reply::default()
                };
                Answer::Accepted {
                    consumed,
                    response: accept(&value, &reply, out).unwrap_or_default(),
                }
            }
            Err(bad) => Answer::Refused {
                bad,
                response: reject(&bad, out).unwrap_or_default(),
            },
        }
    }
}
