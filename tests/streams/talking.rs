//! Messages and pings of one stream, in both directions.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    thread,
};

use campanile_core::wire::{Kind, OpCode};

use crate::support::{
    CLIENT, LIMITS, Mask, Runtime, SERVER, Talk, accept, client_and_raw, connect, echo, expect,
    frame, next_message, server_and_raw,
};

on_each_runtime! {
    many_connections_at_once_do_not_mix_their_messages
    a_fragmented_message_with_a_ping_inside_is_answered_by_either_role
    a_ping_is_answered_at_the_next_fill_even_if_nobody_looks_at_the_event
    fill_does_not_wait_while_there_are_events_that_nobody_has_seen
}

fn many_connections_at_once_do_not_mix_their_messages<R: Runtime>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..16_u8)
        .map(|name| {
            thread::spawn(move || {
                let socket = TcpStream::connect(address).unwrap();
                let mut stream = connect::<R>(socket, &LIMITS).unwrap();
                for round in 0..50 {
                    let said = vec![name; 1 + round * 20];
                    stream.send(Kind::Binary, &said).unwrap();
                    assert_eq!(next_message(&mut stream), (Kind::Binary, said));
                }
            })
        })
        .collect();
    for _ in 0..clients.len() {
        let (socket, _) = listener.accept().unwrap();
        thread::spawn(move || echo(accept::<R>(socket, &LIMITS).unwrap()));
    }
    for client in clients {
        client.join().unwrap();
    }
}

/// What a peer sends in fragments, with a ping in between, and what is to come back: the pong
/// first, the whole message then.
fn fragments((peer, ours): (Mask, Mask)) -> ([Vec<u8>; 4], Vec<u8>) {
    let sent = [
        frame(OpCode::Text, false, peer, b"one, "),
        frame(OpCode::Continuation, false, peer, b""),
        frame(OpCode::Ping, true, peer, b"still there?"),
        frame(OpCode::Continuation, true, peer, b"two"),
    ];
    let mut due = frame(OpCode::Pong, true, ours, b"still there?");
    due.extend(frame(OpCode::Text, true, ours, b"one, two"));
    (sent, due)
}

fn a_fragmented_message_with_a_ping_inside_is_answered_by_either_role<R: Runtime>() {
    fn answered((stream, mut raw): (impl Talk + Send + 'static, TcpStream), masks: (Mask, Mask)) {
        let echoing = thread::spawn(move || echo(stream));
        let (sent, due) = fragments(masks);
        for frame in &sent {
            raw.write_all(frame).unwrap();
        }
        expect(&mut raw, &due);
        // And as one piece.
        raw.write_all(&sent.concat()).unwrap();
        expect(&mut raw, &due);
        drop(raw);
        echoing.join().unwrap().unwrap();
    }
    answered(server_and_raw::<R>(&LIMITS), SERVER);
    answered(client_and_raw::<R>(&LIMITS), CLIENT);
}

fn a_ping_is_answered_at_the_next_fill_even_if_nobody_looks_at_the_event<R: Runtime>() {
    let (mut stream, mut raw) = server_and_raw::<R>(&LIMITS);
    raw.write_all(&frame(OpCode::Ping, true, SERVER.0, b"?"))
        .unwrap();
    assert!(stream.fill().unwrap());
    assert!(stream.events().next().is_some());
    stream.flush().unwrap();
    expect(&mut raw, &frame(OpCode::Pong, true, None, b"?"));
}

fn fill_does_not_wait_while_there_are_events_that_nobody_has_seen<R: Runtime>() {
    let (mut stream, mut raw) = server_and_raw::<R>(&LIMITS);
    let two = [
        frame(OpCode::Text, true, SERVER.0, b"first"),
        frame(OpCode::Text, true, SERVER.0, b"second"),
    ];
    raw.write_all(&two.concat()).unwrap();
    // `next_message` drops the events as soon as it has one message.
    assert_eq!(next_message(&mut stream), (Kind::Text, b"first".to_vec()));
    assert_eq!(next_message(&mut stream), (Kind::Text, b"second".to_vec()));
}
