//! The harness of the integration tests: the daemon as a child process, and clients to put in front of it.
//!
//! * [`Daemon`] builds the `campanile` binary, starts it on a free port, reads its log and ends it.
//! * [`Wire`] is a WebSocket client made by hand from the text of RFC 6455. It shares no code with
//!   the product, so that a mistake in the product's codec cannot hide in its own tests, and it can break
//!   every rule that a client must keep.
//! * [`Program`] is any other child process: a real client in another language.
//! * [`tools`] finds those clients.
//!
//! Everything here panics, with what was expected and what came instead, rather than returning an
//! error: a harness that goes on after a surprise tests nothing. Nothing waits longer than
//! [`PATIENCE`], so that a hang is a failure; no test asserts that something is *fast*.

extern crate alloc;

mod authority;
mod daemon;
pub mod messages;
pub mod metrics;
mod process;
pub mod tools;
mod wire;

pub use authority::Authority;
pub use daemon::{Daemon, with_bystander};
pub use process::{Ended, Program};
pub use wire::{Frame, Received, Response, Wire, error_in};

use core::time::Duration;

/// How long anything may take before the test calls it a hang: long enough for a loaded machine
/// that runs a debug build under ten other tests, and longer than the daemon's own deadline of 10 s
/// for a handshake.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes in lower-case hexadecimal digits, the form in which the scripted clients report what they heard.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

/// The snippets of the page on embedding, which are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;

/// That of the page on clients, which is only compiled: it would listen for ever.
#[cfg(doctest)]
#[doc = include_str!("../../docs/clients.md")]
struct Clients;
