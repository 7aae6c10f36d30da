//! Our ways from a payload to a frame, and the floor under everyone's.

use core::hint::black_box;
use std::io::{IoSlice, Write};

use campanile_core::{
    Instant,
    conn::{Client, Config, Connection, Role, Server},
    wire::{Kind, MAX_HEAD},
};
use campanile_std::{HashedMasks, Stream};

use super::{Case, frame_head};
use crate::{Pieces, mask_into};

/// No pings: the clock stands still.
const CONFIG: Config = Config {
    ping_interval: None,
    ..Config::new()
};

fn masks() -> Client<HashedMasks> {
    Client(HashedMasks::new())
}

pub(super) fn core_server(case: &Case, out: &mut Pieces<'_>) {
    core(Server, case, out);
}

pub(super) fn core_client(case: &Case, out: &mut Pieces<'_>) {
    core(masks(), case, out);
}

/// The core, frames encoded into a buffer.
fn core<R: Role>(role: R, case: &Case, out: &mut Pieces<'_>) {
    let mut connection = Connection::new(role, &CONFIG, Instant::ZERO);
    let mut buffer = vec![0; case.payload.len() + MAX_HEAD];
    for _ in 0..case.messages {
        let frame = connection.encode(Kind::Binary, case.payload(), true, &mut buffer);
        out.write_all(frame.expect("it fits"))
            .expect("it is in memory");
    }
}

/// The core, heads beside a payload that stays where it is.
pub(super) fn core_head_server(case: &Case, out: &mut Pieces<'_>) {
    let mut connection = Connection::new(Server, &CONFIG, Instant::ZERO);
    for _ in 0..case.messages {
        let payload = case.payload();
        let head = connection.head(Kind::Binary, payload.len() as u64, true);
        write_both(head.expect("it is open").as_bytes(), payload, out);
    }
}

/// The core, heads beside a payload that is masked where it is.
pub(super) fn core_head_client(case: &Case, out: &mut Pieces<'_>) {
    let mut connection = Connection::new(masks(), &CONFIG, Instant::ZERO);
    let mut payload = case.scratch.borrow_mut();
    for _ in 0..case.messages {
        let payload = black_box(payload.as_mut_slice());
        let head = connection.head(Kind::Binary, payload, true);
        write_both(head.expect("it is open").as_bytes(), payload, out);
    }
}

fn write_both(head: &[u8], payload: &[u8], out: &mut Pieces<'_>) {
    let parts = [IoSlice::new(head), IoSlice::new(payload)];
    let count = out.write_vectored(&parts).expect("it is in memory");
    assert_eq!(count, head.len() + payload.len());
}

pub(super) fn std_server(case: &Case, out: &mut Pieces<'_>) {
    std(Server, case, out);
}

pub(super) fn std_client(case: &Case, out: &mut Pieces<'_>) {
    std(masks(), case, out);
}

/// The blocking runtime on top of the core.
fn std<R: Role>(role: R, case: &Case, out: &mut Pieces<'_>) {
    let mut stream = Stream::new(out, role, &CONFIG, &[]);
    for _ in 0..case.messages {
        stream
            .send(Kind::Binary, case.payload())
            .expect("it is open");
        stream.flush().expect("it is in memory");
    }
}

/// What nobody can save who keeps the payload as it is: it is copied once, behind a head that is
/// there already.
pub(super) fn floor_server(case: &Case, out: &mut Pieces<'_>) {
    let (mut frame, head) = framed(case, None);
    for _ in 0..case.messages {
        frame[head..].copy_from_slice(case.payload());
        out.write_all(&frame).expect("it is in memory");
    }
}

/// The same, masked on the way with a key that costs nothing.
pub(super) fn floor_client(case: &Case, out: &mut Pieces<'_>) {
    let key = [0x5E, 0xED, 0xF0, 0x0D];
    let (mut frame, head) = framed(case, Some(key));
    for _ in 0..case.messages {
        mask_into(key, case.payload(), &mut frame[head..]);
        out.write_all(&frame).expect("it is in memory");
    }
}

/// A frame whose payload is still missing, and the length of its head.
fn framed(case: &Case, key: Option<[u8; 4]>) -> (Vec<u8>, usize) {
    let mut frame = frame_head(case.payload.len());
    if let Some(key) = key {
        frame[1] |= 0x80;
        frame.extend(key);
    }
    let head = frame.len();
    frame.resize(head + case.payload.len(), 0);
    (frame, head)
}
