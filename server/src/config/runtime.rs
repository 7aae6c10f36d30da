//! The choice of a runtime.

use super::value::{Choice, Named};

/// What drives the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Runtime {
    #[default]
    Smol,
    Std,
}

impl Named for Runtime {
    const PLACEHOLDER: &'static str = "RUNTIME";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            Self::Smol,
            Choice {
                name: "smol",
                help: "Readiness queues, and a thread for each processor: for any number of clients",
            },
        ),
        (
            Self::Std,
            Choice {
                name: "std",
                help: "Two threads for each connection, which wait: for a few thousand clients",
            },
        ),
    ];
}
