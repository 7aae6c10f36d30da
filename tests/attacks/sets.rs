//! Subscriptions that are meant to cost the index, and texts that are meant to cost the parser.

use crate::attack::{Attack, End, Random, counter, next_error};

/// What the index allows of shapes (sets of constrained keys) in a package and page.
const SHAPES: usize = campanile_core::hub::IndexLimits::SHAPES;

/// More threads than serve on the machines that run the tests, one of which has more shapes than its own
/// share then.
const MOST_THREADS: usize = 40;

pub(crate) static ATTACKS: &[Attack] = &[
    Attack::message(
        "a subscription too many",
        |_| client(&vec![subscription("p", "null"); 129]),
        &[End::Error("too_many_subscriptions")],
    )
    .reaches(&["subscriptions of a connection"])
    .counted(counter::SUBSCRIPTIONS),
    Attack::message(
        "a value too many",
        |random| client(&[subscription("p", &numbers(random, 1_025))]),
        &[End::Error("invalid_subscription")],
    )
    .reaches(&["values of a subscription or notification"])
    .counted(counter::OTHER),
    Attack::message(
        "a key too many",
        |_| {
            let keys: Vec<_> = (0..65).map(|key| format!("\"{key}\":1")).collect();
            client(&[subscription("p", &format!("{{{}}}", keys.join(",")))])
        },
        &[End::Error("invalid_subscription")],
    )
    .reaches(&["keys of a subscription; of a notification"])
    .counted(counter::OTHER),
    Attack::any(
        "as many shapes as there may be, and more",
        |attacker| {
            // As many as the index of each thread has; from then on they are verified one by one, for
            // which a set has steps.
            let mut crowd = Vec::new();
            for member in 0..MOST_THREADS * (SHAPES / 128) {
                let set: Vec<_> = (0..128)
                    .map(|key| {
                        let values = format!(r#"{{"key {member} {key}":[1,2],"other":[1,2]}}"#);
                        subscription("shapes", &values)
                    })
                    .collect();
                let mut wire = attacker.open();
                wire.send_text(&client(&set));
                let end = next_error(&mut wire);
                if end != End::Served {
                    return end;
                }
                crowd.push(wire);
            }
            End::Served
        },
        &[End::Error("too_many_subscriptions")],
    )
    .reaches(&["steps to verify the subscriptions of a connection"])
    .counted(counter::SUBSCRIPTIONS),
    Attack::message(
        "lists that multiply beyond what is expanded",
        |random| {
            let values = format!(
                r#"{{"a":{},"b":{},"c":{}}}"#,
                numbers(random, 60),
                numbers(random, 60),
                numbers(random, 60)
            );
            client(&vec![subscription("wide", &values); 16])
        },
        &[End::Error("too_many_subscriptions")],
    )
    .reaches(&["steps to verify the subscriptions of a connection"])
    .counted(counter::SUBSCRIPTIONS),
    Attack::any(
        "as many packages and pages as there may be",
        |attacker| {
            let mut crowd = Vec::new();
            for _ in 0..10 {
                let page = |_| subscription(&attacker.random.number().to_string(), "null");
                let set: Vec<_> = (0..128).map(page).collect();
                let mut wire = attacker.open();
                wire.send_text(&client(&set));
                let end = next_error(&mut wire);
                if end != End::Served {
                    return end;
                }
                crowd.push(wire);
            }
            End::Served
        },
        &[End::Served],
    ),
    Attack::message(
        "values whose hashes collide where these have no secret key",
        |_| client(&[subscription("collisions", &collisions())]),
        // What that costs is counted by `values_that_collide_without_a_key_do_not_with_one`.
        &[End::Served],
    ),
    Attack::message(
        "brackets ten thousand deep",
        |_| format!(r#"{{"sender":"client","x":{}"#, "[".repeat(10_000)),
        &[End::Error("invalid_json")],
    )
    .reaches(&["depth of JSON"])
    .counted(counter::OTHER),
    Attack::message(
        "a number of fifty thousand digits",
        |_| client(&[subscription("p", &"7".repeat(50_000))]),
        &[End::Error("invalid_subscription")],
    )
    .counted(counter::OTHER),
    Attack::message(
        "a number with an exponent beyond everything",
        |_| client(&[subscription("p", "1e999999999999999999")]),
        &[End::Error("invalid_subscription")],
    )
    .counted(counter::OTHER),
    Attack::message(
        "the same member thousands of times",
        |_| {
            format!(
                r#"{{"sender":"client",{}"subscriptions":[]}}"#,
                r#""subscriptions":7,"#.repeat(3_000)
            )
        },
        // The last one counts.
        &[End::Served],
    ),
    Attack::message(
        "a text that is nothing but escapes",
        |_| {
            let text = format!("\"{}\"", "\\u0041".repeat(10_000));
            client(&[subscription("p", &text)])
        },
        &[End::Served],
    ),
    Attack::message(
        "escapes of half characters",
        |_| client(&[subscription("p", &format!("\"{}\"", "\\ud800".repeat(100)))]),
        &[End::Error("invalid_subscription")],
    )
    .counted(counter::OTHER),
    Attack::message(
        "a text without an end",
        |_| format!(r#"{{"sender":"client","{}"#, "\\\"".repeat(30_000)),
        &[End::Error("invalid_json")],
    )
    .counted(counter::OTHER),
];

fn client(subscriptions: &[String]) -> String {
    format!(
        r#"{{"sender":"client","subscriptions":[{}]}}"#,
        subscriptions.join(",")
    )
}

fn subscription(page: &str, values: &str) -> String {
    format!(r#"{{"package":"attack","page":"{page}","filters":{{"values":{values}}}}}"#)
}

fn numbers(random: &mut Random, count: usize) -> String {
    let numbers: Vec<_> = (0..count).map(|_| random.number().to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// A thousand texts with the same hash where it is that of C's old `hash * 33 + byte`.
fn collisions() -> String {
    let texts: Vec<_> = (0..1_000_u32)
        .map(|number| {
            let pair = |bit: u32| if number >> bit & 1 == 0 { "Ez" } else { "FY" };
            format!("\"{}\"", (0..10).map(pair).collect::<String>())
        })
        .collect();
    format!("[{}]", texts.join(","))
}
