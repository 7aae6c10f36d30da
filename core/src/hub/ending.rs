//! How sessions end.

use crate::{
    conn::Violation,
    notify::{ErrorCode, Refusal},
    wire::CloseCode,
};

/// Of the range for private use (RFC 6455 section 7.4.2): 4401, after HTTP's 401.
const UNAUTHORIZED: CloseCode = match CloseCode::new(4401) {
    Some(code) => code,
    None => CloseCode::POLICY_VIOLATION,
};

/// How a session ends by our will (the protocol, sections 1, 3 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The code of our Close frame.
    pub(super) code: CloseCode,
    /// Its reason, of at most [`MAX_CLOSE_REASON`](crate::wire::MAX_CLOSE_REASON) bytes.
    pub(super) reason: &'static str,
}

impl Ending {
    const fn new(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason }
    }

    /// A classic publisher is closed as soon as it was heard (section 3).
    pub(super) const PUBLISHED: Self = Self::new(CloseCode::NORMAL, "published");
    pub(super) const BINARY: Self = Self::new(CloseCode::UNSUPPORTED_DATA, "send JSON as text");
    pub(super) const TOO_FAST: Self = Self::new(CloseCode::POLICY_VIOLATION, "too many messages");
    pub(super) const SLOW: Self = Self::new(CloseCode::TRY_AGAIN_LATER, "slow consumer");
    pub(super) const SHUTTING_DOWN: Self = Self::new(CloseCode::GOING_AWAY, "shutting down");
    pub(super) const UNAUTHORIZED: Self = Self::new(UNAUTHORIZED, "unauthorized");
    const FORBIDDEN: Self = Self::new(CloseCode::POLICY_VIOLATION, "publishing is forbidden");
    const BROKEN_JSON: Self = Self::new(CloseCode::INVALID_PAYLOAD, "not valid JSON");

    /// Whether, and how, a classic session ends when one of its messages is refused (section 5): a
    /// publisher's does, who will not read on.
    pub(super) fn of_classic(refusal: &Refusal) -> Option<Self> {
        let code = refusal.code();
        if code == ErrorCode::Forbidden && !refusal.is_of_subscription() {
            return Some(Self::FORBIDDEN);
        }
        let is_broken = code == ErrorCode::InvalidJson && refusal.from_publisher();
        is_broken.then_some(Self::BROKEN_JSON)
    }
}

/// The error to tell a peer before the connection is closed for a violation, where the protocol
/// has one for it (section 5).
pub(super) fn last_words(violation: Violation) -> Option<Refusal> {
    (violation == Violation::MessageTooBig).then(|| Refusal::new(ErrorCode::MessageTooBig))
}
