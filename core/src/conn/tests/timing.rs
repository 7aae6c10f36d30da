//! Keep-alive and deadlines, with a clock moved by hand.

use core::time::Duration;

use super::*;
use crate::wire::OpCode::*;

fn ping() -> Told {
    Told::Bytes(plain(Ping, true, b""))
}

#[test]
fn a_peer_that_answers_is_pinged_at_the_interval_and_lives() {
    let mut side = server();
    for round in 1..=5_u32 {
        side.next_deadline();
        assert_eq!(side.now, Instant::ZERO.after(Config::PING_INTERVAL * round));
        assert_eq!(side.told(), [ping()]);
        side.now = side.now.after(Duration::from_secs(3));
        side.receive(&masked(Pong, true, b""));
    }
    assert_eq!(side.conn.state(), State::Open);
}

#[test]
fn a_silent_peer_is_dead_when_the_answer_is_overdue() {
    let mut side = server();
    side.next_deadline().next_deadline();
    assert_eq!(
        side.now,
        Instant::ZERO.after(Config::PING_INTERVAL + Config::PONG_TIMEOUT)
    );
    assert_eq!(side.told(), [ping(), Told::Disconnect]);
    assert_eq!(side.conn.closed_by(), Some(CloseCause::Overdue));
    assert_eq!(side.conn.poll_timeout(), None);
}

#[test]
fn any_byte_after_a_ping_is_a_sign_of_life() {
    let mut side = server();
    side.next_deadline();
    side.receive(&masked(Binary, true, &[0; 40])[..20]);
    side.next_deadline();
    assert_eq!(side.told(), [ping(), ping()]);
}

#[test]
fn an_early_timeout_does_nothing() {
    let mut side = server();
    side.conn.handle_timeout(Instant::from_millis(24_999));
    side.transmit();
    assert_eq!(side.told(), []);
}

#[test]
fn without_an_interval_nobody_is_pinged() {
    let mut side = server_with(&Config {
        ping_interval: None,
        ..Config::new()
    });
    assert_eq!(side.conn.poll_timeout(), None);
    side.conn.handle_timeout(Instant::from_micros(u64::MAX));
    side.transmit();
    assert_eq!(side.told(), []);
}

#[test]
fn a_ping_of_the_callers_own_is_watched_too() {
    let mut side = server();
    let mut out = [0; MAX_CONTROL];
    let frame = side.conn.ping(b"you?", &mut out, side.now).unwrap();
    assert_eq!(frame, plain(Ping, true, b"you?"));
    assert_eq!(
        side.conn.poll_timeout(),
        Some(Instant::ZERO.after(Config::PONG_TIMEOUT))
    );
    assert_eq!(
        side.conn.ping(&[0; 126], &mut out, side.now),
        Err(SendError::PayloadTooLong)
    );
}

#[test]
fn a_peer_that_does_not_close_in_time_is_cut_off() {
    let mut side = server();
    side.close(CloseCode::NORMAL, "").next_deadline();
    assert_eq!(side.now, Instant::ZERO.after(Config::CLOSE_TIMEOUT));
    assert_eq!(
        side.told(),
        [close_frame(CloseCode::NORMAL, ""), Told::Disconnect]
    );
    assert_eq!(
        side.conn.closed_by(),
        Some(CloseCause::Local(CloseCode::NORMAL))
    );
}

#[test]
fn a_peer_that_keeps_the_transport_after_its_close_is_cut_off() {
    let mut side = server();
    side.receive(&masked(Close, true, b"")).next_deadline();
    assert_eq!(side.told().last(), Some(&Told::Disconnect));
}

#[test]
fn a_close_frame_still_queued_goes_out_when_the_peer_has_shut_down_its_side() {
    let mut conn = Connection::new(Server, &Config::new(), Instant::ZERO);
    let mut bytes = masked(Close, true, b"\x03\xe8");
    let mut input = Input::new(&mut bytes);
    assert!(conn.receive(&mut input, Instant::ZERO).is_ok());
    conn.receive_eof(Instant::ZERO);
    let mut told = Vec::new();
    transmit(&mut conn, &mut input, &mut told);
    assert_eq!(told, [close_frame(CloseCode::NORMAL, ""), Told::Disconnect]);
}

#[test]
fn bytes_that_were_left_over_are_no_sign_of_life() {
    let mut side = server();
    side.receive(&masked(Text, true, b"half a head")[..1]);
    side.next_deadline().receive(b""); // a driver may look at them once more
    side.next_deadline();
    assert_eq!(side.told(), [ping(), Told::Disconnect]);
    assert_eq!(side.conn.closed_by(), Some(CloseCause::Overdue));
}

#[test]
fn one_more_byte_of_a_head_is_a_sign_of_life() {
    let bytes = masked(Ping, true, &[b'p'; 100]);
    let mut side = server();
    side.receive(&bytes[..50]);
    side.next_deadline().receive(&bytes[50..51]);
    side.next_deadline().receive(&bytes[51..]);
    side.next_deadline().receive(&bytes[..20]);
    side.next_deadline();
    assert_eq!(side.conn.state(), State::Open);
}

#[test]
fn a_peer_that_never_stops_sending_cannot_put_the_end_off() {
    let closing = |side: &mut Side<Server>| {
        side.close(CloseCode::NORMAL, "");
    };
    let failed = |side: &mut Side<Server>| {
        side.receive(&plain(Text, true, b"not masked"));
    };
    for end in [closing as fn(&mut Side<Server>), failed] {
        let mut side = server();
        end(&mut side);
        side.told();
        let deadline = side.conn.poll_timeout().unwrap();
        side.receive(&masked(Text, true, b"and on"));
        assert_eq!(side.told(), []);
        side.now = deadline;
        side.receive(&masked(Text, true, b"and on"));
        assert_eq!(side.told(), [Told::Disconnect]);
    }
}
