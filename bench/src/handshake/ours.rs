//! Our opening handshakes.

use std::io::{Read, Write};

use campanile_core::{
    conn::{Config, MaskSource},
    handshake::{
        self, ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER, Limits, Opening, RESPONSE_BYTES,
        Reply, ServerHandshake, Status,
    },
};
use campanile_std::{HashedMasks, Stream};

use super::{HOST, NONCE, PATH, ROOM};
use crate::Pieces;

/// The core, a server: after each read it looks at everything received so far.
pub(super) fn core_server(stream: &mut Pieces<'_>) -> bool {
    let mut handshake = ServerHandshake::new(Limits::DEFAULT);
    let mut received = [0; ROOM];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut received[filled..]);
        let count = count.expect("it is in memory");
        filled += count;
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        match handshake.receive(&received[..filled], &mut headers) {
            Ok(Status::Partial) if count > 0 => {}
            Ok(Status::Partial) | Err(_) => return false,
            Ok(Status::Complete { value, .. }) => {
                let mut out = [0; RESPONSE_BYTES];
                let answer = handshake::accept(&value, &Reply::default(), &mut out);
                stream
                    .write_all(answer.expect("it fits"))
                    .expect("it is in memory");
                return true;
            }
        }
    }
}

/// The blocking runtime, a server; its connection with all its buffers is made as well.
pub(super) fn std_server(stream: &mut Pieces<'_>) -> bool {
    Stream::accept(stream, &Config::new()).is_ok()
}

/// The core, a client's request.
pub(super) fn core_request(stream: &mut Pieces<'_>) -> bool {
    let mut masks = HashedMasks::new();
    let mut nonce = [0; 16];
    for part in nonce.as_chunks_mut().0 {
        *part = masks.next_mask();
    }
    start(nonce, &Opening::new(HOST, PATH), stream);
    true
}

/// The core, a client.
pub(super) fn core_client(stream: &mut Pieces<'_>) -> bool {
    let opening = Opening::new(HOST, PATH);
    let mut handshake = start(NONCE, &opening, stream);
    let mut received = [0; ROOM];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut received[filled..]);
        let count = count.expect("it is in memory");
        filled += count;
        let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
        match handshake.receive(&opening, &received[..filled], &mut headers) {
            Ok(Status::Partial) if count > 0 => {}
            Ok(Status::Partial) | Err(_) => return false,
            Ok(Status::Complete { .. }) => return true,
        }
    }
}

fn start(nonce: [u8; 16], opening: &Opening<'_>, stream: &mut Pieces<'_>) -> ClientHandshake {
    let mut out = [0; ROOM];
    let started = ClientHandshake::start(nonce, opening, Limits::DEFAULT, &mut out);
    let (request, handshake) = started.expect("it fits");
    stream.write_all(request).expect("it is in memory");
    handshake
}
