//! Messages there and back, with any parameters, in any pieces.

use campanile_core::{
    conn::{Config, Data},
    deflate::{Deflater, Direction, Inflater, Level, Settings, WindowBits},
    wire::{Kind, MAX_HEAD},
};
use zlib_rs::InflateFlush;

use crate::script::{Script, pieces};

/// Format: a byte of choices (three bits of window, takeover), one of level, one of room, a chunk of
/// cuts; then operations, whose first byte modulo 4 is: a piece of a message, the last piece, a
/// message at once if that is smaller, a frame for many; its upper bits are how often the chunk
/// behind it is repeated.
pub fn deflate(data: &[u8]) {
    let mut script = Script::new(data);
    let choices = script.byte();
    let window = WindowBits::new(8 + (choices & 7)).expect("8 to 15");
    let direction = Direction {
        window,
        takeover: choices & 0x08 != 0,
    };
    let level = Level::new(1 + script.byte() % 9).expect("1 to 9");
    let room = usize::from(script.byte()).max(1);
    let cuts = script.chunk().to_vec();
    let settings = Settings {
        max_ratio: u32::MAX,
        ..Settings::server()
    };
    let config = Config {
        max_message: u64::MAX,
        ..Config::new()
    };
    let mut deflater = Deflater::new(direction, level);
    let mut receiver = Receiver {
        ours: Inflater::on_heap(direction, &settings, &config),
        zlib: zlib_rs::Inflate::new(false, window.get()),
        room,
        cuts,
    };
    // What was said of the current message, and what it became.
    let (mut said, mut deflated) = (Vec::new(), Vec::new());
    while !script.is_empty() {
        let operation = script.byte();
        let content = script.chunk().repeat(1 + usize::from(operation >> 2));
        match operation % 4 {
            0 => {
                deflater.deflate(&content, false, &mut deflated);
                said.extend(content);
            }
            1 => {
                deflater.deflate(&content, true, &mut deflated);
                said.extend(content);
                receiver.hear(&deflated, &said);
                said.clear();
                deflated.clear();
            }
            2 if said.is_empty() && deflated.is_empty() => {
                if deflater.deflate_if_smaller(&content, &mut deflated) {
                    assert!(deflated.len() <= content.len());
                    receiver.hear(&deflated, &content);
                } else {
                    assert!(deflated.is_empty());
                }
                deflated.clear();
            }
            3 if said.is_empty() && deflated.is_empty() => {
                let mut frame = Vec::new();
                if deflater.frame(Kind::Binary, &content, &mut frame) {
                    let mut again = Vec::new();
                    let mut other = Deflater::new(direction, level);
                    assert!(other.frame(Kind::Binary, &content, &mut again));
                    assert_eq!(frame, again);
                    let head = match frame[1] {
                        126 => 4,
                        127 => 10,
                        _ => 2,
                    };
                    assert!(head <= MAX_HEAD && frame.len() - head <= content.len());
                    assert_eq!(frame[0], 0xC2);
                    receiver.hear(&frame[head..], &content);
                }
            }
            _ => {}
        }
    }
}

struct Receiver {
    ours: Inflater<Vec<u8>>,
    zlib: zlib_rs::Inflate,
    room: usize,
    cuts: Vec<u8>,
}

impl Receiver {
    /// Inflates a message, which must be `said`.
    fn hear(&mut self, message: &[u8], said: &[u8]) {
        let mut out = vec![0; self.room];
        let mut heard = Vec::new();
        let mut over = false;
        let chunks = pieces(message, &self.cuts);
        for (i, chunk) in chunks.iter().enumerate() {
            let mut chunk = chunk.to_vec();
            let mut data = Data {
                kind: Kind::Binary,
                bytes: &mut chunk,
                first: i == 0,
                last: i + 1 == chunks.len(),
            };
            while let Some(piece) = self.ours.inflate(&mut data, &mut out).expect("it is ours") {
                heard.extend_from_slice(piece.bytes);
                over = piece.last;
            }
        }
        assert!(over);
        assert_eq!(heard, said);

        let with_tail = [message, &[0, 0, 0xFF, 0xFF]].concat();
        let mut out = vec![0; said.len() + 1];
        let before = self.zlib.total_out();
        let status = self
            .zlib
            .decompress(&with_tail, &mut out, InflateFlush::SyncFlush);
        status.expect("zlib takes what is ours");
        let len = usize::try_from(self.zlib.total_out() - before).expect("it is small");
        assert_eq!(&out[..len], said);
    }
}
