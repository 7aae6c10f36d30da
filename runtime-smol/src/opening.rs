//! The opening handshake over a transport, both roles.

use core::{fmt, time::Duration};
use std::io::{self, ErrorKind};

use campanile_core::handshake::{
    self, BadRequest, BadResponse, ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER, HANDSHAKE_TIME,
    LINGER_BYTES, LINGER_TIME, Limits, Opening, RESPONSE_BYTES, Reply, ServerHandshake, Status,
    WriteError,
};
use smol::{
    Timer,
    future::FutureExt as _,
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};

/// How much is read at once before the head is complete: most heads are shorter.
const STEP: usize = 1024;

/// Why a server's connection did not get past its opening handshake.
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
            Self::Lost(error) => fmt_lost(error, f),
        }
    }
}

impl core::error::Error for Refused {}

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
        /// What the server adds to it, in its own words, which are not to be trusted: where to go
        /// instead for a redirect (3xx), which credentials it wants (401), which versions it speaks
        /// (426).
        detail: Option<String>,
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
        let (status, detail) = if let BadResponse::Redirect { status, location } = bad {
            (status, location)
        } else if let BadResponse::Unauthorized { challenge } = bad {
            (401, challenge)
        } else if let BadResponse::UpgradeRequired { versions } = bad {
            (426, versions)
        } else if let BadResponse::Status(status) = bad {
            (status, None)
        } else {
            return Self::BadResponse { advice };
        };
        Self::Refused {
            status,
            detail: detail.map(str::to_owned),
            advice,
        }
    }
}

fn fmt_lost(error: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the connection was lost: {error}")
}

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
    let handshake = answer(transport);
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

async fn answer<T>(transport: &mut T) -> Result<Vec<u8>, Refused>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    let judge = |received: &[u8]| judge_request(&mut handshake, received);
    let read = read_until(transport, judge).await;
    let ((verdict, response), mut received) = read.map_err(Refused::Lost)?;
    match verdict {
        Ok(consumed) => {
            // A peer that is gone already may have said all it wanted: its bytes count, and their
            // end ends the connection.
            if transport.write_all(&response).await.is_ok() {
                let _ = transport.flush().await;
            }
            received.drain(..consumed.min(received.len()));
            Ok(received)
        }
        Err(bad) => {
            // The reason is worth more than how the telling went.
            let _ = transport.write_all(&response).await;
            Err(Refused::BadRequest(bad))
        }
    }
}

/// The length of the request in these bytes, or what is wrong with it, and what is to be said to
/// it. Not async: the header slots are too large to be kept across a wait.
fn judge_request(
    handshake: &mut ServerHandshake,
    received: &[u8],
) -> Option<(Result<usize, BadRequest>, Vec<u8>)> {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let mut out = [0; RESPONSE_BYTES];
    let (verdict, response) = match handshake.receive(received, &mut headers) {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete { value, consumed }) => {
            let response = handshake::accept(&value, &Reply::default(), &mut out);
            (Ok(consumed), response)
        }
        Err(bad) => (Err(bad), handshake::reject(&bad, &mut out)),
    };
    // Both fit, as the constant says.
    Some((verdict, response.unwrap_or_default().to_vec()))
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

/// What a client's opening handshake led to.
pub(crate) struct Opened {
    /// The subprotocol that the server selected.
    pub(crate) protocol: Option<String>,
    /// The bytes that came behind the response: the first ones of the WebSocket connection.
    pub(crate) behind: Vec<u8>,
}

/// Does a client's part on `transport`, for at most `time`; `nonce` is random.
pub(crate) async fn connect<T>(
    transport: &mut T,
    opening: &Opening<'_>,
    nonce: [u8; 16],
    time: Duration,
) -> Result<Opened, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (request, handshake) = write_request(opening, nonce).map_err(ConnectError::BadOpening)?;
    let exchange = ask(transport, opening, &request, handshake);
    let timeout = async {
        Timer::after(time).await;
        let text = format!("the opening handshake took longer than {time:?}");
        Err(io::Error::new(ErrorKind::TimedOut, text).into())
    };
    exchange.or(timeout).await
}

fn write_request(
    opening: &Opening<'_>,
    nonce: [u8; 16],
) -> Result<(Vec<u8>, ClientHandshake), WriteError> {
    let mut out = vec![0; STEP];
    let mut started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
    if let Err(WriteError::BufferTooSmall { needed }) = started {
        out.resize(needed, 0);
        started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
    }
    let (request, handshake) = started?;
    let written = request.len();
    out.truncate(written);
    Ok((out, handshake))
}

async fn ask<T>(
    transport: &mut T,
    opening: &Opening<'_>,
    request: &[u8],
    mut handshake: ClientHandshake,
) -> Result<Opened, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    transport.write_all(request).await?;
    transport.flush().await?;
    let judge = |received: &[u8]| judge_response(&mut handshake, opening, received);
    let (verdict, mut received) = read_until(transport, judge).await?;
    let (protocol, consumed) = verdict?;
    received.drain(..consumed.min(received.len()));
    Ok(Opened {
        protocol,
        behind: received,
    })
}

/// The subprotocol that these bytes select and the length of the response, or what is wrong with
/// it. Not async, as [`judge_request`].
fn judge_response(
    handshake: &mut ClientHandshake,
    opening: &Opening<'_>,
    received: &[u8],
) -> Option<Result<(Option<String>, usize), ConnectError>> {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    match handshake.receive(opening, received, &mut headers) {
        Ok(Status::Partial) => None,
        Ok(Status::Complete { value, consumed }) => {
            Some(Ok((value.protocol().map(str::to_owned), consumed)))
        }
        Err(bad) => Some(Err(bad.into())),
    }
}

/// Reads until `judge`, who sees everything received so far, has a verdict; answers both.
async fn read_until<T, V>(
    transport: &mut T,
    mut judge: impl FnMut(&[u8]) -> Option<V>,
) -> io::Result<(V, Vec<u8>)>
where
    T: AsyncRead + Unpin,
{
    let mut received = Vec::new();
    loop {
        let filled = received.len();
        received.resize(filled + STEP, 0);
        let room = received.get_mut(filled..).unwrap_or_default();
        let count = transport.read(room).await?;
        received.truncate(filled + count);
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(verdict) = judge(&received) {
            return Ok((verdict, received));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::{
        future,
        net::{TcpListener, TcpStream},
    };

    const TIME: Duration = Duration::from_millis(100);

    #[test]
    fn a_server_that_trickles_its_head_is_given_up_in_time() {
        smol::block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(address).await.unwrap();
            let (mut peer, _) = listener.accept().await.unwrap();
            let trickle = async move {
                for byte in b"HTTP/1.1 101 \r\n" {
                    Timer::after(TIME / 5).await;
                    peer.write_all(&[*byte]).await.unwrap();
                }
                drop(peer);
                future::pending().await
            };
            let start = std::time::Instant::now();
            let opening = Opening::new("a", "/");
            let connected = connect(&mut client, &opening, [0; 16], TIME)
                .or(trickle)
                .await;
            let error = connected.map(drop).unwrap_err();
            assert!(
                matches!(&error, ConnectError::Lost(lost) if lost.kind() == ErrorKind::TimedOut),
                "{error:?}"
            );
            assert!(start.elapsed() >= TIME);
        });
    }
}
