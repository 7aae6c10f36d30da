//! What the admin address says.

use core::net::SocketAddr;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::PATIENCE;

/// What the admin address answers to these bytes.
#[track_caller]
#[must_use]
pub fn ask(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time");
    socket.write_all(bytes).expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    answer
}

/// What it answers to a GET of this path.
#[track_caller]
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes(),
    )
}

/// The value of a sample, now.
#[track_caller]
#[must_use]
pub fn sample(address: SocketAddr, name: &str) -> f64 {
    sample_in(&get(address, "/metrics"), name)
}

/// The value of a sample on a page of metrics.
#[track_caller]
#[must_use]
pub fn sample_in(page: &str, name: &str) -> f64 {
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("{name} in {page}"));
    value.parse().expect("a number")
}
