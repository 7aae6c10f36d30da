//! Subprotocols: `Sec-WebSocket-Protocol` (RFC 6455, sections 1.9, 4.1 item 10, 4.2.2 and 11.3.4).

use core::fmt;

use super::http::{Fields, Repeated, token};

/// Most subprotocols a client may offer.
///
/// Clients offer one or two, and perhaps a credential. Each is compared with each, because they
/// must be unique, so a bound on their number is a bound on the work.
pub const MAX_SUBPROTOCOLS: usize = 32;

pub(super) const NAME: &str = "Sec-WebSocket-Protocol";

/// A subprotocol that the client offered; only a request makes one, so that a server cannot select
/// what was not offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Subprotocol<'b>(&'b str);

impl<'b> Subprotocol<'b> {
    /// The name, as the client wrote it. Case matters (RFC 6455, section 11.5).
    #[must_use]
    pub const fn as_str(self) -> &'b str {
        self.0
    }
}

impl PartialEq<str> for Subprotocol<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Subprotocol<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Subprotocol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What the client offered, by preference. An element that is no token is left out; a request that
/// has one is refused before anybody sees it.
pub(super) fn offered<'h, 'b>(
    fields: Fields<'h, 'b>,
) -> impl Iterator<Item = Subprotocol<'b>> + Clone + use<'h, 'b> {
    fields.elements(NAME).filter_map(token).map(Subprotocol)
}

/// Whether `elements` may be offered: tokens, no two alike (RFC 6455, section 4.1, item 10), and
/// not more than [`MAX_SUBPROTOCOLS`].
pub(super) fn are_valid<'b>(elements: impl Iterator<Item = &'b [u8]>) -> bool {
    let mut seen = heapless::Vec::<&str, MAX_SUBPROTOCOLS>::new();
    for element in elements {
        let Some(name) = token(element) else {
            return false;
        };
        if seen.contains(&name) || seen.push(name).is_err() {
            return false;
        }
    }
    true
}

/// The answer to an offer cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadAnswer {
    /// More than one was selected.
    Repeated,
    /// One was selected which was not offered.
    Unsolicited,
}

/// What the server selected of `offered` (RFC 6455, section 4.1, last item 6, and section 11.3.4).
pub(super) fn selected<'b>(
    fields: Fields<'_, 'b>,
    offered: &[&str],
) -> Result<Option<&'b str>, BadAnswer> {
    let value = match fields.single(NAME) {
        Ok(Some(value)) => value,
        Ok(None) => return Ok(None),
        Err(Repeated) => return Err(BadAnswer::Repeated),
    };
    // A list is more than one selection, and no element of an offer has a comma.
    if value.contains(&b',') {
        return Err(BadAnswer::Repeated);
    }
    token(value)
        .filter(|name| offered.contains(name))
        .map(Some)
        .ok_or(BadAnswer::Unsolicited)
}
