//! Messages and pings, in both directions.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    thread,
};

use campanile_core::{
    conn::{CloseCause, Role},
    handshake::Opening,
    wire::{CloseCode, Kind, OpCode},
};
use campanile_std::{HashedMasks, Stream};

use crate::support::{
    KEY, LIMITS, RESPONSE, connect, echo, expect, finish, frame, next_message, read_head,
    server_and_raw, sockets,
};

/// Every border between lengths of head, the size of the buffer, and 1 MiB.
const LENGTHS: [usize; 10] = [
    0,
    1,
    125,
    126,
    1024,
    0xFFFF,
    0x1_0000,
    0x1_0000 + 14,
    200_000,
    1 << 20,
];

fn text(len: usize) -> Vec<u8> {
    // Characters of two bytes, so that reads cut some of them.
    let mut text = "é".repeat(len / 2).into_bytes();
    text.resize(len, b'.');
    text
}

/// Says something of every length, one by one and then all at once, and hears it back.
fn converse<R: Role>(mut stream: Stream<TcpStream, R>) {
    let binary = |len: usize| {
        (0..len)
            .map(|i| (i % 251).to_le_bytes()[0])
            .collect::<Vec<u8>>()
    };
    let messages = || {
        LENGTHS
            .into_iter()
            .flat_map(|len| [(Kind::Text, text(len)), (Kind::Binary, binary(len))])
    };
    for message in messages() {
        stream.send(message.0, &message.1).unwrap();
        assert_eq!(next_message(&mut stream), message);
    }
    // The small ones again, unread while they are sent.
    let small = || messages().filter(|message| message.1.len() <= 1024);
    for message in small() {
        stream.send(message.0, &message.1).unwrap();
    }
    for message in small() {
        assert_eq!(next_message(&mut stream), message);
    }
    stream.close(CloseCode::NORMAL, "done").unwrap();
    assert_eq!(
        finish(&mut stream),
        Some(CloseCause::Local(CloseCode::NORMAL))
    );
}

#[test]
fn what_a_client_says_a_server_echoes() {
    let (client, server) = sockets();
    let echoing = thread::spawn(move || echo(Stream::accept(server, &LIMITS).unwrap()));
    let opening = Opening::new("localhost", "/");
    converse(Stream::connect(client, &opening, HashedMasks::new(), &LIMITS).unwrap());
    let ended = echoing.join().unwrap().unwrap();
    assert_eq!(ended, Some(CloseCause::Peer(Some(CloseCode::NORMAL))));
}

#[test]
fn what_a_server_says_a_client_echoes() {
    let (client, server) = sockets();
    let echoing = thread::spawn(move || echo(connect(client, &LIMITS).unwrap()));
    converse(Stream::accept(server, &LIMITS).unwrap());
    let ended = echoing.join().unwrap().unwrap();
    assert_eq!(ended, Some(CloseCause::Peer(Some(CloseCode::NORMAL))));
}

#[test]
fn many_connections_at_once_do_not_mix_their_messages() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..16_u8)
        .map(|name| {
            thread::spawn(move || {
                let socket = TcpStream::connect(address).unwrap();
                let mut stream = connect(socket, &LIMITS).unwrap();
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
        thread::spawn(move || echo(Stream::accept(socket, &LIMITS).unwrap()));
    }
    for client in clients {
        client.join().unwrap();
    }
}

/// What a peer sends in fragments, with a ping in between, and what is to come back: the pong
/// first, the whole message then.
fn fragments(peer: Option<[u8; 4]>, ours: Option<[u8; 4]>) -> ([Vec<u8>; 4], Vec<u8>) {
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

#[test]
fn a_fragmented_message_with_a_ping_inside_is_answered_by_either_role() {
    let (stream, mut raw) = server_and_raw(&LIMITS);
    thread::spawn(move || echo(stream));
    let (sent, due) = fragments(Some(*b"\x01\x02\x03\x04"), None);
    for frame in &sent {
        raw.write_all(frame).unwrap();
    }
    expect(&mut raw, &due);
    // And as one piece.
    raw.write_all(&sent.concat()).unwrap();
    expect(&mut raw, &due);

    let (client, mut raw) = sockets();
    raw.write_all(RESPONSE).unwrap();
    let stream = connect(client, &LIMITS).unwrap();
    thread::spawn(move || echo(stream));
    let (sent, due) = fragments(None, Some(KEY));
    raw.write_all(&sent.concat()).unwrap();
    read_head(&mut raw);
    expect(&mut raw, &due);
}

#[test]
fn a_ping_is_answered_at_the_next_fill_even_if_nobody_looks_at_the_event() {
    let (mut stream, mut raw) = server_and_raw(&LIMITS);
    raw.write_all(&frame(OpCode::Ping, true, Some(KEY), b"?"))
        .unwrap();
    assert!(stream.fill().unwrap());
    assert!(stream.events().next().is_some());
    stream.flush().unwrap();
    expect(&mut raw, &frame(OpCode::Pong, true, None, b"?"));
}

#[test]
fn fill_does_not_wait_while_there_are_events_that_nobody_has_seen() {
    let (mut stream, mut raw) = server_and_raw(&LIMITS);
    let two = [
        frame(OpCode::Text, true, Some(KEY), b"first"),
        frame(OpCode::Text, true, Some(KEY), b"second"),
    ];
    raw.write_all(&two.concat()).unwrap();
    // `next_message` drops the events as soon as it has one message.
    assert_eq!(next_message(&mut stream), (Kind::Text, b"first".to_vec()));
    assert_eq!(next_message(&mut stream), (Kind::Text, b"second".to_vec()));
}
