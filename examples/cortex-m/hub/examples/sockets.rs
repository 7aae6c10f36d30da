//! The hub on the sockets of an operating system, without a thread or a runtime: to try it, and to
//! see how little a [`Transport`] needs.
//!
//! `cargo run -p campanile-tiny-hub --example sockets -- 127.0.0.1:8000`

use std::{
    collections::VecDeque,
    env,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread, time,
    time::Duration,
};

use campanile_core::Instant;
use campanile_tiny_hub::{Arrived, Hub, OUTBOX, PLACES, Transport};

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8000"))?;
    listener.set_nonblocking(true)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut sockets = Sockets {
        listener,
        places: [const { None }; PLACES],
    };
    let (mut hub, start) = (Hub::new(), time::Instant::now());
    let since_1970 = time::SystemTime::now().duration_since(time::UNIX_EPOCH);
    hub.start_epoch(since_1970.map_or(0, |time| time.as_secs()));
    loop {
        let is_busy = hub.poll(&mut sockets, Instant::ZERO.after(start.elapsed()));
        sockets.flush();
        if !is_busy {
            thread::sleep(Duration::from_millis(1)); // as the board does
        }
    }
}

struct Sockets {
    listener: TcpListener,
    places: [Option<Peer>; PLACES],
}

struct Peer {
    stream: TcpStream,
    /// What the operating system has not taken yet: `OUTBOX` bytes at most.
    unsent: VecDeque<u8>,
    /// Whether our direction ends behind that.
    is_ending: bool,
}

impl Sockets {
    fn peer(&mut self, place: usize) -> Option<&mut Peer> {
        self.places.get_mut(place)?.as_mut()
    }

    fn flush(&mut self) {
        self.places.iter_mut().flatten().for_each(Peer::flush);
    }
}

impl Peer {
    fn flush(&mut self) {
        while let (unsent @ [_, ..], _) = self.unsent.as_slices() {
            match self.stream.write(unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.unsent.clear(), // it is gone, which reading tells too
            }
        }
        if self.is_ending {
            let _ = self.stream.shutdown(Shutdown::Write); // or it is gone
        }
    }
}

impl Transport for Sockets {
    fn accept(&mut self, place: usize) -> bool {
        let free = self.places.get_mut(place);
        let Some((free @ None, Ok((stream, _)))) = free.map(|free| (free, self.listener.accept()))
        else {
            return false;
        };
        if stream.set_nonblocking(true).is_err() || stream.set_nodelay(true).is_err() {
            return false; // it is gone again
        }
        *free = Some(Peer {
            stream,
            unsent: VecDeque::with_capacity(OUTBOX),
            is_ending: false,
        });
        true
    }

    fn may_publish(&self, place: usize) -> bool {
        let peer = self.places.get(place).and_then(Option::as_ref);
        let address = peer.and_then(|peer| peer.stream.peer_addr().ok());
        address.is_some_and(|address| address.ip().is_loopback())
    }

    fn peek(&mut self, place: usize, room: &mut [u8]) -> Arrived {
        let peeked = self.peer(place).map(|peer| peer.stream.peek(room));
        match peeked {
            Some(Ok(count @ 1..)) => Arrived::Bytes(count),
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => Arrived::Bytes(0),
            Some(Ok(0) | Err(_)) | None => Arrived::End,
        }
    }

    fn consume(&mut self, place: usize, count: usize) {
        if let Some(peer) = self.peer(place) {
            // They are there.
            let _ = peer.stream.read_exact(&mut vec![0; count]);
        }
    }

    fn room(&self, place: usize) -> usize {
        let peer = self.places.get(place).and_then(Option::as_ref);
        peer.map_or(0, |peer| OUTBOX.saturating_sub(peer.unsent.len()))
    }

    fn send(&mut self, place: usize, bytes: &[u8]) {
        if let Some(peer) = self.peer(place) {
            peer.unsent.extend(bytes);
        }
    }

    fn shut_down(&mut self, place: usize) {
        if let Some(peer) = self.peer(place) {
            peer.is_ending = true;
        }
    }

    fn release(&mut self, place: usize) {
        if let Some(mut peer) = self.places.get_mut(place).and_then(Option::take) {
            peer.flush();
        }
    }
}
