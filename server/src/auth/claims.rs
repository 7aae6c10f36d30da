//! What a token says.

use core::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use campanile_core::notify::{Limits, OwnedGrants, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The claims that mean something here (RFC 7519, section 4.1, and the protocol, section 7); others are
/// ignored.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<Audience>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<f64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscribe: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publish: Option<Box<RawValue>>,
}

/// One name, or several.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl fmt::Debug for Claims {
    /// Without what they say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl Claims {
    /// What a token says, whoever has signed it; nothing if it is none. For people only.
    pub(crate) fn unverified(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// Whom they are for, in words.
    pub(crate) fn audience(&self) -> String {
        match &self.aud {
            None => "-".to_owned(),
            Some(Audience::One(name)) => name.clone(),
            Some(Audience::Several(names)) => names.join(", "),
        }
    }

    /// Whether they are for one of these.
    pub(super) fn is_for(&self, audience: &[String]) -> bool {
        match &self.aud {
            None => false,
            Some(Audience::One(name)) => audience.contains(name),
            Some(Audience::Several(names)) => names.iter().any(|name| audience.contains(name)),
        }
    }

    /// What a session with them may hear, and what it may publish.
    ///
    /// # Errors
    /// One of the claims is no list of grants.
    pub(crate) fn grants(&self) -> Result<(OwnedGrants, OwnedGrants), Refusal> {
        let grants = |claim: &Option<Box<RawValue>>, name| match claim {
            None => Ok(OwnedGrants::default()),
            Some(text) => OwnedGrants::parse(text.get().as_bytes(), name, &Limits::default()),
        };
        Ok((
            grants(&self.subscribe, "subscribe")?,
            grants(&self.publish, "publish")?,
        ))
    }
}
