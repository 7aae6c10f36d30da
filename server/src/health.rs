//! `campanile health`: whether a server answers, for who has no curl, such as a container.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::ExitCode,
    time::Instant,
};

use clap::Args;

/// How long all of it may take: less than those who ask again and again are used to wait.
const TIME: Duration = Duration::from_secs(5);

/// The longest head of an answer. Ours have some hundred bytes; a proxy may add its own.
const HEAD: usize = 8 * 1024;

/// How many header fields there may be.
const FIELDS: usize = 64;

#[derive(Args, Debug)]
pub(crate) struct HealthArguments {
    /// Where the server listens
    #[arg(value_name = "ADDR:PORT", default_value = "127.0.0.1:8000")]
    address: SocketAddr,

    /// Ask whether it takes clients, too: not while it shuts down, or is full
    #[arg(long)]
    ready: bool,
}

pub(crate) fn run(arguments: &HealthArguments) -> ExitCode {
    let path = if arguments.ready {
        "/readyz"
    } else {
        "/healthz"
    };
    let address = arguments.address;
    let reason = match ask(address, path) {
        Ok(200) => return ExitCode::SUCCESS,
        Ok(status) => format!("GET {path} of {address} was answered with {status}"),
        Err(error) => format!(
            "GET {path} of {address} was not answered: {error}; check address and port, and that the \
             server runs"
        ),
    };
    crate::complain(&reason);
    ExitCode::FAILURE
}

/// The status of the answer.
fn ask(address: SocketAddr, path: &str) -> io::Result<u16> {
    let until = Instant::now() + TIME;
    let mut socket = TcpStream::connect_timeout(&address, TIME)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.set_write_timeout(Some(TIME))?;
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while head.len() < HEAD {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let mut piece = [0; 1024];
        let count = match socket.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // What the system calls a time that is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        };
        head.extend_from_slice(piece.get(..count).unwrap_or_default());
        if let Some(status) = status(&head)? {
            return Ok(status);
        }
    }
    Err(io::Error::other("the head of the answer is too long"))
}

/// The status in the head of an answer; `None` if it goes on.
fn status(head: &[u8]) -> io::Result<Option<u16>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => Ok(response.code),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(io::Error::other(format!("this is no HTTP: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_that_of_a_whole_head_however_it_comes() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\nfull";
        let end = answer.len() - 4;
        for length in 0..end {
            assert_eq!(status(&answer[..length]).expect("HTTP"), None, "{length}");
        }
        assert_eq!(status(&answer[..end]).expect("HTTP"), Some(503));
        assert_eq!(status(answer).expect("HTTP"), Some(503));
        assert!(status(b"\x15\x03\x01\x00\x02").is_err());
    }
}
