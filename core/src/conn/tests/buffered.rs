//! A connection with its buffers hears what the bare one hears, however it is read.

use proptest::prelude::*;

use super::{splitting::stream, *};

/// How its driver asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Chunks,
    Messages,
    /// Only the first event, then something else.
    OneMessage,
}

fn limits() -> Config {
    Config {
        max_message: 2_000_000,
        max_fragments: 50,
        control_burst: 1_000,
        ..Config::new()
    }
}

/// What a bare connection makes of the bytes, all at once.
fn bare<R: Role>(mut side: Side<R>, bytes: &[u8]) -> (Vec<Seen>, Vec<Told>) {
    side.receive(bytes);
    (side.seen(), side.told())
}

/// What a buffered one makes of them, as much at a time as `reads` say, asked as `asks` say.
fn buffered<R: Role>(
    role: R,
    bytes: &[u8],
    behind: usize,
    reads: &[usize],
    asks: &[Ask],
) -> (Vec<Seen>, Vec<u8>) {
    let (behind, mut bytes) = bytes.split_at(behind.min(bytes.len()));
    let mut conn = Buffered::new(role, &limits(), behind, Instant::ZERO);
    let mut seen = Vec::new();
    let mut reads = reads.iter().cycle();
    let mut asks = asks.iter().cycle();
    loop {
        if conn.is_understood() {
            if bytes.is_empty() {
                break;
            }
            let space = conn.space();
            assert!((1..=BUFFER).contains(&space.len()));
            let count = space.len().min(bytes.len()).min(*reads.next().unwrap());
            let (now, later) = bytes.split_at(count);
            space[..count].copy_from_slice(now);
            bytes = later;
            conn.received(count);
        }
        match asks.next().unwrap() {
            Ask::Chunks => conn
                .events(Instant::ZERO)
                .for_each(|event| hear(&mut seen, event)),
            Ask::Messages => {
                // All alive at once: none may disturb another.
                let events: Vec<_> = conn.messages(Instant::ZERO).collect();
                assert!(events.iter().all(is_whole));
                events.into_iter().for_each(|event| hear(&mut seen, event));
            }
            Ask::OneMessage => {
                conn.messages(Instant::ZERO).take(1).for_each(|event| {
                    assert!(is_whole(&event));
                    hear(&mut seen, event);
                });
            }
        }
        if seen.len() % 7 == 3 {
            conn.release();
        }
    }
    // What was gathered of a message is not lost either.
    conn.events(Instant::ZERO)
        .for_each(|event| hear(&mut seen, event));
    (seen, conn.unsent().to_vec())
}

/// Whether no message goes on behind this.
pub(super) fn is_whole(event: &Result<Event<'_>, Violation>) -> bool {
    !matches!(event, Ok(Event::Data(data)) if !data.last)
}

pub(super) fn hear(seen: &mut Vec<Seen>, event: Result<Event<'_>, Violation>) {
    match event {
        Ok(event) => see(seen, event),
        Err(violation) => seen.push(Seen::Violation(violation)),
    }
}

pub(super) fn sent(told: &[Told]) -> Vec<u8> {
    let bytes = |told: &Told| match told {
        Told::Bytes(bytes) => bytes.clone(),
        Told::ShutdownWrite | Told::Disconnect => Vec::new(),
    };
    told.iter().flat_map(bytes).collect()
}

/// A part of a message that control frames interrupt is seen when it ends, wherever it began.
fn in_order(mut seen: Vec<Seen>) -> (Vec<Seen>, Vec<Seen>) {
    seen.retain(|seen| !matches!(seen, Seen::Part(_, bytes) if bytes.is_empty()));
    let of_a_message = |seen: &Seen| matches!(seen, Seen::Message(..) | Seen::Part(..));
    seen.into_iter().partition(of_a_message)
}

/// Whether both heard the same. What was begun and not finished before the end need not be told, so
/// it may be shorter.
pub(super) fn agree(heard: Vec<Seen>, bare: Vec<Seen>) -> bool {
    let ended = |seen: &Seen| matches!(seen, Seen::Close(_) | Seen::Violation(_));
    let ended = bare.iter().any(ended);
    let (mut heard, mut bare) = (in_order(heard), in_order(bare));
    let unfinished = |seen: &mut Vec<Seen>| match seen.pop_if(|seen| matches!(seen, Seen::Part(..)))
    {
        Some(Seen::Part(_, bytes)) => bytes,
        _ => Vec::new(),
    };
    if ended && !unfinished(&mut bare.0).starts_with(&unfinished(&mut heard.0)) {
        return false;
    }
    heard == bare
}

pub(super) fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = prop_oneof![
        Just(Ask::Messages),
        Just(Ask::Chunks),
        Just(Ask::OneMessage)
    ];
    prop_oneof![
        Just(vec![Ask::Messages]),
        Just(vec![Ask::OneMessage]),
        prop::collection::vec(ask, 1..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_buffered_server_hears_what_a_bare_one_hears(
        bytes in stream(masked),
        behind in 0_usize..40,
        reads in prop::collection::vec(1_usize..60, 1..6),
        asks in asks(),
    ) {
        let (seen, told) = bare(server_with(&limits()), &bytes);
        let (heard, unsent) = buffered(Server, &bytes, behind, &reads, &asks);
        prop_assert!(agree(heard.clone(), seen.clone()), "{heard:?}\n{seen:?}");
        prop_assert_eq!(unsent, sent(&told));
    }

    #[test]
    fn a_buffered_client_hears_what_a_bare_one_hears(
        bytes in stream(plain),
        reads in prop::collection::vec(1_usize..60, 1..6),
        asks in asks(),
    ) {
        let (seen, told) = bare(client_with(&limits()), &bytes);
        let (heard, unsent) = buffered(Client(TestKey), &bytes, 0, &reads, &asks);
        prop_assert!(agree(heard.clone(), seen.clone()), "{heard:?}\n{seen:?}");
        prop_assert_eq!(unsent, sent(&told));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn messages_larger_than_the_buffer_grow_in_it(
        messages in prop::collection::vec((1_usize..150_000, 1_usize..40_000, any::<bool>()), 1..5),
        reads in prop::collection::vec(1_usize..100_000, 1..6),
        asks in asks(),
    ) {
        let mut bytes = Vec::new();
        for (n, (len, fragment, ping)) in messages.into_iter().enumerate() {
            let payload: Vec<u8> = (0..len).map(|i| (i * 31 + n).to_le_bytes()[0]).collect();
            let mut pieces = payload.chunks(fragment.max(len / 40)).peekable();
            let mut opcode = OpCode::Binary;
            while let Some(piece) = pieces.next() {
                bytes.extend(masked(opcode, pieces.peek().is_none(), piece));
                opcode = OpCode::Continuation;
                if ping {
                    bytes.extend(masked(OpCode::Ping, true, &payload[..len.min(125)]));
                }
            }
        }
        let (seen, told) = bare(server_with(&limits()), &bytes);
        let (heard, unsent) = buffered(Server, &bytes, 0, &reads, &asks);
        // Not `assert_eq`: what differs is too long to be read.
        prop_assert!(agree(heard, seen), "other events");
        prop_assert!(unsent == sent(&told), "other answers");
    }
}

#[test]
fn whole_messages_are_whole() {
    let bytes = [
        masked(OpCode::Text, false, b"one "),
        masked(OpCode::Ping, true, b"?"),
        masked(OpCode::Continuation, true, b"message"),
    ]
    .concat();
    let mut conn = Buffered::new(Server, &Config::new(), &bytes, Instant::ZERO);
    let events: Vec<_> = conn.messages(Instant::ZERO).map(Result::unwrap).collect();
    let [Event::Ping(b"?"), Event::Data(data)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(data.bytes, b"one message");
    assert!(data.first && data.last);
}

#[test]
fn the_memory_of_a_large_message_can_be_given_back() {
    let bytes = masked(OpCode::Binary, true, &[7; 60_000]);
    let mut conn = Buffered::new(Server, &Config::new(), b"", Instant::ZERO);
    for piece in bytes.chunks(BUFFER / 2) {
        conn.space()[..piece.len()].copy_from_slice(piece);
        conn.received(piece.len());
        let heard = conn.messages(Instant::ZERO).count();
        assert_eq!(heard, usize::from(piece.len() < BUFFER / 2));
    }
    conn.release();
    let space = conn.space().as_ptr();
    assert_eq!(conn.space().len(), BUFFER);
    assert_eq!(conn.space().as_ptr(), space);
}

#[test]
fn the_good_beginning_of_a_bad_text_is_no_message() {
    for bytes in [&b"good\xff"[..], b"\xff"] {
        let frame = masked(OpCode::Text, true, bytes);
        let mut conn = Buffered::new(Server, &Config::new(), &frame, Instant::ZERO);
        let mut events = conn.messages(Instant::ZERO);
        assert_eq!(events.next(), Some(Err(Violation::InvalidUtf8)));
        assert_eq!(events.next(), None);
    }
}

#[test]
fn nothing_is_left_to_be_looked_at_behind_a_broken_rule() {
    for bytes in [&b"\x81\x00unmasked"[..], b"\xc1reserved"] {
        for whole in [false, true] {
            let mut conn = Buffered::new(Server, &Config::new(), bytes, Instant::ZERO);
            let mut events = match whole {
                true => conn.messages(Instant::ZERO),
                false => conn.events(Instant::ZERO),
            };
            assert!(matches!(events.next(), Some(Err(_))));
            assert!(conn.is_understood());
            assert_eq!(conn.space().len(), BUFFER);
        }
    }
}

/// What a peer sends behind the end is swallowed, whatever was begun before it.
#[test]
fn after_the_end_nothing_is_kept_and_nothing_is_told() {
    let close = masked(OpCode::Close, true, b"");
    let unfinished_head = vec![0x82, 0xFE, 0x10, 0x00, 0, 0, 0, 0];
    let ends = [
        [close.clone(), unfinished_head.clone()].concat(),
        [vec![0xF1], unfinished_head].concat(),
        [masked(OpCode::Binary, false, b"x"), close].concat(),
        masked(OpCode::Text, true, b"good\xff"),
        masked(OpCode::Text, false, b"good\xff"),
    ];
    for end in ends {
        let mut conn = Buffered::new(Server, &Config::new(), &end, Instant::ZERO);
        let _ = conn.messages(Instant::ZERO).count();
        assert_eq!(conn.events(Instant::ZERO).count(), 0, "{end:02x?}");
        for _ in 0..100 {
            assert_eq!(conn.space().len(), BUFFER, "{end:02x?}");
            conn.space().fill(0x55);
            conn.received(BUFFER);
            assert_eq!(conn.messages(Instant::ZERO).count(), 0);
            assert!(conn.is_understood());
        }
    }
}

#[test]
fn what_is_written_is_forgotten_though_more_is_always_queued() {
    let mut conn = Buffered::new(Server, &Config::new(), b"", Instant::ZERO);
    conn.send(Kind::Binary, &[0; 1024]).unwrap();
    for _ in 0..1_000 {
        conn.send(Kind::Binary, &[0; 1024]).unwrap();
        conn.sent(1028);
        assert_eq!(conn.unsent().len(), 1028);
        assert!(conn.queued_memory() < 4 * BUFFER);
    }
}

#[test]
fn a_message_of_many_fragments_is_not_copied_again_and_again() {
    let config = Config {
        max_message: 4 << 20,
        max_fragments: u32::MAX,
        ..Config::new()
    };
    let mut conn = Buffered::new(Server, &config, b"", Instant::ZERO);
    let mut bytes = masked(OpCode::Binary, false, &[0; 4096]);
    let mut sizes = alloc::collections::BTreeSet::new();
    for _ in 0..1_000 {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let space = conn.space();
            let (now, later) = rest.split_at(space.len().min(rest.len()));
            space[..now.len()].copy_from_slice(now);
            conn.received(now.len());
            assert_eq!(conn.messages(Instant::ZERO).count(), 0);
            rest = later;
        }
        sizes.insert(conn.buffer_len());
        bytes = masked(OpCode::Continuation, false, &[0; 4096]);
    }
    assert!(sizes.len() < 16, "it grew {} times", sizes.len());
}
