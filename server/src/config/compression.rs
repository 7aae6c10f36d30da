//! Compression, as it is configured.

use campanile_core::deflate::{Level, Settings};

use super::value::{Choice, Named};

/// Whether the server compresses with clients that ask for it, as browsers do, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compression {
    pub(crate) clients: Switch,
    /// Bytes from which on a notification is compressed.
    pub(crate) threshold: usize,
    /// How hard to try, from 1 to 9.
    pub(crate) level: u32,
    /// Whether a client may refer to its earlier messages.
    pub(crate) client_takeover: Switch,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            clients: Switch::Off,
            threshold: Settings::THRESHOLD,
            level: Level::DEFAULT.get().into(),
            client_takeover: Switch::Off,
        }
    }
}

impl Compression {
    /// What the hubs are told.
    pub(crate) fn settings(&self) -> Option<Settings> {
        let level = u8::try_from(self.level).ok().and_then(Level::new);
        (self.clients == Switch::On).then(|| Settings {
            threshold: self.threshold,
            level: level.unwrap_or_default(),
            receive_takeover: self.client_takeover == Switch::On,
            ..Settings::server()
        })
    }
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Off,
    On,
}

impl Named for Switch {
    const PLACEHOLDER: &'static str = "WHETHER";
    const NAMES: &'static [(Self, Choice)] = &[
        (
            Self::Off,
            Choice {
                name: "off",
                help: "No, whatever clients ask for",
            },
        ),
        (
            Self::On,
            Choice {
                name: "on",
                help: "Yes, with clients that ask for it",
            },
        ),
    ];
}
