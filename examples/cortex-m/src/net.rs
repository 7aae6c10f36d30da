//! The hub's transport: a TCP socket for each place.

use core::time::Duration;

use campanile_core::Instant;
use campanile_tiny_hub::{Arrived, OUTBOX, PLACES, Transport};
use smoltcp::{
    iface::{SocketHandle, SocketSet, SocketStorage},
    socket::tcp::{Socket, SocketBuffer, State},
    time,
    wire::{IpAddress, Ipv4Cidr},
};

/// What a socket can receive before it is looked at, in bytes.
const RECEIVED: usize = 1024;

/// How long a peer may take to acknowledge what it was sent, be it the answer to its first packet.
const ACKNOWLEDGED: time::Duration = time::Duration::from_secs(20);

/// How long the end of a connection may take when the hub is done with it.
const WOUND_UP: Duration = Duration::from_secs(1);

/// The memory of a socket.
pub struct Buffers {
    received: [u8; RECEIVED],
    to_send: [u8; OUTBOX],
}

impl Buffers {
    /// Empty ones.
    pub const NEW: Self = Self {
        received: [0; RECEIVED],
        to_send: [0; OUTBOX],
    };
}

/// Whose a socket is.
#[derive(Clone, Copy)]
enum Owner {
    /// Nobody's yet: it listens.
    Newcomer,
    Hub,
    /// Nobody's any more: it must be closed by then.
    Past(Instant),
}

/// The sockets.
pub struct Net {
    pub sockets: SocketSet<'static>,
    places: [(SocketHandle, Owner); PLACES],
    port: u16,
    publishers: Ipv4Cidr,
    now: Instant,
}

impl Net {
    /// Sockets that are going to listen on `port`. Only peers of the network `publishers` may publish.
    pub fn new(
        storage: &'static mut [SocketStorage<'static>; PLACES],
        buffers: &'static mut [Buffers; PLACES],
        port: u16,
        publishers: Ipv4Cidr,
    ) -> Self {
        let mut sockets = SocketSet::new(&mut storage[..]);
        let places = buffers.each_mut().map(|Buffers { received, to_send }| {
            let (received, to_send) = (&mut received[..], &mut to_send[..]);
            let mut socket = Socket::new(SocketBuffer::new(received), SocketBuffer::new(to_send));
            socket.set_timeout(Some(ACKNOWLEDGED));
            socket.set_nagle_enabled(false); // a notification does not wait for the next
            socket.set_ack_delay(None); // nor a long message for its other half
            (sockets.add(socket), Owner::Newcomer)
        });
        Self {
            sockets,
            places,
            port,
            publishers,
            now: Instant::ZERO,
        }
    }

    /// Has sockets listen that are of no use to anybody; to be called before each turn of the hub.
    pub fn renew(&mut self, now: Instant) {
        self.now = now;
        for (handle, owner) in &mut self.places {
            let socket = self.sockets.get_mut::<Socket<'_>>(*handle);
            match *owner {
                Owner::Hub => continue,
                // Both directions have ended. That nothing old is taken for new is left to the numbers
                // of TCP: there is no memory in which to wait for it.
                Owner::Past(_) if socket.state() == State::TimeWait => socket.abort(),
                // Its end is sent before the socket is looked at again.
                Owner::Past(until) if socket.is_open() => {
                    if now >= until {
                        socket.abort();
                    }
                    continue;
                }
                Owner::Past(_) | Owner::Newcomer => {}
            }
            if !socket.is_open() && socket.listen(self.port).is_ok() {
                *owner = Owner::Newcomer;
            }
        }
    }

    fn socket(&self, place: usize) -> Option<&Socket<'static>> {
        self.places
            .get(place)
            .map(|(handle, _)| self.sockets.get(*handle))
    }

    fn socket_mut(&mut self, place: usize) -> Option<&mut Socket<'static>> {
        let (handle, _) = self.places.get(place)?;
        Some(self.sockets.get_mut(*handle))
    }
}

impl Transport for Net {
    fn accept(&mut self, place: usize) -> bool {
        let Some((handle, owner @ Owner::Newcomer)) = self.places.get_mut(place) else {
            return false;
        };
        let state = self.sockets.get::<Socket<'_>>(*handle).state();
        let has_come = matches!(state, State::Established | State::CloseWait);
        if has_come {
            *owner = Owner::Hub;
        }
        has_come
    }

    fn may_publish(&self, place: usize) -> bool {
        let peer = self.socket(place).and_then(Socket::remote_endpoint);
        peer.is_some_and(|peer| {
            let IpAddress::Ipv4(address) = peer.addr;
            self.publishers.contains_addr(&address)
        })
    }

    fn peek(&mut self, place: usize, room: &mut [u8]) -> Arrived {
        let Some(socket) = self.socket_mut(place) else {
            return Arrived::End;
        };
        match socket.peek_slice(room) {
            Ok(count) if count > 0 || socket.may_recv() => Arrived::Bytes(count),
            Ok(_) | Err(_) => Arrived::End,
        }
    }

    fn consume(&mut self, place: usize, mut count: usize) {
        let Some(socket) = self.socket_mut(place) else {
            return;
        };
        // Twice where the buffer wraps around.
        while count > 0
            && let Ok(taken @ 1..) = socket.recv(|bytes| {
                let taken = count.min(bytes.len());
                (taken, taken)
            })
        {
            count -= taken;
        }
    }

    fn room(&self, place: usize) -> usize {
        self.socket(place).map_or(0, |socket| {
            // Nothing waits for one who is gone.
            let waiting = if socket.may_send() {
                socket.send_queue()
            } else {
                0
            };
            socket.send_capacity().saturating_sub(waiting)
        })
    }

    fn send(&mut self, place: usize, bytes: &[u8]) {
        if let Some(socket) = self.socket_mut(place) {
            // There is room, or nobody.
            let _ = socket.send_slice(bytes);
        }
    }

    fn shut_down(&mut self, place: usize) {
        if let Some(socket) = self.socket_mut(place) {
            socket.close();
        }
    }

    fn release(&mut self, place: usize) {
        self.shut_down(place);
        if let Some((_, owner)) = self.places.get_mut(place) {
            *owner = Owner::Past(self.now.after(WOUND_UP));
        }
    }
}
