//! TLS for clients, and what servers need for [theirs](crate::server::Door::secured) (feature `tls`).

use std::io;

pub use campanile_tls::{
    Client, ClientCertificates, Error, Identity, Server, ServerOptions, explain,
};
use futures_rustls::{TlsConnector, client::TlsStream};
use smol::io::{AsyncRead, AsyncWrite};

/// Does a client's handshake of TLS over `transport` with the server called `name`, to which the
/// certificate is to belong. A [`Stream`](crate::Stream) can do its own over that.
///
/// It waits for as long as the server takes. Dropped before its end, it drops the transport too.
///
/// # Errors
/// What the transport reports, or what is wrong with the certificate, in words for who uses the client.
pub async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
    client: &Client,
    name: &str,
    transport: T,
) -> io::Result<TlsStream<T>> {
    let connector = TlsConnector::from(client.config());
    let connected = connector.connect(Client::server_name(name)?, transport);
    connected.await.map_err(|error| explain(name, error))
}
