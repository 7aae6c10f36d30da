//! Two ends that agree on compression and talk, with a link between them that delivers in pieces.

use campanile_core::{
    Instant,
    conn::{Buffered, Client, Config, Event, Role, Server},
    deflate::{Level, Settings, WindowBits},
    handshake::{
        ClientHandshake, DEFAULT_HEADERS, EMPTY_HEADER, Limits, Opening, RESPONSE_BYTES, Reply,
        ServerHandshake, Status, accept,
    },
    wire::Kind,
};

use crate::script::Script;

const NOW: Instant = Instant::ZERO;

/// Format: five bytes of settings for each end; then operations. The highest bit of an operation's
/// first byte says whose it is, the lower ones modulo 4 which: say (a byte of repetitions, a chunk; of
/// binary data if the next to highest bit is set), deliver to (a byte: so many bytes), listen for
/// whole messages, listen for chunks.
pub fn deflating_peers(data: &[u8]) {
    let mut script = Script::new(data);
    let (client, server) = (settings(&mut script), settings(&mut script));
    let config = Config {
        max_message: 1 << 20,
        ..Config::new()
    };
    let agreed = negotiate(&client, &server);
    let mut client = Peer::new(Client(|| [0xA1, 2, 0x7F, 0xE0]), &client, &config, agreed.0);
    let mut server = Peer::new(Server, &server, &config, agreed.1);
    while !script.is_empty() {
        let first = script.byte();
        if first & 0x80 != 0 {
            server.act(&mut client.conn, first, &mut script);
        } else {
            client.act(&mut server.conn, first, &mut script);
        }
    }
    while client.deliver(&mut server.conn, usize::MAX)
        || server.deliver(&mut client.conn, usize::MAX)
    {
        client.listen(true);
        server.listen(true);
    }
    client.listen(true);
    server.listen(true);
    assert_eq!(client.heard, server.said);
    assert_eq!(server.heard, client.said);
}

fn settings(script: &mut Script<'_>) -> Settings {
    let choices = script.byte();
    Settings {
        send_window: WindowBits::new(8 + script.byte() % 8).expect("8 to 15"),
        receive_window: WindowBits::new(8 + script.byte() % 8).expect("8 to 15"),
        send_takeover: choices & 1 != 0,
        receive_takeover: choices & 2 != 0,
        larger_too: choices & 4 != 0,
        level: Level::new(1 + script.byte() % 9).expect("1 to 9"),
        threshold: usize::from(script.byte()),
        // That limits hold is another target's question.
        max_ratio: u32::MAX,
    }
}

type Agreed = Option<campanile_core::deflate::Agreed>;

/// What each of them believes is agreed on.
fn negotiate(client: &Settings, server: &Settings) -> (Agreed, Agreed) {
    let offer = client.offer();
    let text = offer.text();
    let opening = Opening {
        extensions: Some(&text),
        ..Opening::new("a", "/")
    };
    let (mut request, mut response) = ([0; 1024], [0; RESPONSE_BYTES]);
    let (request, mut asking) =
        ClientHandshake::start([7; 16], &opening, Limits::DEFAULT, &mut request).expect("it fits");
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let mut answering = ServerHandshake::new(Limits::DEFAULT);
    let Ok(Status::Complete { value, .. }) = answering.receive(request, &mut headers) else {
        panic!("it is a request");
    };
    let agreed = server.answer(value.extensions());
    let text = agreed.map(|agreed| agreed.response());
    let reply = Reply {
        extensions: text.as_deref(),
        ..Reply::default()
    };
    let response = accept(&value, &reply, &mut response).expect("it was offered");
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    let Ok(Status::Complete { value, .. }) = asking.receive(&opening, response, &mut headers)
    else {
        panic!("it is a response");
    };
    let by_client = campanile_core::deflate::Offer::check(&[offer], value.extensions());
    let by_client = by_client.expect("it answers the offer");
    let parts = |agreed: Agreed| agreed.map(|agreed| (agreed.server, agreed.client));
    assert_eq!(parts(by_client), parts(agreed));
    (by_client, agreed)
}

struct Peer<R: Role> {
    conn: Buffered<R>,
    said: Vec<(Kind, Vec<u8>)>,
    heard: Vec<(Kind, Vec<u8>)>,
    hearing: Option<(Kind, Vec<u8>)>,
}

impl<R: Role> Peer<R> {
    fn new(role: R, settings: &Settings, config: &Config, agreed: Agreed) -> Self {
        let mut conn = Buffered::new(role, config, &[], NOW);
        if let Some(agreed) = agreed {
            conn.enable_deflate(&agreed, settings, config);
        }
        Self {
            conn,
            said: Vec::new(),
            heard: Vec::new(),
            hearing: None,
        }
    }

    fn act<P: Role>(&mut self, other: &mut Buffered<P>, first: u8, script: &mut Script<'_>) {
        match (first & 0x3F) % 4 {
            0 => {
                let times = 1 + usize::from(script.byte()) % 64;
                let content = script.chunk().repeat(times);
                let (kind, content) = match first & 0x40 {
                    0 => (
                        Kind::Text,
                        String::from_utf8_lossy(&content).into_owned().into_bytes(),
                    ),
                    _ => (Kind::Binary, content),
                };
                self.conn.send(kind, &content).expect("it is open");
                self.said.push((kind, content));
            }
            1 => {
                let most = usize::from(script.byte());
                self.deliver(other, most);
            }
            operation => self.listen(operation == 2),
        }
    }

    /// Receives at most so many bytes of what the other one sent; whether any came.
    fn deliver<P: Role>(&mut self, other: &mut Buffered<P>, most: usize) -> bool {
        if !self.conn.is_understood() {
            self.listen(true);
        }
        let space = self.conn.space();
        let count = space.len().min(other.unsent().len()).min(most);
        space[..count].copy_from_slice(&other.unsent()[..count]);
        self.conn.received(count);
        other.sent(count);
        count > 0
    }

    fn listen(&mut self, whole: bool) {
        loop {
            let events = if whole {
                self.conn.messages(NOW)
            } else {
                self.conn.events(NOW)
            };
            for event in events {
                let Event::Data(data) = event.expect("the other end keeps to the rules") else {
                    panic!("nothing else was said");
                };
                let (kind, message) = self.hearing.get_or_insert_with(|| (data.kind, Vec::new()));
                assert_eq!(data.kind, *kind);
                assert!(data.last || !whole);
                message.extend_from_slice(data.bytes);
                if data.last {
                    self.heard.extend(self.hearing.take());
                }
            }
            if self.conn.is_understood() {
                break;
            }
        }
        if self.heard.len() % 3 == 1 {
            self.conn.release();
        }
    }
}
