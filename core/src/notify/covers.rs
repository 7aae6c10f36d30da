//! Whether a grant allows a subscription (the protocol, section 7).

use super::{
    filter::{Accepts, Constraints},
    grant::Grant,
    subscription::Subscription,
};

/// Whether every notification that meets `subscription` would meet `grant` (the protocol,
/// section 7).
///
/// The answer is exact: yes is never said where some notification meets the one and not the other,
/// and no never without such a notification. A subscription that nothing can meet, since all of its
/// constraints accept nothing (`{"a":[]}`), is therefore covered by every grant, even one for
/// another package: it hears nothing that could be withheld.
///
/// A subscription that constrains a further key than the grant is as a rule *not* covered: a
/// notification whose `values` is a scalar meets whatever constraint accepts it, also that of the
/// further key, and so need not have anything that the grant names. With the grant
/// `{"site":"north"}`, the subscription `{"site":"north","severity":"high"}` would hear the
/// notification `"high"`.
///
/// # The rule, and why it is exact
///
/// A subscription that something meets is covered exactly when the grant is for its package and
/// page and one of these holds:
///
/// - The grant has no constraints. It then admits all of its package and page.
/// - Both have constraints, and the rules of *bare values* and of *keys* hold. (A subscription
///   without constraints is met by a notification without values, which no grant with some admits.)
///
/// **Bare values**: whatever some constraint of the subscription accepts, some constraint of the
/// grant does. *Needed*: a notification whose `values` is one scalar that breaks this meets the
/// subscription only. *Enough* for all notifications with bare values: one meets the subscription
/// by a scalar that a constraint accepts, and the same scalar meets the grant. `true` accepts
/// infinitely many values, so only `true` has as much.
///
/// **Keys**, for notifications with values by key; the first of these that applies decides:
///
/// - A constraint of the subscription that accepts nothing: no such notification meets it.
/// - The grant's constraint has no key: nothing more to ask. Whatever meets the subscription does so
///   by a scalar that the first rule has found in the grant, and there any key is as good.
/// - The grant has keys, the subscription does not: not covered. What it accepts meets it under any
///   key, also under one that the grant does not name.
/// - Both have keys: each key of the grant is one of the subscription, which accepts there no more
///   than the grant. *Enough*, since the value that meets the subscription there meets the grant.
///   *Needed*: take a notification that has, for each key of the subscription, one value that is
///   accepted, and no other key. It does not meet a grant with a further key; nor one that refuses
///   a value which the subscription accepts for that key, when that value is the one taken.
///
/// Time is at most proportional to the product of the lengths of the two filters' texts, and to
/// that of their numbers of keys; a grant that repeats a key takes up to as many times longer as it
/// does. [`Limits`](super::Limits) bounds all of these.
#[must_use]
pub fn covers(grant: &Grant<'_>, subscription: &Subscription<'_>) -> bool {
    let (granted, wanted) = (grant.constraints(), subscription.constraints());
    let accepts_nothing =
        |wanted: &Constraints<'_>| wanted.clone().all(|one| one.accepts.is_nothing());
    let is_constrained = wanted.clone().next().is_some();
    if is_constrained && accepts_nothing(&wanted) {
        return true;
    }
    if !grant.names(subscription.package(), subscription.page()) {
        return false;
    }
    let Some(first) = granted.clone().next() else {
        return true;
    };
    is_constrained
        && (first.key.is_none() || covers_keys(&granted, &wanted))
        && wanted.clone().all(|one| is_granted(&one.accepts, &granted))
}

/// Whether every notification with values by key, or without values, that meets `subscription` would
/// meet `grant`: [`covers`] but for the rule of *bare values*.
///
/// So a subscription may be narrower than the grant by a further key, as people expect:
/// `{"site":"north","severity":"high"}` is covered by `{"site":"north"}`. A notification whose `values`
/// is a scalar or an array has then to be held against the [grants](Grant::admits) themselves, which is
/// what `hub::Hub` does.
///
/// # The rule, and why it is exact
///
/// Of the notifications in question, one without values meets a subscription without constraints only.
/// The first of these that applies decides:
///
/// - A constraint of the subscription accepts nothing: no such notification meets it, so it is covered.
/// - The grant is for another package or page: not covered, for something meets the subscription.
/// - The grant has no constraints: covered.
/// - The subscription has none: not covered, since a notification without values meets it only.
/// - The grant's constraint has no key: covered when it accepts all that some *one* constraint of the
///   subscription does. *Enough*: each notification that meets the subscription has a value that meets
///   that constraint, and the grant takes it under any key. *Needed*: otherwise there is for each
///   constraint a value that it accepts and the grant does not; the notification that has these, one
///   under each key of the subscription (under any key, if it has none), meets the subscription only.
/// - The grant has keys: the rule of *keys* of [`covers`], whose proof is about such notifications alone.
///
/// Time is that of [`covers`].
#[must_use]
pub fn covers_keyed(grant: &Grant<'_>, subscription: &Subscription<'_>) -> bool {
    let (granted, wanted) = (grant.constraints(), subscription.constraints());
    if wanted.clone().any(|one| one.accepts.is_nothing()) {
        return true;
    }
    if !grant.names(subscription.package(), subscription.page()) {
        return false;
    }
    let Some(first) = granted.clone().next() else {
        return true;
    };
    match first.key {
        None => wanted
            .clone()
            .any(|one| is_within(&one.accepts, &first.accepts)),
        Some(_) => covers_keys(&granted, &wanted),
    }
}

/// The rule of keys, for a grant that has some.
fn covers_keys(granted: &Constraints<'_>, wanted: &Constraints<'_>) -> bool {
    wanted.clone().any(|one| one.accepts.is_nothing())
        || granted.clone().all(|grant| {
            let accepted = grant.key.and_then(|key| wanted.of_key(key));
            accepted.is_some_and(|accepted| is_within(&accepted, &grant.accepts))
        })
}

/// Whether `granted` accepts all that `accepted` does.
fn is_within(accepted: &Accepts<'_>, granted: &Accepts<'_>) -> bool {
    match (accepted, granted) {
        (_, Accepts::Any) => true,
        (Accepts::Any, Accepts::OneOf(_)) => false,
        (Accepts::OneOf(scalars), Accepts::OneOf(_)) => {
            scalars.iter().all(|scalar| granted.accepts(scalar))
        }
    }
}

/// The rule of bare values, for one constraint: whether the constraints `granted` accept together
/// all that `accepted` does.
fn is_granted(accepted: &Accepts<'_>, granted: &Constraints<'_>) -> bool {
    match accepted {
        Accepts::Any => granted.any_accepts(|grant| matches!(grant, Accepts::Any)),
        Accepts::OneOf(scalars) => scalars
            .iter()
            .all(|scalar| granted.any_accepts(|grant| grant.accepts(scalar))),
    }
}
