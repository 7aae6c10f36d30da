//! Tokens: the keys that they are signed with, and what is asked of their claims (the protocol, section
//! 7).
//!
//! Each key has one algorithm, by what kind of key it is, and is tried with tokens of that algorithm
//! alone: neither `none` nor a public key taken for a secret can come of what a token says of itself.
//! Signatures are `jsonwebtoken`'s to check; of the claims, this is strict about the types, which it is
//! not.

mod claims;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of jsonwebtoken's algorithms, four are taken, and no key has another"
)]
mod keys;
mod revoked;
#[cfg(test)]
mod tests;

use core::{fmt, time::Duration};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use campanile_core::{
    hub::{Admitted, Authority},
    notify::{Refusal, TokenFault},
};
use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};

pub(crate) use claims::{Audience, Claims};
pub(crate) use keys::{Key, SECRET, algorithm_of, signing_key};
use revoked::Revoked;
pub(crate) use revoked::Stamps;

/// What is set of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Files with keys.
    pub(crate) keys: Vec<String>,
    /// How far clocks may differ.
    pub(crate) leeway: Duration,
    /// What `aud` may be, if it matters.
    pub(crate) audience: Vec<String>,
    /// The same of `iss`.
    pub(crate) issuer: Vec<String>,
    /// Files with what is revoked.
    pub(crate) revoked: Vec<String>,
}

impl Settings {
    /// Clocks that are set by the network differ by less than a second, and others by some.
    pub(crate) const LEEWAY: Duration = Duration::from_secs(30);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            leeway: Self::LEEWAY,
            audience: Vec::new(),
            issuer: Vec::new(),
            revoked: Vec::new(),
        }
    }
}

/// Knows the tokens of this server.
#[derive(Clone)]
pub(crate) struct Keys {
    keys: Arc<[Key]>,
    settings: Settings,
    revoked: Arc<Revoked>,
    /// Of the files with that, before they were read.
    stamps: Stamps,
}

impl fmt::Debug for Keys {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads what the settings name, and the [variable](SECRET); nothing if there are no keys.
    pub(crate) fn load(settings: &Settings, problems: &mut Vec<String>) -> Option<Self> {
        let keys = keys::load(&settings.keys, problems);
        if keys.is_empty() {
            if problems.is_empty() && *settings != Settings::default() {
                problems.push(format!(
                    "settings of the section auth are there, but no keys, so that nobody would need a \
                     token; add auth.keys or {SECRET}, or take them out"
                ));
            }
            return None;
        }
        let unread = Self {
            keys: keys.into(),
            settings: settings.clone(),
            revoked: Arc::default(),
            stamps: Stamps::default(),
        };
        unread
            .with_revoked()
            .map_err(|problem| problems.push(problem))
            .ok()
    }

    #[cfg(test)]
    fn new(keys: Vec<Key>, settings: Settings) -> Self {
        Self {
            keys: keys.into(),
            settings,
            revoked: Arc::default(),
            stamps: Stamps::default(),
        }
    }

    /// The same keys, with what is revoked now.
    ///
    /// # Errors
    /// What is wrong with the lists of that.
    pub(crate) fn with_revoked(&self) -> Result<Self, String> {
        let stamps = self.stamps_now();
        let revoked = Revoked::load(&self.settings.revoked)?;
        Ok(Self {
            revoked: Arc::new(revoked),
            stamps,
            ..self.clone()
        })
    }

    /// Whether there are lists of what is revoked, which may change.
    pub(crate) fn may_change(&self) -> bool {
        !self.settings.revoked.is_empty()
    }

    /// What tells whether these lists have changed since they were [read](Self::stamps).
    pub(crate) fn stamps_now(&self) -> Stamps {
        Stamps::of(&self.settings.revoked)
    }

    pub(crate) const fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Checks a token at a time, in seconds since 1970; the claims, and the key that has signed them.
    pub(crate) fn check(&self, token: &str, now: f64) -> Result<(Claims, &Key), Refusal> {
        let (claims, key) = self.verify(token)?;
        let rules = &self.settings;
        let leeway = rules.leeway.as_secs_f64();
        let expiry = claims.exp.ok_or(TokenFault::NoExpiry)?;
        let is_one_of = |named: bool, wanted: &[String]| wanted.is_empty() || named;
        let issuer = claims.iss.as_ref();
        if expiry + leeway <= now {
            Err(TokenFault::Expired.into())
        } else if claims.nbf.is_some_and(|from| from > now + leeway) {
            Err(TokenFault::NotYetValid.into())
        } else if !is_one_of(
            issuer.is_some_and(|issuer| rules.issuer.contains(issuer)),
            &rules.issuer,
        ) {
            Err(TokenFault::Issuer.into())
        } else if !is_one_of(claims.is_for(&rules.audience), &rules.audience) {
            Err(TokenFault::Audience.into())
        } else if self.is_revoked(claims.sub.as_deref(), claims.jti.as_deref()) {
            Err(TokenFault::Revoked.into())
        } else {
            Ok((claims, key))
        }
    }

    /// The claims of a token that one of the keys has signed.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "jsonwebtoken has many errors, and may have more"
    )]
    fn verify(&self, token: &str) -> Result<(Claims, &Key), TokenFault> {
        let header = decode_header(token).map_err(|error| match error.kind() {
            // `alg` is one that is not known, such as `none`, or there is none.
            ErrorKind::Json(_) => TokenFault::Algorithm,
            _ => TokenFault::Malformed,
        })?;
        let of_algorithm = || self.keys.iter().filter(|key| key.algorithm == header.alg);
        if of_algorithm().next().is_none() {
            return Err(TokenFault::Algorithm);
        }
        let named = |key: &&Key| match &header.kid {
            None => true,
            Some(id) => key.id.as_ref() == Some(id),
        };
        let is_named = of_algorithm().any(|key| named(&key));
        // A key file has no id: whoever signs may call it as they like.
        let candidates = of_algorithm().filter(|key| match is_named {
            true => named(key),
            false => key.id.is_none(),
        });
        let mut fault = TokenFault::UnknownKey;
        for key in candidates {
            let mut rules = Validation::new(key.algorithm);
            // These are ours to check.
            rules.required_spec_claims.clear();
            rules.validate_exp = false;
            rules.validate_aud = false;
            match decode::<Claims>(token, &key.verifies, &rules) {
                Ok(data) => return Ok((data.claims, key)),
                Err(error) => {
                    fault = match error.kind() {
                        ErrorKind::Json(_) | ErrorKind::Utf8(_) => TokenFault::Claims,
                        ErrorKind::InvalidToken | ErrorKind::Base64(_) => TokenFault::Malformed,
                        _ => TokenFault::Signature,
                    };
                    if fault != TokenFault::Signature {
                        break;
                    }
                }
            }
        }
        Err(fault)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// No token is good for longer, in seconds: a year, since no deadline need be further away.
const LONGEST: f64 = 365.25 * 86_400.0;

impl Authority for Keys {
    fn admit(&self, token: &str) -> Result<Admitted, Refusal> {
        let now = now();
        let (claims, _) = self.check(token, now)?;
        let (subscribe, publish) = claims.grants()?;
        let expiry = claims.exp.ok_or(TokenFault::NoExpiry)?;
        let left = expiry + self.settings.leeway.as_secs_f64() - now;
        Ok(Admitted {
            subject: claims.sub.map(String::into_boxed_str),
            id: claims.jti.map(String::into_boxed_str),
            subscribe,
            publish,
            lifetime: Some(Duration::from_secs_f64(left.clamp(0.0, LONGEST))),
        })
    }

    fn is_revoked(&self, subject: Option<&str>, id: Option<&str>) -> bool {
        self.revoked.has(subject, id)
    }
}
