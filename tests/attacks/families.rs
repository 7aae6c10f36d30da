//! The families of attacks, each against a daemon of its own that serves somebody else meanwhile.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use campanile_tests::{Daemon, PATIENCE, Wire, metrics};
use core::net::SocketAddr;
use libtest_mimic::Trial;

use crate::{
    attack::{Attack, SMUGGLED, publication},
    bytes, compressed, connections, floods, publishing, requests, sets, slow,
};

/// Attacks of a kind.
pub(crate) struct Family {
    /// What the trial is called.
    pub(crate) name: &'static str,
    pub(crate) attacks: &'static [Attack],
}

/// All of them; the one that takes longest is the first.
pub(crate) static FAMILIES: &[Family] = &[
    Family {
        name: "who_is_slow_in_any_phase_is_cut_off",
        attacks: slow::ATTACKS,
    },
    Family {
        name: "floods_are_closed",
        attacks: floods::ATTACKS,
    },
    Family {
        name: "sets_of_subscriptions_are_bounded",
        attacks: sets::ATTACKS,
    },
    Family {
        name: "bytes_and_texts_that_are_no_messages_are_refused",
        attacks: bytes::ATTACKS,
    },
    Family {
        name: "bombs_are_defused",
        attacks: compressed::ATTACKS,
    },
    Family {
        name: "requests_that_hide_others_are_refused",
        attacks: requests::ATTACKS,
    },
    Family {
        name: "who_may_not_publish_does_not",
        attacks: publishing::ATTACKS,
    },
    Family {
        name: "connections_that_come_and_go_leave_room",
        attacks: connections::ATTACKS,
    },
];

/// The most connections that there may be from an address.
pub(crate) const PER_ADDRESS: usize = 100;

/// Publications a second: several times what the well-behaved publisher needs.
pub(crate) const PUBLICATIONS: usize = 150;

/// How much the rate of the daemon under attack lets into its log of each event, in a second.
pub(crate) const LOG_RATE: usize = 100;

/// A daemon with its admin address, with as short times as well-behaved clients bear, and `arguments`.
pub(crate) fn daemon(arguments: &[String]) -> (Daemon, SocketAddr) {
    let [per_address, publications, log_rate] =
        [PER_ADDRESS, PUBLICATIONS, LOG_RATE].map(|number| number.to_string());
    let mut command = Daemon::command(&[
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--compression",
        "on",
        "--handshake-time",
        "3",
        "--ping-interval",
        "5",
        "--pong-timeout",
        "5",
        "--max-connections-per-address",
        &per_address,
        "--publications-per-second",
        &publications,
        "--log-rate",
        &log_rate,
    ]);
    let daemon = Daemon::from_command(command.args(arguments));
    let admin = daemon.admin_address();
    (daemon, admin)
}

/// Who does much at a time does it alone.
static MACHINE: Mutex<()> = Mutex::new(());

/// Runs `work`, and nothing else that does much meanwhile.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
    let _one = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

pub(crate) fn trial(family: &'static Family) -> Trial {
    Trial::test(family.name, move || {
        if family.attacks.iter().any(|attack| attack.is_slow) {
            run(family);
        } else {
            alone(|| run(family));
        }
        Ok(())
    })
}

/// Every attack of a family at once, each from a host of its own.
fn run(family: &Family) {
    let (daemon, admin) = daemon(&[]);
    let address = daemon.address();
    const LAST: &str = r#"{"package":"attack","page":"last"}"#;
    let last = publication(LAST);
    let mut bystander = daemon.subscriber(&format!("[{SMUGGLED},{LAST}]"));
    let before = metrics::get(admin, "/metrics");
    let mut made = Made::default();
    let mut failures = Vec::new();
    thread::scope(|threads| {
        // It hears nothing of all this, and answers when it is asked whether it lives.
        let listening = threads.spawn(|| bystander.expect_text(&last));
        let running: Vec<_> = (0_u8..)
            .zip(family.attacks)
            .filter(|(_, attack)| attack.is_possible())
            .map(|(host, attack)| {
                let run = move || attempt(attack, address, host, u64::from(host));
                (attack, threads.spawn(run))
            })
            .collect();
        for (attack, thread) in running {
            match thread.join().expect("it catches its panics") {
                Ok(()) => made.count(attack),
                Err(failure) => failures.push(failure),
            }
        }
        daemon.publish(&last);
        listening.join().expect("it hears that and nothing else");
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    made.expect_counted(admin, &before);
}

/// Makes an attack; why it did not end as it must.
pub(crate) fn attempt(
    attack: &Attack,
    daemon: SocketAddr,
    host: u8,
    seed: u64,
) -> Result<(), String> {
    let run = AssertUnwindSafe(|| attack.run(daemon, host, seed));
    catch_unwind(run).map(drop).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_default();
        format!("“{}”, seed {seed}: {text}", attack.name)
    })
}

/// How many attacks were made that a sample counts.
#[derive(Debug, Default)]
pub(crate) struct Made(BTreeMap<&'static str, u32>);

impl Made {
    pub(crate) fn count(&mut self, attack: &Attack) {
        if let Some(sample) = attack.counted {
            *self.0.entry(sample).or_default() += 1;
        }
    }

    /// Waits until the metrics have counted each of them since the page `before`.
    pub(crate) fn expect_counted(&self, admin: SocketAddr, before: &str) {
        let start = Instant::now();
        loop {
            let now = metrics::get(admin, "/metrics");
            let missing: Vec<_> = (self.0.iter())
                .map(|(sample, made)| {
                    let counted =
                        metrics::sample_in(&now, sample) - metrics::sample_in(before, sample);
                    (*sample, *made, counted)
                })
                .filter(|(_, made, counted)| *counted < f64::from(*made))
                .collect();
            if missing.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "sample, attacks made, and counted: {missing:?}"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A client of the daemon from elsewhere, whose set this is.
pub(crate) fn subscriber(daemon: SocketAddr, host: u8, set: &str) -> Wire {
    let mut wire = Wire::connect_from(crate::network::host(host), daemon);
    wire.send(Wire::handshake(daemon).as_bytes());
    wire.expect_upgrade();
    wire.subscribe(set);
    wire
}
