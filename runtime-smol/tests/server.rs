//! The server in this process: what of it can be seen only from inside.

// `clippy.toml` allows it in tests, and does not see that their helpers are tests too.
#![allow(clippy::unwrap_used)]

use core::{pin::pin, time::Duration};
use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use campanile_core::hub;
use campanile_smol::server::{self, Fact, Options};
use smol::{Timer, channel, future};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

#[test]
fn a_turn_waits_for_a_shard_that_hangs_and_for_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Arc::new(Mutex::new(()));
    let (tell, hangs) = mpsc::channel();
    let observer = {
        let gate = Arc::clone(&gate);
        move |fact: &Fact<'_>| {
            if let Fact::Session(hub::Fact::Connected { .. }) = fact {
                tell.send(()).unwrap();
                drop(gate.lock().unwrap());
            }
        }
    };
    let options = Options {
        shards: 3,
        drain_grace: Duration::ZERO,
        ..Options::default()
    };
    let (hand_over, control) = mpsc::channel();
    let (stop, stopped) = channel::bounded::<()>(1);
    let serving = thread::spawn(move || {
        server::serve(listener, options, observer, |control| {
            hand_over.send(control).unwrap();
            async move { stopped.recv().await.unwrap() }
        })
    });
    let control = control.recv().unwrap();
    for _ in 0..3 {
        smol::block_on(control.turn());
    }

    let closed = gate.lock().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(REQUEST).unwrap();
    hangs.recv().unwrap();
    let mut turn = pin!(control.turn());
    let is_done = smol::block_on(future::or(
        async {
            turn.as_mut().await;
            true
        },
        async {
            Timer::after(Duration::from_millis(100)).await;
            false
        },
    ));
    assert!(!is_done);
    drop(closed);
    smol::block_on(turn);

    drop(client);
    stop.send_blocking(()).unwrap();
    serving.join().unwrap().unwrap();
    // Who has ended does not hang.
    smol::block_on(control.turn());
}
