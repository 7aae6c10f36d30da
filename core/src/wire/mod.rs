//! The frame layer of RFC 6455 section 5, as pure functions over bytes.
//!
//! Nothing here keeps a connection, allocates or panics: every function takes
//! any bytes whatever and answers with a value. [`conn`](crate::conn) puts these
//! pieces together into a connection.

mod close;
mod head;
mod mask;
mod opcode;
#[cfg(feature = "fast")]
mod scan;
mod utf8;

pub use close::{CloseCode, CloseError, ClosePayload, MAX_CLOSE_REASON};
#[cfg(feature = "alloc")]
pub(crate) use head::LENGTH_IN_8;
#[cfg(feature = "deflate")]
pub(crate) use head::RSV1;
pub use head::{Decoded, EncodedHead, FrameHead, HeadError, MAX_HEAD, Masking, decode};
pub(crate) use head::{LENGTH_IN_2, decode_message, decode_with};
pub use mask::apply_mask;
pub(crate) use mask::copy_masked;
pub use opcode::{Kind, OpCode};
pub use utf8::Utf8Validator;

/// The largest payload of a control frame, in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The largest control frame, in bytes: a two-byte head, a masking key and the payload.
pub const MAX_CONTROL: usize = 2 + 4 + MAX_CONTROL_PAYLOAD;
