//! What a request asks for, as its head says.

use alloc::{borrow::Cow, boxed::Box, format, string::String, sync::Arc};

use super::{
    body::{Body, Framing},
    chunked::Chunked,
    fault::Fault,
    response::Manner,
};
use crate::{
    handshake::{DEFAULT_HEADERS, EMPTY_HEADER, Fields, split_target},
    hub::{
        Policy, Rights,
        authority::credential,
        session::Address,
        visitor::{Unwelcome, Visitor, Why},
    },
    notify::TokenFault,
};

/// A request, understood.
#[derive(Debug)]
pub(in crate::hub) struct Order {
    /// Length of the head in bytes; the body follows it.
    pub(in crate::hub) head: usize,
    /// The method and the path, for the log.
    pub(super) request: Cow<'static, str>,
    /// What is asked for, or why it is refused, which ends the connection.
    pub(super) asks: Result<Asks, Fault>,
    pub(super) manner: Manner,
    /// The token it has, if it asks to publish.
    pub(super) token: Result<Option<Box<str>>, TokenFault>,
    /// Who asks.
    pub(super) visit: Result<Visitor, Unwelcome>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asks {
    /// Whether the server lives.
    Health,
    /// Whether it should be given work.
    Readiness,
    /// Whether a page may ask that notifications be handed out.
    Preflight,
    /// That notifications be handed out.
    Publish {
        framing: Framing,
        /// Whether the body comes only after a 100 (RFC 9110, section 10.1.1).
        expects: bool,
    },
}

/// The longest path that is logged; longer ones are cut.
const LOGGED_PATH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Health,
    Readiness,
    Notifications,
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Readiness),
            "/notifications" => Some(Self::Notifications),
            _ => None,
        }
    }

    const fn allow(self) -> &'static str {
        match self {
            Self::Health | Self::Readiness => "GET, HEAD",
            Self::Notifications => "POST",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Health => "GET /healthz",
            Self::Readiness => "GET /readyz",
            Self::Notifications => super::PUBLISH,
        }
    }
}

impl Order {
    /// What `received` asks for, which begins with the head of a valid request that is no upgrade.
    /// `None` if that is all there is to say: to ask by GET for anything else is to have forgotten the
    /// upgrade. One message may have so many bytes. It has come from `peer`, who has these rights.
    pub(in crate::hub) fn of(
        received: &[u8],
        message: usize,
        policy: &Policy,
        peer: Address,
        rights: Rights,
    ) -> Option<Self> {
        let mut slots = [EMPTY_HEADER; DEFAULT_HEADERS];
        let mut head = httparse::Request::new(&mut slots);
        let Ok(httparse::Status::Complete(len)) = head.parse(received) else {
            return None;
        };
        let (method, target, version) = (head.method?, head.path?, head.version?);
        let fields = Fields(head.headers);
        let resource = split_target(target, "").map_or(target, |(_, resource)| resource);
        let (path, query) = match resource.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (resource, None),
        };
        let endpoint = Endpoint::at(path);
        let reads = matches!(method, "GET" | "HEAD");
        if endpoint.is_none() && reads {
            return None;
        }
        let visit = policy.judge(fields, peer, rights);
        let asks = asks(endpoint, method, version, fields, &visit, message);
        let request = match endpoint {
            Some(endpoint) if asks.is_ok() => Cow::Borrowed(endpoint.name()),
            _ => {
                let path: String = path.chars().take(LOGGED_PATH).collect();
                Cow::Owned(format!("{method} {path}"))
            }
        };
        // RFC 9112, section 9.3.
        let closes = fields.lists("Connection", "close");
        let keeps = version != 0 || fields.lists("Connection", "keep-alive");
        Some(Self {
            head: len,
            request,
            asks,
            manner: Manner {
                persists: keeps && !closes,
                http10: version == 0,
                bodiless: method == "HEAD",
                peer: match &visit {
                    Ok(visitor) => visitor.peer,
                    Err(unwelcome) => unwelcome.peer,
                },
                page: visit.as_ref().ok().and_then(allowed_page),
            },
            token: match endpoint {
                Some(Endpoint::Notifications) => {
                    credential(fields, query, core::iter::empty()).map(|token| token.map(Box::from))
                }
                _ => Ok(None),
            },
            visit,
        })
    }
}

fn asks(
    endpoint: Option<Endpoint>,
    method: &str,
    version: u8,
    fields: Fields<'_, '_>,
    visit: &Result<Visitor, Unwelcome>,
    message: usize,
) -> Result<Asks, Fault> {
    let framing = framing(version, fields)?;
    let endpoint = endpoint.ok_or(Fault::NoSuchPath)?;
    // Methods are case-sensitive (RFC 9110, section 9.1).
    let is_question =
        method == "OPTIONS" && fields.all("Access-Control-Request-Method").next().is_some();
    if is_question && endpoint == Endpoint::Notifications {
        match visit {
            // The Fetch standard's CORS-preflight request.
            Ok(visitor) if allowed_page(visitor).is_some() => return Ok(Asks::Preflight),
            Ok(_) => {}
            Err(unwelcome) => return Err(fault(unwelcome)),
        }
    }
    let is_allowed = match endpoint {
        Endpoint::Health | Endpoint::Readiness => matches!(method, "GET" | "HEAD"),
        Endpoint::Notifications => method == "POST",
    };
    if !is_allowed {
        return Err(Fault::Method(endpoint.allow()));
    }
    let has_body = !matches!(framing, Framing::Length(0));
    match endpoint {
        Endpoint::Notifications => publish(version, fields, visit, framing, message),
        Endpoint::Health | Endpoint::Readiness if has_body => Err(Fault::BodyNotDue),
        Endpoint::Health => Ok(Asks::Health),
        Endpoint::Readiness => Ok(Asks::Readiness),
    }
}

fn publish(
    version: u8,
    fields: Fields<'_, '_>,
    visit: &Result<Visitor, Unwelcome>,
    framing: Framing,
    message: usize,
) -> Result<Asks, Fault> {
    // Whoever may publish from a loopback address may have a browser open there. A page has an origin,
    // its own or, by DNS rebinding, one that looks like ours.
    let visitor = visit.as_ref().map_err(fault)?;
    if visitor.page.is_some() && allowed_page(visitor).is_none() {
        return Err(Fault::Page);
    }
    // A page can send no request of this type elsewhere without asking first, by OPTIONS.
    let media = fields.single("Content-Type").ok().flatten();
    let media = media.and_then(|value| value.split(|byte| *byte == b';').next());
    if !media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(b"application/json")) {
        return Err(Fault::MediaType);
    }
    let mut codings = fields.elements("Content-Encoding");
    if !codings.all(|coding| coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Fault::Compressed);
    }
    // RFC 9110, section 10.1.1: that of HTTP/1.0 is ignored.
    let mut expectations = fields.elements("Expect");
    if version != 0 && !expectations.all(|expect| expect.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Fault::Expectation);
    }
    let limit = Body::most(message);
    if matches!(framing, Framing::Length(length) if length > limit as u64) {
        return Err(Fault::TooLarge { limit });
    }
    Ok(Asks::Publish {
        framing,
        expects: version != 0 && fields.lists("Expect", "100-continue"),
    })
}

/// The origin of the page that asks, if the list has it.
fn allowed_page(visitor: &Visitor) -> Option<Arc<str>> {
    let page = visitor.page.as_ref().filter(|page| page.is_allowed)?;
    Some(Arc::clone(&page.origin))
}

const fn fault(unwelcome: &Unwelcome) -> Fault {
    match unwelcome.why {
        Why::Origin(_) | Why::Full(_) => Fault::Page,
        Why::Forwarding(_) => Fault::Forwarding,
    }
}

/// Where the body ends (RFC 9112, section 6.3), if there is no doubt about it.
fn framing(version: u8, fields: Fields<'_, '_>) -> Result<Framing, Fault> {
    let length = fields.single("Content-Length").map_err(|_| Fault::Length)?;
    let coding = fields
        .single("Transfer-Encoding")
        .map_err(|_| Fault::Coding)?;
    match (length, coding) {
        (None, None) => Ok(Framing::Length(0)),
        (Some(digits), None) => parse_length(digits)
            .map(Framing::Length)
            .ok_or(Fault::Length),
        (None, Some(coding)) if version != 0 && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked(Chunked::new()))
        }
        (_, Some(_)) => Err(Fault::Coding),
    }
}

/// A number in decimal digits (RFC 9110, section 8.6); one that is too large for us is the largest.
fn parse_length(digits: &[u8]) -> Option<u64> {
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| {
        digits.iter().fold(0, |number: u64, digit| {
            let digit = u64::from(digit.wrapping_sub(b'0'));
            number.saturating_mul(10).saturating_add(digit)
        })
    })
}
