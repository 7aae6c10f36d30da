//! What the hub takes from the allocator: so much for a session that is idle, all of it back when
//! sessions leave, and nothing for each receiver of a notification.
#![cfg(feature = "alloc")]

use std::net::SocketAddr;

use allocation_counter::{AllocationInfo, measure};
use campanile_core::{
    Instant,
    hub::{Fact, HashKey, Hub, Options, Rights, Sequence, SessionId},
};

const NOW: Instant = Instant::from_millis(1);

type Watch = fn(&Fact<'_>);

struct Server {
    hub: Hub<Watch>,
    sequence: Sequence,
    sessions: Vec<SessionId>,
}

fn server() -> Server {
    let options = Options {
        #[cfg(feature = "deflate")]
        compression: Some(campanile_core::deflate::Settings::server()),
        ..Options::default()
    };
    let sequence = Sequence::new(1);
    let watch: Watch = |_| {};
    let hub = Hub::new(&options, HashKey([5, 6]), sequence.position(), watch);
    Server {
        hub,
        sequence,
        sessions: Vec::new(),
    }
}

fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(len @ 0..126) => frame.push(0x80 | len),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(
                u16::try_from(payload.len())
                    .expect("it is short")
                    .to_be_bytes(),
            );
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload.as_bytes());
    frame
}

fn subscription(user: usize) -> Vec<u8> {
    text(&format!(
        r#"{{"sender":"client","subscriptions":[{{"package":"p","page":"q","filters":{{"values":{{"user":"{user}"}}}}}}]}}"#
    ))
}

fn publication(values: &str, data: &str) -> Vec<u8> {
    text(&format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":{values}}},"data":"{data}"}}}}"#
    ))
}

impl Server {
    fn open(&mut self, publish: bool, protocol: &str) -> SessionId {
        let peer = SocketAddr::from(([192, 0, 2, 1], 80));
        let id = self.hub.accept(0, peer, Rights { publish }, NOW);
        let id = id.expect("there is room");
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
        );
        self.give(id, request.as_bytes());
        self.sessions.push(id);
        id
    }

    fn give(&mut self, id: SessionId, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.receive(id, &mut bytes);
    }

    fn receive(&mut self, id: SessionId, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let taken = self.hub.receive(id, bytes, NOW);
            bytes = &mut bytes[taken..];
            if !bytes.is_empty() {
                self.hub.hand_out(&mut self.sequence, NOW);
            }
        }
    }

    /// Some turns in which little happens.
    fn rest(&mut self) {
        for _ in 0..20 {
            self.write(usize::MAX);
        }
    }

    /// Everybody takes at most `room` bytes; how many take any.
    fn write(&mut self, room: usize) -> usize {
        self.hub.hand_out(&mut self.sequence, NOW);
        let mut receivers = 0;
        while let Some(id) = self.hub.poll_transmit(NOW) {
            let due: usize = self.hub.chunks(id).map(<[u8]>::len).sum();
            receivers += usize::from(due > 0);
            self.hub.sent(id, due.min(room));
            if self.hub.is_over(id) {
                self.hub.leave(id);
            }
        }
        receivers
    }
}

/// Bytes that are taken and not given back.
fn bytes(taken: &AllocationInfo) -> i64 {
    taken.bytes_current
}

#[test]
fn an_idle_session_with_a_subscription_takes_at_most_400_bytes_and_all_of_them_are_given_back() {
    const SESSIONS: usize = 10_000;
    for turn in [1, 100, SESSIONS] {
        let mut kept = None;
        let taken = measure(|| {
            let mut server = server();
            server.sessions = Vec::with_capacity(SESSIONS);
            for user in 0..SESSIONS {
                let id = server.open(false, "");
                server.give(id, &subscription(user));
                if user % turn == 0 {
                    server.write(usize::MAX);
                }
            }
            server.rest();
            kept = Some(server);
        });
        let names = SESSIONS * size_of::<SessionId>();
        let each =
            (bytes(&taken) - i64::try_from(names).unwrap()) / i64::try_from(SESSIONS).unwrap();
        assert!((100..=MOST).contains(&each), "{each} bytes each");

        let mut server = kept.take().expect("just made");
        let left = measure(|| {
            for id in std::mem::take(&mut server.sessions) {
                server.hub.receive_eof(id, NOW);
                if id.index() % turn == 0 {
                    server.write(usize::MAX);
                }
            }
            server.rest();
        });
        assert_eq!(server.hub.sessions(), 0);
        let rest = bytes(&taken) + bytes(&left);
        // What is kept for the next few, whoever they are.
        assert!(rest < 12 * 1024, "{rest} bytes are left");
    }
}

const MOST: i64 = 400;

#[test]
fn a_fan_out_allocates_nothing_for_each_receiver() {
    const RECEIVERS: usize = 1_000;
    let mut server = server();
    audience(&mut server, RECEIVERS);
    let publisher = server.open(true, V1);
    server.write(usize::MAX);
    let mut news = Vec::new();
    for id in 0..20 {
        // Some of them are compressed.
        let data = format!("{id} ").repeat(if id % 2 == 0 { 1 } else { 500 });
        news.extend(publication("1", &data));
    }
    // Once, so that the lists of a turn have their length.
    for round in 0..3 {
        let mut news = news.clone();
        let mut heard = 0;
        let taken = measure(|| {
            server.receive(publisher, &mut news);
            heard = server.write(usize::MAX);
        });
        assert_eq!(heard, RECEIVERS + 1);
        if round > 0 {
            let most = 150;
            assert!(taken.count_total < most, "{taken:?}");
        }
        assert!(bytes(&taken) < 64 * 1024, "{taken:?}");
    }
}

const V1: &str = "Sec-WebSocket-Protocol: campanile.v1\r\n";

/// Clients of both versions, most of which compress if the server does, with windows of all sizes.
fn audience(server: &mut Server, receivers: usize) {
    for user in 0..receivers {
        let mut fields = String::from(if user % 2 == 0 { V1 } else { "" });
        if let bits @ 8..=15 = user / 2 % 10 {
            let window = format!("permessage-deflate; server_max_window_bits={bits}");
            fields += &format!("Sec-WebSocket-Extensions: {window}\r\n");
        }
        let id = server.open(false, &fields);
        let everything = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}"#;
        server.give(id, &text(everything));
    }
}

#[test]
fn what_slow_receivers_have_not_taken_is_shared_by_them() {
    const RECEIVERS: usize = 500;
    let mut server = server();
    for _ in 0..RECEIVERS {
        let id = server.open(false, "");
        let everything = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}"#;
        server.give(id, &text(everything));
    }
    let publisher = server.open(true, V1);
    server.write(usize::MAX);
    let long = "x".repeat(20_000);
    let news = publication("1", &long);
    let taken = measure(|| {
        for _ in 0..3 {
            server.give(publisher, &news);
            // A socket's buffer has room for some.
            server.write(1_000);
        }
    });
    // Three notifications as both kinds get them, and a list of entries for each receiver.
    let most = i64::try_from(2 * 3 * (2 * long.len()) + RECEIVERS * 500).unwrap();
    assert!(bytes(&taken) <= most, "{} bytes", bytes(&taken));
}

#[test]
fn a_small_notification_to_a_slow_receiver_does_not_keep_a_large_batch() {
    let mut server = server();
    let id = server.open(false, "");
    server.give(id, &subscription(7));
    let publisher = server.open(true, V1);
    server.write(usize::MAX);
    let mut news = Vec::new();
    for user in 0..60 {
        let values = format!(r#"{{"user":"{user}"}}"#);
        news.extend(publication(&values, &"x".repeat(900)));
    }
    let taken = measure(|| {
        server.give(publisher, &news);
        while let Some(to) = {
            server.hub.hand_out(&mut server.sequence, NOW);
            server.hub.poll_transmit(NOW)
        } {
            if to == publisher {
                let due = server.hub.chunks(to).map(<[u8]>::len).sum();
                server.hub.sent(to, due);
            }
        }
    });
    // The notification, its entry, and what the hub keeps from turn to turn.
    assert!(bytes(&taken) < 16 * 1024, "{} bytes", bytes(&taken));
}
