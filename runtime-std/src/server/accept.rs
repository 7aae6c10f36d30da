//! Accepting connections.

use core::{net::SocketAddr, sync::atomic::Ordering};
use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar},
    thread::{self, Scope},
};

use campanile_core::{
    hub::{Rights, SessionId},
    server::AcceptFailures,
};

use super::{
    Fact, Server,
    connection::{self, Peer},
    pipe::Pipe,
    spawn,
};

/// Accepts until the server stops.
pub(super) fn run<'scope, 'o: 'scope>(
    server: &'scope Server<'o>,
    listener: &TcpListener,
    threads: &'scope Scope<'scope, '_>,
) {
    let mut number: u64 = 0;
    let mut failures = AcceptFailures::default();
    loop {
        let accepted = listener.accept();
        if server.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        let welcomed = accepted.and_then(|(socket, address)| {
            number = number.saturating_add(1);
            welcome(server, number, socket, address, threads)
        });
        if let Err(error) = welcomed
            && !is_of_the_peer(&error)
        {
            if failures.is_news(server.clock.now()) {
                (server.observer)(&Fact::AcceptFailed { error: &error });
            }
            thread::sleep(AcceptFailures::REST);
        }
    }
}

fn welcome<'scope, 'o: 'scope>(
    server: &'scope Server<'o>,
    number: u64,
    socket: TcpStream,
    address: SocketAddr,
    threads: &'scope Scope<'scope, '_>,
) -> io::Result<()> {
    // Notifications are small and wanted at once. A socket that refuses either, as some do whose peer is
    // gone, is served all the same.
    let _ = socket.set_nodelay(true);
    let _ = socket.set_write_timeout(Some(connection::WRITE));
    let Some((session, peer)) = enter(server, number, socket, address) else {
        return Ok(());
    };
    let started = start(server, session, &peer, threads);
    started.map_err(|error| {
        peer.cut();
        server.lock().leave(session);
        io::Error::new(
            error.kind(),
            format!("there is no thread for another one: {error}"),
        )
    })
}

/// Takes in a connection, if there is a place for it.
fn enter(
    server: &Server<'_>,
    number: u64,
    socket: TcpStream,
    address: SocketAddr,
) -> Option<(SessionId, Arc<Peer>)> {
    let mut state = server.lock();
    let (entered, is_heard) = {
        let mut admission = state.admission();
        let entered = admission.enter(address.ip());
        (entered, entered.is_ok() || admission.decline())
    };
    if let Err(reason) = entered {
        let peer = address;
        (server.observer)(&Fact::TurnedAway { peer, reason });
    }
    if !is_heard {
        return None;
    }
    let peer = Arc::new(Peer {
        socket,
        address,
        entered,
        pipe: Pipe::default(),
        called: Condvar::new(),
    });
    let rights = Rights {
        publish: state.options.publishers.allow(address.ip()),
    };
    let session = state.join(number, &peer, rights, server.clock.now());
    if session.is_none() {
        state.dismiss(&peer);
    }
    // Time does not matter to an empty hub.
    if state.hub.sessions() == 1 {
        server.woken.notify_one();
    }
    Some((session?, peer))
}

fn start<'scope, 'o: 'scope>(
    server: &'scope Server<'o>,
    session: SessionId,
    peer: &Arc<Peer>,
    threads: &'scope Scope<'scope, '_>,
) -> io::Result<()> {
    let own = Arc::clone(peer);
    spawn(threads, "writer", move || {
        connection::write(server, session, &own);
    })?;
    let own = Arc::clone(peer);
    spawn(threads, "reader", move || {
        connection::read(server, session, &own);
    })?;
    Ok(())
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
