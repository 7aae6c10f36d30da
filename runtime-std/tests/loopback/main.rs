//! Streams over real sockets, and over a transport that cuts and fails as it likes.

// `clippy.toml` allows it in tests, and does not see that their helpers are tests too.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result)]

mod cutting;
mod echo;
mod ending;
mod opening;
mod support;
