//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455, sections 4.1, 4.2.2 and 11.3).

#[cfg(not(feature = "simd"))]
use super::sha1::sha1;

/// Length of a `Sec-WebSocket-Key`: 16 bytes in base64.
pub(super) const KEY_BYTES: usize = 24;

/// Length of a `Sec-WebSocket-Accept`: a SHA-1 digest of 20 bytes in base64.
pub(super) const ACCEPT_BYTES: usize = 28;

/// RFC 6455, section 1.3: the constant that no endpoint uses which does not know WebSocket.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key which stands for `nonce` (RFC 6455, section 4.1, item 7).
pub(super) fn key(nonce: [u8; 16]) -> [u8; KEY_BYTES] {
    base64(&nonce)
}

/// The proof of having read `key` (RFC 6455, section 4.2.2, item 5.4). The text counts, not the
/// bytes it stands for.
pub(super) fn accept(key: &[u8; KEY_BYTES]) -> [u8; ACCEPT_BYTES] {
    #[cfg(not(feature = "simd"))]
    let digest = sha1(key.iter().chain(GUID).copied());
    // With the instructions that processors have for it.
    #[cfg(feature = "simd")]
    let digest: [u8; 20] = {
        use sha1::Digest as _;
        let hash = sha1::Sha1::new().chain_update(key).chain_update(GUID);
        hash.finalize().into()
    };
    base64(&digest)
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

/// `bytes` in base64 (RFC 4648, section 4); `N` is the length of that.
///
/// By hand, because the compiler can prove at every level of optimisation that this never panics.
/// The tests have the crate `base64` beside it.
pub(super) fn base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = [b'='; N];
    let mut bytes = bytes.iter();
    // The lowest `held` of these bits are still to be written, six to a digit.
    let (mut bits, mut held) = (0_u32, 0_u32);
    for place in &mut text {
        if held < 6 {
            match bytes.next() {
                Some(byte) => {
                    bits = (bits << 8) | u32::from(*byte);
                    held += 8;
                }
                None if held == 0 => break,
                None => {
                    bits <<= 6 - held;
                    held = 6;
                }
            }
        }
        held -= 6;
        if let Some(digit) = DIGITS.get((bits >> held & 63) as usize) {
            *place = *digit;
        }
    }
    text
}
