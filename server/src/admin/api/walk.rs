//! Looking through all connections, some at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use campanile_core::hub::{Inspected, Inspection};

use crate::admin::hubs::{self, Hubs};

/// How many connections are on a page.
pub(super) const PAGE: usize = 25;

/// How long a hub is held up at once: nobody notices it. One connection is always looked at, and one
/// that has as many subscriptions as there may be takes as long again.
pub(super) const HELD: Duration = Duration::from_millis(1);

/// How long one request may go on looking. Who looks for more is told how far it came.
const TIME: Duration = Duration::from_secs(2);

/// Where to look on: the number of a hub, and a place in it. As text, `hub.place`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    hub: usize,
    place: usize,
}

impl Place {
    /// `None` if it is none. No text is the beginning.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let (hub, place) = text.split_once('.')?;
        Some(Self {
            hub: hub.parse().ok()?,
            place: place.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.hub, self.place)
    }
}

/// What a walk has found.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// At most a page of it.
    pub(super) picked: Vec<T>,
    /// Where there is more, or may be.
    pub(super) next: Option<Place>,
    /// How many connections were looked at.
    pub(super) looked_at: usize,
    /// Whether the time was up before there was a page.
    pub(super) ran_out: bool,
}

/// What of a hub was looked at without a pause.
struct Piece<T> {
    picked: Vec<(usize, T)>,
    looked_at: usize,
    /// Where the hub goes on.
    next: Option<usize>,
}

/// Looks through the connections behind `from`, until there is a page of what is picked. Hubs do their
/// work in between. `None` if one does not answer.
pub(super) fn walk<T: Send + 'static>(
    all: &dyn Hubs,
    from: Place,
    pick: impl Fn(&Inspected<'_>) -> Option<T> + Send + Sync + 'static,
) -> Option<Found<T>> {
    let start = Instant::now();
    let pick = Arc::new(pick);
    let mut found = Found {
        picked: Vec::new(),
        next: None,
        looked_at: 0,
        ran_out: false,
    };
    let mut at = from;
    while at.hub < all.count() {
        if start.elapsed() >= TIME {
            found.next = Some(at);
            found.ran_out = true;
            break;
        }
        // One more, to know whether there is.
        let wanted = PAGE.saturating_add(1).saturating_sub(found.picked.len());
        let pick = Arc::clone(&pick);
        let piece = hubs::look(all, at.hub, move |inspection| {
            piece(&inspection, at.place, wanted, &*pick)
        })?;
        found.looked_at = found.looked_at.saturating_add(piece.looked_at);
        for (place, picked) in piece.picked {
            if found.picked.len() == PAGE {
                let hub = at.hub;
                found.next = Some(Place { hub, place });
                return Some(found);
            }
            found.picked.push(picked);
        }
        at = match piece.next {
            Some(place) => Place { place, ..at },
            None => Place {
                hub: at.hub.saturating_add(1),
                place: 0,
            },
        };
    }
    Some(found)
}

fn piece<T>(
    inspection: &Inspection<'_>,
    from: usize,
    wanted: usize,
    pick: &impl Fn(&Inspected<'_>) -> Option<T>,
) -> Piece<T> {
    let mut piece = Piece {
        picked: Vec::new(),
        looked_at: 0,
        next: None,
    };
    let start = Instant::now();
    for session in inspection.sessions(from) {
        let is_long = piece.looked_at > 0 && start.elapsed() >= HELD;
        if is_long || piece.picked.len() >= wanted {
            piece.next = Some(session.place());
            break;
        }
        piece.looked_at = piece.looked_at.saturating_add(1);
        if let Some(picked) = pick(&session) {
            piece.picked.push((session.place(), picked));
        }
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_what_its_text_says_and_the_beginning_without() {
        assert_eq!(Place::parse(""), Some(Place::default()));
        let place = Place { hub: 3, place: 70 };
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        for text in [
            "3",
            ".",
            "3.",
            ".7",
            "-1.2",
            "a.b",
            "1.2.3",
            "99999999999999999999.1",
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
