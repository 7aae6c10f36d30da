//! A server for one client at a time, on a serial line: the opening handshake, the connection with
//! its timers, and subscriptions with the notifications that match them. It allocates nothing.
//!
//! It says no in few words: what a refusal says to a person (`handshake::reject`, `notify::Reply`) is
//! more text than a small device has room for.
#![no_std]
#![no_main]

use campanile_core::{
    Instant,
    conn::{Assembler, Config, Connection, Event, Input, MAX_LEFTOVER, Server, Transmit},
    handshake::{self, EMPTY_HEADER, ServerHandshake, Status},
    notify::{self, Message, matches, parse},
    wire::{CloseCode, Kind, MAX_CONTROL},
};
use campanile_footprint::Board;
use cortex_m_rt::entry;

/// The longest message in bytes.
const MESSAGE: usize = 1024;
/// Header fields of a request.
const HEADERS: usize = 24;

/// The answer to whatever is no opening handshake (RFC 6455, section 4.4).
const NO: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\
    Connection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n";

/// What the caller sets aside for a client, its own choice all of it.
struct Buffers {
    input: [u8; MESSAGE + MAX_LEFTOVER],
    message: Assembler<heapless::Vec<u8, MESSAGE>>,
    /// The message with the subscriptions that hold.
    wishes: heapless::Vec<u8, MESSAGE>,
    output: [u8; MESSAGE + 4],
}

#[entry]
fn main() -> ! {
    static mut BUFFERS: Buffers = Buffers {
        input: [0; MESSAGE + MAX_LEFTOVER],
        message: Assembler::new(heapless::Vec::new()),
        wishes: heapless::Vec::new(),
        output: [0; MESSAGE + 4],
    };
    if let Some(mut board) = Board::take() {
        loop {
            BUFFERS.wishes.clear();
            if let Some(behind) = open(&mut board, BUFFERS) {
                serve(&mut board, BUFFERS, behind);
            }
            #[cfg(feature = "report")]
            report();
        }
    }
    loop {}
}

/// The opening handshake; answers how many bytes behind it are at the front of the input.
fn open(board: &mut Board, buffers: &mut Buffers) -> Option<usize> {
    let limits = handshake::Limits {
        head_bytes: MESSAGE,
    };
    let mut handshake = ServerHandshake::new(limits);
    let mut filled = 0;
    loop {
        filled += board.read(buffers.input.get_mut(filled..)?);
        let mut headers = [EMPTY_HEADER; HEADERS];
        match handshake.receive(buffers.input.get(..filled)?, &mut headers) {
            Ok(Status::Partial) => {}
            Ok(Status::Complete { value, consumed }) => {
                let reply = handshake::Reply::default();
                board.write(handshake::accept(&value, &reply, &mut buffers.output).ok()?);
                return keep(&mut buffers.input, consumed, filled);
            }
            Err(_) => {
                board.write(NO);
                return None;
            }
        }
    }
}

/// Moves what is unread to the front, and answers how much that is.
fn keep(input: &mut [u8], consumed: usize, filled: usize) -> Option<usize> {
    let left = filled.checked_sub(consumed)?;
    for at in 0..left {
        *input.get_mut(at)? = *input.get(at.checked_add(consumed)?)?;
    }
    Some(left)
}

/// The connection, to its end.
fn serve(board: &mut Board, buffers: &mut Buffers, behind: usize) -> Option<()> {
    let now = |board: &Board| Instant::from_millis(u64::from(board.millis()));
    let config = Config {
        max_message: MESSAGE as u64,
        ..Config::new()
    };
    let mut connection = Connection::new(Server, &config, now(board));
    let mut scratch = [0; MAX_CONTROL];
    let mut filled = behind;
    loop {
        if connection
            .poll_timeout()
            .is_some_and(|due| due <= now(board))
        {
            connection.handle_timeout(now(board));
        }
        let mut input = Input::new(buffers.input.get_mut(..filled)?);
        loop {
            let event = connection.receive(&mut input, now(board));
            let done = !matches!(event, Ok(Some(_)));
            if let Ok(Some(Event::Data(data))) = event
                && let Ok(Some(message)) = buffers.message.push(data)
            {
                let answer = match message.kind {
                    Kind::Text => hear(message.bytes, &mut buffers.wishes),
                    Kind::Binary => Err(CloseCode::UNSUPPORTED_DATA),
                };
                let sent = match answer {
                    Ok(None) => Ok(&[][..]),
                    Ok(Some(text)) => connection
                        .encode(Kind::Text, text, true, &mut buffers.output)
                        .map(|frame| &*frame),
                    Err(code) => connection.close(code, "", &mut scratch, now(board)),
                };
                board.write(sent.unwrap_or_default());
            }
            while let Some(transmit) = connection.poll_transmit(&mut input, &mut scratch) {
                match transmit {
                    Transmit::Bytes(bytes) => board.write(bytes),
                    Transmit::ShutdownWrite => connection.receive_eof(now(board)), // no such thing here
                    Transmit::Disconnect => return Some(()),
                }
            }
            if done {
                break;
            }
        }
        let consumed = input.consumed();
        filled = keep(&mut buffers.input, consumed, filled)?;
        filled += board.read(buffers.input.get_mut(filled..)?);
    }
}

/// What a message is answered with: nothing, a pong, itself where it is a notification that the
/// client wants to hear, or the end of the connection.
fn hear<'a>(
    text: &'a [u8],
    wishes: &mut heapless::Vec<u8, MESSAGE>,
) -> Result<Option<&'a [u8]>, CloseCode> {
    let limits = notify::Limits::default();
    match parse(text, &limits) {
        Ok(Message::Client(client)) => {
            if client.subscriptions().is_some() {
                wishes.clear();
                let kept = wishes.extend_from_slice(text);
                kept.map_err(|_| CloseCode::MESSAGE_TOO_BIG)?;
            }
            Ok(None)
        }
        Ok(Message::Publication(notification)) => {
            let Ok(Message::Client(client)) = parse(wishes, &limits) else {
                return Ok(None);
            };
            let mut subscriptions = client.subscriptions().into_iter().flatten();
            let wanted = subscriptions.any(|subscription| matches(&subscription, &notification));
            Ok(wanted.then_some(text))
        }
        Ok(_) => Ok(Some(br#"{"type":"pong"}"#)),
        Err(_) => Err(CloseCode::POLICY_VIOLATION),
    }
}

/// Says how deep the stack was and how large things are, and leaves the emulator.
#[cfg(feature = "report")]
fn report() -> ! {
    use campanile_core::notify::Subscriptions;
    use cortex_m_semihosting::{debug, hprintln};

    unsafe extern "C" {
        static mut _stack_end: u32;
        static mut _stack_start: u32;
    }
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let mut deepest = end;
    // SAFETY: this is the memory of the stack, which the start-up code has painted; what it has not
    // been used for since is still as it was.
    while deepest < start && unsafe { deepest.read_volatile() } == cortex_m_rt::STACK_PAINT_VALUE {
        deepest = deepest.wrapping_add(1);
    }
    hprintln!("stack {}", start.addr().wrapping_sub(deepest.addr()));
    hprintln!("connection {}", size_of::<Connection<Server>>());
    hprintln!("handshake {}", size_of::<ServerHandshake>());
    hprintln!("subscriptions {}", size_of::<Subscriptions<'_>>());
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}
