//! A connection with its buffers, beside the bare one that has heard it all at once.

use campanile_core::conn::{Buffered, Config, Event, Role, Violation};

use crate::receive_split::{NOW, Outcome, Seen, Told, see};

/// What is heard and sent when the bytes come as `pieces`. It is asked for whole messages after each
/// of them, but for chunks after one of an odd length and for one event only after one of seven.
pub(crate) fn agrees_with<R: Role>(bare: &Outcome, role: R, config: &Config, pieces: &[&[u8]]) {
    let mut conn = Buffered::new(
        role,
        config,
        pieces.first().copied().unwrap_or_default(),
        NOW,
    );
    let mut seen = Vec::new();
    let mut asked_for_chunks = false;
    for piece in pieces.iter().skip(1) {
        hear(&mut conn, piece.len(), &mut seen);
        asked_for_chunks |= piece.len() % 2 == 1;
        let mut piece = *piece;
        while !piece.is_empty() {
            if !conn.is_understood() {
                conn.messages(NOW).for_each(|event| take(event, &mut seen));
                continue;
            }
            let space = conn.space();
            let (now, later) = piece.split_at(space.len().min(piece.len()));
            space[..now.len()].copy_from_slice(now);
            conn.received(now.len());
            piece = later;
        }
    }
    while !conn.is_understood() {
        conn.messages(NOW).for_each(|event| take(event, &mut seen));
    }
    if !asked_for_chunks {
        let whole =
            |seen: &Seen| !matches!(seen, Seen::Data { first, last, .. } if !(*first && *last));
        assert!(seen.iter().all(whole), "a message is not whole: {seen:?}");
    }
    // What there is of a message that has not ended.
    conn.events(NOW).for_each(|event| take(event, &mut seen));
    let (mut heard, mut expected) = (joined(&seen), joined(&bare.events));
    let ends = |other: &&str| !other.starts_with("Ping") && !other.starts_with("Pong");
    if expected.1.iter().any(ends) {
        // What was begun and not finished before the end need not be told.
        let begun = unfinished(&mut expected.0);
        assert!(begun.starts_with(&unfinished(&mut heard.0)));
    }
    assert_eq!(heard, expected);
    let bytes = |told: &Told| match told {
        Told::Bytes(bytes) => bytes.clone(),
        Told::ShutdownWrite | Told::Disconnect => Vec::new(),
    };
    let sent: Vec<u8> = bare.sent.iter().flat_map(bytes).collect();
    assert_eq!(conn.unsent(), sent);
}

fn hear<R: Role>(conn: &mut Buffered<R>, hint: usize, seen: &mut Vec<Seen>) {
    if hint % 7 == 6 {
        conn.messages(NOW)
            .take(1)
            .for_each(|event| take(event, seen));
    } else if hint % 2 == 1 {
        conn.events(NOW).for_each(|event| take(event, seen));
    } else {
        conn.messages(NOW).for_each(|event| take(event, seen));
    }
}

fn take(event: Result<Event<'_>, Violation>, seen: &mut Vec<Seen>) {
    match event {
        Ok(event) => see(event, seen),
        Err(violation) => seen.push(Seen::Other(format!("{violation:?}"))),
    }
}

/// Takes off the beginning of a message at the end.
fn unfinished(messages: &mut Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let last = messages.pop_if(|(kind, _)| !kind.ends_with("whole"));
    last.map_or_else(Vec::new, |(_, bytes)| bytes)
}

/// The messages, whatever came between their pieces, and everything else; a message that has not
/// begun to say anything is none.
fn joined(events: &[Seen]) -> (Vec<(String, Vec<u8>)>, Vec<&str>) {
    let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
    let mut others = Vec::new();
    let mut open = false;
    for event in events {
        match event {
            Seen::Other(other) => others.push(other.as_str()),
            Seen::Data {
                kind, bytes, last, ..
            } => {
                if !open {
                    messages.push((format!("{kind:?}"), Vec::new()));
                }
                if let Some((kind, message)) = messages.last_mut() {
                    message.extend_from_slice(bytes);
                    if *last {
                        kind.push_str(", whole");
                    }
                }
                open = !*last;
            }
        }
    }
    messages.retain(|(kind, bytes)| !bytes.is_empty() || kind.ends_with("whole"));
    (messages, others)
}
