//! Grants and subscriptions.

use campanile_core::notify::{
    ClientMessage, Grant, Grants, Limits, Message, Notification, Subscription,
    covers as core_covers, covers_keyed, matches,
};
use serde_json::{Value, json};

use crate::{
    check::{self, UNLIMITED},
    model::{self, Reading, Scalar, Target, Values},
    script::Script,
    wishes,
};

/// Format: where the first byte is `{`, the text of grants separated by commas, a line feed, the
/// text of subscriptions separated by commas, a line feed, and the text of a notification;
/// otherwise the choices of which all three are made.
pub fn covers(data: &[u8]) {
    if data.first() == Some(&b'{') {
        let mut lines = data.splitn(3, |byte| *byte == b'\n');
        let mut next = || lines.next().unwrap_or_default();
        let grants = subscribing(next());
        let wishes = subscribing(next());
        let publishing = [br#"{"sender":"server","notification":"#, next(), b"}"].concat();
        compare(&grants, &wishes, &publishing);
    } else {
        let mut script = Script::new(data);
        let grants = subscribing(wishes::grant(&mut script).as_bytes());
        let wishes = wishes::subscribing(&mut script);
        let publishing = wishes::publishing(&mut script);
        compare(&grants, wishes.as_bytes(), publishing.as_bytes());
    }
}

fn subscribing(list: &[u8]) -> Vec<u8> {
    [br#"{"sender":"client","subscriptions":["#, list, b"]}"].concat()
}

/// Each grant with each subscription, and all with the notification.
fn compare(grants: &[u8], wishes: &[u8], publishing: &[u8]) {
    let (Some((granting, rights)), Some((client, wishes))) = (client(grants), client(wishes))
    else {
        return;
    };
    let Some((Message::Publication(notification), Reading::Publication(news))) =
        check::message(publishing)
    else {
        return;
    };
    let (Some(claim), Some(set)) = (granting.subscriptions(), client.subscriptions()) else {
        return;
    };
    let grants = Grants::parse(claim.as_bytes(), "subscribe", &UNLIMITED)
        .expect("grants have the form of subscriptions");
    assert_eq!(grants.len(), rights.len());
    for (grant, right) in grants.iter().zip(&rights) {
        assert_eq!(grant.admits(&notification), model::admits(right, &news));
        for (subscription, wish) in set.iter().zip(&wishes) {
            let judged = |covers, with_bare| {
                judge((&grant, right), (&subscription, wish), covers, with_bare)
            };
            let is_covered = judged(core_covers, true);
            let is_bare = matches!(news.values, Values::Unkeyed(_));
            if (is_covered || (judged(covers_keyed, false) && !is_bare))
                && matches(&subscription, &notification)
            {
                assert!(
                    grant.admits(&notification),
                    "{right:?}, {wish:?} and {news:?}"
                );
            }
        }
    }
    let admitted = rights.iter().any(|right| model::admits(right, &news));
    assert_eq!(grants.admit(&notification), admitted);
}

fn client(text: &[u8]) -> Option<(ClientMessage<'_>, Vec<Target>)> {
    match check::message(text) {
        Some((Message::Client(client), Reading::Client { subscriptions, .. })) => {
            Some((client, subscriptions?))
        }
        _ => None,
    }
}

/// Whether the core says that the grant covers the subscription, for notifications with bare values too
/// or without those. If so, the model finds no counter-example; if not, it finds one, and the core agrees
/// that it is.
fn judge(
    (grant, right): (&Grant<'_>, &Target),
    (subscription, wish): (&Subscription<'_>, &Target),
    covers: fn(&Grant<'_>, &Subscription<'_>) -> bool,
    with_bare: bool,
) -> bool {
    let is_covered = covers(grant, subscription);
    match counter_example(right, wish, with_bare) {
        None => assert!(is_covered, "{right:?} covers {wish:?}"),
        Some(found) => {
            let text = text(&found);
            let limits = Limits {
                keys: usize::MAX,
                values: usize::MAX,
                ..Limits::default()
            };
            let notification = Notification::parse(text.as_bytes(), &limits).expect("our own JSON");
            assert!(
                matches(subscription, &notification),
                "{text} meets {wish:?}"
            );
            assert!(
                !grant.admits(&notification),
                "{text} does not meet {right:?}"
            );
            assert!(!is_covered, "{right:?} does not cover {wish:?}: {text}");
        }
    }
    is_covered
}

/// A notification that meets the subscription and not the grant. There is none if this finds none:
/// see `covers` and `covers_keyed` of the core for why these few are enough.
fn counter_example(grant: &Target, subscription: &Target, with_bare: bool) -> Option<Target> {
    let (fresh_key, fresh) = fresh(grant, subscription);
    let mut candidates = vec![Values::None];
    let wanted: Vec<&[Scalar]> = match &subscription.values {
        Values::None => vec![],
        Values::Unkeyed(scalars) => vec![scalars],
        Values::Keyed(members) => members.iter().map(|(_, scalars)| &scalars[..]).collect(),
    };
    for scalar in wanted.into_iter().flatten() {
        let scalar = if *scalar == Scalar::Any {
            &fresh
        } else {
            scalar
        };
        candidates.push(Values::Unkeyed(vec![scalar.clone()]));
        candidates.push(Values::Keyed(vec![(
            fresh_key.clone(),
            vec![scalar.clone()],
        )]));
    }
    if let Values::Keyed(members) = &subscription.values {
        // At each key something that the grant refuses there, if there is such a thing.
        let worst = members.iter().map(|(key, accepted)| {
            let refused = |scalar: &&Scalar| !is_granted(grant, key, scalar);
            let worst = if accepted.contains(&Scalar::Any) {
                Some(&fresh)
            } else {
                accepted.iter().find(refused).or_else(|| accepted.first())
            };
            Some((key.clone(), vec![worst?.clone()]))
        });
        candidates.extend(worst.collect::<Option<Vec<_>>>().map(Values::Keyed));
    }
    candidates.retain(|values| with_bare || !matches!(values, Values::Unkeyed(_)));
    let mut notifications = candidates.into_iter().map(|values| Target {
        values,
        ..subscription.clone()
    });
    notifications.find(|news| model::matches(subscription, news) && !model::admits(grant, news))
}

/// Whether a grant accepts this value at this key, as far as that key alone is concerned.
fn is_granted(grant: &Target, key: &str, scalar: &Scalar) -> bool {
    let granted = match &grant.values {
        Values::None => return true,
        Values::Unkeyed(granted) => granted,
        Values::Keyed(members) => match members.iter().find(|(name, _)| name == key) {
            None => return true,
            Some((_, granted)) => granted,
        },
    };
    granted.contains(scalar) || granted.contains(&Scalar::Any)
}

/// A key and a scalar that occur in neither.
fn fresh(grant: &Target, subscription: &Target) -> (String, Scalar) {
    let mut longest = 0;
    for target in [grant, subscription] {
        let alone;
        let members = match &target.values {
            Values::None => continue,
            Values::Keyed(members) => members,
            Values::Unkeyed(scalars) => {
                alone = vec![(String::new(), scalars.clone())];
                &alone
            }
        };
        for (key, scalars) in members {
            longest = longest.max(key.len());
            for scalar in scalars {
                if let Scalar::Text(text) = scalar {
                    longest = longest.max(text.len());
                }
            }
        }
    }
    let text = "x".repeat(longest + 1);
    (text.clone(), Scalar::Text(text))
}

fn text(notification: &Target) -> String {
    let list = |scalars: &[Scalar]| -> Value {
        let scalars = scalars.iter().map(|scalar| match scalar {
            Scalar::Text(text) => json!(text),
            Scalar::True => json!(true),
            Scalar::False => json!(false),
            Scalar::Null => json!(null),
            Scalar::Any => unreachable!("notifications have values"),
        });
        scalars.collect()
    };
    let values = match &notification.values {
        Values::None => Value::Null,
        Values::Unkeyed(scalars) => list(scalars),
        Values::Keyed(members) => {
            let members = members
                .iter()
                .map(|(key, scalars)| (key.clone(), list(scalars)));
            Value::Object(members.collect())
        }
    };
    json!({
        "package": notification.package,
        "page": notification.page,
        "filters": { "values": values },
    })
    .to_string()
}
