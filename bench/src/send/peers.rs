//! The peers' ways from a payload to a frame. Those that want to own a payload get a share of one
//! that is counted by references; each message is flushed.

use core::{future::poll_fn, hint::black_box, pin::Pin};
use std::io::Write;

use embedded_websocket::{
    WebSocketClient, WebSocketSendMessageType, WebSocketServer, WebSocketState, WebSocketType,
};
use fastwebsockets::{Frame, Payload, Role, WebSocket};
use futures_lite::future::block_on;
use futures_sink::Sink;
use rand::RngCore;
use soketto::connection::{Builder, Mode};
use tokio_websockets::{ClientBuilder, ServerBuilder, WebSocketStream};
use tungstenite::{Message, protocol};

use super::Case;
use crate::Pieces;

/// More than a head.
const MARGIN: usize = 16;

pub(super) fn tungstenite_server(case: &Case, out: &mut Pieces<'_>) {
    tungstenite(protocol::Role::Server, case, out);
}

pub(super) fn tungstenite_client(case: &Case, out: &mut Pieces<'_>) {
    tungstenite(protocol::Role::Client, case, out);
}

fn tungstenite(role: protocol::Role, case: &Case, out: &mut Pieces<'_>) {
    let mut socket = tungstenite::WebSocket::from_raw_socket(out, role, None);
    for _ in 0..case.messages {
        let message = Message::Binary(case.shared());
        socket.send(message).expect("it is in memory");
    }
}

/// A server that copies the payload behind its head.
pub(super) fn fastwebsockets_copying(case: &Case, out: &mut Pieces<'_>) {
    let mut socket = WebSocket::after_handshake(out, Role::Server);
    socket.set_writev(false);
    fastwebsockets(socket, case);
}

/// A server that hands over the payload beside its head.
pub(super) fn fastwebsockets_sharing(case: &Case, out: &mut Pieces<'_>) {
    let mut socket = WebSocket::after_handshake(out, Role::Server);
    socket.set_writev_threshold(0);
    fastwebsockets(socket, case);
}

/// A client that keeps the payload as it is.
pub(super) fn fastwebsockets_client(case: &Case, out: &mut Pieces<'_>) {
    fastwebsockets(WebSocket::after_handshake(out, Role::Client), case);
}

fn fastwebsockets(mut socket: WebSocket<&mut Pieces<'_>>, case: &Case) {
    block_on(async {
        for _ in 0..case.messages {
            let frame = Frame::binary(Payload::Borrowed(case.payload()));
            socket.write_frame(frame).await.expect("it is in memory");
            socket.flush().await.expect("it is in memory");
        }
    });
}

/// A client that masks the payload where it is.
pub(super) fn fastwebsockets_in_place(case: &Case, out: &mut Pieces<'_>) {
    let mut socket = WebSocket::after_handshake(out, Role::Client);
    let mut payload = case.scratch.borrow_mut();
    block_on(async {
        for _ in 0..case.messages {
            let frame = Frame::binary(Payload::BorrowedMut(black_box(&mut payload)));
            socket.write_frame(frame).await.expect("it is in memory");
            socket.flush().await.expect("it is in memory");
        }
    });
}

pub(super) fn tokio_websockets_server(case: &Case, out: &mut Pieces<'_>) {
    tokio_websockets(ServerBuilder::new().serve(out), case);
}

pub(super) fn tokio_websockets_client(case: &Case, out: &mut Pieces<'_>) {
    tokio_websockets(ClientBuilder::new().take_over(out), case);
}

fn tokio_websockets(mut socket: WebSocketStream<&mut Pieces<'_>>, case: &Case) {
    block_on(async {
        for _ in 0..case.messages {
            let mut message = Some(tokio_websockets::Message::binary(case.shared()));
            poll_fn(|cx| {
                let mut socket = Pin::new(&mut socket);
                if let Some(message) = message.take() {
                    assert!(socket.as_mut().poll_ready(cx).is_ready());
                    socket.as_mut().start_send(message)?;
                }
                socket.poll_flush(cx)
            })
            .await
            .expect("it is in memory");
        }
    });
}

pub(super) fn soketto_server(case: &Case, out: &mut Pieces<'_>) {
    soketto(Mode::Server, case, out);
}

/// A client that keeps the payload as it is.
pub(super) fn soketto_client(case: &Case, out: &mut Pieces<'_>) {
    soketto(Mode::Client, case, out);
}

fn soketto(mode: Mode, case: &Case, out: &mut Pieces<'_>) {
    let (mut sender, _receiver) = Builder::new(out, mode).finish();
    block_on(async {
        for _ in 0..case.messages {
            let sent = sender.send_binary(case.payload()).await;
            sent.expect("it is in memory");
            sender.flush().await.expect("it is in memory");
        }
    });
}

/// A client that masks the payload where it is.
pub(super) fn soketto_in_place(case: &Case, out: &mut Pieces<'_>) {
    let (mut sender, _receiver) = Builder::new(out, Mode::Client).finish();
    let mut payload = case.scratch.borrow_mut();
    block_on(async {
        for _ in 0..case.messages {
            let payload = black_box(payload.as_mut_slice());
            let sent = sender.send_binary_mut(payload).await;
            sent.expect("it is in memory");
            sender.flush().await.expect("it is in memory");
        }
    });
}

pub(super) fn ws_net_server(case: &Case, out: &mut Pieces<'_>) {
    ws_net(ws_net::Connection::server(), case, out);
}

pub(super) fn ws_net_client(case: &Case, out: &mut Pieces<'_>) {
    ws_net(ws_net::Connection::client(), case, out);
}

fn ws_net(connection: ws_net::Connection, case: &Case, out: &mut Pieces<'_>) {
    let mut connection = connection.with_limits(ws_net::Limits::new().with_max_frame(u64::MAX));
    for _ in 0..case.messages {
        connection.send_binary(case.payload()).expect("it is open");
        let bytes = connection.output();
        out.write_all(bytes).expect("it is in memory");
        let count = bytes.len();
        connection.advance_output(count);
    }
}

pub(super) fn embedded_websocket_server(case: &Case, out: &mut Pieces<'_>) {
    embedded_websocket(WebSocketServer::new_server(), case, out);
}

pub(super) fn embedded_websocket_client(case: &Case, out: &mut Pieces<'_>) {
    let random = rand::thread_rng();
    let client: WebSocketClient<_> =
        embedded_websocket::WebSocket::<_, embedded_websocket::Client>::new_client(random);
    embedded_websocket(client, case, out);
}

fn embedded_websocket<R: RngCore, T: WebSocketType>(
    mut socket: embedded_websocket::WebSocket<R, T>,
    case: &Case,
    out: &mut Pieces<'_>,
) {
    socket.state = WebSocketState::Open;
    let mut buffer = vec![0; case.payload.len() + MARGIN];
    for _ in 0..case.messages {
        let kind = WebSocketSendMessageType::Binary;
        let len = socket.write(kind, true, case.payload(), &mut buffer);
        let len = len.expect("it fits");
        out.write_all(&buffer[..len]).expect("it is in memory");
    }
}
