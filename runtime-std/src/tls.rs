//! TLS for clients (feature `tls`).

use core::time::Duration;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Instant,
};

use campanile_tls::rustls::{ClientConnection, Stream};
pub use campanile_tls::{Client, Error, Identity, explain};

use crate::Transport;

/// A client's TLS over a socket, which a [`Stream`](crate::Stream) can run over.
#[derive(Debug)]
pub struct Secured {
    connection: ClientConnection,
    socket: TcpStream,
}

impl Secured {
    /// Does the handshake of TLS over `socket`, for at most `time`, with the server called `name`, to
    /// which the certificate is to belong.
    ///
    /// # Errors
    /// What the socket reports, or what is wrong with the certificate, in words for who uses the client.
    pub fn connect(
        client: &Client,
        name: &str,
        socket: TcpStream,
        time: Duration,
    ) -> io::Result<Self> {
        let server = Client::server_name(name)?;
        let connection =
            ClientConnection::new(client.config(), server).map_err(io::Error::other)?;
        let mut secured = Self { connection, socket };
        let start = Instant::now();
        while secured.connection.is_handshaking() || secured.connection.wants_write() {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                let reason = "the server does not finish the handshake of TLS in time";
                return Err(io::Error::new(ErrorKind::TimedOut, reason));
            }
            secured.set_read_timeout(Some(left))?;
            secured.set_write_timeout(Some(left))?;
            match secured.step() {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                result => result.map_err(|error| explain(name, error))?,
            }
        }
        Ok(secured)
    }

    /// A part of the handshake.
    fn step(&mut self) -> io::Result<()> {
        let Self { connection, socket } = self;
        if connection.wants_write() {
            connection.write_tls(socket)?;
            return Ok(());
        }
        if connection.read_tls(socket)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = connection.process_new_packets() {
            // The server is told, if it can be.
            let _ = connection.write_tls(socket);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(())
    }
}

impl Read for Secured {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Stream::new(&mut self.connection, &mut self.socket).read(room)
    }
}

/// What the socket does not take in time goes out before whatever is read or written next.
impl Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::new(&mut self.connection, &mut self.socket).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Stream::new(&mut self.connection, &mut self.socket).flush()
    }
}

impl Transport for Secured {
    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(limit)
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        self.socket.shutdown(Shutdown::Write)
    }
}
