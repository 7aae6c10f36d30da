//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455, sections 4.1, 4.2.2 and 11.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

/// Length of a `Sec-WebSocket-Key`: 16 bytes in base64.
pub(super) const KEY_BYTES: usize = 24;

/// Length of a `Sec-WebSocket-Accept`: a SHA-1 digest of 20 bytes in base64.
pub(super) const ACCEPT_BYTES: usize = 28;

/// RFC 6455, section 1.3: the constant that no endpoint uses which does not know WebSocket.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key which stands for `nonce` (RFC 6455, section 4.1, item 7).
pub(super) fn key(nonce: [u8; 16]) -> [u8; KEY_BYTES] {
    let mut text = [0; KEY_BYTES];
    let encoded = STANDARD.encode_slice(nonce, &mut text);
    debug_assert_eq!(encoded, Ok(KEY_BYTES), "16 bytes are 24 characters");
    text
}

/// The proof of having read `key` (RFC 6455, section 4.2.2, item 5.4). The text counts, not the
/// bytes it stands for.
pub(super) fn accept(key: &[u8; KEY_BYTES]) -> [u8; ACCEPT_BYTES] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut text = [0; ACCEPT_BYTES];
    let encoded = STANDARD.encode_slice(hash.digest().bytes(), &mut text);
    debug_assert_eq!(encoded, Ok(ACCEPT_BYTES), "20 bytes are 28 characters");
    text
}

/// `value` as a key, when it is the base64 of 16 bytes (RFC 6455, section 4.2.1, item 5).
///
/// 16 bytes are 21 whole characters and 2 bits, which leaves 4 bits over in the 22nd. A strict
/// encoder makes them zero, but the RFC's own example of a key does not
/// (`AQIDBAUGBwgJCgsMDQ4PEC==`, section 4.1), and RFC 4648, section 3.5 lets a decoder ignore them.
/// Checked by hand, because only the form matters and a decoder would be code for nothing.
pub(super) fn parse_key(value: &[u8]) -> Option<&[u8; KEY_BYTES]> {
    let key: &[u8; KEY_BYTES] = value.try_into().ok()?;
    let (digits, padding) = key.split_first_chunk::<22>()?;
    let valid = padding == b"=="
        && digits
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    valid.then_some(key)
}
