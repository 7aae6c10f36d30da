//! What proxies say of the clients behind them: the PROXY protocol in front of a connection's bytes,
//! and the header fields `Forwarded` (RFC 7239) and `X-Forwarded-For` in front of a request.
//!
//! Anybody can say such things. So whoever uses this asks first whether the peer is a proxy of theirs, by
//! its address and the [`Network`]s that are trusted, and reads nothing of what others say.
//!
//! ```
//! use campanile_core::proxy::{Addresses, Parsed, Header};
//!
//! let received = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\nGET / HTTP/1.1\r\n";
//! let Ok(Parsed::Done { header, consumed }) = Header::parse(received) else {
//!     panic!("it is whole");
//! };
//! let Some(Addresses { source, .. }) = header.addresses else {
//!     panic!("it has addresses");
//! };
//! assert_eq!(source, "192.0.2.7:40000".parse().unwrap());
//! assert!(received[consumed..].starts_with(b"GET"));
//! ```

mod forwarded;
mod header;
mod network;
#[cfg(test)]
mod tests;

pub use forwarded::{BadForwarding, Field, client};
pub use header::{Addresses, Header, InvalidHeader, MAX_HEADER, Parsed};
pub use network::{BadNetwork, Network};
