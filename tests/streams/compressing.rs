//! Compression between the clients and the servers of both runtimes.

use std::{io::Write as _, net::TcpStream, thread};

use campanile_core::{
    conn::CloseCause,
    deflate::{Agreed, BadAgreement, Settings, WindowBits},
    handshake::Opening,
    wire::{CloseCode, Kind},
};

use crate::support::{
    ConnectError, LIMITS, RESPONSE, Runtime, Talk, echo, finish, masks, next_message, random_masks,
    sockets,
};

on_each_pair! {
    what_a_client_says_compressed_a_server_echoes_with_any_settings
    a_peer_without_compression_is_spoken_to_without
}

on_each_runtime! {
    a_client_refuses_compression_that_it_did_not_offer
}

/// The borders between lengths of head, and more than the buffer.
const LENGTHS: [usize; 5] = [0, 1, 126, 1024, 40_000];

/// What each end sets, in these tests the same.
fn settings() -> Vec<Settings> {
    let window = |bits| WindowBits::new(bits).unwrap();
    let all = Settings {
        threshold: 0,
        max_ratio: u32::MAX,
        ..Settings::server()
    };
    let with_takeover = Settings {
        send_takeover: true,
        receive_takeover: true,
        larger_too: true,
        ..all
    };
    let small = |bits, settings| Settings {
        send_window: window(bits),
        receive_window: window(bits),
        ..settings
    };
    vec![
        all,
        with_takeover,
        small(8, all),
        small(9, with_takeover),
        small(12, with_takeover),
    ]
}

/// Says something of every length and hears it back; says how much came of it.
fn converse(mut stream: impl Talk) -> Option<CloseCause> {
    let text = |len: usize| {
        let mut text = String::new();
        let mut number = 1_u64;
        while text.len() < len {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text += &format!("{} \u{e9} ", (number >> 40) % 100);
        }
        text.into_bytes()
    };
    for len in LENGTHS {
        for kind in [Kind::Text, Kind::Binary] {
            let message = text(len);
            stream.send(kind, &message).unwrap();
            assert_eq!(next_message(&mut stream), (kind, message));
        }
    }
    stream.close(CloseCode::NORMAL, "done").unwrap();
    finish(&mut stream)
}

fn client<R: Runtime>(socket: TcpStream, settings: Option<&Settings>) -> (Option<Agreed>, bool) {
    let opening = Opening::new("localhost", "/");
    let stream = R::connect(socket, &opening, random_masks(), &LIMITS, settings).unwrap();
    let agreed = stream.deflate();
    let ended = converse(stream);
    (agreed, ended == Some(CloseCause::Local(CloseCode::NORMAL)))
}

fn server<R: Runtime>(socket: TcpStream, settings: Option<&Settings>) -> Option<Agreed> {
    let stream = R::accept(socket, &LIMITS, settings).unwrap();
    let agreed = stream.deflate();
    echo(stream).unwrap();
    agreed
}

fn what_a_client_says_compressed_a_server_echoes_with_any_settings<C: Runtime, S: Runtime>() {
    for settings in settings() {
        let (ours, theirs) = sockets();
        let echoing = thread::spawn(move || server::<S>(theirs, Some(&settings)));
        let (by_client, clean) = client::<C>(ours, Some(&settings));
        let by_server = echoing.join().unwrap();
        assert!(clean);
        let (by_client, by_server) = (by_client.unwrap(), by_server.unwrap());
        assert_eq!(by_client.server, by_server.server);
        assert_eq!(by_client.client, by_server.client);
        assert_eq!(by_server.server.window, settings.send_window);
        assert_eq!(by_server.server.takeover, settings.send_takeover);
    }
}

fn a_peer_without_compression_is_spoken_to_without<C: Runtime, S: Runtime>() {
    for (asks, answers) in [
        (Some(Settings::client()), None),
        (None, Some(Settings::server())),
    ] {
        let (ours, theirs) = sockets();
        let echoing = thread::spawn(move || server::<S>(theirs, answers.as_ref()));
        assert_eq!(client::<C>(ours, asks.as_ref()), (None, true));
        assert_eq!(echoing.join().unwrap(), None);
    }
}

fn a_client_refuses_compression_that_it_did_not_offer<R: Runtime>() {
    let small = Settings {
        receive_window: WindowBits::new(10).unwrap(),
        ..Settings::client()
    };
    let sample = String::from_utf8_lossy(RESPONSE);
    for (answer, bad) in [
        ("permessage-deflate", BadAgreement::Unsolicited),
        (
            "permessage-deflate; server_max_window_bits=11",
            BadAgreement::Unsolicited,
        ),
        (
            "permessage-deflate; server_max_window_bits=10; x",
            BadAgreement::Malformed,
        ),
    ] {
        let field = format!("\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n");
        let (socket, mut raw) = sockets();
        raw.write_all(sample.replace("\r\n\r\n", &field).as_bytes())
            .unwrap();
        let opening = Opening::new("localhost", "/");
        let error = R::connect(socket, &opening, masks(), &LIMITS, Some(&small)).err();
        let Some(ConnectError::BadResponse { advice }) = error else {
            panic!("{answer}: {error:?}");
        };
        assert_eq!(advice, bad.to_string());
    }
}
