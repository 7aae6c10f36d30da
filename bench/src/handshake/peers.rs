//! The peers' opening handshakes, as far as they do them without an HTTP library of somebody else's.

use std::io::{Read, Write};

use embedded_websocket::{WebSocketClient, WebSocketOptions, WebSocketServer};
use futures_lite::future::block_on;
use rand::RngCore;
use soketto::handshake::{Server, server::Response};
use tokio_websockets::{ClientBuilder, ServerBuilder};
use tungstenite::{
    client::IntoClientRequest,
    handshake::client::{Request, generate_request},
};

use super::{HOST, KEY, NONCE, PATH, ROOM, SEED, URI};
use crate::Pieces;

pub(super) fn tungstenite_server(stream: &mut Pieces<'_>) -> bool {
    tungstenite::accept(stream).is_ok()
}

pub(super) fn tungstenite_request(stream: &mut Pieces<'_>) -> bool {
    let request = URI.into_client_request().expect("it is valid");
    let (request, _key) = generate_request(request).expect("it is valid");
    stream.write_all(&request).expect("it is in memory");
    true
}

pub(super) fn tungstenite_client(stream: &mut Pieces<'_>) -> bool {
    let request = Request::builder()
        .method("GET")
        .header("Host", HOST)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
        .uri(URI)
        .body(())
        .expect("it is valid");
    tungstenite::client(request, stream).is_ok()
}

pub(super) fn tokio_websockets_server(stream: &mut Pieces<'_>) -> bool {
    block_on(ServerBuilder::new().accept(stream)).is_ok()
}

/// Draws its key from a source that is set back, so that the answer is known.
pub(super) fn tokio_websockets_client(stream: &mut Pieces<'_>) -> bool {
    fastrand::seed(SEED);
    let builder = ClientBuilder::new().uri(URI).expect("it is valid");
    block_on(builder.connect_on(stream)).is_ok()
}

pub(super) fn soketto_server(stream: &mut Pieces<'_>) -> bool {
    let mut server = Server::new(stream);
    block_on(async {
        let Ok(request) = server.receive_request().await else {
            return false;
        };
        let response = Response::Accept {
            key: request.key(),
            protocol: None,
        };
        server.send_response(&response).await.is_ok()
    })
}

pub(super) fn ws_net_server(stream: &mut Pieces<'_>) -> bool {
    until_complete(
        stream,
        |received, stream| match ws_net::ServerHandshake::from_head(received) {
            Ok(None) => None,
            Ok(Some((handshake, _))) => {
                let mut answer = Vec::new();
                let written = handshake.write_response(None, &mut answer);
                written.expect("nothing was asked for");
                stream.write_all(&answer).expect("it is in memory");
                Some(true)
            }
            Err(_) => Some(false),
        },
    )
}

pub(super) fn ws_net_request(stream: &mut Pieces<'_>) -> bool {
    ws_net_start(&ws_net::ClientHandshake::new(), stream);
    true
}

pub(super) fn ws_net_client(stream: &mut Pieces<'_>) -> bool {
    let handshake = ws_net::ClientHandshake::with_nonce(NONCE);
    ws_net_start(&handshake, stream);
    until_complete(stream, |received, _| {
        match handshake.verify_head(received) {
            Ok(None) => None,
            Ok(Some(_)) => Some(true),
            Err(_) => Some(false),
        }
    })
}

fn ws_net_start(handshake: &ws_net::ClientHandshake, stream: &mut Pieces<'_>) {
    let mut request = Vec::new();
    let written = handshake.write_request(HOST, PATH, &mut request);
    written.expect("it is valid");
    stream.write_all(&request).expect("it is in memory");
}

pub(super) fn embedded_websocket_server(stream: &mut Pieces<'_>) -> bool {
    until_complete(stream, |received, stream| {
        // As many as its own client has room for.
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(received) {
            Ok(httparse::Status::Partial) => return None,
            Ok(httparse::Status::Complete(_)) => {}
            Err(_) => return Some(false),
        }
        let fields = request
            .headers
            .iter()
            .map(|field| (field.name, field.value));
        let Ok(Some(context)) = embedded_websocket::read_http_header(fields) else {
            return Some(false);
        };
        let mut answer = [0; ROOM];
        let mut server = WebSocketServer::new_server();
        let accepted = server.server_accept(&context.sec_websocket_key, None, &mut answer);
        let len = accepted.expect("it fits");
        stream.write_all(&answer[..len]).expect("it is in memory");
        Some(true)
    })
}

pub(super) fn embedded_websocket_request(stream: &mut Pieces<'_>) -> bool {
    embedded_websocket_start(rand::thread_rng(), stream);
    true
}

pub(super) fn embedded_websocket_client(stream: &mut Pieces<'_>) -> bool {
    let (mut client, key) = embedded_websocket_start(Fixed, stream);
    until_complete(stream, |received, _| {
        match client.client_accept(&key, received) {
            Err(embedded_websocket::Error::HttpHeaderIncomplete) => None,
            accepted => Some(accepted.is_ok()),
        }
    })
}

fn embedded_websocket_start<R: RngCore>(
    random: R,
    stream: &mut Pieces<'_>,
) -> (WebSocketClient<R>, embedded_websocket::WebSocketKey) {
    let mut client =
        embedded_websocket::WebSocket::<R, embedded_websocket::Client>::new_client(random);
    let options = WebSocketOptions {
        path: PATH,
        host: HOST,
        origin: "http://example.com",
        sub_protocols: None,
        additional_headers: None,
    };
    let mut request = [0; ROOM];
    let (len, key) = client
        .client_connect(&options, &mut request)
        .expect("it fits");
    stream.write_all(&request[..len]).expect("it is in memory");
    (client, key)
}

/// Always gives the same nonce.
struct Fixed;

impl RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for (byte, fixed) in bytes.iter_mut().zip(NONCE) {
            *byte = fixed;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// Reads until `judge`, who sees everything received so far, has a verdict.
fn until_complete(
    stream: &mut Pieces<'_>,
    mut judge: impl FnMut(&[u8], &mut Pieces<'_>) -> Option<bool>,
) -> bool {
    let mut received = [0; ROOM];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut received[filled..]);
        let count = count.expect("it is in memory");
        filled += count;
        if let Some(verdict) = judge(&received[..filled], stream) {
            return verdict;
        }
        if count == 0 {
            return false;
        }
    }
}
