//! TLS for the runtimes of Campanile, by [rustls](https://docs.rs/rustls).
//!
//! - [`Server`] has the certificate, which can be [replaced](Server::reload) while the server runs, and
//!   says what is asked of clients.
//! - [`Session`] is the server's side of one connection. It does no I/O, and keeps no buffers while
//!   nothing is under way: what an idle connection takes of memory is its keys.
//! - [`Client`] says whom a client trusts, and who it is itself.
//!
//! Cipher suites, key exchange and all else are what rustls has by default, for TLS 1.2 and 1.3.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls may have further kinds of errors and alerts at any time"
)]

mod client;
mod error;
mod files;
mod server;
mod session;

pub use client::{Client, Identity};
pub use error::{Error, Failure, explain};
pub use server::{ClientCertificates, Server, ServerOptions};
pub use session::{Received, SEALED, SEALED_AT_ONCE, Session};

pub use rustls;
