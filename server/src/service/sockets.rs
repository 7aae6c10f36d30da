//! Sockets that the service manager has opened (sd_listen_fds(3)), and keeps while the server is not there:
//! whoever comes meanwhile waits.

use std::{
    env, io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;

use crate::{
    config::{Effective, Value},
    log::Log,
};

/// The name of the one for operators (`FileDescriptorName=`). Others are for clients.
const ADMIN: &str = "admin";

/// Those that this process was passed.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) clients: Option<Passed>,
    pub(crate) admin: Option<Passed>,
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Passed {
    /// It is served in place of the address that the setting `key` says; where somebody has set another
    /// one, `log` says that this has no effect. The default is set by nobody: a file may spell it out.
    pub(crate) fn replaces(&self, effective: &Effective, key: &str, log: &Log) {
        log.socket_passed(key, self.address);
        let set = effective.iter().find(|(setting, ..)| setting.key == key);
        let Some((setting, value, _)) = set else {
            return;
        };
        if value != setting.default_value() && value != Value::Address(self.address) {
            log.no_effect(key, &setting.kind.text(value), self.address);
        }
    }
}

impl Sockets {
    /// Takes them, and the variables that tell of them out of the environment; so this is for the time
    /// before there are other threads.
    ///
    /// # Errors
    /// One cannot be used; in a line for the person who set it up.
    pub(crate) fn take() -> Result<Self, String> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut sockets = Self::default();
        for at in 0..passed.len() {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or("without a name");
            let socket = take(&mut passed, at).map_err(|reason| {
                format!(
                    "cannot serve on socket {at} ({name}) that the service manager passed: {reason}"
                )
            })?;
            let (place, whose) = if name == ADMIN {
                (&mut sockets.admin, "the admin address")
            } else {
                (&mut sockets.clients, "clients")
            };
            if let Some(first) = place {
                return Err(format!(
                    "the service manager passed two sockets for {whose}, {} and {}, and there can be one: \
                     leave out one ListenStream=; that of the admin address alone has \
                     FileDescriptorName={ADMIN}",
                    first.address, socket.address
                ));
            }
            *place = Some(socket);
        }
        Ok(sockets)
    }
}

fn take(passed: &mut ListenFd, at: usize) -> Result<Passed, String> {
    let listener = passed.take_tcp_listener(at);
    let listener =
        listener.and_then(|listener| listener.ok_or_else(|| io::ErrorKind::NotFound.into()));
    let listener = listener
        .map_err(|error| format!("{error}; give its ListenStream= an IP address and a port"))?;
    if !listens(&listener) {
        return Err("it does not listen; set Accept=no, and no ListenDatagram=".to_owned());
    }
    let address = listener
        .local_addr()
        .map_err(|error| format!("its address is not known: {error}"))?;
    Ok(Passed { listener, address })
}

#[cfg(not(target_vendor = "apple"))]
fn listens(socket: &TcpListener) -> bool {
    rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false)
}

/// Apple's systems do not tell.
#[cfg(target_vendor = "apple")]
fn listens(_: &TcpListener) -> bool {
    true
}
