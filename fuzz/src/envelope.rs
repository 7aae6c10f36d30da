//! Messages as a whole.

use crate::check;

/// Format: the text of a message.
pub fn envelope(data: &[u8]) {
    let _ = check::message(data);
}
