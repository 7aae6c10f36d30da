//! Grants: what a session may subscribe to or publish.

use core::iter::FusedIterator;

use super::{
    covers::{covers, covers_keyed},
    filter::Constraints,
    json,
    limits::Limits,
    matches::are_met,
    notification::Notification,
    refusal::{ErrorCode, Problem, Refusal},
    subscription::{Subscription, Subscriptions, SubscriptionsIter},
    target::List,
    text::Text,
};

/// The grants of one claim of a token: `subscribe` or `publish` (the protocol, section 7).
///
/// Each allows on its own; what two of them allow only together is not allowed.
///
/// ```
/// use campanile_core::notify::{Grants, Limits, Subscription};
///
/// let limits = Limits::default();
/// let claim = br#"[{"package":"plant","page":"*","filters":{"values":{"site":["north","east"]}}}]"#;
/// let grants = Grants::parse(claim, "subscribe", &limits)?;
///
/// let north = br#"{"package":"plant","page":"alerts","filters":{"values":{"site":"north"}}}"#;
/// assert!(grants.cover(&Subscription::parse(north, &limits)?));
/// let all = br#"{"package":"plant","page":"alerts"}"#;
/// assert!(!grants.cover(&Subscription::parse(all, &limits)?));
/// # Ok::<(), campanile_core::notify::Refusal>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Grants<'a> {
    pub(super) list: Subscriptions<'a>,
}

impl<'a> Grants<'a> {
    /// Parses the JSON array of a claim; `claim` is its name, which a refusal's path begins with.
    /// `limits` are those of a client's subscriptions, also for the number of grants.
    ///
    /// # Errors
    /// A [`Refusal`] with the code [`Unauthorized`](ErrorCode::Unauthorized): the token is bad. Not
    /// a strict RFC 8259 array, an element that is no subscription, or more than `limits` allow.
    pub fn parse(text: &'a [u8], claim: &'static str, limits: &Limits) -> Result<Self, Refusal> {
        let list = List::Grants(claim);
        let value = json::array(text).map_err(|fault| {
            Refusal::at(
                ErrorCode::Unauthorized,
                list.path(),
                Problem::NoArray(fault),
            )
        })?;
        Subscriptions::parse(value, list, limits).map(|list| Self { list })
    }

    /// How many grants these are; equal ones count each.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether these are none, which allow nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The grants in the order of the text.
    #[must_use]
    pub fn iter(&self) -> GrantsIter<'a> {
        GrantsIter(self.list.iter())
    }

    /// Whether a session with these grants may have `subscription`: one of them [`covers`] it.
    #[must_use]
    pub fn cover(&self, subscription: &Subscription<'_>) -> bool {
        self.iter().any(|grant| covers(&grant, subscription))
    }

    /// Whether one of them [covers it but for bare values](covers_keyed): a session may then have
    /// `subscription` if it hears only those notifications with bare values that
    /// [meet](Self::admit) one of its grants.
    #[must_use]
    pub fn cover_keyed(&self, subscription: &Subscription<'_>) -> bool {
        self.iter().any(|grant| covers_keyed(&grant, subscription))
    }

    /// Whether a session with these grants may publish `notification`: it [meets](Grant::admits)
    /// one of them.
    #[must_use]
    pub fn admit(&self, notification: &Notification<'_>) -> bool {
        self.iter().any(|grant| grant.admits(notification))
    }
}

impl Default for Grants<'_> {
    /// None, as of a token without the claim.
    fn default() -> Self {
        Self {
            list: Subscriptions::none(),
        }
    }
}

impl<'a> IntoIterator for &Grants<'a> {
    type Item = Grant<'a>;
    type IntoIter = GrantsIter<'a>;

    fn into_iter(self) -> GrantsIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Grants`].
#[derive(Clone, Debug)]
pub struct GrantsIter<'a>(SubscriptionsIter<'a>);

impl<'a> Iterator for GrantsIter<'a> {
    type Item = Grant<'a>;

    fn next(&mut self) -> Option<Grant<'a>> {
        self.0.next().map(|form| Grant { form })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for GrantsIter<'_> {}
impl FusedIterator for GrantsIter<'_> {}

/// One right: what a subscription of the same form would hear (the protocol, section 7), where `*`
/// as the package or page stands for every one.
///
/// There is no other pattern: `a*` is the package of that name, and the package `*` alone cannot be
/// granted.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    form: Subscription<'a>,
}

impl<'a> Grant<'a> {
    /// The package that is granted; `*` is all of them.
    #[must_use]
    pub const fn package(&self) -> Text<'a> {
        self.form.package()
    }

    /// The page that is granted; `*` is all of them.
    #[must_use]
    pub const fn page(&self) -> Text<'a> {
        self.form.page()
    }

    /// What a notification's values must meet; as [`Subscription::constraints`].
    #[must_use]
    pub fn constraints(&self) -> Constraints<'a> {
        self.form.constraints()
    }

    /// Whether `notification` meets the grant: as [`matches()`](super::matches()) of a
    /// subscription, in the same time.
    #[must_use]
    pub fn admits(&self, notification: &Notification<'_>) -> bool {
        self.names(notification.package(), notification.page())
            && are_met(self.constraints(), notification.values())
    }

    /// Whether the grant is for this package and page.
    pub(super) fn names(&self, package: Text<'_>, page: Text<'_>) -> bool {
        let is_named = |granted: Text<'_>, name| granted == "*" || granted == name;
        is_named(self.package(), package) && is_named(self.page(), page)
    }
}
