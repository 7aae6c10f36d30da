//! Drives the protocol core of Campanile on [smol](https://docs.rs/smol).
//!
//! - [`server`] is the notification server: it accepts connections, gives their bytes to the
//!   core's state machines and its hub, and writes what comes out.
//! - [`Client`] subscribes and publishes, and stays connected: see [`client`] and the examples `listen`
//!   and `publish`.
//! - [`Stream`] is one WebSocket connection for a program of your own, over anything that is
//!   [`AsyncRead`](smol::io::AsyncRead) and [`AsyncWrite`](smol::io::AsyncWrite), as server or as
//!   client. The example `echo` is a server in a few lines on it, `echo_client` a client.
//!
//! With the feature `tls`, servers and clients speak TLS by [rustls](https://docs.rs/rustls).
//!
//! There is no protocol in this crate: what is clever is in `campanile-core`.

pub mod client;
mod clock;
mod opening;
pub mod server;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

pub use client::{Client, Event};
pub use opening::{ConnectError, Refused, accept};
pub use stream::Stream;

/// Masking keys from the standard library alone;
/// [`HashedMasks`](campanile_core::conn::HashedMasks) says what they are good for.
pub type HashedMasks = campanile_core::conn::HashedMasks<std::hash::RandomState>;
