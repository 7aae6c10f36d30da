//! The two threads of a connection.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Condvar, PoisonError},
};

use campanile_core::hub::{Place, SessionId, TurnedAway};

use super::{
    Server,
    pipe::{Pipe, Task},
};
use crate::transport::in_time;

/// What is read at once: two pages of each reader's stack, enough for most messages.
const READ: usize = 8 * 1024;

/// How long a write waits before it tells how far it came: a peer that takes little by little lives.
pub(super) const WRITE: Duration = Duration::from_secs(1);

/// How long what is on its way to a peer may take when its session is over.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
    /// Its place, or why it is declined.
    pub(super) entered: Result<Place, TurnedAway>,
    pub(super) pipe: Pipe,
    /// Under the lock of the hub: the reader may read on, or the session is over.
    pub(super) called: Condvar,
}

impl Peer {
    /// Its session is over: nothing more is read, and nothing written but what is on its way.
    pub(super) fn end(&self) {
        self.pipe.end();
        // This and the others fail where the socket is done with already.
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    /// Ends it at once: no thread waits for the socket any longer.
    pub(super) fn cut(&self) {
        self.pipe.end();
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Reads until the session is over, and ends the connection.
pub(super) fn read(server: &Server<'_>, session: SessionId, peer: &Peer) {
    let mut buffer = [0; READ];
    // What is not understood yet is in front.
    let mut kept = 0;
    loop {
        let count = receive(&peer.socket, buffer.get_mut(kept..).unwrap_or_default());
        let bytes = buffer.get_mut(..kept.saturating_add(count));
        let has_ended = count == 0;
        let mut state = server.lock();
        let now = server.clock.now();
        state.receive(session, bytes.unwrap_or_default(), now);
        if has_ended {
            state.hub.receive_eof(session, now);
            state.flush(now);
        }
        // Nothing more is read of who does not take what was due to it before.
        while !state.hub.is_over(session) && (has_ended || state.hub.is_behind(session)) {
            state = (peer.called.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
        if state.hub.is_over(session) {
            break;
        }
        kept = state.hub.take_unfinished(session, &mut buffer);
    }
    peer.pipe.end();
    peer.pipe.wait_until_done(LINGER);
    peer.cut();
    server.lock().leave(session);
}

/// Reads once; 0 at the end, and when the socket fails.
fn receive(mut socket: &TcpStream, room: &mut [u8]) -> usize {
    loop {
        match socket.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.unwrap_or(0),
        }
    }
}

/// Writes what comes out of the pipe until its end.
pub(super) fn write(server: &Server<'_>, session: SessionId, peer: &Peer) {
    while let Some(task) = peer.pipe.next() {
        match task {
            Task::Write(bytes) => {
                if send(server, session, peer, &bytes).is_err() {
                    // What its peer said before is still to be read, and the end of that ends it.
                    peer.pipe.fail();
                    server.turn(|hub| hub.write_failed(session));
                    peer.called.notify_one();
                }
            }
            Task::ShutDown => {
                let _ = peer.socket.shutdown(Shutdown::Write);
            }
        }
    }
}

fn send(server: &Server<'_>, session: SessionId, peer: &Peer, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match in_time((&peer.socket).write(bytes))? {
            // How long a peer may take nothing is up to the hub.
            None => {}
            Some(0) => return Err(io::ErrorKind::WriteZero.into()),
            Some(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                if peer.pipe.written(count) {
                    server.turn(|hub| hub.writable(session));
                }
            }
        }
    }
    Ok(())
}
