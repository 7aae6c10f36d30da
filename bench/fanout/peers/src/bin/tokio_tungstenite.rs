//! A hub on tokio-tungstenite, as its documentation suggests one: a task and a channel for each
//! connection, `Message`s whose bytes are shared, `feed` for everything that waits and one `flush`.
//!
//! Where that is better than the usual: the read buffer is small, since its default of 128 KiB is
//! nearly all that an idle connection takes; one thread with local tasks, so that nothing is locked; and a
//! publisher's answers go out together when its input is exhausted.

use std::{cell::RefCell, io, rc::Rc};

use campanile_fanout_peers::{Topic, Topics, V1, complain, listen, offers_v1, parse, published};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error, Message,
        handshake::server::{Request, Response},
        http::HeaderValue,
        protocol::WebSocketConfig,
    },
};

/// A page: a burst of a publisher needs a few more reads, an idle client much less memory.
const READ_BUFFER: usize = 4 * 1024;

#[derive(Default)]
struct Hub {
    topics: RefCell<Topics<UnboundedSender<Message>>>,
    position: RefCell<u64>,
}

fn main() -> io::Result<()> {
    let (listener, _) = listen("");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::from_std(listener)?;
        let hub = Rc::new(Hub::default());
        for id in 0.. {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let hub = Rc::clone(&hub);
            spawn_local(async move {
                if let Err(error) = hub.serve(id, socket).await {
                    complain(&error);
                }
            });
        }
        Ok(())
    })
}

impl Hub {
    #[expect(clippy::result_large_err)] // the library's type
    async fn serve(&self, id: u64, socket: TcpStream) -> Result<(), Error> {
        let mut v1 = false;
        let choose = |request: &Request, mut response: Response| {
            let offer = request.headers().get("Sec-WebSocket-Protocol");
            v1 = offer.is_some_and(|offer| offer.to_str().is_ok_and(offers_v1));
            if v1 {
                let headers = response.headers_mut();
                headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(V1));
            }
            Ok(response)
        };
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let mut socket = accept_hdr_async_with_config(socket, choose, Some(config)).await?;
        let (sender, mut receiver) = unbounded_channel();
        let mut mine = Vec::new();
        let served = async {
            loop {
                tokio::select! {
                    Some(message) = receiver.recv() => {
                        socket.feed(message).await?;
                        while let Ok(message) = receiver.try_recv() {
                            socket.feed(message).await?;
                        }
                        socket.flush().await?;
                    }
                    message = socket.next() => {
                        let mut next = Some(message);
                        while let Some(message) = next {
                            let Some(message) = message else {
                                return Ok(());
                            };
                            self.hear(id, message?, v1, &mut socket, &sender, &mut mine).await?;
                            next = socket.next().now_or_never();
                        }
                        socket.flush().await?;
                    }
                }
            }
        }
        .await;
        self.topics.borrow_mut().leave(id, &mut mine);
        match served {
            Err(Error::ConnectionClosed) => Ok(()),
            other => other,
        }
    }

    /// Takes a message; Pings and Closes are answered by the library.
    async fn hear(
        &self,
        id: u64,
        message: Message,
        v1: bool,
        socket: &mut WebSocketStream<TcpStream>,
        sender: &UnboundedSender<Message>,
        mine: &mut Vec<Topic>,
    ) -> Result<(), Error> {
        let Message::Text(text) = &message else {
            return Ok(());
        };
        let parsed = match parse(text.as_bytes()) {
            Ok(parsed) => parsed,
            Err(error) => {
                complain(&error);
                return Ok(());
            }
        };
        if let Some(wishes) = &parsed.subscriptions {
            let mut topics = self.topics.borrow_mut();
            topics.subscribe(id, sender, wishes, mine);
        }
        let Some(notification) = &parsed.notification else {
            return Ok(());
        };
        let recipients = self.topics.borrow_mut().publish(notification, |receiver| {
            // One that is gone will have left soon.
            let _ = receiver.send(message.clone());
        });
        if v1 {
            let position = self.position.replace_with(|position| *position + 1);
            socket
                .feed(Message::text(published(position, recipients)))
                .await?;
        }
        Ok(())
    }
}
