//! Tokens: who a session is, what it may hear and publish, and until when (the protocol, section 7).

use alloc::{boxed::Box, string::String};
use core::{fmt, time::Duration};

use super::{
    Ending, Fact, Hub, Version,
    guests::Pass,
    hear::reply_frame,
    session::{Answer, Stage},
};
use crate::{
    Instant,
    handshake::{self, Fields},
    notify::{Limits, Notification, OwnedGrants, Refusal, Reply, Subscriptions, Text, TokenFault},
};

/// The longest token in bytes, 8 KiB: what a request's head may have in all, and room for some fifty
/// grants.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Knows tokens: has the keys that they are signed with, and the clock that they expire by. A hub asks it
/// for each token that a client shows; it is shared by all hubs of a server.
///
/// It answers at once, since everybody on the same thread waits for it, and from what it has: to put other
/// keys in force, [reconfigure](Hub::reconfigure) the hubs with another one.
pub trait Authority: Send + Sync {
    /// Checks a token of at most [`MAX_TOKEN`] bytes, which is anybody's.
    ///
    /// # Errors
    /// Why it is not accepted: a refusal with the code [`Unauthorized`](crate::notify::ErrorCode::Unauthorized), made
    /// of a [`TokenFault`] or by [`OwnedGrants::parse`]. It is told to the client and to the log, so no
    /// part of the token may be in it.
    fn admit(&self, token: &str) -> Result<Admitted, Refusal>;

    /// Whether tokens of this subject or of this id count no longer, also those that were admitted. A
    /// hub asks this of all its sessions after it was [reconfigured](Hub::reconfigure). Nobody by default.
    fn is_revoked(&self, subject: Option<&str>, id: Option<&str>) -> bool {
        let _ = (subject, id);
        false
    }
}

impl fmt::Debug for dyn Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(secret)")
    }
}

/// The same one.
impl PartialEq for dyn Authority {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::addr_eq(self, other)
    }
}

impl Eq for dyn Authority {}

/// What a good token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Whose it is: its `sub`.
    pub subject: Option<Box<str>>,
    /// Which it is: its `jti`.
    pub id: Option<Box<str>>,
    /// What a session with it may hear.
    pub subscribe: OwnedGrants,
    /// What it may publish.
    pub publish: OwnedGrants,
    /// For how long from now; `None` for ever.
    pub lifetime: Option<Duration>,
}

/// What a subprotocol begins with that is a token, and which is never the one that is spoken.
const TOKEN_PROTOCOL: &str = "campanile.token.";

/// The token of a request, if it has one: in its `Authorization`, in its query, or among the
/// subprotocols that it offers.
///
/// # Errors
/// There are several that differ, or there is none where one is announced.
pub(super) fn credential<'b>(
    fields: Fields<'_, 'b>,
    query: Option<&'b str>,
    protocols: impl Iterator<Item = &'b str>,
) -> Result<Option<&'b str>, TokenFault> {
    let bearers = fields.all("Authorization").filter_map(bearer);
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let parameters = pairs.filter_map(|pair| pair.strip_prefix("access_token="));
    let offered = protocols.filter_map(|name| name.strip_prefix(TOKEN_PROTOCOL));
    let mut found = None;
    for token in bearers.chain(parameters).chain(offered) {
        if token.is_empty() {
            return Err(TokenFault::Malformed);
        }
        if found.replace(token).is_some_and(|other| other != token) {
            return Err(TokenFault::Conflicting);
        }
    }
    Ok(found)
}

/// The token of credentials that have the scheme for it (RFC 6750, section 2.1); those of other schemes
/// are somebody else's.
fn bearer(credentials: &[u8]) -> Option<&str> {
    const SCHEME: &[u8] = b"Bearer";
    let (scheme, token) = credentials.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME);
    let stands_alone = token.first().is_none_or(|byte| *byte == b' ');
    // What is no text is no token either.
    (is_bearer && stands_alone)
        .then(|| core::str::from_utf8(token.trim_ascii()).unwrap_or_default())
}

/// Asks for a token (RFC 6750, section 3), and says that the one which was sent is not accepted.
pub(super) const CHALLENGE: (&str, &str) = ("WWW-Authenticate", "Bearer");
pub(super) const INVALID_TOKEN: (&str, &str) =
    ("WWW-Authenticate", "Bearer error=\"invalid_token\"");

/// The answer to a request for an upgrade whose token is not accepted.
pub(super) const fn unwelcome(refusal: &Refusal) -> handshake::Refusal<'static> {
    handshake::Refusal {
        status: 401,
        reason: "Unauthorized",
        headers: &[INVALID_TOKEN],
        body: match refusal.token_fault() {
            Some(fault) => fault.text(),
            None => {
                "a claim of the token is wrong: `subscribe` and `publish` are lists of grants; correct \
                 its issuer"
            }
        },
    }
}

/// What the token of a request is worth now; nothing if it has none.
///
/// # Errors
/// It is not accepted.
pub(super) fn admit(
    authority: &dyn Authority,
    token: Result<Option<&str>, TokenFault>,
) -> Result<Option<Admitted>, Refusal> {
    match token? {
        None => Ok(None),
        Some(token) if token.len() > MAX_TOKEN => Err(TokenFault::TooLong.into()),
        Some(token) => authority.admit(token).map(Some),
    }
}

impl<W: FnMut(&Fact<'_>)> Hub<W> {
    /// A session has a token that was admitted, or none yet: then it has as long to show one as a
    /// handshake may take.
    pub(super) fn enrol(&mut self, index: u32, admitted: Option<Admitted>, now: Instant) {
        if self.options.authority.is_none() {
            return;
        }
        match admitted {
            None => {
                let until = now.after(self.options.handshake_time);
                self.guests.expect(index, until);
            }
            Some(admitted) => {
                let until = admitted.lifetime.map(|lifetime| now.after(lifetime));
                self.guests.admit(index, Pass::new(admitted), until);
            }
        }
    }

    /// Whether a session must show a token before anything else it says is heard.
    pub(super) fn is_stranger(&self, index: u32) -> bool {
        self.options.authority.is_some() && self.guests.pass(index).is_none()
    }

    /// Whether a session has the right to publish anything.
    pub(super) fn may_publish(&self, index: u32) -> bool {
        if self.options.authority.is_none() {
            return self
                .session(index)
                .is_some_and(|session| session.rights.publish);
        }
        let pass = self.guests.pass(index);
        pass.is_some_and(|pass| !pass.publish.get().is_empty())
    }

    /// Whether a session that may publish may publish this.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_publication(
        &self,
        index: u32,
        notification: &Notification<'_>,
    ) -> Result<(), Refusal> {
        if self.options.authority.is_none() {
            return Ok(());
        }
        match self.guests.pass(index) {
            None => Err(TokenFault::Expired.into()),
            Some(pass) if pass.publish.get().admit(notification) => Ok(()),
            Some(_) => Err(Refusal::not_granted()),
        }
    }

    /// Whether a session may hear no more than its grants of what a set of subscriptions would.
    ///
    /// # Errors
    /// A subscription that no grant of the session's covers.
    pub(super) fn check_set(&self, index: u32, set: &Subscriptions<'_>) -> Result<bool, Refusal> {
        if self.options.authority.is_none() {
            return Ok(false);
        }
        let pass = self.guests.pass(index).ok_or(TokenFault::Missing)?;
        let grants = pass.subscribe.get();
        let mut is_narrowed = false;
        for (at, subscription) in set.iter().enumerate() {
            if !grants.cover(&subscription) {
                is_narrowed = true;
                if !grants.cover_keyed(&subscription) {
                    return Err(Refusal::not_covered(at));
                }
            }
        }
        Ok(is_narrowed)
    }

    /// A session has a set of subscriptions that was checked.
    pub(super) fn remember_set(&mut self, index: u32, set: &Subscriptions<'_>, is_narrowed: bool) {
        self.guests.keep_set(index, set.as_bytes(), is_narrowed);
        self.narrow(index, is_narrowed);
    }

    fn narrow(&mut self, index: u32, is_narrowed: bool) {
        if let Some(receiver) = self.receivers.get_mut(index as usize) {
            receiver.is_narrowed = is_narrowed;
        }
    }

    /// A session shows a token, its first or another one; whether it goes on.
    pub(super) fn present(&mut self, index: u32, token: Text<'_>, now: Instant) -> bool {
        let Some(authority) = &self.options.authority else {
            return true;
        };
        // One more, to see that it is too long. It is ASCII if it is one.
        let token: String = token.chars().take(MAX_TOKEN.saturating_add(1)).collect();
        let admitted = match admit(&**authority, Ok(Some(&token))) {
            Ok(admitted) => admitted.unwrap_or_default(),
            Err(refusal) => {
                self.send_away(index, &refusal, now);
                return false;
            }
        };
        let expires_in = admitted.lifetime.map(|lifetime| lifetime.as_secs());
        let set = self.guests.take_set(index);
        self.enrol(index, Some(admitted), now);
        if self
            .session(index)
            .is_some_and(|session| session.version == Version::V1)
        {
            self.answer(index, &Reply::Authorized { expires_in }, now);
        }
        // What it hears must be within the new grants too.
        let Some(set) = set else {
            return true;
        };
        let Ok(set) = Subscriptions::parse_array(&set, &Limits::NONE) else {
            return true; // cannot be: it was parsed before
        };
        match self.check_set(index, &set) {
            Ok(is_narrowed) => self.remember_set(index, &set, is_narrowed),
            Err(refusal) => {
                self.drop_set(index);
                self.observe_refusal(index, &refusal);
                self.answer(index, &Reply::Error(&refusal), now);
            }
        }
        true
    }

    /// A session subscribes to nothing any longer.
    fn drop_set(&mut self, index: u32) {
        self.index.forget(index);
        self.narrow(index, false);
        let hears = self.session_mut(index).map(|session| &mut session.hears_v1);
        if hears.is_some_and(core::mem::take) {
            self.v1_hearers = self.v1_hearers.saturating_sub(1);
        }
    }

    /// Closes a session that has no good token (any longer), which hears nothing more from now on.
    pub(super) fn send_away(&mut self, index: u32, refusal: &Refusal, now: Instant) {
        self.guests.forget(index);
        self.drop_set(index);
        self.observe_refusal(index, refusal);
        self.answer(index, &Reply::Error(refusal), now);
        self.close(index, Ending::UNAUTHORIZED, now);
    }

    /// The same, if it is open. In the middle of a request by HTTP, it is told with the answer.
    fn dismiss(&mut self, index: u32, fault: TokenFault, now: Instant) {
        if self
            .session(index)
            .is_some_and(|session| session.is_heard())
        {
            self.send_away(index, &fault.into(), now);
            self.refresh(index);
        } else {
            self.guests.forget(index);
            self.drop_set(index);
        }
    }

    /// The authority is another one, or has become none.
    pub(super) fn recognise_authority(&mut self) {
        if self.options.authority.is_some() {
            self.guests.doubt();
            // Now, for those who wait in vain otherwise.
            return;
        }
        self.guests.clear();
        for receiver in &mut self.receivers {
            receiver.is_narrowed = false;
        }
    }

    /// The time is `now`: closes sessions whose tokens have expired or are revoked, and those that have
    /// shown none in time.
    pub(super) fn check_guests(&mut self, now: Instant) {
        while let Some((index, has_pass)) = self.guests.next_expired(now) {
            let fault = if has_pass {
                TokenFault::Expired
            } else {
                TokenFault::Missing
            };
            self.dismiss(index, fault, now);
        }
        if !self.guests.take_doubt() {
            return;
        }
        let Some(authority) = self.options.authority.clone() else {
            return;
        };
        for at in 0..self.slots.len() {
            let Ok(index) = u32::try_from(at) else {
                return;
            };
            let Some(session) = self.session(index) else {
                continue;
            };
            let is_open = matches!(session.stage, Stage::Open(_));
            match self.guests.pass(index) {
                Some(pass) if authority.is_revoked(pass.subject.as_deref(), pass.id.as_deref()) => {
                    self.dismiss(index, TokenFault::Revoked, now);
                }
                // From a time without keys.
                None if is_open && !self.guests.is_expected(index) => {
                    self.dismiss(index, TokenFault::Missing, now);
                }
                Some(_) | None => {}
            }
        }
    }

    /// What a session is told whose set of subscriptions is refused.
    pub(super) fn refuse_set(&mut self, index: u32, refusal: &Refusal) -> Answer {
        self.observe_refusal(index, refusal);
        Answer::Frame(reply_frame(&Reply::Error(refusal)))
    }
}
