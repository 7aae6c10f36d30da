//! The notification of a publication.

#[cfg(feature = "fast")]
use super::target::Members;
use super::{
    filter::Values,
    limits::Limits,
    raw::Value,
    refusal::Refusal,
    target::{Place, Target},
    text::Text,
};

/// What a publisher announces, as far as matching reads it (the protocol, section 3). What is
/// delivered is the publisher's whole message, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    target: Target<'a>,
}

impl<'a> Notification<'a> {
    /// Parses a notification that stands alone, without a message around it. Strictness and time are
    /// those of [`parse`](super::parse()).
    ///
    /// # Errors
    /// A [`Refusal`] with the code [`InvalidJson`](super::ErrorCode::InvalidJson) or
    /// [`InvalidNotification`](super::ErrorCode::InvalidNotification).
    pub fn parse(text: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        Target::parse_alone(text, Place::LoneNotification, limits).map(|target| Self { target })
    }

    /// Checks the member `notification`, which is an object.
    pub(super) fn parse_member(value: Value<'a>, limits: &Limits) -> Result<Self, Refusal> {
        Target::parse(value, Place::Notification, limits).map(|target| Self { target })
    }

    /// Of members that have been found; nothing if they are to be refused.
    #[cfg(feature = "fast")]
    pub(super) fn from_members(members: &Members<'a>, limits: &Limits) -> Option<Self> {
        let target = Target::from_members(members, Place::Notification, limits)?;
        Some(Self { target })
    }

    /// The package that subscriptions must name.
    #[must_use]
    pub const fn package(&self) -> Text<'a> {
        self.target.package
    }

    /// The page that subscriptions must name.
    #[must_use]
    pub const fn page(&self) -> Text<'a> {
        self.target.page
    }

    pub(super) const fn target(&self) -> &Target<'a> {
        &self.target
    }

    /// What the constraints of subscriptions are compared with.
    #[must_use]
    pub fn values(&self) -> Values<'a> {
        Values::trusted(self.target.values)
    }
}
