//! Who would receive a notification, and why others would not.

use std::{sync::Arc, time::Instant};

use campanile_core::{
    hub::{Inspected, Inspection},
    notify::{Explanation, Limits, Located, Notification, Subscriptions, explain as explain_one},
};
use serde_json::{Value, json};

use super::{
    Pages, Request, Response, answer,
    connections::{Shown, asked, page},
    no_answer, publish, refuse,
    walk::{HELD, PAGE, walk},
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
    let limits = pages.options().hub.message;
    let question = match Question::read(text, &limits) {
        Ok(question) => question,
        Err(reason) => return refuse(400, &publish::sentence(&reason)),
    };
    let answered = pages.alone(|| {
        let receiving = receiving(pages, &question)?;
        let others = walk(&*pages.hubs, from, move |session| {
            let (is_match, why) = question.why(session)?;
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

/// A notification that is asked about.
#[derive(Clone)]
struct Question {
    text: Arc<[u8]>,
    located: Located,
}

impl Question {
    /// The error is a line for the person who asked.
    fn read(text: &str, limits: &Limits) -> Result<Self, String> {
        let text = text.as_bytes();
        let located = parse_notification(text, limits)?.locate(text);
        Ok(Self {
            located: located.ok_or("the notification has 4 GiB or more")?,
            text: text.into(),
        })
    }

    fn notification(&self) -> Notification<'_> {
        self.located.read(&self.text)
    }

    /// Whether any subscription of a session matches, and why those match that do, or why none does.
    fn why(&self, session: &Inspected<'_>) -> Option<(bool, Why)> {
        let notification = self.notification();
        let mut described = String::new();
        session.describe(&mut described, EXPLAINED);
        let set = Subscriptions::parse_array(described.as_bytes(), &Limits::NONE).ok()?;
        let explained: Vec<_> = (set.iter())
            .map(|subscription| explain_one(&subscription, &notification))
            .collect();
        let is_match = explained.iter().any(Explanation::is_match);
        let alike = (explained.iter()).filter(|explanation| explanation.is_match() == is_match);
        let why = Why {
            shown: Shown::new(session),
            lines: alike.clone().take(TOLD).map(ToString::to_string).collect(),
            more: alike.count().saturating_sub(TOLD),
        };
        Some((is_match, why))
    }
}

/// How many would hear it, and the first of them.
fn receiving(pages: &Pages, question: &Question) -> Option<(usize, Vec<Why>)> {
    let hubs = &*pages.hubs;
    let mut count: usize = 0;
    let mut first = Vec::new();
    for hub in 0..hubs.count() {
        let wanted = PAGE.saturating_sub(first.len());
        let asked = question.clone();
        let (more, mut places) = hubs::look(hubs, hub, move |mut inspection| {
            let mut places = inspection.recipients(&asked.notification());
            let count = places.len();
            places.truncate(wanted);
            (count, places)
        })?;
        count = count.saturating_add(more);
        while !places.is_empty() {
            let asked = question.clone();
            let (whys, left) = hubs::look(hubs, hub, move |inspection| {
                receiving_at(&inspection, &asked, places)
            })?;
            first.extend(whys);
            places = left;
        }
    }
    Some((count, first))
}

/// Why sessions at these places would hear it, and the places that there was no time for. Who has gone
/// meanwhile is left out.
fn receiving_at(
    inspection: &Inspection<'_>,
    question: &Question,
    mut places: Vec<usize>,
) -> (Vec<Why>, Vec<usize>) {
    let start = Instant::now();
    let mut whys = Vec::new();
    let mut done: usize = 0;
    for place in &places {
        if done > 0 && start.elapsed() >= HELD {
            break;
        }
        done = done.saturating_add(1);
        let session = inspection.session(*place);
        if let Some((true, why)) = session.and_then(|session| question.why(&session)) {
            whys.push(why);
        }
    }
    (whys, places.split_off(done))
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
