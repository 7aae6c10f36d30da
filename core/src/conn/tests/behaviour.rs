//! What a connection does, seen from its transport.

use super::*;
use crate::wire::OpCode::*;

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection<Server>>() <= 128);
    assert!(size_of::<Connection<Client<TestKey>>>() <= 160);
}

#[test]
fn a_message_in_one_frame_is_handed_out_where_it_arrived() {
    let mut conn = Connection::new(Server, &Config::new(), Instant::ZERO);
    let mut bytes = masked(Text, true, b"hello");
    let at = bytes.as_ptr() as usize + 6;
    let mut input = Input::new(&mut bytes);
    let Ok(Some(Event::Data(data))) = conn.receive(&mut input, Instant::ZERO) else {
        panic!("a message");
    };
    assert_eq!(
        (data.bytes.as_ptr() as usize, &*data.bytes),
        (at, &b"hello"[..])
    );
    assert!(data.first && data.last);
}

#[test]
fn one_may_reply_while_holding_events() {
    let mut conn = Connection::new(Server, &Config::new(), Instant::ZERO);
    let mut bytes = [masked(Text, true, b"one"), masked(Text, true, b"two")].concat();
    let mut input = Input::new(&mut bytes);
    let first = conn.receive(&mut input, Instant::ZERO);
    let second = conn.receive(&mut input, Instant::ZERO);
    let mut out = [0; 16];
    conn.encode(Kind::Text, b"reply", true, &mut out).unwrap();
    let (Ok(Some(Event::Data(first))), Ok(Some(Event::Data(second)))) = (first, second) else {
        panic!("two messages");
    };
    assert_eq!((&*first.bytes, &*second.bytes), (&b"one"[..], &b"two"[..]));
}

#[test]
fn a_pong_not_fetched_in_time_is_replaced_by_the_next() {
    let mut conn = Connection::new(Server, &Config::new(), Instant::ZERO);
    let mut bytes = [masked(Ping, true, b"old"), masked(Ping, true, b"new")].concat();
    let mut input = Input::new(&mut bytes);
    while let Ok(Some(_)) = conn.receive(&mut input, Instant::ZERO) {}
    let mut told = Vec::new();
    transmit(&mut conn, &mut input, &mut told);
    assert_eq!(told, [Told::Bytes(plain(Pong, true, b"new"))]);
}

#[test]
fn our_close_is_followed_by_nothing_and_ended_by_the_peers() {
    let mut side = server();
    side.close(CloseCode::GOING_AWAY, "restart");
    assert_eq!(side.told(), [close_frame(CloseCode::GOING_AWAY, "restart")]);
    let mut out = [0; 16];
    assert_eq!(
        side.conn.encode(Kind::Text, b"", true, &mut out),
        Err(SendError::Closing)
    );
    assert_eq!(
        side.conn
            .close(CloseCode::NORMAL, "", &mut [0; MAX_CONTROL], side.now),
        Err(SendError::Closing)
    );

    // What the peer sent before it knew is still heard; pings are not answered any more.
    side.receive(&masked(Text, true, b"late"))
        .receive(&masked(Ping, true, b"?"))
        .receive(&masked(Close, true, b"\x03\xe9"));
    assert_eq!(
        side.seen(),
        [
            text("late"),
            Seen::Ping(b"?".to_vec()),
            Seen::Close(Some((1001, String::new())))
        ]
    );
    assert_eq!(side.told(), [Told::ShutdownWrite]);
    assert_eq!(
        side.conn.closed_by(),
        Some(CloseCause::Local(CloseCode::GOING_AWAY))
    );
}

#[test]
fn last_words_may_be_said_before_the_close_frame_of_a_violation_goes_out() {
    let mut conn = Connection::new(Server, &Config::new(), Instant::ZERO);
    let mut bytes = [0xFF];
    let mut input = Input::new(&mut bytes);
    assert!(conn.receive(&mut input, Instant::ZERO).is_err());
    let mut out = [0; 16];
    assert!(conn.encode(Kind::Text, b"why", true, &mut out).is_ok());
    transmit(&mut conn, &mut input, &mut Vec::new());
    assert_eq!(
        conn.encode(Kind::Text, b"more", true, &mut out),
        Err(SendError::Closing)
    );
}

#[test]
fn a_lost_transport_ends_it_without_a_close() {
    let mut side = server();
    side.receive(&masked(Text, false, b"unfinished"))
        .receive_eof();
    assert_eq!(side.told(), [Told::Disconnect]);
    assert_eq!(side.conn.closed_by().map(CloseCause::code), Some(1006));
    assert_eq!(side.conn.poll_timeout(), None);
}

#[test]
fn fragments_of_our_own_must_be_of_one_kind() {
    let mut side = server();
    let mut out = [0; 16];
    let conn = &mut side.conn;
    let mut frame = |kind, last| {
        let sent = conn.encode(kind, b"x", last, &mut out);
        sent.map(|frame| frame.to_vec())
    };
    assert_eq!(frame(Kind::Text, false), Ok(plain(Text, false, b"x")));
    assert_eq!(frame(Kind::Binary, true), Err(SendError::Unfinished));
    assert_eq!(
        frame(Kind::Text, false),
        Ok(plain(Continuation, false, b"x"))
    );
    assert_eq!(frame(Kind::Text, true), Ok(plain(Continuation, true, b"x")));
    assert_eq!(frame(Kind::Binary, true), Ok(plain(Binary, true, b"x")));
}

#[test]
fn a_prepared_frame_is_the_frame_and_waits_for_the_end_of_a_fragmented_message() {
    let mut side = server();
    let mut out = [0; 16];
    let prepared = Prepared::encode(Kind::Text, b"ring", &mut out).unwrap();
    assert_eq!(
        side.conn.send_prepared(&prepared),
        Ok(&plain(Text, true, b"ring")[..])
    );
    let head = side.conn.head(Kind::Text, 3, false).unwrap();
    assert_eq!(head.as_bytes(), &plain(Text, false, b"abc")[..2]);
    assert_eq!(
        side.conn.send_prepared(&prepared),
        Err(SendError::Unfinished)
    );
}

#[test]
fn a_buffer_that_is_too_small_names_the_size_and_changes_nothing() {
    let mut side = client_with(&Config::new());
    assert_eq!(
        side.conn.encode(Kind::Text, b"abc", false, &mut [0; 8]),
        Err(SendError::BufferTooSmall { needed: 9 })
    );
    let mut out = [0; 9];
    let frame = side.conn.encode(Kind::Binary, b"abc", true, &mut out);
    assert_eq!(frame.map(|f| f.to_vec()), Ok(masked(Binary, true, b"abc")));
}

#[test]
fn a_client_masks_in_place_for_a_vectored_write() {
    let mut side = client_with(&Config::new());
    let mut payload = *b"payload";
    let head = side.conn.head(Kind::Text, &mut payload, true).unwrap();
    assert_eq!(
        [head.as_bytes(), &payload].concat(),
        masked(Text, true, b"payload")
    );
}
