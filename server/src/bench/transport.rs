//! A socket, or TLS over one, which is read and written without waiting.

use core::cell::RefCell;
use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use campanile_smol::tls;
use campanile_tls::rustls::{ClientConnection, Stream};
use smol::{Async, future::FutureExt as _};

#[derive(Debug)]
pub(super) struct Transport {
    socket: Async<TcpStream>,
    tls: Option<Box<RefCell<ClientConnection>>>,
}

impl Transport {
    pub(super) const fn plain(socket: Async<TcpStream>) -> Self {
        Self { socket, tls: None }
    }

    /// Does the handshake of TLS with the server called `name`.
    pub(super) async fn secured(
        socket: Async<TcpStream>,
        client: &tls::Client,
        name: &str,
    ) -> io::Result<Self> {
        let server = tls::Client::server_name(name)?;
        let mut connection =
            ClientConnection::new(client.config(), server).map_err(io::Error::other)?;
        while connection.is_handshaking() || connection.wants_write() {
            let stepped = connection.complete_io(&mut socket.get_ref());
            match stepped {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if connection.wants_write() {
                        socket.writable().await?;
                    } else {
                        socket.readable().await?;
                    }
                }
                stepped => drop(stepped.map_err(|error| tls::explain(name, error))?),
            }
        }
        Ok(Self {
            socket,
            tls: Some(Box::new(RefCell::new(connection))),
        })
    }

    /// Reads what is there.
    pub(super) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.socket.get_ref();
        match &self.tls {
            None => socket.read(room),
            Some(tls) => Stream::new(&mut *tls.borrow_mut(), &mut socket).read(room),
        }
    }

    /// Writes what there is room for.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.socket.get_ref();
        match &self.tls {
            None => socket.write(bytes),
            Some(tls) => Stream::new(&mut *tls.borrow_mut(), &mut socket).write(bytes),
        }
    }

    /// Writes what it has taken and the socket has not.
    pub(super) fn flush(&self) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        let mut tls = tls.borrow_mut();
        while tls.wants_write() {
            tls.write_tls(&mut self.socket.get_ref())?;
        }
        Ok(())
    }

    /// Whether there is such.
    pub(super) fn has_unsent(&self) -> bool {
        let tls = self.tls.as_ref();
        tls.is_some_and(|tls| tls.borrow().wants_write())
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Waits for either.
    pub(super) async fn ready(&self) -> io::Result<()> {
        self.socket.readable().or(self.socket.writable()).await
    }
}
