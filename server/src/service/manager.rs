//! Messages to the service manager (sd_notify(3)): a datagram each, and none where nobody asks for them.
//!
//! Not by a crate: those there are take no abstract addresses, and wait for the manager without end, on
//! a thread that serves connections.

use core::{fmt::Write as _, net::SocketAddr, time::Duration};
use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::net::{self, UnixDatagram},
};

use rustix::time::{ClockId, clock_gettime};
use smol::{Async, Timer, future};

use super::watchdog;
use crate::log::Log;

/// Where the manager wants to be told.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long a message may wait for the manager to read earlier ones. Longer than it is ever busy, and
/// shorter than anybody waits for a server to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the end may take beyond the time that connections have: for a machine that is busy.
const TO_END: Duration = Duration::from_secs(10);

/// Who has started this process, if it wants to be told how it goes.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: Option<Async<UnixDatagram>>,
    interval: Option<Duration>,
    /// Where the server listens.
    address: SocketAddr,
}

impl Manager {
    /// The one that the environment names, for a server that listens at `address`. Where it cannot be
    /// reached, the server runs all the same, and `log` says so.
    pub(crate) fn of_process(address: SocketAddr, log: &Log) -> Self {
        let name = env::var_os(SOCKET).filter(|name| !name.is_empty());
        let socket = name.and_then(|name| {
            let connected = connect(&name);
            if let Err(error) = &connected {
                let name = name.display();
                log.no_manager(&format!("cannot connect to {SOCKET}={name}: {error}"));
            }
            connected.ok()
        });
        let interval = socket.as_ref().and_then(|_| watchdog::interval());
        Self {
            socket,
            interval,
            address,
        }
    }

    /// How often it wants a [beat](Self::beat), if it does.
    pub(crate) const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// The server accepts connections, and all that was asked of it is in force.
    pub(crate) async fn ready(&self) {
        let address = self.address;
        self.tell(&format!("READY=1\nSTATUS=Serving on {address}"))
            .await;
    }

    /// The same, after a configuration was refused.
    pub(crate) async fn ready_as_before(&self) {
        let address = self.address;
        self.tell(&format!(
            "READY=1\nSTATUS=Serving on {address} as before, for the new configuration is wrong: the log \
             says how"
        ))
        .await;
    }

    /// The configuration is read again, until the server is [ready](Self::ready).
    pub(crate) async fn reloading(&self) {
        let mut message = "RELOADING=1\nSTATUS=Reading the configuration again".to_owned();
        let now = clock_gettime(ClockId::Monotonic);
        let nanos = Duration::try_from(now).unwrap_or_default();
        // So that the manager knows which of several signals this is for.
        let _ = write!(message, "\nMONOTONIC_USEC={}", nanos.as_micros());
        self.tell(&message).await;
    }

    /// The server ends, for which its connections have so much `time`.
    pub(crate) async fn stopping(&self, time: Duration) {
        let micros = time.saturating_add(TO_END).as_micros();
        self.tell(&format!(
            "STOPPING=1\nSTATUS=Closing all connections\nEXTEND_TIMEOUT_USEC={micros}"
        ))
        .await;
    }

    /// All is well.
    pub(crate) async fn beat(&self) {
        self.tell("WATCHDOG=1").await;
    }

    /// A manager that has gone, or reads nothing, misses it.
    async fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else {
            return;
        };
        let tell = async {
            let _ = socket.send(message.as_bytes()).await;
        };
        let wait = async {
            Timer::after(PATIENCE).await;
        };
        future::or(tell, wait).await;
    }
}

fn connect(name: &OsStr) -> io::Result<Async<UnixDatagram>> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address(name)?)?;
    Async::new(socket)
}

/// What a name stands for: a path, or after an `@` what only Linux has.
#[cfg(target_os = "linux")]
fn address(name: &OsStr) -> io::Result<net::SocketAddr> {
    use std::os::{linux::net::SocketAddrExt as _, unix::ffi::OsStrExt as _};
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => net::SocketAddr::from_abstract_name(name),
        None => net::SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &OsStr) -> io::Result<net::SocketAddr> {
    net::SocketAddr::from_pathname(name)
}
