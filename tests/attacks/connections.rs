//! Connections that come and go, or come only.

use campanile_tests::{Frame, Wire};

use crate::{
    attack::{Attack, Attacker, End, counter, end, status},
    families::PER_ADDRESS,
};

/// As many as come and go in one attack.
const MANY: usize = 200;

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::any(
        "connections that are reset at once",
        |attacker| {
            for _ in 0..MANY {
                attacker.connect().reset();
            }
            is_served(attacker)
        },
        &[End::Served],
    )
    .beside(),
    Attack::any(
        "connections that are reset in their opening handshake",
        |attacker| {
            for _ in 0..MANY {
                let mut wire = attacker.connect();
                wire.try_send(b"GET / HTTP/1.1\r\nHost: h\r\n");
                wire.reset();
            }
            is_served(attacker)
        },
        &[End::Served],
    )
    .beside()
    .counted(counter::LOST),
    Attack::any(
        "connections that are reset in the middle of a frame",
        |attacker| {
            let half = Frame::text("x".repeat(100)).masked();
            for _ in 0..MANY / 4 {
                let mut wire = attacker.open();
                wire.try_send(&half[..50]);
                wire.reset();
            }
            is_served(attacker)
        },
        &[End::Served],
    )
    .beside()
    .counted(counter::GONE),
    Attack::any(
        "subscribers that come and go without a word",
        |attacker| {
            for _ in 0..MANY / 4 {
                let mut wire = attacker.open();
                wire.subscribe(r#"[{"package":"attack","page":"come and go"}]"#);
            }
            is_served(attacker)
        },
        &[End::Served],
    )
    .beside()
    .counted(counter::GONE),
    Attack::any(
        "half of a connection, before its opening handshake",
        |attacker| {
            let mut wire = attacker.connect();
            wire.finish_sending();
            status(&mut wire)
        },
        &[End::CutOff],
    )
    .counted(counter::LOST),
    Attack::any(
        "half of a connection, after its opening handshake",
        |attacker| {
            let mut wire = attacker.open();
            wire.finish_sending();
            end(&mut wire)
        },
        &[End::CutOff],
    )
    .counted(counter::GONE),
    Attack::any(
        "more connections from an address than there may be",
        crowd,
        &[End::Status(429)],
    )
    .afar()
    .reaches(&[
        "connections from one address",
        "declined connections that read why",
    ])
    .counted(counter::PER_ADDRESS),
];

fn is_served(attacker: &Attacker) -> End {
    attacker.open().synchronise();
    End::Served
}

/// Takes all the places of an address, and more of those where one is told that there are no more.
fn crowd(attacker: &mut Attacker) -> End {
    let ask = || {
        let mut wire = attacker.connect();
        wire.try_send(Wire::handshake(attacker.daemon).as_bytes());
        status(&mut wire)
    };
    let all: Vec<_> = (0..PER_ADDRESS).map(|_| attacker.open()).collect();
    let is_dropped_at_once = (0..5).any(|_| {
        // These would be told why, for as long as an opening handshake may take, and do not listen.
        let _declined: Vec<_> = (0..PER_ADDRESS).map(|_| attacker.connect()).collect();
        ask() == End::CutOff
    });
    assert!(is_dropped_at_once, "not so many are told");
    let told = loop {
        let told = ask();
        if told != End::CutOff {
            break told;
        }
    };
    drop(all);
    // There is room again when they are forgotten.
    while ready(attacker) != End::Status(200) {}
    told
}

fn ready(attacker: &Attacker) -> End {
    let mut wire = attacker.connect();
    wire.try_send(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    status(&mut wire)
}
