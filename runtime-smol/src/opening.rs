//! The opening handshake over a transport.

use core::fmt;
use std::io;

use campanile_core::handshake::{
    self, BadRequest, DEFAULT_HEADERS, EMPTY_HEADER, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME,
    Limits, RESPONSE_BYTES, Reply, ServerHandshake, Status,
};
use smol::{
    Timer,
    future::FutureExt as _,
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};

/// How much is read at once before the head is complete: most heads are shorter.
const STEP: usize = 1024;

/// Why a connection did not get past its opening handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// The request is not one for a WebSocket; the answer was sent.
    BadRequest(BadRequest),
    /// The head was not complete in time.
    TimedOut,
    /// The transport ended or failed first.
    Lost(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(bad) => bad.fmt(f),
            Self::TimedOut => write!(
                f,
                "the request was not complete within {} s",
                HANDSHAKE_TIME.as_secs()
            ),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
        }
    }
}

impl core::error::Error for Refused {}

/// Does a server's part of the opening handshake over `transport`.
///
/// Answers the bytes that came behind the request: the first ones of the WebSocket connection.
///
/// # Errors
/// Why there is no connection. The client has been told, as far as it listened.
pub async fn accept<T>(transport: &mut T) -> Result<Vec<u8>, Refused>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = exchange(transport);
    let timeout = async {
        Timer::after(HANDSHAKE_TIME).await;
        Err(Refused::TimedOut)
    };
    let outcome = handshake.or(timeout).await;
    if matches!(outcome, Err(Refused::BadRequest(_))) {
        linger(transport).await;
    }
    outcome
}

async fn exchange<T>(transport: &mut T) -> Result<Vec<u8>, Refused>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    let mut received = Vec::new();
    loop {
        let filled = received.len();
        received.resize(filled + STEP, 0);
        let room = received.get_mut(filled..).unwrap_or_default();
        let count = transport.read(room).await.map_err(Refused::Lost)?;
        received.truncate(filled + count);
        if count == 0 {
            return Err(Refused::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        match answer(&mut handshake, &received) {
            Verdict::Partial => {}
            Verdict::Accepted { consumed, response } => {
                // A peer that is gone already may have said all it wanted: its bytes count, and
                // their end ends the connection.
                if transport.write_all(&response).await.is_ok() {
                    let _ = transport.flush().await;
                }
                received.drain(..consumed.min(received.len()));
                return Ok(received);
            }
            Verdict::Refused { bad, response } => {
                // The reason is worth more than how the telling went.
                let _ = transport.write_all(&response).await;
                return Err(Refused::BadRequest(bad));
            }
        }
    }
}

enum Verdict {
    Partial,
    Accepted { consumed: usize, response: Vec<u8> },
    Refused { bad: BadRequest, response: Vec<u8> },
}

/// What is to be said to the bytes so far. Not async: the header slots are too large to be kept
/// across a wait.
fn answer(handshake: &mut ServerHandshake, received: &[u8]) -> Verdict {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let mut out = [0; RESPONSE_BYTES];
    match handshake.receive(received, &mut headers) {
        Ok(Status::Partial) => Verdict::Partial,
        Ok(Status::Complete { value, consumed }) => {
            let response = handshake::accept(&value, &Reply::default(), &mut out);
            Verdict::Accepted {
                consumed,
                response: response.unwrap_or_default().to_vec(),
            }
        }
        Err(bad) => {
            let response = handshake::reject(&bad, &mut out);
            Verdict::Refused {
                bad,
                response: response.unwrap_or_default().to_vec(),
            }
        }
    }
}

/// Waits until the peer has had a chance to read our last answer.
async fn linger<T>(transport: &mut T)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let drained = async {
        let _ = transport.close().await;
        let mut rest = vec![0; STEP]; // on the heap: a task is as large as its largest moment
        for _ in 0..LINGER_BYTES / STEP {
            if !matches!(transport.read(&mut rest).await, Ok(1..)) {
                break;
            }
        }
    };
    let timeout = async {
        Timer::after(LINGER_TIME).await;
    };
    drained.or(timeout).await;
}
