//! The formula for memory in `docs/operating.md`, held against a daemon with so many clients.

use std::fs;
use std::thread;

use core::time::Duration;

use campanile_tests::{Daemon, Wire};

use crate::markdown;

/// How many connections, half of them at first: enough that what is measured is theirs.
const CONNECTIONS: usize = 6000;

/// How many subscriptions each of them then has.
const SUBSCRIPTIONS: usize = 8;

pub(crate) fn check() {
    let daemon = Daemon::with(&["--log", "warn"]);
    let at_start = own_memory(&daemon);
    println!("at start: {at_start:?} rss {}", daemon.footprint().1);
    let mut wires: Vec<Wire> = Vec::new();
    for half in 1..=4 {
        while wires.len() < CONNECTIONS / 4 * half {
            wires.push(daemon.connect());
        }
        thread::sleep(Duration::from_millis(200));
        let now = own_memory(&daemon);
        println!("{}: {} each", wires.len(), (now - at_start) / wires.len());
    }
    let before = own_memory(&daemon);
    for (number, wire) in wires.iter_mut().enumerate() {
        let mut list = String::from("[");
        for i in 0..SUBSCRIPTIONS {
            if i > 0 { list.push(','); }
            list += &format!(r#"{{"package":"p","page":"q","filters":{{"values":{{"channel":["c{number}x{i}"]}}}}}}"#);
        }
        list.push(']');
        wire.subscribe(&list);
        if (number + 1) % 1500 == 0 {
            let now = own_memory(&daemon);
            println!("{number}: {} per subscription", (now - before) / (number + 1) / SUBSCRIPTIONS);
        }
    }
    let now = own_memory(&daemon);
    println!("{} per subscription", (now - before) / wires.len() / SUBSCRIPTIONS);
    panic!("{}", markdown::rows("").len());
}

fn own_memory(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/smaps_rollup", daemon.pid());
    let text = fs::read_to_string(path).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:")).expect("a kernel from 5.8 on");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}
