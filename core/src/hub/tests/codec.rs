//! The compression of a client in a test (RFC 7692).

use alloc::{vec, vec::Vec};

use crate::{
    conn::{Config, Data, Server},
    deflate::{Agreed, Deflater, Inflater, Level, Settings, WindowBits},
    wire::Kind,
};

pub(super) struct Codec {
    pub(super) agreed: Agreed,
    inflater: Inflater<Vec<u8>>,
    deflater: Deflater,
}

impl Codec {
    /// What both sides make of the offer of a `client` to a hub.
    pub(super) fn new(client: &Settings, hub: &Settings) -> Option<Self> {
        let hub = Settings {
            send_takeover: false,
            ..*hub
        };
        let agreed = hub.accept(&client.offer())?;
        let config = Config {
            max_message: u64::MAX,
            ..Config::new()
        };
        let anything = Settings {
            max_ratio: u32::MAX,
            ..*client
        };
        Some(Self {
            agreed,
            inflater: Inflater::on_heap(agreed.outgoing::<Server>(), &anything, &config),
            deflater: Deflater::new(agreed.incoming::<Server>(), client.level),
        })
    }

    /// What a client of any kind wants, from random bytes.
    pub(super) fn settings([windows, choices, level]: [u8; 3]) -> Settings {
        let window = |bits: u8| WindowBits::new(8 + bits % 8).expect("8 to 15");
        Settings {
            send_window: window(windows),
            receive_window: window(windows >> 4),
            send_takeover: choices & 1 != 0,
            receive_takeover: choices & 2 != 0,
            level: Level::new(1 + level % 9).expect("1 to 9"),
            ..Settings::client()
        }
    }

    /// A whole message as it goes over the wire.
    pub(super) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.deflater.deflate(message, true, &mut out);
        out
    }

    /// A whole message as it is meant; no distance in it may leave the window.
    pub(super) fn inflate(&mut self, kind: Kind, bytes: &mut [u8]) -> Vec<u8> {
        let mut data = Data {
            kind,
            bytes,
            first: true,
            last: true,
        };
        let (mut message, mut out) = (Vec::new(), vec![0; 1000]);
        while let Some(piece) = self
            .inflater
            .inflate(&mut data, &mut out)
            .unwrap_or_else(|violation| panic!("{violation}"))
        {
            message.extend_from_slice(piece.bytes);
            if piece.last {
                break;
            }
        }
        message
    }
}
