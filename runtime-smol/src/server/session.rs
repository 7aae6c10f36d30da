//! The task of one connection: its opening handshake, then its bytes.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::Arc,
};

use campanile_core::conn::{Assembler, Event, Input, State};
use smol::{Async, future};

use crate::accept;

use super::{Fact, peer::Peer, shard::Shard};

/// Serves one connection from its first byte to its last.
pub(super) async fn run(shard: Rc<Shard>, socket: Async<TcpStream>, address: SocketAddr) {
    // Notifications are small and wanted at once. A socket that refuses is served all the same.
    let _ = socket.get_ref().set_nodelay(true);
    // Closing this one shuts the writing direction down, which a bare `Async` does not: who is
    // refused and waits for the end would wait until we give up listening.
    let mut socket = smol::net::TcpStream::from(socket);
    let behind = match accept(&mut socket).await {
        Ok(behind) => behind,
        Err(refused) => {
            shard.observe(&Fact::HandshakeFailed {
                peer: address,
                refused: &refused,
            });
            return;
        }
    };
    let socket: Arc<Async<TcpStream>> = socket.into();
    let Some(peer) = shard.join(socket, address) else {
        return; // more sessions than numbers for them: no machine has the memory
    };
    let mut reader = Reader {
        peer: &peer,
        left: Vec::new(),
        assembler: Assembler::new(Vec::new()),
    };
    reader.run(&shard, behind).await;
    shard.leave(&peer);
}

/// The reading half. Between two reads it holds the bytes that need more, and no buffer.
struct Reader<'p> {
    peer: &'p Rc<Peer>,
    left: Vec<u8>,
    assembler: Assembler<Vec<u8>>,
}

impl Reader<'_> {
    async fn run(&mut self, shard: &Rc<Shard>, mut behind: Vec<u8>) {
        if !behind.is_empty() {
            self.understand(shard, &mut behind);
            drop(behind);
            shard.flush();
        }
        while !self.peer.is_over() {
            let waited = match self.read(shard) {
                Ok(0) => break,
                // Others first: a peer that always has more to say must not starve them.
                Ok(_) => {
                    shard.flush();
                    future::yield_now().await;
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.peer.socket.readable().await
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                Err(error) => Err(error),
            };
            if waited.is_err() {
                break;
            }
        }
        self.peer.line.borrow_mut().receive_eof(shard.now());
        shard.transmit(self.peer, &mut Input::default());
        shard.flush();
    }

    /// Reads once, and does what the bytes ask for.
    fn read(&mut self, shard: &Rc<Shard>) -> io::Result<usize> {
        let mut scratch = shard.scratch.borrow_mut();
        let kept = self.left.len();
        let room = scratch.get_mut(kept..).unwrap_or_default();
        let count = self.peer.socket.get_ref().read(room)?;
        let bytes = scratch
            .get_mut(..kept.saturating_add(count))
            .unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(&self.left) {
            *to = *from;
        }
        if count > 0 {
            self.understand(shard, bytes);
        }
        Ok(count)
    }

    fn understand(&mut self, shard: &Rc<Shard>, bytes: &mut [u8]) {
        let now = shard.now();
        let mut input = Input::new(bytes);
        loop {
            let event = self.peer.line.borrow_mut().receive(&mut input, now);
            let done = !matches!(event, Ok(Some(_)));
            match event {
                Ok(Some(Event::Data(data))) => {
                    let last = data.last;
                    // A message for which there is no memory is lost. So is one that comes after
                    // our Close: what happens to it must not depend on how fast it was.
                    if let Ok(Some(message)) = self.assembler.push(data)
                        && self.peer.line.borrow().state() == State::Open
                    {
                        shard.message(self.peer, &message);
                    }
                    if last {
                        self.assembler.release();
                    }
                }
                Ok(_) => {}
                Err(violation) => shard.violation(self.peer, violation),
            }
            shard.transmit(self.peer, &mut input);
            if done {
                break;
            }
        }
        self.left = input.rest().to_vec();
    }
}
