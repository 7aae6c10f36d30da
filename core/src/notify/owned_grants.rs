//! Grants that are kept.

use alloc::boxed::Box;
use core::fmt;

use super::{grant::Grants, limits::Limits, refusal::Refusal, subscription::Subscriptions};

/// [`Grants`] that outlive the token (feature `alloc`): its JSON array, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedGrants {
    list: Box<[u8]>,
    len: usize,
}

impl OwnedGrants {
    /// As [`Grants::parse`].
    ///
    /// # Errors
    /// Those of [`Grants::parse`].
    pub fn parse(text: &[u8], claim: &'static str, limits: &Limits) -> Result<Self, Refusal> {
        let grants = Grants::parse(text, claim, limits)?;
        Ok(Self {
            list: grants.list.as_bytes().into(),
            len: grants.len(),
        })
    }

    /// The grants.
    #[must_use]
    pub fn get(&self) -> Grants<'_> {
        Grants {
            list: Subscriptions::trusted(&self.list, self.len),
        }
    }
}

impl Default for OwnedGrants {
    /// None, as of a token without the claim.
    fn default() -> Self {
        Self {
            list: (*b"[]").into(),
            len: 0,
        }
    }
}

impl fmt::Debug for OwnedGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
