//! The running daemon, seen from the other end of its sockets: every test starts its own daemon and talks
//! to it in hand-made bytes.

mod bad_handshake;
mod bad_input;
mod benching;
mod clients;
mod command_line;
mod compression;
mod configuring;
mod draining;
mod explaining;
mod faults;
mod http;
mod keep_alive;
mod limits;
mod logging;
mod many;
mod metrics;
mod origins;
mod proxies;
mod publishing;
mod runtimes;
#[cfg(target_os = "linux")]
mod service_manager;
mod status_page;
mod tls;
mod tokens;
mod v1;
mod verbs;

use campanile_tests::{Daemon, Wire};

/// What every [`listener`] hears as the last thing.
const LAST: &str = r#"{"sender":"server","notification":{"package":"test","page":"last"}}"#;

/// A client with `subscriptions` (JSON objects, comma separated) which besides hears [`LAST`].
#[track_caller]
fn listener(daemon: &Daemon, subscriptions: &str) -> Wire {
    let mut wire = daemon.connect();
    resubscribe(&mut wire, subscriptions);
    wire
}

/// Replaces the set of a [`listener`], which goes on to hear [`LAST`].
#[track_caller]
fn resubscribe(wire: &mut Wire, subscriptions: &str) {
    let separator = if subscriptions.is_empty() { "" } else { "," };
    wire.subscribe(&format!(
        r#"[{subscriptions}{separator}{{"package":"test","page":"last"}}]"#
    ));
}

/// Publishes [`LAST`]; since notifications keep their order, what was published before it and has
/// not been heard before it will never be.
#[track_caller]
fn publish_last(daemon: &Daemon) {
    daemon.publish(LAST);
}
