//! What the status page asks, as JSON. It is the page's own: what is for other programs to read are the
//! [metrics](super::metrics).

mod connections;
mod explain;
mod publish;
mod status;
mod walk;

use serde_json::{Value, json};

use super::{
    Pages,
    http::{Request, Response},
};

pub(super) use connections::connections;
pub(super) use explain::explain;
pub(super) use publish::publish;
pub(super) use status::status;

const JSON: &str = "application/json";

fn answer(value: &Value) -> Response {
    Response::new(JSON, value.to_string())
}

/// A request that is refused, and what to do, in a line for a person.
fn refuse(status: u16, error: &str) -> Response {
    Response::new(JSON, json!({ "error": error }).to_string()).with_status(status)
}

/// A hub did not answer.
fn no_answer() -> Response {
    refuse(
        503,
        "The server did not answer in time, or is ending; try again, and look at its log if it goes on.",
    )
}

/// The last events of the log; with `after`, those behind that number.
pub(super) fn events(pages: &Pages, request: &Request<'_>) -> Response {
    let after = request.parameter("after").unwrap_or_default();
    let after = if after.is_empty() {
        Ok(0)
    } else {
        after.parse()
    };
    let Ok(after) = after else {
        return refuse(400, "after must be the number of an event.");
    };
    let events = pages.log.recent().after(after);
    let events: Vec<_> = (events.iter())
        .map(|told| {
            json!({
                "number": told.number,
                "time": told.time,
                "level": told.level,
                "event": told.event,
                "fields": told.fields,
            })
        })
        .collect();
    answer(&json!({ "events": events }))
}
