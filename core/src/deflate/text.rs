//! The value of a `Sec-WebSocket-Extensions` field, by value.

use core::{fmt, ops::Deref};

use super::{NAME, WindowBits};

/// The longest [`Text`] in bytes: four offers with all their parameters.
pub const MAX_TEXT: usize = 4 * 130;

/// An offer, a list of offers, or the response to them, as `Sec-WebSocket-Extensions` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(heapless::String<MAX_TEXT>);

impl Text {
    pub(super) fn extension() -> Self {
        let mut text = Self::default();
        text.push(NAME);
        text
    }

    pub(super) fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.push("; ");
            self.push(name);
        }
    }

    pub(super) fn window(&mut self, name: &str, window: Option<WindowBits>) {
        if let Some(window) = window {
            self.flag(name, true);
            self.push("=");
            self.push(window.digits());
        }
    }

    /// `None` if the two do not fit.
    pub(super) fn followed_by(mut self, other: &Self) -> Option<Self> {
        if self.0.is_empty() {
            return Some(other.clone());
        }
        self.0.push_str(", ").ok()?;
        self.0.push_str(&other.0).ok()?;
        Some(self)
    }

    /// One extension always fits.
    fn push(&mut self, part: &str) {
        let _ = self.0.push_str(part);
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
