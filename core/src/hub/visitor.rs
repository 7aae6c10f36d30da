//! Who asks: the client behind a proxy, and the page in a browser.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::net::IpAddr;

use super::{Fact, Rights, TurnedAway, session::Address};
use crate::{
    handshake::{BadPattern, Fields, OriginPattern, Refusal},
    proxy::{self, BadForwarding, Field, Network},
};

/// Which proxies are believed, and which pages may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The proxies whose word counts.
    pub proxies: Proxies,
    /// The pages that may come.
    pub origins: Origins,
}

/// Which proxies are believed, and what they say (`crate::proxy`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Whether their connections begin with a header of the PROXY protocol, which is required then.
    pub protocol: bool,
    /// The header field in which they name the client of each request, if any.
    pub field: Option<Field>,
    /// Their addresses. Nobody else is believed.
    pub trusted: Vec<Network>,
}

impl Proxies {
    /// Whether what comes from this address comes from clients behind it.
    #[must_use]
    pub fn speak_at(&self, address: IpAddr) -> bool {
        (self.protocol || self.field.is_some()) && self.trusts(address)
    }

    /// Whether a connection from this address begins with a header of the PROXY protocol.
    pub(super) fn introduce_at(&self, address: IpAddr) -> bool {
        self.protocol && self.trusts(address)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// The origins of pages that may come: the [patterns](OriginPattern) of a list. Without any, all may come,
/// and none may publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// What a list says of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not in the list.
    Stranger,
    /// It may come, as everybody may.
    Guest,
    /// It is in the list, by its name.
    Listed,
}

impl Origins {
    /// Adds a pattern.
    ///
    /// # Errors
    /// It is none.
    pub fn add(&mut self, pattern: &str) -> Result<(), BadPattern> {
        OriginPattern::parse(pattern)?;
        self.0.push(pattern.into());
        Ok(())
    }

    /// The patterns.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is no pattern.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn standing(&self, origin: &str) -> Standing {
        if self.is_empty() {
            return Standing::Guest;
        }
        let mut standing = Standing::Stranger;
        let patterns = self
            .iter()
            .filter_map(|text| OriginPattern::parse(text).ok());
        for pattern in patterns.filter(|pattern| pattern.allows(origin)) {
            if pattern != OriginPattern::Any {
                return Standing::Listed;
            }
            standing = Standing::Guest;
        }
        standing
    }
}

/// The fields that proxies leave: where there is one, the peer is not the client.
const TRACES: [&str; 6] = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
];

/// Who asks for something, as the transport and the head of the request have it.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) peer: Address,
    pub(super) rights: Rights,
    /// Whether a proxy has named it in this request.
    pub(super) is_named: bool,
    /// Its page, if it is one.
    pub(super) page: Option<Page>,
    /// Whether a proxy that is not configured seems to have had the request, which would have the right
    /// to publish otherwise.
    pub(super) is_doubtful: bool,
}

/// A page that may come.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) origin: Arc<str>,
    /// Whether the list of origins has it in some way.
    pub(super) is_allowed: bool,
}

/// Somebody who is not let in.
#[derive(Clone, Debug)]
pub(super) struct Unwelcome {
    pub(super) peer: Address,
    pub(super) why: Why,
}

/// Why not.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// The page's origin, this one, is not in the list.
    Origin(Arc<str>),
    /// A proxy says of the client what cannot be understood.
    Forwarding(BadForwarding),
    /// There are as many of the client's address as there may be.
    Full(TurnedAway),
}

impl Unwelcome {
    /// What to tell it.
    pub(super) const fn refusal(&self) -> Refusal<'static> {
        match self.why {
            Why::Origin(_) => Refusal {
                status: 403,
                reason: "Forbidden",
                headers: &[],
                body: "The page's origin is not among those that the server allows; its operator can \
                       add it to the setting `origins`.",
            },
            Why::Forwarding(_) => Refusal {
                status: 400,
                reason: "Bad Request",
                headers: &[],
                body: FORWARDING,
            },
            Why::Full(reason) => reason.refusal(),
        }
    }

    /// What to observe.
    pub(super) fn fact(&self) -> Fact<'_> {
        let peer = self.peer.get();
        match &self.why {
            Why::Origin(origin) => Fact::OriginRefused { peer, origin },
            Why::Forwarding(reason) => Fact::ForwardingRefused {
                peer,
                reason: *reason,
            },
            Why::Full(reason) => Fact::TurnedAway {
                peer,
                reason: *reason,
            },
        }
    }
}

/// What is told of a request whose client is not named as it should be.
pub(super) const FORWARDING: &str = "The Forwarded or X-Forwarded-For header does not say which address the request comes from. A \
     proxy has to add it in the form of RFC 7239, or as a list of addresses.";

impl Policy {
    /// Who asks: the request has these fields, and came from `peer`, who has these rights.
    pub(super) fn judge(
        &self,
        fields: Fields<'_, '_>,
        peer: Address,
        rights: Rights,
    ) -> Result<Visitor, Unwelcome> {
        let mut visitor = Visitor {
            peer,
            rights,
            is_named: false,
            page: None,
            is_doubtful: false,
        };
        let is_trusted = |address| self.proxies.trusts(address);
        let field = self.proxies.field;
        if let Some(field) = field.filter(|_| is_trusted(peer.get().ip())) {
            let named = proxy::client(field, fields.all(field.name()), is_trusted);
            let named = named.map_err(|bad| Unwelcome {
                peer,
                why: Why::Forwarding(bad),
            })?;
            if let Some(client) = named {
                visitor.peer = Address::new(client);
                visitor.is_named = true;
            }
            // Named or not: it is behind a proxy, and not beside the server.
            visitor.rights.publish = false;
        } else if TRACES.iter().any(|name| fields.all(name).next().is_some()) {
            visitor.is_doubtful = rights.publish;
            visitor.rights.publish = false;
        }
        let mut origins = fields.all("Origin");
        if let Some(origin) = origins.next() {
            // Several are no origin at all.
            let origin = if origins.next().is_none() {
                origin
            } else {
                b""
            };
            let origin = core::str::from_utf8(origin).unwrap_or_default();
            let standing = self.origins.standing(origin);
            if standing == Standing::Stranger {
                return Err(Unwelcome {
                    peer: visitor.peer,
                    why: Why::Origin(origin.into()),
                });
            }
            // Whoever may publish from a loopback address may have a browser open there, and in it
            // anybody's page.
            visitor.rights.publish &= standing == Standing::Listed;
            visitor.page = Some(Page {
                origin: origin.into(),
                is_allowed: !self.origins.is_empty(),
            });
        }
        Ok(visitor)
    }
}

impl Visitor {
    /// Counts it by its address, if a proxy has named it.
    pub(super) fn enter(self, gate: Option<&Gate>) -> Result<Self, Unwelcome> {
        match gate {
            Some(gate) if self.is_named => match gate(Passage::Enter(self.peer.get().ip())) {
                Ok(()) => Ok(self),
                Err(reason) => Err(Unwelcome {
                    peer: self.peer,
                    why: Why::Full(reason),
                }),
            },
            _ => Ok(self),
        }
    }
}

/// A client that a proxy has named comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It comes, and counts from now on unless that is refused.
    Enter(IpAddr),
    /// It goes.
    Leave(IpAddr),
}

/// Counts the clients behind proxies by their addresses: [`Admission::pass`](super::Admission::pass), behind
/// a lock where several hubs share it. Those who leave are never refused.
pub type Gate = Arc<dyn Fn(Passage) -> Result<(), TurnedAway> + Send + Sync>;
