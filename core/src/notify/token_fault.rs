//! What can be wrong with a token (the protocol, section 7).

use core::fmt;

/// Why a token is not accepted. `Display` says the thing, the reason and the remedy; no part of the
/// token is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenFault {
    /// There is none, where one is required.
    Missing,
    /// There are several, and they differ.
    Conflicting,
    /// It is longer than a token may be.
    TooLong,
    /// It is no JWT.
    Malformed,
    /// No key of the server's is for its algorithm, or it names none.
    Algorithm,
    /// Its `kid` names no key of the server's for its algorithm.
    UnknownKey,
    /// None of the keys has signed it.
    Signature,
    /// Its `exp` has passed.
    Expired,
    /// Its `nbf` is still to come.
    NotYetValid,
    /// It has no `exp`, or one that is no number.
    NoExpiry,
    /// Its `iss` is not what the server wants.
    Issuer,
    /// Its `aud` is not what the server wants.
    Audience,
    /// A claim has the wrong type.
    Claims,
    /// Its subject or its id is revoked.
    Revoked,
}

impl TokenFault {
    /// The same as `Display` writes.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => {
                "a token is required first; send one as `Authorization: Bearer`, or in the first message"
            }
            Self::Conflicting => "the request has several tokens that differ; send one",
            Self::TooLong => "the token is longer than 8 KiB; use one with fewer grants",
            Self::Malformed => "the token is no JSON Web Token; send it as it was issued",
            Self::Algorithm => {
                "the server has no key for the algorithm of the token; sign it with one of its keys"
            }
            Self::UnknownKey => {
                "the `kid` of the token names no key of the server; sign it with one of its keys"
            }
            Self::Signature => {
                "the signature of the token is not that of a key of the server; get a new token"
            }
            Self::Expired => "the token has expired; get a new one",
            Self::NotYetValid => {
                "the token is not valid yet; wait, or set the clock of its issuer right"
            }
            Self::NoExpiry => {
                "the token has no `exp`, a number of seconds since 1970; get one that expires"
            }
            Self::Issuer => "the `iss` of the token is not that of the server; get another token",
            Self::Audience => "the `aud` of the token is not that of the server; get another token",
            Self::Claims => "a claim of the token has the wrong type; correct its issuer",
            Self::Revoked => "the token, or its subject, is revoked; log in again",
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for TokenFault {}
