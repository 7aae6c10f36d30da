//! The rules of matching (the protocol, section 4) as one pure function.

use super::{
    filter::{Constraint, Constraints, Keyed, Values},
    notification::Notification,
    subscription::Subscription,
};

/// Whether `notification` is to be delivered for `subscription`: package and page are equal, and
/// the notification's values meet the constraints (the protocol, section 4).
///
/// Without an index over many subscriptions this is the way to match, and every index must agree
/// with it.
///
/// Time is at most proportional to the product of the numbers of scalars in the two filters, and to
/// that of the numbers of keys. [`Limits`](super::Limits) bounds both.
#[must_use]
pub fn matches(subscription: &Subscription<'_>, notification: &Notification<'_>) -> bool {
    subscription.package() == notification.package()
        && subscription.page() == notification.page()
        && are_met(subscription.constraints(), notification.values())
}

/// Whether the values of a notification meet all constraints of a subscription.
#[inline]
pub(super) fn are_met(mut constraints: Constraints<'_>, values: Values<'_>) -> bool {
    match values {
        Values::None => constraints.next().is_none(),
        Values::Unkeyed(values) => {
            let Some(first) = constraints.next() else {
                return true;
            };
            first.accepts.any_of(values)
                || constraints.any(|constraint| constraint.accepts.any_of(values))
        }
        Values::Keyed(values) => constraints.all(|constraint| is_met(&constraint, &values)),
    }
}

fn is_met(constraint: &Constraint<'_>, values: &Keyed<'_>) -> bool {
    match constraint.key {
        Some(key) => values
            .get(key)
            .is_some_and(|values| constraint.accepts.any_of(values)),
        None => values.any_meets(&constraint.accepts),
    }
}
