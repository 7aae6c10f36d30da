//! What a client offers, and whether the server's answer keeps to it (RFC 7692, section 7.1).

use core::fmt;

use crate::handshake::{Extension, ParameterValue};

use super::{
    Agreed, CLIENT_MAX_WINDOW_BITS, CLIENT_NO_CONTEXT_TAKEOVER, Direction, NAME,
    SERVER_MAX_WINDOW_BITS, SERVER_NO_CONTEXT_TAKEOVER, Text, WindowBits,
};

/// One offer of a client, with what it asks of the server and what it says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The server is not to refer to earlier messages (section 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client is not going to refer to earlier messages, whatever the answer (section 7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The largest window that the server is to use (section 7.1.2.1).
    pub server_max_window_bits: Option<WindowBits>,
    /// What the client knows of its own window (section 7.1.2.2).
    pub client_max_window_bits: ClientWindow,
}

/// The parameter `client_max_window_bits` of an offer (RFC 7692, section 7.1.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientWindow {
    /// Not there: the client is not to be asked for a smaller window.
    #[default]
    Absent,
    /// There without a value: the client honours any.
    Any,
    /// The client is not going to use a larger one, whatever the answer.
    AtMost(WindowBits),
}

/// Why a response does not answer any offer: the connection must be failed (RFC 7692, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAgreement {
    /// The extension is there more than once.
    Repeated,
    /// A parameter that the extension does not have, that is there twice, or whose value is wrong.
    Malformed,
    /// The parameters are not what any of the offers asked for.
    Unsolicited,
}

impl fmt::Display for BadAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "the server agreed to permessage-deflate more than once",
            Self::Malformed => "the server's parameters for permessage-deflate are malformed",
            Self::Unsolicited => "the server agreed to what was not offered for permessage-deflate",
        })
    }
}

impl core::error::Error for BadAgreement {}

impl Offer {
    /// The offer as text, for [`Opening::extensions`](crate::handshake::Opening::extensions).
    #[must_use]
    pub fn text(&self) -> Text {
        let mut text = Text::extension();
        text.flag(SERVER_NO_CONTEXT_TAKEOVER, self.server_no_context_takeover);
        text.flag(CLIENT_NO_CONTEXT_TAKEOVER, self.client_no_context_takeover);
        text.window(SERVER_MAX_WINDOW_BITS, self.server_max_window_bits);
        match self.client_max_window_bits {
            ClientWindow::Absent => {}
            ClientWindow::Any => text.flag(CLIENT_MAX_WINDOW_BITS, true),
            ClientWindow::AtMost(window) => text.window(CLIENT_MAX_WINDOW_BITS, Some(window)),
        }
        text
    }

    /// Several offers, the favourite first: a server takes the first one that it can keep. `None` if
    /// they are longer than [`MAX_TEXT`](super::MAX_TEXT) together.
    #[must_use]
    pub fn list(offers: &[Self]) -> Option<Text> {
        offers.iter().try_fold(Text::default(), |text, offer| {
            text.followed_by(&offer.text())
        })
    }

    /// Holds the extensions of a [`Response`](crate::handshake::Response) against what was offered:
    /// what is agreed, `None` if the server does not compress.
    ///
    /// # Errors
    /// Why the connection must be failed.
    pub fn check<'b>(
        offers: &[Self],
        extensions: impl Iterator<Item = Extension<'b>>,
    ) -> Result<Option<Agreed>, BadAgreement> {
        let mut responses = extensions.filter(|extension| extension.name() == NAME);
        let Some(response) = responses.next() else {
            return Ok(None);
        };
        if responses.next().is_some() {
            return Err(BadAgreement::Repeated);
        }
        let response = Self::parse(response).ok_or(BadAgreement::Malformed)?;
        // Section 7.1.2.2: in a response the parameter has a value.
        if response.client_max_window_bits == ClientWindow::Any {
            return Err(BadAgreement::Malformed);
        }
        let agreed = offers.iter().find_map(|offer| offer.answered_by(&response));
        agreed.map(Some).ok_or(BadAgreement::Unsolicited)
    }

    /// What is agreed when this offer gets this response; `None` if it is no answer to it.
    fn answered_by(&self, response: &Self) -> Option<Agreed> {
        // Section 7.1.1.1: a server accepts the parameter by repeating it.
        if self.server_no_context_takeover && !response.server_no_context_takeover {
            return None;
        }
        // Section 7.1.2.1: "the same or smaller value".
        let asked = self.server_max_window_bits;
        let server_window = match (asked, response.server_max_window_bits) {
            (Some(most), Some(window)) if window <= most => window,
            (Some(_), _) => return None,
            (None, window) => window.unwrap_or_default(),
        };
        // Section 7.1.2.2: no answer where there was no question; and the client uses no more than
        // it said, though the server may allow it.
        let (ours, names_client_window) =
            match (self.client_max_window_bits, response.client_max_window_bits) {
                (ClientWindow::Absent, ClientWindow::Absent) => (WindowBits::MAX, false),
                (ClientWindow::Absent, _) => return None,
                (ClientWindow::AtMost(most), ClientWindow::AtMost(window)) => {
                    (most.min(window), true)
                }
                (ClientWindow::Any, ClientWindow::AtMost(window)) => (window, true),
                (ClientWindow::AtMost(most), _) => (most, false),
                (ClientWindow::Any, _) => (WindowBits::MAX, false),
            };
        let no_takeover = self.client_no_context_takeover || response.client_no_context_takeover;
        Some(Agreed {
            server: Direction {
                window: server_window,
                takeover: !response.server_no_context_takeover,
            },
            client: Direction {
                window: ours,
                takeover: !no_takeover,
            },
            names_server_window: response.server_max_window_bits.is_some(),
            names_client_window,
        })
    }

    /// The parameters of an offer or a response; `None` if one is unknown, repeated or has a wrong
    /// value (section 7.1: decline such an offer, fail the connection of such a response).
    pub(super) fn parse(extension: Extension<'_>) -> Option<Self> {
        let mut offer = Self::default();
        for parameter in extension.parameters() {
            let value = parameter.value();
            match parameter.name() {
                SERVER_NO_CONTEXT_TAKEOVER => set(&mut offer.server_no_context_takeover, value)?,
                CLIENT_NO_CONTEXT_TAKEOVER => set(&mut offer.client_no_context_takeover, value)?,
                SERVER_MAX_WINDOW_BITS if offer.server_max_window_bits.is_none() => {
                    offer.server_max_window_bits = Some(WindowBits::parse(value?)?);
                }
                CLIENT_MAX_WINDOW_BITS if offer.client_max_window_bits == ClientWindow::Absent => {
                    offer.client_max_window_bits = match value {
                        None => ClientWindow::Any,
                        Some(value) => ClientWindow::AtMost(WindowBits::parse(value)?),
                    };
                }
                _ => return None,
            }
        }
        Some(offer)
    }
}

/// A parameter that has no value, and is there once.
fn set(flag: &mut bool, value: Option<ParameterValue<'_>>) -> Option<()> {
    let was_set = core::mem::replace(flag, true);
    (!was_set && value.is_none()).then_some(())
}
