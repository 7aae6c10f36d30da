//! Subscriptions and notifications.

use campanile_core::notify::{Message, explain, matches};

use crate::{
    check,
    model::{self, Reading},
    script::Script,
    wishes,
};

/// Format: where the first byte is `{`, the text of subscriptions separated by commas, a line feed,
/// and the text of a notification; otherwise the choices of which both are made.
pub fn matching(data: &[u8]) {
    if data.first() == Some(&b'{') {
        let mut lines = data.splitn(2, |byte| *byte == b'\n');
        let (wishes, news) = (
            lines.next().unwrap_or_default(),
            lines.next().unwrap_or_default(),
        );
        let subscribing = [br#"{"sender":"client","subscriptions":["#, wishes, b"]}"].concat();
        let publishing = [br#"{"sender":"server","notification":"#, news, b"}"].concat();
        compare(&subscribing, &publishing);
    } else {
        let mut script = Script::new(data);
        let subscribing = wishes::subscribing(&mut script);
        let publishing = wishes::publishing(&mut script);
        compare(subscribing.as_bytes(), publishing.as_bytes());
    }
}

fn compare(subscribing: &[u8], publishing: &[u8]) {
    let (Some((Message::Client(client), Reading::Client { subscriptions, .. })), Some(published)) =
        (check::message(subscribing), check::message(publishing))
    else {
        return;
    };
    let (Message::Publication(notification), Reading::Publication(news)) = &published else {
        return;
    };
    let Some(set) = client.subscriptions() else {
        return;
    };
    let wishes = subscriptions.unwrap_or_default();
    for (subscription, wish) in set.iter().zip(&wishes) {
        let expected = model::matches(wish, news);
        assert_eq!(
            matches(&subscription, notification),
            expected,
            "{wish:?} and {news:?}"
        );
        let explanation = explain(&subscription, notification);
        assert_eq!(explanation.is_match(), expected, "{explanation}");
        let said = explanation.to_string();
        assert_eq!(said.starts_with("matches: "), expected, "{said}");
        assert!(!said.contains(char::is_control), "{said:?}");
    }
}
