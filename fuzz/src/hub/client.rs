//! What a client of the hubs asks for, and how it reads what it is told.

use std::collections::VecDeque;

use campanile_core::{
    conn::{Config, Data},
    deflate::{Agreed, Inflater, Settings, WindowBits},
    handshake::{DEFAULT_HEADERS, EMPTY_HEADER, Limits, ServerHandshake, Status},
    wire::Kind,
};

/// What a client wants of compression.
pub(super) fn client_settings(choices: u8) -> Settings {
    let window = WindowBits::new(8 + (choices >> 4 & 7)).expect("8 to 15");
    Settings {
        send_window: window,
        receive_window: window,
        send_takeover: choices & 8 != 0,
        max_ratio: u32::MAX,
        ..Settings::client()
    }
}

/// What a server with these settings agrees on with a client that asks like this.
pub(super) fn answer(settings: &Settings, request: &[u8]) -> Option<Agreed> {
    let mut headers = [EMPTY_HEADER; DEFAULT_HEADERS];
    match ServerHandshake::new(Limits::DEFAULT).receive(request, &mut headers) {
        Ok(Status::Complete { value, .. }) => settings.answer(value.extensions()),
        _ => panic!("it is a request"),
    }
}

/// A whole compressed message, inflated.
fn inflate(inflater: &mut Inflater<Vec<u8>>, payload: &[u8]) -> Vec<u8> {
    let mut data = Data {
        kind: Kind::Text,
        bytes: &mut payload.to_vec(),
        first: true,
        last: true,
    };
    let (mut message, mut out) = (Vec::new(), [0; 512]);
    loop {
        let piece = inflater.inflate(&mut data, &mut out);
        let piece = piece.expect("it is what the client can inflate");
        let piece = piece.expect("it ends");
        message.extend_from_slice(piece.bytes);
        if piece.last {
            return message;
        }
    }
}

/// The frames behind the response, read naively; of one that is cut off, nothing.
pub(super) fn read_stream(bytes: &[u8], agreed: Option<Agreed>) -> VecDeque<(u8, Vec<u8>)> {
    let mut frames = VecDeque::new();
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return frames;
    };
    assert!(bytes.starts_with(b"HTTP/1.1 101 "));
    let head = String::from_utf8_lossy(&bytes[..end]);
    let answer = head.split_once("Sec-WebSocket-Extensions: ");
    let answer = answer.and_then(|(_, answer)| answer.lines().next());
    let expected = agreed.map(|agreed| agreed.response());
    assert_eq!(answer, expected.as_deref());
    let settings = client_settings(0);
    let mut inflater =
        agreed.map(|agreed| Inflater::on_heap(agreed.server, &settings, &Config::new()));
    let mut rest = &bytes[end + 4..];
    while let [first, second, behind @ ..] = rest {
        assert_eq!(first & 0xB0, 0x80, "a hub does not fragment");
        let (len, behind) = match (second, behind) {
            (0..126, behind) => (usize::from(*second), behind),
            (126, [high, low, behind @ ..]) => {
                (usize::from(u16::from_be_bytes([*high, *low])), behind)
            }
            (126, _) => break,
            _ => panic!("it is masked, or longer than anything here"),
        };
        let Some((payload, behind)) = behind.split_at_checked(len) else {
            break;
        };
        let payload = match (first & 0x40, &mut inflater) {
            (0, _) => payload.to_vec(),
            (_, Some(inflater)) => inflate(inflater, payload),
            (_, None) => panic!("nothing was agreed on"),
        };
        frames.push_back((first & 15, payload));
        rest = behind;
    }
    frames
}
