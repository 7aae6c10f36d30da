//! Who would receive a notification, and why others would not.

use std::sync::Arc;

use campanile_core::{
    hub::Inspected,
    notify::{Limits, Notification, Subscriptions, explain as explain_one},
};
use serde_json::{Value, json};

use super::{
    Pages, Request, Response, answer,
    connections::{Shown, asked, page},
    no_answer, publish, refuse,
    walk::{PAGE, walk},
};
use crate::{admin::hubs, explain::parse_notification};

/// How much of a connection's subscriptions is explained, in bytes: as much as a message may have by
/// default.
const EXPLAINED: usize = 64 * 1024;

/// How many of its subscriptions are told of: as many as a person reads.
const TOLD: usize = 8;

/// What is to be said of one connection.
struct Why {
    shown: Shown,
    /// A line for each subscription that is told of.
    lines: Vec<String>,
    /// How many there are more.
    more: usize,
}

pub(in crate::admin) fn explain(pages: &Pages, request: &Request<'_>) -> Response {
    let (from, search) = match asked(request) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let text = match publish::text(request.body) {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    let parsed = parse_notification(text.as_bytes(), &pages.options().hub.message);
    if parsed.is_err() {
        return refuse(400, &publish::wrong(parsed));
    }
    let text: Arc<str> = text.into();
    let answered = pages.alone(|| {
        let receiving = receiving(pages, &text)?;
        let text = Arc::clone(&text);
        let others = walk(&*pages.hubs, from, move |session| {
            let (is_match, why) = why(session, &text)?;
            (!is_match && why.shown.has(&search, session)).then_some(why)
        })?;
        Some((receiving, others))
    });
    let Some(((count, receiving), others)) = answered else {
        return no_answer();
    };
    let json = |list: &[Why]| list.iter().map(|why| why.json(pages)).collect::<Vec<_>>();
    let mut answered = page(&others, "others", json(&others.picked));
    if let Some(members) = answered.as_object_mut() {
        members.insert("recipients".to_owned(), count.into());
        members.insert("receiving".to_owned(), json(&receiving).into());
    }
    answer(&answered)
}

/// How many would hear it, and the first of them.
fn receiving(pages: &Pages, text: &Arc<str>) -> Option<(usize, Vec<Why>)> {
    let mut count: usize = 0;
    let mut first = Vec::new();
    for hub in 0..pages.hubs.count() {
        let text = Arc::clone(text);
        let wanted = PAGE.saturating_sub(first.len());
        let (more, whys) = hubs::look(&*pages.hubs, hub, move |mut inspection| {
            let Ok(notification) = parse_notification(text.as_bytes(), &Limits::NONE) else {
                return (0, Vec::new());
            };
            let places = inspection.recipients(&notification);
            let sessions = places.iter().filter_map(|place| inspection.session(*place));
            let whys = sessions
                .take(wanted)
                .filter_map(|session| why(&session, &text));
            let whys: Vec<Why> = whys.map(|(_, why)| why).collect();
            (places.len(), whys)
        })?;
        count = count.saturating_add(more);
        first.extend(whys);
    }
    Some((count, first))
}

/// Whether any subscription of a session matches the notification, and why those match that do, or why
/// none does.
fn why(session: &Inspected<'_>, text: &str) -> Option<(bool, Why)> {
    let notification: Notification<'_> = parse_notification(text.as_bytes(), &Limits::NONE).ok()?;
    let mut described = String::new();
    session.describe(&mut described, EXPLAINED);
    let set = Subscriptions::parse_array(described.as_bytes(), &Limits::NONE).ok()?;
    let explained: Vec<_> = (set.iter())
        .map(|subscription| explain_one(&subscription, &notification))
        .collect();
    let is_match = explained.iter().any(|explanation| explanation.is_match());
    let alike = explained
        .iter()
        .filter(|explanation| explanation.is_match() == is_match);
    let why = Why {
        shown: Shown::new(session),
        lines: alike.clone().take(TOLD).map(ToString::to_string).collect(),
        more: alike.count().saturating_sub(TOLD),
    };
    Some((is_match, why))
}

impl Why {
    fn json(&self, pages: &Pages) -> Value {
        let mut json = self.shown.json(pages);
        if let Some(members) = json.as_object_mut() {
            members.insert("why".to_owned(), json!(self.lines));
            members.insert("more".to_owned(), self.more.into());
        }
        json
    }
}
