//! Inflaters on the heap (feature `alloc`).

use alloc::{vec, vec::Vec};

use crate::conn::Config;

use super::{Direction, Inflater, Settings};

impl Inflater<Vec<u8>> {
    /// The same as [`new`](Self::new), with a window on the heap (feature `alloc` too).
    #[must_use]
    pub fn on_heap(direction: Direction, settings: &Settings, config: &Config) -> Self {
        let window = vec![0; direction.window.bytes()];
        Self::in_window(direction, window, settings, config)
    }
}
