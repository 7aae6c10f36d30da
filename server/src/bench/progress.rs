//! How far a run is, for whoever watches it.

use std::io::{self, IsTerminal as _, Write as _};

/// One line on standard error that is written over and over; nothing where nobody watches.
#[derive(Debug)]
pub(crate) struct Progress {
    watched: bool,
    phase: &'static str,
    shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            watched: io::stderr().is_terminal(),
            phase: "",
            shown: false,
        }
    }

    pub(crate) const fn start(&mut self, phase: &'static str) {
        self.phase = phase;
    }

    pub(crate) fn show(&mut self, reached: u64, goal: u64) {
        if !self.watched {
            return;
        }
        self.shown = true;
        // Whoever does not see it can do without.
        let _ = write!(io::stderr(), "\r\x1b[K{}: {reached} of {goal}", self.phase);
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            self.shown = false;
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
