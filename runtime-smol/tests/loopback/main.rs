//! Streams over real sockets, against those of the blocking runtime, and over a transport that cuts
//! and delays as it likes.

// `clippy.toml` allows it in tests, and does not see that their helpers are tests too.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result)]

mod compressing;
mod cutting;
mod ending;
mod opening;
mod support;
mod together;
