//! Who is connected, and what each one subscribes to.

use campanile_core::hub::Inspected;
use serde_json::{Value, json};

use super::{
    Pages, Request, Response, answer, no_answer, refuse,
    status::seconds,
    walk::{Found, PAGE, Place, walk},
};

/// How much of a connection's subscriptions is shown, in bytes: more than most have. What they are in
/// JSON is told subscription by subscription, so that what is left is whole.
const SHOWN: usize = 4 * 1024;

/// How much of them is searched, in bytes: as much as a message may have by default.
const SEARCHED: usize = 64 * 1024;

/// How long what is searched for may be, in bytes.
const SEARCH: usize = 256;

/// A connection, as it is shown.
#[derive(Debug)]
pub(super) struct Shown {
    number: u64,
    address: String,
    session: String,
    waiting: usize,
    subscriptions: usize,
}

impl Shown {
    pub(super) fn new(session: &Inspected<'_>) -> Self {
        Self {
            number: session.connection(),
            address: session.peer().to_string(),
            session: session.standing().to_string(),
            waiting: session.waiting(),
            subscriptions: session.subscriptions(),
        }
    }

    pub(super) fn json(&self, pages: &Pages) -> Value {
        json!({
            "number": self.number,
            "address": self.address,
            "session": self.session,
            "since": pages.ages.of(self.number).map(seconds),
            "waiting_bytes": self.waiting,
            "subscriptions": self.subscriptions,
        })
    }

    /// Whether each word that is searched for is in it or in what it subscribes to.
    pub(super) fn has(&self, Search(words): &Search, session: &Inspected<'_>) -> bool {
        let plain = format!("{} {} {}", self.number, self.address, self.session);
        let mut left = words
            .iter()
            .filter(|word| !plain.contains(&***word))
            .peekable();
        if left.peek().is_none() {
            return true;
        }
        let mut subscribed = String::new();
        session.describe(&mut subscribed, SEARCHED);
        let subscribed = subscribed.to_lowercase();
        left.all(|word| subscribed.contains(&**word))
    }
}

/// What is searched for: words in lower case.
pub(super) struct Search(Vec<String>);

/// Where an answer is to go on, and what is searched for; or what is wrong with that.
pub(super) fn asked(request: &Request<'_>) -> Result<(Place, Search), Response> {
    let page = request.parameter("page").unwrap_or_default();
    let Some(from) = Place::parse(&page) else {
        return Err(refuse(
            400,
            "page must be what an answer gave as next, or be left out.",
        ));
    };
    let search = request.parameter("search").unwrap_or_default();
    if search.len() > SEARCH {
        return Err(refuse(400, "Search for less: at most 256 bytes."));
    }
    let words = search.split_whitespace().map(str::to_lowercase);
    Ok((from, Search(words.collect())))
}

pub(in crate::admin) fn connections(pages: &Pages, request: &Request<'_>) -> Response {
    let (from, search) = match asked(request) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let found = pages.alone(|| {
        walk(&*pages.hubs, from, move |session| {
            let shown = Shown::new(session);
            if !shown.has(&search, session) {
                return None;
            }
            let mut subscribed = String::new();
            let is_all = session.describe(&mut subscribed, SHOWN);
            Some((shown, subscribed, is_all))
        })
    });
    let Some(found) = found else {
        return no_answer();
    };
    let connections = found.picked.iter().map(|(shown, subscribed, is_all)| {
        let mut connection = shown.json(pages);
        if let Some(members) = connection.as_object_mut() {
            let list = serde_json::from_str(subscribed).unwrap_or(Value::Null);
            members.insert("subscribed".to_owned(), list);
            members.insert("is_all".to_owned(), (*is_all).into());
        }
        connection
    });
    let connections = connections.collect();
    answer(&page(&found, "connections", connections))
}

/// A page of an answer.
pub(super) fn page<T>(found: &Found<T>, what: &str, list: Vec<Value>) -> Value {
    json!({
        what: list,
        "size": PAGE,
        "next": found.next.map(|next| next.to_string()),
        "looked_at": found.looked_at,
        "ran_out": found.ran_out,
    })
}
