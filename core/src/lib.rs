#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
#[cfg(feature = "alloc")]
pub mod client;
pub mod conn;
mod decimal;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod handshake;
#[cfg(feature = "alloc")]
pub mod hub;
pub mod notify;
pub mod proxy;
#[cfg(feature = "alloc")]
pub mod server;
mod time;
pub mod wire;

pub use time::Instant;
