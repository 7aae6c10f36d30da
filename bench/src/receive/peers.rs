//! The peers' ways from bytes to messages, each with its limits out of the way and, where it lets
//! one choose, with the buffer that we have.

use core::pin::pin;
use std::io::Read;

use bytes::BytesMut;
use embedded_websocket::{Error, WebSocketServer, WebSocketState};
use fastwebsockets::{FragmentCollector, OpCode, Role};
use futures_lite::{StreamExt, future::block_on};
use soketto::connection::{Builder, Mode};
use tokio_websockets::{Limits, ServerBuilder};
use tungstenite::{Message, WebSocket, protocol};

use super::BUFFER;
use crate::{Sink, Traffic};

pub(super) fn tungstenite<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let stream = traffic.stream(piece);
    let config = protocol::WebSocketConfig::default().read_buffer_size(BUFFER);
    let mut socket = WebSocket::from_raw_socket(stream, protocol::Role::Server, Some(config));
    for _ in 0..traffic.messages {
        match socket.read().expect("the traffic is valid") {
            Message::Text(text) => sink.take(text.as_bytes(), true),
            Message::Binary(bytes) => sink.take(&bytes, true),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
}

pub(super) fn fastwebsockets<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let stream = traffic.stream(piece);
    let socket = fastwebsockets::WebSocket::after_handshake(stream, Role::Server);
    let mut socket = FragmentCollector::new(socket);
    block_on(async {
        for _ in 0..traffic.messages {
            let frame = socket.read_frame().await.expect("the traffic is valid");
            if let OpCode::Text | OpCode::Binary = frame.opcode {
                sink.take(&frame.payload, true);
            }
        }
    });
}

pub(super) fn tokio_websockets<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let stream = traffic.stream(piece);
    let mut socket = pin!(
        ServerBuilder::new()
            .limits(Limits::unlimited())
            .serve(stream)
    );
    block_on(async {
        while let Some(message) = socket.next().await {
            let message = message.expect("the traffic is valid");
            if message.is_text() || message.is_binary() {
                sink.take(message.as_payload(), true);
            }
        }
    });
}

/// Hands out texts as bytes that nobody has checked.
pub(super) fn soketto<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let stream = traffic.stream(piece);
    let mut builder = Builder::new(stream, Mode::Server);
    builder.set_buffer(BytesMut::with_capacity(BUFFER));
    let (_sender, mut receiver) = builder.finish();
    let mut message = Vec::new();
    block_on(async {
        for _ in 0..traffic.messages {
            message.clear();
            receiver
                .receive_data(&mut message)
                .await
                .expect("the traffic is valid");
            sink.take(&message, true);
        }
    });
}

pub(super) fn ws_net<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    let mut stream = traffic.stream(piece);
    let limits = ws_net::Limits::new()
        .with_max_frame(u64::MAX)
        .with_max_message(u64::MAX);
    let mut connection = ws_net::Connection::server().with_limits(limits);
    loop {
        let event = connection.poll().expect("the traffic is valid");
        if let ws_net::Event::Text(text) = event {
            sink.take(text.as_bytes(), true);
        } else if let ws_net::Event::Binary(bytes) = event {
            sink.take(bytes, true);
        } else {
            assert!(matches!(event, ws_net::Event::NeedInput), "{event:?}");
            let room = connection.read_buf();
            let count = stream.read(room).expect("it is in memory");
            if count == 0 {
                break;
            }
            connection.commit(count);
        }
    }
}

/// Its codec, which does not look at what a text holds. Its `Framer` does, but fails where a head is
/// cut between two reads.
pub(super) fn embedded_websocket<S: Sink>(traffic: &Traffic, piece: usize, sink: &mut S) {
    /// More than a head.
    const MARGIN: usize = 16;
    let mut stream = traffic.stream(piece);
    let mut socket = WebSocketServer::new_server();
    socket.state = WebSocketState::Open;
    let mut buffer = vec![0; BUFFER];
    let mut message = vec![0; traffic.payload_len + MARGIN];
    let mut gathered = 0;
    let mut left = 0;
    loop {
        let count = stream.read(&mut buffer[left..]).expect("it is in memory");
        if count == 0 {
            break;
        }
        let filled = left + count;
        let mut consumed = 0;
        while consumed < filled {
            match socket.read(&buffer[consumed..filled], &mut message[gathered..]) {
                Ok(read) => {
                    consumed += read.len_from;
                    gathered += read.len_to;
                    if read.end_of_message {
                        sink.take(&message[..gathered], true);
                        gathered = 0;
                    }
                }
                Err(Error::ReadFrameIncomplete) => break,
                Err(error) => panic!("the traffic is valid, but {error}"),
            }
        }
        buffer.copy_within(consumed..filled, 0);
        left = filled - consumed;
    }
}
