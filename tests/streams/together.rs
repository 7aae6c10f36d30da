//! The clients and the servers of both runtimes against each other, over a link that cuts.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
    time::Instant,
};

use campanile_core::{
    conn::{CloseCause, Config, SendError},
    handshake::Opening,
    wire::{CloseCode, Kind},
};

use crate::support::{
    LIMITS, Runtime, Talk, accept, echo, finish, next_message, random_masks, sockets,
};

on_each_pair! {
    a_client_and_a_server_understand_each_other_however_their_bytes_are_cut
    either_side_closes_with_a_code_and_both_know_it
}

/// Every border between lengths of head, the size of the buffer, and more.
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

/// Says something of every length, one by one and then all at once, and hears it back.
fn converse(mut stream: impl Talk) -> Option<CloseCause> {
    let messages = || {
        LENGTHS.into_iter().flat_map(|len| {
            // Characters of two bytes, so that reads cut some of them.
            let text = "é".repeat(len / 2).into_bytes();
            let binary = (0..len).map(|i| (i % 251).to_le_bytes()[0]).collect();
            [(Kind::Text, text), (Kind::Binary, binary)]
        })
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
    finish(&mut stream)
}

/// Closes with this code, or waits for the peer to do so.
fn end(mut stream: impl Talk, code: Option<CloseCode>) -> Option<CloseCause> {
    if let Some(code) = code {
        stream.close(code, "because").unwrap();
        assert_eq!(stream.close(CloseCode::NORMAL, ""), Err(SendError::Closing));
    }
    let cause = finish(&mut stream);
    assert_eq!(stream.send(Kind::Text, b"late"), Err(SendError::Closing));
    assert!(!stream.fill().unwrap());
    cause
}

/// Two sockets with something in between that passes on a few bytes at a time: one for the first
/// hundreds, among them the handshake, then up to some thousands, in turns without a pattern.
fn cut_sockets() -> (TcpStream, TcpStream) {
    let (client, near) = sockets();
    let (far, server) = sockets();
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let mut passed = 0_usize;
            let mut buffer = [0; 4096];
            let mut state = 1_u32;
            loop {
                // A generator of Numerical Recipes; its high bits are good enough.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let most = if passed < 600 { 0 } else { state >> 20 };
                let room = &mut buffer[..=usize::try_from(most).unwrap()];
                match from.read(room) {
                    Ok(count @ 1..) if to.write_all(&room[..count]).is_ok() => passed += count,
                    _ => break,
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    (client, server)
}

/// Plays a client's and a server's part against each other; how it ended for each.
fn play<C: Runtime, S: Runtime>(
    (near, far): (TcpStream, TcpStream),
    by_client: impl FnOnce(C::Client) -> Option<CloseCause>,
    by_server: impl FnOnce(S::Server) -> Option<CloseCause> + Send + 'static,
) -> [Option<CloseCause>; 2] {
    let serving = thread::spawn(move || by_server(accept::<S>(far, &LIMITS).unwrap()));
    let opening = Opening::new("localhost", "/");
    let client = C::connect(near, &opening, random_masks(), &LIMITS, None);
    [by_client(client.unwrap()), serving.join().unwrap()]
}

fn a_client_and_a_server_understand_each_other_however_their_bytes_are_cut<
    C: Runtime,
    S: Runtime,
>() {
    let closer = Some(CloseCause::Local(CloseCode::NORMAL));
    let closed = Some(CloseCause::Peer(Some(CloseCode::NORMAL)));
    for link in [sockets, cut_sockets] {
        let outcomes = play::<C, S>(link(), converse, |server| echo(server).unwrap());
        assert_eq!(outcomes, [closer, closed]);
        let outcomes = play::<C, S>(link(), |client| echo(client).unwrap(), converse);
        assert_eq!(outcomes, [closed, closer]);
    }
}

fn either_side_closes_with_a_code_and_both_know_it<C: Runtime, S: Runtime>() {
    for number in [1000, 1001, 1011, 3000, 4999] {
        let code = CloseCode::new(number).unwrap();
        let closer = Some(CloseCause::Local(code));
        let closed = Some(CloseCause::Peer(Some(code)));
        let start = Instant::now();
        let outcomes = play::<C, S>(
            sockets(),
            |client| end(client, Some(code)),
            |server| end(server, None),
        );
        assert_eq!(outcomes, [closer, closed]);
        let outcomes = play::<C, S>(
            sockets(),
            |client| end(client, None),
            move |server| end(server, Some(code)),
        );
        assert_eq!(outcomes, [closed, closer]);
        // By the closing handshake, and not by its time running out.
        assert!(start.elapsed() < Config::CLOSE_TIMEOUT / 2);
    }
}
