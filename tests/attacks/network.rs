//! A network namespace of the tests' own, where this machine has addresses beside the loopback ones: to
//! the daemon, who comes from these is not on its machine.

use std::{
    env,
    net::{IpAddr, Ipv4Addr},
    os::unix::process::CommandExt as _,
    process::Command,
};

use campanile_tests::{Daemon, tools};

/// Set where this program has gone into its namespace.
const INSIDE: &str = "CAMPANILE_ATTACKS_INSIDE";

/// How many addresses there are.
pub(crate) const HOSTS: u8 = 100;

/// Starts this program again in a namespace of its own, which does not return; returns where there is
/// one already, or none to be had.
pub(crate) fn enter() {
    if is_inside() {
        return;
    }
    let script = format!(
        "ip link set lo up && for host in $(seq 1 {HOSTS}); do \
         ip address add 198.51.100.$host/32 dev lo || exit 1; done && exec \"$@\""
    );
    // As root, and as somebody who may be root in a namespace of users.
    for flags in ["-n", "-rn"] {
        let unshare = |program: &std::path::Path| {
            let mut command = Command::new("unshare");
            command.args([flags, "sh", "-c", &script, "sh"]);
            command.arg(program);
            command
        };
        let tried = unshare("true".as_ref()).output();
        if tried.is_ok_and(|output| output.status.success()) {
            let program = env::current_exe().expect("the test knows its own path");
            // Built here, where cargo can reach what it may need.
            let error = unshare(&program)
                .args(env::args_os().skip(1))
                .env(INSIDE, "1")
                .env("CAMPANILE_BIN", Daemon::binary())
                .exec();
            panic!("it has just worked: {error}");
        }
    }
}

/// Whether attackers come from afar, in the daemon's eyes.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Says where attackers come from, where that is not as it should be.
pub(crate) fn describe() {
    if is_inside() {
        return;
    }
    let missing = ["unshare", "ip"]
        .map(tools::program)
        .into_iter()
        .find_map(Result::err);
    let is_ci = env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        !is_ci || missing.is_none(),
        "{}: install it with: sh tests/clients/install.sh",
        missing.unwrap_or_default()
    );
    let why = missing.unwrap_or_else(|| "the machine does not permit it".to_owned());
    eprintln!(
        "No network namespace: {why}. Attackers come from loopback addresses, and those who have to come \
         from another machine stay away."
    );
}

/// The address of a host: on another machine, as the daemon sees it, where there is a namespace.
pub(crate) fn host(number: u8) -> IpAddr {
    let number = number % HOSTS + 1;
    if is_inside() {
        Ipv4Addr::new(198, 51, 100, number).into()
    } else {
        Ipv4Addr::new(127, 0, 1, number).into()
    }
}

/// The address of a host that is the daemon's own machine, each of which has one of its own.
pub(crate) fn beside(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 2, number % HOSTS + 1).into()
}
