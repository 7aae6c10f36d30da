//! Each rule that a peer can break, for both roles: the bytes, the violation, the close code.

use super::*;
use crate::wire::OpCode::*;

fn small() -> Config {
    Config {
        max_message: 8,
        max_fragments: 3,
        control_rate: 1,
        control_burst: 2,
        ..Config::new()
    }
}

/// Bytes of a peer of either role, given how that role makes its frames.
type Script = fn(fn(OpCode, bool, &[u8]) -> Vec<u8>) -> Vec<u8>;

#[rustfmt::skip]
const TABLE: [(Script, Violation, u16); 20] = [
    (|f| with_first(0x40, &f(Text, true, b"x")),                      Violation::ReservedBits,           1002),
    (|f| with_first(0x20, &f(Text, true, b"x")),                      Violation::ReservedBits,           1002),
    (|f| with_first(0x10, &f(Ping, true, b"x")),                      Violation::ReservedBits,           1002),
    (|f| with_first(0x03, &f(Continuation, true, b"x")),              Violation::ReservedOpcode,         1002),
    (|f| with_first(0x03, &f(Close, true, b"")),                      Violation::ReservedOpcode,         1002),
    (|f| f(Ping, false, b"x"),                                        Violation::FragmentedControl,      1002),
    (|f| f(Ping, true, &[0; 126]),                                    Violation::OversizedControl,       1002),
    (|f| f(Close, true, &[0; 200]),                                   Violation::OversizedControl,       1002),
    (|f| f(Continuation, true, b"x"),                                 Violation::UnexpectedContinuation, 1002),
    (|f| [f(Text, false, b"x"), f(Binary, true, b"x")].concat(),      Violation::InterleavedMessage,     1002),
    (|f| f(Text, true, b"ok\xff"),                                    Violation::InvalidUtf8,            1007),
    (|f| f(Text, true, b"\xe2\x82"),                                  Violation::InvalidUtf8,            1007),
    (|f| [f(Text, false, b"\xe2"), f(Continuation, true, b"")].concat(), Violation::InvalidUtf8,         1007),
    (|f| f(Text, false, b"\xed\xa0"),                                 Violation::InvalidUtf8,            1007),
    (|f| f(Close, true, b"\x03"),                                     Violation::TruncatedCloseCode,     1002),
    (|f| f(Close, true, b"\x03\xee"),                                 Violation::InvalidCloseCode,       1002),
    (|f| f(Close, true, b"\x03\xe8\xff"),                             Violation::InvalidCloseReason,     1007),
    (|f| [f(Text, false, b"12345"), f(Continuation, true, b"6789")].concat(), Violation::MessageTooBig,  1009),
    (|f| [f(Text, false, b""), f(Continuation, false, b""),
          f(Continuation, false, b""), f(Continuation, true, b"")].concat(), Violation::TooManyFragments, 1008),
    (|f| [f(Pong, true, b""), f(Ping, true, b""), f(Pong, true, b""), f(Ping, true, b"")].concat(),
                                                                      Violation::ControlFlood,           1008),
];

fn with_first(bits: u8, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[0] |= bits;
    frame
}

#[test]
fn each_rule_broken_by_a_client_has_its_violation_and_close_code() {
    for (script, violation, code) in TABLE {
        let mut side = server_with(&small());
        side.receive(&script(masked));
        judge(&mut side, violation, code, plain);
    }
}

#[test]
fn each_rule_broken_by_a_server_has_its_violation_and_close_code() {
    for (script, violation, code) in TABLE {
        let mut side = client_with(&small());
        side.receive(&script(plain));
        judge(&mut side, violation, code, masked);
    }
}

#[test]
fn a_client_must_mask_and_a_server_must_not() {
    let mut side = server();
    side.receive(&plain(Text, true, b"x"));
    judge(&mut side, Violation::Unmasked, 1002, plain);
    let mut side = client_with(&Config::new());
    side.receive(&masked(Text, true, b"x"));
    judge(&mut side, Violation::Masked, 1002, masked);
}

#[test]
fn lengths_must_be_minimal_and_below_two_to_the_sixty_third() {
    let lengths: [(&[u8], Violation); 3] = [
        (&[0x82, 0xFE, 0, 125], Violation::NonMinimalLength),
        (
            &[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            Violation::NonMinimalLength,
        ),
        (&[0x82, 0xFF, 0x80], Violation::LengthTooLarge),
    ];
    for (bytes, violation) in lengths {
        let mut side = server();
        side.receive(bytes);
        judge(&mut side, violation, 1002, plain);
    }
}

/// The violation is the last thing seen, the Close frame is sent once, and then the transport goes.
fn judge<R: Role>(
    side: &mut Side<R>,
    violation: Violation,
    code: u16,
    ours: fn(OpCode, bool, &[u8]) -> Vec<u8>,
) {
    assert_eq!(side.seen().last(), Some(&Seen::Violation(violation)));
    let payload = [&code.to_be_bytes()[..], violation.reason().as_bytes()].concat();
    let told = side.told();
    let end = &told[told.len() - 2..];
    assert_eq!(
        end,
        [
            Told::Bytes(ours(Close, true, &payload)),
            Told::ShutdownWrite
        ],
        "{violation:?}"
    );
    assert_eq!(
        side.conn.closed_by(),
        Some(CloseCause::Violation(violation))
    );
    side.receive(b"whatever else arrives");
    assert_eq!((side.seen(), side.told()), (Vec::new(), Vec::new()));
    side.receive_eof();
    assert_eq!(side.told(), [Told::Disconnect]);
}

#[test]
fn limits_are_met_exactly() {
    let mut side = server_with(&small());
    side.receive(&masked(Text, false, b"1234"))
        .receive(&masked(Continuation, false, b"5678"))
        .receive(&masked(Continuation, true, b""))
        .receive(&masked(Ping, true, b""))
        .receive(&masked(Pong, true, b""))
        .receive(&masked(Pong, true, b""));
    let seen = side.seen();
    assert_eq!((seen.len(), &seen[0]), (4, &text("12345678")));
}

#[test]
fn control_frames_are_allowed_again_as_time_passes() {
    let mut side = server_with(&small());
    for second in 0..20 {
        side.now = Instant::from_millis(second * 1_000);
        side.receive(&masked(Pong, true, b""));
    }
    assert_eq!(side.seen(), vec![Seen::Pong(Vec::new()); 20]);
}

#[test]
fn a_huge_length_is_refused_from_the_head_alone() {
    let mut side = server();
    let mut bytes = vec![0x82, 0xFF];
    bytes.extend((u64::MAX >> 1).to_be_bytes());
    bytes.extend(KEY);
    side.receive(&bytes);
    judge(&mut side, Violation::MessageTooBig, 1009, plain);
}
