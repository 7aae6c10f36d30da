//! Floods: what is cheap to send, without end.

use campanile_tests::{Frame, Wire};

use crate::attack::{Attack, Attacker, End, counter, end, publication};

/// More than any limit on how many may come.
const MANY: usize = 2_000;

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::frames(
        "pings without end",
        |random| {
            let ping = Frame::ping(random.bytes(125)).masked();
            ping.repeat(MANY)
        },
        &[End::Close(1008)],
    )
    .reaches(&["control frames"])
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "pongs without end",
        |_| Frame::pong("").masked().repeat(MANY),
        &[End::Close(1008)],
    )
    .reaches(&["control frames"])
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "fragments of a byte without end",
        |_| {
            let first = Frame::text(" ").unfinished().masked();
            let next = Frame::continuation(" ").unfinished().masked();
            [first, next.repeat(MANY)].concat()
        },
        &[End::Close(1008)],
    )
    .reaches(&["fragments of a message"])
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "empty fragments without end, and pings between them",
        |_| {
            let first = Frame::text("").unfinished().masked();
            let next = Frame::continuation("").unfinished().masked();
            let next = [next.repeat(20), Frame::ping("").masked()].concat();
            [first, next.repeat(MANY / 20)].concat()
        },
        &[End::Close(1008)],
    )
    .reaches(&["fragments of a message"])
    .counted(counter::VIOLATIONS),
    Attack::frames(
        "empty messages without end",
        |_| Frame::text("").masked().repeat(MANY),
        &[End::Close(1008)],
    )
    .reaches(&["messages"])
    .counted(counter::RATE),
    Attack::frames(
        "pings of the application without end",
        |_| Frame::text(r#"{"type":"ping"}"#).masked().repeat(MANY),
        &[End::Close(1008)],
    )
    .reaches(&["messages"])
    .counted(counter::RATE),
    Attack::any(
        "the largest sets, replaced without end",
        |attacker| {
            let mut wire = attacker.open();
            let sets: Vec<_> = (0..4).map(|_| largest_set(attacker)).collect();
            // Faster than the rate even where the daemon is slow.
            let _ = sets.iter().cycle().take(600).all(|set| wire.try_send(set));
            end(&mut wire)
        },
        &[End::Close(1008)],
    )
    .reaches(&["messages"])
    .counted(counter::RATE),
    Attack::any(
        "publications without end",
        |attacker| {
            let mut wire = attacker.open_v1();
            let news = Frame::text(publication(r#"{"package":"attack","page":"nobody"}"#)).masked();
            // Faster than the rate even where the daemon is slow.
            let _ = (0..200).all(|_| wire.try_send(&news.repeat(50)));
            end(&mut wire)
        },
        &[End::Close(1008)],
    )
    .beside()
    .reaches(&["publications of a connection"])
    .counted(counter::RATE),
    Attack::any("any bytes, on many connections", garbage, &[End::CutOff]),
];

/// Almost 64 KiB of subscriptions, all different.
fn largest_set(attacker: &mut Attacker) -> Vec<u8> {
    let subscriptions: Vec<_> = (0..128)
        .map(|page| {
            let values: Vec<_> = (0..18)
                .map(|_| format!("\"{:020}\"", attacker.random.number()))
                .collect();
            format!(
                r#"{{"package":"attack","page":"{page}","filters":{{"values":{{"a":[{}]}}}}}}"#,
                values.join(",")
            )
        })
        .collect();
    let subscriptions = subscriptions.join(",");
    let text = format!(r#"{{"sender":"client","subscriptions":[{subscriptions}]}}"#);
    assert!((60_000..65_536).contains(&text.len()), "{}", text.len());
    Frame::text(text).masked()
}

/// Whatever bytes, which may say anything; every connection is ended by the daemon in some way.
fn garbage(attacker: &mut Attacker) -> End {
    let mut wires: Vec<(Wire, usize)> = (0..20)
        .map(|_| (attacker.open(), 1 + attacker.random.below(4_000)))
        .collect();
    for (wire, length) in &mut wires {
        let bytes = attacker.random.bytes(*length);
        wire.try_send(&bytes);
        wire.stop_sending();
    }
    for (wire, _) in &mut wires {
        end(wire);
    }
    End::CutOff
}
