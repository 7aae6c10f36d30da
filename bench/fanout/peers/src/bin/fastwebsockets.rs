//! A hub on fastwebsockets, after its examples: hyper does the opening handshake, and the connection is
//! split into a task that reads and one that writes, with a channel between, because reading a frame is
//! not safe to be cancelled by a `select!` (denoland/fastwebsockets, issue 64).
//!
//! Where that is better than the examples: the socket is taken back from hyper, whose buffers are freed;
//! and one thread with local tasks, so that nothing is locked. The library writes each frame by a call
//! of its own. With `buffered`, a `BufWriter` gathers what waits for a receiver, at the cost of a
//! buffer for each.

use std::{cell::RefCell, error, io, rc::Rc};

use bytes::Bytes;
use campanile_fanout_peers::{Topic, Topics, V1, complain, listen, offers_v1, parse, published};
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocketError, WebSocketRead,
    WebSocketWrite, after_handshake_split,
    upgrade::{UpgradeFut, upgrade},
};
use http_body_util::Empty;
use hyper::{
    Request, Response, body::Incoming, header::HeaderValue, server::conn::http1,
    service::service_fn, upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWrite, BufWriter},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
};

type Failure = Box<dyn error::Error + Send + Sync>;

/// What a `BufWriter` gathers: a dozen messages.
const WRITE_BUFFER: usize = 4 * 1024;

/// What is to be written.
enum Out {
    /// The bytes of a message, shared by its receivers.
    Text(Bytes),
    /// A frame of the library's own; they are rare, and a channel has room for 32 of these.
    Frame(Box<Frame<'static>>),
}

struct Hub {
    buffered: bool,
    topics: RefCell<Topics<UnboundedSender<Out>>>,
    sessions: RefCell<u64>,
    position: RefCell<u64>,
}

fn main() -> io::Result<()> {
    let (listener, buffered) = listen("buffered");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::from_std(listener)?;
        let hub = Rc::new(Hub {
            buffered,
            topics: RefCell::default(),
            sessions: RefCell::default(),
            position: RefCell::default(),
        });
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let hub = Rc::clone(&hub);
            spawn_local(async move {
                let service = service_fn(move |request| {
                    let hub = Rc::clone(&hub);
                    async move { hub.answer(request) }
                });
                let connection = http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .with_upgrades();
                if let Err(error) = connection.await {
                    complain(&error);
                }
            });
        }
    })
}

impl Hub {
    fn answer(
        self: Rc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, WebSocketError> {
        let offer = request.headers().get("Sec-WebSocket-Protocol");
        let v1 = offer.is_some_and(|offer| offer.to_str().is_ok_and(offers_v1));
        let (mut response, upgraded) = upgrade(&mut request)?;
        if v1 {
            let headers = response.headers_mut();
            headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(V1));
        }
        spawn_local(async move {
            if let Err(error) = self.serve(upgraded, v1).await {
                complain(&error);
            }
        });
        Ok(response)
    }

    async fn serve(&self, upgraded: UpgradeFut, v1: bool) -> Result<(), Failure> {
        let upgraded: Upgraded = upgraded.await?.into_inner().into_inner();
        let parts = upgraded
            .downcast::<TokioIo<TcpStream>>()
            .map_err(|_| "hyper has another socket than it was given")?;
        if !parts.read_buf.is_empty() {
            return Err("a client spoke before it was answered".into());
        }
        let socket = parts.io.into_inner();
        let (read, write) = socket.into_split();
        let (sender, receiver) = unbounded_channel();
        let reader = if self.buffered {
            let write = BufWriter::with_capacity(WRITE_BUFFER, write);
            let (reader, writer) = after_handshake_split(read, write, Role::Server);
            spawn_local(write_all(writer, receiver));
            reader
        } else {
            let (reader, writer) = after_handshake_split(read, write, Role::Server);
            spawn_local(write_all(writer, receiver));
            reader
        };
        let id = self.sessions.replace_with(|sessions| *sessions + 1);
        let mut mine = Vec::new();
        let read = self.read(id, reader, v1, &sender, &mut mine).await;
        self.topics.borrow_mut().leave(id, &mut mine);
        read
    }

    /// Reads to the end of the connection. The writer ends when nobody has its sender any more.
    async fn read(
        &self,
        id: u64,
        reader: WebSocketRead<OwnedReadHalf>,
        v1: bool,
        sender: &UnboundedSender<Out>,
        mine: &mut Vec<Topic>,
    ) -> Result<(), Failure> {
        let mut reader = FragmentCollectorRead::new(reader);
        let mut obliged = |frame: Frame<'static>| {
            let sent = sender.send(Out::Frame(Box::new(frame)));
            async { sent.map_err(|_| "the writer is gone") }
        };
        loop {
            let frame = reader.read_frame(&mut obliged).await?;
            match frame.opcode {
                OpCode::Text => {}
                OpCode::Close => return Ok(()),
                _ => continue,
            }
            let text = match frame.payload {
                Payload::Bytes(bytes) => bytes.freeze(),
                other => Bytes::from(Vec::from(other)),
            };
            let parsed = match parse(&text) {
                Ok(parsed) => parsed,
                Err(error) => {
                    complain(&error);
                    continue;
                }
            };
            if let Some(wishes) = &parsed.subscriptions {
                let mut topics = self.topics.borrow_mut();
                topics.subscribe(id, sender, wishes, mine);
            }
            let Some(notification) = &parsed.notification else {
                continue;
            };
            let recipients = self.topics.borrow_mut().publish(notification, |receiver| {
                // One that is gone will have left soon.
                let _ = receiver.send(Out::Text(text.clone()));
            });
            if v1 {
                let position = self.position.replace_with(|position| *position + 1);
                sender.send(Out::Text(published(position, recipients).into()))?;
            }
        }
    }
}

/// Writes what is sent to the session, and flushes when nothing more waits.
async fn write_all<S: AsyncWrite + Unpin>(
    mut writer: WebSocketWrite<S>,
    mut receiver: UnboundedReceiver<Out>,
) {
    while let Some(mut out) = receiver.recv().await {
        loop {
            let frame = match &out {
                Out::Text(text) => Frame::text(Payload::Borrowed(text)),
                Out::Frame(frame) => Frame::new(
                    frame.fin,
                    frame.opcode,
                    None,
                    Payload::Borrowed(&frame.payload),
                ),
            };
            // The reader learns of it too.
            if writer.write_frame(frame).await.is_err() {
                return;
            }
            match receiver.try_recv() {
                Ok(next) => out = next,
                Err(_) => break,
            }
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}
