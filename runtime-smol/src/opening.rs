//! The opening handshake over a transport, both roles.

use core::time::Duration;
use std::io::{self, ErrorKind};

use campanile_core::{
    conn::{self, Config, Connecting},
    deflate::{Agreed, Offer},
    handshake::{self, Opening, Response},
};
use smol::{
    Timer,
    future::FutureExt as _,
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};

use crate::Stream;

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

/// What a client's opening handshake led to, with what of the offers to compress was agreed to.
pub(crate) type Opened = conn::Opened<Option<Agreed>>;

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
    let connecting = Connecting::start(nonce, opening).map_err(ConnectError::BadOpening)?;
    let exchange = exchange(transport, connecting, opening, offers);
    let timeout = async {
        Timer::after(time).await;
        Err(ConnectError::TimedOut)
    };
    exchange.or(timeout).await
}

async fn exchange<T>(
    transport: &mut T,
    mut connecting: Connecting,
    opening: &Opening<'_>,
    offers: &[Offer],
) -> Result<Opened, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let sent = async {
        transport.write_all(connecting.unsent()).await?;
        transport.flush().await
    };
    sent.await.map_err(ConnectError::Lost)?;
    loop {
        let read = transport.read(connecting.space()).await;
        let count = read.map_err(ConnectError::Lost)?;
        if count == 0 {
            return Err(ConnectError::Lost(ErrorKind::UnexpectedEof.into()));
        }
        let agree = |response: &Response<'_, '_>| Ok(Offer::check(offers, response.extensions())?);
        if let Some(verdict) = connecting.received(count, opening, agree) {
            return verdict;
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
