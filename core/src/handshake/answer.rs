//! The whole answer to a request.

use core::ops::Deref;

use super::{
    BadRequest, DEFAULT_HEADERS, EMPTY_HEADER, RESPONSE_BYTES, Refusal, Reply, Request,
    ServerHandshake, Status, accept, refuse, reject,
};

/// What a server thinks of a valid request ([`ServerHandshake::answer_as`]).
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'r> {
    /// The connection is opened, on these terms.
    Accept(Reply<'r>),
    /// It is not.
    Refuse(Refusal<'r>),
}

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
    /// The request is valid, and the [`Verdict`] was no. Send the response and close, likewise.
    Declined {
        /// The HTTP status.
        status: u16,
        /// Tells why to the client.
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
    /// no subprotocol and no extension; [`answer_as`](Self::answer_as) is for servers that judge.
    ///
    /// Called again after an answer, it gives the same answer. A shorter `received` than last time
    /// is taken for a new stream.
    pub fn answer<'o>(&mut self, received: &[u8], out: &'o mut [u8; RESPONSE_BYTES]) -> Answer<'o> {
        self.answer_as(received, out, |_| Verdict::Accept(Reply::default()))
    }

    /// The same for servers that judge valid requests by their origin, path or credentials, or that
    /// agree to a subprotocol: as `judge` says, who is asked once for each request that is complete.
    ///
    /// A verdict that cannot be written, since it agrees to what was not offered or is longer than
    /// `out`, is a response of no bytes.
    pub fn answer_as<'o>(
        &mut self,
        received: &[u8],
        out: &'o mut [u8; RESPONSE_BYTES],
        judge: impl for<'b> FnOnce(&Request<'_, 'b>) -> Verdict<'b>,
    ) -> Answer<'o> {
        self.answer_with(received, out, |request| (judge(request), None::<&str>))
    }

    /// The same with extensions that the verdict cannot borrow, of at most 512 bytes.
    #[inline]
    pub(crate) fn answer_with<'o, T: Deref<Target = str>>(
        &mut self,
        received: &[u8],
        out: &'o mut [u8; RESPONSE_BYTES],
        judge: impl for<'b> FnOnce(&Request<'_, 'b>) -> (Verdict<'b>, Option<T>),
    ) -> Answer<'o> {
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        match self.receive(received, &mut headers) {
            Ok(Status::Partial) => Answer::Partial,
            Ok(Status::Complete { value, consumed }) => {
                let (verdict, extensions) = judge(&value);
                match verdict {
                    Verdict::Accept(reply) => {
                        let reply = Reply {
                            extensions: extensions.as_deref().or(reply.extensions),
                            ..reply
                        };
                        Answer::Accepted {
                            consumed,
                            response: accept(&value, &reply, out).unwrap_or_default(),
                        }
                    }
                    Verdict::Refuse(refusal) => Answer::Declined {
                        status: refusal.status,
                        response: refuse(&refusal, out).unwrap_or_default(),
                    },
                }
            }
            Err(bad) => Answer::Refused {
                bad,
                // It cannot be empty: all fit, as the constant says.
                response: reject(&bad, out).unwrap_or_default(),
            },
        }
    }
}
