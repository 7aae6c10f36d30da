//! The opening handshake over a transport, both roles.

use core::time::Duration;
use std::io::{self, ErrorKind};

use campanile_core::{
    conn::{self, Config},
    deflate::{Agreed, Offer},
    handshake::{
        self, ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER, Limits, Opening, Status, WriteError,
    },
};
use smol::{
    Timer,
    future::FutureExt as _,
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};

use crate::Stream;

/// How much is read at once before the head is complete: most heads are shorter.
const STEP: usize = 1024;

/// Why a server's connection did not get past its opening handshake.
pub type Refused = conn::Refused<io::Error>;

/// Why a client's connection did not get past its opening handshake.
pub type ConnectError = handshake::ConnectError<io::Error>;

/// Does a server's part of the opening handshake over `transport`, closing which must shut its
/// writing direction down, as for a [`Stream`].
///
/// Answers the bytes that came behind the request: the first ones of the WebSocket connection.
///
/// # Errors
/// Why there is no connection. The client has been told, as far as it listened.
pub async fn accept<T>(transport: &mut T) -> Result<Vec<u8>, Refused>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let stream = Stream::accept(transport, &Config::new()).await?;
    Ok(stream.into_unread())
}

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
pub(crate) async fn connect<T>(
    transport: &mut T,
    opening: &Opening<'_>,
    nonce: [u8; 16],
    offers: &[Offer],
    time: Duration,
) -> Result<Opened, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (request, handshake) = write_request(opening, nonce).map_err(ConnectError::BadOpening)?;
    let exchange = ask(transport, opening, &request, handshake, offers);
    let timeout = async {
        Timer::after(time).await;
        Err(ConnectError::TimedOut)
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
    offers: &[Offer],
) -> Result<Opened, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let sent = async {
        transport.write_all(request).await?;
        transport.flush().await
    };
    sent.await.map_err(ConnectError::Lost)?;
    let judge = |received: &[u8]| judge_response(&mut handshake, opening, offers, received);
    let read = read_until(transport, judge).await;
    let (verdict, mut received) = read.map_err(ConnectError::Lost)?;
    let (protocol, agreed, consumed) = verdict?;
    received.drain(..consumed.min(received.len()));
    Ok(Opened {
        protocol,
        agreed,
        behind: received,
    })
}

/// The subprotocol and the compression that a response selects, and its length.
type Judged = (Option<String>, Option<Agreed>, usize);

/// What these bytes select, or what is wrong with them. Not async: the header slots are too large to
/// be kept across a wait.
fn judge_response(
    handshake: &mut ClientHandshake,
    opening: &Opening<'_>,
    offers: &[Offer],
    received: &[u8],
) -> Option<Result<Judged, ConnectError>> {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    match handshake.receive(opening, received, &mut headers) {
        Ok(Status::Partial) => None,
        Ok(Status::Complete { value, consumed }) => {
            let protocol = value.protocol().map(str::to_owned);
            let agreed = Offer::check(offers, value.extensions());
            let opened = agreed.map(|agreed| (protocol, agreed, consumed));
            Some(opened.map_err(ConnectError::from))
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
            let connected = connect(&mut client, &opening, [0; 16], &[], TIME)
                .or(trickle)
                .await;
            let error = connected.map(drop).unwrap_err();
            assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
            assert!(start.elapsed() >= TIME);
        });
    }
}
