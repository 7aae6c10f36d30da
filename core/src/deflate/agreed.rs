//! What both sides have agreed on.

use crate::conn::Role;

use super::{
    CLIENT_MAX_WINDOW_BITS, CLIENT_NO_CONTEXT_TAKEOVER, SERVER_MAX_WINDOW_BITS,
    SERVER_NO_CONTEXT_TAKEOVER, Text, WindowBits,
};

/// How the messages of one side are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// How far back its compressor may refer.
    pub window: WindowBits,
    /// Whether it may refer to earlier messages (RFC 7692, section 7.1.1). Then both sides hold
    /// their memory between messages.
    pub takeover: bool,
}

/// The parameters in use on a connection: the same for both sides of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// For what the server sends.
    pub server: Direction,
    /// For what the client sends.
    pub client: Direction,
    /// Whether the window of the server is in the response: it must be where the client asked for one
    /// (section 7.1.2.1).
    pub(super) names_server_window: bool,
    /// Whether the window of the client is in the response: it must not be where the client did not
    /// say that it knows the parameter (section 7.1.2.2).
    pub(super) names_client_window: bool,
}

impl Agreed {
    /// For what this end sends.
    #[must_use]
    pub const fn outgoing<R: Role>(&self) -> Direction {
        if R::IS_SERVER {
            self.server
        } else {
            self.client
        }
    }

    /// For what this end receives.
    #[must_use]
    pub const fn incoming<R: Role>(&self) -> Direction {
        if R::IS_SERVER {
            self.client
        } else {
            self.server
        }
    }

    /// What the server answers to the offer, for
    /// [`Reply::extensions`](crate::handshake::Reply::extensions).
    #[must_use]
    pub fn response(&self) -> Text {
        let Self { server, client, .. } = self;
        let mut text = Text::extension();
        text.flag(SERVER_NO_CONTEXT_TAKEOVER, !server.takeover);
        text.flag(CLIENT_NO_CONTEXT_TAKEOVER, !client.takeover);
        let server_window = self.names_server_window.then_some(server.window);
        text.window(SERVER_MAX_WINDOW_BITS, server_window);
        let client_window = self.names_client_window.then_some(client.window);
        text.window(CLIENT_MAX_WINDOW_BITS, client_window);
        text
    }
}

#[cfg(all(test, feature = "alloc"))]
impl Agreed {
    /// The same for both sides.
    pub(crate) const fn alike(direction: Direction) -> Self {
        Self {
            server: direction,
            client: direction,
            names_server_window: true,
            names_client_window: true,
        }
    }
}
