//! The opening handshake of a server's [`Buffered`](super::Buffered) or of a hub's session, which
//! is gone when the connection is open.

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use crate::{
    Instant,
    handshake::{
        Answer, BadRequest, HANDSHAKE_TIME, LINGER_BYTES, LINGER_TIME, Limits, RESPONSE_BYTES,
        Request, ServerHandshake, Verdict,
    },
    proxy::InvalidHeader,
};

#[cfg(feature = "deflate")]
use crate::deflate::{Agreed, Settings};

use super::Config;

/// How much is read at once before the head is complete: most heads are shorter, and who says
/// nothing costs no more.
const STEP: usize = 1024;

/// Why a server's connection did not get past its opening handshake (feature `alloc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpeningError {
    /// The request is not one for a WebSocket; the client is told.
    BadRequest(BadRequest),
    /// The request is valid and was declined with this HTTP status; the client is told.
    Declined(u16),
    /// The request was not complete within [`HANDSHAKE_TIME`], or the time that was set instead.
    TimedOut,
    /// The connection is one of a proxy's, and does not begin with the PROXY protocol's header.
    Proxy(InvalidHeader),
    /// The transport ended or failed first.
    Lost,
}

impl fmt::Display for OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(bad) => bad.fmt(f),
            Self::Declined(status) => write!(f, "the request was declined with status {status}"),
            Self::TimedOut => f.write_str("the request was not complete in time"),
            Self::Proxy(why) => why.fmt(f),
            Self::Lost => f.write_str("the connection was lost before the request was complete"),
        }
    }
}

impl core::error::Error for OpeningError {}

/// Why a server's connection did not get past its opening handshake, with the error `E` that a
/// transport reports (feature `alloc`). Nothing in this crate makes one but
/// [`new`](Self::new): it is for adapters.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused<E> {
    /// The request is not one for a WebSocket; the answer was sent.
    BadRequest(BadRequest),
    /// The request is valid and was declined with this HTTP status; the answer was sent.
    Declined(u16),
    /// The request was not complete within [`HANDSHAKE_TIME`].
    TimedOut,
    /// The transport ended or failed first.
    Lost(E),
}

impl<E> Refused<E> {
    /// What a [`Buffered`](super::Buffered) says that was over before it was open; `lost` is for a
    /// transport that ended first.
    pub fn new(error: Option<OpeningError>, lost: E) -> Self {
        match error {
            Some(OpeningError::BadRequest(bad)) => Self::BadRequest(bad),
            Some(OpeningError::Declined(status)) => Self::Declined(status),
            Some(OpeningError::TimedOut) => Self::TimedOut,
            Some(OpeningError::Proxy(_) | OpeningError::Lost) | None => Self::Lost(lost),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Refused<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(bad) => bad.fmt(f),
            Self::Declined(status) => OpeningError::Declined(*status).fmt(f),
            Self::TimedOut => OpeningError::TimedOut.fmt(f),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Refused<E> {}

pub(crate) struct Opening<R> {
    /// For the connection to come.
    pub(super) role: R,
    pub(super) config: Config,
    /// Whether to compress, and how.
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Settings>,
    #[cfg(feature = "deflate")]
    pub(crate) agreed: Option<Agreed>,
    handshake: ServerHandshake,
    limits: Limits,
    buffer: Vec<u8>,
    filled: usize,
    /// How many of the received bytes begin with a request that is valid and no upgrade, once that
    /// is known.
    plain: usize,
    understood: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The request is to be complete by then.
    Reading(Instant),
    /// The client may read our no until then, and send so many bytes meanwhile, which are dropped.
    Lingering(OpeningError, Instant, usize),
    Over(OpeningError),
}

impl<R> Opening<R> {
    pub(super) fn new(role: R, config: &Config, limits: Limits, now: Instant) -> Self {
        Self::within(HANDSHAKE_TIME, role, config, limits, now)
    }

    /// The same for a request that is to be complete within `time`.
    pub(crate) fn within(
        time: Duration,
        role: R,
        config: &Config,
        limits: Limits,
        now: Instant,
    ) -> Self {
        Self {
            role,
            config: *config,
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "deflate")]
            agreed: None,
            handshake: ServerHandshake::new(limits),
            limits,
            buffer: Vec::new(),
            filled: 0,
            plain: 0,
            understood: true,
            stage: Stage::Reading(now.after(time)),
        }
    }

    pub(super) const fn is_understood(&self) -> bool {
        self.understood || !matches!(self.stage, Stage::Reading(_))
    }

    /// Where the next bytes go. As long as there is no verdict there are fewer of them than a head
    /// may have, so this is not empty once all of them were looked at.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.is_over() {
            self.filled = 0; // whatever comes is dropped
        }
        if self.filled >= self.buffer.len() && (self.understood || self.is_over()) {
            let most = self.limits.head_bytes.max(STEP);
            let len = self.buffer.len().saturating_mul(2).clamp(STEP, most);
            self.buffer.resize(len, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    pub(crate) fn received(&mut self, count: usize) {
        match &mut self.stage {
            Stage::Reading(_) => {
                self.filled = self.filled.saturating_add(count).min(self.buffer.len());
                self.understood &= count == 0;
            }
            Stage::Lingering(error, _, left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.stage = Stage::Over(*error);
                }
            }
            Stage::Over(_) => {}
        }
    }

    /// The transport has delivered its last byte, or failed. Whether that is news.
    pub(crate) const fn lost(&mut self) -> bool {
        let error = match self.stage {
            Stage::Reading(_) => OpeningError::Lost,
            Stage::Lingering(error, ..) | Stage::Over(error) => error,
        };
        let news = matches!(self.stage, Stage::Reading(_));
        self.stage = Stage::Over(error);
        news
    }

    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Reading(until) | Stage::Lingering(_, until, _) => Some(until),
            Stage::Over(_) => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match self.stage {
            Stage::Reading(until) if now >= until => {
                self.stage = Stage::Over(OpeningError::TimedOut);
            }
            Stage::Lingering(error, until, _) if now >= until => self.stage = Stage::Over(error),
            Stage::Reading(_) | Stage::Lingering(..) | Stage::Over(_) => {}
        }
    }

    /// Looks at what has arrived by `now`, and does as `judge` says of a request that is valid.
    /// Gives what is to be said to it and, if that opens the connection, the bytes which came behind
    /// the request.
    pub(crate) fn answer<'o>(
        &mut self,
        out: &'o mut [u8; RESPONSE_BYTES],
        now: Instant,
        judge: impl for<'b> FnOnce(&Request<'_, 'b>) -> Verdict<'b>,
    ) -> Option<(&'o [u8], Option<&[u8]>)> {
        if !matches!(self.stage, Stage::Reading(_)) || self.understood {
            return None;
        }
        self.understood = true;
        let received = self.buffer.get(..self.filled).unwrap_or_default();
        let answer = self.handshake.answer_with(received, out, |request| {
            let verdict = judge(request);
            #[cfg(feature = "deflate")]
            let extensions = match (&verdict, &self.deflate) {
                (Verdict::Accept(_), Some(deflate)) => {
                    self.agreed = deflate.answer(request.extensions());
                    self.agreed.map(|agreed| agreed.response())
                }
                _ => None,
            };
            #[cfg(not(feature = "deflate"))]
            let extensions = None::<&str>;
            (verdict, extensions)
        });
        let (error, response) = match answer {
            Answer::Partial => return None,
            Answer::Accepted { consumed, response } => {
                let behind = received.get(consumed..).unwrap_or_default();
                return Some((response, Some(behind)));
            }
            Answer::Refused { bad, response } => (OpeningError::BadRequest(bad), response),
            Answer::Declined { status, response } => (OpeningError::Declined(status), response),
        };
        if let OpeningError::BadRequest(BadRequest::NotUpgrade | BadRequest::NotUpgradeHead) = error
        {
            self.plain = self.filled;
        }
        self.filled = 0;
        self.stage = Stage::Lingering(error, now.after(LINGER_TIME), LINGER_BYTES);
        Some((response, None))
    }

    /// Everything that was received, if it begins with a request that is valid and no upgrade; asked
    /// right behind the [`answer`](Self::answer).
    pub(crate) fn plain_request(&self) -> &[u8] {
        self.buffer.get(..self.plain).unwrap_or_default()
    }

    /// Whether nothing was received yet.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.filled == 0 && matches!(self.stage, Stage::Reading(_))
    }

    /// Whether anything of the request was received.
    pub(crate) const fn has_begun(&self) -> bool {
        self.filled > 0
    }

    /// The request is to be complete by `until`, whatever was said before.
    pub(crate) const fn set_deadline(&mut self, until: Instant) {
        if let Stage::Reading(_) = self.stage {
            self.stage = Stage::Reading(until);
        }
    }

    /// Nothing more is heard, and nothing said.
    pub(crate) const fn fail(&mut self, error: OpeningError) {
        self.stage = Stage::Over(error);
    }

    /// Nothing more is heard; the client may read why.
    pub(crate) fn linger(&mut self, error: OpeningError, now: Instant) {
        self.filled = 0;
        self.stage = Stage::Lingering(error, now.after(LINGER_TIME), LINGER_BYTES);
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Why the connection will not open.
    pub(crate) const fn error(&self) -> Option<OpeningError> {
        match self.stage {
            Stage::Reading(_) => None,
            Stage::Lingering(error, ..) | Stage::Over(error) => Some(error),
        }
    }
}
