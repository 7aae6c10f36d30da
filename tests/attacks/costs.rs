//! What each attack costs: who makes it, and the daemon.

use libtest_mimic::Trial;

use campanile_tests::metrics;

use crate::families::{self, FAMILIES};

/// What is measured: connections and bytes are what the attacker pays, processor time what the daemon does.
const SAMPLES: [&str; 3] = [
    "campanile_connections_accepted_total",
    "campanile_received_bytes_total",
    "process_cpu_seconds_total",
];

/// Makes one attack after the other, and prints a table; it proves nothing that others do not.
pub(crate) fn trial() -> Trial {
    Trial::test("what_each_attack_costs", || {
        families::alone(measure);
        Ok(())
    })
    .with_ignored_flag(true)
}

fn measure() {
    let (daemon, admin) = families::daemon(&[]);
    println!("| attack | connections | bytes | processor time |\n| --- | ---: | ---: | ---: |");
    let attacks = FAMILIES.iter().flat_map(|family| family.attacks);
    for (attack, host) in attacks.zip((0_u8..).cycle()) {
        if !attack.is_possible() {
            continue;
        }
        let before = metrics::get(admin, "/metrics");
        attack.run(daemon.address(), host, 1);
        // Each thread shows its numbers at the end of a turn.
        std::thread::sleep(core::time::Duration::from_millis(100));
        let after = metrics::get(admin, "/metrics");
        let [connections, bytes, seconds] = SAMPLES
            .map(|sample| metrics::sample_in(&after, sample) - metrics::sample_in(&before, sample));
        let milliseconds = seconds * 1_000.0;
        println!(
            "| {} | {connections} | {bytes} | {milliseconds:.0} ms |",
            attack.name
        );
    }
}
