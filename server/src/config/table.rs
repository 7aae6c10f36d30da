//! Every setting, in one table: what reads the command line, the environment and the file, what checks
//! and explains them, and the manual page are made from it.

use core::{net::SocketAddr, time::Duration};
use std::sync::Arc;

use campanile_core::{
    hub::{Policy, SlowPolicy},
    proxy::Field,
    server::Options,
};
use campanile_tls::ClientCertificates;

use super::{
    access::{CLAIMS, FILES, NAMES, NETWORKS, ORIGINS},
    compression::{Compression, Switch},
    runtime::Runtime,
    tls::Tls,
    value::{Kind, Slot, Value},
};
use crate::{
    auth,
    log::{self, Format, Level},
};

/// How the daemon is to be.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// What drives the sockets.
    pub(crate) runtime: Runtime,
    /// How it serves, but for [compression](Self::compression) and [policy](Self::policy).
    pub(crate) server: Options,
    pub(crate) compression: Compression,
    /// Which proxies it believes, and which pages may come.
    pub(crate) policy: Policy,
    /// What it wants of tokens.
    pub(crate) auth: auth::Settings,
    /// What it logs.
    pub(crate) log: log::Options,
    /// Where operators are answered, if anywhere.
    pub(crate) admin: Option<SocketAddr>,
    /// By which names, beside addresses.
    pub(crate) admin_hosts: Vec<String>,
    /// Where and how TLS is spoken.
    pub(crate) tls: Tls,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8000)),
            runtime: Runtime::default(),
            server: Options::default(),
            compression: Compression::default(),
            policy: Policy::default(),
            auth: auth::Settings::default(),
            log: log::Options::default(),
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 8001))),
            admin_hosts: Vec::new(),
            tls: Tls::default(),
        }
    }
}

impl Configuration {
    /// How to serve, but for the keys.
    pub(crate) fn options(&self) -> Options {
        let mut options = self.server.clone();
        options.hub.compression = self.compression.settings();
        options.hub.policy = Arc::new(self.policy.clone());
        options
    }
}

/// One thing that can be set.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the file: `section.key`, or `key` alone.
    pub(crate) key: &'static str,
    /// Its name on the command line, without the dashes.
    pub(crate) flag: &'static str,
    pub(crate) kind: Kind,
    pub(crate) applies: Applies,
    /// What it is, in a sentence without its last stop.
    pub(crate) help: &'static str,
    /// Where its value is kept. The default is what is there by default.
    pub(crate) slot: fn(&mut Configuration) -> &mut dyn Slot,
}

/// When a value that has changed is in force after a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    /// At once, for open connections too.
    Now,
    /// For connections that come later.
    Later,
    /// Not before the server is started again.
    Restart,
}

impl Applies {
    /// In words.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Now => "at once",
            Self::Later => "for new connections",
            Self::Restart => "after a restart",
        }
    }
}

impl Setting {
    /// What it is where nobody says anything.
    pub(crate) fn default_value(&self) -> Value {
        self.value_in(&Configuration::default())
    }

    pub(crate) fn value_in(&self, configuration: &Configuration) -> Value {
        let mut copy = configuration.clone();
        (self.slot)(&mut copy).get()
    }

    /// The environment variable for it.
    pub(crate) fn variable(&self) -> String {
        variable(self.key)
    }

    /// Its section, "" if none, and its key in that.
    pub(crate) fn parts(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }
}

/// What the names of all environment variables of ours begin with.
pub(crate) const PREFIX: &str = "CAMPANILE_";

fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The sections in their order; each with its title, and what it is about.
pub(crate) const SECTIONS: &[(&str, &str, &str)] = &[
    ("", "Options", "Where and how to serve"),
    (
        "tls",
        "TLS",
        "wss:// and https://, on a port of their own; docs/tls.md says how to set it up",
    ),
    ("log", "Log", "What is logged, on standard error"),
    (
        "admin",
        "Admin",
        "Where the server tells what it does: a status page for people, `GET /metrics` for Prometheus and its kind",
    ),
    (
        "proxy",
        "Proxies",
        "Which proxies are believed when they say who their clients are; docs/proxies.md has examples",
    ),
    (
        "auth",
        "Tokens",
        "Who may subscribe and publish. Without keys everybody may subscribe, and publish who is beside \
         the server; docs/tokens.md has examples",
    ),
    (
        "drain",
        "End",
        "How the server ends when it is told to: with SIGTERM, or Ctrl-C",
    ),
    (
        "limits",
        "Limits",
        "What peers may do; the defaults suit a server that the whole world can reach",
    ),
    (
        "keep_alive",
        "Keep-alive",
        "How peers that have vanished are noticed",
    ),
    (
        "compression",
        "Compression",
        "permessage-deflate: less on the wire for more of the processor",
    ),
];

/// More than this of anything is no limit that a person means.
const MANY: u64 = u32::MAX as u64;
const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

/// All settings; those of a section stand together.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        flag: "listen",
        kind: Kind::Address,
        applies: Applies::Restart,
        help: "The address and port to listen on; port 0 takes any free one. A socket that the service \
               manager passes goes before it",
        slot: |all| &mut all.listen,
    },
    Setting {
        key: "runtime",
        flag: "runtime",
        kind: Kind::choice::<Runtime>(),
        applies: Applies::Restart,
        help: "What drives the sockets",
        slot: |all| &mut all.runtime,
    },
    Setting {
        key: "shards",
        flag: "shards",
        kind: Kind::Number(0, 1024),
        applies: Applies::Restart,
        help: "Threads that serve, each its share of the connections; 0 takes one for each processor; the \
               runtime std takes no notice",
        slot: |all| &mut all.server.shards,
    },
    Setting {
        key: "origins",
        flag: "origins",
        kind: Kind::List(&ORIGINS),
        applies: Applies::Later,
        help: "The web pages that may connect, by their origins; if there are none in the list, all may, \
               but not publish",
        slot: |all| &mut all.policy.origins,
    },
    Setting {
        key: "tls.listen",
        flag: "tls-listen",
        kind: Kind::OptionalAddress,
        applies: Applies::Restart,
        help: "The address and port to listen on with TLS, beside `listen`; `off` for none. With the \
               runtime smol only",
        slot: |all| &mut all.tls.listen,
    },
    Setting {
        key: "tls.certificate",
        flag: "tls-certificate",
        kind: Kind::OptionalFile,
        applies: Applies::Later,
        help: "The server's certificate, and behind it those between it and a root, in PEM form; it is \
               read again after SIGHUP, as all files here",
        slot: |all| &mut all.tls.certificate,
    },
    Setting {
        key: "tls.key",
        flag: "tls-key",
        kind: Kind::OptionalFile,
        applies: Applies::Later,
        help: "The private key of the certificate, in PEM form",
        slot: |all| &mut all.tls.key,
    },
    Setting {
        key: "tls.client_certificates",
        flag: "tls-client-certificates",
        kind: Kind::choice::<ClientCertificates>(),
        applies: Applies::Later,
        help: "Whether clients are to show a certificate, whose subject is in the log then",
        slot: |all| &mut all.tls.client_certificates,
    },
    Setting {
        key: "tls.client_ca",
        flag: "tls-client-ca",
        kind: Kind::OptionalFile,
        applies: Applies::Later,
        help: "The authorities that may certify clients, in PEM form",
        slot: |all| &mut all.tls.client_ca,
    },
    Setting {
        key: "log.level",
        flag: "log",
        kind: Kind::choice::<Level>(),
        applies: Applies::Now,
        help: "How much to log",
        slot: |all| &mut all.log.level,
    },
    Setting {
        key: "log.format",
        flag: "log-format",
        kind: Kind::choice::<Format>(),
        applies: Applies::Restart,
        help: "In which form to log",
        slot: |all| &mut all.log.format,
    },
    Setting {
        key: "log.rate",
        flag: "log-rate",
        kind: Kind::Number(0, 1_000_000),
        applies: Applies::Now,
        help: "Events of one name that are logged a second, and ten times as many at once; others are \
               left out, and the log says how many; 0 for no limit",
        slot: |all| &mut all.log.rate,
    },
    Setting {
        key: "admin.listen",
        flag: "admin-listen",
        kind: Kind::OptionalAddress,
        applies: Applies::Restart,
        help: "The address and port for metrics and the status page, for whoever reaches it; `off` for none. \
               Where the default is in use already, there are none",
        slot: |all| &mut all.admin,
    },
    Setting {
        key: "admin.hosts",
        flag: "admin-hosts",
        kind: Kind::List(&NAMES),
        applies: Applies::Restart,
        help: "The names by which the admin address may be asked, beside IP addresses and localhost; others \
               are refused, lest a web site has a browser read it (DNS rebinding)",
        slot: |all| &mut all.admin_hosts,
    },
    Setting {
        key: "proxy.trusted",
        flag: "proxy-trusted",
        kind: Kind::List(&NETWORKS),
        applies: Applies::Later,
        help: "The addresses that the proxies' connections come from; nobody else is believed, and what \
               comes from there is never beside the server",
        slot: |all| &mut all.policy.proxies.trusted,
    },
    Setting {
        key: "proxy.protocol",
        flag: "proxy-protocol",
        kind: Kind::choice::<bool>(),
        applies: Applies::Later,
        help: "Whether their connections begin with a PROXY protocol header",
        slot: |all| &mut all.policy.proxies.protocol,
    },
    Setting {
        key: "proxy.headers",
        flag: "proxy-headers",
        kind: Kind::choice::<Option<Field>>(),
        applies: Applies::Later,
        help: "The header field in which they name the client of each request",
        slot: |all| &mut all.policy.proxies.field,
    },
    Setting {
        key: "auth.keys",
        flag: "auth-keys",
        kind: Kind::List(&FILES),
        applies: Applies::Now,
        help: "Files with the keys that tokens are signed with: a public key in PEM (RSA for RS256, P-256 \
               for ES256, Ed25519 for EdDSA), a secret of 32 bytes or more for HS256, or a JWK set; the \
               variable CAMPANILE_SECRET can have a secret too",
        slot: |all| &mut all.auth.keys,
    },
    Setting {
        key: "auth.issuer",
        flag: "auth-issuer",
        kind: Kind::List(&CLAIMS),
        applies: Applies::Now,
        help: "What `iss` of a token must be, one of these; anything if there are none",
        slot: |all| &mut all.auth.issuer,
    },
    Setting {
        key: "auth.audience",
        flag: "auth-audience",
        kind: Kind::List(&CLAIMS),
        applies: Applies::Now,
        help: "What `aud` of a token must be or have in it, one of these; anything if there are none",
        slot: |all| &mut all.auth.audience,
    },
    Setting {
        key: "auth.leeway",
        flag: "auth-leeway",
        kind: Kind::Duration(Duration::ZERO, HOUR),
        applies: Applies::Now,
        help: "How far the clocks of those who issue tokens may be from the server's",
        slot: |all| &mut all.auth.leeway,
    },
    Setting {
        key: "auth.revoked",
        flag: "auth-revoked",
        kind: Kind::List(&FILES),
        applies: Applies::Now,
        help: "Files with what is revoked, each line `sub` and a subject or `jti` and the id of a token; \
               they are read again when they change, and who is in them is closed within a second",
        slot: |all| &mut all.auth.revoked,
    },
    Setting {
        key: "drain.window",
        flag: "drain",
        kind: Kind::Duration(Duration::ZERO, HOUR),
        applies: Applies::Now,
        help: "The time over which the connections are closed; few take less",
        slot: |all| &mut all.server.drain_window,
    },
    Setting {
        key: "drain.grace",
        flag: "drain-grace",
        kind: Kind::Duration(Duration::ZERO, HOUR),
        applies: Applies::Now,
        help: "How long after that the last ones have to take what waits for them",
        slot: |all| &mut all.server.drain_grace,
    },
    Setting {
        key: "limits.connections",
        flag: "max-connections",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Connections in all; 0 leaves it to the descriptors that the process may open",
        slot: |all| &mut all.server.admission.connections,
    },
    Setting {
        key: "limits.connections_per_address",
        flag: "max-connections-per-address",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Connections from one address, loopback addresses excepted; 0 for no limit",
        slot: |all| &mut all.server.admission.per_address,
    },
    Setting {
        key: "limits.handshake_time",
        flag: "handshake-time",
        kind: Kind::Duration(MOMENT, HOUR),
        applies: Applies::Later,
        help: "How long a client has for its opening handshake",
        slot: |all| &mut all.server.hub.handshake_time,
    },
    Setting {
        key: "limits.message_size",
        flag: "max-message",
        kind: Kind::Size(1, 1 << 30),
        applies: Applies::Later,
        help: "The length of one message",
        slot: |all| &mut all.server.hub.connection.max_message,
    },
    Setting {
        key: "limits.subscriptions",
        flag: "max-subscriptions",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Subscriptions of one connection",
        slot: |all| &mut all.server.hub.message.subscriptions,
    },
    Setting {
        key: "limits.values",
        flag: "max-values",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Values in one subscription or notification",
        slot: |all| &mut all.server.hub.message.values,
    },
    Setting {
        key: "limits.messages_per_minute",
        flag: "messages-per-minute",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Messages a minute that a connection may send, publications excepted, and as many at once; \
               0 for no limit",
        slot: |all| &mut all.server.hub.messages,
    },
    Setting {
        key: "limits.publications_per_second",
        flag: "publications-per-second",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Publications a second of one connection, and as many at once; 0 for no limit",
        slot: |all| &mut all.server.hub.publications,
    },
    Setting {
        key: "limits.waiting_bytes",
        flag: "max-waiting-bytes",
        kind: Kind::Size(0, 1 << 40),
        applies: Applies::Now,
        help: "How much may wait for a client that does not read",
        slot: |all| &mut all.server.hub.outbox.bytes,
    },
    Setting {
        key: "limits.waiting_messages",
        flag: "max-waiting-messages",
        kind: Kind::Number(0, MANY),
        applies: Applies::Now,
        help: "Messages that may wait for a client that does not read",
        slot: |all| &mut all.server.hub.outbox.frames,
    },
    Setting {
        key: "limits.slow_consumers",
        flag: "slow-consumers",
        kind: Kind::choice::<SlowPolicy>(),
        applies: Applies::Now,
        help: "What becomes of a client for which more would wait",
        slot: |all| &mut all.server.hub.outbox.policy,
    },
    Setting {
        key: "keep_alive.ping_interval",
        flag: "ping-interval",
        kind: Kind::Duration(Duration::ZERO, HOUR),
        applies: Applies::Later,
        help: "How often each client is sent a ping; 0 for never",
        slot: |all| &mut all.server.hub.connection.ping_interval,
    },
    Setting {
        key: "keep_alive.pong_timeout",
        flag: "pong-timeout",
        kind: Kind::Duration(MOMENT, HOUR),
        applies: Applies::Later,
        help: "How long after a ping a client may be silent before it is given up",
        slot: |all| &mut all.server.hub.connection.pong_timeout,
    },
    Setting {
        key: "compression.clients",
        flag: "compression",
        kind: Kind::choice::<Switch>(),
        applies: Applies::Restart,
        help: "Whether messages are compressed",
        slot: |all| &mut all.compression.clients,
    },
    Setting {
        key: "compression.threshold",
        flag: "compression-threshold",
        kind: Kind::Size(0, 1 << 30),
        applies: Applies::Restart,
        help: "From which length on a notification is compressed",
        slot: |all| &mut all.compression.threshold,
    },
    Setting {
        key: "compression.level",
        flag: "compression-level",
        kind: Kind::Number(1, 9),
        applies: Applies::Restart,
        help: "How hard to try: 1 is the least work, 9 the most",
        slot: |all| &mut all.compression.level,
    },
    Setting {
        key: "compression.client_takeover",
        flag: "compression-client-takeover",
        kind: Kind::choice::<Switch>(),
        applies: Applies::Restart,
        help: "Whether a client may refer to its earlier messages, which takes 43 KiB of memory for each \
               that does",
        slot: |all| &mut all.compression.client_takeover,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_takes_its_default_and_another_value_and_says_it_again() {
        for setting in SETTINGS {
            let mut all = Configuration::default();
            let default = setting.default_value();
            let text = setting.kind.text(&default);
            assert_eq!(
                setting.kind.parse(&text).as_ref(),
                Ok(&default),
                "{}",
                setting.key
            );
            let other = match setting.kind {
                Kind::Number(min, _) => (min + 6).to_string(),
                Kind::Size(..) => "3KiB".to_owned(),
                Kind::Duration(..) => "7s".to_owned(),
                Kind::Choice(_, choices) => choices().last().expect("choices").name.to_owned(),
                Kind::Address | Kind::OptionalAddress => "[::1]:9".to_owned(),
                Kind::List(items) => ["10.0.0.0/8,::1/128", "null,https://*.example.com", "a.b, c"]
                    .into_iter()
                    .find(|text| text.split(',').all(|item| (items.is_valid)(item.trim())))
                    .expect("one fits")
                    .to_owned(),
                Kind::OptionalFile => "/a/b.pem".to_owned(),
            };
            let other = setting.kind.parse(&other).expect("a value");
            assert_ne!(other, default, "{}", setting.key);
            (setting.slot)(&mut all).set(other.clone());
            assert_eq!(setting.value_in(&all), other, "{}", setting.key);
            // And nothing else.
            for another in SETTINGS.iter().filter(|s| s.key != setting.key) {
                assert_eq!(another.value_in(&all), another.default_value());
            }
        }
    }

    #[test]
    fn names_are_unique_and_each_section_has_its_settings_together() {
        let sections: Vec<_> = SECTIONS.iter().map(|(name, ..)| *name).collect();
        let places = SETTINGS
            .iter()
            .map(|setting| sections.iter().position(|name| *name == setting.parts().0));
        let places: Vec<_> = places.map(|place| place.expect("a section")).collect();
        assert!(places.is_sorted());
        for names in [
            SETTINGS
                .iter()
                .map(|s| s.key.to_owned())
                .collect::<BTreeSet<_>>(),
            SETTINGS.iter().map(|s| s.flag.to_owned()).collect(),
            SETTINGS.iter().map(Setting::variable).collect(),
        ] {
            assert_eq!(names.len(), SETTINGS.len());
        }
    }

    #[test]
    fn no_setting_has_a_variable_that_means_something_else() {
        for setting in SETTINGS {
            let variable = setting.variable();
            assert!(
                !super::super::environment::is_foreign(&variable),
                "{variable}"
            );
            assert_ne!(variable, super::super::environment::FILE);
        }
    }
}
