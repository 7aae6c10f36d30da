//! What is said of a connection line by line: the vectors. However the bytes of one are cut, the
//! same is heard and the same is sent.

mod script;

use std::format;

use proptest::prelude::*;

use super::{strictness::VIOLATIONS, *};
use script::{Limits, Move, Token, bytes_of, items, valid_frame};
pub(super) use script::{Vector, vectors};

/// What a vector expects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    seen: Vec<Seen>,
    told: Vec<Told>,
    /// The last byte, and none before it, brings the verdict.
    at_last_byte: bool,
    /// The rule and the close code that are in the vector.
    pub(super) fails: Option<(Violation, u16)>,
}

/// Expectations of a server's connection or of a client's.
pub(super) fn expected(vector: &Vector, is_server: bool) -> Expected {
    let (heard, sent) = vector
        .expected
        .split_once(" |")
        .unwrap_or((&vector.expected, ""));
    let mut expected = Expected {
        seen: Vec::new(),
        told: Vec::new(),
        at_last_byte: false,
        fails: None,
    };
    for (item, count) in counted(heard) {
        let seen = heard_item(&item, &mut expected);
        expected.seen.extend(core::iter::repeat_n(seen, count));
    }
    let mut tail = Vec::new();
    for (item, count) in counted(sent) {
        let told = sent_item(&item, is_server);
        if told == [Told::Disconnect] {
            tail = told; // behind the Close frame of a violation
        } else {
            expected
                .told
                .extend(core::iter::repeat_n(told, count).flatten());
        }
    }
    if let Some((violation, code)) = expected.fails {
        if !closes_first(vector) {
            let code = code.to_be_bytes();
            let payload = [&code[..], violation.reason().as_bytes()].concat();
            expected.told.push(ours(0x88, &payload, is_server));
        }
        expected.told.push(Told::ShutdownWrite);
    }
    expected.told.extend(tail);
    expected
}

fn closes_first(vector: &Vector) -> bool {
    let moves = vector.moves(true);
    moves.iter().any(|one| matches!(one, Move::Close(..)))
}

/// The items of a list, each with how many times it is there.
fn counted(list: &str) -> Vec<(Vec<Token>, usize)> {
    let with_count = |item: Vec<Token>| match item.as_slice() {
        [Token::Word(count), Token::Word(times), rest @ ..] if times == "times" => {
            (rest.to_vec(), count.parse().expect("a number"))
        }
        _ => (item, 1),
    };
    items(list).into_iter().map(with_count).collect()
}

fn heard_item(item: &[Token], expected: &mut Expected) -> Seen {
    let words: Vec<&str> = item.iter().filter_map(Token::word).collect();
    let payload = bytes_of(item);
    match words[..] {
        ["text"] => Seen::Message(Kind::Text, payload),
        ["binary"] => Seen::Message(Kind::Binary, payload),
        ["part", "text"] => Seen::Part(Kind::Text, payload),
        ["part", "binary"] => Seen::Part(Kind::Binary, payload),
        ["ping"] => Seen::Ping(payload),
        ["pong"] => Seen::Pong(payload),
        ["close"] => Seen::Close(None),
        ["close", code] => {
            let reason = String::from_utf8(payload).expect("a reason");
            Seen::Close(Some((code.parse().expect("a code"), reason)))
        }
        [fails @ ("fails" | "fails!"), rule, code] => {
            let named = |violation: &Violation| format!("{violation:?}") == rule;
            let violation = VIOLATIONS.iter().copied().find(named).expect(rule);
            expected.at_last_byte = fails == "fails!";
            expected.fails = Some((violation, code.parse().expect("a code")));
            Seen::Violation(violation)
        }
        _ => panic!("nothing is heard as {words:?}"),
    }
}

fn sent_item(item: &[Token], is_server: bool) -> Vec<Told> {
    let words: Vec<&str> = item.iter().filter_map(Token::word).collect();
    let mut payload = Vec::new();
    if let Some(code) = words.get(1) {
        let code: u16 = code.parse().expect("a code");
        payload.extend(code.to_be_bytes());
    }
    payload.extend(bytes_of(item));
    let frame = |first| ours(first, &payload, is_server);
    let fin = is_server.then_some(Told::ShutdownWrite);
    match words.first().copied() {
        Some("ping") => vec![frame(0x89)],
        Some("pong") => vec![frame(0x8A)],
        Some("close") => vec![frame(0x88)],
        Some("answer") => [frame(0x88)].into_iter().chain(fin).collect(),
        Some("server-fin") => fin.into_iter().collect(),
        Some("drop") => vec![Told::Disconnect],
        _ => panic!("nothing is sent as {words:?}"),
    }
}

fn ours(first: u8, payload: &[u8], is_server: bool) -> Told {
    Told::Bytes(valid_frame(first, payload, !is_server))
}

/// Where the bytes of a vector are cut.
#[derive(Clone, Copy, Debug)]
enum Cuts<'a> {
    Nowhere,
    Everywhere,
    /// Behind so many bytes of the whole vector.
    At(usize),
    /// In pieces of these lengths, over and over.
    Lengths(&'a [usize]),
    /// Only so many bytes come, then they end.
    EndsAfter(usize),
}

/// A connection to which all of a vector, or what `cuts` leaves of it, has happened.
fn replay<R: Role>(mut side: Side<R>, moves: &[Move], cuts: Cuts<'_>) -> Side<R> {
    let mut before = 0;
    for one in moves {
        match one {
            Move::Bytes(bytes) => {
                match cuts {
                    Cuts::Nowhere => {
                        side.receive(bytes);
                    }
                    Cuts::Everywhere => {
                        for byte in bytes.chunks(1) {
                            side.receive(byte);
                        }
                    }
                    Cuts::At(at) => {
                        let at = at.saturating_sub(before).min(bytes.len());
                        side.receive(&bytes[..at]).receive(&bytes[at..]);
                    }
                    Cuts::Lengths(lengths) => {
                        for piece in splitting::cut(bytes, lengths) {
                            side.receive(piece);
                        }
                    }
                    Cuts::EndsAfter(end) => {
                        let end = end - before;
                        if end <= bytes.len() {
                            side.receive(&bytes[..end]).receive_eof();
                            return side;
                        }
                        side.receive(bytes);
                    }
                }
                before += bytes.len();
            }
            Move::Wait(millis) => side.now = side.now.after(Duration::from_millis(*millis)),
            Move::Close(code, reason) => {
                let code = CloseCode::new(*code).expect("a code that can be sent");
                side.close(code, reason);
            }
            Move::Eof => {
                side.receive_eof();
            }
        }
    }
    side
}

fn config(limits: Limits) -> Config {
    let mut config = Config::new();
    config.max_message = limits.message.unwrap_or(config.max_message);
    config.max_fragments = limits.fragments.unwrap_or(config.max_fragments);
    config.control_rate = limits.rate.unwrap_or(config.control_rate);
    config.control_burst = limits.burst.unwrap_or(config.control_burst);
    config
}

/// How many bytes happen to a vector's connection.
fn len(moves: &[Move]) -> usize {
    let lens = moves.iter().map(|one| match one {
        Move::Bytes(bytes) => bytes.len(),
        Move::Wait(_) | Move::Close(..) | Move::Eof => 0,
    });
    lens.sum()
}

/// Where so many bytes are cut in two: everywhere, and the few vectors of 64 KiB where their heads
/// are and here and there.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = if len < 2_000 { 1 } else { 9_973 };
    (0..len.min(20)).chain((20..len).step_by(step))
}

/// Calls the check with each vector and how to make its connection, for both roles.
fn for_each(mut check: impl FnMut(&Vector, &mut dyn Subject)) {
    for vector in vectors() {
        let config = config(vector.limits);
        if vector.server {
            check(&vector, &mut || server_with(&config));
        }
        if vector.client {
            check(&vector, &mut || client_with(&config));
        }
    }
}

/// What a replay left behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    seen: Vec<Seen>,
    told: Vec<Told>,
    state: State,
    cause: Option<CloseCause>,
}

/// Makes connections of one role, and hides the role's type from the checks.
trait Subject {
    fn is_server(&self) -> bool;
    /// What is left of a new connection after the moves.
    fn replay(&mut self, moves: &[Move], cuts: Cuts<'_>) -> Left;
    /// What is left after the moves, more bytes, and the end of them; from the moves' end on.
    fn replay_to_the_end(&mut self, moves: &[Move], more: &[u8]) -> Left;
}

impl<R: Role, F: FnMut() -> Side<R>> Subject for F {
    fn is_server(&self) -> bool {
        R::IS_SERVER
    }

    fn replay(&mut self, moves: &[Move], cuts: Cuts<'_>) -> Left {
        Left::of(&mut replay(self(), moves, cuts))
    }

    fn replay_to_the_end(&mut self, moves: &[Move], more: &[u8]) -> Left {
        let mut side = replay(self(), moves, Cuts::Nowhere);
        let _ = (side.seen(), side.told());
        side.receive(more).receive_eof();
        Left::of(&mut side)
    }
}

impl Left {
    fn of<R: Role>(side: &mut Side<R>) -> Self {
        Self {
            seen: side.seen(),
            told: side.told(),
            state: side.conn.state(),
            cause: side.conn.closed_by(),
        }
    }
}

#[test]
fn every_vector_holds_whole_byte_by_byte_and_cut_in_two_anywhere() {
    for_each(|vector, subject| {
        let moves = vector.moves(subject.is_server());
        let expected = expected(vector, subject.is_server());
        let whole = subject.replay(&moves, Cuts::Nowhere);
        assert_eq!(whole.seen, expected.seen, "{}", vector.name);
        assert_eq!(whole.told, expected.told, "{}", vector.name);
        let same = |left: Left, cuts| assert_eq!(left, whole, "{}, {cuts:?}", vector.name);
        same(subject.replay(&moves, Cuts::Everywhere), Cuts::Everywhere);
        for at in places(len(&moves)) {
            same(subject.replay(&moves, Cuts::At(at)), Cuts::At(at));
        }
    });
}

#[test]
fn what_ends_a_connection_is_known_and_nothing_follows_it() {
    for_each(|vector, subject| {
        let moves = vector.moves(subject.is_server());
        let left = subject.replay(&moves, Cuts::Nowhere);
        let dropped = left.told.contains(&Told::Disconnect);
        let state = |open| if dropped { State::Closed } else { open };
        let violation = match left.seen.last() {
            Some(Seen::Violation(violation)) => Some(CloseCause::Violation(*violation)),
            _ => None,
        };
        let close = left.seen.iter().find_map(|seen| {
            let Seen::Close(close) = seen else {
                return None;
            };
            let code = close.as_ref().and_then(|(code, _)| CloseCode::new(*code));
            Some(CloseCause::Peer(code))
        });
        let ours = moves.iter().find_map(|one| match one {
            Move::Close(code, _) => Some(CloseCause::Local(CloseCode::new(*code)?)),
            Move::Bytes(_) | Move::Wait(_) | Move::Eof => None,
        });
        let (cause, state) = match (ours, close.or(violation)) {
            (None, None) if dropped => (Some(CloseCause::Eof), State::Closed),
            (None, None) => (None, State::Open),
            (Some(ours), None) => (Some(ours), state(State::Closing)),
            (ours, Some(theirs)) => (ours.or(Some(theirs)), state(State::Draining)),
        };
        assert_eq!((left.cause, left.state), (cause, state), "{}", vector.name);

        let late = valid_frame(0x89, b"late", subject.is_server());
        let more = if state.hears() { &[][..] } else { &late };
        let left = subject.replay_to_the_end(&moves, more);
        assert_eq!(left.seen, [], "{}", vector.name);
        let end = (!dropped).then_some(Told::Disconnect);
        assert_eq!(left.told, Vec::from_iter(end), "{}", vector.name);
        assert_eq!(left.state, State::Closed, "{}", vector.name);
    });
}

#[test]
fn a_verdict_falls_with_the_byte_that_a_vector_says() {
    for_each(|vector, subject| {
        let moves = vector.moves(subject.is_server());
        let expected = expected(vector, subject.is_server());
        if let Some((violation, code)) = expected.fails {
            assert_eq!(violation.close_code().get(), code, "{}", vector.name);
        }
        if !expected.at_last_byte {
            return;
        }
        let early = subject.replay(&moves, Cuts::EndsAfter(len(&moves) - 1));
        let fails = |seen: &Seen| matches!(seen, Seen::Violation(_));
        assert!(!early.seen.iter().any(fails), "{}", vector.name);
    });
}

#[test]
fn bytes_that_end_anywhere_in_a_vector_end_the_connection_without_a_verdict_of_their_own() {
    for_each(|vector, subject| {
        let mut moves = vector.moves(subject.is_server());
        moves.retain(|one| *one != Move::Eof);
        let whole = subject.replay(&moves, Cuts::Nowhere);
        let name = &vector.name;
        for end in places(len(&moves)) {
            let mut early = subject.replay(&moves, Cuts::EndsAfter(end));
            assert_eq!(early.told.pop(), Some(Told::Disconnect), "{name}, {end}");
            assert!(whole.told.starts_with(&early.told), "{name}, {end}");
            assert!(begins(&whole.seen, &early.seen), "{name}, {end}: {early:?}");
            assert_eq!(early.state, State::Closed, "{name}, {end}");
            let causes = [whole.cause, Some(CloseCause::Eof)];
            assert!(causes.contains(&early.cause), "{name}, {end}: {early:?}");
        }
    });
}

/// Whether what was seen early is the beginning of what was seen in the end: message by message,
/// and of the last one as much as had come.
fn begins(whole: &[Seen], early: &[Seen]) -> bool {
    let Some(part) = early.iter().position(|seen| matches!(seen, Seen::Part(..))) else {
        return whole.starts_with(early);
    };
    // The message in progress is put where its last chunk is.
    let mut others = early.to_vec();
    let Seen::Part(kind, bytes) = others.remove(part) else {
        return false;
    };
    let goes_on = |seen: &Seen| match seen {
        Seen::Part(k, b) | Seen::Message(k, b) => *k == kind && b.starts_with(&bytes),
        Seen::Ping(_) | Seen::Pong(_) | Seen::Close(_) | Seen::Violation(_) => false,
    };
    let Some(at) = whole.iter().skip(part).position(goes_on) else {
        return false;
    };
    let mut rest = whole.to_vec();
    rest.remove(part + at);
    rest.starts_with(&others)
}

#[test]
fn no_vector_is_lost_and_no_two_have_one_name() {
    let mut names: Vec<String> = vectors().into_iter().map(|vector| vector.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two vectors have one name");
    assert!(count >= 340, "{count} vectors");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_vector_holds_at_random_cuts(
        index: prop::sample::Index,
        cuts in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let vectors = vectors();
        let vector = index.get(&vectors);
        let config = config(vector.limits);
        let moves = vector.moves(true);
        let whole = Left::of(&mut replay(server_with(&config), &moves, Cuts::Nowhere));
        let cut = Left::of(&mut replay(server_with(&config), &moves, Cuts::Lengths(&cuts)));
        prop_assert_eq!(cut, whole, "{}", &vector.name);
        let moves = vector.moves(false);
        let whole = Left::of(&mut replay(client_with(&config), &moves, Cuts::Nowhere));
        let cut = Left::of(&mut replay(client_with(&config), &moves, Cuts::Lengths(&cuts)));
        prop_assert_eq!(cut, whole, "{}", &vector.name);
    }
}
