//! permessage-deflate, the compression of messages (RFC 7692; feature `deflate`).
//!
//! Three parts, none of which is in a [`Connection`](crate::conn::Connection), so that a connection
//! without compression costs nothing:
//!
//! - **Negotiation** is pure. A server [answers](Settings::answer) the offers of a
//!   [`Request`](crate::handshake::Request), and puts [`Agreed::response`] into its
//!   [`Reply`](crate::handshake::Reply). A client [offers](Settings::offer), and
//!   [checks](Offer::check) the answer.
//! - **[`Inflater`]** makes the chunks of an [`Event::Deflated`](crate::conn::Event::Deflated) into
//!   those of a plain message, within bounds, in memory of the caller's.
//! - **`Deflater`** (features `alloc` too) compresses what is sent with
//!   [`encode_deflated`](crate::conn::Connection::encode_deflated), and whole frames for many
//!   receivers.
//!
//! `conn::Buffered` (feature `alloc`) does all of it for a connection with buffers, and `hub::Hub` for its
//! sessions, with one compressor for all who have the same window.
//!
//! Without a heap, a compressed message goes through a buffer like any other:
//!
//! ```
//! use campanile_core::{
//!     Instant,
//!     conn::{Config, Connection, Event, Input, Server},
//!     deflate::{Inflater, Settings, WindowBits},
//!     handshake::{EMPTY_HEADER, Limits, ServerHandshake, Status},
//! };
//!
//! let settings = Settings {
//!     receive_window: WindowBits::MIN, // 256 bytes of memory
//!     ..Settings::server()
//! };
//! let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
//!     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
//! let mut slots = [EMPTY_HEADER; 8];
//! let Ok(Status::Complete { value, .. }) =
//!     ServerHandshake::new(Limits::DEFAULT).receive(request, &mut slots)
//! else {
//!     panic!("the whole request is there");
//! };
//! let agreed = settings.answer(value.extensions()).expect("it can be kept");
//! assert_eq!(
//!     &*agreed.response(), // for the `Reply`
//!     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
//!      client_max_window_bits=8"
//! );
//!
//! let config = Config::new();
//! let mut connection = Connection::new(Server, &config, Instant::ZERO);
//! connection.enable_deflate();
//! let incoming = agreed.incoming::<Server>();
//! let mut inflater = Inflater::new(incoming, [0; 256], &settings, &config)?;
//!
//! // "Hello", compressed, with a masking key of zeros.
//! let mut received = *b"\xC1\x87\0\0\0\0\xF2\x48\xCD\xC9\xC9\x07\0";
//! let mut input = Input::new(&mut received);
//! let mut out = [0; 128];
//! let mut heard = Vec::new();
//! while let Some(event) = connection.receive(&mut input, Instant::ZERO)? {
//!     if let Event::Deflated(mut data) = event {
//!         loop {
//!             match inflater.inflate(&mut data, &mut out) {
//!                 Ok(Some(piece)) => heard.extend_from_slice(piece.bytes),
//!                 Ok(None) => break,
//!                 Err(violation) => {
//!                     connection.violate(violation, &mut input, Instant::ZERO);
//!                     break;
//!                 }
//!             }
//!         }
//!     }
//! }
//! assert_eq!(heard, b"Hello");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! With `w` the bits of a direction's window:
//!
//! | for | bytes | when |
//! | --- | --- | --- |
//! | inflating | 2^`w` + [`INFLATER_BYTES`] | during a message; with takeover as long as the connection |
//! | deflating | 7.5 · 2^max(`w`, 9) + `DEFLATER_BYTES` | the same |
//!
//! That is 43 KiB and 377 KiB for 15 bits, 11 KiB and 141 KiB for 9 bits. The level of compression
//! changes the time and not the memory. Without takeover, nothing is held between messages, and one
//! `Deflater` serves any number of connections.
//!
//! # Bounds
//!
//! A message is bounded while it is inflated: by
//! [`Config::max_message`](crate::conn::Config::max_message) in its inflated bytes, by
//! [`Settings::max_ratio`] in what a compressed byte may become, and by
//! [`BYTES_PER_BLOCK`] in the tables that it makes us build, so that a byte costs at most what 700 bytes
//! of text cost to inflate, and a message what 4 KiB cost beside that. Beyond them the connection is failed, and its memory is gone with it.

mod agreed;
#[cfg(feature = "alloc")]
mod deflater;
mod fault;
#[cfg(feature = "alloc")]
mod heap;
mod inflater;
mod negotiate;
mod offer;
mod text;
mod window;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::bomb;

pub use agreed::{Agreed, Direction};
#[cfg(feature = "alloc")]
pub use deflater::{DEFLATER_BYTES, Deflater};
pub use fault::Fault;
pub use inflater::{
    BLOCKS_AHEAD, BYTES_PER_BLOCK, INFLATER_BYTES, Inflater, RATIO_FREE, WrongSize,
};
pub use negotiate::{Level, Settings};
pub use offer::{BadAgreement, ClientWindow, Offer};
pub use text::{MAX_TEXT, Text};
pub use window::WindowBits;

/// The registered name of the extension (RFC 7692, section 7).
pub const NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";
