//! Every event of the log, in one table. `docs/logging.md` is made from it.

use tracing::Level;

/// What an event of the log tells.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its name, the same for ever.
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    /// Whether peers cause it: then no more are logged than the rate allows.
    pub(crate) limited: bool,
    /// When it is logged.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the manual"))]
    pub(crate) help: &'static str,
    /// Each with what it is.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the manual"))]
    pub(crate) fields: &'static [(&'static str, &'static str)],
}

/// The place of an event in [`EVENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Listening,
    AdminListening,
    NoAdmin,
    SocketPassed,
    NoEffect,
    NoManager,
    Secured,
    TlsFailed,
    Connected,
    Declined,
    HandshakeRefused,
    ProxyRefused,
    ForwardingRefused,
    OriginRefused,
    UnknownProxy,
    HandshakeFailed,
    Requested,
    RequestRefused,
    Subscribed,
    Notification,
    Announced,
    Refused,
    Violation,
    SlowConsumer,
    Dropped,
    Disconnected,
    CannotAccept,
    LeftOut,
    Reloaded,
    Revoked,
    Changed,
    NeedsRestart,
    NotReloaded,
    ShuttingDown,
    Ended,
}

impl Kind {
    pub(crate) const COUNT: usize = Self::Ended as usize + 1;

    pub(crate) fn event(self) -> Option<&'static Event> {
        EVENTS.get(self as usize)
    }
}

const CONNECTION: (&str, &str) = (
    "connection",
    "number of the connection, in the order of coming",
);
const PEER: (&str, &str) = ("peer", "the peer's address and port");

const REQUEST: &[(&str, &str)] = &[
    CONNECTION,
    PEER,
    ("request", "what was asked for"),
    ("status", "HTTP status of the answer"),
];

/// In the order of [`Kind`].
pub(crate) static EVENTS: [Event; Kind::COUNT] = [
    Event {
        name: "listening",
        level: Level::INFO,
        limited: false,
        help: "the server is ready",
        fields: &[
            ("address", "where it listens, the port that it got included"),
            ("tls", "whether it speaks TLS there"),
            ("version", "of the server"),
            ("publishers", "who may publish"),
            ("origins", "which web pages may connect"),
        ],
    },
    Event {
        name: "admin listening",
        level: Level::INFO,
        limited: false,
        help: "the admin address answers",
        fields: &[("address", "the address, the port that it got included")],
    },
    Event {
        name: "no admin address",
        level: Level::WARN,
        limited: false,
        help: "the server serves without one, mostly since the default is in use already",
        fields: &[("reason", "why not")],
    },
    Event {
        name: "socket passed",
        level: Level::INFO,
        limited: false,
        help: "the service manager has opened a socket, which is served in place of an address",
        fields: &[
            ("setting", "which address: `listen` or `admin.listen`"),
            ("address", "that of the socket"),
        ],
    },
    Event {
        name: "setting without effect",
        level: Level::WARN,
        limited: false,
        help: "an address was set, and the service manager passed a socket for another one",
        fields: &[
            ("setting", "its key"),
            ("value", "what was set"),
            ("reason", "what is in force, and what to do"),
        ],
    },
    Event {
        name: "service manager not told",
        level: Level::WARN,
        limited: false,
        help: "`NOTIFY_SOCKET` names a socket that does not answer; the server runs all the same",
        fields: &[("reason", "why not")],
    },
    Event {
        name: "secured",
        level: Level::INFO,
        limited: true,
        help: "a connection's TLS handshake has succeeded, and its opening handshake may follow",
        fields: &[
            CONNECTION,
            PEER,
            ("version", "of TLS: `1.2` or `1.3`"),
            ("cipher", "the cipher suite"),
            (
                "identity",
                "the subject of the client's certificate, as RFC 4514 writes it; `none` without one",
            ),
        ],
    },
    Event {
        name: "TLS failed",
        level: Level::WARN,
        limited: true,
        help: "a connection was given up since TLS fails with it",
        fields: &[PEER, ("reason", "what exactly fails")],
    },
    Event {
        name: "connected",
        level: Level::INFO,
        limited: true,
        help: "a client's opening handshake has succeeded",
        fields: &[CONNECTION, PEER, ("session", "`classic` or `v1`")],
    },
    Event {
        name: "connection declined",
        level: Level::WARN,
        limited: true,
        help: "there are as many connections as there may be",
        fields: &[PEER, ("reason", "which limit that is")],
    },
    Event {
        name: "handshake refused",
        level: Level::WARN,
        limited: true,
        help: "a request that does not open a WebSocket",
        fields: &[
            PEER,
            ("status", "HTTP status of the answer"),
            ("reason", "what is wrong with the request"),
        ],
    },
    Event {
        name: "proxy header refused",
        level: Level::WARN,
        limited: true,
        help: "a trusted proxy's connection does not begin with a PROXY protocol header, and was closed",
        fields: &[PEER, ("reason", "what is wrong with it")],
    },
    Event {
        name: "forwarding refused",
        level: Level::WARN,
        limited: true,
        help: "a trusted proxy's request does not say as it should who made it",
        fields: &[
            ("peer", "the proxy's address and port"),
            ("reason", "what is wrong with the header field"),
        ],
    },
    Event {
        name: "origin refused",
        level: Level::WARN,
        limited: true,
        help: "a web page that is not in the list `origins`",
        fields: &[PEER, ("origin", "the page's origin, as its browser says")],
    },
    Event {
        name: "unknown proxy",
        level: Level::WARN,
        limited: true,
        help: "a request from a loopback address, and with the header fields of a proxy that is not \
               configured, may not publish; said once for each thread",
        fields: &[
            ("peer", "the proxy's address and port"),
            ("remedy", "which settings to look at"),
        ],
    },
    Event {
        name: "handshake failed",
        level: Level::DEBUG,
        limited: true,
        help: "a connection ended before its opening handshake did",
        fields: &[PEER, ("reason", "how it ended")],
    },
    Event {
        name: "request",
        level: Level::DEBUG,
        limited: true,
        help: "an HTTP request was answered; what it published has an event of its own",
        fields: REQUEST,
    },
    Event {
        name: "request refused",
        level: Level::WARN,
        limited: true,
        help: "an HTTP request was answered with an error",
        fields: REQUEST,
    },
    Event {
        name: "subscribed",
        level: Level::INFO,
        limited: true,
        help: "a client's subscriptions are replaced",
        fields: &[CONNECTION, ("subscriptions", "how many it has now")],
    },
    Event {
        name: "notification",
        level: Level::INFO,
        limited: true,
        help: "a notification was handed out",
        fields: &[
            (
                "connection",
                "number of the publisher's connection; 0 for a test notification",
            ),
            ("package", "what it is about"),
            ("page", "what it is about"),
            ("position", "its place in the order of all"),
            ("bytes", "length of the message"),
            ("recipients", "how many connections it goes to"),
        ],
    },
    Event {
        name: "test notification",
        level: Level::INFO,
        limited: true,
        help: "somebody has published one on the status page; it has an event as a notification, too",
        fields: &[
            ("peer", "the address and port of who did"),
            ("position", "its place in the order of all"),
            ("recipients", "how many connections it goes to"),
        ],
    },
    Event {
        name: "refused",
        level: Level::WARN,
        limited: true,
        help: "a message was answered with an error",
        fields: &[
            CONNECTION,
            ("error", "the code of the answer"),
            ("reason", "what is wrong with the message"),
        ],
    },
    Event {
        name: "protocol violation",
        level: Level::WARN,
        limited: true,
        help: "a peer broke the WebSocket protocol, and is closed",
        fields: &[
            CONNECTION,
            ("code", "the close code"),
            ("reason", "which rule it broke"),
        ],
    },
    Event {
        name: "slow consumer",
        level: Level::WARN,
        limited: true,
        help: "a client does not read what waits for it, and is closed",
        fields: &[CONNECTION],
    },
    Event {
        name: "dropped the oldest",
        level: Level::WARN,
        limited: true,
        help: "a client does not read what waits for it, and loses some",
        fields: &[CONNECTION, ("notifications", "how many it loses")],
    },
    Event {
        name: "disconnected",
        level: Level::INFO,
        limited: true,
        help: "a connection that had been open is gone",
        fields: &[
            CONNECTION,
            (
                "code",
                "the close code; 1005 for a Close without one, 1006 for an end without a Close",
            ),
            ("cause", "what ended it"),
        ],
    },
    Event {
        name: "cannot accept connections",
        level: Level::ERROR,
        limited: true,
        help: "the system refuses connections for the moment; said once in ten seconds",
        fields: &[("reason", "what the system says")],
    },
    Event {
        name: "left out",
        level: Level::WARN,
        limited: false,
        help: "events that were not logged, since there were more than `log.rate` allows",
        fields: &[
            ("like", "the name of these events"),
            ("count", "how many since this was last said"),
        ],
    },
    Event {
        name: "configuration reloaded",
        level: Level::INFO,
        limited: false,
        help: "after SIGHUP: the configuration was read and put in force",
        fields: &[
            ("file", "the configuration file, or `none`"),
            ("changed", "how many settings have another value in force"),
            ("restart", "how many will have one after a restart"),
        ],
    },
    Event {
        name: "revocations reloaded",
        level: Level::INFO,
        limited: false,
        help: "a list of what is revoked has changed, and was read again; who is in it is closed",
        fields: &[],
    },
    Event {
        name: "setting changed",
        level: Level::INFO,
        limited: false,
        help: "after SIGHUP, for each setting with another value",
        fields: &[
            ("setting", "its key"),
            ("from", "the value that was in force"),
            ("to", "the value that is"),
            ("applies", "`at once`, or `for new connections`"),
        ],
    },
    Event {
        name: "restart needed",
        level: Level::WARN,
        limited: false,
        help: "after SIGHUP, for each setting whose new value has to wait for a restart",
        fields: &[
            ("setting", "its key"),
            ("from", "the value that is in force"),
            ("to", "the value that will be"),
        ],
    },
    Event {
        name: "configuration not reloaded",
        level: Level::ERROR,
        limited: false,
        help: "after SIGHUP, for each thing that is wrong: everything stays as it is",
        fields: &[("reason", "what is wrong, and where")],
    },
    Event {
        name: "shutting down",
        level: Level::INFO,
        limited: false,
        help: "the server was told to end",
        fields: &[],
    },
    Event {
        name: "ended",
        level: Level::INFO,
        limited: false,
        help: "the last event: what has happened altogether",
        fields: &[
            ("connections", "were open at some time"),
            ("notifications", "were handed out"),
            ("deliveries", "of them, to all who hear them"),
            ("http_requests", "were answered"),
            ("http_errors", "of them with an error"),
            ("declined", "connections, for a limit on connections"),
            ("handshakes_refused", "requests that open no WebSocket"),
            ("handshakes_too_slow", "were cut off"),
            ("rate_limited", "messages over a rate"),
            ("forbidden", "messages without the right"),
            ("too_many_subscriptions", "messages with more than allowed"),
            ("invalid_messages", "messages that were refused otherwise"),
            ("protocol_violations", "connections closed for one"),
            ("slow_consumers", "connections closed for being one"),
            ("dropped", "notifications that slow consumers lost"),
            ("accept_failures", "times that the system refused"),
        ],
    },
];
