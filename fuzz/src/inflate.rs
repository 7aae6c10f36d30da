//! Any bytes as compressed messages: within the bounds, the same however they are cut, and the same
//! as zlib says.

use campanile_core::{
    conn::{Config, Data, Violation},
    deflate::{Direction, Fault, Inflater, RATIO_FREE, Settings, WindowBits},
    wire::Kind,
};
use zlib_rs::{InflateFlush, Status};

use crate::script::{Script, pieces};

/// Format: a byte of choices (three bits of window, takeover, text, a small limit, another ratio), a
/// byte of limit, one of ratio, one of room, a chunk of cuts; then messages, each but the last one a
/// chunk.
pub fn inflate(data: &[u8]) {
    let mut script = Script::new(data);
    let choices = script.byte();
    let window = WindowBits::new(8 + (choices & 7)).expect("8 to 15");
    let direction = Direction {
        window,
        takeover: choices & 0x08 != 0,
    };
    let kind = if choices & 0x10 != 0 {
        Kind::Text
    } else {
        Kind::Binary
    };
    let (limit, ratio) = (script.byte(), script.byte());
    let config = Config {
        max_message: match choices & 0x20 {
            0 => 1 << 20,
            _ => u64::from(limit) * 64,
        },
        ..Config::new()
    };
    let settings = Settings {
        max_ratio: match choices & 0x40 {
            0 => u32::MAX,
            _ => u32::from(ratio),
        },
        ..Settings::server()
    };
    let room = usize::from(script.byte()).max(1);
    let cuts = script.chunk();
    let mut messages = Vec::new();
    if choices & 0x80 != 0 {
        messages.push(script.chunk());
    }
    messages.push(script.rest());

    let run = |cuts: &dyn Fn(&[u8]) -> Vec<u8>, room: usize| -> Vec<Inflated> {
        let mut inflater = Inflater::on_heap(direction, &settings, &config);
        let mut results = Vec::new();
        for message in &messages {
            let result = one(&mut inflater, kind, &pieces(message, &cuts(message)), room);
            let broken = result.1.is_some();
            results.push(result);
            if broken {
                break;
            }
        }
        results
    };
    let whole = run(&|_| Vec::new(), 1 << 16);
    assert_eq!(run(&|_| cuts.to_vec(), room), whole);
    assert_eq!(run(&|message| vec![1; message.len()], 1 << 16), whole);

    for ((bytes, violation), message) in whole.iter().zip(&messages) {
        let most = (message.len() as u64).saturating_mul(u64::from(settings.max_ratio.max(1)));
        let most = most.saturating_add(RATIO_FREE).min(config.max_message);
        assert!(
            bytes.len() as u64 <= most,
            "{} of {most} bytes",
            bytes.len()
        );
        match violation {
            Some(Violation::MessageTooBig) => {
                assert_eq!(bytes.len() as u64, config.max_message);
            }
            Some(Violation::InvalidUtf8) => assert_eq!(kind, Kind::Text),
            None if kind == Kind::Text => assert!(str::from_utf8(bytes).is_ok()),
            _ => {}
        }
    }
    if kind == Kind::Binary {
        against_zlib(direction, &messages, &whole);
    }
}

/// What is handed out, and the rule that is broken behind it.
type Inflated = (Vec<u8>, Option<Violation>);

fn one(inflater: &mut Inflater<Vec<u8>>, kind: Kind, chunks: &[&[u8]], room: usize) -> Inflated {
    let mut out = vec![0; room];
    let mut bytes = Vec::new();
    let mut over = false;
    for (i, chunk) in chunks.iter().enumerate() {
        let mut chunk = chunk.to_vec();
        let mut data = Data {
            kind,
            bytes: &mut chunk,
            first: i == 0,
            last: i + 1 == chunks.len(),
        };
        loop {
            match inflater.inflate(&mut data, &mut out) {
                Ok(Some(piece)) => {
                    assert!(!over, "a piece behind the last one");
                    assert_eq!(piece.first, bytes.is_empty());
                    over = piece.last;
                    bytes.extend_from_slice(piece.bytes);
                }
                Ok(None) => break,
                Err(violation) => return (bytes, Some(violation)),
            }
        }
        assert!(data.bytes.is_empty(), "bytes are left");
    }
    assert!(over, "a message without an end");
    (bytes, None)
}

/// zlib agrees on what is DEFLATE, and on what it says. It knows no bounds, and not where a message
/// must end; a distance beyond our window it takes, if its own memory has the bytes.
fn against_zlib(direction: Direction, messages: &[&[u8]], ours: &[Inflated]) {
    for (message, (bytes, violation)) in messages.iter().zip(ours) {
        if direction.takeover && messages.len() > 1 {
            return;
        }
        let mut zlib = zlib_rs::Inflate::new(false, 15);
        let mut rest = *message;
        let mut by_zlib = Vec::new();
        let mut out = [0; 4096];
        let is_deflate = loop {
            let (read, written) = (zlib.total_in(), zlib.total_out());
            let status = zlib.decompress(rest, &mut out, InflateFlush::NoFlush);
            let read = usize::try_from(zlib.total_in() - read).expect("it is small");
            let written = usize::try_from(zlib.total_out() - written).expect("it is small");
            rest = &rest[read..];
            by_zlib.extend_from_slice(&out[..written]);
            match status {
                // Behind the end of a stream there is another one, which zlib does not do by itself.
                Ok(Status::StreamEnd) => return,
                Err(_) => break false,
                Ok(_) if read == 0 && written == 0 => break true,
                Ok(_) if by_zlib.len() > 1 << 21 => break true,
                Ok(_) => {}
            }
        };
        match violation {
            None => {
                assert!(is_deflate, "zlib refuses it");
                assert_eq!(*bytes, by_zlib);
            }
            Some(Violation::Deflate(Fault::Malformed)) => {
                assert!(by_zlib.starts_with(bytes) || bytes.starts_with(&by_zlib));
            }
            Some(_) => assert!(by_zlib.starts_with(bytes)),
        }
    }
}
