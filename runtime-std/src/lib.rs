//! Drives the protocol core of Campanile on blocking sockets of the standard library: for programs
//! with a thread for each connection, and for those that want no executor.
//!
//! - [`server`] is the notification server: two threads for each connection, and one hub.
//! - [`Client`] subscribes and publishes, and stays connected: see [`client`] and the examples `listen`
//!   and `publish`.
//! - [`Stream`] is one WebSocket connection over any [`Transport`], such as a
//!   [`TcpStream`](std::net::TcpStream). The example `echo_blocking` is a server in a few lines on it.
//!
//! With the feature `tls`, clients speak TLS by [rustls](https://docs.rs/rustls).
//!
//! There is no protocol in this crate: what is clever is in `campanile-core`.

pub mod client;
mod clock;
mod opening;
pub mod server;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;

pub use client::{Client, Event};
pub use opening::{ConnectError, Refused};
pub use stream::Stream;
pub use transport::Transport;

/// Masking keys from the standard library alone;
/// [`HashedMasks`](campanile_core::conn::HashedMasks) says what they are good for.
pub type HashedMasks = campanile_core::conn::HashedMasks<std::hash::RandomState>;
